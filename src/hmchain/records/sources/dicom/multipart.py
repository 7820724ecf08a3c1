"""The first part of a multipart message (RFC 2046 5.1), while the message comes in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hmchain.records.sources.http import MomentaryError

_HEADERS_BYTES_MAX = 64 << 10


class TruncatedError(MomentaryError):
    """The message ends before its first part does."""

    def __init__(self) -> None:
        super().__init__("broke off the connection")


def first_part(chunks: Iterable[bytes], boundary: bytes) -> Iterator[bytes]:
    """Give the content of the first part in pieces, however the message is cut into `chunks`.

    Raises `TruncatedError` unless the part's end comes. What follows it is not read.
    """
    source = iter(chunks)
    rest = _content(source, boundary)
    end = b"\r\n--" + boundary
    while (at := rest.find(end)) < 0:
        keep = len(end) - 1  # a delimiter may be cut in two
        if len(rest) > keep:
            yield rest[:-keep]
            rest = rest[-keep:]
        rest += _next(source)
    yield rest[:at]


def _content(source: Iterator[bytes], boundary: bytes) -> bytes:
    """Return what has come of the first part's content, once its headers are over."""
    begin = b"--" + boundary
    rest = b""
    while True:
        at = rest.find(begin)
        # The line of the delimiter may be followed by no headers at all, then the empty line follows at once.
        over = rest.find(b"\r\n\r\n", at + len(begin)) if at >= 0 else -1
        if over >= 0:
            return rest[over + 4 :]
        if len(rest) > _HEADERS_BYTES_MAX:
            raise TruncatedError
        rest += _next(source)


def _next(source: Iterator[bytes]) -> bytes:
    for chunk in source:
        if chunk:
            return chunk
    raise TruncatedError
