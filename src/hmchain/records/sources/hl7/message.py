"""HL7 v2 messages as text: where one begins, in what characters it is written, and its parts (HL7 v2.9, chapter 2).

A message is read by the delimiters that its own MSH segment declares. No grammar of segments is enforced: hospitals
send what no grammar foresees, and an allow list that drops what it does not know needs none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import BinaryIO

from hmchain.records.sources.hl7.charsets import codec, decoded, narrow, narrowed

MESSAGE_BYTES_MAX = 16 << 20
"""A longer message is cut, and so given as damaged."""

ACKNOWLEDGEMENT = "an acknowledgement"
"""Why one is passed over."""

_AROUND = (b"FHS", b"BHS", b"BTS", b"FTS")
_ACKNOWLEDGEMENTS = ("ACK", "MCF")
_SEGMENT = re.compile(r"[A-Z][A-Z0-9]{2}", re.ASCII)
_ONE_LINE = ("MSH", "EVN", "PID")
"""Segments without texts of several lines: what comes after them without a name is damage."""
_ESCAPED = r"[FSTREHN]|\.[a-z]{2}[+-]?\d*|X(?:[0-9A-Fa-f]{2})+|[CMZ][0-9A-Za-z]*"
_UNPRINTED = re.compile(r"[\x00-\x1f\x7f-\x9f]")


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
    charset: str = "utf-8"
    """Of characters that are written as numbers (`\\X..\\`)."""

    def unescape(self, text: str) -> str:
        """Text with its escape sequences resolved; formatting and unknown ones become a blank (chapter 2.7).

        A change of character set (`\\C..\\`, `\\M..\\`) is no character and becomes nothing.
        """
        if self.escape not in text:
            return text
        named = {"F": self.field, "S": self.component, "T": self.subcomponent, "R": self.repetition, "E": self.escape}
        mark = re.escape(self.escape)
        return re.sub(f"{mark}({_ESCAPED}){mark}", lambda found: self._character(found[1], named), text)

    def _character(self, sequence: str, named: Mapping[str, str]) -> str:
        if sequence in named:
            return named[sequence]
        if sequence[0] != "X":
            return "" if sequence[0] in "CM" else " "
        data = bytes.fromhex(sequence[1:])
        try:
            return _UNPRINTED.sub(" ", data.decode(self.charset))
        except UnicodeDecodeError:
            return _UNPRINTED.sub(" ", data.decode("cp1252", "replace"))


@dataclass(frozen=True)
class Segment:
    """One segment: its name and its fields as they are in the message, field 1 first."""

    name: str
    fields: tuple[str, ...]

    def field(self, number: int) -> str:
        """Field `number`, counted from 1; empty if there are not so many."""
        return self.fields[number - 1] if number <= len(self.fields) else ""

    def continued(self, text: str, fields: Sequence[str]) -> Segment:
        """The same with what stands on the next line, where a sender broke a text into lines."""
        *before, last = self.fields or ("",)
        return Segment(self.name, (*before, f"{last} {text}", *fields))


@dataclass(frozen=True)
class Message:
    """A message: its delimiters and its segments in order, the first being MSH."""

    delimiters: Delimiters
    segments: tuple[Segment, ...]

    @property
    def header(self) -> Segment:
        """MSH, whose field 1 is the field separator itself."""
        return self.segments[0]

    def repetitions(self, text: str) -> Iterator[list[str]]:
        """The components of each repetition of a field, without escapes."""
        marks = self.delimiters
        for repetition in text.split(marks.repetition):
            yield [marks.unescape(part) for part in repetition.split(marks.component)]

    @property
    def is_acknowledgement(self) -> bool:
        """Tell whether it only says what became of another message: such a one is not answered (chapter 2.9)."""
        kind = self.header.field(9).split(self.delimiters.component)[0]
        names = {segment.name for segment in self.segments}
        return kind in _ACKNOWLEDGEMENTS or ("MSA" in names and "PID" not in names)


def parse(data: bytes) -> Message:
    """Read one message. Raises `MessageError`."""
    data = narrow(data)
    if not data.startswith(b"MSH"):
        raise MessageError("it does not begin with MSH")
    declared = _declared(data)
    delimiters = replace(_delimiters(text := _decoded(data, declared)), charset=declared[0])
    segments: list[Segment] = []
    for line in filter(None, re.split(r"[\r\n]+", text)):
        name, *fields = line.split(delimiters.field)
        if _SEGMENT.fullmatch(name):
            segments.append(Segment(name, (delimiters.field, *fields) if name == "MSH" else tuple(fields)))
        elif not segments or segments[-1].name in _ONE_LINE:
            raise MessageError("it has a segment without a name")
        else:
            segments[-1] = segments[-1].continued(name, fields)
    return Message(delimiters, tuple(segments))


def split_messages(file: BinaryIO, outside: Callable[[], None] = lambda: None) -> Iterator[bytes]:
    """The messages of a file, one after the other, in batches or not; `outside` is called for each line in no message.

    Segments end in CR, LF or both. Batch and file headers (FHS, BHS, BTS, FTS) are not given.
    """
    message = bytearray()
    for line in _lines(narrowed(file)):
        kind = line[:3]
        if kind in (b"MSH", *_AROUND) and message:
            yield bytes(message)
            message.clear()
        elif line and kind != b"MSH" and kind not in _AROUND and not message:
            outside()
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


def _declared(data: bytes) -> tuple[str, ...]:
    """Python's names of the character sets of MSH-18, at least one. Raises `MessageError` for one that is not read."""
    header = re.split(rb"[\r\n]", data, maxsplit=1)[0]
    if len(header) < 8:
        raise MessageError("it declares delimiters that cannot be")
    fields = header.split(header[3:4])
    declared = fields[17].split(header[5:6]) if len(fields) > 17 else [b""]  # header[5] repeats fields
    names = [codec(each.decode("ascii", "replace")) for each in declared]
    if None in names:
        raise MessageError("it is in a character set that is not read")
    return tuple(filter(None, names)) or ("utf-8",)


def _decoded(data: bytes, names: tuple[str, ...]) -> str:
    try:
        return decoded(data, names)
    except UnicodeDecodeError as error:
        raise MessageError("it is not in the characters that it declares") from error


def _delimiters(text: str) -> Delimiters:
    declared = "".join(dict.fromkeys(text[4 : text.index(text[3], 4)])) if text.find(text[3], 4) > 0 else ""
    characters = text[3] + (declared + "^~\\&"[len(declared) :])[:4]
    if len(declared) < 2 or len(set(characters)) != 5 or any(c.isalnum() or not c.isprintable() for c in characters):
        raise MessageError("it declares delimiters that cannot be")
    return Delimiters(*characters)
