"""Opens a DICOM object as far as its pixels: the header in memory, the pixels where they lie in the file.

The header is parsed by pydicom, which leaves every value as the bytes that it was. What the pixels may take is not
bounded here, what the header may take is: a length field that lies cannot make this process ask for gigabytes.
"""

from __future__ import annotations

import io
import struct
import unicodedata
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO, cast

from pydicom import charset, config, uid
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.filereader import data_element_generator, read_sequence

from hmchain.records.deidentification.dicom.holding import Hold, damaged
from hmchain.records.sources.item import SourceError

Element = RawDataElement | DataElement

HEADER_BYTES_MAX = 64 << 20
READS_MAX = 1 << 21
"""Pieces in which a header is read, about three an element: a file of zeros is a header of elements without end."""
INFLATED_BYTES_MAX = 512 << 20
DEFERRED_BYTES = 1 << 20
"""Values longer than this stay in the file until one of them is wanted."""

PIXEL_DATA, FLOAT_PIXELS, DOUBLE_PIXELS = 0x7FE00010, 0x7FE00008, 0x7FE00009
SOP_CLASS, SOP_INSTANCE, STUDY_INSTANCE = 0x00080016, 0x00080018, 0x0020000D
MODALITY, PATIENT_ID = 0x00080060, 0x00100020

NATIVE = frozenset(
    {
        uid.ImplicitVRLittleEndian,
        uid.ExplicitVRLittleEndian,
        uid.ExplicitVRBigEndian,
        uid.DeflatedExplicitVRLittleEndian,
    }
)
_CHARACTER_SET = 0x00080005
_TRANSFER_SYNTAX = 0x00020010
_UNDEFINED = 0xFFFFFFFF
_PIECE_BYTES = 1 << 20
_LONG_VRS = (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"UN")


@dataclass(frozen=True)
class PixelElement:
    """The place of the pixels."""

    tag: int
    vr: str
    offset: int
    length: int | None
    """None if the element has undefined length, which is how encapsulated pixels are stored."""


@dataclass(frozen=True)
class DicomHeader:
    """An object whose header is read."""

    file: BinaryIO
    """The file, or its inflated content."""
    size: int
    syntax: uid.UID
    little: bool
    """Whether numbers are little endian."""
    elements: Mapping[int, Element]
    """The data set's elements by tag: raw, with the bytes of the file; of those deferred the value is None."""
    pixels: PixelElement | None
    repeated: tuple[Element, ...] = ()
    """Elements of which there was another one later, which counts; the standard forbids that."""

    def value(self, tag: int) -> bytes:
        """The bytes of an element that is no sequence; none if it is absent."""
        return _bytes(self.elements.get(tag))

    def ascii(self, tag: int) -> str:
        """The text of an element without padding; what is not ASCII becomes a question mark."""
        return self.value(tag).decode("ascii", "replace").replace("\ufffd", "?").strip(" \0")

    def text(self, tag: int) -> str:
        """The text of an element in its character set, normalised (NFC), without padding."""
        decoded = charset.decode_bytes(self.value(tag), self.encodings, set())
        return unicodedata.normalize("NFC", decoded).strip(" \0")

    def folded(self, tag: int) -> str:
        """The text of an element in capitals, with underscores as spaces; letters beyond ASCII as they come."""
        return self.value(tag).decode("latin-1").upper().replace("_", " ")

    def number(self, tag: int) -> int | None:
        """The first value of a US element; None if it is absent or of another length."""
        value = self.value(tag)
        return int.from_bytes(value[:2], "little" if self.little else "big") if len(value) >= 2 else None

    def read(self, offset: int, length: int) -> bytes:
        """Bytes of the header that were deferred."""
        if length > HEADER_BYTES_MAX:
            raise Hold("too_large", f"a header element of more than {HEADER_BYTES_MAX >> 20} MiB")
        self.file.seek(offset)
        data = self.file.read(length)
        if len(data) != length:
            raise damaged("the file is cut short in its header")
        return data

    @property
    def encodings(self) -> list[str]:
        """The character sets of its text, as Python calls them."""
        names = self.ascii(_CHARACTER_SET).split("\\")
        return charset.convert_encodings([name.strip() for name in names])


def open_dicom(file: BinaryIO) -> DicomHeader:
    """Read the header of the object in `file`; raises `Hold` if it is none, or damaged."""
    size = file.seek(0, io.SEEK_END)
    header = _Bounded(file, size)
    header.seek(0)
    if header.read(132)[128:] != b"DICM":
        header.seek(0)  # objects from before PS3.10 have no preamble
    meta = in_order(_parse(header, implicit=False, little=True, until=lambda tag: tag >> 16 != 2))
    named = _bytes(meta.get(_TRANSFER_SYNTAX)).decode("ascii", "replace").strip(" \0")
    syntax = uid.UID(named or uid.ImplicitVRLittleEndian, validation_mode=config.IGNORE)
    if syntax == uid.DeflatedExplicitVRLittleEndian:
        file = io.BytesIO(_inflate(header))
        size = len(file.getbuffer())
        header = _Bounded(file, size)
    if syntax.is_private or not syntax.is_transfer_syntax:
        raise Hold("unsupported_syntax", "a transfer syntax that is not known")
    little = syntax != uid.ExplicitVRBigEndian
    came = _parse(header, implicit=_is_implicit(header), little=little, until=lambda tag: tag >= FLOAT_PIXELS)
    elements = in_order(came)
    if header.tell() > size:
        raise damaged("the file is cut short in its header")
    repeated = tuple(each for each in came if elements[int(each.tag)] is not each) if len(came) > len(elements) else ()
    return DicomHeader(file, size, syntax, little, elements, _pixel_element(header, little), repeated)


def in_order(elements: Iterable[Element]) -> dict[int, Element]:
    """Elements by tag, in order, as they were parsed; raises `Hold` if one of them is cut short."""
    found = {int(element.tag): element for element in elements}
    for element in found.values():
        if isinstance(element, RawDataElement) and element.value and len(element.value) < element.length != _UNDEFINED:
            raise damaged("the file is cut short in its header")
    return dict(sorted(found.items()))


def datasets_of(element: Element, value: Callable[[RawDataElement], bytes]) -> Sequence[Dataset]:
    """The items of a sequence, of whose bytes `value` is asked; none of an element that is no sequence.

    Raises `Hold` if they cannot be read as one.
    """
    if isinstance(element, DataElement):
        return element.value if element.VR == "SQ" else ()
    if element.VR not in ("SQ", "UN", None) or not element.length:
        return ()
    implicit = element.is_implicit_VR or element.VR == "UN"  # PS3.5 6.2.2, note 2
    data = value(element)
    try:
        return read_sequence(io.BytesIO(data), implicit, element.is_little_endian, len(data), "iso8859")
    except Exception as error:  # its parser raises whatever the bytes led it to
        raise damaged("a sequence that is none") from error


class _Bounded:
    """A file that gives no more than it has, nor than a header may take, in bytes and in pieces; it has no name."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self._size, self._reads = file, size, 0
        self.seek, self.tell = file.seek, file.tell

    def read(self, count: int = -1) -> bytes:
        self._reads += 1
        if self._reads > READS_MAX:
            raise Hold("too_large", "more elements than the header of an object has")
        if count < 0 or count > DEFERRED_BYTES:
            left = max(self._size - self._file.tell(), 0)
            count = left if count < 0 else min(count, left)
            if count > HEADER_BYTES_MAX:
                raise Hold("too_large", f"a header element of more than {HEADER_BYTES_MAX >> 20} MiB")
        try:
            return self._file.read(count)
        except OSError as error:
            raise SourceError("a file cannot be read", "check the disk or the share that it lies on") from error


def _parse(header: _Bounded, *, implicit: bool, little: bool, until: Callable[[int], bool]) -> list[Element]:
    elements = data_element_generator(
        cast(BinaryIO, header),
        implicit,
        little,
        stop_when=lambda tag, _vr, _length: until(int(tag)),  # a tag of pydicom's compares slowly
        defer_size=DEFERRED_BYTES,
    )
    try:
        return list(elements)
    except OSError as error:  # pydicom's, of a sequence that breaks off; those of the file are `SourceError` by now
        raise damaged("the file is cut short in its header") from error


def _is_implicit(header: _Bounded) -> bool:
    """Tell whether the data set that begins here leaves out its VRs; what a file says of itself is not always so."""
    start = header.tell()
    vr = header.read(6)[4:]
    header.seek(start)
    return not (vr.isalpha() and vr.isupper())


def _bytes(element: Element | None) -> bytes:
    return bytes(element.value) if isinstance(element, RawDataElement) and element.value else b""


def _inflate(header: _Bounded) -> bytes:
    """The rest of a file of the deflated transfer syntax (PS3.5 A.5)."""
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    inflated = bytearray()
    while not stream.eof and (piece := stream.unconsumed_tail or header.read(_PIECE_BYTES)):
        inflated += stream.decompress(piece, _PIECE_BYTES * 8)
        if len(inflated) > INFLATED_BYTES_MAX:
            raise Hold("too_large", f"it inflates to more than {INFLATED_BYTES_MAX >> 20} MiB")
    if not stream.eof:
        raise damaged("its deflated content is cut short")
    return bytes(inflated)


def _pixel_element(header: _Bounded, little: bool) -> PixelElement | None:
    """The element that parsing stopped at, if it is one of pixels."""
    order = "<" if little else ">"
    start = header.read(12)
    if len(start) < 8:
        return None
    group, number = struct.unpack(f"{order}HH", start[:4])
    tag = group << 16 | number
    if tag not in (PIXEL_DATA, FLOAT_PIXELS, DOUBLE_PIXELS):
        return None
    if start[4:6] in _LONG_VRS and len(start) == 12:
        vr, (length,) = start[4:6].decode(), struct.unpack(f"{order}L", start[8:])
    else:
        header.seek(header.tell() - len(start) + 8)
        vr, (length,) = "OW", struct.unpack(f"{order}L", start[4:8])
    return PixelElement(tag, vr, header.tell(), None if length == _UNDEFINED else length)
