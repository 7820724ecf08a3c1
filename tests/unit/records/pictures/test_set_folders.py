"""Sets of images in folders: a folder a class."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hmchain.records.pictures.imageset import (
    DatasetLayoutError,
    EmptyDatasetError,
    OneClassError,
)
from hmchain.records.pictures.named_sets import load_images
from support.image_files import CANARY, arrays, encoded, picture, saved


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for label in ("healthy", "ill"):
        (tmp_path / label).mkdir()
        for i in range(3):
            picture().save(tmp_path / label / f"{i}.png")
    return tmp_path


# --- folders


def test_a_folder_a_class(folder: Path) -> None:
    found = load_images(str(folder), size=24)
    assert found.images.shape == (6, 24, 24, 3)
    assert found.classes == ("healthy", "ill")
    assert found.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert len(set(found.groups)) == 6
    assert found.official is None
    assert found.report.files_read == 6


def test_bad_files_are_quarantined_and_the_rest_goes_on(folder: Path) -> None:
    (folder / "ill" / "notes.txt").write_text("seen on Monday")
    (folder / "ill" / "cut.jpg").write_bytes(encoded(picture(200), "JPEG")[:500])
    (folder / "ill" / ".DS_Store").write_bytes(b"x")
    (folder / "stray.png").write_bytes(encoded(picture(), "PNG"))
    report = load_images(str(folder)).report
    assert report.files_read == 6
    assert dict(report.quarantined) == {
        "stray.png": "outside the folder of any class",
        "ill/cut.jpg": "a damaged or truncated image",
        "ill/notes.txt": "not an image of a format that is read",
    }


def test_the_report_counts_what_was_left_behind(folder: Path) -> None:
    exif = Image.Exif()
    exif[0x013B] = CANARY.decode()
    picture().save(folder / "ill" / "a.jpg", exif=exif, comment=CANARY)
    (folder / "ill" / "b.jpg").write_bytes(encoded(picture(), "PNG", exif=exif))
    picture().convert("P").save(folder / "ill" / "c.png")
    found = load_images(str(folder))
    assert found.report.metadata_removed == {"EXIF": 2, "comment": 1}
    assert found.report.files_with_metadata == 2
    assert found.report.misnamed == 1
    assert found.report.converted == 1
    assert CANARY not in found.images.tobytes()


def test_pictures_without_colour_are_stored_as_grey(folder: Path) -> None:
    for path in folder.rglob("*.png"):
        picture(channels=1).convert("RGB").save(path)
    assert load_images(str(folder)).shape == (64, 64, 1)
    picture().save(folder / "ill" / "coloured.png")
    assert load_images(str(folder)).shape == (64, 64, 3)


def test_folders_named_train_and_test_are_a_split(tmp_path: Path) -> None:
    for split in ("train", "val", "test"):
        for label in ("a", "b"):
            (tmp_path / split / label).mkdir(parents=True)
            for i in range(2):
                picture().save(tmp_path / split / label / f"{i}.png")
    found = load_images(str(tmp_path))
    assert found.classes == ("a", "b")
    assert found.official is not None
    assert sorted(found.official.tolist()) == [0] * 4 + [1] * 4 + [2] * 4


def test_progress_is_told(folder: Path) -> None:
    seen: list[tuple[int, int]] = []
    load_images(str(folder), progress=lambda done, of: seen.append((done, of)))
    assert seen == [(i, 6) for i in range(1, 7)]


def test_loading_is_the_same_each_time(folder: Path) -> None:
    one, two = load_images(str(folder)), load_images(str(folder))
    assert np.array_equal(one.images, two.images)
    assert np.array_equal(one.labels, two.labels)


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(EmptyDatasetError, match="holds no images"):
        load_images(str(tmp_path))


def test_a_folder_without_folders_of_classes(tmp_path: Path) -> None:
    picture().save(tmp_path / "a.png")
    with pytest.raises(DatasetLayoutError, match="sub-folder"):
        load_images(str(tmp_path))


def test_a_folder_where_nothing_is_an_image(tmp_path: Path) -> None:
    (tmp_path / "ill").mkdir()
    (tmp_path / "ill" / "a.txt").write_text("hello")
    with pytest.raises(EmptyDatasetError, match=r"ill/a\.txt: not an image"):
        load_images(str(tmp_path))


def test_one_class_only(tmp_path: Path) -> None:
    (tmp_path / "ill").mkdir()
    picture().save(tmp_path / "ill" / "a.png")
    with pytest.raises(OneClassError, match="'ill'"):
        load_images(str(tmp_path))
    with pytest.raises(OneClassError):
        load_images(saved(tmp_path / "x.npz", **arrays() | {"labels": np.zeros(12, int)}))
