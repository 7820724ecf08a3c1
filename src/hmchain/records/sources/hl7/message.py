"""HL7 v2 messages as text: where one begins, in what characters it is written, and its parts (HL7 v2.9, chapter 2).

A message is read by the delimiters that its own MSH segment declares. No grammar of segments is enforced: hospitals
send what no grammar foresees, and an allow list that drops what it does not know needs none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

MESSAGE_BYTES_MAX = 16 << 20
"""A longer message is cut, and so given as damaged."""

ACKNOWLEDGEMENT = "an acknowledgement"
"""Why one is passed over."""

_ACKNOWLEDGEMENTS = ("ACK", "MCF")
_SEGMENT = re.compile(r"[A-Z][A-Z0-9]{2}", re.ASCII)
_ESCAPED = r"[FSTREHN]|\.[a-z]{2}[+-]?\d*|X(?:[0-9A-Fa-f]{2})+|[CMZ][0-9A-Za-z]*"

# Table 0211, as far as Python reads it. Multi-byte sets must be decoded before anything is split: their second bytes
# can look like a delimiter.
_CHARSETS = {
    "": "utf-8", "ASCII": "ascii", "UNICODE UTF-8": "utf-8", "UNICODE UTF-16": "utf-16", "8859/1": "latin-1",
    "8859/2": "iso8859-2", "8859/3": "iso8859-3", "8859/4": "iso8859-4", "8859/5": "iso8859-5", "8859/6": "iso8859-6",
    "8859/7": "iso8859-7", "8859/8": "iso8859-8", "8859/9": "iso8859-9", "8859/15": "iso8859-15",
    "ISO IR6": "ascii", "ISO IR14": "shift_jis", "ISO IR87": "iso2022_jp", "ISO IR159": "iso2022_jp_1",
    "GB 18030-2000": "gb18030", "KS X 1001": "euc_kr", "BIG-5": "big5", "CNS 11643-1992": "euc_tw",
}  # fmt: skip


class MessageError(ValueError):
    """Bytes that are no HL7 v2 message, or in characters that are not read; the text is without their content."""


@dataclass(frozen=True)
class Delimiters:
    """The delimiters of the parts of a message: MSH-1 and the characters of MSH-2."""

    field: str
    component: str
    repetition: str
    escape: str
    subcomponent: str

    def unescape(self, text: str) -> str:
        """Text with its escape sequences resolved; formatting and unknown ones become a blank (chapter 2.7)."""
        if self.escape not in text:
            return text
        named = {"F": self.field, "S": self.component, "T": self.subcomponent, "R": self.repetition, "E": self.escape}
        mark = re.escape(self.escape)
        return re.sub(f"{mark}({_ESCAPED}){mark}", lambda found: named.get(found[1], " "), text)


@dataclass(frozen=True)
class Segment:
    """One segment: its name and its fields as they are in the message, field 1 first."""

    name: str
    fields: tuple[str, ...]

    def field(self, number: int) -> str:
        """Field `number`, counted from 1; empty if there are not so many."""
        return self.fields[number - 1] if number <= len(self.fields) else ""


@dataclass(frozen=True)
class Message:
    """A message: its delimiters and its segments in order, the first being MSH."""

    delimiters: Delimiters
    segments: tuple[Segment, ...]

    @property
    def header(self) -> Segment:
        """MSH, whose field 1 is the field separator itself."""
        return self.segments[0]

    @property
    def is_acknowledgement(self) -> bool:
        """Tell whether it only says what became of another message: such a one is not answered (chapter 2.9)."""
        kind = self.header.field(9).split(self.delimiters.component)[0]
        names = {segment.name for segment in self.segments}
        return kind in _ACKNOWLEDGEMENTS or ("MSA" in names and "PID" not in names)


def parse(data: bytes) -> Message:
    """Read one message. Raises `MessageError`."""
    if not data.startswith(b"MSH"):
        raise MessageError("it does not begin with MSH")
    text = _decoded(data)
    delimiters = _delimiters(text)
    lines = [line for line in re.split(r"[\r\n]+", text) if line]
    return Message(delimiters, tuple(_segment(line, delimiters) for line in lines))


def split_messages(file: BinaryIO) -> Iterator[bytes]:
    """The messages of a file, one after the other, in batches or not; what is before the first one is left out.

    Segments end in CR, LF or both. Batch and file headers (FHS, BHS, BTS, FTS) are not given.
    """
    message = bytearray()
    for line in _lines(file):
        kind = line[:3]
        if kind in (b"MSH", b"FHS", b"BHS", b"BTS", b"FTS") and message:
            yield bytes(message)
            message.clear()
        if kind == b"MSH" or (message and line and len(message) <= MESSAGE_BYTES_MAX):
            message += line + b"\r"
    if message:
        yield bytes(message)


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """Lines without their ends, and without the bytes that frame MLLP; a very long one in parts."""
    rest = b""
    while piece := file.read(1 << 16):
        lines = re.split(rb"[\r\n]", rest + piece)
        rest = lines.pop()
        if len(rest) > MESSAGE_BYTES_MAX:
            lines.append(rest)
            rest = b""
        yield from (line.strip(b"\x0b\x1c\xef\xbb\xbf") for line in lines)
    yield rest.strip(b"\x0b\x1c\xef\xbb\xbf\x1a")


def _decoded(data: bytes) -> str:
    """The text of a message by the first character set of MSH-18; without one UTF-8, and else Latin-1."""
    header = re.split(rb"[\r\n]", data, maxsplit=1)[0]
    if len(header) < 8:
        raise MessageError("it declares delimiters that cannot be")
    fields = header.split(header[3:4])
    declared = fields[17].split(header[5:6])[0] if len(fields) > 17 else b""  # header[5] repeats fields
    name = " ".join(declared.decode("ascii", "replace").upper().split())
    if name not in _CHARSETS:
        raise MessageError("it is in a character set that is not read")
    try:
        return data.decode(_CHARSETS[name])
    except UnicodeDecodeError as error:
        if name in ("", "ASCII", "ISO IR6"):  # what many systems send: Latin-1 that nobody declared
            return data.decode("latin-1")
        raise MessageError("it is not in the characters that it declares") from error


def _delimiters(text: str) -> Delimiters:
    declared = text[4 : text.index(text[3], 4)] if text.find(text[3], 4) > 0 else ""
    characters = text[3] + (declared + "^~\\&"[len(declared) :])[:4]
    if len(declared) < 2 or len(set(characters)) != 5 or any(c.isalnum() or not c.isprintable() for c in characters):
        raise MessageError("it declares delimiters that cannot be")
    return Delimiters(*characters)


def _segment(line: str, delimiters: Delimiters) -> Segment:
    name, *fields = line.split(delimiters.field)
    if not _SEGMENT.fullmatch(name):
        raise MessageError("it has a segment without a name")
    return Segment(name, (delimiters.field, *fields) if name == "MSH" else tuple(fields))
