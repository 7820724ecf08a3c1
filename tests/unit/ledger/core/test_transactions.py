"""The envelope: one encoding, one chain, one signature."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hmchain.canonical import encode
from hmchain.ledger.transactions import (
    TRANSACTION_BYTES_MAX,
    Refusal,
    SignedTransaction,
    Transaction,
    authenticate,
    sign,
    transaction_digest,
)
from support.ledger_network import CHAIN, Sender, signing_key

WIRE = Sender().dataset("a", "x")


def refusal(wire: bytes, chain: str = CHAIN) -> str:
    with pytest.raises(Refusal) as caught:
        authenticate(wire, chain)
    return caught.value.code


def test_what_is_signed_is_authentic() -> None:
    transaction = authenticate(WIRE, CHAIN)
    assert transaction.digest == transaction_digest(WIRE)
    assert transaction.transaction.sender == signing_key("a", "steward").public.raw


@given(st.integers(0, len(WIRE) - 1), st.integers(1, 255))
def test_no_byte_can_be_changed(position: int, flip: int) -> None:
    altered = WIRE[:position] + bytes([WIRE[position] ^ flip]) + WIRE[position + 1 :]
    assert refusal(altered) in ("malformed", "wrong_chain", "bad_signature")


@given(st.binary(max_size=200))
def test_random_bytes_are_refused(data: bytes) -> None:
    assert refusal(data) == "malformed"


def test_several_encodings_of_one_transaction() -> None:
    assert refusal(b"\xdc\x00\x02" + WIRE[1:]) == "malformed"
    assert refusal(WIRE + b"\0") == "malformed"


def test_text_that_is_no_utf_8_is_malformed() -> None:
    """A decoder that raises something else here would stop every validator with one transaction."""
    assert refusal(WIRE.replace(CHAIN.encode(), b"\xff\xfe\xfd\xfc", 1)) == "malformed"


def test_size_nonce_and_chain() -> None:
    key = signing_key("a", "steward")
    assert refusal(b"\0" * (TRANSACTION_BYTES_MAX + 1)) == "oversized"
    assert refusal(sign(key, CHAIN, b"", b"short", 1)) == "malformed"
    assert refusal(WIRE, "another") == "wrong_chain"
    largest = sign(key, CHAIN, bytes(TRANSACTION_BYTES_MAX - 200), bytes(16), 1)
    assert authenticate(largest, CHAIN).wire == largest


def test_an_unknown_algorithm_is_no_signature() -> None:
    key = signing_key("a", "steward")
    transaction = Transaction(CHAIN, "none", key.public.raw, bytes(16), 1, b"")
    assert refusal(encode(SignedTransaction(transaction, key.sign(encode(transaction))))) == "bad_signature"
    assert refusal(encode(SignedTransaction(transaction, b""))) == "malformed"
