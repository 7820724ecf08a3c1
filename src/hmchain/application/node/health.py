"""The health of a network as one of its nodes sees it: whether blocks can be decided, since when not, who is missing.

Nothing needs to be decided for a network to be well: an idle one makes an empty block a minute. So what is asked is
whether more than two thirds of the voting power are connected, and when this node last saw a block decided.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from statistics import median

from hmchain.application.node.link import OtherNodeError
from hmchain.application.node.link import connected as connected_client
from hmchain.application.site.network import Network
from hmchain.application.site.node import NodeFolder
from hmchain.clock import now_ms, utc
from hmchain.errors import HMChainError
from hmchain.ledger.blocks import COMMIT
from hmchain.ledger.engines.cometbft.answers import ConsensusState, NetInfo
from hmchain.ledger.engines.cometbft.home import Timing
from hmchain.ledger.engines.cometbft.light import SignedHeader, milliseconds
from hmchain.ledger.engines.cometbft.rpc import NoEndpointError, RpcClient
from hmchain.ledger.readers.members import powers
from hmchain.ledger.state import State

SILENCE_MS = 2 * Timing.empty_blocks
"""An idle network makes a block in half of that; over it something keeps the members from deciding."""
FRESH_MS = 5_000
"""A block that this node saw decided so lately shows that the others reach each other, whoever this node reaches: one
that has just started again is connected to few."""
CLOCK_MS = 30_000
"""By so much a machine's clock may differ from the others'."""


class Health(StrEnum):
    """Whether a network goes on."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    """It goes on, and somebody is missing."""
    STANDS_STILL = "stands_still"


@dataclass(frozen=True)
class Facts:
    """All that a verdict rests on, as one node measured it."""

    powers: Mapping[str, int]
    """Voting power by member."""
    connected: frozenset[str]
    """Members whose nodes are connected to this one, and itself."""
    silence_ms: int = 0
    """Since this node last saw a block decided, by its own clock at both ends."""
    since_ms: int = 0
    """When the last block was decided, by the clocks of those who voted; 0 if none was."""
    waiting: int = 0
    """Transactions in no block."""
    catching_up: bool = False
    """This node fetches blocks that the others have."""


@dataclass(frozen=True)
class NetworkHealth:
    """A verdict on a network, for people and monitors."""

    verdict: Health
    since_ms: int
    """When the last block was decided that there will be for now; 0 unless it stands still, or where there is none."""
    connected_power: int
    needed_power: int
    """With so much or more, blocks are decided."""
    total_power: int
    missing: tuple[str, ...]
    """Members with voting power whose nodes are not connected to this one."""
    may_fail: int
    """Members that may fail on top of those, whichever they are."""
    words: str

    def __str__(self) -> str:
        return f"{self.verdict.replace('_', ' ').upper()}{self.words}"


def judge(facts: Facts) -> NetworkHealth:
    """The verdict that follows from what was measured."""
    total = sum(facts.powers.values())
    needed = 2 * total // 3 + 1
    there = {name: power for name, power in facts.powers.items() if name in facts.connected}
    missing = tuple(sorted(name for name, power in facts.powers.items() if power and name not in there))
    have, spare = sum(there.values()), _may_fail(there, needed)
    fetches = facts.catching_up and len(facts.connected) > 1
    reaches_few = have < needed and not fetches
    if reaches_few and facts.since_ms and facts.silence_ms < FRESH_MS:
        verdict, words = Health.DEGRADED, f": {', '.join(missing)} not connected to this node; blocks come all the same"
    elif reaches_few:
        verdict = Health.STANDS_STILL
        words = f"{_since(facts)}: {_share(have, total)} of the power is connected, more than 67 % is needed; "
        words += f"not connected: {', '.join(missing)}"
    elif facts.silence_ms > SILENCE_MS and not fetches:
        verdict = Health.STANDS_STILL
        words = f"{_since(facts)}: {_share(have, total)} of the power is connected, {facts.waiting} transactions wait, "
        words += f"and no block came for {facts.silence_ms // 60_000} min: compare the members' states and logs"
    elif missing:
        verdict = Health.DEGRADED
        words = f": {', '.join(missing)} not connected; {_share(have, total)} of the power is, more than 67 % is "
        words += f"needed; {_spare(spare)}"
    else:
        verdict, words = Health.HEALTHY, f": every member is connected; {_spare(spare)}"
    stands = verdict is Health.STANDS_STILL
    return NetworkHealth(verdict, facts.since_ms if stands else 0, have, needed, total, missing, spare, words)


def _may_fail(there: Mapping[str, int], needed: int) -> int:
    """How many more may fail, the most powerful first."""
    left, count = sum(there.values()), 0
    for power in sorted(there.values(), reverse=True):
        left -= power
        if left < needed:
            break
        count += 1
    return count


def _since(facts: Facts) -> str:
    return f" since {utc(facts.since_ms)} UTC" if facts.since_ms else " (no block yet)"


def _share(power: int, total: int) -> str:
    return f"{100 * power // total if total else 0} %"


def _spare(count: int) -> str:
    if not count:
        return "no other may fail"
    return f"{count} {'others' if count > 1 else 'other'} may fail"


# -- measuring ---------------------------------------------------------------------------------------------------------


def network_health(folder: NodeFolder, state: State) -> NetworkHealth | None:
    """The health of a node's network, whose `state` was verified; None if the node does not run, or another answers."""
    if not folder.network.is_file():
        return None
    try:
        with connected_client(folder, patience_seconds=0) as client:
            return judge(measure(folder, client, state))
    except (NoEndpointError, OtherNodeError):
        return None


def measure(folder: NodeFolder, client: RpcClient, state: State) -> Facts:
    """What a running node can tell of its network. Raises `NoEndpointError` if it stops meanwhile."""
    founders = {member.organisation: 1 for member in folder.joined().genesis.members}
    return measured(folder, client, powers(state) if state.height else founders)


def measured(folder: NodeFolder, client: RpcClient, powers: Mapping[str, int]) -> Facts:
    """As `measure`, for who knows the voting powers from a state that was verified."""
    network, sync = folder.joined(), client.status().sync_info
    own, peers = folder.settings().organisation, client.peers()
    consensus = client.call("dump_consensus_state", ConsensusState).round_state
    last = client.signed_header() if sync.latest_block_height else None
    return Facts(
        powers,
        members_of(peers, network, own) | {own},
        max(0, now_ms() - milliseconds(consensus.start_time)),
        int(median(_vote_times(last).values())) if last else 0,
        client.waiting(),
        sync.catching_up,
    )


def members_of(peers: NetInfo, network: Network, own: str) -> frozenset[str]:
    """The members that a node is connected to: founders by their nodes' keys, later ones by the name they give."""
    founders = {peer.node_id: peer.organisation for peer in network.peers if peer.organisation != own}
    found = {peer.node_info.id: peer.node_info.moniker for peer in peers.peers}
    known = {founders[node] for node in found if node in founders}
    return frozenset(
        known | ({name for node, name in found.items() if node not in founders} - {*founders.values(), own})
    )


def _vote_times(header: SignedHeader) -> dict[str, int]:
    """When each validator signed a block, by its own clock."""
    votes = header.commit.signatures
    return {vote.validator_address: milliseconds(vote.timestamp) for vote in votes if vote.block_id_flag == COMMIT}


def clock_ahead_ms(header: SignedHeader, own_address: str) -> int:
    """By how much this node's clock was ahead of the other members' when they signed a block; 0 if nothing tells.

    A clock that is behind does not show here: a vote is never older than the block before it.
    """
    times = _vote_times(header)
    own = times.pop(own_address, None)
    return 0 if own is None or not times else max(0, own - int(median(times.values())))


def clock_words(client: RpcClient) -> str:
    """What is wrong with the clock of a running node's machine: by its vote on the last block, and by that block."""
    answer = client.status()
    if not answer.sync_info.latest_block_height:
        return ""
    ahead_ms = clock_ahead_ms(client.signed_header(), answer.validator_info.address)
    behind_ms = milliseconds(answer.sync_info.latest_block_time) - now_ms()
    if ahead_ms > CLOCK_MS:
        return f"ahead of the other members' by {_span(ahead_ms)} when it signed the last block: set it"
    return f"behind the other members' by {_span(behind_ms)}: set it" if behind_ms > CLOCK_MS else ""


def _span(time_ms: int) -> str:
    minutes = time_ms // 60_000
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min {time_ms // 1000 % 60} s"


def obstacle(folder: NodeFolder, state: State) -> str:
    """What keeps a transaction of this node from being decided, in words; empty if nothing that can be seen does."""
    with suppress(HMChainError), connected_client(folder, patience_seconds=0) as client:
        if (found := judge(measure(folder, client, state))).verdict is Health.STANDS_STILL:
            return f"the network {found}"
        if clock := clock_words(client):
            return f"this machine's clock is {clock}, the others do not take what it sends"
    return ""
