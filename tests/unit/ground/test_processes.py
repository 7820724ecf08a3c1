"""What libraries of C say of damaged data stays off the terminal; what we say does not."""

from __future__ import annotations

import os
import threading

import pytest

from hmchain.processes import hushed


def test_a_steward_reads_our_words_and_not_those_of_a_decoder(capfd: pytest.CaptureFixture[str]) -> None:
    inside, done = threading.Event(), threading.Event()

    def another() -> None:
        with hushed():
            inside.set()
            done.wait()

    thread = threading.Thread(target=another)
    os.write(2, b"before,")
    with hushed():
        os.write(2, b"Corrupt JPEG data,")
        thread.start()
        inside.wait()
    os.write(2, b"of the other one,")
    done.set()
    thread.join()
    os.write(2, b"after")
    assert capfd.readouterr().err == "before,after"


def test_a_process_without_such_a_stream_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> int:
        raise OSError

    with monkeypatch.context() as closed:
        closed.setattr(os, "dup", fail)
        with hushed():
            pass
