"""Make the table of defined terms that ships with the program: what DICOM itself writes into its coded elements.

    apt-get source dicom3tools  # or a checkout of its repository
    python scripts/dicom_terms.py dicom3tools-*/libsrc/standard > \
        src/hmchain/records/deidentification/dicom/terms.json

dicom3tools (a BSD licence, Copyright 1993-2024 David A. Clunie DBA PixelMed Publishing) lists the defined terms and
enumerated values of PS3.3 in the templates that dciodvfy checks objects with. They state facts of the DICOM standard,
whose copyright NEMA holds; terms alone are taken. Only a new edition needs this.
"""

from __future__ import annotations

import json
import re
import sys
from collections import defaultdict
from pathlib import Path

from pydicom._dicom_dict import DicomDictionary
from pydicom.datadict import dictionary_VR, tag_for_keyword

SOURCE = "dicom3tools (BSD licence, Copyright (c) 1993-2024 David A. Clunie DBA PixelMed Publishing), libsrc/standard"

_LISTS = re.compile(r'^\s*StringValues="(\w+)"\s*\{(.*?)\}', re.MULTILINE | re.DOTALL)
_USES = re.compile(r'Name="(\w+)"[^\n]*?String(?:Enum|Defined)\w*="(\w+)"')
_TYPES = ("ImageType", "FrameType")
_SAME = dict.fromkeys(_TYPES, _TYPES)
"""Elements with the terms of one another."""
_TERM = re.compile(r"[A-Z0-9_ ]{1,16}")


def main(folder: Path) -> None:
    """Print the table."""
    text = "\n".join(path.read_text("latin-1") for path in sorted(folder.rglob("*.tpl")))
    lists = {name: _terms(body) for name, body in _LISTS.findall(text)}
    found: dict[str, set[str]] = defaultdict(set)
    for keyword, name in _USES.findall(text):
        tag = tag_for_keyword(keyword)
        if tag is not None and dictionary_VR(tag) in ("CS", "LO", "SH"):
            found[keyword] |= lists.get(name, set())
    for keyword in _coded():
        named = _SAME.get(keyword, (keyword,))
        found[keyword] |= {term for name, terms in lists.items() if _is_of(name, named) for term in terms}
    table = {keyword: sorted(terms) for keyword, terms in sorted(found.items()) if terms}
    lines = ",\n".join(f"{json.dumps(keyword)}: {json.dumps(' | '.join(terms))}" for keyword, terms in table.items())
    print(f'{{"source": {json.dumps(SOURCE)},\n"terms": {{\n{lines}\n}}}}')


def _coded() -> list[str]:
    """The keywords of coded strings."""
    return [entry[4] for entry in DicomDictionary.values() if entry[0] == "CS" and entry[4]]


def _is_of(name: str, keywords: tuple[str, ...]) -> bool:
    """Tell whether a list is of an element: it is called after it, maybe with its module or the number of a value."""
    return any(re.search(rf"{keyword}(?:Values?)?\d*$", name) for keyword in keywords)


def _terms(body: str) -> set[str]:
    terms = (re.split(r"[=,]", line.split("#")[0])[0].strip() for line in body.split("\n"))
    return {term for term in terms if _TERM.fullmatch(term) and not term.isdigit() and len(term) > 1}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
