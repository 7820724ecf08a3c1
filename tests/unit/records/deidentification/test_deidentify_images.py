"""Image files: pixels stay, at full resolution and depth; nothing else does."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from hmchain.keys import SecretKey
from hmchain.records.deidentification import pictures
from hmchain.records.deidentification.canary.images import plant
from hmchain.records.deidentification.canary.survivors import survivors
from hmchain.records.deidentification.outcome import EMPTIED, Action, Clean, Held, Outcome
from hmchain.records.deidentification.pictures import ImageDeidentifier
from hmchain.records.deidentification.profile import PixelRules, Profile, load_profile
from hmchain.records.deidentification.pseudonyms import Pseudonyms
from hmchain.records.deidentification.writing import Writing
from hmchain.records.sources.item import IMAGE, Item, Rectangles
from support.image_files import seen_as_writing

BY = ImageDeidentifier(load_profile("basic"), Pseudonyms(SecretKey(bytes(32)), "a project"))
RAMP = np.arange(24 * 40, dtype=np.uint16).reshape(24, 40)
GREY = (RAMP % 251).astype(np.uint8)
COLOUR = np.dstack([GREY, GREY[::-1], GREY[:, ::-1]])


def outcomes(data: bytes, label: str = "") -> list[Outcome]:
    return list(BY.deidentify(Item("Quince.png", IMAGE, lambda: io.BytesIO(data), label)))


def cleaned(data: bytes) -> tuple[Clean, Image.Image]:
    (found,) = outcomes(data)
    assert isinstance(found, Clean), found
    image = Image.open(io.BytesIO(b"".join(bytes(piece) for piece in found.pieces())))
    image.load()
    return found, image


def saved(pixels: npt.NDArray[Any] | Image.Image, form: str, **options: Any) -> bytes:
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    with io.BytesIO() as file:
        image.save(file, form, **options)
        return file.getvalue()


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF", "GIF", "PPM"])
def test_grey_pixels_are_the_same_bit_for_bit(form: str) -> None:
    found, image = cleaned(saved(GREY, form))
    assert np.array_equal(np.asarray(image.convert("L")), GREY)
    assert found.media_type == "image/png" and image.format == "PNG" and not image.info


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF", "WEBP"])
def test_colours_are_the_same_bit_for_bit(form: str) -> None:
    found, image = cleaned(saved(COLOUR, form, **({"lossless": True} if form == "WEBP" else {})))
    assert np.array_equal(np.asarray(image), COLOUR) and found.attributes["photometric"] == "RGB"


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF"])
def test_grey_saved_as_colour_is_grey(form: str) -> None:
    found, image = cleaned(saved(np.dstack([GREY] * 3), form))
    assert image.mode == "L" and np.array_equal(np.asarray(image), GREY)
    assert found.attributes["photometric"] == "MONOCHROME2" and not found.actions


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_sixteen_bits_stay_sixteen(form: str) -> None:
    values = (RAMP * 60 + 1000).astype(np.uint16)
    found, image = cleaned(saved(values, form))
    assert np.array_equal(np.asarray(image), values) and found.attributes["bits"] == "16"


def test_deeper_values_are_windowed_and_said_to_be() -> None:
    found, image = cleaned(saved(RAMP.astype(np.float32) - 3.5, "TIFF"))
    assert image.mode == "L" and [action.done for action in found.actions] == ["generalised"]


def test_metadata_goes_and_is_reported_by_kind() -> None:
    exif = Image.Exif()
    exif[315] = "Archibald Quince"
    found, image = cleaned(saved(GREY, "JPEG", exif=exif, comment=b"Quince"))
    assert {(action.element, action.done) for action in found.actions} == {("EXIF", "removed"), ("comment", "removed")}
    assert not image.getexif() and not image.info


def test_orientation_is_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    _, image = cleaned(saved(GREY, "PNG", exif=exif))
    assert np.array_equal(np.asarray(image), np.rot90(GREY, -1))


def test_what_is_transparent_is_black() -> None:
    hidden = np.dstack([COLOUR, np.zeros((24, 40), np.uint8)])
    _, image = cleaned(saved(hidden, "PNG"))
    assert not np.asarray(image).any()


def test_each_page_is_a_record_of_one_subject() -> None:
    pages = [Image.fromarray(np.full((8, 8), level, np.uint16)) for level in (1, 300, 40000)]
    data = saved(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    found = outcomes(data, label="scan")
    levels = []
    for entry in found:
        assert isinstance(entry, Clean)
        levels.append(np.asarray(Image.open(io.BytesIO(b"".join(map(bytes, entry.pieces())))))[0, 0])
    assert levels == [1, 300, 40000]
    clean = [entry for entry in found if isinstance(entry, Clean)]
    assert len({entry.record for entry in clean}) == 3 and len({entry.subject for entry in clean}) == 1
    assert [entry.attributes["frame"] for entry in clean] == ["1/3", "2/3", "3/3"]
    assert clean[0].attributes["label"] == "scan"


def test_a_damaged_page_holds_the_whole_file() -> None:
    pages = [Image.fromarray(GREY)] * 3
    data = saved(pages[0], "TIFF", compression="tiff_deflate", save_all=True, append_images=pages[1:])
    found = outcomes(data[: len(data) * 2 // 3])
    assert len(found) == 1 and isinstance(found[0], Held)


def test_the_same_file_is_the_same_record_under_any_name() -> None:
    data = saved(GREY, "PNG")
    (first,) = BY.deidentify(Item("a.png", IMAGE, lambda: io.BytesIO(data)))
    (again,) = BY.deidentify(Item("b.png", IMAGE, lambda: io.BytesIO(data)))
    other = ImageDeidentifier(load_profile("basic"), Pseudonyms(SecretKey(bytes(32)), "another"))
    (elsewhere,) = other.deidentify(Item("a.png", IMAGE, lambda: io.BytesIO(data)))
    assert isinstance(first, Clean) and isinstance(again, Clean) and isinstance(elsewhere, Clean)
    assert first.record == again.record != elsewhere.record


@pytest.mark.parametrize("data", [b"", b"%!PS-Adobe", b"\x89PNG\r\n\x1a\n", saved(GREY, "PNG")[:-40]], ids=len)
def test_what_is_no_image_is_held(data: bytes) -> None:
    (found,) = outcomes(data)
    assert isinstance(found, Held) and found.code == "damaged" and not found.releasable


def test_a_bomb_is_held() -> None:
    bomb = saved(Image.new("1", (20_000, 20_000)), "PNG")
    (found,) = outcomes(bomb)
    assert isinstance(found, Held) and found.code == "too_large"


PLANTED = [(entry, entry.item.open().read()) for entry in plant()]


@settings(max_examples=150, deadline=None)
@given(st.data())
@pytest.mark.filterwarnings("ignore")
def test_damage_raises_nothing_and_lets_no_canary_out(draw: st.DataObject) -> None:
    entry, whole = draw.draw(st.sampled_from(PLANTED))
    data = bytearray(whole)
    for _ in range(draw.draw(st.integers(1, 4))):
        data[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))
    found = survivors(entry, BY.deidentify(Item("x", IMAGE, lambda: io.BytesIO(bytes(data)))))
    assert not found, found


class Ink:
    """A detector that takes for writing what is light, once small images are doubled."""

    def look(self, image: npt.NDArray[Any]) -> Writing:
        return seen_as_writing(image > 140, doubt_max=4)


@pytest.fixture
def looking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "detector", Ink)


def judged(data: bytes, *, blank_found: bool = False, reviewed: bool = False, blank: Rectangles = ()) -> list[Outcome]:
    profile = Profile(name="t", title="", pixels=PixelRules(find_writing=True, blank_found=blank_found))
    by = ImageDeidentifier(profile, Pseudonyms(SecretKey(bytes(32)), "a project"))
    return list(by.deidentify(Item("x", IMAGE, lambda: io.BytesIO(data), blank=blank), reviewed=reviewed))


def scan(*, ink: int = 9, colour: int | None = None) -> npt.NDArray[Any]:
    pixels = np.full((40, 60) if colour is None else (40, 60, 3), 7, np.uint8)
    pixels[(20, slice(10, 10 + ink), *(() if colour is None else (colour,)))] = 255
    return pixels


@pytest.mark.usefixtures("looking")
@pytest.mark.parametrize("colour", [None, 0, 1, 2])
def test_a_photograph_with_a_name_on_it_is_held_with_the_place(colour: int | None) -> None:
    (found,) = judged(saved(scan(colour=colour), "PNG"))
    assert isinstance(found, Held) and found.releasable and found.code == "burned_in_text"
    assert found.regions == ((8, 18, 13, 5),) and found.subjects
    assert isinstance(judged(saved(scan(colour=colour), "PNG"), reviewed=True)[0], Clean)


@pytest.mark.usefixtures("looking")
def test_a_photograph_with_a_mark_is_for_a_person_and_one_without_passes() -> None:
    (doubtful,) = judged(saved(scan(ink=1), "PNG"))
    assert isinstance(doubtful, Held) and doubtful.code == "writing_suspected"
    assert isinstance(judged(saved(scan(ink=0), "PNG"))[0], Clean)


@pytest.mark.usefixtures("looking")
def test_one_page_with_a_name_holds_the_whole_file() -> None:
    pages = [Image.fromarray(scan(ink=9 * (page == 2))) for page in range(4)]
    (found,) = judged(saved(pages[0], "TIFF", save_all=True, append_images=pages[1:]))
    assert isinstance(found, Held) and found.regions


@pytest.mark.usefixtures("looking")
def test_writing_is_blanked_in_a_photograph_by_the_profile_or_by_a_reviewer() -> None:
    data = saved(scan(colour=1), "PNG")
    for outcome in (*judged(data, blank_found=True), *judged(data, reviewed=True, blank=((8, 18, 13, 5),))):
        assert isinstance(outcome, Clean)
        pixels = np.asarray(Image.open(io.BytesIO(b"".join(map(bytes, outcome.pieces())))))
        assert (pixels[18:23, 8:21] == 0).all() and (pixels[:18] == 7).all()
        assert Action("parts of the pixels", EMPTIED) in outcome.actions
