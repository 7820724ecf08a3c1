"""How a round moves from phase to phase. Every move is made by a transaction: the last one awaited, or a `Tick`."""

from __future__ import annotations

from msgspec.structs import replace

from hmchain.ledger import election, events, reputation, sums
from hmchain.ledger.context import Context
from hmchain.ledger.contracts.learning import approvals, conduct, permitted, rounds, studies, summing
from hmchain.ledger.contracts.learning.ending import Base, base_of, end, finish
from hmchain.ledger.contracts.learning.rounds import Contribution, Phase, Round, Verdict
from hmchain.ledger.contracts.learning.studies import Status, Study
from hmchain.ledger.contracts.members import membership, parameters, standings

SETBACKS_MAX = 2


def open_first(context: Context, name: str, seed: bytes) -> None:
    """Open round 0, in which class counts are summed; its base model is zero."""
    study = studies.require_study(context.state, name)
    zero = studies.counts_base_root(study.spec)
    _open(context, study, 0, Base(zero, b"", b"", 0), seed, conduct.candidates(context, study), ())


def stop(context: Context, study: Study) -> None:
    """End a study that has opened, and has lost permits for good that it cannot go on without."""
    end(context, study, rounds.current(context.state, study), permitted.PERMIT_OVER)


def resume(context: Context, name: str) -> None:
    """Go on with a paused study: sum again what all have opened the seeds of, else begin a new attempt."""
    study = studies.require_study(context.state, name)
    entry = rounds.current(context.state, study)
    if entry.frozen:
        _sum_again(context, study, entry)
    else:
        _begin_attempt(context, study, _next_attempt(entry))


def _open(
    context: Context,
    study: Study,
    number: int,
    base: Base,
    seed: bytes,
    candidates: tuple[election.Candidate, ...],
    last_masters: tuple[str, ...],
) -> None:
    faults = reputation.faults_tolerated(len(study.spec.uses))
    ranking = election.rank(seed, candidates, last_masters, faults)
    opened = Round(
        study=study.spec.name, number=number, attempt=0, phase=Phase.COMMIT, phase_height=context.height,
        deadline_ms=0, opened_height=context.height, base_root=base.root, base_weights=base.weights,
        base_object=base.object, base_round=base.round, seed=seed, ranking=ranking, rank=0,
        last_masters=last_masters, expected=(), frozen=(), candidates=(), next_seed=b"",
        posted=None, confirmed=(), copies=(), outcome=Verdict.OPEN,
    )  # fmt: skip
    studies.set_progress(context.state, study.spec.name, round_=number)
    context.emit(events.RoundOpened(study.spec.name, number, ranking[:1]))
    _begin_attempt(context, study, opened)


def _begin_attempt(context: Context, study: Study, entry: Round) -> None:
    """Ask every participant whose approval is in force for an update.

    Pause if too few are left; end the study if too few will ever be, or if no set of them, and of those whose permits
    only rest, may be summed beside those that were.
    """
    if permitted.is_lost(context.state, study, context.time_ms):
        end(context, study, entry, permitted.PERMIT_OVER)
        return
    expected = tuple(name for name in study.spec.participants if _may_take_part(context, study, name))
    leader = _leader(context, entry, entry.rank)
    entry = replace(entry, expected=expected, rank=entry.rank if leader is None else leader)
    key = rounds.sum_key(study, entry)
    known = summing.history(context.state, key, entry.study)
    returning = tuple(name for name in study.spec.participants if name in expected or _may_return(context, study, name))
    colluders = study.spec.colluders
    if summing.is_closed_to(context.state, key, entry.study, study.spec.participants, colluders) or not _is_reachable(
        study, entry, known.sets, returning
    ):
        end(context, study, entry, "no_admissible_set")
        return
    if len(expected) < study.spec.threshold or not _is_reachable(study, entry, known.sets, expected):
        _pause(context, entry, "too_few_approvals")
    elif leader is None:
        _pause(context, entry, "no_candidates")
    enter(context, study, entry, Phase.COMMIT)


def _is_reachable(study: Study, entry: Round, known: tuple[sums.SummedSet, ...], asked: tuple[str, ...]) -> bool:
    """Whether some set of those asked may be summed beside those that were, if there were any."""
    present = rounds.summands(study, entry, asked)
    return not known or sums.reachable(known, present, study.spec.threshold, study.spec.colluders)


def _may_return(context: Context, study: Study, organisation: str) -> bool:
    """Whether a participant is asked for nothing now, and may be again: its permit rests."""
    found = permitted.under(context.state, study.progress.specification)
    return found is not None and not permitted.is_out(context.state, study, organisation, context.time_ms)


def _may_take_part(context: Context, study: Study, organisation: str) -> bool:
    return membership.is_active(context.state, organisation) and approvals.authorised(
        context.state, organisation, study.progress.specification, context.time_ms
    )


def _leader(context: Context, entry: Round, rank: int) -> int | None:
    """The first place from `rank` on whose organisation may lead now, then from the top.

    The ranking itself keeps everyone: who is away today may lead tomorrow.
    """
    places = (*range(rank, len(entry.ranking)), *range(rank))
    return next((place for place in places if standings.may_lead(context.state, entry.ranking[place])), None)


def enter(context: Context, study: Study, entry: Round, phase: Phase) -> None:
    """Begin a phase and its deadline."""
    deadline_ms = context.time_ms + rounds.span_ms(study.spec.deadlines, phase)
    rounds.put(context.state, replace(entry, phase=phase, phase_height=context.height, deadline_ms=deadline_ms))
    context.emit(events.PhaseEntered(entry.study, entry.number, phase))


def is_due(context: Context, entry: Round) -> bool:
    """Whether the phase's deadline has passed: its time is over and enough blocks have followed its opening."""
    return context.time_ms > entry.deadline_ms and has_heard_all(context, entry.phase_height)


def has_heard_all(context: Context, since_height: int) -> bool:
    """Whether blocks enough have followed for everyone to answer; after a halt block time jumps past every deadline.

    Between that height and this block lie f + 1 others, one of them of an honest proposer, who leaves nobody out.
    """
    blocks_min = parameters.current(context.state).deadline_blocks_min
    faults = reputation.faults_tolerated(standings.validator_count(context.state))
    return context.height >= since_height + max(blocks_min, faults + 2)


def committed(context: Context, study: Study, entry: Round, *, due: bool = False) -> None:
    """After an update was committed, or when the phase is due."""
    count = len(rounds.contributions(context.state, entry))
    if count == len(entry.expected):
        enter(context, study, entry, Phase.ATTEST)
        attested(context, study, rounds.current(context.state, study))
    elif due and count >= study.spec.threshold:
        enter(context, study, entry, Phase.ATTEST)
    elif due and study.spec.is_count:
        end(context, study, entry, "too_few")
    elif due:
        _miss(context, study, entry, "too_few_updates")


def sat_out(context: Context, study: Study, entry: Round) -> None:
    """After a hospital said that it has too few people for a count: the others go on, or it is over."""
    rounds.put(context.state, entry)
    if len(entry.expected) < study.spec.threshold:
        end(context, study, entry, "too_few")
    else:
        committed(context, study, entry)


def attested(context: Context, study: Study, entry: Round, *, due: bool = False) -> None:
    """After an attestation, or when the phase is due: freeze once enough others hold every update."""
    updates = rounds.contributions(context.state, entry)
    sound = tuple(update.organisation for update in updates if len(update.attested) >= study.spec.witnesses)
    if entry.phase == Phase.ATTEST and (due or len(sound) == len(updates)):
        _freeze(context, study, entry, sound)


def _freeze(context: Context, study: Study, entry: Round, frozen: tuple[str, ...]) -> None:
    if len(frozen) < study.spec.threshold:
        _miss(context, study, entry, "too_few_attested", frozen)
        return
    key, summed = rounds.sum_key(study, entry), rounds.summands(study, entry, frozen)
    participants, colluders = study.spec.participants, study.spec.colluders
    if not summing.freeze(context.state, key, entry.study, participants, summed, colluders):
        _miss(context, study, entry, "survivors_differ", frozen)
        return
    _charge_late(context, study, entry, frozen)
    candidates = entry.candidates if entry.next_seed else conduct.candidates(context, study)
    context.emit(events.SetFrozen(entry.study, entry.number, frozen))
    enter(context, study, replace(entry, frozen=frozen, candidates=candidates), Phase.REVEAL)


def _charge_late(context: Context, study: Study, entry: Round, frozen: tuple[str, ...]) -> None:
    vouching = {update.organisation: update.attested for update in rounds.contributions(context.state, entry)}
    for organisation in entry.expected:
        # Who took its approval back meanwhile owes nothing: its agent obeyed.
        owes = organisation not in frozen and _may_take_part(context, study, organisation)
        if owes and _is_doubted(study, entry, organisation, vouching.get(organisation, ())):
            conduct.record(context, entry.study, organisation, reputation.Outcome.LATE)


def _is_doubted(study: Study, entry: Round, organisation: str, vouching: tuple[str, ...]) -> bool:
    """Whether more than c of those asked are silent on what an organisation made: the silence of c charges nobody."""
    silent = {*entry.expected} - {organisation, *vouching}
    return len(silent) > study.spec.colluders


def _miss(context: Context, study: Study, entry: Round, reason: str, frozen: tuple[str, ...] | None = None) -> None:
    """The attempt reached no set that may be summed, or an impossible sum: void, or the end after too many of them.

    Only over a key that was summed over: before that no set is excluded, and who is away may come back.
    """
    key = rounds.sum_key(study, entry)
    was_summed = bool(summing.history(context.state, key, entry.study).sets)
    if was_summed and summing.miss(context.state, key, entry.study) >= sums.MISSED_MAX:
        end(context, study, entry, reason)
        return
    if frozen is not None:
        _charge_late(context, study, entry, frozen)
    void(context, study, entry, reason)


def impossible(context: Context, study: Study, entry: Round) -> None:
    """The sum holds garbage, and nobody can tell whose: a new attempt, but not for ever."""
    _miss(context, study, entry, "impossible_sum")


def revealed(context: Context, study: Study, entry: Round, *, due: bool = False) -> None:
    """After a reveal, or when the phase is due: a survivor that withholds its seed voids the attempt."""
    updates = [update for update in rounds.contributions(context.state, entry) if update.organisation in entry.frozen]
    missing = tuple(update.organisation for update in updates if not update.self_seed)
    if not missing or due:
        entry = replace(entry, next_seed=entry.next_seed or _next_seed(context, entry, updates))
    if not missing:
        enter(context, study, entry, Phase.AGGREGATE)
    elif due:
        for organisation in missing:
            conduct.record(context, entry.study, organisation, reputation.Outcome.WITHHELD)
        if entry.master in missing:
            entry = replace(entry, rank=(entry.rank + 1) % len(entry.ranking))
        void(context, study, entry, "seed_withheld")


def _next_seed(context: Context, entry: Round, updates: list[Contribution]) -> bytes:
    """The seed of the next election, once all seeds that count are known; empty before.

    Whoever opens last knows what it decides, and could have the election drawn again by withholding its seed. Nobody
    can a second time in a study: those seeds count no more, and what is drawn without them stays through void attempts.
    """
    counted = [update for update in updates if not conduct.of(context.state, entry.study, update.organisation).muted]
    if not counted:
        return election.void_seed(entry.seed)
    if not all(update.self_seed for update in counted):
        return b""
    return election.next_seed(entry.study, entry.number + 1, [update.self_seed for update in counted])


def next_in_rank(context: Context, study: Study, entry: Round) -> None:
    """The master failed: the next in rank sums the same frozen set again, over the same objects and seeds."""
    rank = _leader(context, entry, entry.rank + 1)
    if rank is None or rank <= entry.rank:
        _once_more(context, study, entry, "no_master_left")
        return
    context.emit(events.MasterReplaced(entry.study, entry.number, entry.ranking[rank]))
    enter(context, study, replace(entry, rank=rank, posted=None, confirmed=()), Phase.AGGREGATE)


def _once_more(context: Context, study: Study, entry: Round, reason: str) -> None:
    """Nobody's sum was confirmed: a setback."""
    rounds.put(context.state, replace(entry, posted=None, confirmed=()))
    if _is_setback(context, study, entry):
        _pause(context, entry, reason)
    else:
        _sum_again(context, study, entry)


def _sum_again(context: Context, study: Study, entry: Round) -> None:
    """Once more from the top of the ranking, over the same objects and seeds. Nothing is trained again."""
    rank = _leader(context, entry, 0)
    if rank is None:
        _pause(context, entry, "no_candidates")
        return
    context.emit(events.SummedAgain(entry.study, entry.number, entry.ranking[rank]))
    enter(context, study, replace(entry, rank=rank, posted=None, confirmed=()), Phase.AGGREGATE)


def silent_master(context: Context, study: Study, entry: Round) -> None:
    """The master did not post in time, or too few could confirm what it posted.

    Where no more than c are silent on it, they may be those that fail: it is neither charged nor passed over, else they
    chose the master.
    """
    if entry.posted is not None and not _is_doubted(study, entry, entry.master, entry.confirmed):
        _once_more(context, study, entry, "not_confirmed")
        return
    conduct.record(context, entry.study, entry.master, reputation.Outcome.LATE)
    next_in_rank(context, study, entry)


def confirmed(context: Context, study: Study, entry: Round) -> None:
    """After a confirmation: with c + 1 others at least one honest participant got the same roots."""
    if len(entry.confirmed) < study.spec.witnesses:
        return
    context.emit(events.AggregateVerified(entry.study, entry.number, entry.master))
    if entry.number == 0:
        _finalise(context, study, entry, accepted=True)
    else:
        enter(context, study, entry, Phase.GATE_COMMIT)


def gate_committed(context: Context, study: Study, entry: Round, *, due: bool = False) -> None:
    """After a bound vote on the model, or when the phase is due."""
    if due or len(rounds.gate_ballots(context.state, entry)) == len(entry.expected):
        enter(context, study, entry, Phase.GATE_REVEAL)


def gate_revealed(context: Context, study: Study, entry: Round, *, due: bool = False) -> None:
    """After an opened vote, or when the phase is due: rejected if more than f vote against.

    Silence accepts, but not that of more than f: then nobody judged the model.
    """
    ballots = rounds.gate_ballots(context.state, entry)
    if due or all(ballot.verdict for ballot in ballots):
        opened = sum(ballot.verdict is not Verdict.OPEN for ballot in ballots)
        against = sum(ballot.verdict == Verdict.REJECTED for ballot in ballots)
        few_against = against <= reputation.faults_tolerated(len(study.spec.uses))
        _finalise(context, study, entry, accepted=few_against and opened >= study.spec.threshold)


def void(context: Context, study: Study, entry: Round, reason: str) -> None:
    """This attempt yields nothing. The next one has the same master, unless that is what failed: a void pays nobody."""
    context.emit(events.AttemptVoid(entry.study, entry.number, reason))
    rounds.remember_void(context.state, entry)
    if _is_setback(context, study, entry):
        rounds.put(context.state, replace(entry, frozen=()))
        _pause(context, entry, reason)
    else:
        _begin_attempt(context, study, _next_attempt(entry))


def _is_setback(context: Context, study: Study, entry: Round) -> bool:
    """Count a setback, and say whether it was one too many."""
    setbacks = study.progress.setbacks + 1
    studies.set_progress(context.state, entry.study, setbacks=setbacks)
    return setbacks >= SETBACKS_MAX


def _next_attempt(entry: Round) -> Round:
    return replace(entry, attempt=entry.attempt + 1, frozen=(), posted=None, confirmed=())


def _pause(context: Context, entry: Round, reason: str) -> None:
    """Wait for people; what is over stays over."""
    if studies.require_study(context.state, entry.study).status in studies.OVER:
        return
    studies.set_progress(context.state, entry.study, status=Status.PAUSED)
    context.emit(events.StudyPaused(entry.study, reason))


def _finalise(context: Context, study: Study, entry: Round, *, accepted: bool) -> None:
    """Close the round, and open the next or finish the study. A rejected round costs nobody and changes no model."""
    outcome = Verdict.ACCEPTED if accepted else Verdict.REJECTED
    said = events.RoundAccepted if accepted else events.RoundRejected
    context.emit(said(entry.study, entry.number, entry.master))
    enter(context, study, replace(entry, outcome=outcome), Phase.FINAL)
    if accepted:
        for organisation in entry.frozen:
            conduct.record(context, entry.study, organisation, reputation.Outcome.ACCEPTED)
    setbacks = 0 if accepted else study.progress.setbacks + 1
    studies.set_progress(context.state, entry.study, setbacks=setbacks)
    base = _next_base(study, entry, accepted=accepted)
    if entry.number == study.spec.rounds:
        finish(context, study, base, studies.COMPLETED)
        return
    resting = reputation.faults_tolerated(len(study.spec.uses))
    drawn = (*entry.last_masters, *entry.ranking[:1])[-resting:] if resting else ()
    _open(context, study, entry.number + 1, base, entry.next_seed, entry.candidates, drawn)
    if setbacks >= SETBACKS_MAX:
        _pause(context, entry, "two_setbacks")


def _next_base(study: Study, entry: Round, *, accepted: bool) -> Base:
    """The model the next round starts from."""
    if entry.number == 0:
        return Base(study.spec.initial_root, study.spec.initial_weights, b"", 0)
    if accepted and (posted := entry.posted) is not None:
        return Base(posted.model_root, posted.weights_root, posted.object, entry.number)
    return base_of(entry)
