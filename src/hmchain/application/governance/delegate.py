"""A hospital's people at its running node: who speaks for it on the ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from hmchain.application.governance import signing
from hmchain.application.governance.outbox import SILENT, Included, Outbox, Talk
from hmchain.application.governance.signing import FileSigner, Prepare, SignatureElsewhere
from hmchain.application.node.meaning import Meaning
from hmchain.application.security.events import Event, Kind
from hmchain.application.security.transactions import told
from hmchain.application.site import exchanged
from hmchain.application.site.keyring import key_file, person_key_file
from hmchain.application.site.node import NodeFolder
from hmchain.application.site.recording import note
from hmchain.errors import InputError
from hmchain.keys import ED25519, KeyFileError, PublicKey, SigningKey, load_key
from hmchain.ledger import contracts
from hmchain.ledger.context import SCIENTIST, STEWARD
from hmchain.ledger.contracts.members import membership, parameters, people
from hmchain.ledger.contracts.members.people import OFFICES
from hmchain.ledger.engines.ledger import EXPIRY_MS, Ledger, OwnNode, Signer, prepare, require
from hmchain.ledger.state import State
from hmchain.ledger.transactions import Prepared

_MARGIN_MS = 60_000
"""For the clocks of members, in what is signed elsewhere and may wait as long as the ledger lets it."""


class NoSuchPersonError(InputError):
    """The hospital has no such person."""

    code = "no_such_person_here"


@dataclass(frozen=True)
class LedgerUser:
    """A person who speaks for a hospital, by office or with a key of one's own; records and agent are left alone."""

    organisation: str
    signer: Signer
    ledger: Ledger
    """As the hospital's node sees it."""
    outbox: Outbox | None = None
    """Remembers what is sent until it is decided; nobody does where the ledger runs in this process."""
    life_ms: int = EXPIRY_MS
    """How long what is signed may wait for its block."""
    log: Path | None = None
    """The log of the hospital's security events, where there is no outbox that writes into it."""

    @property
    def node(self) -> OwnNode:
        """The hospital's node."""
        return OwnNode(self.ledger, self.organisation)

    @property
    def state(self) -> State:
        """The state of the hospital's node."""
        return self.node.state

    def send(self, *bodies: contracts.Body) -> None:
        """Send transactions, each once the one before has its block.

        One that asks for the same and is undecided is waited for instead. Where the key is elsewhere, all that is left
        is handed over to be signed together. Raises `RefusedTransactionError`, `NotIncludedError` if one is not decided
        in time, `ContraryError` if what is undecided contradicts it and nobody said yes, and what the signer raises.
        """
        for place, body in enumerate(bodies, start=1):
            try:
                self._send(body)
            except SignatureElsewhere as needed:
                needed.messages += tuple(self._prepared(each).message for each in bodies[place:])
                raise

    def _prepared(self, body: contracts.Body) -> Prepared:
        return prepare(self.signer.public, self.node, body, life_ms=self.life_ms)

    def _send(self, body: contracts.Body) -> None:
        def sign() -> bytes:
            prepared = self._prepared(body)
            return prepared.attach(self.signer.sign(prepared.message))

        if self.outbox is None:
            known = membership.credential(self.state, self.signer.public.raw)
            wire, person = sign(), known.role if known else ""
            with told(self.log, body, person, wire) if self.log else nullcontext():
                require(self.ledger, [wire])
        else:
            self.outbox.send(self.ledger, body, self.signer.public, sign)

    def ensure(self, body: contracts.Body, *, is_so: bool) -> None:
        """Send what is not so yet; what became so after its command had ended is said to be. Raises as `send`."""
        self.send(*self.due(body, is_so=is_so))

    def due(self, body: contracts.Body, *, is_so: bool) -> tuple[contracts.Body, ...]:
        """What `ensure` sends, for whoever sends more after it."""
        return (body,) if not is_so or self.included(body) is not None else ()

    def included(self, body: contracts.Body) -> Included | None:
        """What was undecided when its command ended, asks for the same, came into a block, and is so still.

        `send` says so and sends nothing then; who looks before sending whether something can be asked looks here first.
        """
        return None if self.outbox is None else self.outbox.included(self.ledger, body, self.signer.public)


@dataclass(frozen=True)
class Acts:
    """Who acts at a node and with which key; where nothing is said, the office that a command is for."""

    handle: str = ""
    """An office or a person by name."""
    key: Path | None = None
    """The person's key file, if it lies elsewhere."""
    prepare: Path | None = None
    """A file to write the transaction to instead of signing and sending it."""


OFFICE = Acts()


@contextmanager
def open_user(
    folder: NodeFolder, role: str, passphrase: str | None = None, talk: Talk = SILENT, acts: Acts = OFFICE
) -> Iterator[LedgerUser]:
    """The person whose key of a role lies in a running node's folder, or who `acts`; `talk` is told and asked.

    Raises what `open_ledger` raises, `NoSuchPersonError`, `KeyFileError` or `WrongPassphraseError`.
    """
    settings = folder.settings()
    handle = acts.handle or settings.acts_as or role
    key = None if acts.prepare else open_key(folder, handle, passphrase, acts.key)
    ledger = _opened(folder, talk)
    try:
        organisation = settings.organisation
        signer = key or FileSigner(public_key(ledger.state, organisation, handle), acts.prepare or Path())
        life_ms = EXPIRY_MS if key else parameters.current(ledger.state).expiry_ms_max - _MARGIN_MS
        yield LedgerUser(organisation, signer, ledger, Outbox(folder, talk), life_ms)
    finally:
        ledger.close()


def user_with(folder: NodeFolder, organisation: str, signer: Signer, ledger: Ledger, talk: Talk = SILENT) -> LedgerUser:
    """A person of a node's hospital whose key may be anywhere, through a ledger that is open already."""
    return LedgerUser(organisation, signer, ledger, Outbox(folder, talk))


def open_key(folder: NodeFolder, handle: str, passphrase: str | None, file: Path | None = None) -> SigningKey:
    """The key of an office or a person; the hospital's log says that it was opened.

    Raises `KeyFileError` or `WrongPassphraseError`.
    """
    key = load_key(SigningKey, file or _key_file(folder, handle), passphrase)
    note(folder, Event(Kind.KEY_OPENED, about=handle))
    return key


def key_here(folder: NodeFolder, handle: str, passphrase: Callable[[], str | None]) -> SigningKey | None:
    """The key of an office or a person, if it lies with the hospital's. Raises as `open_key`."""
    path = key_file(folder.keys, handle) if handle in OFFICES else person_key_file(folder.keys, handle)
    return open_key(folder, handle, passphrase()) if path.exists() else None


def _opened(folder: NodeFolder, talk: Talk) -> Ledger:
    with talk.doing("reading the node's ledger"):
        # A hospital whose ledger runs in its own process has none of the libraries that a node is spoken to with.
        from hmchain.application.node.opening import open_ledger

        return open_ledger(folder)


def _key_file(folder: NodeFolder, handle: str) -> Path:
    if handle in OFFICES:
        return key_file(folder.keys, handle)
    path = person_key_file(folder.keys, handle)
    if not path.exists():
        hint = "`hmchain people list` shows who acts here; a key that lies elsewhere: --key FILE"
        raise KeyFileError(f"{path} does not exist", hint)
    return path


def public_key(state: State, organisation: str, handle: str) -> PublicKey:
    """The public key of a person or an office. Raises `NoSuchPersonError`."""
    entry, named = membership.membership(state, organisation), people.person(state, organisation, handle)
    if named is not None:
        return PublicKey(ED25519, named.key)
    if entry is None or handle not in OFFICES:
        raise NoSuchPersonError(f"{organisation} has no person {handle!r}", "`hmchain people list` shows them")
    return PublicKey(ED25519, getattr(entry.member, handle))


def send_signed(folder: NodeFolder, path: Path, talk: Talk = SILENT) -> Prepare:
    """Send a transaction that was prepared here and signed elsewhere, and wait for its block.

    Raises what `signing.wire` raises, `OtherChainError`, and as `LedgerUser.send`.
    """
    found = signing.read(path)
    wire = signing.wire(found)
    ledger = _opened(folder, talk)
    try:
        exchanged.require_chain(path, found.meaning.chain_id, ledger.chain_id)
        send_wire(folder, ledger, found.meaning, wire, talk)
    finally:
        ledger.close()
    return found


def send_wire(folder: NodeFolder, ledger: Ledger, found: Meaning, wire: bytes, talk: Talk = SILENT) -> None:
    """Send a transaction that was signed elsewhere, of a meaning that was read from it, and wait for its block.

    Raises as `LedgerUser.send`.
    """
    Outbox(folder, talk).send(ledger, found.body, PublicKey(ED25519, found.sender), lambda: wire)


def open_steward(
    folder: NodeFolder, passphrase: str | None = None, talk: Talk = SILENT, acts: Acts = OFFICE
) -> AbstractContextManager[LedgerUser]:
    """The steward of a running node. Raises what `open_user` raises."""
    return open_user(folder, STEWARD, passphrase, talk, acts)


def open_scientist(
    folder: NodeFolder, passphrase: str | None = None, talk: Talk = SILENT, acts: Acts = OFFICE
) -> AbstractContextManager[LedgerUser]:
    """The scientist of a running node. Raises what `open_user` raises."""
    return open_user(folder, SCIENTIST, passphrase, talk, acts)
