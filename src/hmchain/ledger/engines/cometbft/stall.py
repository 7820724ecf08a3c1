"""A CometBFT that its peers have left behind, and to which they will send nothing more.

When CometBFT 0.38 goes over from block sync to consensus, it announces its height a moment before it listens
(`SwitchToConsensus` in `consensus/reactor.go`): votes that come in between are dropped, and whoever sent them takes
them for delivered. Peers ask what a node has (`VoteSetMaj23`) and send the rest again, but of a round that the node has
not opened its empty answer changes nothing. So where the block that it lacks was decided in its third round or later,
as happens on a busy machine, nobody ever sends it that commit again, nor any later one. Connections that are made anew
mend it, and so CometBFT is started again (decision 0026).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from hmchain.ledger.engines.cometbft.answers import ConsensusState
from hmchain.ledger.engines.cometbft.home import read_config
from hmchain.ledger.engines.cometbft.rpc import NoEndpointError, RpcClient, RpcError

if TYPE_CHECKING:
    import httpx

_LOOK_SECONDS = 2.0
_PATIENCE_SECONDS = (10.0, 600.0)
"""A node may stand still so long behind its peers: doubled from the first to the second while that does not help."""

logger = logging.getLogger(__name__)


class StallWatch:
    """Looks at a running CometBFT and starts it again where it stands still behind its peers."""

    def __init__(
        self,
        home: Path,
        restart: Callable[[], None],
        *,
        look_seconds: float = _LOOK_SECONDS,
        patience_seconds: tuple[float, float] = _PATIENCE_SECONDS,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """`home` is CometBFT's; what `restart` ends is started again by its supervisor."""
        self._home, self._restart = home, restart
        self._look_seconds, self._patience_seconds, self._transport = look_seconds, patience_seconds, transport
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to look, until `stop`."""
        self.stop()
        self._stopping.clear()
        self._thread = threading.Thread(target=self._watch, name="watch for a stall", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Look no longer."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def _watch(self) -> None:
        url, members = _settings(self._home)
        (patience, longest), stands, since = self._patience_seconds, 0, 0.0
        with RpcClient([url], timeout_seconds=2, transport=self._transport) as client:
            while not self._stopping.wait(self._look_seconds):
                height, now = _left_behind_at(client, members), time.monotonic()
                if height != stands or not height:
                    patience = self._patience_seconds[0] if height > stands else patience
                    stands, since = height, now
                elif now - since >= patience:
                    logger.warning("CometBFT waits for block %d, which other members have: it starts again", height)
                    self._restart()
                    patience, since = min(2 * patience, longest), now


def _left_behind_at(client: RpcClient, members: frozenset[str]) -> int:
    """The height at which a node waits for votes on a block that most members' nodes have; 0 if it does not."""
    try:
        if client.status().sync_info.catching_up:
            return 0
        return left_behind_at(client.call("dump_consensus_state", ConsensusState), members)
    except (NoEndpointError, RpcError):
        return 0


def left_behind_at(state: ConsensusState, members: frozenset[str]) -> int:
    """The height at which a node stands behind most members that it is connected to; 0 if it does not.

    Strangers may claim any height: they are not asked. A node that has the commit fetches or executes the block, and is
    left alone.
    """
    own = state.round_state
    heights = [
        peer.peer_state.round_state.height
        for peer in state.peers
        if peer.node_address.partition("@")[0] in members and peer.peer_state.round_state.height
    ]
    ahead = sum(height > own.height for height in heights)
    return own.height if 2 * ahead > len(heights) and not own.has_commit else 0


def _settings(home: Path) -> tuple[str, frozenset[str]]:
    """Where CometBFT answers, and the names of the other members' nodes."""
    config = read_config(home)
    host, _, port = config.rpc.laddr.removeprefix("tcp://").rpartition(":")
    local = "127.0.0.1" if host == "0.0.0.0" else host  # noqa: S104 - read, not bound
    return f"http://{local}:{port}", frozenset(config.p2p.unconditional_peer_ids.split(","))
