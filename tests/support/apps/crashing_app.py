"""A node's application that kills itself (SIGKILL) at the ABCI step that the file `crash-at` names, once.

The file holds `before STEP` or `after STEP`; a step is a method of the application, or `log`: between the log of blocks
and the state.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hmchain.ledger.engines.cometbft import __main__ as program
from hmchain.ledger.engines.cometbft.application import Application

STEPS = (
    "info", "init_chain", "prepare_proposal", "process_proposal", "execute_optimistically", "finalize_block", "commit"
)  # fmt: skip


def crashing(call: Callable[..., Any], step: str, order: Path) -> Callable[..., Any]:
    def die_at(moment: str) -> None:
        if order.exists() and order.read_text() == f"{moment} {step}":
            order.unlink()
            os.kill(os.getpid(), signal.SIGKILL)

    def called(*arguments: Any) -> Any:
        die_at("before")
        answer = call(*arguments)
        die_at("after")
        return answer

    return called


class CrashingApplication(Application):
    def __init__(self, directory: Path, *arguments: Any, **options: Any) -> None:
        super().__init__(directory, *arguments, **options)
        order = directory / "crash-at"
        for step in STEPS:
            setattr(self, step, crashing(getattr(self, step), step, order))
        self.storage.log = crashing(self.storage.log, "log", order)  # type: ignore[method-assign]


program.Application = CrashingApplication  # type: ignore[misc]

if __name__ == "__main__":
    sys.exit(program.main())
