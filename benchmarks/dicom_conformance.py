"""How many DICOM objects that conform to the standard still do when they are de-identified?

dciodvfy (Debian's dicom3tools) looks at every object before and after, in each shipped profile. An object counts if it
finds no error in it before: pydicom's test files, the MR series of `HMCHAIN_DATA_DIR`, or what lies in the folders that
are given. Objects that are held are released first, where that is possible. Of those with errors before, kinds of error
that are new are listed.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from pydicom.data import get_testdata_file
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from hmchain.keys import SecretKey
from hmchain.records.deidentification.dicom import DicomDeidentifier
from hmchain.records.deidentification.outcome import Clean
from hmchain.records.deidentification.profile import load_profile, profiles
from hmchain.records.deidentification.pseudonyms import Pseudonyms
from hmchain.records.sources.item import DICOM, Item
from support.validators import violations

TARGET = 0.99
LARGE_BYTES = 8 << 20
_VALUES = re.compile(r"<[\d.]+>|\[\d+\]|[\d.]{20,}")


@dataclass
class Score:
    """The score of one profile."""

    clean_before: int = 0
    clean_after: int = 0
    held: Counter[str] = field(default_factory=Counter)
    offenders: dict[str, list[str]] = field(default_factory=dict)
    new_kinds: Counter[str] = field(default_factory=Counter)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="*", type=Path, help="where DICOM files lie")
    parser.add_argument("--quick", action="store_true", help="one file in two")
    parser.add_argument("--json", action="store_true", help="print one object")
    parser.add_argument("--profile", action="append", help="these profiles alone")
    options = parser.parse_args()
    if shutil.which("dciodvfy") is None:
        why = "dciodvfy is not installed: apt install dicom3tools"
        print(json.dumps({"name": "dicom_conformance", "skipped": why}) if options.json else f"skipped: {why}")
        return
    files = found(options.folders or shipped(), one_in=2 if options.quick else 1)
    with tempfile.TemporaryDirectory(prefix="conformance-") as name:
        before = {path: errors(path) for path in files}
        scores = {
            profile: scored(profile, before, Path(name) / "after.dcm") for profile in options.profile or profiles()
        }
    ratio = min(
        (score.clean_after / score.clean_before for score in scores.values() if score.clean_before), default=0.0
    )
    result = {
        "name": "dicom_conformance",
        "ratio": round(ratio, 4),
        "unit": "objects without an error of dciodvfy after, over those without one before, in the worst profile",
        "target": TARGET,
        "files": len(files),
        "profiles": {
            profile: {
                "clean_before": score.clean_before,
                "clean_after": score.clean_after,
                "held": dict(score.held),
                "offenders": score.offenders,
                "new_kinds": dict(score.new_kinds),
            }
            for profile, score in scores.items()
        },
    }
    print(json.dumps(result)) if options.json else show(scores, ratio)


def shipped() -> list[Path]:
    """The folders that are looked at by themselves."""
    own = Path(str(get_testdata_file("CT_small.dcm"))).parent
    series = Path(os.environ.get("HMCHAIN_DATA_DIR", "")) / "mr"
    return [own, series] if os.environ.get("HMCHAIN_DATA_DIR") and series.is_dir() else [own]


def found(folders: list[Path], *, one_in: int) -> list[Path]:
    """DICOM files below the folders that are not large."""
    files = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
    return [path for path in files if path.stat().st_size < LARGE_BYTES and is_dicom(path)][::one_in]


def is_dicom(path: Path) -> bool:
    """Tell whether a file has the preamble of DICOM."""
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def errors(path: Path) -> list[str] | None:
    """What dciodvfy calls an error, without values; None if it does not know what the object is, or breaks off."""
    found = violations(path, seconds_max=300)
    return None if found is None else [_VALUES.sub("", line) for line in found]


def scored(profile: str, before: dict[Path, list[str] | None], after: Path) -> Score:
    """De-identify every file by a profile, and ask again."""
    score = Score()
    by = DicomDeidentifier(load_profile(profile), Pseudonyms(SecretKey(bytes(range(32))), "conformance"))
    for path, came in before.items():
        for outcome in by.deidentify(Item(path.name, DICOM, partial(path.open, "rb"), ""), reviewed=True):
            if not isinstance(outcome, Clean):
                score.held[outcome.code] += 1
            elif came is not None:
                after.write_bytes(b"".join(bytes(piece) for piece in outcome.pieces()))
                compare(score, str(path), came, errors(after))
    return score


def compare(score: Score, path: str, came: list[str], left: list[str] | None) -> None:
    """Enter one object into the score; dciodvfy breaks off at native pixels of 32 bits."""
    if left is None:
        score.held["not judged"] += 1
    elif came:
        score.new_kinds.update(set(left) - set(came))
    else:
        score.clean_before += 1
        score.clean_after += not left
        score.offenders |= {path: left} if left else {}


def show(scores: dict[str, Score], ratio: float) -> None:
    """Print the scores for people."""
    table = Table("profile", "clean before", "clean after", "held", title=f"dciodvfy: {ratio:.1%}, wanted {TARGET:.0%}")
    for profile, score in scores.items():
        held = ", ".join(f"{count} {code}" for code, count in score.held.most_common())
        table.add_row(profile, str(score.clean_before), str(score.clean_after), held)
    console = Console()
    console.print(table)
    for profile, score in scores.items():
        for path, said in score.offenders.items():
            console.print(f"{profile}: {path}: {said[0]}")
        for kind, count in score.new_kinds.most_common():
            console.print(f"{profile}: new in {count} that had errors before: {kind}")


if __name__ == "__main__":
    main()
