"""Signed headers of a running node, for one who asks for the same ones again and again."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Sequence

from hmchain.application.node.reading import NodeHeaders
from hmchain.ledger.engines.cometbft.light import SignedHeader
from hmchain.ledger.engines.cometbft.rpc import NoEndpointError

_KEPT = 2048
_PATIENCE_SECONDS = 2.0
_SILENT_SECONDS = 2.0
"""A node that does not answer is not asked for so long: pages must not wait for it one after the other."""


class LiveHeaders:
    """Headers as they were decided, the last ones remembered; of a node that is down, none but these."""

    def __init__(self, node: NodeHeaders, moved: threading.Condition) -> None:
        """`moved` is told of each block that is followed; who waits for one lets go of its lock meanwhile."""
        self._node, self._moved, self._known = node, moved, OrderedDict[int, SignedHeader]()
        self._ahead: dict[int, SignedHeader] = {}
        self._silent_until = 0.0
        self.followed = 0
        """The height that the reader has come to. The votes for it are written down with the next block."""

    def get(self, height: int) -> SignedHeader | None:
        """The header of a height, or None where there is none yet, or the node does not answer."""
        if (found := self._known.get(height)) is not None:
            self._known.move_to_end(height)
            return found
        if time.monotonic() < self._silent_until:
            return None
        try:
            found = self._node.get(height)
        except NoEndpointError:
            self._silent_until = time.monotonic() + _SILENT_SECONDS
            return None
        if found is not None and height < self.followed:
            self._known[height] = found
            if len(self._known) > _KEPT:
                self._known.popitem(last=False)
        return found

    def wait(self, height: int) -> SignedHeader | None:
        """The same; one that is just being made is waited for a moment."""
        if not self.followed:
            return self._node.wait(height)
        with self._moved:
            self._moved.wait_for(lambda: self.followed >= height, _PATIENCE_SECONDS)
        return self.get(height)

    def fetch(self, height: int) -> None:
        """Get what the block of a height is held against, for `get_each`. Raises `NoEndpointError`."""
        found = self._node.get_each([height - 1, height] if height > 1 else [height])
        self._ahead = {each.header.height: each for each in found or ()}

    def get_each(self, heights: Sequence[int]) -> Sequence[SignedHeader] | None:
        """The headers of these heights, of those that were fetched; None if one of them was not."""
        found = [self._ahead[each] for each in heights if each in self._ahead]
        return found if len(found) == len(heights) else None
