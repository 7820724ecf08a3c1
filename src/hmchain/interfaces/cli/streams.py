"""Standard streams as callers leave them to us: closed, full, or of a character set that lacks letters."""

from __future__ import annotations

import io
import os
import sys

_STREAMS = {0: ("stdin", "r"), 1: ("stdout", "w"), 2: ("stderr", "w")}


def prepare() -> None:
    """Open those that are closed to nowhere, so that no file takes their number; write what they lack as escapes.

    Nothing can be written to a standard output that was closed: an answer that nobody gets is no success.
    """
    while (number := os.open(os.devnull, os.O_RDWR)) in _STREAMS:
        pass
    os.close(number)
    if sys.stdout is None:
        _point_output(os.O_RDONLY)
    for number, (name, mode) in _STREAMS.items():
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode, closefd=False))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if isinstance(sys.stderr, io.TextIOWrapper):
        sys.stderr = _on_its_own(sys.stderr)


def _on_its_own(stream: io.TextIOWrapper) -> io.TextIOWrapper:
    """The same stream on a descriptor that C libraries do not print to: they are silenced while they decode."""
    number = os.dup(stream.fileno())
    # Nothing waits in it: what found no room would be tried again at the end, and its failure be the exit code.
    raw = os.fdopen(number, "wb", buffering=0)
    return io.TextIOWrapper(raw, stream.encoding, stream.errors, write_through=True)


def drop_output() -> None:
    """Let nothing more be written to standard output: it has no room, or nobody reads it."""
    _point_output(os.O_WRONLY)


def _point_output(flags: int) -> None:
    nowhere = os.open(os.devnull, flags)
    os.dup2(nowhere, 1)
    os.close(nowhere)
