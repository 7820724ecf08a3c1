"""A steward at the commands of one hospital's folder, and the scans in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hmchain.interfaces.cli.main import main
from support.dicom_objects import ct, written

Captured = pytest.CaptureFixture[str]

NAME, NUMBER = "Quince", "MRN-449-207"
TWO = 'name = "careful"\ntitle = "Two people release"\n[review]\npersons = 2\n'
"""A profile by which two people must release."""
ASKS = (
    "send",
    "erase",
    "patients merge",
    "patients part",
    "person remove",
    "register",
    "withdraw",
    "vault rotate",
    "quarantine reject",
)
"""Commands that ask before they do it."""


class Steward:
    """Runs `hmchain data` on one hospital's folder, and says yes to whatever is asked."""

    def __init__(self, folder: Path, capsys: Captured) -> None:
        self.folder = folder
        self.capsys = capsys

    def run(self, *arguments: str, expect: int = 0) -> Any:
        """The JSON that a command prints."""
        place = [] if arguments[0] == "selftest" else ["--dir", str(self.folder)]
        status = main(["data", *arguments, *_yes(arguments), *place, "--json"])
        printed = self.capsys.readouterr()
        assert status == expect, printed.out + printed.err
        return json.loads(printed.out)

    def show(self, *arguments: str) -> str:
        """What people see."""
        assert main(["data", *arguments, *_yes(arguments), "--dir", str(self.folder)]) == 0
        return self.capsys.readouterr().out


def _yes(arguments: tuple[str, ...]) -> list[str]:
    return ["--yes"] if " ".join(arguments).startswith(ASKS) else []


@pytest.fixture
def steward(tmp_path: Path, capsys: Captured) -> Steward:
    made = Steward(tmp_path / "north", capsys)
    made.run("init")
    return made


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """Twelve slices of four patients, a screenshot, and a file that is cut short."""
    folder = tmp_path / "export"
    folder.mkdir()
    rng = np.random.Generator(np.random.PCG64(3))
    for number in range(12):
        pixels = rng.integers(0, 4000, (8, 8), dtype=np.uint16)
        slice_ = ct(PatientID=f"{NUMBER}-{number % 4}", SOPInstanceUID=f"1.2.3.{number}", PixelData=pixels.tobytes())
        slice_.file_meta.MediaStorageSOPInstanceUID = slice_.SOPInstanceUID
        (folder / f"{NAME} {number}.dcm").write_bytes(written(slice_))
    shot = ct(SOPInstanceUID="1.2.4.1", BurnedInAnnotation="YES")
    (folder / "shot.dcm").write_bytes(written(shot))
    (folder / "short.dcm").write_bytes(written(ct(SOPInstanceUID="1.2.4.2"))[:300])
    return folder


def contents(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def message(number: int) -> bytes:
    lines = (
        f"MSH|^~\\&|LAB|HOSP|X|Y|20240101||ORU^R01|{number}|P|2.5",
        f"PID|1||{NUMBER}^^^H||{NAME}^Archibald||19310203|M",
        "OBX|1|NM|8480-6^Systolic^LN||120|mm[Hg]|||||F",
    )
    return "\r".join(lines).encode()
