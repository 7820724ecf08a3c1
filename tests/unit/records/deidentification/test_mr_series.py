"""Real MR series, as dcm2niix reads them: the same volumes, times, b-values and directions after as before.

All of them, and more figures: `benchmarks/mr_series.py`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from hmchain.records.deidentification.profile import PixelRules, load_profile
from support.dicom_objects import collected, content, deidentifier, item
from support.nifti_pairs import converted, differences

MR = Path(os.environ.get("HMCHAIN_DATA_DIR", "data")) / "mr"

SERIES: dict[str, Callable[[Path], bool]] = {
    "ge-mr_0004": lambda path: int(path.stem.split("-")[-1]) <= 30,  # two volumes of fifteen slices
    "philips-fmri": lambda path: True,
    "siemens-orientation": lambda path: path.parent.name.startswith("jp") or "201403101" in path.name,
    "uih-dti": lambda path: True,
}
"""A folder, and which of its files are taken here."""

pytestmark = pytest.mark.skipif(not MR.is_dir(), reason=f"no MR series in {MR}; HMCHAIN_DATA_DIR says where they are")


@pytest.mark.parametrize("profile", ["research-mr", pytest.param("research", marks=pytest.mark.network)])
@pytest.mark.parametrize("folder", SERIES)
def test_an_analysis_cannot_tell_a_series_from_its_original(folder: str, profile: str, tmp_path: Path) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    before.mkdir(), after.mkdir()
    unlooked = PixelRules(find_writing=False)  # what is held for its pixels is another question
    by = deidentifier(msgspec.structs.replace(load_profile(profile), pixels=unlooked))
    files = [path for path in sorted((MR / folder).rglob("*")) if path.is_file() and SERIES[folder](path)]
    for number, path in enumerate(files):
        shutil.copy(path, before / f"{number:04}.dcm")
        found = collected(by, item(lambda path=path: path.open("rb")))
        (after / f"{number:04}.dcm").write_bytes(content(found))
    originals = converted(before, tmp_path / "nifti before")
    assert originals, "dcm2niix reads the originals"
    assert differences(originals, converted(after, tmp_path / "nifti after")) == []
