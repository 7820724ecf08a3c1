"""Make the table of safe private elements that ships with the program, from PS3.15 Table E.3.10-1.

    git clone https://github.com/pymedphys/pymedphys
    python scripts/safe_private.py pymedphys/lib/pymedphys/_dicom/deidentify/_standard/e3_10_1.json \\
        > src/hmchain/records/deidentification/rules/private_standard.toml

Only a new edition of the standard needs this. The table stands there as data, with the pages that it was read from;
tags, VRs and multiplicities are taken, descriptions are not.
"""

from __future__ import annotations

import json
import sys
import textwrap
from pathlib import Path

HEAD = """\
# {table}, edition {edition}: the private elements that the standard knows to be safe ({rows} rows, {creators}
# private creators); made by scripts/safe_private.py.
# Source: {acknowledgement}, as data in https://github.com/pymedphys/pymedphys, file
# lib/pymedphys/_dicom/deidentify/_standard/e3_10_1.json. Licence of that file: Apache License 2.0. Descriptions are
# left out. An entry is the last two digits of the element number, its VR (`-` where the table gives none), and its
# multiplicity where that is not 1.
"""


def main(source: Path) -> None:
    """Print the table in the file `source`."""
    table = json.loads(source.read_text(encoding="utf-8"))
    groups: dict[tuple[str, str], list[str]] = {}
    for row in table["rows"]:
        group, element = row["tag"].strip("()").upper().replace("XX", "").split(",")
        entry = f"{element} {row['vr'] or '-'}" + (f" {row['vm']}" if row["vm"] != "1" else "")
        groups.setdefault((row["private_creator"], group), []).append(entry)
    creators = len({creator for creator, _ in groups})
    print(HEAD.format(**{key: table[key] for key in ("table", "edition", "acknowledgement")},
                      rows=len(table["rows"]), creators=creators), end="")  # fmt: skip
    for (creator, group), entries in groups.items():
        lines = textwrap.fill(", ".join(entries), 110, break_on_hyphens=False)
        print(f'\n[[elements]]\ncreator = "{creator}"\ngroup = 0x{group}\nhold = """\n{lines}"""')


if __name__ == "__main__":
    main(Path(sys.argv[1]))
