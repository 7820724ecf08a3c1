"""Long matrices: `make test` tries a part of one, evenly spread, and `make test-network` the others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def one_in(parts: int, cases: Iterable[Any]) -> list[Any]:
    """The cases of a parametrised test; but for one in `parts` they are left to the long tests."""
    return [case if not number % parts else _long(case) for number, case in enumerate(cases)]


def _long(case: Any) -> Any:
    return pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=pytest.mark.network)
