"""One interface of all engines for those who write to a ledger and read it.

A transaction takes three steps: it is prepared for a sender, signed by whoever holds the sender's key, and sent.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import Protocol

from hmchain.canonical import Record, encode
from hmchain.clock import utc
from hmchain.errors import LedgerError, StudyError, UndecidedError
from hmchain.keys import PublicKey
from hmchain.ledger.blocks import OK, Block, BlockResult
from hmchain.ledger.genesis import Genesis
from hmchain.ledger.refusals import refusal_hint, refusal_words
from hmchain.ledger.state import State
from hmchain.ledger.transactions import NONCE_BYTES, Prepared, Transaction, read, transaction_digest

OnBlock = Callable[[Block, BlockResult], None]
EXPIRY_MS = 600_000


class RefusedError(LedgerError):
    """The ledger does not take this transaction; `refusal` is the code."""

    code = "refused"

    def __init__(self, refusal: str) -> None:
        super().__init__(f"the transaction is refused: {refusal_words(refusal)}", refusal_hint(refusal))
        self.refusal = refusal


class RefusedTransactionError(StudyError):
    """A transaction that had to succeed was refused; `refusal` is the code, where the ledger gave one."""

    code = "refused_transaction"

    def __init__(self, what: str, hint: str = "", refusal: str = "") -> None:
        super().__init__(what, hint)
        self.refusal = refusal


def refused(code: str) -> RefusedTransactionError:
    """The error for a transaction whose receipt has this code."""
    return RefusedTransactionError(f"a transaction was refused: {refusal_words(code)}", refusal_hint(code), code)


class NotIncludedError(UndecidedError):
    """A transaction is in no block yet. It is not refused: it may still come into one until it expires."""

    code = "not_included"


class Ledger(Protocol):
    """One chain, through an engine; `EmbeddedLedger` and `CometLedger` are such."""

    genesis: Genesis

    @property
    def chain_id(self) -> str:
        """The chain's name."""

    @property
    def state(self) -> State:
        """A committed state, to read from between blocks."""

    def state_of(self, organisation: str) -> State:
        """The committed state of one hospital's own validator."""

    @property
    def waiting(self) -> bool:
        """Whether transactions that were submitted here are in no block yet."""

    def now_ms(self) -> int:
        """The time the next block would have."""

    def submit(self, wire: bytes) -> bytes:
        """Take a transaction for a block and return its digest. Raises `RefusedError`."""

    def submit_many(self, wires: Sequence[bytes]) -> list[bytes | RefusedError]:
        """Take many: digests, or errors in place of what is refused."""

    def produce_block(self) -> tuple[Block, BlockResult] | None:
        """The next block, once it is decided; None if there is none to expect."""

    def close(self) -> None:
        """Release everything."""


class Node(Protocol):
    """A hospital's own node of the ledger, as those who act for the hospital read it."""

    chain_id: str

    @property
    def state(self) -> State:
        """The committed state."""

    def now_ms(self) -> int:
        """The time the next block would have."""


class OwnNode:
    """One organisation's own node: its validator's state, through a ledger."""

    def __init__(self, ledger: Ledger, organisation: str) -> None:
        self._ledger = ledger
        self._organisation = organisation
        self.chain_id = ledger.chain_id

    @property
    def state(self) -> State:
        """The committed state of the organisation's validator."""
        return self._ledger.state_of(self._organisation)

    def now_ms(self) -> int:
        """The time the next block would have."""
        return self._ledger.now_ms()


class Signer(Protocol):
    """Holder of a sender's key: `keys.SigningKey` is one; a token, a browser or a file may be another.

    Signing takes two steps: `prepare` gives the whole transaction, whose bytes say all that is signed (in words by
    `application.node.meaning`); `Prepared.attach` takes the signature. Only what is between them needs the key.
    """

    @property
    def public(self) -> PublicKey:
        """The sender's public key."""

    def sign(self, message: bytes) -> bytes:
        """The signature (64 bytes) of `Prepared.message`, which says all that is signed. Raises what prevents it."""


def prepare(
    sender: PublicKey,
    node: Node,
    body: Record,
    random: Callable[[int], bytes] = secrets.token_bytes,
    life_ms: int = EXPIRY_MS,
) -> Prepared:
    """A transaction of `sender` that expires in ten minutes, or in `life_ms`, for whoever holds the key to sign."""
    expires_ms = node.now_ms() + life_ms
    return Prepared(
        Transaction(node.chain_id, sender.algorithm, sender.raw, random(NONCE_BYTES), expires_ms, encode(body))
    )


def signed(signer: Signer, node: Node, body: Record, random: Callable[[int], bytes] = secrets.token_bytes) -> bytes:
    """The wire form of a transaction that expires in ten minutes. Raises what the signer raises."""
    prepared = prepare(signer.public, node, body, random)
    return prepared.attach(signer.sign(prepared.message))


def submit(ledger: Ledger, wires: Sequence[bytes], on_block: OnBlock = lambda block, result: None) -> list[str]:
    """Put transactions into the next block and return their receipt codes, in order; each block is told `on_block`.

    Raises `RefusedTransactionError` for one that the ledger does not even take, and `NotIncludedError` if no block
    comes in time.
    """
    digests = []
    for wire in wires:
        try:
            digests.append(ledger.submit(wire))
        except RefusedError as error:
            raise RefusedTransactionError(error.what, error.hint, error.refusal) from error
    codes: dict[bytes, str] = {}
    while not codes.keys() >= set(digests):
        decided = ledger.produce_block()
        if decided is None:
            raise _not_included(
                ledger, next(wire for wire, digest in zip(wires, digests, strict=True) if digest not in codes)
            )
        on_block(*decided)
        codes.update((receipt.transaction, receipt.code) for receipt in decided[1].receipts)
    return [codes[digest] for digest in digests]


def _not_included(ledger: Ledger, wire: bytes) -> NotIncludedError:
    transaction = read(wire, ledger.chain_id).transaction
    return NotIncludedError(
        f"transaction {transaction_digest(wire).hex()} is in no block yet, and may still come into one until "
        f"{utc(transaction.expires_ms)} UTC",
        "see what became of it before something else is sent: `hmchain node status` shows whether blocks are decided",
    )


def offer(ledger: Ledger, wires: Sequence[bytes], on_block: OnBlock = lambda block, result: None) -> bool:
    """Put transactions into blocks until none waits, dropping what the ledger does not take; False if no block came."""
    ledger.submit_many(wires)
    while (decided := ledger.produce_block()) is not None:
        on_block(*decided)
        if not ledger.waiting:
            return True
    return False


def require(ledger: Ledger, wires: Sequence[bytes], on_block: OnBlock = lambda block, result: None) -> None:
    """As `submit`, and raise `RefusedTransactionError` unless all succeed."""
    for code in submit(ledger, wires, on_block):
        if code != OK:
            raise refused(code)
