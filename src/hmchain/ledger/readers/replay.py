"""The offline audit: replay a whole ledger from genesis and believe nothing that is stored.

Every signature, link, root and state commitment is computed again. State lives in a temporary database, so memory does
not grow with the ledger; the signatures of the next blocks are checked in threads while a block is executed.
"""

from __future__ import annotations

import tempfile
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from hmchain.canonical import NotCanonicalError, Record, decode, encode
from hmchain.errors import AuditError
from hmchain.keys import ED25519, PublicKey
from hmchain.ledger import genesis as genesis_file
from hmchain.ledger.blocks import COMMIT, OK, Block, BlockResult, Commit
from hmchain.ledger.chain import InvalidBlockError, Tip, check_block, check_commit
from hmchain.ledger.contracts.learning import models
from hmchain.ledger.contracts.learning.models import Model
from hmchain.ledger.contracts.members import standings
from hmchain.ledger.engines import beginning
from hmchain.ledger.engines.block_store import BlockStore, BlockStoreError, IndexCheck, StoredBlock
from hmchain.ledger.engines.signatures import Answer, SignatureThreads, results
from hmchain.ledger.genesis import Genesis, GenesisError
from hmchain.ledger.state import State
from hmchain.ledger.transactions import Authentic, Refusal, authenticate
from hmchain.ledger.transition import Machine
from hmchain.ledger.unreadable import UnreadableError
from hmchain.plain import Progress

_R = TypeVar("_R", bound=Record)

_BLOCKS_AHEAD = 2
_RESTORE = "compare it with another member's copy, and restore it from there"


class AnchorMismatchError(AuditError):
    """The ledger is not the one that the anchor names: another chain, or a wholly rewritten one."""

    code = "anchor_mismatch"


class DefectError(AuditError):
    """Something in a block does not hold; `height` and `what` name the first such thing."""

    code = "defect"

    def __init__(self, height: int, what: str) -> None:
        super().__init__(f"block {height}: {what}", _RESTORE)
        self.height = height


class DamagedLedgerError(AuditError):
    """A file of the ledger holds what no ledger does."""

    code = "damaged_ledger"


@dataclass(frozen=True, slots=True)
class TrustedHeader:
    """A block that the auditor knows from elsewhere: an anchor as good as the genesis digest."""

    height: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class AuditReport:
    """The outcome of an audit: what was checked, against what, and what that does not prove."""

    chain_id: str
    genesis: bytes
    """Digest of the genesis that was replayed."""
    anchor: str
    """What the ledger was compared with, in words."""
    anchored: bool
    height: int
    head: bytes
    """Hash of the last header: compare it with other members', or keep it as the next audit's anchor."""
    commitment: bytes
    """State commitment after the last block, recomputed."""
    transactions: int
    refused: int
    """How many of them have a receipt that refuses them."""
    transaction_signatures: int
    vote_signatures: int
    evidence: int
    models: tuple[Model, ...]
    """What the studies produced: a model file belongs to this ledger if its root is among these."""
    checked: tuple[str, ...]
    not_proven: tuple[str, ...]
    begins_after: int = 0
    """The block after which the log begins, with the state that it led to; 0 for a log from the genesis on."""
    earlier: tuple[bytes, ...] = ()
    """Digests of the geneses of chains that this one was founded again from."""
    unsigned: tuple[str, ...] = ()
    """In words, of blocks at the end that no header at hand signs."""

    @property
    def missing(self) -> tuple[str, ...]:
        """Parts of the ledger that nobody audited, in words, as in `not_proven` too; empty if it is whole."""
        before = f"all that happened up to block {self.begins_after}: this log begins after it"
        return (*((before,) if self.begins_after else ()), *self.unsigned)

    def __str__(self) -> str:
        signatures = self.transaction_signatures + self.vote_signatures
        held = f"{self.chain_id}: {self.height} blocks and {signatures} signatures hold, compared with {self.anchor}"
        return f"{held}; NOT AUDITED: {'; '.join(self.missing)}" if self.missing else held


@dataclass(slots=True)
class _Counts:
    transactions: int = 0
    refused: int = 0
    vote_signatures: int = 0
    evidence: int = 0


def verify(
    directory: Path,
    anchor: bytes | None = None,
    *,
    trusted: TrustedHeader | None = None,
    progress: Progress | None = None,
    threads: int | None = None,
) -> AuditReport:
    """Replay the ledger in `directory` and check everything.

    `anchor` is the genesis digest that was printed when the network was made; `trusted` a block known from elsewhere.
    With neither, a wholly rewritten ledger would pass, and the report says so.

    Raises `AnchorMismatchError`, `DefectError` or `DamagedLedgerError` for the first thing that does not hold,
    `UnreadableError` for what cannot be opened.
    """
    with tempfile.TemporaryDirectory(prefix="hmchain-audit-") as scratch:
        return replay(
            directory, Path(scratch) / "state.db", anchor, trusted=trusted, progress=progress, threads=threads
        )


def replay(
    directory: Path,
    place: Path,
    anchor: bytes | None = None,
    *,
    trusted: TrustedHeader | None = None,
    progress: Progress | None = None,
    threads: int | None = None,
) -> AuditReport:
    """As `verify`, and leave the state that the blocks lead to at `place`."""
    with findings():
        genesis = genesis_file.load(directory / genesis_file.FILE)
        check_anchor(genesis, anchor)
        store = BlockStore(directory / "blocks.db", read_only=True)
        store.freeze()
        state = State(place, durable=False)
        signatures = SignatureThreads(genesis.chain_id, threads)
        try:
            beginning.begin(state, genesis, directory)
            audit = _Replay(genesis, state, trusted)
            audit.run(store, signatures, progress)
            return audit.report(anchor)
        finally:
            signatures.close()
            state.close()
            store.close()


class _Replay:
    """One pass over the blocks of a ledger."""

    def __init__(self, genesis: Genesis, state: State, trusted: TrustedHeader | None) -> None:
        self._genesis = genesis
        self._trusted = trusted
        self._machine = Machine(state, genesis.chain_id)
        self._tip = Tip(genesis.chain_id, genesis.height, genesis.time_ms, genesis.digest, None)
        self._counts = _Counts()

    def run(self, store: BlockStore, signatures: SignatureThreads, progress: Progress | None) -> None:
        """Check every block in order."""
        last, index = store.height, IndexCheck(store)
        for stored, block, answers in _ahead(store, signatures, self._tip.height + 1):
            index.follow(stored.height, self._check(stored, block, answers))
            if progress:
                progress(stored.height, last)
        index.finish()
        if self._trusted and self._trusted.height > self._tip.height:
            raise AnchorMismatchError(
                f"the ledger ends at height {self._tip.height}, before the trusted block {self._trusted.height}",
                _RESTORE,
            )

    def _check(self, stored: StoredBlock, block: Block, answers: dict[bytes, Answer]) -> BlockResult:
        height, header = self._tip.height + 1, block.header
        commit = _decoded(height, stored.commit_bytes, Commit)
        _require(stored.height == height, height, f"it is missing; block {stored.height} follows the one before it")
        state = self._machine.state
        validators = standings.validators_at(state, height)
        try:
            check_block(self._tip, block, validators)
            check_commit(commit, header, validators, _keys(state, height))
        except InvalidBlockError as error:
            raise DefectError(height, error.what) from None
        if self._trusted and self._trusted.height == height and self._trusted.hash != header.hash:
            raise AnchorMismatchError(f"block {height} is not the trusted one", _RESTORE)
        result = self._machine.execute(block.input, _looked_up(answers))
        _require(result.root == header.receipts_root, height, "executing it gives other receipts than were signed")
        commitment = state.commitment()
        _require(commitment == header.state_commitment, height, "executing it gives another state than was signed")
        _require(encode(result) == stored.result_bytes, height, "the stored receipts are not what executing it gives")
        self._machine.commit(height)
        self._tip = self._tip.after(header, commit)
        self._count(block, result, commit)
        return result

    def _count(self, block: Block, result: BlockResult, commit: Commit) -> None:
        counts = self._counts
        counts.transactions += len(block.transactions)
        counts.refused += sum(receipt.code != OK for receipt in result.receipts)
        counts.vote_signatures += sum(vote.flag == COMMIT for vote in commit.votes)
        counts.evidence += len(block.evidence)

    def report(self, anchor: bytes | None) -> AuditReport:
        """The findings of a pass that found nothing wrong."""
        counts, state, tip = self._counts, self._machine.state, self._tip
        anchored = anchor is not None or self._trusted is not None
        return AuditReport(
            chain_id=self._genesis.chain_id,
            genesis=self._genesis.digest,
            anchor=anchor_words(anchor, self._trusted),
            anchored=anchored,
            height=tip.height,
            head=tip.hash,
            commitment=state.commitment(),
            transactions=counts.transactions,
            refused=counts.refused,
            transaction_signatures=counts.transactions,
            vote_signatures=counts.vote_signatures,
            evidence=counts.evidence,
            models=tuple(models.models(state)),
            checked=_CHECKED,
            not_proven=NOT_PROVEN if anchored else (REWRITTEN, *NOT_PROVEN),
        )


_CHECKED = (
    "every block links to the one before it, in order of height and time",
    "every block was proposed by the validator whose turn it was",
    "more than two thirds of the voting power signed every block",
    "every transaction's signature, and every proof of misbehaviour",
    "executing every block again gives the receipts and the state that were signed",
    "the stored receipts are those that were signed",
    "the index finds every transaction where it is, and nothing else",
)
REWRITTEN = "that this is the ledger you know: without an anchor a wholly rewritten one would pass"
NOT_PROVEN = (
    "that the data behind the digests was good, or that it ever existed",
    "that no block was cut off at the end: compare the last height and hash with another member's",
    "that validators with a third of the voting power or more did not sign two histories: compare hashes",
    "when things happened: times are the proposers'",
)


def anchor_words(anchor: bytes | None, trusted: TrustedHeader | None) -> str:
    """The anchor of an audit, in words."""
    words = [f"genesis {anchor.hex()}"] if anchor is not None else []
    words += [f"block {trusted.height} with hash {trusted.hash.hex()}"] if trusted else []
    return " and ".join(words) or "none"


def check_anchor(genesis: Genesis, anchor: bytes | None) -> None:
    """Raise `AnchorMismatchError` if a genesis is not the one that the anchor names."""
    if anchor is not None and anchor != genesis.digest:
        raise AnchorMismatchError(
            f"the ledger starts from genesis {genesis.digest.hex()}, the anchor is {anchor.hex()}",
            "this is another ledger, or a rewritten one; fetch the right one from another member",
        )


def _ahead(
    store: BlockStore, signatures: SignatureThreads, first: int
) -> Iterator[tuple[StoredBlock, Block, dict[bytes, Answer]]]:
    """Blocks in order, each with its checked transactions; a few blocks ahead are being checked meanwhile."""
    waiting: deque[tuple[StoredBlock, Block, list[Future[list[Answer]]]]] = deque()

    def next_() -> tuple[StoredBlock, Block, dict[bytes, Answer]]:
        stored, block, started = waiting.popleft()
        return stored, block, dict(zip(block.transactions, results(started), strict=True))

    for height, stored in enumerate(store.blocks(), start=first):
        if len(waiting) == _BLOCKS_AHEAD:
            yield next_()
        block = _decoded(height, stored.block_bytes, Block)
        waiting.append((stored, block, signatures.start(block.transactions)))
    while waiting:
        yield next_()


def _looked_up(answers: dict[bytes, Answer]) -> Callable[[bytes, str], Authentic]:
    def authenticator(wire: bytes, chain_id: str) -> Authentic:
        answer = answers.get(wire) or authenticate(wire, chain_id)
        if isinstance(answer, Refusal):
            raise Refusal(answer.code)
        return answer

    return authenticator


def _keys(state: State, height: int) -> dict[str, PublicKey]:
    return {name: PublicKey(ED25519, key) for name, key in standings.voting_keys(state, height).items()}


def _decoded(height: int, data: bytes, kind: type[_R]) -> _R:
    try:
        return decode(data, kind)
    except (NotCanonicalError, TypeError):  # SQLite takes text for bytes
        raise DefectError(height, f"its stored {kind.__name__.lower()} is damaged") from None


def _require(condition: bool, height: int, what: str) -> None:
    if not condition:
        raise DefectError(height, what)


@contextmanager
def findings() -> Iterator[None]:
    """Name damage as the audit's own finding; what cannot be opened is none, nor is a lack of room."""
    try:
        yield
    except UnreadableError:
        raise
    except (BlockStoreError, GenesisError) as error:
        raise DamagedLedgerError(error.what, error.hint) from error
