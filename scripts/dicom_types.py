"""Make the table of types that ships with the program: which attributes an object of a SOP class must have.

    python -m pip download --no-deps highdicom==0.28.2 && unzip -q highdicom-*.whl -d highdicom
    python scripts/dicom_types.py highdicom/highdicom/_standard > \
        src/hmchain/records/deidentification/dicom/element_types.json

highdicom (MIT licence) carries the tables of PS3.3 as JSON, here of edition 2026b. They state facts of the DICOM
standard, whose copyright NEMA holds; types alone are taken, no text. Only a new edition needs this.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

EDITION = "2026b"
SOURCE = "highdicom 0.28.2 (MIT), _standard/{sop_class_iod_map,iod_module_map,module_attribute_map}.json"

RETIRED = {
    "1.2.840.10008.5.1.4.1.1.3": "ultrasound-multi-frame-image",
    "1.2.840.10008.5.1.4.1.1.5": "nuclear-medicine-image",
    "1.2.840.10008.5.1.4.1.1.6": "ultrasound-image",
    "1.2.840.10008.5.1.4.1.1.12.3": "x-ray-angiographic-image",
}
"""Classes that hospitals still have, and the IOD that took the place of theirs."""

CODES = {
    "CodeMeaning", "CodeValue", "CodingSchemeDesignator", "CodingSchemeVersion", "ContextGroupExtensionCreatorUID",
    "ContextGroupLocalVersion", "ContextGroupVersion", "LongCodeValue", "MappingResource", "URNCodeValue",
}  # fmt: skip
"""What the item of every sequence of codes has (PS3.3 Table 8.8-1), which is not said again for each."""

EARLIER = {"HL7StructuredDocumentReferenceSequence": {"RetrieveURI": "1"}}
"""Types of earlier editions that validators still ask for."""

OCCUPIED = {"AnatomicRegionSequence"}
"""Of type 2 here and there, and yet no validator takes an empty one beside a body part that is said."""

Types = dict[str, list[str]]
"""Keywords by type: `1` must have a value, `2` may be empty."""


def main(folder: Path) -> None:
    """Print the table made of those in `folder`."""
    iods, modules, attributes = (
        json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        for name in ("sop_class_iod_map", "iod_module_map", "module_attribute_map")
    )
    inside: dict[str, dict[str, str]] = defaultdict(dict)
    tops: dict[str, dict[str, str]] = {}
    for module, rows in attributes.items():
        tops[module] = {}
        for row in rows:
            place = inside[row["path"][-1]] if row["path"] else tops[module]
            kind = str(row["type"])[0]
            if kind in "12":
                kind = "1" if row["keyword"] in OCCUPIED else kind
                place[row["keyword"]] = min(kind, place.get(row["keyword"], kind))
    for sequence, kinds in EARLIER.items():
        inside[sequence] |= kinds
    used = {iod: [module["key"] for module in modules[iod] if tops.get(module["key"])] for iod in set(iods.values())}
    table = {
        "edition": EDITION,
        "source": SOURCE,
        "modules": {module: by_type(top) for module, top in sorted(tops.items()) if top},
        "iods": {iod: sorted(set(names)) for iod, names in sorted(used.items())},
        "classes": dict(sorted((iods | RETIRED).items())),
        "sequences": shared(inside),
    }
    print("{\n" + ",\n".join(f'"{name}": {lines(part)}' for name, part in table.items()) + "\n}")


def by_type(kinds: dict[str, str]) -> Types:
    """Keywords by type."""
    found: Types = defaultdict(list)
    for keyword, kind in sorted(kinds.items()):
        found[kind].append(keyword)
    return dict(sorted(found.items()))


def shared(inside: dict[str, dict[str, str]]) -> list[dict[str, object]]:
    """Sequences whose items have the same types, together."""
    alike: dict[str, list[str]] = defaultdict(list)
    for sequence, kinds in inside.items():
        if kinds.keys() >= CODES:
            kinds = {keyword: kind for keyword, kind in kinds.items() if keyword not in CODES}
        if kinds:
            alike[json.dumps(by_type(kinds))].append(sequence)
    found = [{"in": sorted(sequences), **json.loads(types)} for types, sequences in alike.items()]
    return sorted(found, key=lambda entry: entry["in"][0])


def lines(part: object) -> str:
    """A line for each entry."""
    if isinstance(part, dict):
        return "{\n" + ",\n".join(f"{json.dumps(key)}: {compact(value)}" for key, value in part.items()) + "\n}"
    if isinstance(part, Iterable) and not isinstance(part, str):
        return "[\n" + ",\n".join(compact(value) for value in part) + "\n]"
    return compact(part)


def compact(value: object) -> str:
    """JSON without spaces."""
    return json.dumps(value, separators=(",", ":"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
