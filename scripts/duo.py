"""Make the table of purposes that ships with the program, from the GA4GH Data Use Ontology.

    git clone https://github.com/EBISPOT/DUO
    python scripts/duo.py DUO > src/hmchain/ledger/tables/duo.toml

Ledgers judge by it: another table is another protocol. Names and hierarchy are taken as they are, but for what DUO says
in its definitions and not in its hierarchy: see `BY_DEFINITION`.
"""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from pathlib import Path

HEAD = """\
# The GA4GH Data Use Ontology (DUO), release {release}: its terms' short names, names and parents; made by
# scripts/duo.py. Source: https://github.com/EBISPOT/DUO, commit {commit}, files duo.csv and
# duo.owl. Licence: Creative Commons Attribution 4.0 International (CC BY 4.0),
# https://creativecommons.org/licenses/by/4.0/. Lawson et al., The Data Use Ontology to streamline responsible access to
# human biomedical datasets, Cell Genomics 1(2), 2021. Definitions and all else are left out. Changed: two parents are
# added that follow from definitions (`general research use` is "for any research purpose", `no restriction` is none).
"""
BY_DEFINITION = {"DUO:0000042": "DUO:0000004", "DUO:0000011": "DUO:0000042"}
"""Parents beside those of the ontology: no restriction covers general research, which covers ancestry."""
_CLASS = re.compile(r'<owl:Class rdf:about="[^"]*/DUO_(\d+)">(.*?)</owl:Class>', re.DOTALL)
_PARENT = re.compile(r'<rdfs:subClassOf rdf:resource="[^"]*/DUO_(\d+)"/>')


def main(folder: Path) -> None:
    """Print the table of the ontology in `folder`."""
    owl = (folder / "duo.owl").read_text(encoding="utf-8")
    release = re.search(r'versionIRI rdf:resource="[^"]*/releases/([^/"]+)/', owl)
    if release is None:
        raise SystemExit("duo.owl names no release")
    with (folder / "duo.csv").open(encoding="utf-8", newline="") as file:
        terms = sorted(csv.DictReader(file), key=lambda term: term["id"])
    # One number has a zero too many in duo.owl.
    parents = {_code(number): [_code(of) for of in _PARENT.findall(body)] for number, body in _CLASS.findall(owl)}
    print(HEAD.format(release=release[1], commit=_commit(folder)))
    for term in terms:
        above = sorted({*parents[term["id"]], *filter(None, [BY_DEFINITION.get(term["id"])])})
        print(f"[terms.{json.dumps(term['id'])}]")
        print(f"short = {json.dumps(term['shorthand'])}\nname = {json.dumps(term['label'])}")
        print(f"parents = {json.dumps(above)}\n")


def _code(number: str) -> str:
    return f"DUO:{int(number):07}"


def _commit(folder: Path) -> str:
    command = ["git", "-C", str(folder), "rev-parse", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
