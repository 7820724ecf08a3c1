"""A node and its network, as their commands show them, whether the node runs or not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from hmchain.application.models.machine import MachineUse, used_here
from hmchain.application.node import pace, restoration, sent
from hmchain.application.node.health import NetworkHealth, clock_words, judge, measure, members_of
from hmchain.application.node.ledger_file import ledger_at
from hmchain.application.node.link import connected, require_own
from hmchain.application.node.pace import Pace
from hmchain.application.node.reading import open_ledger, verified_state
from hmchain.application.node.sent import Sent
from hmchain.application.site.hospital import locate
from hmchain.application.site.node import RUN_BEGINS, NodeFolder
from hmchain.application.site.run import holds_ledger
from hmchain.clock import utc
from hmchain.errors import LedgerError
from hmchain.ledger.contracts.learning import studies
from hmchain.ledger.contracts.members import standings
from hmchain.ledger.engines.cometbft import archive
from hmchain.ledger.engines.cometbft.audit import NodeAudit, verify
from hmchain.ledger.engines.cometbft.damage import SignedRecordError, check_signed, diagnose, last_error, last_words
from hmchain.ledger.engines.cometbft.home import config_file
from hmchain.ledger.engines.cometbft.rpc import NoEndpointError, RpcClient
from hmchain.ledger.engines.cometbft.snapshots import begins_after
from hmchain.ledger.readers import notices
from hmchain.ledger.readers.incidents import IncidentView, all_incidents
from hmchain.ledger.readers.ledger import LedgerReader
from hmchain.ledger.readers.members import ValidatorStatus, proposers, tolerated, validators
from hmchain.ledger.readers.notices import Notice
from hmchain.ledger.readers.rules import RulesView, rules_of
from hmchain.ledger.readers.states import NoStateError, VerifiedState
from hmchain.plain import Progress

__all__ = [
    "NetworkStatus",
    "NodeAudit",
    "NodeStatus",
    "audit",
    "damage_of",
    "keep_headers",
    "network_at",
    "node_status",
    "with_pace",
]

HEADERS_SHOWN = 200
"""Over so many of the last blocks the share of each proposer is counted."""


@dataclass(frozen=True)
class NodeStatus:
    """The state of one node."""

    organisation: str
    chain_id: str
    genesis: bytes
    running: bool
    height: int
    """Last block that CometBFT has; the state's where the node does not run."""
    time: str
    catching_up: bool
    peers: tuple[str, ...]
    """Members' nodes it is connected to."""
    missing: tuple[str, ...]
    """Members' nodes it is not connected to."""
    power: int
    state_height: int
    commitment: bytes
    """Of the state at `state_height`: equal on all honest nodes at equal heights."""
    waiting: int = 0
    """Transactions that are in no block yet. If they stay, less than two thirds of the power is connected or agrees."""
    runner: str = ""
    """The process that has the node, whether or not CometBFT answers; empty if none has."""
    trouble: str = ""
    """The last complaint of the processes of a node that does not answer."""
    block: str = ""
    """The last block as HEIGHT:HASH, for somebody who joins from a snapshot to trust."""
    log_after: int = 0
    """The height after which its log begins; 0 for a whole one."""
    damage: str = ""
    """The damage that keeps a node from starting, and the way out."""
    vouched: str = ""
    """Whose signatures the state rests on."""
    rules: RulesView | None = None
    """Which rules are in force and which ones come; None where there is no state yet."""
    pace: Pace | None = None
    """The time that its votes take; not looked at by `node_status`."""
    sent: tuple[Sent, ...] = ()
    """What its people sent that was undecided when their command ended; not looked at by `node_status`."""
    health: NetworkHealth | None = None
    """Of the network, as this node sees it; None where it does not run."""
    repairs: tuple[str, ...] = ()
    """What the node found damaged, put aside and made anew by itself."""
    clock: str = ""
    """What is wrong with this machine's clock, as far as the other members' votes tell."""
    notices: tuple[Notice, ...] = ()
    """What its organisation should see to: duties that are due, permits that end."""
    machine: tuple[MachineUse, ...] = ()
    """What open studies have taken of this machine, where the hospital's agent runs on it."""
    incidents: tuple[IncidentView, ...] = ()
    """Those that are open, of any member."""


@dataclass(frozen=True)
class NetworkStatus:
    """The network as one node sees it."""

    chain_id: str
    height: int
    tolerated: int
    """Validators that may fail or lie."""
    blocks: int
    """Over which proposers were counted."""
    validators: tuple[ValidatorStatus, ...]
    vouched: str
    """Whose signatures the state rests on that this was read from."""
    health: NetworkHealth | None
    """None of a ledger without its node."""


def node_status(folder: NodeFolder, read: VerifiedState | None = None) -> NodeStatus:
    """Look at a node, whether it runs or not; `read` is its state where a process has it verified already.

    Raises `NotJoinedError`, and while it runs `OtherNodeError` or `DamagedStateError`.
    """
    settings, network = folder.settings(), folder.joined()
    own, genesis = settings.organisation, network.genesis
    others = {peer.organisation for peer in network.peers} - {own}
    with RpcClient([settings.rpc_url], timeout_seconds=2) as client:
        try:
            answer, peers, waiting = client.status(), client.peers(), client.waiting()
        except NoEndpointError:
            known = _told(folder, own, read) if read is not None else _state_of_a_stopped_node(folder, own)
            return NodeStatus(
                own, genesis.chain_id, genesis.digest, False, known.height, "", False, (), tuple(sorted(others)),
                known.power, known.height, known.commitment, runner=folder.runner() or "", vouched=known.vouched,
                trouble=last_error(_words_of_this_run(folder)), log_after=begins_after(folder.ledger),
                damage=damage_of(folder) or known.damage, rules=known.rules, notices=known.notices,
                machine=known.machine, incidents=known.incidents,
            )  # fmt: skip
        require_own(folder, answer)
        known = _told(folder, own, read, client) if read is not None else _state_summary(folder, own, client)
        clock = clock_words(client)
    sync, linked = answer.sync_info, members_of(peers, network, own)
    block = f"{sync.latest_block_height}:{sync.latest_block_hash.lower()}" if sync.latest_block_height else ""
    return NodeStatus(
        own, genesis.chain_id, genesis.digest, True, sync.latest_block_height, sync.latest_block_time,
        sync.catching_up, tuple(sorted(linked)), tuple(sorted(others - linked)), known.power,
        known.height, known.commitment, waiting, folder.runner() or "", block=block,
        log_after=begins_after(folder.ledger), vouched=known.vouched, rules=known.rules, health=known.health,
        clock=clock, notices=known.notices, machine=known.machine, incidents=known.incidents,
    )  # fmt: skip


def with_pace(folder: NodeFolder, status: NodeStatus) -> NodeStatus:
    """A status with repairs, what `sent.look` and, if the node runs, `pace.look` find: it dials the members' nodes."""
    found = replace(status, sent=sent.look(folder), repairs=_repairs(folder))
    return replace(found, pace=pace.look(folder, folder.joined(), status.peers)) if status.running else found


@dataclass(frozen=True)
class _StateSummary:
    height: int = 0
    commitment: bytes = b""
    power: int = 0
    vouched: str = ""
    damage: str = ""
    rules: RulesView | None = None
    health: NetworkHealth | None = None
    notices: tuple[Notice, ...] = ()
    machine: tuple[MachineUse, ...] = ()
    incidents: tuple[IncidentView, ...] = ()


def _state_summary(folder: NodeFolder, organisation: str, client: RpcClient | None = None) -> _StateSummary:
    """What the state says, and with a running node's `client` how its network is."""
    with verified_state(folder.ledger) as found:
        return _told(folder, organisation, found, client)


def _told(
    folder: NodeFolder, organisation: str, found: VerifiedState, client: RpcClient | None = None
) -> _StateSummary:
    state = found.state
    health = judge(measure(folder, client, state)) if client else None
    if state.is_new:  # the node makes its first block yet
        return _StateSummary(vouched=found.words, health=health)
    power = standings.standing(state, organisation).power
    rules = rules_of(state) if state.height else None  # a node that is just starting has no genesis in it yet
    due = tuple(notices.for_organisation(state, standings.time_ms(state), organisation)) if state.height else ()
    used = (used_here(locate(folder.path), name) for name in studies.open_studies(state, organisation))
    return _StateSummary(
        state.height, state.commitment(), power, found.words, rules=rules, health=health, notices=due,
        machine=tuple(each for each in used if each is not None),
        incidents=tuple(all_incidents(state, over=False)) if state.height else (),
    )  # fmt: skip


def _state_of_a_stopped_node(folder: NodeFolder, organisation: str) -> _StateSummary:
    """Nothing where there is no state yet, or one that the next start will have to make anew."""
    try:
        return _state_summary(folder, organisation)
    except NoStateError:
        return _StateSummary()
    except LedgerError as error:
        return _StateSummary(damage=str(error))


def _repairs(folder: NodeFolder) -> tuple[str, ...]:
    """What `storage.NodeStorage` put aside, as long as it is there."""
    return tuple(
        f"state or log of blocks did not hold on {utc(int(path.stat().st_mtime * 1000))} UTC, is kept in {path}, and "
        "was made anew"
        for path in sorted(folder.ledger.glob("damaged-*"))
    )


def _words_of_this_run(folder: NodeFolder) -> str:
    return last_words(folder.log).rpartition(RUN_BEGINS)[2]


def damage_of(folder: NodeFolder) -> str:
    """The damage that keeps a node from starting, with the way out; empty if nothing tells of one."""
    if restoration.is_unfinished(folder):
        return "`hmchain node restore FILE` was stopped in the middle (the way out: `hmchain node start` finishes it)"
    if not config_file(folder.engine).is_file():
        return f"{folder.engine} holds no CometBFT home (the way out: `hmchain network join FILE` once more)"
    try:
        check_signed(folder.engine)
    except SignedRecordError as error:
        return str(error)
    return str(diagnose(folder.engine, folder.log, RUN_BEGINS) or "")


def network_at(place: Path) -> NetworkStatus:
    """Validators, power, reputation and proposers: at a node as it sees them, else as a ledger or its file has them.

    Raises `NoEndpointError` if the node does not run, and what `ledger_at` and `open_ledger` raise.
    """
    folder = NodeFolder(place)
    is_ledger = place.is_file() or holds_ledger(place)
    return _of_ledger(place) if is_ledger and not folder.toml.is_file() else _of_node(folder)


def _of_ledger(place: Path) -> NetworkStatus:
    with ledger_at(place) as directory, open_ledger(directory) as ledger:
        return network_of(ledger)


def network_of(ledger: LedgerReader) -> NetworkStatus:
    """The same of a ledger that is open, without what a node's engine tells."""
    found, read = ledger.members(), ledger.verified
    proposed = sum(each.proposed for each in found)
    return NetworkStatus(
        ledger.genesis.chain_id, read.state.height, tolerated(found), proposed, found, read.words, None
    )


def _of_node(folder: NodeFolder) -> NetworkStatus:
    network = folder.joined()
    with connected(folder) as client, verified_state(folder.ledger) as read:
        headers, health = client.headers(HEADERS_SHOWN), judge(measure(folder, client, read.state))
        found = validators(read.state, proposers(read.state, (header.proposer_address for header in headers)))
        chain_id, height = network.genesis.chain_id, read.state.height
        return NetworkStatus(chain_id, height, tolerated(found), len(headers), found, read.words, health)


def audit(folder: NodeFolder, anchor: bytes | None = None, progress: Progress | None = None) -> NodeAudit:
    """Execute the node's ledger again and hold it against what the members signed.

    The signed headers are fetched from the node and kept beside its log: from then on anybody can audit a copy.
    Raises `NoEndpointError` if the node does not run, and what `cometbft.audit.verify` raises.
    """
    return verify(folder.ledger, keep_headers(folder), anchor, progress)


def keep_headers(folder: NodeFolder) -> archive.Archive:
    """Fetch the signed headers from the node, and keep them beside its log. Raises `NoEndpointError`."""
    folder.joined()
    with connected(folder) as client:
        return archive.keep(
            folder.ledger, lambda: client.status().sync_info.latest_block_height, client.signed_header, _silent
        )


def _silent(_done: int, _of: int | None) -> None:
    """Report nothing."""
