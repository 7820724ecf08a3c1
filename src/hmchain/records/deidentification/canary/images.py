"""Canaries in image files: in every metadata block that a format has, beside the pixels and after the end."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin, TiffImagePlugin

from hmchain.records.deidentification.canary.planting import Canaries, PlantedItem
from hmchain.records.sources.item import IMAGE

SIDE = 32

_DESCRIPTION, _ARTIST, _COPYRIGHT, _DOCUMENT_NAME, _HOST = 270, 315, 33432, 269, 316
_IPTC_TIFF, _PRIVATE_TIFF = 33723, 65000


def plant() -> list[PlantedItem]:
    """One file for each format."""
    return [_jpeg(), _png(), _png_palette(), _tiff(), _gif(), _webp(), _ppm(), _bmp()]


def _grey() -> Image.Image:
    return Image.fromarray(np.linspace(0, 255, SIDE * SIDE).astype(np.uint8).reshape(SIDE, SIDE))


def _saved(image: Image.Image, form: str, **options: Any) -> bytes:
    with io.BytesIO() as file:
        image.save(file, form, **options)
        return file.getvalue()


def _exif(canaries: Canaries) -> Image.Exif:
    exif = Image.Exif()
    for tag, name in ((_DESCRIPTION, "ImageDescription"), (_ARTIST, "Artist"), (_COPYRIGHT, "Copyright")):
        exif[tag] = canaries.word(f"EXIF {name}")
    exif[36867] = f"{canaries.day('EXIF DateTimeOriginal'):%Y%m%d} 10:11:12"
    return exif


def _xmp(canaries: Canaries) -> bytes:
    return canaries.text(
        "XMP dc:creator", "<x:xmpmeta xmlns:x='adobe:ns:meta/'><dc:creator>{}</dc:creator></x:xmpmeta>"
    ).encode()


def _iptc(canaries: Canaries) -> bytes:
    """An IPTC record 2:80, By-line."""
    text = canaries.word("IPTC By-line").encode()
    return b"\x1c\x02\x50" + struct.pack(">H", len(text)) + text


def _jpeg() -> PlantedItem:
    canaries = Canaries("image.jpg")
    iptc = _iptc(canaries)
    resource = b"Photoshop 3.0\x008BIM\x04\x04\0\0" + struct.pack(">L", len(iptc)) + iptc
    data = _saved(_grey(), "JPEG", exif=_exif(canaries), xmp=_xmp(canaries), comment=canaries.word("JPEG COM").encode())
    segment = b"\xff\xed" + struct.pack(">H", len(resource) + 2) + resource
    data = data[:2] + segment + data[2:] + canaries.word("after JPEG EOI").encode()
    return canaries.planted(IMAGE, data, label="class")


def _png() -> PlantedItem:
    canaries = Canaries("image.png")
    text = PngImagePlugin.PngInfo()
    text.add_text("Patient", canaries.word("PNG tEXt"))
    text.add_text("Comment", canaries.word("PNG zTXt") * 4, zip=True)
    text.add_itxt("Author", canaries.word("PNG iTXt") * 4, zip=True)
    text.add_itxt("XML:com.adobe.xmp", _xmp(canaries).decode())
    data = _saved(_grey(), "PNG", pnginfo=text, exif=_exif(canaries).tobytes())
    private = _chunk(b"paTn" + canaries.word("PNG private chunk").encode())
    end = data.rindex(b"IEND") - 4
    data = data[:end] + private + data[end:] + canaries.word("after PNG IEND").encode()
    return canaries.planted(IMAGE, data)


def _png_palette() -> PlantedItem:
    """Letters as the colours of a palette that no pixel has, and a colour profile that is named after somebody."""
    canaries = Canaries("palette.png")
    letters = canaries.word("PNG palette").encode()
    image = Image.fromarray(np.zeros((SIDE, SIDE), np.uint8))
    image.putpalette(bytes(6) + letters)
    image.putpixel((0, 0), 5)  # Pillow writes no more of a palette than the highest index that is used
    data = _saved(image, "PNG")
    chunk = b"iCCP" + canaries.word("ICC profile name").encode() + b"\0\0" + zlib.compress(bytes(128))
    return canaries.planted(IMAGE, _with_chunk(data, chunk))


def _with_chunk(data: bytes, chunk: bytes) -> bytes:
    """A PNG file with one more chunk after its header."""
    after = data.index(b"IHDR") + 4 + 13 + 4
    return data[:after] + _chunk(chunk) + data[after:]


def _chunk(content: bytes) -> bytes:
    """A PNG chunk: `content` is its type and its data."""
    return struct.pack(">L", len(content) - 4) + content + struct.pack(">L", zlib.crc32(content))


def _tiff() -> PlantedItem:
    """Two pages of 16 bits, with tags of text, of IPTC, of XMP, and one that is nobody's."""
    canaries = Canaries("image.tif")
    pages = []
    for page in ("page 1", "page 2"):
        tags = TiffImagePlugin.ImageFileDirectory_v2()
        for tag, name in (
            (_DESCRIPTION, "ImageDescription"),
            (_ARTIST, "Artist"),
            (_DOCUMENT_NAME, "DocumentName"),
            (_HOST, "HostComputer"),
            (_PRIVATE_TIFF, "private tag"),
        ):
            tags[tag] = canaries.word(f"TIFF {name}, {page}")
        tags[_IPTC_TIFF] = _iptc(canaries)
        image = Image.fromarray(np.linspace(0, 60000, SIDE * SIDE).astype(np.uint16).reshape(SIDE, SIDE))
        image.encoderinfo = {"tiffinfo": tags}
        pages.append(image)
    data = _saved(pages[0], "TIFF", tiffinfo=pages[0].encoderinfo["tiffinfo"], save_all=True, append_images=pages[1:])
    return canaries.planted(IMAGE, data)


def _gif() -> PlantedItem:
    canaries = Canaries("image.gif")
    frames = [_grey(), _grey().rotate(90)]
    comment = canaries.word("GIF comment").encode()
    data = _saved(frames[0], "GIF", comment=comment, save_all=True, append_images=frames[1:])
    return canaries.planted(IMAGE, data + canaries.word("after GIF trailer").encode())


def _webp() -> PlantedItem:
    canaries = Canaries("image.webp")
    data = _saved(_grey().convert("RGB"), "WEBP", exif=_exif(canaries), xmp=_xmp(canaries), lossless=True)
    return canaries.planted(IMAGE, data)


def _ppm() -> PlantedItem:
    canaries = Canaries("image.pgm")
    header = canaries.text("PGM comment", "P5\n# {}\n" + f"{SIDE} {SIDE}\n255\n").encode()
    return canaries.planted(IMAGE, header + _grey().tobytes() + canaries.word("after the pixels").encode())


def _bmp() -> PlantedItem:
    """Bytes between the header and the pixels, where a BMP file says that its pixels begin later."""
    canaries = Canaries("image.bmp")
    data = _saved(_grey().convert("RGB"), "BMP")
    gap = canaries.word("BMP gap before the pixels").encode()
    begin = int.from_bytes(data[10:14], "little")
    head = data[:10] + (begin + len(gap)).to_bytes(4, "little") + data[14:begin]
    return canaries.planted(IMAGE, head + gap + data[begin:])
