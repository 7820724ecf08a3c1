"""What is hashed and signed is what the protobuf library writes."""

from __future__ import annotations

import pytest

from hmchain.ledger.engines.cometbft import wire

abci = pytest.importorskip("hmchain.ledger.engines.cometbft.abci_pb2")


@pytest.mark.parametrize("value", [0, 1, 127, 128, 300, 2**63 - 1, -1, -(2**63)])
def test_numbers_are_written_as_the_library_writes_them(value: int) -> None:
    assert wire.number(4, value) == abci.ResponseInfo(last_block_height=value).SerializeToString()


@pytest.mark.parametrize("content", [b"", b"\x00", b"x" * 127, b"x" * 128, b"x" * 20_000])
def test_bytes_are_written_as_the_library_writes_them(content: bytes) -> None:
    written = abci.ResponseInfo(last_block_app_hash=content).SerializeToString()
    assert wire.octets(5, content) == written
    assert wire.message(5, content) == (written or b"\x2a\x00")


def test_fixed_numbers_take_eight_bytes() -> None:
    assert wire.fixed(2, 0) == b""
    assert wire.fixed(2, 1) == b"\x11" + bytes([1]) + bytes(7)
    assert wire.fixed(3, -1) == b"\x19" + b"\xff" * 8
