"""Make a node, found a network of those who introduced themselves, join one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from hmchain.application.node import home, snapshot_join
from hmchain.application.node.ledger_file import ledger_at
from hmchain.application.node.signing_record import record
from hmchain.application.site import network as network_file
from hmchain.application.site.keyring import Keyring
from hmchain.application.site.network import Introduction, Network, NetworkFileError
from hmchain.application.site.node import NodeExistsError, NodeFolder
from hmchain.application.site.settings import NodeSettings, NodeSettingsError
from hmchain.clock import now_ms
from hmchain.errors import InputError
from hmchain.keys import SigningKey, save_key
from hmchain.ledger import genesis as genesis_file
from hmchain.ledger.contracts.members.admission import TITLE_WORDS_MAX
from hmchain.ledger.contracts.members.membership import TITLE_CHARACTERS_MAX
from hmchain.ledger.contracts.members.parameters import Parameters
from hmchain.ledger.engines import beginning
from hmchain.ledger.engines.cometbft.damage import DATA, SIGNED, SignedRecordError
from hmchain.ledger.engines.cometbft.home import begin_record, node_id, write_secret
from hmchain.ledger.genesis import Genesis
from hmchain.ledger.phrases import is_phrase
from hmchain.ledger.readers.replay import TrustedHeader
from hmchain.ledger.reputation import faults_tolerated
from hmchain.ledger.state import State


class NoFoundingError(InputError):
    """The state that a chain begins with which was founded again is not at hand."""

    code = "no_founding"


class WrongNetworkError(InputError):
    """The network file is not the one that was agreed on, or holds this hospital with other keys."""

    code = "wrong_network"


def require_new(folder: NodeFolder, settings: NodeSettings) -> None:
    """Find out what a new node would be refused for, before anybody chooses a passphrase.

    Raises `NodeExistsError` if the folder holds one, `NodeSettingsError` for a title that the ledger would refuse when
    members are asked to admit the hospital.
    """
    if folder.toml.exists():
        raise NodeExistsError(f"{folder.path} holds a node already", "choose another folder with --dir")
    if not is_phrase(settings.title, TITLE_CHARACTERS_MAX, TITLE_WORDS_MAX):
        hint = f"give at most {TITLE_WORDS_MAX} words of Latin, Greek or Cyrillic letters, digits and .,_+/()&'%<>=:-"
        raise NodeSettingsError(f"no ledger takes the title {settings.title!r}", hint)


def init(folder: NodeFolder, settings: NodeSettings, passphrase: str | None = None) -> Introduction:
    """Make a node: settings, keys, and the file that introduces it to the others.

    Raises what `require_new` raises, `KeyFileError` if the folder holds keys.
    """
    require_new(folder, settings)
    keys, node_key = Keyring.generate(), SigningKey.generate()
    keys.save(folder.keys, passphrase)
    begin_record(folder.engine)
    save_key(node_key, folder.node_key)  # proves connections only; CometBFT reads it without a passphrase
    member = keys.member(settings.organisation, settings.title)
    introduction = Introduction(member, node_id(node_key.public), settings.address)
    network_file.save(introduction, folder.introduction)
    folder.write_settings(settings)
    return introduction


@dataclass(frozen=True)
class SnapshotSource:
    """Where a node that joins finds a snapshot, and the block that it takes on trust."""

    trusted: TrustedHeader
    servers: tuple[str, ...]
    """Addresses of two members' RPC."""


@dataclass(frozen=True)
class FoundedNetwork:
    """A network, and those who founded it."""

    network: Network
    introductions: tuple[Introduction, ...]
    """In the order in which they were given."""

    @property
    def names(self) -> list[str]:
        """The organisations, in order of name."""
        return [peer.organisation for peer in self.network.peers]

    @property
    def tolerated(self) -> int:
        """The number of members that may fail or lie."""
        return faults_tolerated(len(self.introductions))


@dataclass(frozen=True)
class JoinedNetwork:
    """A network that a node has joined."""

    network: str
    """Its chain id."""
    genesis: bytes
    founder: bool
    """True if the hospital is among the founders; else the members have to admit it."""


def found(members: Sequence[Path], name: str, target: Path, round_trip_ms: int) -> FoundedNetwork:
    """Found a network of the hospitals whose member files these are, and write its network file.

    Raises `NetworkFileError` if the target exists or the introductions clash, and `GenesisError`.
    """
    if target.exists():
        raise NetworkFileError(f"{target} exists", "give another --output; a genesis is made once")
    introductions = tuple(network_file.load_introduction(path) for path in members)
    made = network_file.found(introductions, name, now_ms(), Parameters(round_trip_ms=round_trip_ms))
    network_file.save(made, target)
    return FoundedNetwork(made, introductions)


def join(
    folder: NodeFolder,
    file: Path,
    *,
    genesis: bytes | None = None,
    signs_above: int | None = None,
    snapshot: SnapshotSource | None = None,
    founding: Path | None = None,
    passphrase: str | None = None,
) -> JoinedNetwork:
    """Join the network of a network file, with the whole log of blocks or from a snapshot, and make CometBFT's home.

    The blocks of a network that was founded again begin with a state: `founding` is a member's ledger that holds it, a
    folder or an exported file. Raises what `adopt`, `snapshot_join.prepare` and `ledger_at` raise, `NoFoundingError`,
    `NetworkFileError`, `KeyFileError` or `WrongPassphraseError`, and changes nothing then.
    """
    organisation, network = folder.settings().organisation, network_file.load(file)
    validator = home.validator_key(folder, passphrase)  # first: a wrong passphrase must leave nothing behind
    sync = None if snapshot is None else snapshot_join.prepare(folder, network, snapshot.trusted, snapshot.servers)
    with _founding_state(folder, network.genesis, founding, needed=snapshot is None) as state:
        adopt(folder, network, genesis, signs_above)
        if state is not None:
            beginning.keep(state, folder.ledger)
    snapshot_join.remember(folder, sync)
    home.make_home(folder, validator=validator)
    founder = network.member(organisation) is not None
    return JoinedNetwork(network.genesis.chain_id, network.genesis.digest, founder)


@contextmanager
def _founding_state(
    folder: NodeFolder, genesis: Genesis, founding: Path | None, *, needed: bool
) -> Iterator[State | None]:
    """The state that a chain which was founded again begins with, if the folder lacks it. Raises `NoFoundingError`."""
    if genesis.before is None or not needed or (founding is None and beginning.holds(folder.ledger, genesis)):
        yield None
        return
    if founding is None:
        hint = "add `--founding FILE`, a ledger that a member exported, or `--from-snapshot`"
        raise NoFoundingError(f"{genesis.chain_id} was founded again: it begins with the state of another chain", hint)
    with ledger_at(founding) as place, closing(State()) as state:
        beginning.begin(state, genesis, place)
        yield state


def adopt(folder: NodeFolder, network: Network, genesis: bytes | None = None, signs_above: int | None = None) -> None:
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
    _adopt_record(folder, signs_above)
    network_file.save(network, folder.network)
    genesis_file.save(network.genesis, folder.genesis)


def _adopt_record(folder: NodeFolder, signs_above: int | None) -> None:
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
