"""A node's application whose clock is wrong by the milliseconds that the file `clock-skew` in its folder says."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from hmchain.clock import now_ms
from hmchain.ledger.engines.cometbft import __main__ as program
from hmchain.ledger.engines.cometbft.application import Application


class SkewedApplication(Application):
    def __init__(self, directory: Path, *arguments: Any, **options: Any) -> None:
        skew_ms = int((directory / "clock-skew").read_text())
        super().__init__(directory, *arguments, clock_ms=lambda: now_ms() + skew_ms, **options)


program.Application = SkewedApplication  # type: ignore[misc]

if __name__ == "__main__":
    sys.exit(program.main())
