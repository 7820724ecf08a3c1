"""One hospital on CometBFT: its folder, its part in the network, and what its commands show.

Two processes serve a hospital. The *node* (`hmchain node start`) keeps the ledger and votes; the *agent*
(`hmchain node agent`) trains and takes part in studies. Training can take every processor there is, and must never
hold up a vote.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace

from hmchain.application.hospital.hospital import Hospital, Learn
from hmchain.application.hospital.learner import cnn_learner
from hmchain.application.hospital.node_hospital import NodeHospital
from hmchain.application.node import pace
from hmchain.application.node.link import STARTING_SECONDS, connected, require_own
from hmchain.application.node.pace import Pace
from hmchain.application.node.reading import NodeHeaders, verified_state
from hmchain.application.node.signing_record import record
from hmchain.application.site import network as network_file
from hmchain.application.site.keyring import Keyring
from hmchain.application.site.network import Introduction, Network
from hmchain.application.site.node import RUN_BEGINS, NodeExistsError, NodeFolder, shared_objects
from hmchain.application.site.settings import NodeSettings
from hmchain.errors import InputError, LedgerError
from hmchain.keys import SigningKey, save_key
from hmchain.ledger import genesis as genesis_file
from hmchain.ledger.contracts.members import standings
from hmchain.ledger.engines.cometbft import archive
from hmchain.ledger.engines.cometbft.audit import NodeAudit, verify
from hmchain.ledger.engines.cometbft.damage import (
    DATA,
    SIGNED,
    SignedRecordError,
    check_signed,
    diagnose,
    last_error,
    last_words,
)
from hmchain.ledger.engines.cometbft.home import begin_record, config_file, node_id, write_secret
from hmchain.ledger.engines.cometbft.ledger import CometLedger
from hmchain.ledger.engines.cometbft.rpc import NoEndpointError, RpcClient
from hmchain.ledger.engines.cometbft.snapshots import begins_after
from hmchain.ledger.engines.ledger import OwnNode
from hmchain.ledger.readers.follower import follow
from hmchain.ledger.readers.members import ValidatorStatus, proposers, tolerated, validators
from hmchain.ledger.readers.rules import RulesView, rules_of
from hmchain.ledger.readers.states import NoStateError
from hmchain.plain import Progress
from hmchain.records.objects import ObjectStore

HEADERS_SHOWN = 200
"""Over so many of the last blocks the share of each proposer is counted."""


class NotJoinedError(InputError):
    """The node belongs to no network yet."""

    code = "not_joined"


class WrongNetworkError(InputError):
    """The network file is not the one that was agreed on, or holds this hospital with other keys."""

    code = "wrong_network"


# -- founding and joining ----------------------------------------------------------------------------------------------


def init(folder: NodeFolder, settings: NodeSettings, passphrase: str | None = None) -> Introduction:
    """Make a node: settings, keys, and the file that introduces it to the others.

    Raises `NodeExistsError` if the folder holds one, `KeyFileError` if it holds keys.
    """
    if folder.toml.exists():
        raise NodeExistsError(f"{folder.path} holds a node already", "choose another folder with --dir")
    keys, node_key = Keyring.generate(), SigningKey.generate()
    keys.save(folder.keys, passphrase)
    begin_record(folder.engine)
    save_key(node_key, folder.node_key)  # proves connections only; CometBFT reads it without a passphrase
    member = keys.member(settings.organisation, settings.title)
    introduction = Introduction(member, node_id(node_key.public), settings.address)
    network_file.save(introduction, folder.introduction)
    folder.write_settings(settings)
    return introduction


def join(folder: NodeFolder, network: Network, genesis: bytes | None = None, signs_above: int | None = None) -> None:
    """Adopt a network file, once. `genesis` is the digest that was agreed on by another way than the file came.

    A hospital that is not among the founders follows the network, and is a member once the members admit it. Where the
    record of what the node has signed was lost with its disk, `signs_above` is a height up to which it signs nothing.
    Raises `WrongNetworkError` if the digest differs, if the network knows this hospital's name with other keys, or if
    the node has joined another network, `SignedRecordError` if that height is needed and `SignsAboveError` if it is too
    low; changes nothing then.
    """
    if genesis is not None and genesis != network.genesis.digest:
        raise WrongNetworkError(
            f"the file's genesis is {network.genesis.digest.hex()}, not the one that was agreed on",
            "ask the founder for the file again, and compare the digest by telephone",
        )
    own = network_file.load_introduction(folder.introduction)
    if network.member(own.member.organisation) not in (own.member, None):
        raise WrongNetworkError(
            f"the network holds {own.member.organisation} with other keys than this node's",
            f"send {folder.introduction} to the founder and have the network made again",
        )
    if folder.network.exists() and network_file.load(folder.network).genesis != network.genesis:
        raise WrongNetworkError(f"{folder.path} has joined another network", "make another node for this one")
    _take_up_record(folder, signs_above)
    network_file.save(network, folder.network)
    genesis_file.save(network.genesis, folder.genesis)


def _take_up_record(folder: NodeFolder, signs_above: int | None) -> None:
    """The record of what was signed begins with the keys: where it is gone, they may have signed anything since."""
    try:
        found = record(folder, signs_above)
    except SignedRecordError as error:
        raise SignedRecordError(
            error.what, "if these keys ever ran a node, join with `--signs-above HEIGHT`, see docs/how-to/consortium.md"
        ) from None
    if signs_above is not None:
        with folder.held():
            write_secret(folder.engine / DATA / SIGNED, found)


def joined(folder: NodeFolder) -> Network:
    """The network that a node has joined. Raises `NotJoinedError`."""
    if not folder.network.is_file():
        raise NotJoinedError(f"{folder.path} has joined no network", "join one with `hmchain network join FILE`")
    return network_file.load(folder.network)


# -- taking part -------------------------------------------------------------------------------------------------------


def open_ledger(folder: NodeFolder, patience_seconds: float = STARTING_SECONDS) -> CometLedger:
    """The ledger through a running node; one that is just starting is waited for a little.

    Agents and people act on its state, so that is verified whole first and followed by decided blocks from then on.
    Raises `NotJoinedError`, `OtherNodeError`, `NoEndpointError` if the node does not run, `DamagedStateError`, and
    `UnsignedError` while no header signs its state.
    """
    network = joined(folder)
    with ExitStack() as stack:
        client = connected(folder, patience_seconds)
        stack.callback(client.close)
        follower = follow(folder.ledger, NodeHeaders(client))
        stack.callback(follower.close)
        ledger = CometLedger(client, network.genesis, follower)
        stack.pop_all()
        return ledger


def open_hospital(
    folder: NodeFolder,
    *,
    passphrase: str | None = None,
    learn: Learn = cnn_learner,
    patience_seconds: float = STARTING_SECONDS,
) -> NodeHospital:
    """The hospital of a running node, whose agent and people act through it.

    Raises what `open_ledger` raises, and what keys and store complain of.
    """
    settings = folder.settings()
    name, keys = settings.organisation, Keyring.load(folder.keys, passphrase)
    shared = shared_objects(folder)
    objects = shared or ObjectStore.directory(folder.objects)
    # What need not survive a power cut is cheaper to write, where the store is our own.
    relay = None if shared else ObjectStore.directory(folder.objects, durable=False)
    with ExitStack() as stack:
        ledger = open_ledger(folder, patience_seconds)
        stack.callback(ledger.close)
        hospital = Hospital(name, folder.hospital(name), keys, objects, OwnNode(ledger, name), learn, relay)
        hospital.agent.colluders_min = settings.colluders_min
        stack.pop_all()
        return NodeHospital(hospital, ledger)


# -- looking -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class NodeStatus:
    """How one node is."""

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
    """What the processes of a node that does not answer complained of last."""
    block: str = ""
    """The last block as HEIGHT:HASH, for somebody who joins from a snapshot to trust."""
    log_after: int = 0
    """The height after which its log begins; 0 for a whole one."""
    damage: str = ""
    """What keeps a node that does not run from starting, and the way out."""
    vouched: str = ""
    """Whose signatures the state rests on."""
    rules: RulesView | None = None
    """Which rules are in force and which ones come; None where there is no state yet."""
    pace: Pace | None = None
    """Whether its votes can arrive in time; not looked at by `node_status`."""


@dataclass(frozen=True)
class NetworkStatus:
    """How the network is, as one node sees it."""

    chain_id: str
    height: int
    tolerated: int
    """Validators that may fail or lie."""
    blocks: int
    """Over which proposers were counted."""
    validators: tuple[ValidatorStatus, ...]
    vouched: str
    """Whose signatures the state rests on that this was read from."""


def node_status(folder: NodeFolder) -> NodeStatus:
    """How a node is, whether it runs or not.

    Raises `NotJoinedError`, and while it runs `OtherNodeError` or `DamagedStateError`.
    """
    settings, network = folder.settings(), joined(folder)
    own, genesis = settings.organisation, network.genesis
    others = {peer.node_id: peer.organisation for peer in network.peers if peer.organisation != own}
    with RpcClient([settings.rpc_url], timeout_seconds=2) as client:
        try:
            answer, peers, waiting = client.status(), client.peers().peers, client.waiting()
        except NoEndpointError:
            known = _state_of_a_stopped_node(folder, own)
            missing = tuple(sorted(others.values()))
            return NodeStatus(
                own, genesis.chain_id, genesis.digest, False, known.height, "", False, (), missing, known.power,
                known.height, known.commitment, runner=folder.runner() or "", vouched=known.vouched,
                trouble=last_error(_words_of_this_run(folder)), log_after=begins_after(folder.ledger),
                damage=_damage(folder) or known.damage, rules=known.rules,
            )  # fmt: skip
    require_own(folder, answer)
    sync = answer.sync_info
    known = _state_summary(folder, own)
    block = f"{sync.latest_block_height}:{sync.latest_block_hash.lower()}" if sync.latest_block_height else ""
    linked = {others.get(peer.node_info.id, peer.node_info.moniker) for peer in peers}
    return NodeStatus(
        own, genesis.chain_id, genesis.digest, True, sync.latest_block_height, sync.latest_block_time,
        sync.catching_up, tuple(sorted(linked)), tuple(sorted(set(others.values()) - linked)), known.power,
        known.height, known.commitment, waiting, folder.runner() or "", block=block,
        log_after=begins_after(folder.ledger), vouched=known.vouched, rules=known.rules,
    )  # fmt: skip


def with_pace(folder: NodeFolder, status: NodeStatus) -> NodeStatus:
    """A status with what `pace.look` finds, if the node runs: it opens a few connections to the members' nodes."""
    return replace(status, pace=pace.look(folder, joined(folder), status.peers)) if status.running else status


@dataclass(frozen=True)
class _StateSummary:
    height: int = 0
    commitment: bytes = b""
    power: int = 0
    vouched: str = ""
    damage: str = ""
    rules: RulesView | None = None


def _state_summary(folder: NodeFolder, organisation: str) -> _StateSummary:
    with verified_state(folder.ledger) as found:
        state = found.state
        if state.is_new:  # the node makes its first block yet
            return _StateSummary(vouched=found.words)
        power = standings.standing(state, organisation).power
        rules = rules_of(state) if state.height else None  # a node that is just starting has no genesis in it yet
        return _StateSummary(state.height, state.commitment(), power, found.words, rules=rules)


def _state_of_a_stopped_node(folder: NodeFolder, organisation: str) -> _StateSummary:
    """Nothing where there is no state yet, or one that the next start will have to make anew."""
    try:
        return _state_summary(folder, organisation)
    except NoStateError:
        return _StateSummary()
    except LedgerError as error:
        return _StateSummary(damage=str(error))


def _words_of_this_run(folder: NodeFolder) -> str:
    return last_words(folder.log).rpartition(RUN_BEGINS)[2]


def _damage(folder: NodeFolder) -> str:
    if not config_file(folder.engine).is_file():
        return f"{folder.engine} holds no CometBFT home (the way out: `hmchain network join FILE` once more)"
    try:
        check_signed(folder.engine)
    except SignedRecordError as error:
        return str(error)
    return str(diagnose(folder.engine, folder.log, RUN_BEGINS) or "")


def network_status(folder: NodeFolder) -> NetworkStatus:
    """Validators, power, reputation and proposers. Raises `NoEndpointError` if the node does not run."""
    network = joined(folder)
    with connected(folder) as client:
        headers = client.headers(HEADERS_SHOWN)
    with verified_state(folder.ledger) as read:
        found = validators(read.state, proposers(read.state, (header.proposer_address for header in headers)))
        chain_id, height = network.genesis.chain_id, read.state.height
        return NetworkStatus(chain_id, height, tolerated(found), len(headers), found, read.words)


def audit(folder: NodeFolder, anchor: bytes | None = None, progress: Progress | None = None) -> NodeAudit:
    """Execute the node's ledger again and hold it against what the members signed.

    The signed headers are fetched from the node and kept beside its log: from then on anybody can audit a copy.
    Raises `NoEndpointError` if the node does not run, and what `cometbft.audit.verify` raises.
    """
    joined(folder)
    with connected(folder) as client:
        kept = archive.keep(
            folder.ledger, lambda: client.status().sync_info.latest_block_height, client.signed_header, _silent
        )
    return verify(folder.ledger, kept, anchor, progress)


def _silent(_done: int, _of: int | None) -> None:
    """Report nothing."""
