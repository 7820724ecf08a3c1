"""The pace of the chain, and whether every member's votes arrive in time.

The members agree on the largest round trip between two of their nodes (`Parameters.round_trip_ms`), and every node's
pauses follow from it (`Timing.for_round_trip`). A vote that takes longer is left out of its block: its member loses
reputation through no fault of its own.
"""

from __future__ import annotations

import socket
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from hmchain.application.site.network import Network
from hmchain.application.site.node import NodeFolder
from hmchain.errors import LedgerError
from hmchain.ledger.blocks import ABSENT
from hmchain.ledger.contracts.members import parameters
from hmchain.ledger.engines.block_store import BlockStore
from hmchain.ledger.engines.cometbft.home import Timing, commit_pause_ms
from hmchain.ledger.reputation import MISS_LIMIT_PERMYRIAD, PERMYRIAD
from hmchain.ledger.state import State, StateError

BLOCKS_LOOKED_AT = 50
_BLOCKS_MIN = 10
"""Fewer say nothing: a node that has just come back missed the last ones."""
_TIMEOUT_SECONDS = 2.0
_SAMPLES = 3


@dataclass(frozen=True)
class Pace:
    """The pace that the members agreed on, and whether this node keeps up with it."""

    round_trip_ms: int
    """The round trip that the members agreed on."""
    measured_ms: dict[str, int]
    """Round trips to members' nodes."""
    blocks: int
    """The last blocks that are not empty..."""
    missed: int
    """... and how many of them lack this node's vote."""
    warnings: tuple[str, ...]


def look(folder: NodeFolder, network: Network, connected: Sequence[str]) -> Pace:
    """Measure a running node's round trips to the members it is connected to, and count its votes.

    Raises `BlockStoreError`.
    """
    own = folder.settings().organisation
    agreed_ms = round_trip_ms(folder, network)
    measured = _round_trips({name: address for name, address in _addresses(folder, network) if name in connected})
    blocks, missing = missed_votes(folder)
    warnings = warnings_of(agreed_ms, measured, blocks, missing[own])
    if commit_pause_ms(folder.engine) != Timing.for_round_trip(agreed_ms).commit:
        warnings = (*warnings, f"the members have agreed on {agreed_ms} ms since this node started: start it again")
    return Pace(agreed_ms, measured, blocks, missing[own], warnings)


def round_trip_ms(folder: NodeFolder, network: Network) -> int:
    """The round trip that the members agreed on: by the state, or by the genesis before there is one."""
    try:
        state = State.open_read_only(folder.state)
    except StateError:
        return network.genesis.parameters.round_trip_ms
    try:
        rules = parameters.current(state) if state.height else network.genesis.parameters
        return rules.round_trip_ms
    finally:
        state.close()


def missed_votes(folder: NodeFolder, count: int = BLOCKS_LOOKED_AT) -> tuple[int, Counter[str]]:
    """Of the last `count` blocks that are not empty: how many were found, and whose votes they lack how often."""
    try:
        store = BlockStore(folder.blocks, read_only=True)
    except LedgerError:  # nothing was decided yet
        return 0, Counter()
    try:
        found = [stored.block.last_votes for stored in store.newest(count)]
    finally:
        store.close()
    found = [votes for votes in found if votes]
    return len(found), Counter(vote.validator for votes in found for vote in votes if vote.flag == ABSENT)


def warnings_of(agreed_ms: int, measured: Mapping[str, int], blocks: int, missed: int) -> tuple[str, ...]:
    """The signs that the pace is too fast."""
    found = []
    slowest = max(measured, key=lambda name: measured[name], default="")
    way_out = "the members agree on a slower one with `hmchain network set round_trip_ms=MS`"
    if slowest and measured[slowest] > agreed_ms:
        found.append(
            f"the round trip to {slowest} is {measured[slowest]} ms and the pace is made for {agreed_ms} ms: votes "
            f"come too late ({way_out})"
        )
    if blocks >= _BLOCKS_MIN and missed * PERMYRIAD >= blocks * MISS_LIMIT_PERMYRIAD:
        found.append(
            f"{missed} of the last {blocks} blocks lack this node's vote; if it was running and connected, the pace is "
            f"too fast for its distance ({way_out})"
        )
    return tuple(found)


def _addresses(folder: NodeFolder, network: Network) -> list[tuple[str, str]]:
    """Where the members' nodes are, as this node dials them."""
    moved = dict(peer.split("@") for peer in folder.settings().peers)
    return [(peer.organisation, moved.get(peer.node_id, peer.address)) for peer in network.peers]


def _round_trips(addresses: Mapping[str, str]) -> dict[str, int]:
    """Milliseconds to each address that takes a connection: one round trip opens it."""
    if not addresses:
        return {}
    with ThreadPoolExecutor(len(addresses)) as pool:
        found = dict(zip(addresses, pool.map(_round_trip, addresses.values()), strict=True))
    return {name: took for name, took in found.items() if took is not None}


def _round_trip(address: str) -> int | None:
    """Milliseconds that opening a connection takes, the least of a few; None if there is no answer."""
    host, _, port = address.rpartition(":")
    try:
        family, kind, _, _, place = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)[0]
        return min(_connecting_ms(family, kind, place) for _ in range(_SAMPLES))
    except OSError:
        return None


def _connecting_ms(family: int, kind: int, place: Any) -> int:
    with socket.socket(family, kind) as end:
        end.settimeout(_TIMEOUT_SECONDS)
        began = time.monotonic()
        end.connect(place)
        return round((time.monotonic() - began) * 1000)
