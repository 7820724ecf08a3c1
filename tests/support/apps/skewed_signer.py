"""A validator's key held by a signer whose clock is wrong: CometBFT's remote signer protocol over a unix socket.

CometBFT takes a vote's time from what its signer answers, so this is what a wrong clock of the whole machine does to
consensus. The messages are those of `tendermint/privval/types.proto` in 0.38.
"""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path

from hmchain.keys import SigningKey
from hmchain.ledger.engines.cometbft import wire
from hmchain.ledger.engines.cometbft.codec import Frames, frame

PUBLIC_KEY, VOTE, PROPOSAL, PING = 1, 3, 5, 7
"""Requests; the answer to each has the next number."""
_VARINT, _LENGTH = 0, 2


def fields(data: bytes) -> dict[int, int | bytes]:
    """The fields of a protobuf message of numbers and byte strings, each once."""
    found: dict[int, int | bytes] = {}
    place = 0
    while place < len(data):
        tag, place = _read(data, place)
        value, place = _read(data, place)
        if tag & 7 == _LENGTH:
            found[tag >> 3] = data[place : place + value]
            place += value
        else:
            found[tag >> 3] = value
    return found


def _read(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[place]
        value, shift, place = value | (byte & 0x7F) << shift, shift + 7, place + 1
        if byte < 0x80:
            return value, place


class SkewedSigner:
    """Signs what it is asked to, at its own time. One thread, until `stop`."""

    def __init__(self, path: Path, key: SigningKey, chain_id: str, skew_seconds: int) -> None:
        self._path, self._key, self._chain, self._skew = path, key, chain_id, skew_seconds
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.votes = 0

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(5)

    def _run(self) -> None:
        """CometBFT listens; whenever it is up, answer it."""
        while not self._stopping.wait(0.05):
            try:
                with socket.socket(socket.AF_UNIX) as end:
                    end.connect(str(self._path))
                    end.settimeout(0.2)
                    self._answer(end)
            except OSError:
                continue

    def _answer(self, end: socket.socket) -> None:
        frames = Frames()
        while not self._stopping.is_set():
            try:
                data = end.recv(1 << 16)
            except TimeoutError:
                continue
            if not data:
                return
            for message in frames.feed(data):
                ((kind, body),) = fields(message).items()
                assert isinstance(body, bytes)
                end.sendall(frame(wire.message(kind + 1, self._signed(kind, body))))

    def _signed(self, kind: int, body: bytes) -> bytes:
        if kind == PUBLIC_KEY:
            return wire.message(1, wire.octets(1, self._key.public.raw))
        if kind == PING:
            return b""
        asked = fields(body)[1]
        assert isinstance(asked, bytes)
        found = fields(asked)
        if kind == VOTE:  # a proposal's time stays as it was asked for; nothing depends on it
            now = time.time_ns() + self._skew * 1_000_000_000
            found[5] = wire.number(1, now // 1_000_000_000) + wire.number(2, now % 1_000_000_000)
        canonical = self._canonical(kind, found)
        found[{VOTE: 8, PROPOSAL: 7}[kind]] = self._key.sign(wire.varint(len(canonical)) + canonical)
        self.votes += kind == VOTE
        encoded = [
            wire.message(number, value) if isinstance(value, bytes) else wire.number(number, value)
            for number, value in sorted(found.items())
        ]
        return wire.message(1, b"".join(encoded))

    def _canonical(self, kind: int, found: dict[int, int | bytes]) -> bytes:
        def number(field: int) -> int:
            value = found.get(field, 0)
            assert isinstance(value, int)
            return value

        def content(field: int) -> bytes:
            value = found.get(field, b"")
            assert isinstance(value, bytes)
            return value

        head = wire.number(1, number(1)) + wire.fixed(2, number(2)) + wire.fixed(3, number(3))
        chain = wire.octets(7 if kind == PROPOSAL else 6, self._chain.encode())
        if kind == PROPOSAL:
            return head + wire.number(4, number(4)) + wire.message(5, content(5)) + wire.message(6, content(6)) + chain
        block = content(4) if fields(content(4)).get(1) else b""  # a vote for nothing has none
        return head + wire.octets(4, block) + wire.message(5, content(5)) + chain
