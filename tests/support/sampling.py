"""Long matrices: `make test` tries a part of one, evenly spread, and `make test-network` the others.

What is long even there is tried in part, and whole with `HMCHAIN_FULL=1`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

import pytest

IS_FULL = bool(os.environ.get("HMCHAIN_FULL"))


def one_in(parts: int, cases: Iterable[Any]) -> list[Any]:
    """The cases of a parametrised test; but for one in `parts` they are left to the long tests."""
    return [case if not number % parts else _long(case) for number, case in enumerate(cases)]


def sampled(parts: int, cases: Sequence[Any]) -> Sequence[Any]:
    """One in `parts` of the cases of a long test, or all of them where everything is tried."""
    return cases if IS_FULL else cases[::parts]


def _long(case: Any) -> Any:
    return pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=pytest.mark.network)
