"""A hospital's people at its running node: who speaks for it on the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

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

    @property
    def node(self) -> OwnNode:
        """The hospital's node."""
        return OwnNode(self.ledger, self.organisation)

    @property
    def state(self) -> State:
        """The state of the hospital's node."""
        return self.node.state

    def send(self, body: contracts.Body) -> None:
        """Send a transaction and wait for its block. Raises `RefusedTransactionError`, and what the signer raises."""
        require(self.ledger, [signed(self.signer, self.node, body)])


@contextmanager
def open_user(folder: NodeFolder, role: str, passphrase: str | None = None) -> Iterator[LedgerUser]:
    """The person whose key of a role lies in a running node's folder.

    Raises what `open_ledger` raises, `KeyFileError` or `WrongPassphraseError`.
    """
    # A hospital whose ledger runs in its own process has none of the libraries that a node is spoken to with.
    from hmchain.application.node.opening import open_ledger

    key = load_key(SigningKey, key_file(folder.keys, role), passphrase)
    ledger = open_ledger(folder)
    try:
        yield LedgerUser(folder.settings().organisation, key, ledger)
    finally:
        ledger.close()


def open_steward(folder: NodeFolder, passphrase: str | None = None) -> AbstractContextManager[LedgerUser]:
    """The steward of a running node. Raises what `open_user` raises."""
    return open_user(folder, STEWARD, passphrase)


def open_scientist(folder: NodeFolder, passphrase: str | None = None) -> AbstractContextManager[LedgerUser]:
    """The scientist of a running node. Raises what `open_user` raises."""
    return open_user(folder, SCIENTIST, passphrase)
