"""The embedded engine: every validator of the consortium in one process, each with its own state.

A proposer is elected, builds and signs a block; every validator executes it on its own state and votes; more than two
thirds of the power decide. One voting step is enough because delivery inside a process is reliable; nothing more is
claimed. The signature check of a transaction is shared and runs in threads; execution is not shared.

Crash safety: a decided block is durable in the block store before any validator's state commits it. On opening, a state
that lags is brought up by executing the blocks it misses, and compared with what was signed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from pathlib import Path

from hmchain import files
from hmchain.canonical import encode
from hmchain.clock import now_ms
from hmchain.errors import LedgerError
from hmchain.keys import SigningKey
from hmchain.ledger import genesis as genesis_file
from hmchain.ledger import proposer, protocols
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
from hmchain.ledger.chain import (
    BLOCK_BYTES_MAX,
    BLOCK_TRANSACTIONS_MAX,
    ROUNDS_MAX,
    Tip,
    has_quorum,
    room_beside,
)
from hmchain.ledger.contracts.members import standings
from hmchain.ledger.engines import beginning
from hmchain.ledger.engines.block_store import BLOCKS, BlockStore, SecondWriterError, hold
from hmchain.ledger.engines.ledger import RefusedError
from hmchain.ledger.engines.signatures import SignatureThreads
from hmchain.ledger.engines.validator import Behaviour, DivergenceError, Recovery, Validator
from hmchain.ledger.genesis import Genesis
from hmchain.ledger.state import State
from hmchain.ledger.transactions import Authentic, Refusal, authenticate

__all__ = [
    "Behaviour",
    "DivergenceError",
    "EmbeddedLedger",
    "NoQuorumError",
    "Recovery",
    "SecondWriterError",
    "Validator",
]

MEMPOOL_TRANSACTIONS_MAX = 50_000


class NoQuorumError(LedgerError):
    """No block could be decided: too little voting power is honest and awake."""

    code = "no_quorum"


class EmbeddedLedger:
    """A ledger in a directory, written by this process.

    `clock_ms` gives the proposers' time; tests and simulations pass their own. Opening raises `LedgerError` or
    `BlockStoreError` for what cannot be opened, `SecondWriterError` if another process has it, `DivergenceError`.
    """

    def __init__(
        self,
        directory: Path,
        validator_keys: Mapping[str, SigningKey],
        *,
        clock_ms: Callable[[], int] = now_ms,
        threads: int | None = None,
    ) -> None:
        self.genesis = genesis_file.load(directory / genesis_file.FILE)  # what needs another program stays untouched
        self.chain_id = self.genesis.chain_id
        self._lock = hold(directory)
        self.validators: dict[str, Validator] = {}
        try:
            self.store = BlockStore(directory / BLOCKS)
        except BaseException:
            self._lock.close()
            raise
        self.clock_ms = clock_ms
        self._signatures = SignatureThreads(self.chain_id, threads)
        self._checked: dict[bytes, Authentic] = {}
        self._mempool: dict[bytes, Authentic] = {}
        self.evidence: list[Evidence] = []
        self._directory, self._keys = directory, dict(validator_keys)
        try:
            self._tip = self._read_tip()
            for member in self.genesis.members:
                self._add_validator(member.organisation)
            self._follow_members()
            protocols.rules_at(self.state, self.height + 1)
        except BaseException:
            self.close()
            raise

    @classmethod
    def create(
        cls,
        directory: Path,
        genesis: Genesis,
        validator_keys: Mapping[str, SigningKey],
        *,
        clock_ms: Callable[[], int] = now_ms,
        carried: State | None = None,
    ) -> EmbeddedLedger:
        """Found a ledger in `directory`; one that is founded again begins with the `carried` state.

        Raises `LedgerError` if there is one already.
        """
        files.make_folder(directory)
        path = directory / genesis_file.FILE
        if path.exists():
            raise LedgerError(f"there is a ledger in {directory}", "open it, or choose another directory")
        if carried is not None:
            beginning.keep(carried, directory)
        genesis_file.save(genesis, path)
        return cls(directory, validator_keys, clock_ms=clock_ms)

    def _read_tip(self) -> Tip:
        genesis = self.genesis
        founding = Tip(genesis.chain_id, genesis.height, genesis.time_ms, genesis.digest, None)
        last = self.store.get(self.store.height)
        return founding.after(last.block.header, last.commit) if last else founding

    # -- reading ---------------------------------------------------------------------------------------------------

    @property
    def height(self) -> int:
        """Height of the last block, 0 before the first."""
        return self._tip.height

    @property
    def time_ms(self) -> int:
        """Time of the last block."""
        return self._tip.time_ms

    @property
    def state(self) -> State:
        """A validator's committed state, to read from between blocks."""
        return self._first.state

    def state_of(self, organisation: str) -> State:
        """The committed state of one validator."""
        return self.validators[organisation].state

    @property
    def waiting(self) -> bool:
        """Whether there are transactions that are in no block yet."""
        return bool(self._mempool)

    @property
    def recoveries(self) -> list[Recovery]:
        """States that were found damaged since this ledger was opened, and rebuilt from the blocks."""
        return [recovery for validator in self.validators.values() for recovery in validator.recoveries]

    @property
    def _first(self) -> Validator:
        return next(iter(self.validators.values()))

    def now_ms(self) -> int:
        """The time the next block would have."""
        return max(self.clock_ms(), self._tip.time_ms + 1)

    def events(self, first: int) -> list[tuple[int, Event]]:
        """Events of all blocks from height `first` on: the stream that agents and pages follow."""
        found: list[tuple[int, Event]] = []
        for stored in self.store.blocks(first):
            found += [(stored.height, event) for event in stored.result.all_events]
        return found

    def receipt(self, digest: bytes) -> Receipt | None:
        """The receipt of a transaction that is in a block, or None."""
        located = self.store.located(digest)
        return located[0].result.receipts[located[1]] if located else None

    # -- transactions ----------------------------------------------------------------------------------------------

    def submit(self, wire: bytes) -> bytes:
        """Take a transaction for the next block and return its digest. Raises `RefusedError`."""
        try:
            return self._admit(authenticate(wire, self.chain_id))
        except Refusal as refusal:
            raise RefusedError(refusal.code) from None

    def submit_many(self, wires: Sequence[bytes]) -> list[bytes | RefusedError]:
        """Take many; signatures are checked in threads. Digests, or errors in place of what is refused."""
        answers: list[bytes | RefusedError] = []
        for answer in self._signatures.check(wires):
            try:
                if isinstance(answer, Refusal):
                    raise answer
                answers.append(self._admit(answer))
            except Refusal as refusal:
                answers.append(RefusedError(refusal.code))
        return answers

    def _admit(self, transaction: Authentic) -> bytes:
        if len(self._mempool) >= MEMPOOL_TRANSACTIONS_MAX:
            raise Refusal("mempool_full")
        if transaction.digest in self._mempool:
            raise Refusal("duplicate")
        self._first.machine.check(transaction.transaction, self.now_ms())
        self._mempool[transaction.digest] = transaction
        return transaction.digest

    def _authentic(self, wire: bytes, chain_id: str) -> Authentic:
        """The shared signature check: done at submission, done again only for what a proposer made up."""
        return self._checked.get(wire) or authenticate(wire, chain_id)

    # -- blocks ----------------------------------------------------------------------------------------------------

    def set_behaviour(self, validator: str, behaviour: Behaviour) -> None:
        """Inject a fault into a validator, or heal it."""
        self.validators[validator].behaviour = behaviour

    def hold_key(self, organisation: str, key: SigningKey) -> None:
        """Give an organisation's validator another key to sign with, once its power is handed over to it."""
        self.validators[organisation].hold(key)

    def produce_block(self) -> tuple[Block, BlockResult] | None:
        """Decide one block from the waiting transactions; None if nothing waits.

        Raises `NoQuorumError` if no round decides, `LedgerFullError` or `StateError` if the disk is full: what waits
        is kept, and the next call goes on from there.
        """
        self._catch_up()
        if not self._mempool and not self.evidence:
            return None
        taken = self._take()
        self._checked = {transaction.wire: transaction for transaction in taken}
        validators = standings.validators_at(self.state, self.height + 1)
        for entry in validators:
            self.validators[entry.id].sign_as(entry.address)
        for round_, name in zip(range(ROUNDS_MAX + 1), proposer.turns(validators), strict=False):
            decided = self._try_round(round_, self.validators[name], validators, tuple(self._checked))
            if decided is not None:
                self._finish(*decided)
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

    def _try_round(
        self, round_: int, author: Validator, validators: proposer.Validators, transactions: tuple[bytes, ...]
    ) -> tuple[Block, Commit, BlockResult] | None:
        """One voting round: propose, execute everywhere, vote. None if it fails."""
        if not author.awake:
            return None
        block, result, signature = self._propose(author, round_, transactions)
        commit = self._vote(block, author, validators)
        if has_quorum(commit, validators):
            return block, commit, result
        for validator in self.validators.values():
            validator.machine.rollback()
        if any(vote.flag == NIL for vote in commit.votes):
            self._accuse(InvalidProposal(encode(block), signature))
        return None

    def _propose(
        self, author: Validator, round_: int, transactions: tuple[bytes, ...]
    ) -> tuple[Block, BlockResult, bytes]:
        last_round, last_votes = self._last_votes(author)
        transactions = _fitting(transactions, room_beside(tuple(self.evidence)))
        inputs = BlockInput(
            self.height + 1, self.now_ms(), author.name, last_round, last_votes, tuple(self.evidence), transactions
        )
        result = author.machine.execute(inputs, self._authentic)
        if author.behaviour is Behaviour.INVALID_BLOCK:
            standings.forge(author.state, author.name)
        commitment = author.state.commitment()
        header = make_header(self.chain_id, inputs, round_, self._tip.hash, result, commitment)
        return make_block(header, inputs), result, author.sign(proposal_bytes(header))

    def _last_votes(self, author: Validator) -> tuple[int, tuple[Vote, ...]]:
        last = self._tip.commit
        if last is None:
            return 0, ()
        votes = list(last.votes)
        if author.behaviour is Behaviour.WITHHOLD_VOTES:
            victims = [i for i, vote in enumerate(votes) if vote.flag == COMMIT and vote.validator != author.name]
            if victims:
                votes[victims[0]] = Vote(votes[victims[0]].validator, ABSENT)
        return last.round, tuple(votes)

    def _vote(self, block: Block, author: Validator, validators: proposer.Validators) -> Commit:
        """Every validator executes the block on its own state and signs it if it gets the same roots."""
        header = block.header
        message = vote_bytes(self.chain_id, header.height, header.round, header.hash)
        votes, signatures = [], []
        for entry in validators:
            validator = self.validators[entry.id]
            agrees = validator.awake and (
                validator is author or validator.agrees(self._tip, block, validators, self._authentic, self.clock_ms())
            )
            flag = COMMIT if agrees else NIL if validator.awake else ABSENT
            votes.append(Vote(entry.id, flag))
            signatures.append(validator.sign(message) if agrees else b"")
            if agrees and validator.behaviour is Behaviour.EQUIVOCATE:
                self._sign_twice(validator, SignedVote(header.height, header.round, header.hash, signatures[-1]))
        return Commit(header.height, header.round, header.hash, tuple(votes), tuple(signatures))

    def _sign_twice(self, validator: Validator, first: SignedVote) -> None:
        """The equivocator signs another block hash too; the others see both votes and keep the evidence."""
        other = bytes(byte ^ 0xFF for byte in first.block_hash)
        signature = validator.sign(vote_bytes(self.chain_id, first.height, first.round, other))
        second = SignedVote(first.height, first.round, other, signature)
        self._accuse(DoubleSign(validator.name, first, second))
        validator.behaviour = Behaviour.HONEST

    def _accuse(self, evidence: Evidence) -> None:
        """Keep evidence for the next block, within what a block may carry."""
        if room_beside((*self.evidence, evidence)) >= 0:
            self.evidence.append(evidence)

    def _finish(self, block: Block, commit: Commit, result: BlockResult) -> None:
        """Make the block durable, then let every state commit it; a state that did not agree executes it again."""
        try:
            self.store.append(block, commit, result)
        except LedgerError:
            for validator in self.validators.values():
                validator.machine.rollback()
            raise
        # From here on the block is decided, whatever happens to the states.
        self._tip = self._tip.after(block.header, commit)
        for digest in [receipt.transaction for receipt in result.receipts]:
            self._mempool.pop(digest, None)
        self._checked = {}
        # An invalid proposal proves something only on the state it was made for.
        self.evidence = [item for item in self.evidence if isinstance(item, DoubleSign) and item not in block.evidence]
        agreed = {vote.validator for vote in commit.votes if vote.flag == COMMIT}
        for validator in self.validators.values():
            if validator.name in agreed:
                validator.machine.commit(block.header.height)
            else:
                validator.machine.rollback()
        self._catch_up()
        self._follow_members()

    # -- validators --------------------------------------------------------------------------------------------------

    def _catch_up(self) -> None:
        """Let every state that lags behind the blocks follow them."""
        for validator in self.validators.values():
            if validator.state.height < self.height:
                validator.machine.rollback()
                validator.follow()

    def _follow_members(self) -> None:
        """Give every validator of the next sets a state of its own."""
        for height in (self.height + 1, self.height + 2):
            for entry in standings.validators_at(self.state, height):
                if entry.id not in self.validators:
                    self._add_validator(entry.id)

    def _add_validator(self, name: str) -> None:
        directory = self._directory / "validators"
        directory.mkdir(exist_ok=True)
        path = directory / f"{name}.db"
        self.validators[name] = Validator(name, self._keys.get(name), path, self.genesis, self.store)

    def close(self) -> None:
        """Release the ledger."""
        for validator in self.validators.values():
            validator.close()
        self.store.close()
        self._signatures.close()
        self._lock.close()

    def __enter__(self) -> EmbeddedLedger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _fitting(transactions: tuple[bytes, ...], room_bytes: int) -> tuple[bytes, ...]:
    """As many of the first transactions as there is room for; the others wait for the next block."""
    sizes = accumulate(map(len, transactions))
    return tuple(wire for wire, size in zip(transactions, sizes, strict=True) if size <= room_bytes)
