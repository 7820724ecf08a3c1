"""The demo: a whole consortium on one machine, from raw images to an audited model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hmchain.application.learning.memory import tune_allocator
from hmchain.application.site.run import RunFolder
from hmchain.interfaces.demo.settings import WORK, DemoSettings, is_finished

if TYPE_CHECKING:
    from rich.console import Console

    from hmchain.interfaces.report import RunSummary

__all__ = ["WORK", "DemoSettings", "start"]


def start(
    settings: DemoSettings, console: Console, output: Path | None = None, passphrase: str | None = None
) -> RunSummary:
    """Run, resume or show the demo, as `demo.run` does; PyTorch is imported now, after its allocator is tuned."""
    is_finished(RunFolder(output or settings.default_output), settings)  # refuse before PyTorch has been loaded
    tune_allocator()
    from hmchain.interfaces.demo import run

    return run.run(settings, console, output, passphrase)
