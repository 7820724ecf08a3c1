"""Make the table of code meanings that ships with the program: what the terminologies themselves call their codes.

    python scripts/dicom_meanings.py src/hmchain/records/deidentification/dicom/code_meanings.tsv.gz

pydicom (MIT licence) carries the codes of the context groups of PS3.16 with their meanings; a process that imports
them needs 100 MB, and this table 3. Those of SNOMED CT are the ones that DICOM may use by its agreement with SNOMED
International (PS3.16 section 8). A line is a scheme, a code and its meanings, the usual one first. Only a new pydicom
needs this.
"""

from __future__ import annotations

import gzip
import sys
import unicodedata
from collections import defaultdict
from pathlib import Path

from pydicom.sr._concepts_dict import concepts
from pydicom.sr._snomed_dict import mapping

LENGTH_MAX = 64


def main(path: Path) -> None:
    """Write the table to `path`."""
    found: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for scheme, by_keyword in concepts.items():
        for codes in by_keyword.values():
            for code, (meaning, groups) in codes.items():
                if text := plain(meaning):
                    found[scheme, code][text] = len(groups)
    for older, code in mapping["SRT"].items():
        if ("SCT", code) in found:
            found["SRT", older] = found["SCT", code]
    lines = ("\t".join((scheme, code, *usual_first(groups))) for (scheme, code), groups in sorted(found.items()))
    path.write_bytes(gzip.compress("\n".join(lines).encode("ascii"), 9, mtime=0))


def usual_first(groups: dict[str, int]) -> list[str]:
    """Meanings, those of the most context groups first."""
    return sorted(groups, key=lambda meaning: (-groups[meaning], meaning))


def plain(meaning: str) -> str:
    """A meaning as a LO element can have it in ASCII; nothing if that is too long, or other text."""
    folded = unicodedata.normalize("NFKD", meaning)
    text = "".join(letter for letter in folded if letter.isascii() and letter.isprintable() and letter != "\\").strip()
    return text if 0 < len(text) <= LENGTH_MAX else ""


if __name__ == "__main__":
    main(Path(sys.argv[1]))
