"""Images to learn from: their split follows from what they are, and a class may be at other hospitals alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hmchain.application.data import extraction, preparation
from hmchain.application.data.preparation import UnfitForLearningError
from hmchain.application.site import hospital
from hmchain.records.pictures.prepared import decode_image
from hmchain.records.sources.opening import SourceRequest, open_source

CLASSES = ("benign", "malignant", "rare")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, random = tmp_path_factory.mktemp("pictures"), np.random.default_rng(4)
    for label in CLASSES[:2]:
        (folder / label).mkdir()
        for number in range(12):
            Image.fromarray(random.integers(0, 255, (16, 16), np.uint8)).save(folder / label / f"{number}.png")
    return folder


def prepared(pictures: Path, folder: Path, every_class: bool = False) -> dict[tuple[str, bytes], str]:
    """The split of each picture, by label and pixels, at a hospital with keys of its own."""
    place = hospital.create(folder)
    with (
        hospital.open_records(place) as records,
        open_source(SourceRequest(place=str(pictures), labels_from="folders")) as opened,
    ):
        version, _ = extraction.extract(records, extraction.begin(records, "scans"), opened)
        made = preparation.prepare(
            records, version, "images", size=16, classes=CLASSES, seed=3, every_class=every_class
        )
        assert (made.images, made.train + made.validation) == (24, 24)
        read = (decode_image(data) for _, data in records.vault.read("images", made.version.number))
        return {(CLASSES[record.label], record.pixels): record.split for record in read}


def test_the_split_follows_from_the_images_whatever_their_ids_are(pictures: Path, tmp_path: Path) -> None:
    found = prepared(pictures, tmp_path / "north")
    assert found == prepared(pictures, tmp_path / "south")
    assert set(found.values()) == {"train", "validation"}


def test_a_class_may_be_at_other_hospitals_alone_only_if_that_is_said(pictures: Path, tmp_path: Path) -> None:
    with pytest.raises(UnfitForLearningError, match="version 1 of dataset scans has no images of class rare") as caught:
        prepared(pictures, tmp_path / "north", every_class=True)
    assert "its labels are: " in caught.value.hint
