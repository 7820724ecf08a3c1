"""Genesis: what a chain starts from. Its digest is the trust anchor of every audit.

A chain that was founded again goes on from the state of the one before it (`refounding`): its genesis names that chain,
the block up to which it went, both states, and who agreed.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from hmchain import decoding, files
from hmchain.canonical import Record, digest, encode
from hmchain.errors import LedgerError
from hmchain.keys import ED25519, PublicKey
from hmchain.ledger.blocks import Height, TimeMs
from hmchain.ledger.context import require_name
from hmchain.ledger.contracts.members import membership, parameters, standings, upgrades
from hmchain.ledger.contracts.members.membership import Member
from hmchain.ledger.contracts.members.parameters import Founding, Parameters
from hmchain.ledger.protocols import FOUNDING, require_known
from hmchain.ledger.state import State
from hmchain.ledger.transactions import Refusal
from hmchain.ledger.unreadable import UnreadableError

NAME_CHARACTERS_MAX = 28
"""Of a network's name; CometBFT takes chain ids of up to 50 characters."""
SALT_BYTES = 32
NOTICE_MS = 24 * 60 * 60 * 1000
NOTICE_MS_MAX = 30 * NOTICE_MS
_NO_END = (1 << 63) - 1
_ID_BYTES = 10
"""Of the genesis digest in a chain id: base32 writes 80 bits as 16 characters, without padding."""


class GenesisError(LedgerError):
    """A genesis file is unreadable, or cannot found a chain."""

    code = "genesis"


class UnreadableGenesisError(GenesisError, UnreadableError):
    """A genesis file is not there, or may not be opened."""

    code = "unreadable"


class Past(Record, frozen=True):
    """A chain of before, and how far it went."""

    genesis: bytes
    """Digest of its genesis."""
    chain_id: str
    height: Height
    """Its last block. The founding stands in the place of the next one, which nobody decided."""


class Deciders(Record, frozen=True):
    """Who may agree for a member: its officers at the last block of the chain before."""

    keys: tuple[bytes, ...]
    """In order."""
    needed: int
    """So many of them must sign: two where there are two."""


class Signature(Record, frozen=True):
    """An officer's signature."""

    key: bytes
    signature: bytes


class Before(Record, frozen=True):
    """What a chain that was founded again goes on from, and who agreed to it."""

    salt: bytes
    """32 random bytes, as in the genesis of any chain."""
    past: Annotated[tuple[Past, ...], Meta(min_length=1)]
    """The chains of before, the first one first."""
    commitment: bytes
    """State of the chain before, after its last block."""
    founding: bytes
    """State that this chain begins with: the same, with what `refounding.carry` does to it."""
    powers: tuple[int, ...]
    """Voting power of each founding member, in their order."""
    left_out: tuple[str, ...]
    """Members of the chain before that are none any more, in order of name."""
    deciders: tuple[Deciders, ...]
    """Of each founding member, in their order."""
    signatures: tuple[Signature, ...] = ()
    """Of `Genesis.signed_bytes`, in order of key; no part of the digest."""


class Genesis(Record, frozen=True):
    """The founding members and rules."""

    protocol: int
    """Of the program that founded it. It comes first, where programs of every version look for it."""
    name: str
    """What people call the network."""
    time_ms: TimeMs
    members: tuple[Member, ...]
    """In order of organisation."""
    parameters: Parameters
    origin: bytes | Before
    """32 random bytes: what nobody can know before the chain is founded. Or the chain that it was founded again from,
    with such bytes of its own."""
    notice_ms: int = NOTICE_MS
    """How long ahead a change of the rules must be agreed; less than a day is for tests."""

    @property
    def digest(self) -> bytes:
        """32 bytes: printed when the network is made, and given to `audit verify --genesis`."""
        return digest("hmchain genesis", encode(self.without_signatures))

    @property
    def without_signatures(self) -> Genesis:
        """What its digest is of: all but who agreed to it."""
        return self if self.before is None else replace(self, origin=replace(self.before, signatures=()))

    @property
    def chain_id(self) -> str:
        """The name and 80 bits of the digest: whatever is signed holds for the chain of this very genesis alone."""
        return f"{self.name}-{base64.b32encode(self.digest[:_ID_BYTES]).decode().lower()}"

    @property
    def before(self) -> Before | None:
        """What it goes on from; None for a chain that began with nothing."""
        return self.origin if isinstance(self.origin, Before) else None

    @property
    def salt(self) -> bytes:
        """What nobody could know before the chain was founded."""
        return self.origin.salt if isinstance(self.origin, Before) else self.origin

    @property
    def height(self) -> int:
        """The height after which its blocks begin."""
        return 0 if self.before is None else self.before.past[-1].height + 1

    @property
    def chains(self) -> tuple[Past, ...]:
        """This chain and those of before it, the newest first; this one has no end yet."""
        past = () if self.before is None else self.before.past
        return (Past(self.digest, self.chain_id, _NO_END), *reversed(past))

    @property
    def first_chain(self) -> str:
        """The id of the chain that the network began with: under it is sealed and kept what outlasts a chain."""
        return self.chains[-1].chain_id

    def chain_at(self, height: int) -> Past:
        """The chain that what happened at a height belongs to; a founding is the last act of the chain before it."""
        return next((past for past in reversed(self.chains) if height <= past.height + 1), self.chains[0])

    @property
    def signed_bytes(self) -> bytes:
        """What the members of a chain that is founded again sign."""
        return digest("hmchain founding again", self.digest)

    @property
    def unsigned(self) -> tuple[str, ...]:
        """The founding members that have not agreed yet; of a chain that began with nothing, nobody."""
        if self.before is None:
            return ()
        message, signed = self.signed_bytes, set[bytes]()
        for each in self.before.signatures:
            if PublicKey(ED25519, each.key).verify(each.signature, message):
                signed.add(each.key)
        return tuple(
            member.organisation
            for member, of in zip(self.members, self.before.deciders, strict=True)
            if len(signed.intersection(of.keys)) < max(1, of.needed)
        )


def found(
    name: str,
    time_ms: int,
    members: Iterable[Member],
    salt: bytes,
    parameters: Parameters | None = None,
    notice_ms: int = NOTICE_MS,
    protocol: int = FOUNDING,
) -> Genesis:
    """The genesis of a chain that begins with the rules of `protocol`."""
    return Genesis(protocol, name, time_ms, tuple(members), parameters or Parameters(), salt, notice_ms)


def require_protocol(genesis: Genesis) -> None:
    """Raise `ProtocolError` unless this program knows the protocol that a chain was founded with."""
    require_known(genesis.protocol, genesis.name)


def require_protocol_of(content: object) -> None:
    """As `require_protocol`, of the JSON value of a genesis that may not decode here: other rules, other fields.

    What is no genesis at all passes.
    """
    match content:
        case [int() as protocol, str() as name, *_]:
            require_known(protocol, name)
        case [str() as chain_id, int(), *_]:
            require_known(1, chain_id)  # the first protocol's genesis began with the chain id


def require_form(genesis: Genesis) -> None:
    """Raise `GenesisError` if what a chain goes on from does not fit its members, or a number fits into no genesis.

    Whether it is true others tell.
    """
    try:
        encode(genesis)
    except OverflowError as error:
        raise GenesisError("the genesis has a number that no chain has", _RESTORE) from error
    before, members = genesis.before, len(genesis.members)
    if before is not None and (len(before.powers), len(before.deciders)) != (members, members):
        raise GenesisError("the genesis names other powers or signers than members", _RESTORE)


def initialise(state: State, genesis: Genesis) -> None:
    """Fill an empty state; nothing is committed yet.

    Raises `GenesisError` for members that cannot be admitted, and for a chain that begins with another one's state;
    and `ProtocolError`.
    """
    require_protocol(genesis)
    if genesis.before is not None:
        raise GenesisError(f"{genesis.chain_id} begins with the state of another chain", _FOUNDING_STATE)
    names = [member.organisation for member in genesis.members]
    if not names or names != sorted(set(names)):
        raise GenesisError("the founding members are not in order of organisation", "sort them, each once")
    if len(genesis.name) > NAME_CHARACTERS_MAX:
        raise GenesisError(
            f"the network's name has {len(genesis.name)} characters", f"give one of at most {NAME_CHARACTERS_MAX}"
        )
    if len(genesis.salt) != SALT_BYTES:
        raise GenesisError(f"the genesis has a salt of {len(genesis.salt)} bytes", f"give {SALT_BYTES} random ones")
    if not 0 < genesis.notice_ms <= NOTICE_MS_MAX:
        raise GenesisError(
            f"the genesis demands {genesis.notice_ms} ms of notice", f"give 1 to {NOTICE_MS_MAX}: at most 30 days"
        )
    try:
        require_name(genesis.name)
        parameters.found(state, Founding(genesis.salt, genesis.notice_ms))
        upgrades.found(state, genesis.protocol)
        parameters.change(state, genesis.parameters)
        for member in genesis.members:
            membership.admit(state, member, 0)
    except Refusal as refusal:
        state.rollback()
        raise GenesisError(f"the genesis is refused: {refusal.code}", "correct the genesis file") from refusal
    standings.initialise(state, 1)


_FOUNDING_STATE = "give the ledger's folder whole: its folder `founding` holds that state"

FILE = "genesis.json"
"""Its name in the directory of a ledger."""
GENESIS_BYTES_MAX = 4 << 20
"""Of the file: a member takes two kilobytes of it."""
_RESTORE = "restore it; a node's `hmchain network join FILE` writes it anew"


def save(genesis: Genesis, path: Path) -> None:
    """Write the genesis file, JSON that people can read; on disk when this returns: blocks rest on it."""
    files.write_whole(path, to_json(genesis), durable=True)


def to_json(genesis: Genesis) -> bytes:
    """A genesis as its file holds it."""
    return msgspec.json.format(msgspec.json.encode(genesis), indent=1)


def load(path: Path) -> Genesis:
    """Read a genesis file. Raises `GenesisError` and `ProtocolError`."""
    try:
        content = decoding.from_json(files.read(path, limit=GENESIS_BYTES_MAX), object)
        require_protocol_of(content)
        genesis = decoding.converted(content, Genesis)
        require_form(genesis)
        return genesis
    except FileNotFoundError as error:
        raise UnreadableGenesisError(
            f"there is no ledger in {path.parent}", "give the directory of a ledger"
        ) from error
    except files.TooLargeError as error:
        what = f"{path} has more than {GENESIS_BYTES_MAX >> 20} MiB, which is more than any genesis"
        raise GenesisError(what, _RESTORE) from error
    except OSError as error:
        raise UnreadableGenesisError(f"{path} cannot be read", "check its owner and its mode") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise GenesisError(f"{path} is not a genesis file", _RESTORE) from error
