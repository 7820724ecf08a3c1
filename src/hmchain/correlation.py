"""The id of a request, handed down to all that it causes: lines of logs, events, work that goes on after the answer."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_GIVEN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,63}", re.ASCII)
_BYTES = 8

_current: ContextVar[str] = ContextVar("request", default="")


def current() -> str:
    """The id of the request that this is done for; empty outside of one."""
    return _current.get()


def accepted(given: str | None) -> str:
    """The id that a client gave, if it is one; else a new one. What is no id is repeated nowhere."""
    return given if given is not None and _GIVEN.fullmatch(given) else secrets.token_hex(_BYTES)


@contextmanager
def correlated(id: str) -> Iterator[str]:
    """Do what is in the block for a request; threads that it starts with a copied context know it too."""
    token = _current.set(id)
    try:
        yield id
    finally:
        _current.reset(token)
