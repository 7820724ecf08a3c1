"""LtHash16: a set hash, and what a set hash cannot see."""

from __future__ import annotations

import hashlib

import numpy as np
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from hmchain.ledger import lthash

pairs = st.dictionaries(st.binary(max_size=8), st.binary(max_size=8), max_size=80).map(
    lambda found: list(found.items())
)


def obvious(elements: list[tuple[bytes, bytes]]) -> list[int]:
    """The definition, lane by lane."""
    lanes = [0] * 1024
    for key, value in elements:
        data = len(key).to_bytes(4, "little") + key + len(value).to_bytes(4, "little") + value
        stream = blake3(data).digest(length=2048)
        for lane in range(1024):
            lanes[lane] = (lanes[lane] + int.from_bytes(stream[2 * lane : 2 * lane + 2], "little")) % 65536
    return lanes


@settings(max_examples=15, deadline=None)
@given(pairs)
def test_it_is_the_sum_of_its_elements(elements: list[tuple[bytes, bytes]]) -> None:
    found = lthash.updated(lthash.empty(), [], elements)
    assert found.tolist() == lthash.of_all(elements).tolist() == obvious(elements)


@settings(max_examples=15, deadline=None)
@given(pairs, st.randoms(use_true_random=False))
def test_order_does_not_count_and_removing_undoes(elements: list[tuple[bytes, bytes]], chance: object) -> None:
    full = lthash.updated(lthash.empty(), [], elements)
    shuffled = list(elements)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert np.array_equal(full, lthash.updated(lthash.empty(), [], shuffled))
    half = len(elements) // 2
    rest = lthash.updated(full, elements[:half], [])
    assert np.array_equal(rest, lthash.updated(lthash.empty(), [], elements[half:]))


def test_lengths_are_part_of_an_element() -> None:
    first = lthash.updated(lthash.empty(), [], [(b"ab", b"c")])
    second = lthash.updated(lthash.empty(), [], [(b"a", b"bc")])
    assert not np.array_equal(first, second)


def test_copies_of_one_element_cancel() -> None:
    """Why a snapshot with duplicate keys must be refused."""
    one = lthash.updated(lthash.empty(), [], [(b"key", b"value")])
    assert np.array_equal((one.astype(np.int64) * 65536).astype(np.uint16), lthash.empty())


def test_bytes_and_commitment() -> None:
    lanes = lthash.updated(lthash.empty(), [], [(b"key", b"value")])
    assert np.array_equal(lthash.from_bytes(lthash.to_bytes(lanes)), lanes)
    assert lthash.commitment(lanes) == hashlib.sha256(b"hmchain state" + lthash.to_bytes(lanes)).digest()
