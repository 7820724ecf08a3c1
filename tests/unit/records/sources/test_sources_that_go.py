"""A source that goes away while it is read is not taken for one that held less: the run ends, and goes on later."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from hmchain.records.sources.containers import folder
from hmchain.records.sources.dicom.files import DicomFiles
from hmchain.records.sources.item import SourceError
from support.dicom_objects import ct, written


@pytest.fixture
def disc(tmp_path: Path) -> Path:
    made = tmp_path / "disc"
    (made / "b").mkdir(parents=True)
    for number, name in enumerate(("IM1", "IM2", "b/IM3")):
        (made / name).write_bytes(written(ct(SOPInstanceUID=f"1.2.3.{number}")))
    return made


def test_a_disc_that_is_taken_out_ends_the_run_and_nothing_counts_as_empty(disc: Path) -> None:
    source = DicomFiles.at(disc)
    items = source.items(lambda _: False)
    next(items)
    shutil.move(disc, disc.with_name("taken out"))
    with pytest.raises(SourceError, match="went away while it was read"):
        list(items)
    assert not source.finds.reasons


def test_the_empty_mount_point_of_a_share_that_went_down_is_not_the_share(
    disc: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = DicomFiles.at(disc)
    items = source.items(lambda _: False)
    next(items)
    shutil.rmtree(disc)
    disc.mkdir()
    monkeypatch.setattr(folder, "device_of", lambda _: -1)
    with pytest.raises(SourceError, match="went away while it was read"):
        list(items)
    assert not source.finds.reasons


def test_a_file_that_somebody_moves_meanwhile_is_named_as_gone(disc: Path) -> None:
    source = DicomFiles.at(disc)
    items = source.items(lambda _: False)
    next(items)
    (disc / "IM2").unlink()
    assert [item.name for item in items] == ["b/IM3"]
    assert dict(source.finds.reasons) == {"a file that went away": 1} and source.finds.files == 3
