"""Frames of the ABCI socket, however the network splits and joins them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hmchain.ledger.engines.cometbft.codec import FRAME_BYTES_MAX, FrameError, Frames, frame

REPEATABLE = settings(derandomize=True, deadline=None)


def test_lengths_are_protobuf_varints() -> None:
    assert frame(b"") == b"\x00"
    assert frame(b"x" * 127)[:1] == b"\x7f"
    assert frame(b"x" * 128)[:2] == b"\x80\x01"
    assert frame(b"x" * 300)[:2] == b"\xac\x02"  # the example of the protobuf documentation


@REPEATABLE
@given(st.lists(st.binary(max_size=400), max_size=8), st.lists(st.integers(1, 50), min_size=1, max_size=20))
def test_19_split_and_coalesced_frames(messages: list[bytes], sizes: list[int]) -> None:
    stream = b"".join(map(frame, messages))
    frames, found, position, turn = Frames(), [], 0, 0
    while position < len(stream):
        size = sizes[turn % len(sizes)]
        found += frames.feed(stream[position : position + size])
        position, turn = position + size, turn + 1
    assert found == messages and frames.is_between


def test_a_message_that_was_begun_is_waited_for() -> None:
    frames = Frames()
    assert list(frames.feed(b"\x85")) == [] and not frames.is_between
    assert list(frames.feed(b"\x00hel")) == []  # a varint may be longer than it need be
    assert list(frames.feed(b"lo\x01!\x02")) == [b"hello", b"!"]
    assert not frames.is_between


def test_oversized_frames_are_refused_before_they_are_read() -> None:
    assert len(list(Frames(100).feed(frame(b"x" * 100)))) == 1
    with pytest.raises(FrameError, match="100 bytes"):
        list(Frames(100).feed(frame(b"x" * 101)[:2]))
    with pytest.raises(FrameError):
        list(Frames().feed(b"\xff\xff\xff\xff\x0f"))
    assert FRAME_BYTES_MAX < 1 << 31


def test_a_length_without_end_is_refused() -> None:
    with pytest.raises(FrameError):
        list(Frames().feed(b"\x80" * 5))


def test_what_came_before_a_bad_frame_is_delivered() -> None:
    found = []
    with pytest.raises(FrameError):
        for message in Frames(100).feed(frame(b"good") + b"\xff\xff\xff\xff\x7f"):
            found.append(message)
    assert found == [b"good"]
