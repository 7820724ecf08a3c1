"""One value, one encoding."""

from __future__ import annotations

from enum import StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hmchain.canonical import PADDED_BYTES, NotCanonicalError, Record, decode, decode_trusted, digest, encode, padded


class Sample(Record, frozen=True):
    number: int
    text: str
    data: bytes
    parts: tuple[int, ...]


samples = st.builds(
    Sample,
    st.integers(-(2**63), 2**64 - 1),
    st.text(),
    st.binary(),
    st.lists(st.integers(0, 2**40), max_size=5).map(tuple),
)


@given(samples)
def test_what_is_encoded_decodes_to_itself(value: Sample) -> None:
    assert decode(encode(value), Sample) == value


@pytest.mark.parametrize(
    "other",
    [
        b"\x94\xcc\x05\xa1a\xc4\x01b\x91\x07",  # 5 in two bytes
        b"\xdc\x00\x04\x05\xa1a\xc4\x01b\x91\x07",  # a longer array head
        b"\x94\x05\xd9\x01a\xc4\x01b\x91\x07",  # a longer string head
        b"\x94\x05\xa1a\xc5\x00\x01b\x91\x07",  # a longer binary head
    ],
)
def test_several_encodings_of_one_value_are_one_too_many(other: bytes) -> None:
    value = Sample(5, "a", b"b", (7,))
    assert encode(value) == b"\x94\x05\xa1a\xc4\x01b\x91\x07"
    assert decode_trusted(other, Sample) == value
    with pytest.raises(NotCanonicalError, match="canonical"):
        decode(other, Sample)


@pytest.mark.parametrize(
    "data", [b"", b"\xc1", b"\x94", b"\x95\x05\xa1a\xc4\x01b\x91\x07\x01", b"\x91" * 5000, b"\x94\x05\xa1\xffa"]
)
def test_what_does_not_decode_is_named(data: bytes) -> None:
    with pytest.raises(NotCanonicalError, match="Sample"):
        decode(data, Sample)


class Word(StrEnum):
    NONE = ""
    YES = "yes"


class Said(Record, frozen=True):
    word: Word


@pytest.mark.parametrize("word", Word)
def test_a_word_of_a_list_is_encoded_as_the_word(word: Word) -> None:
    assert encode(Said(word)) == encode([str(word)])
    assert decode(encode([str(word)]), Said) == Said(word)


def test_a_word_that_the_list_lacks_is_named_and_no_other_bytes_are() -> None:
    with pytest.raises(NotCanonicalError, match="'perhaps' is no word of it"):
        decode(encode(["perhaps"]), Said)
    with pytest.raises(NotCanonicalError) as error:
        decode(encode(["yes", "secret"]), Said)
    assert "secret" not in str(error.value)


@given(st.binary(max_size=60))
def test_random_bytes_never_do_harm(data: bytes) -> None:
    try:
        value = decode(data, Sample)
    except NotCanonicalError:
        return
    assert encode(value) == data


@given(st.lists(st.binary(max_size=6), max_size=4), st.lists(st.binary(max_size=6), max_size=4))
def test_digests_of_different_parts_differ(first: list[bytes], second: list[bytes]) -> None:
    assert (digest("label", *first) == digest("label", *second)) == (first == second)
    assert digest("label", *first) != digest("other", *first)


class Note(Record, frozen=True):
    text: bytes
    padding: bytes = b""


def test_a_padded_record_tells_no_more_of_its_size_than_kilobytes() -> None:
    """Whatever it lacks: the padding's own length takes one byte more from 256 on."""
    sizes = [len(encode(padded(Note(bytes(count))))) for count in range(2 * PADDED_BYTES)]
    assert {size % PADDED_BYTES for size in sizes} == {0} and set(sizes) <= {1024, 2048, 3072}
    assert all(len(encode(padded(Note(bytes(count)), 48 << 10))) == 48 << 10 for count in (0, 255, 48_000, 48_865))
    assert padded(Note(b"x")).text == b"x" and padded(padded(Note(b"x"))) == padded(Note(b"x"))
