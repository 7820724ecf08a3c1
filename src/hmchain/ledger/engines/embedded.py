"""The embedded engine: every validator of the consortium in one process, each with its own state.

A proposer is elected, builds and signs a block; every validator executes it on its own state and votes; more than two
thirds of the power decide. One voting step is enough because delivery inside a process is reliable; nothing more is
claimed. The signature check of a transaction is shared and runs in threads; execution is not shared.

Crash safety: a decided block is durable in the block store before any validator's state commits it. On opening, a state
that lags is brought up by executing the blocks it misses, and compared with what was signed.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import IO

from hmchain.canonical import encode
from hmchain.errors import LedgerError
from hmchain.keys import SigningKey
from hmchain.ledger import genesis as genesis_file
from hmchain.ledger import proposer
from hmchain.ledger.blocks import (
    ABSENT,
    COMMIT,
    NIL,
    Block,
    BlockInput,
    BlockResult,
    Commit,
    DoubleSign,
    Event,
    Evidence,
    InvalidProposal,
    Receipt,
    SignedVote,
    Vote,
    make_block,
    make_header,
    proposal_bytes,
    vote_bytes,
)
from hmchain.ledger.contracts import standings
from hmchain.ledger.engines.block_store import BlockStore
from hmchain.ledger.genesis import Genesis
from hmchain.ledger.state import State
from hmchain.ledger.transactions import Authentic, Refusal, authenticate
from hmchain.ledger.transition import Machine

BLOCK_TRANSACTIONS_MAX = 2000
BLOCK_BYTES_MAX = 4 << 20
MEMPOOL_TRANSACTIONS_MAX = 50_000
ROUNDS_MAX = 64
_BATCH = 128


class SecondWriterError(LedgerError):
    """Another process writes this ledger."""

    code = "second_writer"


class RefusedError(LedgerError):
    """The ledger does not take this transaction; `refusal` is the code."""

    code = "refused"

    def __init__(self, refusal: str) -> None:
        super().__init__(f"the transaction is refused: {refusal}", "docs/errors.md explains the code")
        self.refusal = refusal


class NoQuorumError(LedgerError):
    """No block could be decided: too little voting power is honest and awake."""

    code = "no_quorum"


class DivergenceError(LedgerError):
    """A stored block does not give the state that was signed."""

    code = "divergence"


class Behaviour(Enum):
    """What a validator does; all but the first are faults that can be injected."""

    HONEST = "honest"
    SILENT = "silent"
    """Neither proposes nor votes."""
    INVALID_BLOCK = "invalid block"
    """As proposer, signs a block whose state gives itself the best reputation."""
    EQUIVOCATE = "equivocate"
    """Votes for two different blocks in one round."""
    WITHHOLD_VOTES = "withhold votes"
    """As proposer, leaves one honest validator's vote out of the last commit."""


@dataclass(slots=True)
class Validator:
    """One validator in this process."""

    name: str
    key: SigningKey | None
    machine: Machine
    behaviour: Behaviour = Behaviour.HONEST

    @property
    def state(self) -> State:
        """Its own state."""
        return self.machine.state

    @property
    def votes(self) -> bool:
        """Whether it takes part in voting at all."""
        return self.key is not None and self.behaviour is not Behaviour.SILENT

    def sign(self, message: bytes) -> bytes:
        """Sign as this validator; empty if its key is not in this process."""
        return self.key.sign(message) if self.key else b""


def _clock_ms() -> int:
    return time.time_ns() // 1_000_000


class EmbeddedLedger:
    """A ledger in a directory, written by this process.

    `clock_ms` gives the proposers' time; tests and simulations pass their own.
    """

    def __init__(
        self,
        directory: Path,
        validator_keys: Mapping[str, SigningKey],
        *,
        clock_ms: Callable[[], int] = _clock_ms,
        threads: int | None = None,
    ) -> None:
        self._lock = _lock(directory)
        try:
            self.genesis = genesis_file.load(directory / "genesis.json")
            self.store = BlockStore(directory / "blocks.db")
            self._clock_ms = clock_ms
            self._pool = ThreadPoolExecutor(threads or os.cpu_count() or 1, thread_name_prefix="signatures")
            self._checked: dict[bytes, Authentic] = {}
            self._mempool: dict[bytes, Authentic] = {}
            self._evidence: list[Evidence] = []
            self.validators: dict[str, Validator] = {}
            self._directory, self._keys = directory, dict(validator_keys)
            last = self.store.get(self.store.height)
            self.height = last.height if last else 0
            self._previous = last.block.header.hash if last else self.genesis.digest
            self._time_ms = last.block.header.time_ms if last else self.genesis.time_ms
            self._commit = last.commit if last else None
            for member in self.genesis.members:
                self._add_validator(member.organisation)
            self._follow_members()
        except BaseException:
            self._lock.close()
            raise

    @classmethod
    def create(
        cls,
        directory: Path,
        genesis: Genesis,
        validator_keys: Mapping[str, SigningKey],
        *,
        clock_ms: Callable[[], int] = _clock_ms,
    ) -> EmbeddedLedger:
        """Found a ledger in `directory`. Raises `LedgerError` if there is one already."""
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / "genesis.json"
        if path.exists():
            raise LedgerError(f"there is a ledger in {directory}", "open it, or choose another directory")
        genesis_file.save(genesis, path)
        return cls(directory, validator_keys, clock_ms=clock_ms)

    # -- reading ---------------------------------------------------------------------------------------------------

    @property
    def chain_id(self) -> str:
        """The chain's name."""
        return self.genesis.chain_id

    @property
    def state(self) -> State:
        """A validator's committed state, to read from between blocks."""
        return next(iter(self.validators.values())).state

    @property
    def time_ms(self) -> int:
        """Time of the last block."""
        return self._time_ms

    def now_ms(self) -> int:
        """The time the next block would have."""
        return max(self._clock_ms(), self._time_ms + 1)

    def events(self, first: int) -> list[tuple[int, Event]]:
        """Events of all blocks from height `first` on: the stream that agents and pages follow."""
        found: list[tuple[int, Event]] = []
        for stored in self.store.blocks(first):
            result = stored.result
            found += [(stored.height, event) for receipt in result.receipts for event in receipt.events]
            found += [(stored.height, event) for event in result.events]
        return found

    # -- transactions ----------------------------------------------------------------------------------------------

    def submit(self, wire: bytes) -> bytes:
        """Take a transaction for the next block and return its digest. Raises `RefusedError`."""
        try:
            return self._admit(authenticate(wire, self.chain_id))
        except Refusal as refusal:
            raise RefusedError(refusal.code) from None

    def submit_many(self, wires: Sequence[bytes]) -> list[bytes | RefusedError]:
        """Take many; signatures are checked in threads. Digests, or errors in place of what is refused."""
        batches = [wires[start : start + _BATCH] for start in range(0, len(wires), _BATCH)]
        answers: list[bytes | RefusedError] = []
        for batch in self._pool.map(self._authenticate_batch, batches):
            for item in batch:
                try:
                    answers.append(item if isinstance(item, RefusedError) else self._admit(item))
                except Refusal as refusal:
                    answers.append(RefusedError(refusal.code))
        return answers

    def _authenticate_batch(self, wires: Sequence[bytes]) -> list[Authentic | RefusedError]:
        checked: list[Authentic | RefusedError] = []
        for wire in wires:
            try:
                checked.append(authenticate(wire, self.chain_id))
            except Refusal as refusal:
                checked.append(RefusedError(refusal.code))
        return checked

    def _admit(self, transaction: Authentic) -> bytes:
        if len(self._mempool) >= MEMPOOL_TRANSACTIONS_MAX:
            raise Refusal("mempool_full")
        if transaction.digest in self._mempool:
            raise Refusal("duplicate")
        next(iter(self.validators.values())).machine.check(transaction, self.now_ms())
        self._mempool[transaction.digest] = transaction
        return transaction.digest

    def _authentic(self, wire: bytes, chain_id: str) -> Authentic:
        """The shared signature check: done at submission, done again only for what a proposer made up."""
        return self._checked.get(wire) or authenticate(wire, chain_id)

    # -- blocks ----------------------------------------------------------------------------------------------------

    def set_behaviour(self, validator: str, behaviour: Behaviour) -> None:
        """Inject a fault into a validator, or heal it."""
        self.validators[validator].behaviour = behaviour

    def produce_block(self) -> tuple[Block, BlockResult] | None:
        """Decide one block from the waiting transactions; None if nothing waits.

        Raises `NoQuorumError` if no round decides, `LedgerFullError` if the disk is full; what waits is kept.
        """
        if not self._mempool and not self._evidence:
            return None
        taken = self._take()
        self._checked = {transaction.wire: transaction for transaction in taken}
        turns = proposer.proposers_of_rounds(self._validator_set(), ROUNDS_MAX)
        for round_, name in enumerate(turns):
            decided = self._try_round(round_, name, tuple(transaction.wire for transaction in taken))
            if decided is not None:
                self._finish(*decided)
                for transaction in taken:
                    self._mempool.pop(transaction.digest, None)
                return decided[0], decided[2]
        raise NoQuorumError("no block was decided: less than two thirds of the voting power agreed", "wake validators")

    def _take(self) -> list[Authentic]:
        taken: list[Authentic] = []
        size = 0
        for transaction in self._mempool.values():
            size += len(transaction.wire)
            if len(taken) == BLOCK_TRANSACTIONS_MAX or size > BLOCK_BYTES_MAX:
                break
            taken.append(transaction)
        return taken

    def _validator_set(self) -> proposer.Validators:
        return standings.validators_at(self.state, self.height + 1)

    def _try_round(
        self, round_: int, name: str, transactions: tuple[bytes, ...]
    ) -> tuple[Block, Commit, BlockResult] | None:
        """One voting round: propose, execute everywhere, vote. None if it fails."""
        author = self.validators[name]
        if not author.votes:
            return None
        block, result, signature = self._propose(author, round_, transactions)
        votes, signatures = self._vote(block, author)
        commit = Commit(block.header.height, round_, block.header.hash, votes, signatures)
        if self._has_quorum(commit):
            return block, commit, result
        for validator in self.validators.values():
            validator.machine.rollback()
        self._evidence.append(InvalidProposal(encode(block), signature))
        return None

    def _propose(
        self, author: Validator, round_: int, transactions: tuple[bytes, ...]
    ) -> tuple[Block, BlockResult, bytes]:
        last_round, last_votes = self._last_commit(author)
        inputs = BlockInput(
            self.height + 1, self.now_ms(), author.name, last_round, last_votes, tuple(self._evidence), transactions
        )
        result = author.machine.execute(inputs, self._authentic)
        if author.behaviour is Behaviour.INVALID_BLOCK:
            standings.forge(author.state, author.name)
        commitment = author.state.commitment()
        header = make_header(self.chain_id, inputs, round_, self._previous, result, commitment)
        return make_block(header, inputs), result, author.sign(proposal_bytes(header))

    def _last_commit(self, author: Validator) -> tuple[int, tuple[Vote, ...]]:
        if self._commit is None:
            return 0, ()
        votes = list(self._commit.votes)
        if author.behaviour is Behaviour.WITHHOLD_VOTES:
            victims = [i for i, vote in enumerate(votes) if vote.flag == COMMIT and vote.validator != author.name]
            if victims:
                votes[victims[0]] = Vote(votes[victims[0]].validator, ABSENT)
        return self._commit.round, tuple(votes)

    def _vote(self, block: Block, author: Validator) -> tuple[tuple[Vote, ...], tuple[bytes, ...]]:
        """Every validator executes the block on its own state and signs it if it gets the same roots."""
        header = block.header
        message = vote_bytes(self.chain_id, header.height, header.round, header.hash)
        votes, signatures = [], []
        for entry in self._validator_set():
            validator = self.validators[entry.id]
            if not validator.votes:
                agrees, flag = False, ABSENT
            else:
                agrees = validator is author or self._agrees(validator, block)
                flag = COMMIT if agrees else NIL
            votes.append(Vote(entry.id, flag))
            signatures.append(validator.sign(message) if agrees else b"")
            if agrees and validator.behaviour is Behaviour.EQUIVOCATE:
                self._report_double_sign(
                    validator, SignedVote(header.height, header.round, header.hash, signatures[-1])
                )
        return tuple(votes), tuple(signatures)

    def _agrees(self, validator: Validator, block: Block) -> bool:
        result = validator.machine.execute(block.input, self._authentic)
        header = block.header
        return result.root == header.receipts_root and validator.state.commitment() == header.state_commitment

    def _report_double_sign(self, validator: Validator, first: SignedVote) -> None:
        """The equivocator signs another block hash too; the others see both votes and keep the evidence."""
        other = bytes(byte ^ 0xFF for byte in first.block_hash)
        signature = validator.sign(vote_bytes(self.chain_id, first.height, first.round, other))
        second = SignedVote(first.height, first.round, other, signature)
        self._evidence.append(DoubleSign(validator.name, first, second))
        validator.behaviour = Behaviour.HONEST

    def _has_quorum(self, commit: Commit) -> bool:
        powers = {entry.id: entry.power for entry in self._validator_set()}
        given = sum(powers[vote.validator] for vote in commit.votes if vote.flag == COMMIT)
        return 3 * given > 2 * sum(powers.values())

    def _finish(self, block: Block, commit: Commit, result: BlockResult) -> None:
        """Make the block durable, then let every state commit it; a state that did not execute it does now."""
        included = set(block.evidence)
        try:
            self.store.append(block, commit, result)
        except LedgerError:
            for validator in self.validators.values():
                validator.machine.rollback()
            raise
        height = block.header.height
        for vote in commit.votes:
            validator = self.validators[vote.validator]
            if vote.flag != COMMIT:
                self._catch_up(validator, block)
        for name in sorted(set(self.validators) - {vote.validator for vote in commit.votes}):
            self._catch_up(self.validators[name], block)
        for validator in self.validators.values():
            validator.machine.commit(height)
        self._evidence = [evidence for evidence in self._evidence if evidence not in included]
        # An invalid proposal proves something only on the state it was made for.
        self._evidence = [evidence for evidence in self._evidence if isinstance(evidence, DoubleSign)]
        self.height, self._previous, self._time_ms = height, block.header.hash, block.header.time_ms
        self._commit = commit
        self._checked = {}
        self._follow_members()

    def _catch_up(self, validator: Validator, block: Block) -> None:
        validator.machine.rollback()
        if not self._agrees(validator, block):
            raise DivergenceError(
                f"{validator.name} gets another state from block {block.header.height} than was signed",
                "run `hmchain audit verify`; delete that validator's state to have it replayed",
            )

    # -- validators --------------------------------------------------------------------------------------------------

    def _follow_members(self) -> None:
        """Give every validator of the set a state of its own."""
        for entry in (*self._validator_set(), *standings.validators_at(self.state, self.height + 2)):
            if entry.id not in self.validators:
                self._add_validator(entry.id)

    def _add_validator(self, name: str) -> None:
        directory = self._directory / "validators"
        directory.mkdir(exist_ok=True)
        state = State(directory / f"{name}.db")
        machine = Machine(state, self.chain_id)
        validator = Validator(name, self._keys.get(name), machine)
        self.validators[name] = validator
        if state.height == 0 and not any(True for _ in state.snapshot()):
            genesis_file.initialise(state, self.genesis)
            machine.commit(0)
        for stored in self.store.blocks(state.height + 1):
            self._catch_up(validator, stored.block)
            machine.commit(stored.height)

    def receipt(self, digest: bytes) -> Receipt | None:
        """The receipt of a transaction that is in a block, or None."""
        place = self.store.find(digest)
        stored = self.store.get(place[0]) if place else None
        return stored.result.receipts[place[1]] if place and stored else None

    def close(self) -> None:
        """Release the ledger."""
        for validator in self.validators.values():
            validator.state.close()
        self.store.close()
        self._pool.shutdown()
        self._lock.close()

    def __enter__(self) -> EmbeddedLedger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _lock(directory: Path) -> IO[str]:
    """Hold the directory's lock for as long as the returned file is open."""
    if not directory.is_dir():
        raise LedgerError(f"there is no ledger at {directory}", "give the directory of a ledger")
    file = (directory / "lock").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise SecondWriterError(
            f"another process writes the ledger in {directory}", "wait for it, or stop it; reading is always possible"
        ) from error
    return file
