"""MLLP: a sender is told that a message is kept once it is; whatever one sender does, others are served."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from hmchain.records.sources.hl7.message import parse
from hmchain.records.sources.hl7.mllp import Limits, MllpSource, acknowledgement
from hmchain.records.sources.item import Item, SourceError
from support.health_records import admission_message, result_message

FIRST, SECOND = result_message(1, 1).encode(), admission_message(2, 2).encode()


def framed(message: bytes) -> bytes:
    return b"\x0b" + message + b"\x1c\r"


class Hospital:
    """Takes messages in a thread, as the pipeline does: each one is handled before the next is asked for."""

    def __init__(self, limits: Limits | None = None, handle: Callable[[Item], None] = lambda item: None) -> None:
        self.kept: list[str] = []
        self.error: Exception | None = None
        self._handle = handle
        self.source = MllpSource(port=0, limits=limits)
        self._thread = threading.Thread(target=self._work)
        self._thread.start()
        self.address = self.source.address()

    def _work(self) -> None:
        try:
            for item in self.source.items(self.kept.__contains__):
                self._handle(item)
                self.kept.append(item.name)
        except Exception as error:
            self.error = error

    def close(self) -> None:
        self.source.stop()
        self._thread.join(10)
        assert not self._thread.is_alive()


@contextmanager
def hospital(limits: Limits | None = None, handle: Callable[[Item], None] = lambda item: None) -> Iterator[Hospital]:
    opened = Hospital(limits, handle)
    try:
        yield opened
    finally:
        opened.close()


class Sender:
    """A laboratory's connection."""

    def __init__(self, to: Hospital) -> None:
        self.socket = socket.create_connection(to.address, timeout=10)
        self.buffer = b""

    def __enter__(self) -> Sender:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def answer(self) -> str:
        """The next acknowledgement's MSA segment; nothing if the connection is closed."""
        while b"\x1c\r" not in self.buffer:
            data = self.socket.recv(1 << 16)
            if not data:
                return ""
            self.buffer += data
        frame, self.buffer = self.buffer.split(b"\x1c\r", 1)
        assert frame.startswith(b"\x0bMSH|^~\\&|")
        return frame.decode().split("\r")[1]


def test_messages_are_acknowledged_one_by_one() -> None:
    with hospital() as taken, Sender(taken) as sender:
        sender.send(framed(FIRST))
        assert sender.answer() == "MSA|AA|1"
        sender.send(framed(SECOND))
        assert sender.answer() == "MSA|AA|2"
    assert len(taken.kept) == 2 and taken.error is None


ACKS = (
    acknowledgement(parse(FIRST), "AA"),
    acknowledgement(None, "AR"),
    b"MSH|^~\\&|||||20240101||ACK^R01^ACK|7|P|2.5\rMSA|AE|1\rERR|||207\r",
    b"MSH|^~\\&|||||20240101||MCF|7|P|2.3\rMSA|AA|1\r",
    b"MSH|^~\\&|||||20240101|||7|P|2.1\rMSA|AA|1\r",
    b"MSH$%~\\&$$$$$20240101$$ACK%R01$7$P$2.5\rMSA$AA$1\r",
)


@pytest.mark.parametrize("ack", ACKS, ids=["ours", "our refusal", "error", "delayed", "old", "other delimiters"])
def test_an_acknowledgement_is_neither_answered_nor_kept(ack: bytes) -> None:
    """Two listeners that answered each other's answers would never end."""
    with hospital() as taken, Sender(taken) as sender:
        sender.send(framed(ack) + framed(FIRST) + framed(ack))
        assert sender.answer() == "MSA|AA|1"
        sender.socket.settimeout(0.2)
        with pytest.raises(TimeoutError):
            sender.answer()
    assert len(taken.kept) == 1 and taken.error is None
    assert taken.source.finds.reasons == {"an acknowledgement": 2}


def test_what_answers_a_question_about_a_patient_is_a_message() -> None:
    answer = FIRST.replace(b"\rPID", b"\rMSA|AA|1\rPID", 1)
    assert answer != FIRST
    with hospital() as taken, Sender(taken) as sender:
        sender.send(framed(answer))
        assert sender.answer() == "MSA|AA|1"
    assert len(taken.kept) == 1


def test_no_acknowledgement_before_a_message_is_handled() -> None:
    go = threading.Event()

    def wait(item: Item) -> None:
        go.wait(10)

    with hospital(handle=wait) as taken, Sender(taken) as sender:
        sender.send(framed(FIRST))
        sender.socket.settimeout(0.2)
        with pytest.raises(TimeoutError):
            sender.answer()
        go.set()
        sender.socket.settimeout(10)
        assert sender.answer() == "MSA|AA|1"
    assert len(taken.kept) == 1


def test_a_message_that_is_not_kept_is_to_be_sent_again() -> None:
    def fail(item: Item) -> None:
        raise OSError("disk full")

    with hospital(handle=fail) as taken, Sender(taken) as sender:
        sender.send(framed(FIRST))
        assert sender.answer() == "MSA|AE|1"
        assert sender.answer() == ""  # it listens no more
    assert isinstance(taken.error, OSError) and taken.kept == []


def test_a_message_sent_again_is_kept_once() -> None:
    with hospital() as taken:
        for _ in range(3):
            with Sender(taken) as sender:
                sender.send(framed(FIRST))
                assert sender.answer() == "MSA|AA|1"
    assert len(taken.kept) == 1


@pytest.mark.parametrize("step", [1, 7])
def test_frames_in_pieces_and_together(step: int) -> None:
    both = framed(FIRST) + b"\r\n" + framed(SECOND)
    with hospital() as taken, Sender(taken) as sender:
        for start in range(0, len(both), step):
            sender.send(both[start : start + step])
        assert [sender.answer(), sender.answer()] == ["MSA|AA|1", "MSA|AA|2"]
    assert len(taken.kept) == 2


def test_what_is_no_message_is_refused_and_the_connection_goes_on() -> None:
    with hospital() as taken, Sender(taken) as sender:
        sender.send(framed(b"PID|1") + framed(FIRST))
        assert [sender.answer(), sender.answer()] == ["MSA|AR|", "MSA|AA|1"]
    assert len(taken.kept) == 1


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n", b"MSH|^~\\&|A\r", b"\x0bMSH|^~\\&|A\x0bMSH|\x1c\r", b"\x0b" + b"x" * 3000,
        b"\x0b" + b"x" * 2000 + b"\x1c\r",
    ],
    ids=["http", "no start", "start within", "no end", "too long"],
)  # fmt: skip
def test_framing_errors_are_refused_and_end_the_connection(data: bytes) -> None:
    with hospital(Limits(message_bytes=1000)) as taken, Sender(taken) as sender, Sender(taken) as other:
        sender.send(data)
        assert [sender.answer(), sender.answer()] == ["MSA|AR|", ""]
        other.send(framed(FIRST))
        assert other.answer() == "MSA|AA|1"
    assert len(taken.kept) == 1


def test_a_sender_that_dies_within_a_frame_harms_nobody() -> None:
    with hospital() as taken, Sender(taken) as other:
        with Sender(taken) as sender:
            sender.send(framed(FIRST)[:50])
        other.send(framed(SECOND))
        assert other.answer() == "MSA|AA|2"
    assert len(taken.kept) == 1


def test_slow_and_silent_senders_are_cut_off() -> None:
    limits = Limits(frame_seconds=0.2, idle_seconds=0.4)
    with hospital(limits) as taken, Sender(taken) as slow, Sender(taken) as silent:
        slow.send(framed(FIRST)[:50])
        assert slow.answer() == ""
        assert silent.answer() == ""


def test_many_senders_at_once() -> None:
    messages = [framed(result_message(number, number).encode()) for number in range(20)]
    with hospital() as taken:
        senders = [Sender(taken) for _ in messages]
        for sender, message in zip(senders, messages, strict=True):
            sender.send(message)
        assert [sender.answer() for sender in senders] == [f"MSA|AA|{number}" for number in range(20)]
        for sender in senders:
            sender.socket.close()
    assert len(taken.kept) == 20


def test_stopping_ends_what_waits_and_a_port_in_use_is_named() -> None:
    with hospital() as taken, Sender(taken) as sender:
        sender.send(framed(FIRST))
        assert sender.answer() == "MSA|AA|1"
        taken.close()
        assert sender.answer() == ""
    with socket.create_server(("127.0.0.1", 0)) as busy:
        source = MllpSource(port=busy.getsockname()[1])
        assert source.count() is None
        with pytest.raises(SourceError, match="cannot listen"):
            next(source.items(lambda name: False))
        with pytest.raises(SourceError, match="does not listen"):
            source.address()
