"""What agents send in a learning round."""

from __future__ import annotations

from typing import assert_never

from msgspec.structs import replace

from hmchain.canonical import Record, digest
from hmchain.ledger import events
from hmchain.ledger.arithmetic import SEED_BYTES, LostPair
from hmchain.ledger.context import AGENT, Context, require, require_digest
from hmchain.ledger.contracts.learning import opening, permitted, round_flow, rounds, studies
from hmchain.ledger.contracts.learning.rounds import Contribution, Phase, Posted, Round, Verdict
from hmchain.ledger.contracts.learning.studies import Status, Study
from hmchain.ledger.transactions import Refusal


class CommitUpdate(Record, frozen=True, tag="commit_update"):
    """Transaction: bind one's masked update. One a participant, round and attempt: the bytes must never change."""

    study: str
    round: int
    attempt: int
    base_root: bytes
    digest: bytes
    object: bytes
    self_hash: bytes
    pair_hashes: tuple[bytes, ...]


class Attest(Record, frozen=True, tag="attest"):
    """Transaction: I hold these participants' objects, they match their digests, and I keep them."""

    study: str
    round: int
    attempt: int
    organisations: tuple[str, ...]


class Reveal(Record, frozen=True, tag="reveal"):
    """Transaction: open one's self seed and the pair seeds with hospitals outside the frozen set; never both kinds."""

    study: str
    round: int
    attempt: int
    self_seed: bytes
    lost: tuple[LostPair, ...]


class PostAggregate(Record, frozen=True, tag="post_aggregate"):
    """Transaction (master): the roots of the masked sum, the sum, the next model and its weights."""

    study: str
    round: int
    attempt: int
    posted: Posted


class Confirm(Record, frozen=True, tag="confirm"):
    """Transaction: I recomputed everything myself and got the same roots."""

    study: str
    round: int
    attempt: int
    masked_root: bytes
    sum_root: bytes
    model_root: bytes
    weights_root: bytes
    object: bytes
    """Where it lies: the master's object, or where that could not be had a copy of one's own."""


class GateVote(Record, frozen=True, tag="gate_vote"):
    """Transaction: bind one's vote on the new model, so that nobody votes in sight of others."""

    study: str
    round: int
    commitment: bytes


class GateReveal(Record, frozen=True, tag="gate_reveal"):
    """Transaction: open one's vote. Only accept or reject: an accuracy on few images would tell about them."""

    study: str
    round: int
    accept: bool
    salt: bytes


class Tick(Record, frozen=True, tag="tick"):
    """Transaction: the current phase, or step of opening, is over its deadline; move on. Whoever waits sends it."""

    study: str


Bodies = CommitUpdate | Attest | Reveal | PostAggregate | Confirm | GateVote | GateReveal | Tick


def seed_hash(kind: str, study: str, round_: int, attempt: int, seed: bytes) -> bytes:
    """What binds a mask seed before it is revealed; `kind` is `self` or `pair`."""
    number = round_.to_bytes(8, "big") + attempt.to_bytes(8, "big")
    return digest(f"hmchain {kind} seed", study.encode(), number, seed)


def vote_commitment(study: str, round_: int, organisation: str, accept: bool, salt: bytes) -> bytes:
    """What binds a vote on a model."""
    verdict = b"accept" if accept else b"reject"
    return digest("hmchain gate vote", study.encode(), round_.to_bytes(8, "big"), organisation.encode(), verdict, salt)


def require_round(context: Context, name: str, number: int, attempt: int | None, *phases: Phase) -> tuple[Study, Round]:
    """The study and its current round, if the sender is a participant's agent and round, attempt and phase fit."""
    context.require_role(AGENT)
    study = studies.require_study(context.state, name)
    require(context.sender.organisation in study.spec.participants, "not_a_participant")
    require(study.status == Status.RUNNING, "not_running")
    entry = rounds.current(context.state, study)
    require(entry.number == number and attempt in (None, entry.attempt), "wrong_round")
    require(entry.phase in phases, "wrong_phase")
    return study, entry


def _commit(context: Context, body: CommitUpdate) -> None:
    study, entry = require_round(context, body.study, body.round, body.attempt, Phase.COMMIT)
    organisation = context.sender.organisation
    require(organisation in entry.expected, "not_approved")
    permitted.require_permit(context, study)
    require(body.base_root == entry.base_root, "wrong_base")
    require_digest(body.digest, body.object, body.self_hash)
    own = study.order(organisation)
    require(len(body.pair_hashes) == len(study.spec.uses), "wrong_count")
    require(all(len(h) == (0 if i == own else 32) for i, h in enumerate(body.pair_hashes)), "bad_digest")
    require(rounds.contribution(context.state, entry, organisation) is None, "already_committed")
    update = Contribution(organisation, body.digest, body.object, body.self_hash, body.pair_hashes, (), b"", ())
    rounds.put_contribution(context.state, entry, update)
    context.emit(events.UpdateCommitted(body.study, body.round, organisation))
    round_flow.committed(context, study, entry)


def _attest(context: Context, body: Attest) -> None:
    # The last ones needed freeze the set; those in the same block are still worth keeping.
    phases = (Phase.COMMIT, Phase.ATTEST, Phase.REVEAL)
    study, entry = require_round(context, body.study, body.round, body.attempt, *phases)
    attester = context.sender.organisation
    require(len(set(body.organisations)) == len(body.organisations) > 0, "bad_list")
    for organisation in body.organisations:
        update = rounds.contribution(context.state, entry, organisation)
        if update is None:
            raise Refusal("no_such_update")
        require(organisation != attester, "own_update")
        require(attester not in update.attested, "already_attested")
        attested = tuple(sorted((*update.attested, attester)))
        rounds.put_contribution(context.state, entry, replace(update, attested=attested))
    round_flow.attested(context, study, entry)


def _reveal(context: Context, body: Reveal) -> None:
    if _is_too_late(context, body):
        return
    study, entry = require_round(context, body.study, body.round, body.attempt, Phase.REVEAL)
    organisation = context.sender.organisation
    update = rounds.contribution(context.state, entry, organisation)
    if update is None or organisation not in entry.frozen:
        raise Refusal("not_frozen")
    require(not update.self_seed, "already_revealed")
    require(all(len(seed) == SEED_BYTES for seed in (body.self_seed, *(pair.seed for pair in body.lost))), "bad_seed")
    require(seed_hash("self", body.study, body.round, body.attempt, body.self_seed) == update.self_hash, "wrong_seed")
    outside = [order for order, name in enumerate(study.spec.participants) if name not in entry.frozen]
    require([pair.order for pair in body.lost] == outside, "wrong_pairs")
    for pair in body.lost:
        bound = seed_hash("pair", body.study, body.round, body.attempt, pair.seed)
        require(bound == update.pair_hashes[pair.order], "wrong_seed")
    rounds.put_contribution(context.state, entry, replace(update, self_seed=body.self_seed, lost=body.lost))
    round_flow.revealed(context, study, entry)


def _is_too_late(context: Context, body: Reveal) -> bool:
    """Record a seed of a void attempt: it is public now, and the record must say so. It changes nothing else."""
    context.require_role(AGENT)
    opened = rounds.round_(context.state, body.study, body.round)
    void = rounds.void_attempt(context.state, body.study, body.round, body.attempt)
    if opened is None or void is None:
        return False
    entry, organisation = replace(opened, attempt=body.attempt), context.sender.organisation
    update = rounds.contribution(context.state, entry, organisation)
    if update is None or organisation not in void.frozen:
        raise Refusal("not_frozen")
    require(not update.self_seed, "already_revealed")
    require(seed_hash("self", body.study, body.round, body.attempt, body.self_seed) == update.self_hash, "wrong_seed")
    rounds.put_contribution(context.state, entry, replace(update, self_seed=body.self_seed))
    context.emit(events.RevealedLate(body.study, body.round, body.attempt, organisation))
    return True


def _post(context: Context, body: PostAggregate) -> None:
    study, entry = require_round(context, body.study, body.round, body.attempt, Phase.AGGREGATE)
    posted = body.posted
    require(context.sender.organisation == entry.master == posted.master, "not_the_master")
    roots = (posted.masked_root, posted.sum_root, posted.model_root, posted.weights_root)
    require_digest(*roots, posted.object, posted.evidence)
    context.emit(events.AggregatePosted(body.study, body.round, posted.master))
    round_flow.enter(context, study, replace(entry, posted=posted, confirmed=(), copies=()), Phase.VERIFY)


def _confirm(context: Context, body: Confirm) -> None:
    study, entry = require_round(context, body.study, body.round, body.attempt, Phase.VERIFY)
    organisation = context.sender.organisation
    posted = entry.posted
    if posted is None:
        raise Refusal("wrong_phase")
    require(organisation != posted.master, "own_aggregate")
    require(organisation not in entry.confirmed, "already_confirmed")
    roots = (body.masked_root, body.sum_root, body.model_root, body.weights_root)
    right = (posted.masked_root, posted.sum_root, posted.model_root, posted.weights_root)
    require(roots == right, "roots_differ")
    require_digest(body.object)
    copies = entry.copies if body.object in entry.objects else (*entry.copies, body.object)
    entry = replace(entry, confirmed=tuple(sorted((*entry.confirmed, organisation))), copies=copies)
    rounds.put(context.state, entry)
    round_flow.confirmed(context, study, entry)


def _gate_vote(context: Context, body: GateVote) -> None:
    study, entry = require_round(context, body.study, body.round, None, Phase.GATE_COMMIT)
    organisation = context.sender.organisation
    require(organisation in entry.expected, "not_approved")
    permitted.require_permit(context, study)
    require_digest(body.commitment)
    require(rounds.gate_ballot(context.state, entry, organisation) is None, "already_voted")
    rounds.put_gate_ballot(context.state, entry, rounds.Ballot(organisation, body.commitment, Verdict.OPEN))
    round_flow.gate_committed(context, study, entry)


def _gate_reveal(context: Context, body: GateReveal) -> None:
    study, entry = require_round(context, body.study, body.round, None, Phase.GATE_REVEAL)
    organisation = context.sender.organisation
    ballot = rounds.gate_ballot(context.state, entry, organisation)
    if ballot is None:
        raise Refusal("no_vote")
    require(not ballot.verdict, "already_revealed")
    require(len(body.salt) == 32, "bad_salt")
    bound = vote_commitment(body.study, body.round, organisation, body.accept, body.salt)
    require(bound == ballot.commitment, "wrong_vote")
    verdict = Verdict.ACCEPTED if body.accept else Verdict.REJECTED
    rounds.put_gate_ballot(context.state, entry, replace(ballot, verdict=verdict))
    round_flow.gate_revealed(context, study, entry)


def _tick(context: Context, body: Tick) -> None:
    context.require_role(AGENT)
    study = studies.require_study(context.state, body.study)
    require(context.sender.organisation in study.spec.participants, "not_a_participant")
    if study.status in studies.OPENING:
        opening.lapse(context, study)
        return
    is_lost = permitted.is_lost(context.state, study, context.time_ms)
    if is_lost and rounds.may_end(context.state, study):
        round_flow.stop(context, study)
        return
    require(study.status == Status.RUNNING, "not_running")
    entry = rounds.current(context.state, study)
    # Whose permits are over may not vote, and are not waited for.
    over = is_lost and rounds.is_voted_on(context.state, study)
    require(over or round_flow.is_due(context, entry), "not_due")
    context.emit(events.DeadlinePassed(body.study, entry.number, entry.phase))
    match entry.phase:
        case Phase.COMMIT:
            round_flow.committed(context, study, entry, due=True)
        case Phase.ATTEST:
            round_flow.attested(context, study, entry, due=True)
        case Phase.REVEAL:
            round_flow.revealed(context, study, entry, due=True)
        case Phase.AGGREGATE | Phase.VERIFY:
            round_flow.silent_master(context, study, entry)
        case Phase.GATE_COMMIT:
            round_flow.gate_committed(context, study, entry, due=True)
        case Phase.GATE_REVEAL:
            round_flow.gate_revealed(context, study, entry, due=True)
        case Phase.FINAL:
            raise Refusal("wrong_phase")
        case _:
            assert_never(entry.phase)


HANDLERS = {
    CommitUpdate: _commit,
    Attest: _attest,
    Reveal: _reveal,
    PostAggregate: _post,
    Confirm: _confirm,
    GateVote: _gate_vote,
    GateReveal: _gate_reveal,
    Tick: _tick,
}
