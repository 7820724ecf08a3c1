"""Founding a network again where so many members are lost for good that no block is decided any more.

One of those that are left proposes, from its own audited ledger; each other one makes the same proposal from its own,
and signs only the very same; with all signatures each node takes the ledger up. The file that goes round is a network
file (`site.network`), whose genesis goes on from the ledger of before. What the rules are is in `ledger/refounding`.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from hmchain import files
from hmchain.application.node import home
from hmchain.application.node.link import connected
from hmchain.application.site import network as network_file
from hmchain.application.site.hospital import locate, only_agent
from hmchain.application.site.keyring import key_file
from hmchain.application.site.network import Network, NetworkFileError, Peer
from hmchain.application.site.node import NodeFolder
from hmchain.clock import now_ms
from hmchain.errors import InputError
from hmchain.keys import ED25519, PublicKey, SigningKey, load_key
from hmchain.ledger import genesis as genesis_file
from hmchain.ledger import refounding
from hmchain.ledger.contracts.learning import studies
from hmchain.ledger.contracts.members import membership, standings
from hmchain.ledger.engines import beginning
from hmchain.ledger.engines.cometbft import archive, stopped
from hmchain.ledger.engines.cometbft.archive import Archive, NoVotesError
from hmchain.ledger.engines.cometbft.audit import audited_to_the_end
from hmchain.ledger.engines.cometbft.damage import DATA, SIGNED
from hmchain.ledger.engines.cometbft.process import CometBFTMissingError
from hmchain.ledger.engines.cometbft.stopped import ClosedStoreError
from hmchain.ledger.engines.cometbft.storage import SNAPSHOTS, STATE
from hmchain.ledger.genesis import SALT_BYTES, Before, Genesis, Signature
from hmchain.ledger.refounding import RefoundingError
from hmchain.ledger.state import State
from hmchain.plain import Progress

STAGED = "refounding"
"""The folder in which a node puts the new ledger together."""
ASIDE = "engine-before"
"""The folder of CometBFT's files of the chain before, with a number behind the name; no command reads it."""
_AHEAD_MS_MAX = 10 * 60 * 1000
"""A proposal whose time lies further ahead is of a clock that is wrong: nodes would wait for that time."""


Agreed = Callable[["Proposal"], None]
"""Shows a proposal to whoever is to sign it; returns once that person has agreed."""


class NotLeftError(InputError):
    """This hospital is not among those that found the network again, or the key is none of its officers'."""

    code = "not_left"


@dataclass(frozen=True)
class Proposal:
    """What founding a network again means, for people who sign it."""

    network: str
    """Its chain id; the one of before is `former`."""
    former: str
    height: int
    """The last block of the chain before, which all that are left have."""
    time_ms: int
    genesis: bytes
    """The digest that everybody compares."""
    members: tuple[str, ...]
    left_out: tuple[str, ...]
    studies: tuple[str, ...]
    """Those that end with it."""
    ballots: int
    """Open ones, which lapse."""
    protocol: int
    unsigned: tuple[str, ...]
    """Who has not signed yet."""


@dataclass(frozen=True)
class Refounded:
    """A network that this node goes on with."""

    network: str
    genesis: bytes
    height: int
    before: Path
    """Where the ledger of before lies, which is read and audited with the new one."""


def propose(
    folder: NodeFolder,
    lost: Collection[str],
    file: Path,
    progress: Progress,
    *,
    agreed: Agreed,
    key: Path | None = None,
    passphrase: str | None = None,
) -> Proposal:
    """Propose to go on from this node's ledger without the `lost` members, sign it, and write the file that goes round.

    It is signed with an officer's `key`, by default the steward's of the node, once `agreed` has returned. Raises
    `RefoundingError`, `NotLeftError`, `NetworkFileError` for a file that is there, `AuditError` for a ledger that does
    not hold, and what keys complain of.
    """
    if file.exists():
        raise NetworkFileError(f"{file} exists", "give another --output")
    network = folder.joined()
    signer = _officer_key(folder, key, passphrase)
    with _own_end(folder, network.genesis, _headers(folder, progress), progress) as state:
        ending = _ending(state)
        made = refounding.propose(state, network.genesis, lost, os.urandom(SALT_BYTES), now_ms())
    return _agree(folder, Network(made, _peers(network, made)), _proposal(made, ending), signer, agreed, file)


def sign(
    folder: NodeFolder,
    file: Path,
    progress: Progress,
    *,
    agreed: Agreed,
    key: Path | None = None,
    passphrase: str | None = None,
) -> Proposal:
    """Sign a proposal that this node's own ledger gives too; the signature goes into the file.

    Raises `RefoundingError` for one that it does not give, and what `propose` raises.
    """
    told = network_file.load(file)
    signer = _officer_key(folder, key, passphrase)
    return _agree(folder, told, _checked(folder, told, progress), signer, agreed, file)


def _agree(
    folder: NodeFolder, network: Network, found: Proposal, signer: SigningKey, agreed: Agreed, file: Path
) -> Proposal:
    """Sign what a person has agreed to: that very proposal, whatever the file holds by then."""
    place = _place_of(folder, network.genesis, signer)
    agreed(found)
    signed = _signed(folder, network, place, signer)
    network_file.save(signed, file)
    return dataclasses.replace(found, unsigned=signed.genesis.unsigned)


def join(folder: NodeFolder, given: Sequence[Path], progress: Progress, passphrase: str | None = None) -> Refounded:
    """Go on with the network that a file founds again, which everybody has signed; several files add their signatures.

    Node and agent must be stopped. What was interrupted goes on when it is run again. Raises what `sign` raises,
    `NodeRunningError` and `AgentRunningError`.
    """
    network = _merged([network_file.load(path) for path in given])
    genesis = network.genesis
    refounding.require_signed(genesis)
    _require_left(folder, genesis)
    validator = home.validator_key(folder, passphrase)  # first: a wrong passphrase must leave nothing behind
    with folder.held(), only_agent(locate(folder.path)):
        if folder.joined().genesis.digest != genesis.digest:
            _stage(folder, genesis, progress)
            _take_up(folder, network)
        home.make_home(folder, validator=validator)
        shutil.rmtree(folder.path / STAGED, ignore_errors=True)
    return Refounded(genesis.chain_id, genesis.digest, genesis.height, folder.ledger / beginning.BEFORE)


# -- what is proposed --------------------------------------------------------------------------------------------------


def _checked(folder: NodeFolder, told: Network, progress: Progress) -> Proposal:
    """A proposal in words, once this node's own ledger has given the very same."""
    genesis = told.genesis
    _require_left(folder, genesis)
    if genesis.time_ms > now_ms() + _AHEAD_MS_MAX:
        raise RefoundingError("its time lies ahead of this clock", "set the clocks right, and have it proposed again")
    former = folder.joined().genesis
    with _own_end(folder, former, _headers(folder, progress), progress) as state:
        ending = _ending(state)
        refounding.require_successor(state, former, genesis)
    return _proposal(genesis, ending)


def _ending(state: State) -> tuple[tuple[str, ...], int]:
    """What ends when a chain is founded again: its open studies, and how many open ballots."""
    open_studies = (entry.spec.name for entry in studies.studies(state) if entry.status not in studies.OVER)
    now = max(now_ms(), standings.time_ms(state))
    return tuple(open_studies), sum(ballot.is_open(now) for _, ballot in membership.ballots(state))


def _proposal(genesis: Genesis, ending: tuple[tuple[str, ...], int]) -> Proposal:
    before = _before(genesis)
    return Proposal(
        genesis.chain_id, before.past[-1].chain_id, before.past[-1].height, genesis.time_ms, genesis.digest,
        tuple(member.organisation for member in genesis.members), before.left_out, *ending, genesis.protocol,
        genesis.unsigned,
    )  # fmt: skip


def _before(genesis: Genesis) -> Before:
    if genesis.before is None:
        raise RefoundingError(f"{genesis.chain_id} was not founded again", "give the file that a member proposed")
    return genesis.before


def _require_left(folder: NodeFolder, genesis: Genesis) -> str:
    organisation = folder.settings().organisation
    if organisation in _before(genesis).left_out:
        hint = "ask the members: they count it as lost, and admit it again under another name"
        raise NotLeftError(f"the proposal leaves {organisation} out", hint)
    if organisation not in [member.organisation for member in genesis.members]:
        raise NotLeftError(f"{organisation} is no member of it", "join it as any newcomer: docs/how-to/consortium.md")
    return organisation


# -- signatures --------------------------------------------------------------------------------------------------------


def _officer_key(folder: NodeFolder, key: Path | None, passphrase: str | None) -> SigningKey:
    return load_key(SigningKey, key or key_file(folder.keys, "steward"), passphrase)


def _place_of(folder: NodeFolder, genesis: Genesis, signer: SigningKey) -> int:
    """The place of this hospital among the members, if the key is one of its officers'. Raises `NotLeftError`."""
    organisation = _require_left(folder, genesis)
    place = [member.organisation for member in genesis.members].index(organisation)
    if signer.public.raw not in _before(genesis).deciders[place].keys:
        hint = "an officer of the hospital signs, with `--key FILE` if not with the steward's key of the node"
        raise NotLeftError(f"the key is not one of {organisation}'s officers", hint)
    return place


def _signed(folder: NodeFolder, network: Network, place: int, signer: SigningKey) -> Network:
    """The file with an officer's signature, and where the hospital's node is."""
    genesis, own = network.genesis, network_file.load_introduction(folder.introduction)
    peers = list(network.peers)
    peers[place] = Peer(own.member.organisation, own.node_id, folder.settings().address)
    signature = Signature(signer.public.raw, signer.sign(genesis.signed_bytes))
    return Network(_with(genesis, [signature]), tuple(peers))


def _with(genesis: Genesis, more: Iterable[Signature]) -> Genesis:
    """The genesis with more signatures."""
    before = _before(genesis)
    message = genesis.signed_bytes
    known = {
        each.key: each
        for each in (*before.signatures, *more)
        if PublicKey(ED25519, each.key).verify(each.signature, message)  # a damaged one hides none that holds
    }
    return replace(genesis, origin=replace(before, signatures=tuple(known[key] for key in sorted(known))))


def _merged(networks: Sequence[Network]) -> Network:
    """One file of several that members signed apart. Raises `NetworkFileError` if they are of different proposals."""
    first = networks[0]
    genesis, peers = first.genesis, list(first.peers)
    for other in networks[1:]:
        if other.genesis.digest != genesis.digest:
            raise NetworkFileError("the files are of different proposals", "all sign one and the same file")
        for place, peer in enumerate(other.peers):
            peers[place] = peers[place] if peers[place].node_id else peer
        genesis = _with(genesis, _before(other.genesis).signatures)
    return Network(genesis, tuple(peers))


def _peers(network: Network, genesis: Genesis) -> tuple[Peer, ...]:
    """Where the nodes of those that are left were; each one says where it is when it signs."""
    known = {peer.organisation: peer for peer in network.peers}
    return tuple(known.get(member.organisation) or Peer(member.organisation, "", "") for member in genesis.members)


# -- one's own ledger --------------------------------------------------------------------------------------------------


@contextmanager
def _own_end(folder: NodeFolder, genesis: Genesis, headers: Archive | None, progress: Progress) -> Iterator[State]:
    """The state after the last block that was decided, audited from the genesis on.

    Of a chain that was founded again and decided none yet, for which there are no headers, it is the one that this
    began with. Raises `RefoundingError` if the node's own state is another one: it executes blocks still, or was
    changed.
    """
    with _ended(folder, genesis, headers, progress) as state:
        with closing(State.open_read_only(folder.state) if folder.state.exists() else State()) as own:
            if not own.is_new and (own.height, own.commitment()) != (state.height, state.commitment()):
                what = f"this node's state is of block {own.height}, and its members decided {state.height}"
                raise RefoundingError(what, "start the node, and try again when `hmchain node status` shows that block")
        yield state


@contextmanager
def _ended(folder: NodeFolder, genesis: Genesis, headers: Archive | None, progress: Progress) -> Iterator[State]:
    if headers is not None:
        with audited_to_the_end(folder.ledger, headers, genesis.digest, progress) as (_, state):
            yield state
        return
    with closing(State()) as state:
        beginning.begin(state, genesis, folder.ledger)
        yield state


def _headers(folder: NodeFolder, progress: Progress) -> Archive | None:
    """All headers with their votes, those of the last block too; they are kept beside the log. None of no block."""
    if folder.runner() is None:
        return _headers_of_stopped(folder, progress)
    with closing(connected(folder)) as client:
        last = client.status().sync_info.latest_block_height
        if not last:
            return None
        return archive.keep(folder.ledger, lambda: last, client.signed_header, progress, waits=False)


def _headers_of_stopped(folder: NodeFolder, progress: Progress) -> Archive | None:
    if _decided_nothing(folder):
        return None
    with suppress(CometBFTMissingError, ClosedStoreError), stopped.answering(folder.engine) as client:
        last = client.signed_header().header.height
        return archive.keep(folder.ledger, lambda: last, client.signed_header, progress, waits=False)
    kept = Archive.load(folder.ledger)
    if kept is None:
        raise NoVotesError(f"no votes for the blocks in {folder.ledger} are to be had", "start the node, and try again")
    return kept


def _decided_nothing(folder: NodeFolder) -> bool:
    """Whether a chain that was founded again has no block yet, as this node knows it."""
    genesis = genesis_file.load(folder.genesis)
    if genesis.before is None or not folder.state.exists():
        return genesis.before is not None
    with closing(State.open_read_only(folder.state)) as own:
        return own.height <= genesis.height


# -- taking it up ------------------------------------------------------------------------------------------------------


def _stage(folder: NodeFolder, genesis: Genesis, progress: Progress) -> None:
    """Put the new ledger together beside the one of before, from that one's state."""
    staged = folder.path / STAGED / folder.ledger.name
    if (staged / beginning.BEFORE).exists() or _is_taken_up(folder, genesis):
        return
    shutil.rmtree(staged, ignore_errors=True)
    files.make_folder(staged)
    former = folder.joined().genesis
    with _own_end(folder, former, _headers_of_stopped(folder, progress), progress) as state:
        refounding.require_successor(state, former, genesis)
        state.commit(genesis.height)
        beginning.keep(state, staged)
    genesis_file.save(genesis, staged / genesis_file.FILE)
    files.sync_tree(staged)


def _is_taken_up(folder: NodeFolder, genesis: Genesis) -> bool:
    return folder.genesis.exists() and genesis_file.load(folder.genesis).digest == genesis.digest


def _take_up(folder: NodeFolder, network: Network) -> None:
    """Put the new ledger in the place of the one of before, which it holds from now on; and CometBFT's files aside.

    Only names change, in an order in which each step can be done again; the record of what was signed stays.
    """
    staged = folder.path / STAGED / folder.ledger.name
    if not _is_taken_up(folder, network.genesis):
        if folder.ledger.exists():
            files.rename(folder.ledger, staged / beginning.BEFORE)
        files.rename(staged, folder.ledger)
    before = folder.ledger / beginning.BEFORE
    left = [path for path in sorted((folder.engine / DATA).iterdir()) if path.name != SIGNED]
    # Of the ledger of before what an audit needs is kept in its place: a state of it is executed again.
    left += [path for path in (*before.glob(f"{STATE}*"), before / SNAPSHOTS, folder.sent) if path.exists()]
    if left:
        aside = files.free_name(folder.path / ASIDE)
        files.make_folder(aside)
        for path in left:
            files.rename(path, aside / f"{path.parent.name}-{path.name}")  # both have a state.db
    folder.state_sync.unlink(missing_ok=True)
    network_file.save(network, folder.network)
