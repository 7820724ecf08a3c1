"""Make the table of purposes that ships with the program, from the GA4GH Data Use Ontology.

    git clone https://github.com/EBISPOT/DUO
    python scripts/duo.py DUO > src/hmchain/application/governance/tables/duo.toml

Its names are taken as they are; only a new release of the ontology needs this.
"""

from __future__ import annotations

import csv
import json
import re
import sys
from pathlib import Path

HEAD = """\
# The GA4GH Data Use Ontology (DUO), release {release}: the names of its terms, unchanged; made by scripts/duo.py.
# Source: https://github.com/EBISPOT/DUO, file duo.csv. Licence: Creative Commons Attribution 4.0 International (CC BY
# 4.0), https://creativecommons.org/licenses/by/4.0/. Lawson et al., The Data Use Ontology to streamline responsible
# access to human biomedical datasets, Cell Genomics 1(2), 2021. Definitions and all else are left out.
"""


def main(folder: Path) -> None:
    """Print the table of the ontology in `folder`."""
    owl = (folder / "duo.owl").read_text(encoding="utf-8")
    release = re.search(r'versionIRI rdf:resource="[^"]*/releases/([^/"]+)/', owl)
    if release is None:
        raise SystemExit("duo.owl names no release")
    with (folder / "duo.csv").open(encoding="utf-8", newline="") as file:
        terms = sorted(csv.DictReader(file), key=lambda term: term["id"])
    print(HEAD.format(release=release[1]))
    print("[terms]")
    for term in terms:
        print(f"{json.dumps(term['id'])} = {json.dumps(term['label'])}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
