"""What may be written in the pixels of an object: judged by all that it says of itself, and by the pixels it leaves."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
import pytest
from PIL import Image, ImageDraw, ImageFont
from pydicom.encaps import encapsulate
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, JPEG2000Lossless, RLELossless

from hmchain.records.deidentification.dicom import DicomDeidentifier, picture
from hmchain.records.deidentification.outcome import REMOVED, Action, Clean, Held
from hmchain.records.deidentification.profile import DicomRules, PixelRules, Profile
from hmchain.records.deidentification.writing import Region, Verdict, Writing
from hmchain.records.deidentification.writing.planes import Shown
from support.dicom_objects import PSEUDONYMS, clean, collected, content, ct, held, item, outcome, written
from support.image_files import seen_as_writing

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")

STORAGE = "1.2.840.10008.5.1.4.1.1."
INK = 250


class Inked:
    """A detector that takes for writing what differs by more than half of `INK` from the lowest value.

    Up to eight pixels of it are a doubt. It sees small images doubled.
    """

    def __init__(self) -> None:
        self.looks = 0

    def look(self, image: npt.NDArray[Any], shown: Shown | None = None) -> Writing:
        self.looks += 1
        return seen_as_writing(image.astype(np.float64) - float(image.min()) > INK / 2, doubt_max=8)


@pytest.fixture
def detector(monkeypatch: pytest.MonkeyPatch) -> Inked:
    inked = Inked()
    monkeypatch.setattr(picture, "detector", lambda: inked)
    return inked


def looking(*, blank_found: bool = False, **rules: Any) -> DicomDeidentifier:
    pixels = PixelRules(find_writing=True, blank_found=blank_found)
    return DicomDeidentifier(Profile(name="t", title="", pixels=pixels, dicom=DicomRules(**rules)), PSEUDONYMS)


def image(frames: npt.NDArray[Any], **values: Any) -> pydicom.FileDataset:
    """An object of frames of (frames, rows, columns[, samples])."""
    bits = frames.dtype.itemsize * 8
    shape = {"NumberOfFrames": frames.shape[0], "Rows": frames.shape[1], "Columns": frames.shape[2]}
    depth = {"BitsAllocated": bits, "BitsStored": bits, "HighBit": bits - 1}
    dataset = ct(**shape, **depth)
    dataset.PixelRepresentation = int(frames.dtype.kind == "i")
    if frames.ndim == 4:
        dataset.SamplesPerPixel, dataset.PlanarConfiguration, dataset.PhotometricInterpretation = 3, 0, "RGB"
        dataset.Modality, dataset.SOPClassUID = "NM", UID(f"{STORAGE}20")
    dataset.PixelData = frames.tobytes()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


def drawn(frames: int = 1, kind: str = "<u2", ink: int = INK) -> npt.NDArray[Any]:
    """Frames of 40 x 48 with a stroke of 9 pixels in the last of them."""
    pixels = np.full((frames, 40, 48), 3, kind)
    pixels[-1, 20, 5:14] += np.array(ink, kind)
    return pixels


# -- what it says of itself -------------------------------------------------------------------------------------------

US, XA, RF, VL, DX = f"{STORAGE}6.1", f"{STORAGE}12.1", f"{STORAGE}12.2", f"{STORAGE}77.1.4", f"{STORAGE}1.1"


@pytest.mark.parametrize(
    ("modality", "sop_class"),
    [("us", US), ("IVUS", US), ("ECHO", US), ("USG", US), ("US\\US", US), ("BDUS", US), ("CT", US),
     ("MR", f"{STORAGE}3.1"), ("BMD", DX), ("HC", "1.2.840.10008.5.1.1.29"), ("ECG", VL), ("OPT", f"{STORAGE}77.1.5.4"),
     ("OPV", f"{STORAGE}77.1.5.1"), ("DOC", VL), ("EPS", XA), ("CT", XA), ("MR", VL), ("CF", RF), ("DF", RF),
     ("DS", XA), ("VF", RF), ("MA", XA), ("FA", f"{STORAGE}77.1.5.1"), ("us", f"{STORAGE}2"), ("CT\\US", f"{STORAGE}2"),
     ("Sono 1", f"{STORAGE}2"), ("", f"{STORAGE}2"), ("CT", "1.3.12.2.1107.5.9.1"), ("CT", f"{STORAGE}7.4")],
    ids=str,
)  # fmt: skip
def test_whatever_hospitals_call_it_an_image_that_may_show_a_name_waits(modality: str, sop_class: str) -> None:
    found = held(ct(Modality=modality, SOPClassUID=UID(sop_class)))
    assert found.code == "burned_in_text" and found.releasable and "Sono" not in found.reason


@pytest.mark.parametrize("modality", ["DX", "PX", "CR", "MG"])
def test_an_x_ray_image_waits_where_nobody_looks_for_writing(modality: str, detector: Inked) -> None:
    xray = ct(Modality=modality, SOPClassUID=UID(DX), PixelData=bytes(128))
    blind = DicomDeidentifier(Profile(name="t", title="", pixels=PixelRules(find_writing=False)), PSEUDONYMS)
    assert held(xray, blind).code == "burned_in_text"
    assert isinstance(outcome(written(xray), looking()), Clean)


@pytest.mark.parametrize(
    ("modality", "sop_class"), [("ct", f"{STORAGE}2"), ("MRI", f"{STORAGE}4"), ("PET", f"{STORAGE}128")]
)
def test_slices_pass_however_their_modality_is_written(modality: str, sop_class: str) -> None:
    assert isinstance(outcome(written(ct(Modality=modality, SOPClassUID=UID(sop_class)))), Clean)


@pytest.mark.parametrize(
    "kinds",
    ["DERIVED \\PRIMARY", "ORIGINAL\\SECONDARY ", "ORIGINAL\\PRIMARY\\OTHER\\SCREEN SAVE ",
     "ORIGINAL\\PRIMARY\\SCREENSHOT", "ORIGINAL\\PRIMARY\\CT_SOM5 PROT"],
)  # fmt: skip
def test_an_image_type_is_read_without_its_padding(kinds: str) -> None:
    assert held(ct(ImageType=kinds.split("\\"))).code == "burned_in_text"


@pytest.mark.parametrize(
    "values",
    [{"SeriesDescription": "Dose Report"}, {"SeriesDescription": "Patient Protocol"},
     {"SeriesDescription": "Dosisbericht"}, {"SeriesDescription": "Screen_Save"}, {"Manufacturer": "MeVisLab"},
     {"ConversionType": "WSD"}, {"BurnedInAnnotation": "YES "}, {"BurnedInAnnotation": "Y"}],
    ids=str,
)  # fmt: skip
def test_pages_and_screens_among_the_slices_of_a_ct_wait(values: dict[str, Any]) -> None:
    assert held(ct(**values)).code == "burned_in_text"


@pytest.mark.parametrize("description", ["LOW DOSE LUNG SCREENING", "Protocol 3", "t1_mprage_sag", "PROT spine"])
def test_descriptions_of_scans_are_no_screens(description: str) -> None:
    assert isinstance(outcome(written(ct(SeriesDescription=description, ProtocolName=description))), Clean)


def test_a_ct_in_colour_is_a_picture_of_a_screen() -> None:
    found = held(image(np.zeros((1, 8, 8, 3), np.uint8), Modality="CT", SOPClassUID=UID(f"{STORAGE}2")))
    assert "colour" in found.reason


def test_a_profile_may_trust_the_detector_for_ultrasound(detector: Inked) -> None:
    mine = looking(review_modalities=("XA",))
    assert isinstance(outcome(written(ct(Modality="IVUS", SOPClassUID=UID(US), PixelData=bytes(128))), mine), Clean)
    assert held(ct(Modality="angio", SOPClassUID=UID(US)), mine).code == "burned_in_text"
    assert held(image(drawn(), Modality="US", SOPClassUID=UID(US)), mine).regions


# -- what its pixels show ---------------------------------------------------------------------------------------------


def test_writing_that_is_found_holds_a_slice_and_the_reviewer_is_told_where(detector: Inked) -> None:
    found = held(image(drawn()), looking())
    assert found.code == "burned_in_text" and found.releasable
    ((left, top, width, height),) = found.regions
    assert left <= 5 and left + width >= 14 and top <= 20 < top + height and width < 20 and height < 10


def test_what_may_be_a_letter_is_for_a_person(detector: Inked) -> None:
    pixels = np.zeros((1, 40, 48), np.uint8)
    pixels[0, 7, 7:9] = 255
    found = held(image(pixels), looking())
    assert found.code == "writing_suspected" and found.releasable and found.regions


def test_a_slice_without_writing_passes_bit_for_bit(detector: Inked) -> None:
    pixels = np.arange(40 * 48, dtype="<u2").reshape(1, 40, 48) % 100
    assert (clean(image(pixels), looking()).pixel_array == pixels[0]).all() and detector.looks == 1


def test_found_writing_is_blanked_where_the_profile_says_so_and_the_object_says_it(detector: Inked) -> None:
    after = clean(image(drawn(3)), looking(blank_found=True))
    assert after.BurnedInAnnotation == "NO" and int(after.pixel_array.max()) == 3
    assert (after.pixel_array[:, 20, 5:14] == 0).all() and (after.pixel_array[:, :10] == 3).all()
    assert "113101" in {code.CodeValue for code in after.DeidentificationMethodCodeSequence}


def test_what_still_shows_writing_when_it_is_blanked_waits(detector: Inked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detector, "look", lambda image, shown=None: Writing(Verdict.UNSAFE, (Region(0, 0, 3, 3, 0.9),)))
    assert held(image(drawn()), looking(blank_found=True)).regions


def test_an_image_of_which_blanking_would_leave_little_waits_instead(detector: Inked) -> None:
    page = np.full((1, 40, 48), 3, np.uint8)
    page[0, 2:38:4, 2:46:4] = 255
    found = held(image(page), looking(blank_found=True))
    assert found.code == "burned_in_text" and found.regions


def test_a_reviewer_has_the_last_word(detector: Inked) -> None:
    assert clean(image(drawn()), looking(), reviewed=True).BurnedInAnnotation == "NO" and not detector.looks


def test_ultrasound_still_waits_and_shows_where_its_writing_is(detector: Inked) -> None:
    found = held(image(drawn(), Modality="US"), looking())
    assert found.code == "burned_in_text" and "modality US" in found.reason and found.regions


def coded(pixels: npt.NDArray[Any], syntax: UID) -> pydicom.FileDataset:
    dataset = image(pixels)
    if syntax in (JPEG2000Lossless, RLELossless):
        dataset.compress(RLELossless) if syntax == RLELossless else dataset.update(_j2k(pixels))
        dataset.file_meta.TransferSyntaxUID = syntax
    return dataset


def _j2k(pixels: npt.NDArray[Any]) -> pydicom.Dataset:
    frames = []
    for frame in pixels:
        with io.BytesIO() as file:
            Image.fromarray(frame).save(file, "JPEG2000", irreversible=False, no_jp2=True)
            frames.append(file.getvalue())
    return pydicom.Dataset({0x7FE00010: pydicom.DataElement(0x7FE00010, "OB", encapsulate(frames))})


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, RLELossless, JPEG2000Lossless], ids=lambda uid: uid.name)
@pytest.mark.parametrize("frames", [1, 5])
def test_compressed_frames_are_looked_at_as_what_they_decode_to(syntax: UID, frames: int, detector: Inked) -> None:
    assert held(coded(drawn(frames, "u1"), syntax), looking()).regions
    assert isinstance(outcome(written(coded(drawn(frames, "u1", 9), syntax)), looking()), Clean)


@pytest.mark.parametrize("kind", ["<i2", "<u4", "<i4", "u1"])
def test_samples_of_every_depth_are_looked_at(kind: str, detector: Inked) -> None:
    assert held(image(drawn(1, kind)), looking()).regions


def test_big_endian_samples_are_looked_at(detector: Inked) -> None:
    pixels = drawn(1, ">u2")
    dataset = ct(ExplicitVRBigEndian, Rows=40, Columns=48)
    dataset.PixelData = pixels.tobytes()
    assert held(dataset, looking()).regions


@pytest.mark.parametrize("kind", ["FloatPixelData", "DoubleFloatPixelData"])
@pytest.mark.parametrize("value", [np.nan, 999.0])
def test_floating_samples_are_looked_at_and_so_are_those_that_are_no_numbers(
    kind: str, value: float, detector: Inked
) -> None:
    pixels = np.zeros((40, 48), np.float32 if kind == "FloatPixelData" else np.float64)
    pixels[20, 5:14] = value
    dataset = image(drawn())
    del dataset.PixelData, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation
    dataset.BitsAllocated = pixels.itemsize * 8
    setattr(dataset, kind, pixels.tobytes())
    seen = outcome(written(dataset), looking())
    assert isinstance(seen, Held) is (value == 999.0), "what is no number is drawn with 1, which this detector lets be"
    assert detector.looks == (1 if value == 999.0 else 2)


def test_single_bits_are_looked_at_frame_by_frame_without_gaps_between_them(detector: Inked) -> None:
    seen: list[npt.NDArray[Any]] = []
    detector.look = lambda image, shown=None: seen.append(image) or Writing(Verdict.CLEAN)  # type: ignore[method-assign]
    bits = np.random.default_rng(1).integers(0, 2, (3, 33, 135), np.uint8)
    dataset = image(bits, BitsAllocated=1, BitsStored=1, HighBit=0)
    data = np.packbits(bits.ravel(), bitorder="little").tobytes()
    dataset.PixelData = data + b"\0" * (len(data) % 2)
    assert isinstance(outcome(written(dataset), looking()), Clean)
    assert np.array_equal(np.stack(seen), bits)


@pytest.mark.parametrize("planar", [0, 1])
@pytest.mark.parametrize("channel", [0, 1, 2])
def test_writing_in_one_colour_alone_is_found(planar: int, channel: int, detector: Inked) -> None:
    pixels = np.full((1, 40, 48, 3), 3, np.uint8)
    pixels[0, 20, 5:14, channel] = 255
    stored = np.moveaxis(pixels, -1, 1) if planar else pixels
    dataset = image(pixels, PlanarConfiguration=planar)
    dataset.PixelData = np.ascontiguousarray(stored).tobytes()
    assert held(dataset, looking()).regions[0] == (3, 18, 13, 5)


def test_colours_of_a_palette_are_looked_at_as_well_as_its_indices(detector: Inked) -> None:
    pixels = np.zeros((1, 40, 48), np.uint8)
    pixels[0, 20, 5:14] = 1
    table = np.zeros(256, np.uint8)
    table[1] = 255
    dataset = image(pixels, Modality="NM", SOPClassUID=UID(f"{STORAGE}20"), PhotometricInterpretation="PALETTE COLOR")
    for colour, data in (("Red", np.zeros(256, np.uint8)), ("Green", table), ("Blue", np.zeros(256, np.uint8))):
        setattr(dataset, f"{colour}PaletteColorLookupTableDescriptor", [256, 0, 8])
        setattr(dataset, f"{colour}PaletteColorLookupTableData", data.tobytes())
    assert held(dataset, looking()).regions


def test_luminance_at_half_the_columns_is_read_for_what_it_is(detector: Inked) -> None:
    pairs = np.full((40, 24, 4), 3, np.uint8)
    pairs[20, 3:6, :2] = 255
    dataset = image(np.zeros((1, 40, 48, 3), np.uint8), PhotometricInterpretation="YBR_FULL_422")
    dataset.PixelData = pairs.tobytes()
    assert held(dataset, looking()).regions[0] == (4, 18, 10, 5)


@pytest.mark.parametrize("at", [0, 1, 300, 598, 599])
def test_a_name_in_one_frame_of_a_cine_is_found_without_a_look_at_each(at: int, detector: Inked) -> None:
    pixels = np.full((600, 40, 48), 3, np.uint8)
    pixels[at, 20, 5:14] = 255
    assert held(image(pixels), looking()).regions
    assert detector.looks < 120


def test_frames_as_small_as_those_of_a_volume_are_looked_at_one_by_one(detector: Inked) -> None:
    assert isinstance(outcome(written(image(np.full((120, 64, 64), 3, np.uint8))), looking()), Clean)
    assert detector.looks == 120


@pytest.mark.parametrize(
    ("frames", "rows", "columns"),
    [(1, 7, 400), (1, 7, 5000), (1, 8, 300), (64, 32, 32), (64, 4, 512), (32, 16, 256), (2000, 1, 2)],
)
def test_a_page_cut_into_pieces_in_which_no_word_can_be_looked_for_is_for_a_person(
    frames: int, rows: int, columns: int, detector: Inked
) -> None:
    pixels = np.full((frames, rows, columns), 3, np.uint8)
    assert isinstance(outcome(written(image(pixels)), looking()), Clean), "all is of one value"
    pixels[-1, 0, 0] = 4
    found = held(image(pixels), looking())
    assert found.code == "writing_suspected" and "cannot be searched" in found.reason and not detector.looks


@pytest.mark.parametrize(("frames", "rows", "columns"), [(15, 10, 10), (1, 5, 30), (60, 64, 64), (1, 200, 8)])
def test_what_is_only_small_passes(frames: int, rows: int, columns: int, detector: Inked) -> None:
    pixels = np.random.default_rng(2).integers(0, 9, (frames, rows, columns), np.uint8)
    assert isinstance(outcome(written(image(pixels)), looking()), Clean)


def test_the_tiles_of_a_slide_are_for_a_person(detector: Inked) -> None:
    found = held(image(np.zeros((2049, 4, 40), np.uint8)), looking())
    assert found.code == "writing_suspected" and not detector.looks


def test_frames_that_do_not_decode_here_are_for_a_person(detector: Inked) -> None:
    dataset = coded(drawn(1, "u1"), JPEG2000Lossless)
    dataset.file_meta.TransferSyntaxUID = UID("1.2.840.10008.1.2.4.201")  # high throughput: no decoder is known
    found = outcome(written(dataset), looking())
    assert isinstance(found, Held) and found.code == "writing_suspected" and "cannot be searched" in found.reason


@pytest.mark.parametrize(
    ("values", "regions"),
    [({"ImageType": ["ORIGINAL", "PRIMARY", "M", "MOSAIC"], "AcquisitionMatrix": [0, 40, 40, 0]}, 6),
     ({"ImageType": ["ORIGINAL", "PRIMARY", "M", "VFRAME "], "AcquisitionMatrix": [40, 0, 0, 31]}, 6),
     ({"ImageType": ["ORIGINAL", "PRIMARY", "M"], "AcquisitionMatrix": [40, 0, 0, 40]}, 1),
     ({"ImageType": ["ORIGINAL", "PRIMARY", "M", "MOSAIC"], "AcquisitionMatrix": [8, 0, 0, 8]}, 1)],
    ids=str,
)  # fmt: skip
def test_a_mosaic_is_looked_at_tile_by_tile(values: dict[str, Any], regions: int, detector: Inked) -> None:
    pixels = np.full((1, 120, 80), 3, "<u2")
    pixels[0, 20::40, 5:14] = pixels[0, 20::40, 55:64] = 900
    found = held(image(pixels, **values), looking())
    assert len(found.regions) == regions, "each tile has a stroke; as one image it is one region"
    if regions == 6:
        assert any(left <= 55 and left + width >= 64 and top <= 100 < top + height
                   for left, top, width, height in found.regions)  # fmt: skip


@pytest.mark.parametrize(("name", "passes"), [("", True), ("MEIER", False)])
def test_a_name_across_the_tiles_of_a_mosaic_is_found_and_its_heads_are_no_letters(name: str, passes: bool) -> None:
    rows, columns = np.mgrid[:48, :48] - 23.5
    head = 700 * np.exp(-(((rows**2 + columns**2) / 250) ** 3)) + np.random.default_rng(3).normal(60, 12, (48, 48))
    page = Image.new("L", (288, 288))
    ImageDraw.Draw(page).text((40, 100), name, fill=255, font=ImageFont.load_default(60))
    pixels = (np.tile(head, (6, 6)) + 4 * np.asarray(page)).clip(0).astype("<u2")[None]
    mosaic = image(pixels, ImageType=["ORIGINAL", "PRIMARY", "M", "MOSAIC"], AcquisitionMatrix=[0, 48, 48, 0])
    assert isinstance(outcome(written(mosaic), looking()), Clean) is passes


# -- bits that it does not speak of -----------------------------------------------------------------------------------


def test_a_file_that_says_12_bits_and_uses_13_waits_and_a_release_clears_them() -> None:
    pixels = np.full((1, 40, 48), 4095, "<u2")
    pixels[0, 3, :42] = 4096 + 77
    dataset = image(pixels, BitsStored=12, HighBit=11)
    found = held(dataset)
    assert found.code == "unused_bits" and found.releasable
    assert (clean(dataset, reviewed=True).pixel_array[3, :42] == 77).all()
    released = outcome(written(dataset), reviewed=True)
    assert isinstance(released, Clean) and Action("bits beyond those stored", REMOVED) in released.actions


def test_overlays_in_unused_bits_go_without_a_question() -> None:
    dataset = image(np.full((1, 40, 48), 0x8000 | 5, "<u2"), BitsStored=12, HighBit=11)
    dataset.add_new(0x60000010, "US", 40)
    dataset.add_new(0x60000102, "US", 15)
    assert (clean(dataset).pixel_array == 5).all()


@pytest.mark.parametrize("filled", [True, False])
def test_a_sign_is_no_further_bit(filled: bool) -> None:
    value = -5 if filled else (-5 & 0x0FFF)
    dataset = image(np.full((1, 40, 48), value, "<i2"), BitsStored=12, HighBit=11, PixelRepresentation=1)
    assert (clean(dataset).pixel_array == -5).all()


def test_what_a_reviewer_saw_is_blanked_and_what_the_reviewer_left_stays(detector: Inked) -> None:
    pixels = drawn()
    pixels[0, 22, 5:14] += INK  # the detector makes one region of both
    seen = replace(item(written(image(pixels))), blank=((5, 20, 9, 1),))
    after = collected(looking(), seen, reviewed=True)
    assert pydicom.dcmread(io.BytesIO(content(after))).pixel_array[22, 5] == 3 + INK


def test_a_release_in_which_nothing_is_left_costs_one_look(detector: Inked) -> None:
    seen = replace(item(written(image(drawn()))), blank=((5, 20, 9, 1),))
    assert isinstance(collected(looking(), seen, reviewed=True), Clean) and detector.looks == 1


def test_what_a_profile_blanks_is_blanked_too_where_a_person_was_asked_for_another_reason(detector: Inked) -> None:
    ultrasound, by = image(drawn(), Modality="US"), looking(blank_found=True)
    waiting = held(ultrasound, by)
    assert waiting.regions and "modality US" in waiting.reason
    for blank in ((), waiting.regions):
        after = collected(by, replace(item(written(ultrasound)), blank=blank), reviewed=True)
        assert pydicom.dcmread(io.BytesIO(content(after))).pixel_array.max() == 3


class Dazzled(Inked):
    """A detector that sees nothing beside what is brightest."""

    def look(self, image: npt.NDArray[Any], shown: Shown | None = None) -> Writing:
        brightest = np.where(image == image.max(), image, 0)
        return super().look(brightest)


def test_what_nobody_was_shown_before_the_blanking_waits_again_with_both_places(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(picture, "detector", Dazzled)
    pixels = drawn()
    pixels[0, 35, 20:40] = 400
    by = looking()
    first = held(image(pixels), by)
    again = collected(by, replace(item(written(image(pixels))), blank=first.regions), reviewed=True)
    assert isinstance(again, Held) and again.releasable and "more writing" in again.reason
    assert again.regions[0] == first.regions[0] and len(again.regions) == 2
    assert isinstance(collected(by, replace(item(written(image(pixels))), blank=again.regions), reviewed=True), Clean)


@pytest.mark.parametrize(("name", "passes"), [("", True), ("MEIER", False)])
def test_a_name_in_an_image_of_32_pixels_is_found(name: str, passes: bool) -> None:
    page = Image.new("L", (32, 32))
    ImageDraw.Draw(page).text((0, 12), name, fill=255, font=ImageFont.load_default_imagefont())
    noise = np.random.default_rng(3).normal(60, 6, (32, 32))
    pixels = (noise + np.asarray(page) / 2).clip(0, 255).astype(np.uint8)[None]
    assert isinstance(outcome(written(image(pixels)), looking()), Clean) is passes
