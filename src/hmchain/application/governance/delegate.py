"""A hospital's people at its running node: who speaks for it on the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from hmchain.application.governance.outbox import SILENT, Included, Outbox, Talk
from hmchain.application.site.keyring import key_file
from hmchain.application.site.node import NodeFolder
from hmchain.keys import SigningKey, load_key
from hmchain.ledger import contracts
from hmchain.ledger.context import SCIENTIST, STEWARD
from hmchain.ledger.engines.ledger import Ledger, OwnNode, Signer, require, signed
from hmchain.ledger.state import State


@dataclass(frozen=True)
class LedgerUser:
    """A person who speaks for a hospital, as its steward or scientist; records and agent are left alone."""

    organisation: str
    signer: Signer
    ledger: Ledger
    """As the hospital's node sees it."""
    outbox: Outbox | None = None
    """Remembers what is sent until it is decided; nobody does where the ledger runs in this process."""

    @property
    def node(self) -> OwnNode:
        """The hospital's node."""
        return OwnNode(self.ledger, self.organisation)

    @property
    def state(self) -> State:
        """The state of the hospital's node."""
        return self.node.state

    def send(self, body: contracts.Body) -> None:
        """Send a transaction and wait for its block; one that asks for the same and is undecided is waited for instead.

        Raises `RefusedTransactionError`, `NotIncludedError` if it is not decided in time, `ContraryError` if what is
        undecided contradicts it and nobody said yes, and what the signer raises.
        """

        def sign() -> bytes:
            return signed(self.signer, self.node, body)

        if self.outbox is None:
            require(self.ledger, [sign()])
        else:
            self.outbox.send(self.ledger, body, self.signer.public, sign)

    def included(self, body: contracts.Body) -> Included | None:
        """What was undecided when its command ended, asks for the same, came into a block, and is so still.

        `send` says so and sends nothing then; who looks before sending whether something can be asked looks here first.
        """
        return None if self.outbox is None else self.outbox.included(self.ledger, body, self.signer.public)


@contextmanager
def open_user(
    folder: NodeFolder, role: str, passphrase: str | None = None, talk: Talk = SILENT
) -> Iterator[LedgerUser]:
    """The person whose key of a role lies in a running node's folder; `talk` is told and asked meanwhile.

    Raises what `open_ledger` raises, `KeyFileError` or `WrongPassphraseError`.
    """
    # A hospital whose ledger runs in its own process has none of the libraries that a node is spoken to with.
    from hmchain.application.node.opening import open_ledger

    key = load_key(SigningKey, key_file(folder.keys, role), passphrase)
    ledger = open_ledger(folder)
    try:
        yield LedgerUser(folder.settings().organisation, key, ledger, Outbox(folder, talk))
    finally:
        ledger.close()


def open_steward(
    folder: NodeFolder, passphrase: str | None = None, talk: Talk = SILENT
) -> AbstractContextManager[LedgerUser]:
    """The steward of a running node. Raises what `open_user` raises."""
    return open_user(folder, STEWARD, passphrase, talk)


def open_scientist(
    folder: NodeFolder, passphrase: str | None = None, talk: Talk = SILENT
) -> AbstractContextManager[LedgerUser]:
    """The scientist of a running node. Raises what `open_user` raises."""
    return open_user(folder, SCIENTIST, passphrase, talk)
