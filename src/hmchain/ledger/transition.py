"""The state transition: how one block changes the state. Reads as the protocol's chapter on it.

The machine touches its arguments alone: time comes from the block, chance from seeds on the ledger. Obligations are
numbered in `docs/spec.md`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from hmchain import merkle
from hmchain.canonical import NotCanonicalError, Record, decode, decode_trusted, encode
from hmchain.keys import ED25519, PublicKey
from hmchain.ledger import protocols
from hmchain.ledger.blocks import (
    OK,
    Block,
    BlockInput,
    BlockResult,
    DoubleSign,
    EngineReport,
    Evidence,
    InvalidProposal,
    Receipt,
    SignedVote,
    evidence_root,
    proposal_bytes,
    vote_bytes,
    votes_root,
)
from hmchain.ledger.chain import well_formed
from hmchain.ledger.context import Acting, Context, Credential
from hmchain.ledger.contracts.members import membership, parameters, people, refounded, standings, upgrades
from hmchain.ledger.events import LedgerEvent
from hmchain.ledger.protocols import Rules
from hmchain.ledger.state import State, Writes
from hmchain.ledger.transactions import Authentic, Refusal, Transaction, authenticate, transaction_digest

Authenticator = Callable[[bytes, str], Authentic]

_MINUTE_MS = 60_000


class Nonces(Record, frozen=True):
    """Sender keys and nonces (48 bytes each) that one block used up, of one minute of expiry."""

    used: bytes


_NONCE_BYTES = 48
_NONCES_PREFIX = b"nonces\0"


@dataclass(frozen=True, slots=True)
class _Nonces:
    """What the block being executed does to the used nonces."""

    by_minute: dict[int, list[bytes]] = field(default_factory=dict)
    """New ones by minute of expiry."""
    fresh: set[bytes] = field(default_factory=set)
    """The same as a set."""
    expired: set[bytes] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class DetachedBlock:
    """An executed block that was taken off its machine, in case it is decided."""

    writes: Writes
    nonces: _Nonces


class Machine:
    """The state machine over one validator's state."""

    def __init__(self, state: State, chain_id: str) -> None:
        self.state = state
        self.chain_id = chain_id
        self.used_nonces: set[bytes] = set()
        for _, value in state.scan(_NONCES_PREFIX):
            self.used_nonces |= _split(value)
        self._nonces = _Nonces()

    # -- one block -------------------------------------------------------------------------------------------------

    def execute(self, inputs: BlockInput, authenticator: Authenticator = authenticate) -> BlockResult:
        """Apply a block's inputs to the state, uncommitted.

        A block without transactions and evidence changes no key, but for turns that failed before a block with
        transactions, and for a protocol whose time has come: an idle chain must make no blocks for ever.

        Raises `ProtocolError`, changing nothing, if this program does not know the rules of the block.
        """
        rules = protocols.rules_at(self.state, inputs.height)
        if not inputs.transactions and not inputs.evidence:
            standings.count_failed_turns(self.state, inputs)
            return BlockResult((), tuple(event.encode() for event in upgrades.end_block(self.state, inputs)))
        said = self._judge(inputs, authenticator)
        standings.begin_block(self.state, inputs)
        expiry_ms_max = parameters.current(self.state).expiry_ms_max  # a vote in this block acts from the next one on
        receipts = tuple(self._apply(wire, inputs, authenticator, expiry_ms_max, rules) for wire in inputs.transactions)
        said += standings.end_block(self.state, inputs)
        self._keep_nonces(inputs)
        said += upgrades.end_block(self.state, inputs)
        return BlockResult(receipts, tuple(event.encode() for event in said))

    def commit(self, height: int) -> None:
        """Make the executed block durable. Raises `StateError`; the block is then still uncommitted."""
        self.state.commit(height)
        self.used_nonces -= self._nonces.expired
        self.used_nonces |= self._nonces.fresh
        self._nonces = _Nonces()

    def rollback(self) -> None:
        """Undo the executed block."""
        self._nonces = _Nonces()
        self.state.rollback()

    def detach(self) -> DetachedBlock:
        """Take the executed block off; `attach` puts it back as long as no other one was committed."""
        block = DetachedBlock(self.state.detach(), self._nonces)
        self._nonces = _Nonces()
        return block

    def attach(self, block: DetachedBlock) -> None:
        """Put an executed block back: as if it had been executed now."""
        self._nonces = block.nonces
        self.state.attach(block.writes)

    # -- transactions ----------------------------------------------------------------------------------------------

    def check(self, transaction: Transaction, time_ms: int) -> None:
        """Refuse what could not be applied now: T5 to T8 of the specification."""
        self._require_current(transaction, time_ms, parameters.current(self.state).expiry_ms_max)
        self._require_sender(transaction)

    def check_many(self, transactions: Iterable[tuple[Transaction, int]]) -> list[str]:
        """As `check`, of many at their times: the code of each one's refusal, empty if it could be applied."""
        expiry_ms_max = parameters.current(self.state).expiry_ms_max
        senders: set[bytes] = set()
        codes = []
        for transaction, time_ms in transactions:
            sender = transaction.sender
            try:
                self._require_current(transaction, time_ms, expiry_ms_max)
                if sender not in senders:
                    self._require_sender(transaction)
                    senders.add(sender)
                codes.append("")
            except Refusal as refusal:
                codes.append(refusal.code)
        return codes

    def _require_current(self, fields: Transaction, time_ms: int, expiry_ms_max: int) -> None:
        if fields.expires_ms <= time_ms:
            raise Refusal("expired")
        if fields.expires_ms > time_ms + expiry_ms_max:
            raise Refusal("expiry_too_far")
        nonce = fields.sender + fields.nonce
        if nonce in self._nonces.fresh or nonce in self.used_nonces:
            raise Refusal("replayed")

    def _require_sender(self, fields: Transaction) -> Credential | Acting:
        return people.require_sender(self.state, fields.sender)

    def _apply(
        self, wire: bytes, inputs: BlockInput, authenticator: Authenticator, expiry_ms_max: int, rules: Rules
    ) -> Receipt:
        """Apply one transaction; what is refused leaves no trace but its nonce, and without authenticity not even that.

        The nonce is used up either way: else anyone could send a refused transaction again once the state has changed.
        """
        try:
            transaction = authenticator(wire, self.chain_id)
            fields = transaction.transaction
            self._require_current(fields, inputs.time_ms, expiry_ms_max)
            sender = self._require_sender(fields)
        except Refusal as refusal:
            return Receipt(transaction_digest(wire), refusal.code, ())
        self._use_nonce(fields.sender + fields.nonce, fields.expires_ms)
        mark = self.state.savepoint()
        context = Context(self.state, self.chain_id, inputs.height, inputs.time_ms, sender)
        try:
            protocols.apply(rules, context, rules.decode_body(fields.body))
        except Refusal as refusal:
            if not refusal.kept:
                self.state.rollback(mark)
            return Receipt(transaction.digest, refusal.code, ())
        return Receipt(transaction.digest, OK, tuple(event.encode() for event in context.events))

    # -- nonces ------------------------------------------------------------------------------------------------------

    def _use_nonce(self, nonce: bytes, expires_ms: int) -> None:
        self._nonces.fresh.add(nonce)
        self._nonces.by_minute.setdefault(expires_ms // _MINUTE_MS, []).append(nonce)

    def _keep_nonces(self, inputs: BlockInput) -> None:
        """Write this block's nonces, one record a minute of expiry, and drop those of minutes that are over."""
        for key in self.state.keys_below(_NONCES_PREFIX, _nonces_key(inputs.time_ms // _MINUTE_MS, 0)):
            self._nonces.expired.update(_split(self.state.get(key) or b""))
            self.state.put(key, None)
        for minute, used in self._nonces.by_minute.items():
            self.state.put(_nonces_key(minute, inputs.height), encode(Nonces(b"".join(used))))

    # -- evidence ------------------------------------------------------------------------------------------------------

    def _judge(self, inputs: BlockInput, authenticator: Authenticator) -> list[LedgerEvent]:
        """Punish what the evidence proves; what proves nothing is passed over."""
        guilty: dict[bytes, tuple[str, bool]] = {}
        for evidence in inputs.evidence:
            proven = self._prove(evidence, inputs.height, authenticator)
            if proven is not None:
                name, offender = proven
                guilty[name] = (offender, not isinstance(evidence, InvalidProposal))
        said: list[LedgerEvent] = []
        for offender, double_sign in guilty.values():
            said += standings.offence(self.state, offender, inputs.time_ms, double_sign=double_sign)
        return said

    def _prove(self, evidence: Evidence, height: int, authenticator: Authenticator) -> tuple[bytes, str] | None:
        """The offence's identity and the offender, or None."""
        if isinstance(evidence, DoubleSign):
            return self._prove_double_sign(evidence)
        if isinstance(evidence, EngineReport):
            return self._believe(evidence)
        return self._prove_invalid_proposal(evidence, height, authenticator)

    def _prove_double_sign(self, evidence: DoubleSign) -> tuple[bytes, str] | None:
        first, second = evidence.first, evidence.second
        same_turn = (first.height, first.round) == (second.height, second.round)
        if not same_turn or first.block_hash == second.block_hash:
            return None
        if standings.standing(self.state, evidence.validator).tombstoned:
            return None
        keys = standings.accountable_keys(self.state, evidence.validator, first.height)
        if not any(self._signed(key, first) and self._signed(key, second) for key in keys):
            return None
        return _double_sign_of(evidence.validator), evidence.validator

    def _signed(self, key: bytes, vote: SignedVote) -> bool:
        message = vote_bytes(self.chain_id, vote.height, vote.round, vote.block_hash)
        return PublicKey(ED25519, key).verify(vote.signature, message)

    def _believe(self, report: EngineReport) -> tuple[bytes, str] | None:
        """What the engine checked, nobody here can check again; one offence of a validator counts once."""
        known = membership.membership(self.state, report.validator) is not None
        if not known or standings.standing(self.state, report.validator).tombstoned:
            return None
        return _double_sign_of(report.validator), report.validator

    def _prove_invalid_proposal(
        self, evidence: InvalidProposal, height: int, authenticator: Authenticator
    ) -> tuple[bytes, str] | None:
        """Execute the accused block on the same state; its proposer is guilty if its header says otherwise.

        The header must commit to the very inputs shown, else an accuser could swap them. A block beyond the limits of
        form, or that no time and votes of the last block lead to, is an offence as it stands: executing it could take
        for ever.
        """
        try:
            block = decode(evidence.block, Block)
        except NotCanonicalError:
            return None
        header = block.header
        key = standings.voting_keys(self.state, height).get(header.proposer)
        shown = (
            merkle.root(block.transactions) == header.transactions_root
            and votes_root(block.last_round, block.last_votes) == header.votes_root
            and evidence_root(block.evidence) == header.evidence_root
        )
        if key is None or not shown or header.height != height or header.chain_id != self.chain_id:
            return None
        if not PublicKey(ED25519, key).verify(evidence.signature, proposal_bytes(header)):
            return None
        if not well_formed(block) or not self._may_follow(block):
            return header.hash, header.proposer
        result = self.execute(block.input, authenticator)
        commitment = self.state.commitment()
        self.rollback()
        if result.root == header.receipts_root and commitment == header.state_commitment:
            return None
        return header.hash, header.proposer

    def _may_follow(self, block: Block) -> bool:
        """Whether a block of the next height is later than the last one and shows the votes of its validators."""
        height = block.header.height
        is_first = height == refounded.begins_after(self.state) + 1
        voters = () if is_first else standings.validators_at(self.state, height - 1)
        named = tuple(vote.validator for vote in block.last_votes)
        return block.header.time_ms > standings.time_ms(self.state) and named == tuple(voter.id for voter in voters)


def _double_sign_of(validator: str) -> bytes:
    """A validator's double signs are one offence, however many of them a block shows."""
    return validator.encode() + b"double sign"


def _nonces_key(minute: int, height: int) -> bytes:
    return _NONCES_PREFIX + minute.to_bytes(8, "big") + height.to_bytes(8, "big")


def _split(record: bytes) -> set[bytes]:
    used = decode_trusted(record, Nonces).used if record else b""
    return {used[start : start + _NONCE_BYTES] for start in range(0, len(used), _NONCE_BYTES)}
