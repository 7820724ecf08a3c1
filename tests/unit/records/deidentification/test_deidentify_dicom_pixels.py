"""Pixels: streamed in pieces, stripped of what is no picture, blanked, or refused."""

from __future__ import annotations

import io
import resource
import struct
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom.encaps import encapsulate, encapsulate_extended, generate_frames
from pydicom.uid import (
    MPEG2MPML,
    UID,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)

from hmchain.records.deidentification.dicom import DicomDeidentifier, pixels
from hmchain.records.deidentification.dicom.bitstreams import holds_text, strip
from hmchain.records.deidentification.dicom.holding import Hold
from hmchain.records.deidentification.outcome import Clean, Held
from hmchain.records.deidentification.profile import (
    BlankedDevice,
    DicomRules,
    PixelRules,
    Profile,
    ReviewedDevice,
    load_profile,
)
from support.dicom_objects import PSEUDONYMS, clean, collected, content, ct, deidentifier, item, outcome, written

FILES = Path(pydicom.__file__).parent / "data" / "test_files"
GREY = np.linspace(0, 250, 32 * 32).astype(np.uint8).reshape(32, 32)

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")


def coded(form: str, pixels: npt.NDArray[Any] = GREY, **options: Any) -> bytes:
    with io.BytesIO() as file:
        Image.fromarray(pixels).save(file, form, **options)
        return file.getvalue()


def codestream(pixels: npt.NDArray[Any] = GREY, **options: Any) -> bytes:
    file = coded("JPEG2000", pixels, irreversible=False, **options)
    return file[file.index(b"jp2c") + 4 :]


def compressed(frames: list[bytes], syntax: UID = JPEGBaseline8Bit, **values: Any) -> bytes:
    dataset = ct(syntax, BitsAllocated=8, BitsStored=8, HighBit=7, Rows=32, Columns=32, **values)
    dataset.NumberOfFrames = len(frames)
    dataset.PixelData = encapsulate(frames)
    return written(dataset)


def frames_of(found: Any) -> list[bytes]:
    dataset = pydicom.dcmread(io.BytesIO(content(found)))
    return list(generate_frames(dataset.PixelData, number_of_frames=int(dataset.NumberOfFrames)))


def comment(marker: int, text: bytes = b"Quince, Archibald") -> bytes:
    return struct.pack(">HH", marker, len(text) + 2) + text


def lengthened(frame: bytes, *markers: bytes) -> bytes:
    """The frame with eight bytes more at the end of the first segment of each marker, which says so."""
    for marker in markers:
        at = frame.index(marker)
        size = int.from_bytes(frame[at + 2 : at + 4], "big")
        longer = (size + 8).to_bytes(2, "big")
        frame = frame[: at + 2] + longer + frame[at + 4 : at + 2 + size] + b"Quince.." + frame[at + 2 + size :]
    return frame


def test_bits_that_no_sample_uses_are_cleared() -> None:
    values = (np.arange(64) * 60).astype("<u2")
    before = ct()
    before.PixelData = (values | 0xA000).tobytes()
    assert (clean(before, reviewed=True).pixel_array.ravel() == values).all()
    assert bytes(clean(before, reviewed=True).PixelData) == values.tobytes()


def test_signed_samples_keep_their_sign() -> None:
    values = (np.arange(64) * 60 - 2000).astype("<i2")
    before = ct(PixelRepresentation=1)
    before.PixelData = (values & 0x0FFF).astype("<i2").tobytes()
    assert (np.frombuffer(clean(before).PixelData, "<i2") == values).all()


def test_samples_that_do_not_begin_at_bit_0_stay_where_they_are() -> None:
    values = ((np.arange(64) * 60) << 4).astype("<u2")
    before = ct(HighBit=15)
    before.PixelData = (values | 0x5).tobytes()
    assert bytes(clean(before, reviewed=True).PixelData) == values.tobytes()


def test_bytes_after_the_last_frame_go() -> None:
    before = ct()
    pixels = before.PixelData
    before.PixelData = pixels + b"Quince, Archibald!"
    found = outcome(written(before) + b"Quince")
    assert content(found).endswith(pixels) and b"Quince" not in content(found)
    assert isinstance(found, Clean) and "bytes after the pixels" in [action.element for action in found.actions]


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"Rows": 9}, "damaged"),
        ({"NumberOfFrames": 2}, "damaged"),
        ({"BitsStored": 17}, "damaged"),
        ({"BitsAllocated": 12}, "unsupported_pixels"),
        ({"Rows": 0}, "damaged"),
    ],
    ids=str,
)
def test_pixels_that_do_not_fit_their_description_are_held(values: dict[str, int], code: str) -> None:
    found = outcome(written(ct(**values)))
    assert isinstance(found, Held) and found.code == code and not found.releasable


def test_a_file_cut_short_in_its_pixels_is_held() -> None:
    found = outcome(written(ct())[:-20])
    assert isinstance(found, Held) and found.code == "damaged" and "cut short" in found.reason


def test_jpeg_keeps_its_picture_and_loses_comments_application_data_and_what_follows() -> None:
    plain = coded("JPEG", quality=90)
    exif = comment(0xFFE1, b"Exif\0\0Quince")
    frame = plain[:2] + comment(0xFFFE) + exif + plain[2:] + b"Quince"
    stripped = strip(frame)
    assert b"Quince" not in stripped and len(stripped) <= len(plain)
    assert (np.asarray(Image.open(io.BytesIO(stripped))) == np.asarray(Image.open(io.BytesIO(plain)))).all()
    assert strip(stripped) == stripped


def test_a_thumbnail_in_jfif_goes_and_what_says_how_colours_are_coded_stays() -> None:
    colour = np.dstack([GREY, GREY.T, 255 - GREY])
    plain = coded("JPEG", colour, quality=90)
    thumbnail = b"JFIF\0\x01\x02\0\0\x01\0\x01\x02\x02" + b"Quince secret"[:12]
    end = 4 + int.from_bytes(plain[4:6], "big") - 2 + 2
    frame = plain[:2] + comment(0xFFE0, thumbnail) + comment(0xFFEE, b"Adobe\0dQuin\x01") + plain[end:]
    stripped = strip(frame)
    assert b"Quin" not in stripped and b"JFIF" in stripped and b"Adobe" in stripped
    expected = np.asarray(Image.open(io.BytesIO(plain)))
    assert (np.asarray(Image.open(io.BytesIO(stripped))) == expected).all()


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}], ids=str)
def test_scans_and_restarts_of_jpeg_stay_whole(options: dict[str, Any]) -> None:
    plain = coded("JPEG", np.dstack([GREY, GREY.T, GREY]), quality=75, **options)
    assert (np.asarray(Image.open(io.BytesIO(strip(plain)))) == np.asarray(Image.open(io.BytesIO(plain)))).all()


def test_jpeg_ls_loses_its_comment() -> None:
    jpeg_ls = pytest.importorskip("jpeg_ls")
    plain = bytes(jpeg_ls.encode_array(GREY))
    found = outcome(compressed([plain[:2] + comment(0xFFFE) + plain[2:] + b"Quince"], JPEGLSLossless))
    assert b"Quince" not in content(found)
    assert (pydicom.dcmread(io.BytesIO(content(found))).pixel_array == GREY).all()


def test_jpeg_2000_loses_comments_of_its_main_header_and_of_its_tile_parts() -> None:
    plain = codestream(tile_size=(16, 16))
    main = 4 + int.from_bytes(plain[4:6], "big")
    frame = plain[:main] + comment(0xFF64, b"\0\1Quince") + plain[main:]
    at = frame.index(b"\xff\x90")
    (length,) = struct.unpack_from(">L", frame, at + 6)
    inner = comment(0xFF64, b"\0\1Archibald")
    tile = frame[at : at + 6] + struct.pack(">L", length + len(inner)) + frame[at + 10 : at + 12] + inner
    frame = frame[:at] + tile + frame[at + 12 :]
    assert b"Archibald" in frame
    found = outcome(compressed([frame + b"\0\0Quince"], JPEG2000Lossless))
    assert b"Quince" not in content(found) and b"Archibald" not in content(found)
    assert (pydicom.dcmread(io.BytesIO(content(found))).pixel_array == GREY).all()


def test_the_boxes_of_a_jp2_file_go() -> None:
    file = coded("JPEG2000", irreversible=False)
    stripped = strip(file)
    assert stripped.startswith(b"\xff\x4f\xff\x51") and b"jp2" not in stripped
    assert strip(stripped) == stripped


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damaged_bitstreams_are_held_or_stripped(draw: st.DataObject) -> None:
    frame = bytearray(draw.draw(st.sampled_from([coded("JPEG"), codestream(), coded("JPEG2000")])))
    for _ in range(draw.draw(st.integers(0, 5))):
        frame[draw.draw(st.integers(0, len(frame) - 1))] = draw.draw(st.integers(0, 255))
    try:
        stripped = strip(bytes(frame[: draw.draw(st.integers(0, len(frame)))]))
    except Hold as hold:
        assert hold.held.code in ("damaged", "unsupported_pixels")
    else:
        assert strip(stripped) == stripped


def test_frames_keep_their_order_whatever_their_fragments_and_offset_tables_say() -> None:
    frames = [coded("JPEG", np.full((32, 32), level, np.uint8)) for level in (10, 240)]
    data = compressed(frames)
    assert frames_of(outcome(data)) == [strip(frame) + b"\0" * (len(strip(frame)) % 2) for frame in frames]
    dataset = pydicom.dcmread(io.BytesIO(data))
    dataset.PixelData, dataset.ExtendedOffsetTable, dataset.ExtendedOffsetTableLengths = encapsulate_extended(frames)
    after = outcome(written(dataset))
    assert frames_of(after) == frames_of(outcome(data))
    assert "ExtendedOffsetTable" not in pydicom.dcmread(io.BytesIO(content(after)))
    dataset = pydicom.dcmread(io.BytesIO(data))
    dataset.PixelData = encapsulate(frames, fragments_per_frame=3)
    assert frames_of(outcome(written(dataset))) == frames_of(outcome(data))


def test_frames_that_are_missing_are_noticed() -> None:
    dataset = pydicom.dcmread(io.BytesIO(compressed([coded("JPEG")] * 2)))
    dataset.NumberOfFrames = 3
    found = outcome(written(dataset))
    assert isinstance(found, Held) and found.code == "damaged"


@pytest.mark.parametrize("text", [b"Archibald", b"MRN-449-207", b"seen by Gundelinde of ward 7"])
def test_text_between_the_coded_samples_and_the_end_goes_with_a_frame_that_is_decoded(text: bytes) -> None:
    plain = coded("JPEG", quality=90)
    after = outcome(compressed([plain[:-2] + text + plain[-2:]]))
    assert text not in content(after)
    dataset = pydicom.dcmread(io.BytesIO(content(after)))
    assert dataset.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert (dataset.pixel_array == np.asarray(Image.open(io.BytesIO(plain)))).all()


def test_a_coded_picture_is_seldom_taken_for_text() -> None:
    chance = np.random.default_rng(12)
    words = [f"word{number}".encode() for number in range(40)]
    assert not any(holds_text(chance.bytes(1 << 16), words) for _ in range(40))
    pictures = [chance.normal(120, spread, (96, 96)).clip(0, 255).astype(np.uint8) for spread in (0, 1, 5, 40)]
    frames = [coded("JPEG", each, quality=quality) for each in pictures for quality in (30, 75, 95)]
    assert not any(holds_text(strip(frame), words) for frame in [*frames, *map(codestream, pictures)])


TEXT = b"Leberknoedel-Hannelore-Strasse-77-5020-Salzburg.".ljust(64, b".")
UNUSED_TABLES = {
    "quantisation": struct.pack(">HHB", 0xFFDB, 67, 3) + TEXT,
    "long quantisation": struct.pack(">HHB", 0xFFDB, 131, 0x13) + TEXT * 2,
    "Huffman": struct.pack(">HHB", 0xFFC4, 35, 3) + bytes([0] * 7 + [16] + [0] * 8) + TEXT[:16],
    "arithmetic": struct.pack(">HH", 0xFFCC, 10) + TEXT[:8],
}


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}], ids=str)
@pytest.mark.parametrize("table", UNUSED_TABLES.values(), ids=list(UNUSED_TABLES))
def test_tables_that_no_scan_uses_go(table: bytes, options: dict[str, Any]) -> None:
    plain = coded("JPEG", np.dstack([GREY, GREY.T, GREY]), quality=75, **options)
    scan = plain.index(b"\xff\xda")
    stripped = strip(plain[:2] + table + plain[2:scan] + table + plain[scan:-2] + table + plain[-2:])
    assert stripped == strip(plain) and TEXT[:8] not in stripped
    assert (np.asarray(Image.open(io.BytesIO(stripped))) == np.asarray(Image.open(io.BytesIO(plain)))).all()


def test_a_table_that_is_defined_again_before_any_scan_goes() -> None:
    plain = coded("JPEG", quality=75)
    at = plain.index(b"\xff\xdb")
    assert strip(plain[:at] + struct.pack(">HHB", 0xFFDB, 67, 0) + TEXT + plain[at:]) == strip(plain)


def test_what_follows_within_a_segment_and_markers_of_no_use_go() -> None:
    plain = coded("JPEG", quality=75)
    frame = lengthened(plain, b"\xff\xc0", b"\xff\xda")
    frame = frame[:2] + b"\xff\xd0\xff\x01\xff\xff" + frame[2:]
    assert strip(frame) == strip(plain)


def test_jpeg_2000_segments_are_as_long_as_what_they_say() -> None:
    plain = codestream()
    assert strip(lengthened(plain, b"\xff\x51", b"\xff\x52")) == strip(plain)
    assert (np.asarray(Image.open(io.BytesIO(strip(plain)))) == GREY).all()


def test_frames_with_parts_that_are_not_known_are_decoded() -> None:
    plain = codestream()
    main = 4 + int.from_bytes(plain[4:6], "big")
    after = outcome(compressed([plain[:main] + comment(0xFF6F, b"Quince") + plain[main:]], JPEG2000Lossless))
    dataset = pydicom.dcmread(io.BytesIO(content(after)))
    assert dataset.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian and (dataset.pixel_array == GREY).all()


def test_run_lengths_are_decoded() -> None:
    path = FILES / "MR_small_RLE.dcm"
    found = collected(deidentifier(), item(lambda: path.open("rb")), reviewed=True)
    after = pydicom.dcmread(io.BytesIO(content(found)))
    assert after.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert (after.pixel_array == pydicom.dcmread(path).pixel_array).all()


def test_a_profile_decodes_all_compressed_pixels() -> None:
    frame = codestream()
    after = pydicom.dcmread(
        io.BytesIO(content(outcome(compressed([frame], JPEG2000Lossless), deidentifier(decode_pixels=True))))
    )
    assert after.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian and (after.pixel_array == GREY).all()


def test_video_and_syntaxes_that_are_not_known_are_held() -> None:
    video = compressed([b"\0" * 8], MPEG2MPML)
    for data in (video, video.replace(MPEG2MPML.encode(), b"1.2.840.113619.5.2".ljust(len(MPEG2MPML), b"\0"))):
        found = outcome(data)
        assert isinstance(found, Held) and found.code == "unsupported_syntax" and not found.releasable


def device(**values: Any) -> BlankedDevice:
    known = {"modality": "US", "manufacturer": "ACME", "model": "Sono 1", "rows": 8, "columns": 8}
    return BlankedDevice(**known | values, rectangles=((2, 0, 6, 2),))


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, RLELossless], ids=lambda syntax: syntax.name)
def test_known_devices_are_blanked_where_they_write_and_not_held(syntax: UID) -> None:
    before = ct(Modality="US", Manufacturer="ACME", ManufacturerModelName="Sono 1")
    before.PixelData = np.full((8, 8), 77, "<u2").tobytes()
    if syntax == RLELossless:
        before.compress(RLELossless)
    after = clean(before, deidentifier(blank=(device(),)))
    assert (after.pixel_array[:2, 2:] == 0).all() and (after.pixel_array[2:] == 77).all()
    assert (after.pixel_array[:2, :2] == 77).all()
    assert after.BurnedInAnnotation == "NO"
    assert "113101" in [entry.CodeValue for entry in after.DeidentificationMethodCodeSequence]


@pytest.mark.parametrize("other", [{"rows": 9}, {"model": "Sono 2"}, {"modality": "CT"}], ids=str)
def test_a_device_that_differs_in_anything_is_held(other: dict[str, Any]) -> None:
    before = ct(Modality="US", Manufacturer="ACME", ManufacturerModelName="Sono 1")
    found = outcome(written(before), deidentifier(blank=(device(**other),)))
    assert isinstance(found, Held) and found.code == "burned_in_text"


@pytest.mark.parametrize(("looks", "is_held"), [(True, False), (False, True)])
def test_what_says_that_it_has_writing_passes_on_a_reviewers_word_only_if_the_rest_is_looked_at(
    looks: bool, is_held: bool
) -> None:
    before = ct(Modality="US", Manufacturer="ACME", ManufacturerModelName="Sono 1", BurnedInAnnotation="YES")
    own = ReviewedDevice(**msgspec.structs.asdict(device()))
    for rule, held in ((own, is_held), (device(), False)):
        profile = Profile(name="t", title="", dicom=DicomRules(blank=(rule,)), pixels=PixelRules(find_writing=looks))
        assert isinstance(outcome(written(before), DicomDeidentifier(profile, PSEUDONYMS)), Held) is held


def test_what_lies_outside_of_a_picture_blanks_nothing_of_it() -> None:
    asked = replace(item(lambda: io.BytesIO(written(ct(BurnedInAnnotation="YES")))), blank=((99, 99, 5, 5),))
    (found,) = deidentifier().deidentify(asked, reviewed=True)
    assert isinstance(found, Held) and "outside of its picture" in found.reason and found.releasable


def test_frames_too_many_to_hold_are_gone_through_twice_with_the_same_result(monkeypatch: pytest.MonkeyPatch) -> None:
    data = compressed([coded("JPEG", np.full((32, 32), level, np.uint8)) for level in (0, 125)])
    device = compressed([codestream()] * 2, JPEG2000Lossless)
    by = deidentifier(decode_pixels=True)
    held = [content(outcome(data)), content(outcome(device, by))]
    monkeypatch.setattr(pixels, "EAGER_BYTES", 0)
    assert [content(outcome(data)), content(outcome(device, by))] == held


def sparse(path: Path, frames: int) -> None:
    """A file of `frames` frames of 2 MiB, of which the disk holds next to nothing."""
    dataset = ct(Rows=1024, Columns=1024)
    dataset.NumberOfFrames = frames
    dataset.PixelData = b""
    length = frames << 21
    head = written(dataset)
    path.write_bytes(head[:-4] + struct.pack("<L", length))
    with path.open("r+b") as file:
        file.truncate(len(head) + length)


def test_memory_does_not_grow_with_the_pixels(tmp_path: Path) -> None:
    path = tmp_path / "large.dcm"
    sparse(path, 300)  # 600 MiB
    by = deidentifier(load_profile("published"))  # a detector's own memory is not what is measured
    list(by.deidentify(item(written(ct()))))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    tracemalloc.start()
    written_bytes = 0
    for found in by.deidentify(item(lambda: path.open("rb"))):
        assert isinstance(found, Clean), found
        written_bytes = sum(len(piece) for piece in found.pieces())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert written_bytes > 300 << 21
    assert peak < 16 << 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10  # KiB


def test_a_length_that_lies_takes_no_memory() -> None:
    data = written(ct())
    at = data.index(b"\xe0\x7f\x10\x00OW") + 8
    lying = data[:at] + struct.pack("<L", 0xFFFFFFF0) + data[at + 4 :]
    huge = data[: at - 8] + struct.pack("<HH2s2xL", 0x0029, 0x1001, b"OB", 0xFFFFFFF0) + data[at - 8 :]
    for bad in (lying, huge):
        tracemalloc.start()
        found = outcome(bad)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert isinstance(found, Held) and found.code == "damaged" and peak < 8 << 20


def test_what_a_reviewer_saw_writing_in_is_black_in_the_record() -> None:
    before = ct(Modality="US", Rows=8, Columns=8)
    before.PixelData = np.full(64, 999, "<u2").tobytes()
    seen = replace(item(written(before)), blank=((1, 2, 3, 4), (7, 7, 9, 9)))
    after = pydicom.dcmread(io.BytesIO(content(collected(deidentifier(), seen, reviewed=True))))
    black = after.pixel_array == 0
    assert black[2:6, 1:4].all() and black[7, 7] and black.sum() == 13
    assert after.BurnedInAnnotation == "NO"
    assert "113101" in {code.CodeValue for code in after.DeidentificationMethodCodeSequence}
