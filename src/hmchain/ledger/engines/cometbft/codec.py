"""Frames of the ABCI socket: each message is protobuf after its length as an unsigned varint (LEB128)."""

from __future__ import annotations

from collections.abc import Iterator

from hmchain.errors import LedgerError
from hmchain.ledger.engines.cometbft.wire import varint

FRAME_BYTES_MAX = 64 << 20
"""Blocks are a few MB and snapshot chunks below 10; a longer frame is no message of ours."""
_LENGTH_BYTES_MAX = 5


class FrameError(LedgerError):
    """The bytes from the ABCI socket are no sequence of frames."""

    code = "abci_frame"


def frame(message: bytes) -> bytes:
    """A message with its length before it."""
    return varint(len(message)) + message


class Frames:
    """Cuts a stream of bytes into messages, however the bytes were split or joined on their way."""

    def __init__(self, bytes_max: int = FRAME_BYTES_MAX) -> None:
        self._bytes_max = bytes_max
        self._waiting = bytearray()

    @property
    def is_between(self) -> bool:
        """True while no message has been begun: a peer that leaves now leaves nothing undone."""
        return not self._waiting

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The messages that `data` completes, in order. Raises `FrameError` at a length that cannot be."""
        self._waiting += data
        position = 0
        try:
            while (found := self._message_at(position)) is not None:
                start, end = found
                if end > len(self._waiting):
                    break
                message = bytes(self._waiting[start:end])
                position = end
                yield message
        finally:
            del self._waiting[:position]

    def _message_at(self, position: int) -> tuple[int, int] | None:
        """Where the message after `position` starts and ends; None while its length has not come whole."""
        length = 0
        head = self._waiting[position : position + _LENGTH_BYTES_MAX]
        for count, byte in enumerate(head):
            length |= (byte & 0x7F) << 7 * count
            if length > self._bytes_max:
                break
            if byte < 0x80:
                start = position + count + 1
                return start, start + length
        if length > self._bytes_max or len(head) == _LENGTH_BYTES_MAX:
            raise FrameError(
                f"a frame on the ABCI socket is longer than {self._bytes_max} bytes",
                "only CometBFT 0.38 may connect there",
            )
        return None
