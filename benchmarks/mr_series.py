"""Can an analysis tell real MR series from their de-identified selves, as dcm2niix reads both?

Each folder below the one that is given (`HMCHAIN_DATA_DIR/mr`, if none is) is converted as it is, after a profile
without private elements, and after `research`: volumes, voxels, affine, b-values, directions, and what a sidecar says
of slice timings, phase encoding, echo spacing and the like must be the same. The ratio is the share of volumes of which
all are, under `research`. Objects that are held are counted: a volume that lacks one is another volume.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from hmchain.keys import SecretKey
from hmchain.records.deidentification.dicom import DicomDeidentifier
from hmchain.records.deidentification.outcome import Clean
from hmchain.records.deidentification.profile import Profile, load_profile
from hmchain.records.deidentification.pseudonyms import Pseudonyms
from hmchain.records.sources.item import DICOM, Item
from support.nifti_pairs import Volume, converted, unlike

TARGET = 1.0
QUICK_FILES_MAX = 40


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, help="a folder of folders of MR objects")
    parser.add_argument("--quick", action="store_true", help=f"the first {QUICK_FILES_MAX} files of each folder alone")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    folder = arguments.folder or Path(os.environ.get("HMCHAIN_DATA_DIR", "data")) / "mr"
    if not folder.is_dir():
        print(f"There are no MR series in {folder}: give a folder, or HMCHAIN_DATA_DIR.")
        return
    result = measure(folder, QUICK_FILES_MAX if arguments.quick else None)
    print(json.dumps(result)) if arguments.json else show(result)


def measure(folder: Path, files_max: int | None) -> dict[str, object]:
    research = load_profile("research")
    bare = msgspec.structs.replace(research, dicom=msgspec.structs.replace(research.dicom, private=()))
    rows = [compare(part, (bare, research), files_max) for part in sorted(folder.iterdir()) if part.is_dir()]
    volumes, same = (sum(row[key] for row in rows) for key in ("volumes", "same"))
    return {
        "name": "mr_series",
        "ratio": round(same / max(volumes, 1), 4),
        "unit": "volumes that dcm2niix reads from research as from the originals, over all",
        "target": TARGET,
        "folders": rows,
    }


def compare(folder: Path, profiles: tuple[Profile, Profile], files_max: int | None) -> dict[str, object]:
    """One folder before and after, by both profiles."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())[:files_max]
    with tempfile.TemporaryDirectory() as place:
        scratch = Path(place)
        (scratch / "before").mkdir()
        for number, path in enumerate(files):
            shutil.copy(path, scratch / "before" / f"{number:05}.dcm")
        before = converted(scratch / "before", scratch / "nifti before")
        found = {}
        for name, profile in zip(("bare", "kept"), profiles, strict=True):
            held = clean(files, profile, scratch / name)
            after = converted(scratch / name, scratch / f"nifti {name}")
            found[name] = (len(before) - differing(before, after), held)
    return {
        "folder": folder.name,
        "files": len(files),
        "volumes": len(before),
        "same_without_private": found["bare"][0],
        "same": found["kept"][0],
        "held": dict(found["kept"][1]),
    }


def differing(before: Sequence[Volume], after: Sequence[Volume]) -> int:
    """As many volumes of those before as have no like one after."""
    return len(unlike(before, after))


def clean(files: Sequence[Path], profile: Profile, into: Path) -> Counter[str]:
    """De-identify files; gives why objects were held, and how often."""
    into.mkdir()
    by = DicomDeidentifier(profile, Pseudonyms(SecretKey(bytes(range(32))), "benchmark"))
    held: Counter[str] = Counter()
    for number, path in enumerate(files):
        for outcome in by.deidentify(Item(path.name, DICOM, lambda path=path: path.open("rb"))):
            if isinstance(outcome, Clean):
                (into / f"{number:05}.dcm").write_bytes(b"".join(outcome.pieces()))
            else:
                held[outcome.code] += 1
    return held


def show(result: dict[str, object]) -> None:
    table = Table(title="MR series before and after, as dcm2niix reads them")
    for column in ("folder", "files", "volumes", "the same without private elements", "the same", "held"):
        table.add_column(column, justify="left" if column in ("folder", "held") else "right")
    for row in result["folders"]:  # type: ignore[attr-defined]
        held = ", ".join(f"{code} {count}" for code, count in row["held"].items())
        table.add_row(*(str(row[key]) for key in ("folder", "files", "volumes", "same_without_private", "same")), held)
    console = Console()
    console.print(table)
    console.print(f"{result['ratio']:.1%} of all volumes are the same; the target is all.")


if __name__ == "__main__":
    main()
