"""Whoever runs a benchmark can always ask for a short run, and for figures that a program reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.paths import REPOSITORY

BENCHMARKS = sorted((REPOSITORY / "benchmarks").glob("*.py"))


@pytest.mark.parametrize("path", BENCHMARKS, ids=lambda path: path.stem)
def test_a_benchmark_has_a_short_run_and_prints_json(path: Path) -> None:
    text = path.read_text("utf-8")
    missing = [option for option in ("--quick", "--json") if f'"{option}"' not in text]
    assert not missing, f"add to its arguments: {missing}"
