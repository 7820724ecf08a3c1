"""The state machine behind ABCI 2.0.

Crash safety: a block is logged, then state, height and commitment are committed in one SQLite transaction. `info` tells
CometBFT that height, and CometBFT plays what is missing, so every block acts exactly once whatever crashes when.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import msgspec

from hmchain import decoding
from hmchain.canonical import encode
from hmchain.clock import now_ms
from hmchain.errors import LedgerError
from hmchain.ledger import genesis as genesis_file
from hmchain.ledger import protocols
from hmchain.ledger.blocks import BlockInput, BlockResult
from hmchain.ledger.chain import BLOCK_BYTES_MAX, BLOCK_TRANSACTIONS_MAX, SNAPSHOT_BLOCKS
from hmchain.ledger.contracts.members import membership, standings
from hmchain.ledger.engines import beginning
from hmchain.ledger.engines.cometbft import abci_pb2 as abci
from hmchain.ledger.engines.cometbft.blocks import block_answer, block_input, milliseconds
from hmchain.ledger.engines.cometbft.home import founding_powers
from hmchain.ledger.engines.cometbft.mempool import KnownTransactions, Shares
from hmchain.ledger.engines.cometbft.server import CODESPACE
from hmchain.ledger.engines.cometbft.snapshots import FORMAT, Restoration
from hmchain.ledger.engines.cometbft.sole_signer import SoleSigner
from hmchain.ledger.engines.cometbft.storage import NodeStorage
from hmchain.ledger.genesis import Genesis
from hmchain.ledger.state import SnapshotError, State
from hmchain.ledger.transactions import Refusal, Transaction
from hmchain.ledger.transition import DetachedBlock, Machine

_TX_OVERHEAD_BYTES = 6
"""Tag and length of one transaction in CometBFT's encoding of a block, at most."""

logger = logging.getLogger(__name__)


class WrongChainError(LedgerError):
    """CometBFT runs another chain, or is at another block, than this node's state."""

    code = "wrong_chain"


@dataclass(frozen=True, slots=True)
class _OptimisticBlock:
    """A proposal that was executed before it is decided."""

    inputs: BlockInput
    result: BlockResult
    answer: abci.ResponseFinalizeBlock
    detached: DetachedBlock


class Application:
    """One node's state machine; a `server.Handler`. State and blocks lie in `directory`.

    `clock_ms` serves the mempool alone: what enters state takes its time from blocks. A `sole_signer` ends the node
    when others sign with its key. Raises `ProtocolError`, also where the next block has rules that nobody here knows.
    """

    def __init__(
        self,
        directory: Path,
        genesis: Genesis,
        *,
        clock_ms: Callable[[], int] = now_ms,
        threads: int | None = None,
        snapshot_blocks: int = SNAPSHOT_BLOCKS,
        sole_signer: SoleSigner | None = None,
    ) -> None:
        genesis_file.require_protocol(genesis)
        self.genesis = genesis
        self._sole_signer = sole_signer
        self.storage = NodeStorage(directory, genesis)
        self.machine = Machine(self.storage.state, genesis.chain_id)
        try:
            self._require_rules()
        except LedgerError:
            self.storage.close()
            raise
        self.known, self.shares = KnownTransactions(genesis.chain_id, threads), Shares()
        self._clock_ms, self._time_ms = clock_ms, genesis.time_ms
        self._snapshot_blocks = snapshot_blocks
        self._proposed: abci.RequestProcessProposal | None = None
        self._optimistic: _OptimisticBlock | None = None
        self.executed: tuple[BlockInput, BlockResult] | None = None
        self._restoration: Restoration | None = None

    @property
    def state(self) -> State:
        """The state; uncommitted between `finalize_block` and `commit`."""
        return self.storage.state

    def close(self) -> None:
        """Close files and threads."""
        self.known.close()
        self.storage.close()

    # -- the chain's beginning -----------------------------------------------------------------------------------------

    def info(self, request: abci.RequestInfo) -> abci.ResponseInfo:
        """Height and commitment of the last committed block.

        Whoever reaches CometBFT's RPC can ask, also between a block's execution and its commit: nothing is changed.
        """
        executed = self.machine.detach()
        try:
            self._require_rules()
            if self._sole_signer is not None:
                self._sole_signer.begin()
                self._sole_signer.logged(self.state, self.storage.blocks)
            height, commitment = self.state.height, self.state.commitment()
            if height == self.genesis.height:
                height = 0  # CometBFT founds a chain whose application has no blocks yet
        finally:
            self.machine.attach(executed)
        return abci.ResponseInfo(
            data="hmchain",
            version=version("hmchain"),
            app_version=self.genesis.protocol,
            last_block_height=height,
            last_block_app_hash=commitment if height else b"",
        )

    def init_chain(self, request: abci.RequestInitChain) -> abci.ResponseInitChain:
        """Found the chain, or find it founded. Raises `WrongChainError` if CometBFT's genesis is another one."""
        self._roll_back()
        self._require_same_genesis(request)
        commitment = beginning.commitment(self.genesis)
        if self.state.is_new:
            beginning.begin(self.state, self.genesis, self.storage.directory)
            self.machine = Machine(self.state, self.genesis.chain_id)
        elif self.state.height != self.genesis.height or self.state.commitment() != commitment:
            raise WrongChainError("the state is of another chain", "put this node's state.db aside")
        self.storage.renew()
        return abci.ResponseInitChain(app_hash=commitment)

    def _require_same_genesis(self, request: abci.RequestInitChain) -> None:
        try:
            told = decoding.from_json(request.app_state_bytes, Genesis)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise WrongChainError("CometBFT's genesis holds none of ours", "write the node's home again") from error
        powers = founding_powers(self.genesis)
        expected = {
            abci.ValidatorUpdate(
                pub_key=abci.PublicKey(ed25519=member.validator), power=powers[member.organisation]
            ).SerializeToString()
            for member in self.genesis.members
            if powers[member.organisation]
        }
        given = {update.SerializeToString() for update in request.validators}
        first = self.genesis.height + 1
        same = told == self.genesis and request.chain_id == self.genesis.chain_id and request.initial_height == first
        if not same or given != expected or len(request.validators) != len(expected):
            raise WrongChainError("CometBFT's genesis is not this node's", "write the node's home again")

    # -- mempool -------------------------------------------------------------------------------------------------------

    def check_txs(self, requests: list[abci.RequestCheckTx]) -> list[str]:
        """Empty for what may enter the mempool, else the refusal's code.

        Who sends it, and whether it could be applied, is asked before its signature is checked: strangers, and what was
        in a block already, cost a look-up.
        """
        arrival_ms = max(self._clock_ms(), self._time_ms + 1)
        times_ms = [self._time_ms if request.type == abci.RECHECK else arrival_ms for request in requests]
        read = [self.known.read(request.tx) for request in requests]
        refusals = self._refusals(read, times_ms)
        wires = [request.tx for request, refusal in zip(requests, refusals, strict=True) if not refusal]
        answers = dict(zip(wires, self.known.check(wires), strict=True))
        refusals = [
            refusal or (answer.code if isinstance(answer := answers[request.tx], Refusal) else "")
            for request, refusal in zip(requests, refusals, strict=True)
        ]
        refusals = self._within_shares(requests, read, refusals)
        # Only what is taken is remembered, else a flood of signed nonsense would push out what is worth it.
        for request, refusal in zip(requests, refusals, strict=True):
            if refusal:
                self.known.forget([request.tx])
            elif not isinstance(answer := answers[request.tx], Refusal):
                self.known.remember([answer])
        return refusals

    def _within_shares(
        self, requests: Sequence[abci.RequestCheckTx], read: Sequence[Transaction | Refusal], refusals: Sequence[str]
    ) -> list[str]:
        """The refusals, and those of members whose share of the mempool is used up."""
        members, found = standings.validator_count(self.state), list(refusals)
        for place, (request, transaction) in enumerate(zip(requests, read, strict=True)):
            if found[place] or isinstance(transaction, Refusal):
                self.shares.release([request.tx])
                continue
            sender = membership.credential(self.state, transaction.sender)
            try:
                self.shares.take(request.tx, sender.organisation if sender else "", members)
            except Refusal as refusal:
                found[place] = refusal.code
        return found

    def _refusals(self, read: Sequence[Transaction | Refusal], times_ms: Sequence[int]) -> list[str]:
        """Why each cannot be applied at its time; an empty text for what can be."""
        readable = [(each, t) for each, t in zip(read, times_ms, strict=True) if not isinstance(each, Refusal)]
        codes = iter(self.machine.check_many(readable))
        return [each.code if isinstance(each, Refusal) else next(codes) for each in read]

    # -- proposals -----------------------------------------------------------------------------------------------------

    def prepare_proposal(self, request: abci.RequestPrepareProposal) -> abci.ResponsePrepareProposal:
        """Choose what fits into a block and can be applied at its time, in order of arrival, each nonce once."""
        time_ms, room = milliseconds(request.time), min(request.max_tx_bytes, BLOCK_BYTES_MAX)
        chosen: list[bytes] = []
        nonces: set[bytes] = set()
        answers = self.known.check_block(request.txs)
        said = [answer if isinstance(answer, Refusal) else answer.transaction for answer in answers]
        for answer, refusal in zip(answers, self._refusals(said, [time_ms] * len(answers)), strict=True):
            if isinstance(answer, Refusal) or refusal:
                continue
            nonce = answer.transaction.sender + answer.transaction.nonce
            size = len(answer.wire) + _TX_OVERHEAD_BYTES
            if nonce in nonces:
                continue
            if size > room or len(chosen) == BLOCK_TRANSACTIONS_MAX:
                break
            nonces.add(nonce)
            chosen.append(answer.wire)
            room -= size
        return abci.ResponsePrepareProposal(txs=chosen)

    def process_proposal(self, request: abci.RequestProcessProposal) -> abci.ResponseProcessProposal:
        """Refuse a block whose bytes alone are against the rules; everyone finds the same."""
        if self._sole_signer is not None:
            self._sole_signer.proposed(request.height, request.proposed_last_commit.votes)
        sound = (
            len(request.txs) <= BLOCK_TRANSACTIONS_MAX
            and sum(map(len, request.txs)) <= BLOCK_BYTES_MAX
            and len(set(request.txs)) == len(request.txs)
            and not any(isinstance(answer, Refusal) for answer in self.known.check_block(request.txs))
        )
        if not sound:
            logger.warning("block %d of %s is refused", request.height, request.proposer_address.hex())
        self._proposed = request if sound else None
        accept, reject = abci.ResponseProcessProposal.ACCEPT, abci.ResponseProcessProposal.REJECT
        return abci.ResponseProcessProposal(status=accept if sound else reject)

    def execute_optimistically(self) -> None:
        """Execute the proposal that was accepted last while validators vote on it.

        What that gives is detached, and nobody sees it, until `finalize_block` is given the very same block; any other
        one is executed anew.
        """
        request, self._proposed = self._proposed, None
        if request is None or self.executed is not None or request.height != self.state.height + 1:
            return
        inputs = block_input(self.state, request, request.proposed_last_commit)
        if self._optimistic is not None and self._optimistic.inputs == inputs:
            return  # proposed again in a later round
        try:
            result = self.machine.execute(inputs, self.known.authenticate)
            answer = block_answer(self.state, inputs.height, result)
            self._optimistic = _OptimisticBlock(inputs, result, answer, self.machine.detach())
        finally:
            self.machine.rollback()

    # -- decided blocks ------------------------------------------------------------------------------------------------

    def finalize_block(self, request: abci.RequestFinalizeBlock) -> abci.ResponseFinalizeBlock:
        """Execute a decided block, uncommitted. Raises `WrongChainError` if it is not the next one."""
        if self._sole_signer is not None:
            self._sole_signer.decided(request.height, request.decided_last_commit.votes)
        self._roll_back()
        if request.height != self.state.height + 1:
            raise WrongChainError(
                f"block {request.height} cannot follow block {self.state.height}", "start app and CometBFT again"
            )
        inputs = block_input(self.state, request, request.decided_last_commit)
        optimistic, self._proposed, self._optimistic = self._optimistic, None, None
        self._time_ms = inputs.time_ms
        if optimistic is not None and optimistic.inputs == inputs:
            self.machine.attach(optimistic.detached)
            self.executed = inputs, optimistic.result
            return optimistic.answer
        self.known.check_block(inputs.transactions)
        result = self.machine.execute(inputs, self.known.authenticate)
        self.executed = inputs, result
        return block_answer(self.state, inputs.height, result)

    def commit(self, request: abci.RequestCommit) -> abci.ResponseCommit:
        """Make the executed block durable: the log first, then the state."""
        if self.executed is None:
            raise WrongChainError("there is no executed block to commit", "start app and CometBFT again")
        inputs, result = self.executed
        self.storage.log(inputs, result, self.state.commitment())
        self.machine.commit(inputs.height)
        self.executed = None
        self.known.forget(inputs.transactions)
        self.shares.settle(inputs.transactions)
        self.storage.renew()
        if inputs.height % self._snapshot_blocks == 0:
            self.storage.snapshots.take(self.state)
        self._require_rules()
        return abci.ResponseCommit()

    def _require_rules(self) -> None:
        """Raise `ProtocolError` where the next block has rules that this program does not know, before any vote on it.

        All is on disk: a program that knows them goes on from here.
        """
        if not self.state.is_new:
            protocols.rules_at(self.state, self.state.height + 1)

    def _roll_back(self) -> None:
        """Forget a block that was executed, in part or whole, for a CometBFT process that is no more."""
        self.machine.rollback()
        self.executed = None

    # -- queries -------------------------------------------------------------------------------------------------------

    def query(self, request: abci.RequestQuery) -> abci.ResponseQuery:
        """`state` reads a key of the committed state, `receipt` what became of a transaction, both named by `data`.

        `snapshot` tells the height of the first snapshot that is kept in decimal digits, 0 if there is none.
        """
        if request.path == "state":
            state = self.storage.committed()
            value = state.get(request.data)
            return _found(request.data, value, state.height, "no_such_key")
        if request.path == "receipt":
            place = self.storage.receipt(request.data)
            value = encode(place[1]) if place else None
            return _found(request.data, value, place[0] if place else self.state.height, "no_such_transaction")
        if request.path == "snapshot":
            offers = self.storage.snapshots.offers()
            height = offers[0].height if offers else 0
            return _found(b"", str(height).encode(), self.state.height, "")
        return _found(request.data, None, self.state.height, "no_such_path")

    # -- state sync ----------------------------------------------------------------------------------------------------

    def list_snapshots(self, request: abci.RequestListSnapshots) -> abci.ResponseListSnapshots:
        """The last snapshots of this node."""
        return abci.ResponseListSnapshots(snapshots=self.storage.snapshots.offers())

    def load_snapshot_chunk(self, request: abci.RequestLoadSnapshotChunk) -> abci.ResponseLoadSnapshotChunk:
        """One chunk of them."""
        chunk = self.storage.snapshots.chunk(request.height, request.chunk) if request.format == FORMAT else b""
        return abci.ResponseLoadSnapshotChunk(chunk=chunk)

    def offer_snapshot(self, request: abci.RequestOfferSnapshot) -> abci.ResponseOfferSnapshot:
        """Take a stranger's snapshot if this node is empty and the offer does not contradict itself."""
        answers = abci.ResponseOfferSnapshot
        if not self.state.is_new:
            return answers(result=answers.ABORT)
        if request.snapshot.format != FORMAT:
            return answers(result=answers.REJECT_FORMAT)
        self._restoration = Restoration.of(request.snapshot, request.app_hash)
        return answers(result=answers.ACCEPT if self._restoration else answers.REJECT)

    def apply_snapshot_chunk(self, request: abci.RequestApplySnapshotChunk) -> abci.ResponseApplySnapshotChunk:
        """Keep a chunk that is as offered; after the last one the state must have the app hash."""
        answers = abci.ResponseApplySnapshotChunk
        restoration = self._restoration
        if restoration is None:
            return answers(result=answers.ABORT)
        if not restoration.add(request.index, request.chunk):
            logger.warning("chunk %d from %s is not the one that was offered", request.index, request.sender)
            return answers(
                result=answers.RETRY, refetch_chunks=[request.index], reject_senders=[s for s in [request.sender] if s]
            )
        if not restoration.is_whole:
            return answers(result=answers.ACCEPT)
        self._restoration = None
        try:
            self.state.restore(restoration.pairs(), restoration.height, restoration.app_hash)
        except SnapshotError as error:
            logger.warning("%s", error)
            return answers(result=answers.REJECT_SNAPSHOT)
        self.machine = Machine(self.state, self.genesis.chain_id)
        self.storage.begin_here()
        self._require_rules()
        return answers(result=answers.ACCEPT)


def _found(key: bytes, value: bytes | None, height: int, refusal: str) -> abci.ResponseQuery:
    if value is None:
        return abci.ResponseQuery(code=1, key=key, height=height, log=refusal, codespace=CODESPACE)
    return abci.ResponseQuery(key=key, value=value, height=height)
