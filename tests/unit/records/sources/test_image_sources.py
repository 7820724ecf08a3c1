"""Image files and arrays of images, one by one."""

from __future__ import annotations

import io
import shutil
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hmchain.records.pictures.imageset import DatasetLayoutError
from hmchain.records.pictures.medmnist import CLASSES
from hmchain.records.pictures.set_arrays import load_arrays
from hmchain.records.pictures.set_folders import list_files
from hmchain.records.sources.item import IMAGE, SourceError
from hmchain.records.sources.pictures.arrays import ImageArrays
from hmchain.records.sources.pictures.files import ImageFiles

NOBODY: Callable[[str], bool] = lambda name: False  # noqa: E731


def png(value: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.full((4, 5), value, np.uint8)).save(file, "PNG")
    return file.getvalue()


def fill(folder: Path, names: list[str]) -> Path:
    for value, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(png(value))
    return folder


@pytest.mark.parametrize(
    "names",
    [
        ["tumour/1.png", "tumour/deep/2.png", "healthy/1.png"],
        ["train/tumour/1.png", "train/healthy/1.png", "test/tumour/2.png", "val/healthy/1.png"],
        ["test/1.png", "other/2.png"],
    ],
    ids=["classes", "splits", "a class called test"],
)
def test_labels_are_those_of_list_files(tmp_path: Path, names: list[str]) -> None:
    folder = fill(tmp_path / "set", names)
    found = {item.name: item.label for item in ImageFiles.at(folder, labelled=True).items(NOBODY)}
    files, _ = list_files(folder)
    assert found == {file.path.relative_to(folder).as_posix(): file.label for file in files}
    shutil.make_archive(str(tmp_path / "set"), "zip", folder)
    packed = ImageFiles.at(tmp_path / "set.zip", labelled=True)
    assert {item.name: item.label for item in packed.items(NOBODY)} == found and packed.count() == len(names)


def test_images_are_found_by_suffix_or_content_and_the_rest_is_counted(tmp_path: Path) -> None:
    folder = fill(tmp_path, ["a/1.png", "a/no suffix", "loose.png"])
    (folder / "a" / "damaged.jpg").write_bytes(b"nothing")
    (folder / "a" / "notes.txt").write_text("a patient's name")
    source = ImageFiles.at(folder, labelled=True)
    items = {item.name: item for item in source.items(NOBODY)}
    assert list(items) == ["a/1.png", "a/damaged.jpg", "a/no suffix", "loose.png"]
    assert source.finds.reasons == {"not an image": 1}
    assert items["loose.png"].label == "" and items["a/1.png"].kind == IMAGE
    with items["a/1.png"].open() as file:
        assert file.read() == png(0)


def test_folders_may_be_called_after_patients(tmp_path: Path) -> None:
    source = ImageFiles.at(fill(tmp_path, ["Doe John/1.png", "Roe Jane/1.png", "Roe Jane/2.png", "3.png"]))
    assert {item.label for item in source.items(NOBODY)} == {""}
    assert source.folders == 2
    assert len(list(source.items(lambda mark: True))) == 0 and source.folders == 2


def arrays(path: Path, **parts: np.ndarray) -> Path:
    np.savez_compressed(path, **parts)
    return path


def medmnist(path: Path, channels: int) -> Path:
    rng = np.random.default_rng(7)
    shape = (6, 5) if channels == 1 else (6, 5, channels)
    parts = {}
    for part, count in (("train", 9), ("val", 3), ("test", 4)):
        parts[f"{part}_images"] = rng.integers(0, 256, (count, *shape), np.uint8)
        parts[f"{part}_labels"] = rng.integers(0, 2, (count, 1))
    return arrays(path, **parts)


@pytest.mark.parametrize("channels", [1, 3])
def test_arrays_give_the_pixels_and_classes_that_loading_them_gives(tmp_path: Path, channels: int) -> None:
    path = medmnist(tmp_path / "pneumoniamnist.npz", channels)
    whole = load_arrays(path, None, CLASSES["pneumoniamnist"])
    source = ImageArrays(path)
    items = list(source.items(NOBODY))
    assert source.count() == len(items) == 16
    assert [item.name for item in items][8:13] == [
        "train/000008",
        "val/000000",
        "val/000001",
        "val/000002",
        "test/000000",
    ]
    for item, pixels, label in zip(items, whole.images, whole.labels, strict=True):
        assert item.label == whole.classes[label]
        with item.open() as file, Image.open(file) as image:
            assert image.format == "PNG"
            assert np.array_equal(np.asarray(image).reshape(pixels.shape), pixels)
    assert [item.name for item in source.items({item.mark for item in items[:10]}.__contains__)] == [
        item.name for item in items[10:]
    ]


def test_arrays_with_string_labels(tmp_path: Path) -> None:
    path = arrays(tmp_path / "own.npz", images=np.zeros((2, 4, 4), np.uint8), labels=np.array(["ill", "well"]))
    assert [(item.name, item.label) for item in ImageArrays(path).items(NOBODY)] == [
        ("images/000000", "ill"),
        ("images/000001", "well"),
    ]


@pytest.mark.parametrize(
    "parts",
    [
        {"pictures": np.zeros(3)},
        {"images": np.zeros((2, 4, 4)), "labels": np.zeros(2, int)},
        {"images": np.zeros((2, 4, 4), np.uint8), "labels": np.zeros(3, int)},
        {"images": np.zeros((2, 4, 4), np.uint8), "labels": np.zeros((2, 2), int)},
        {"images": np.zeros((2, 4, 4), np.uint8), "labels": np.array([None, 1], object)},
        {"images": np.asfortranarray(np.zeros((2, 4, 4), np.uint8)), "labels": np.zeros(2, int)},
    ],
    ids=["names", "floats", "count", "labels", "pickle", "order"],
)
def test_arrays_of_another_layout(tmp_path: Path, parts: dict[str, np.ndarray]) -> None:
    with pytest.raises(DatasetLayoutError) as failure:
        ImageArrays(arrays(tmp_path / "other.npz", **parts))
    assert failure.value.hint or "one label" in failure.value.what


def test_an_array_that_promises_more_than_there_is(tmp_path: Path) -> None:
    path = tmp_path / "cut.npz"
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": (3, 4, 4)})
    labels = io.BytesIO()
    np.save(labels, np.zeros(3, np.int64))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("images.npy", header.getvalue() + bytes(20))
        archive.writestr("labels.npy", labels.getvalue())
    given = []
    with pytest.raises(SourceError, match="cut short"):
        for item in ImageArrays(path).items(NOBODY):
            given.append(item.name)
    assert given == ["images/000000"]


def test_memory_does_not_grow_with_the_number_of_images(tmp_path: Path) -> None:
    path = arrays(tmp_path / "many.npz", images=np.zeros((4000, 64, 64), np.uint8), labels=np.zeros(4000, np.int64))
    source = ImageArrays(path)
    tracemalloc.start()
    try:
        assert sum(1 for _ in source.items(NOBODY)) == 4000
        assert tracemalloc.get_traced_memory()[1] < 4 << 20  # the images are 16 MiB
    finally:
        tracemalloc.stop()
