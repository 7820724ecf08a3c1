"""Pictures of a public set as a hospital is given them: their files as they are, remembered by what is in them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hmchain.records.pictures.named_sets import load_images
from hmchain.records.sources.item import ItemUnavailableError
from hmchain.records.sources.pictures.listed import ListedPictures


def saved(path: Path, level: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = (np.arange(20 * 20).reshape(20, 20) * level % 251).astype(np.uint8)
    Image.fromarray(rows).save(path)
    return path


def test_files_come_as_they_are_with_their_class(tmp_path: Path) -> None:
    files = [saved(tmp_path / "no" / "a.png", 3), saved(tmp_path / "yes" / "b.png", 7)]
    (tmp_path / "yes" / "torn.png").write_bytes(b"torn")
    images = load_images(str(tmp_path))
    found = list(ListedPictures((*images.originals, *images.unreadable)).items(lambda mark: False))
    assert [(item.name, item.label) for item in found] == [
        ("no/a.png", "no"), ("yes/b.png", "yes"), ("yes/torn.png", "yes")
    ]  # fmt: skip
    assert [item.open().read() for item in found] == [*(path.read_bytes() for path in files), b"torn"]


def test_a_picture_is_known_by_what_is_in_it(tmp_path: Path) -> None:
    path = saved(tmp_path / "no" / "a.png", 3)
    saved(tmp_path / "yes" / "b.png", 7)
    pictures = ListedPictures(load_images(str(tmp_path)).originals)
    done = {item.known_by for item in pictures.items(lambda mark: False)}
    assert not list(pictures.items(done.__contains__))
    saved(path, 5)
    (again,) = pictures.items(done.__contains__)
    assert again.name == "no/a.png"


def test_what_cannot_be_read_is_asked_for_again(tmp_path: Path) -> None:
    path = saved(tmp_path / "no" / "a.png", 3)
    saved(tmp_path / "yes" / "b.png", 7)
    pictures = ListedPictures(load_images(str(tmp_path)).originals)
    path.unlink()
    first, _ = pictures.items(lambda mark: False)
    with pytest.raises(ItemUnavailableError):
        first.open()


def test_images_of_an_array_come_in_their_own_size(tmp_path: Path) -> None:
    pixels = np.random.default_rng(2).integers(0, 255, (4, 12, 12, 3), np.uint8)
    np.savez(tmp_path / "set.npz", images=pixels, labels=np.array([0, 1, 0, 1]))
    images = load_images(str(tmp_path / "set.npz"), size=8)
    found = list(ListedPictures(images.originals).items(lambda mark: False))
    assert [item.label for item in found] == ["0", "1", "0", "1"]
    shown = [np.asarray(Image.open(io.BytesIO(item.open().read()))) for item in found]
    assert np.array_equal(np.stack(shown), pixels)
