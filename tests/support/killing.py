"""A process that is killed in the middle of something."""

from __future__ import annotations

from typing import Any

import pytest


class Killed(BaseException):
    """The process is gone."""


def kill_after(monkeypatch: pytest.MonkeyPatch, owner: type, name: str, calls: int) -> None:
    """Let a method do its work so often; the last time, nothing follows."""
    work, done = getattr(owner, name), 0

    def killed(*given: Any, **more: Any) -> Any:
        nonlocal done
        found = work(*given, **more)
        done += 1
        if done == calls:
            raise Killed
        return found

    monkeypatch.setattr(owner, name, killed)
