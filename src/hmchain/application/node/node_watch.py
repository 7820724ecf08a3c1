"""What is noticed of a node within a second: that it ended, or that another process runs it now."""

from __future__ import annotations

import time
from collections.abc import Callable

from hmchain.application.site.node import NodeFolder

LOOK_SECONDS = 1.0


class NodeWatch:
    """Remembers who runs a node: its blocks and its state are files, and stay readable when nobody does."""

    def __init__(self, folder: NodeFolder, seconds: Callable[[], float] = time.monotonic) -> None:
        self._folder, self._seconds = folder, seconds
        self._runner, self._looked_at = folder.runner(), seconds()

    def has_ended(self) -> bool:
        """True, once each time, when the node that ran at the last look runs no more, or was started again since."""
        before = self._runner
        return self._look() != before and before is not None

    def is_running(self) -> bool:
        """True while somebody runs the node, as of a second ago at most."""
        return self._look() is not None

    def _look(self) -> str | None:
        if self._seconds() >= self._looked_at + LOOK_SECONDS:
            self._runner, self._looked_at = self._folder.runner(), self._seconds()
        return self._runner
