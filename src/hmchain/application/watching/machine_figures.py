"""Figures of a hospital's machine: its node as CometBFT tells, its disk, its stores, its agent, its log."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

from msgspec import DecodeError

from hmchain import files
from hmchain.application.node.health import NetworkHealth, clock_words, judge, measured
from hmchain.application.node.link import connected
from hmchain.application.security import log
from hmchain.application.security.events import Kind
from hmchain.application.site.hospital import HospitalFolder
from hmchain.application.site.node import NodeFolder, exchanged_objects
from hmchain.errors import HMChainError
from hmchain.keys import SecretKey
from hmchain.ledger.contracts.data.datasets import rounded_count
from hmchain.ledger.engines.cometbft.light import milliseconds
from hmchain.ledger.engines.cometbft.rpc import RpcClient
from hmchain.records.catalogue import Catalogue
from hmchain.records.catalogue.entries import PENDING
from hmchain.records.catalogue.held_filter import HeldFilter

_FILE_TIME_NS = 2_000_000_000
"""Files that are written within so much time may have the same one."""
BLOCKS_COUNTED = 20
"""As many as CometBFT tells of in one answer."""


@dataclass(frozen=True)
class NodeFigures:
    """A running node, as it tells."""

    height: int
    """CometBFT's, empty blocks among them."""
    catching_up: bool
    peers: int
    waiting: int
    """Transactions in no block."""
    health: NetworkHealth
    connected: frozenset[str]
    """Members, its own among them."""
    block_age_s: float
    block_interval_s: float | None
    """The mean over the last blocks; None where there are too few."""
    clock_wrong: bool


def of_node(folder: NodeFolder, powers: Mapping[str, int]) -> NodeFigures | None:
    """A node by what it tells, with the voting powers of a state that was verified; None where none answers."""
    with suppress(HMChainError), connected(folder, patience_seconds=0) as client:
        return _of_client(folder, client, powers)
    return None


def _of_client(folder: NodeFolder, client: RpcClient, powers: Mapping[str, int]) -> NodeFigures:
    facts = measured(folder, client, powers)
    times = [milliseconds(each.time) for each in client.headers(BLOCKS_COUNTED)]
    interval = (times[0] - times[-1]) / (len(times) - 1) / 1000 if len(times) > 1 else None
    return NodeFigures(
        client.status().sync_info.latest_block_height, facts.catching_up, len(facts.connected) - 1, facts.waiting,
        judge(facts), facts.connected, facts.silence_ms / 1000, interval, bool(clock_words(client)),
    )  # fmt: skip


@dataclass(frozen=True)
class Store:
    """A store that was asked for something small."""

    name: str
    """`objects`: the members'; `records`: the hospital's own."""
    answers: bool
    took_s: float


@dataclass(frozen=True)
class FolderFigures:
    """A hospital's folder and the disk that it is on."""

    free_bytes: int
    disk_bytes: int
    ledger_bytes: int
    stores: tuple[Store, ...]
    held: int | None
    """Items that wait for a person, rounded to a power of two of at least 64; None where nothing tells."""


def of_folder(place: HospitalFolder, local: SecretKey | None = None) -> FolderFigures:
    """A folder, and each store asked once; what is held needs the hospital's `local` key."""
    usage = shutil.disk_usage(place.path if place.path.is_dir() else place.keys.parent)
    return FolderFigures(
        usage.free, usage.total, _size_of(place.ledger) if place.ledger else 0, stores_of(place),
        held(place, local) if local else None,
    )  # fmt: skip


def _size_of(folder: Path) -> int:
    found = 0
    for path in folder.rglob("*"):
        with suppress(OSError):  # it went meanwhile
            found += path.lstat().st_size
    return found


def stores_of(place: HospitalFolder) -> tuple[Store, ...]:
    """The stores of a hospital, each asked for something small."""
    found = []
    if place.node is not None and place.node.network.is_file():
        node = place.node
        found.append(_asked("objects", lambda: exchanged_objects(node).check()))
    if place.path.is_dir():
        found.append(_asked("records", lambda: place.store().check()))
    return tuple(found)


def _asked(name: str, ask: Callable[[], None]) -> Store:
    began = time.monotonic()
    try:
        ask()
    except (HMChainError, OSError):
        return Store(name, False, time.monotonic() - began)
    return Store(name, True, time.monotonic() - began)


def held(place: HospitalFolder, local: SecretKey) -> int | None:
    """Items that wait for a person, rounded to a power of two of at least 64; None where nothing tells."""
    found = held_here(place, local)
    return rounded_count(found) if found else found


def held_here(place: HospitalFolder, local: SecretKey) -> int | None:
    """The same number as it is, for the hospital's own people."""
    if not place.catalogue.exists():
        return None
    try:
        with closing(Catalogue(place.catalogue, local)) as catalogue:
            return catalogue.quarantine.count(HeldFilter(state=PENDING))
    except (HMChainError, OSError):
        return None


class HeldCounts:
    """The same of several hospitals, counted anew once a catalogue has changed; threads may share it."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[object, int]] = {}

    def of(self, place: HospitalFolder, local: Callable[[], SecretKey | None]) -> int:
        """As `held_here`, with 0 for what cannot be counted; `local` opens the key where it has to be."""
        is_over, written = _written(place.catalogue)
        if not written:
            return 0
        known = self._known.get(place.catalogue)
        if known is not None and known[0] == written:
            return known[1]
        key = local()
        found = held_here(place, key) if key is not None else None
        if found is not None and is_over:
            self._known[place.catalogue] = written, found
        return found or 0


def _written(catalogue: Path) -> tuple[bool, tuple[object, ...]]:
    """What changes whenever a database is written, and whether it can be told by now from the next time."""
    found: list[tuple[int, int, int]] = []
    for path in (catalogue, catalogue.with_name(f"{catalogue.name}-wal")):
        with suppress(FileNotFoundError):
            status = path.stat()
            found.append((status.st_ino, status.st_size, status.st_mtime_ns))
    newest = max((each[2] for each in found), default=0)
    return time.time_ns() - newest > _FILE_TIME_NS, tuple(found)


def agent_runs(place: HospitalFolder) -> bool:
    """Whether a process acts as the hospital's agent."""
    with suppress(OSError):
        return files.holder(place.agent_lock) is not None
    return False


@dataclass
class LogFigures:
    """The log of security events since a process began: how long it is, and what was added meanwhile."""

    path: Path
    lines: int = 0
    added: Counter[Kind] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        with suppress(HMChainError, OSError):
            self.lines, _ = log.head(self.path)

    def look(self) -> None:
        """Count what is new; a log that cannot be read stays as it was seen last."""
        with suppress(HMChainError, OSError):
            for line in log.read(self.path, since=self.lines + 1):
                self.lines = line.number
                with suppress(DecodeError):  # of a kind of a later version
                    self.added[line.typed.kind] += 1
