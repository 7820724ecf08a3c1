"""Which files a model is asked about."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hmchain.application.models.prediction import NoImagesError, images_in
from support.dicom_objects import ct, written


def test_a_folder_gives_its_pictures_and_dicom_objects_whatever_they_are_called(tmp_path: Path) -> None:
    (tmp_path / "series").mkdir()
    (tmp_path / "series" / "IM0001").write_bytes(written(ct()))
    (tmp_path / "broken.jpg").write_bytes(b"not an image")
    (tmp_path / "notes.txt").write_text("not meant")
    os.mkfifo(tmp_path / "pipe.png")  # would be waited for, for ever
    found = images_in([tmp_path])
    assert [path.name for path in found.images] == ["broken.jpg", "IM0001"]
    assert found.passed_over == 1


def test_what_is_no_file_is_named(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    for path, words in ((tmp_path / "pipe.png", "is no file"), (tmp_path / "gone.png", "there is no")):
        with pytest.raises(NoImagesError, match=words):
            images_in([path])
    with pytest.raises(NoImagesError, match="holds no images"):
        images_in([tmp_path])
