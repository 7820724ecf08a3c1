"""Learning rounds: what participants send, and what the state remembers of it (design section 6).

A round goes commit -> attest -> reveal -> aggregate -> verify -> gate -> final. This module holds the records; the
moves from phase to phase are in `round_flow`, the transactions in `participation` and `disputes`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import assert_never

from hmchain.canonical import Record
from hmchain.ledger import sums
from hmchain.ledger.arithmetic import LostPair, Survivor
from hmchain.ledger.contracts.learning import studies
from hmchain.ledger.contracts.learning.studies import Deadlines, Status
from hmchain.ledger.election import Candidate
from hmchain.ledger.state import State, Table
from hmchain.ledger.sums import Summand, SummedSet
from hmchain.ledger.transactions import Refusal


class Phase(StrEnum):
    """What a round waits for; on the ledger it is the word."""

    COMMIT = "commit"
    ATTEST = "attest"
    REVEAL = "reveal"
    AGGREGATE = "aggregate"
    VERIFY = "verify"
    GATE_COMMIT = "gate_commit"
    GATE_REVEAL = "gate_reveal"
    FINAL = "final"


class Verdict(StrEnum):
    """What is said of a new model, by one participant or by all of them together."""

    OPEN = ""
    """Nothing yet."""
    ACCEPTED = "accepted"
    REJECTED = "rejected"


class Posted(Record, frozen=True):
    """What the master says the sum and the next model are."""

    master: str
    masked_root: bytes
    """Root of the masked sum."""
    sum_root: bytes
    """Root of the unmasked sum."""
    model_root: bytes
    """Root of the next model and momentum."""
    weights_root: bytes
    """Root of the float32 weights that the next model gives: what trainers and predictions read."""
    object: bytes
    """The encrypted object that holds model and momentum."""
    evidence: bytes
    """The one that holds the other three, so that one wrong chunk can be pointed at; nobody else needs it."""


class Round(Record, frozen=True):
    """One round of a study."""

    study: str
    number: int
    attempt: int
    """Grows only when an attempt is void."""
    phase: Phase
    phase_height: int
    deadline_ms: int
    opened_height: int
    base_root: bytes
    """The model the round starts from."""
    base_weights: bytes
    """Root of its float32 weights, which trainers read; empty in round 0, which trains nothing."""
    base_object: bytes
    """The object that holds it; empty for the first model, which everyone derives."""
    base_round: int
    """The round that made it."""
    seed: bytes
    """Of the election of this round's master."""
    ranking: tuple[str, ...]
    """As it was drawn at the opening; it stays as it is."""
    rank: int
    """The master is `ranking[rank]`; those after it are its backups. It moves on where the master failed."""
    last_masters: tuple[str, ...]
    """Who was drawn in the f rounds before, whether or not they did the work; they rest."""
    expected: tuple[str, ...]
    """Participants whose approval was in force when the attempt began."""
    frozen: tuple[str, ...]
    """The survivors whose updates are summed; nobody leaves it."""
    candidates: tuple[Candidate, ...]
    """Who may be master of the next round, with scores, fixed at the freeze: before any seed is revealed."""
    next_seed: bytes
    """Of the next round's election: fixed by the first attempt in which all seeds that count were revealed."""
    posted: Posted | None
    confirmed: tuple[str, ...]
    """Who got the same roots from a full recomputation of one's own."""
    copies: tuple[bytes, ...]
    """Objects with the same content that verifiers stored where the master's could not be had."""
    outcome: Verdict

    @property
    def objects(self) -> tuple[bytes, ...]:
        """Where what the master made lies, and copies of it; empty before it has posted."""
        return (self.posted.object, *self.copies) if self.posted else ()

    @property
    def master(self) -> str:
        """The master of this round, as things stand."""
        return self.ranking[self.rank]


class Contribution(Record, frozen=True):
    """One participant's update in one attempt."""

    organisation: str
    digest: bytes
    """Root of the masked vector."""
    object: bytes
    """Address of the encrypted object that holds it."""
    self_hash: bytes
    """Binds the self-mask seed before any is known: it is also this participant's share in the next election."""
    pair_hashes: tuple[bytes, ...]
    """Bind the pair seeds, one a participant in order; empty for oneself."""
    attested: tuple[str, ...]
    """Who has fetched the object, found it sound, and keeps it until the round is final."""
    self_seed: bytes
    """Empty until revealed."""
    lost: tuple[LostPair, ...]
    """Revealed pair seeds with hospitals outside the frozen set."""


class Ballot(Record, frozen=True):
    """One participant's vote on the new model, bound before any is open."""

    organisation: str
    commitment: bytes
    verdict: Verdict
    """Open until revealed."""


class VoidAttempt(Record, frozen=True):
    """What is kept of a void attempt whose set was frozen: who may still reveal, too late."""

    frozen: tuple[str, ...]


_ROUNDS = Table("rounds", Round)
_CONTRIBUTIONS = Table("contributions", Contribution)
_BALLOTS = Table("gate", Ballot)
_VOID = Table("void_attempts", VoidAttempt)


def span_ms(deadlines: Deadlines, phase: Phase) -> int:
    """The time that a phase may take, in block time."""
    match phase:
        case Phase.COMMIT:
            return deadlines.commit_ms
        case Phase.ATTEST:
            return deadlines.attest_ms
        case Phase.REVEAL:
            return deadlines.reveal_ms
        case Phase.AGGREGATE:
            return deadlines.aggregate_ms
        case Phase.VERIFY:
            return deadlines.verify_ms
        case Phase.GATE_COMMIT | Phase.GATE_REVEAL:
            return deadlines.gate_ms
        case Phase.FINAL:
            return 0
        case _:
            assert_never(phase)


def round_(state: State, study: str, number: int) -> Round | None:
    """A round, or None."""
    return _ROUNDS.get(state, study, number)


def rounds(state: State, study: str) -> list[Round]:
    """All rounds of a study in order."""
    return _ROUNDS.all(state, study)


def current(state: State, study: studies.Study) -> Round:
    """The current round of a study that has opened."""
    entry = _ROUNDS.get(state, study.spec.name, study.progress.round)
    if entry is None:
        raise Refusal("not_open")
    return entry


def may_end(state: State, study: studies.Study) -> bool:
    """Whether no sum of a study that has opened is on its way: what went into one was allowed, and is finished."""
    return study.status == Status.PAUSED or current(state, study).phase in (Phase.COMMIT, Phase.ATTEST)


def is_voted_on(state: State, study: studies.Study) -> bool:
    """Whether the sum of a study's round is finished, and hospitals vote on the model that it made."""
    return study.status == Status.RUNNING and current(state, study).phase in (Phase.GATE_COMMIT, Phase.GATE_REVEAL)


def put(state: State, entry: Round) -> None:
    """Write a round."""
    _ROUNDS.put(state, entry, entry.study, entry.number)


def contribution(state: State, entry: Round, organisation: str) -> Contribution | None:
    """A participant's update in the round's current attempt, or None."""
    return _CONTRIBUTIONS.get(state, entry.study, entry.number, entry.attempt, organisation)


def contributions(state: State, entry: Round) -> list[Contribution]:
    """All updates of the current attempt in order of organisation."""
    return _CONTRIBUTIONS.all(state, entry.study, entry.number, entry.attempt)


def put_contribution(state: State, entry: Round, update: Contribution) -> None:
    """Write an update of the current attempt."""
    _CONTRIBUTIONS.put(state, update, entry.study, entry.number, entry.attempt, update.organisation)


def gate_ballot(state: State, entry: Round, organisation: str) -> Ballot | None:
    """A participant's vote on the round's model, or None."""
    return _BALLOTS.get(state, entry.study, entry.number, organisation)


def gate_ballots(state: State, entry: Round) -> list[Ballot]:
    """All votes on the round's model in order of organisation."""
    return _BALLOTS.all(state, entry.study, entry.number)


def put_gate_ballot(state: State, entry: Round, ballot: Ballot) -> None:
    """Write a vote on the round's model."""
    _BALLOTS.put(state, ballot, entry.study, entry.number, ballot.organisation)


def void_attempt(state: State, study: str, number: int, attempt: int) -> VoidAttempt | None:
    """What is kept of a void attempt, or None."""
    return _VOID.get(state, study, number, attempt)


def remember_void(state: State, entry: Round) -> None:
    """Keep whose seeds belong to the round's attempt, which is void."""
    if entry.frozen:
        _VOID.put(state, VoidAttempt(entry.frozen), entry.study, entry.number, entry.attempt)


def sum_key(study: studies.Study, entry: Round) -> bytes:
    """The key of the round's sum: all that is public and that its vectors depend on."""
    if entry.number == 0:
        return sums.counts_key(study.spec.name, study.spec.initial_root)
    return sums.training_key(entry.base_weights)


def summands(study: studies.Study, entry: Round, organisations: tuple[str, ...]) -> SummedSet:
    """The set that a sum over some participants' updates is of."""
    return tuple(
        Summand(use.organisation, use.dataset, use.version, study.round_weight(use.organisation, entry.number))
        for use in study.spec.uses
        if use.organisation in organisations
    )


def survivors(state: State, study: studies.Study, entry: Round) -> tuple[Survivor, ...]:
    """What the frozen set put into the sum and revealed, in the order of masks; complete after the reveal phase."""
    found = []
    for organisation in entry.frozen:
        update = contribution(state, entry, organisation)
        if update is None or not update.self_seed:
            raise Refusal("not_revealed")
        weight = study.round_weight(organisation, entry.number)
        found.append(Survivor(study.order(organisation), weight, update.self_seed, update.lost))
    return tuple(found)
