"""A study as it stands: its participants, the round that it is in, whom that waits for, and what is to be done next."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import assert_never

from hmchain.errors import InputError
from hmchain.ledger.contracts.data import datasets
from hmchain.ledger.contracts.learning import conduct, models, opening, permitted, rounds, studies
from hmchain.ledger.contracts.learning.rounds import Phase, Round, Verdict
from hmchain.ledger.contracts.learning.studies import Status, Study
from hmchain.ledger.contracts.members import membership, standings
from hmchain.ledger.readers import next_steps, permissions
from hmchain.ledger.readers.next_steps import Left, Step
from hmchain.ledger.readers.setbacks import Setback, setbacks
from hmchain.ledger.readers.states import VerifiedState
from hmchain.ledger.readers.studies import NAMED_MAX, known_names, requests
from hmchain.ledger.readers.views import Views
from hmchain.ledger.state import State


class NoStudyError(InputError):
    """The ledger holds no such study, or several and none was named."""

    code = "no_study"


@dataclass(frozen=True)
class Participant:
    """One hospital's part in a study."""

    organisation: str
    title: str
    dataset: str
    version: int
    records: int
    """Rounded, as published; 0 if the version is not published."""
    approval: str
    """`approved`, `refused`, `revoked` or `undecided`."""
    expires_ms: int
    weight: int
    """1 to 256: of its update in the sum."""
    left: str = ""
    """What was used up of its machine (`hours`, `memory`), so that it takes no further part; else empty."""


@dataclass(frozen=True)
class Reputation:
    """One hospital's standing."""

    organisation: str
    consensus: int
    """0 to 10 000."""
    learning: int
    """0 to 10 000."""
    power: int
    jailed: bool
    barred: bool
    tombstoned: bool


@dataclass(frozen=True)
class CurrentRound:
    """The round that a study is in."""

    number: int
    attempt: int
    phase: str
    deadline_ms: int
    master: str
    backups: tuple[str, ...]
    waits_for: tuple[str, ...]
    """Whose transactions would end the phase before its deadline."""


@dataclass(frozen=True)
class StudyStatus:
    """Everything about one study at one height."""

    name: str
    status: str
    height: int
    purpose: str
    proposer: str
    rounds: int
    accepted: int
    """Rounds whose model the gate took, the class-count round left out."""
    rejected: int
    setbacks: int
    """In a row: two pause the study."""
    reason: str
    """Why it is over; empty while it is not."""
    opens_by_ms: int
    """Until when the step of its opening must come about; 0 once it is open."""
    current: CurrentRound | None
    participants: tuple[Participant, ...]
    reputation: tuple[Reputation, ...]
    model_root: bytes
    """Empty until the study is finished."""
    went_wrong: tuple[Setback, ...]
    """What went wrong since the last accepted round; of a paused study the last one paused it."""
    next: str
    """What is to be done now, in a sentence."""
    steps: tuple[Step, ...]
    """What people can do about it now, each with its command."""
    vouched: str
    """Whose signatures the state rests on that all of this was read from, or that nobody's do yet."""

    def __str__(self) -> str:
        done = f"{self.accepted + self.rejected} of {self.rounds} rounds"
        return f"{self.name}: {self.status}, {done}; next: {self.next} (block {self.height}, {self.vouched})"


def all_studies(found: VerifiedState) -> Views[StudyStatus]:
    """All studies as they stand now, in order of name."""
    state, words = found.state, found.words
    return Views(studies.names(state), lambda name: _status(state, studies.require_study(state, name), words))


def names_of_open(state: State) -> list[str]:
    """The studies that are not over, in order of name."""
    return studies.all_open(state)


def study_status(found: VerifiedState, name: str | None = None) -> StudyStatus:
    """One study as it stands now, without a name the one that is meant. Raises `NoStudyError`."""
    state, wanted = found.state, name or default_study(found.state)
    study = studies.study(state, wanted)
    if study is None and any(each.study == wanted for each in requests(state, "")):
        hint = f"`hmchain study show {wanted}` says who has decided; once all have, its scientist proposes it"
        raise NoStudyError(f"study {wanted} is asked for, and not proposed yet", hint)
    if study is None:
        raise NoStudyError(f"there is no study {wanted}", f"studies on this ledger: {known_names(state)}")
    return _status(state, study, found.words)


def meant(state: State) -> list[str]:
    """The studies that may be meant when none is named: those that were not refused, else all."""
    return state.made("studies that may be meant", studies.TABLES, lambda: _meant(state))


def _meant(state: State) -> list[str]:
    known = studies.studies(state)
    return [study.spec.name for study in known if study.status != Status.REFUSED] or [s.spec.name for s in known]


def default_study(state: State) -> str:
    """The study that is meant when none is named: the only one that was not refused. Raises `NoStudyError`."""
    names = meant(state)
    if len(names) != 1:
        more = f" and {len(names) - NAMED_MAX} more" if len(names) > NAMED_MAX else ""
        hint = f"name one with --study: {', '.join(names[:NAMED_MAX])}{more}" if names else "a scientist proposes one"
        raise NoStudyError(f"{len(names)} studies may be meant" if names else "the ledger holds no study", hint)
    return names[0]


def _status(state: State, study: Study, vouched: str) -> StudyStatus:
    spec, progress = study.spec, study.progress
    done = [round_ for round_ in rounds.rounds(state, spec.name) if round_.number > 0]
    open_ = rounds.round_(state, spec.name, progress.round)
    current = _current(state, study, open_) if open_ and study.status not in studies.OVER else None
    model = models.model(state, spec.name)
    left = Left(undecided(state, study), current.waits_for if current else awaited_to_open(state, study))
    went_wrong = setbacks(state, study) if study.status not in studies.OVER else ()
    participants = tuple(_participant(state, study, organisation) for organisation in spec.participants)
    return StudyStatus(
        name=spec.name,
        status=study.status.value,
        height=state.height,
        purpose=spec.purpose,
        proposer=progress.proposer,
        rounds=spec.rounds,
        accepted=sum(round_.outcome == Verdict.ACCEPTED for round_ in done),
        rejected=sum(round_.outcome == Verdict.REJECTED for round_ in done),
        setbacks=progress.setbacks,
        reason=progress.reason,
        opens_by_ms=progress.deadline_ms if study.status in studies.OPENING else 0,
        current=current,
        participants=participants,
        reputation=tuple(_reputation(state, spec.name, organisation) for organisation in spec.participants),
        model_root=model.root if model else b"",
        went_wrong=went_wrong,
        next=next_steps.words(state, study, left, went_wrong),
        steps=next_steps.steps(state, study, left.deciders),
        vouched=vouched,
    )


def _participant(state: State, study: Study, organisation: str) -> Participant:
    use = study.spec.uses[study.order(organisation)]
    member = membership.membership(state, organisation)
    version = datasets.version(state, organisation, use.dataset, use.version)
    said = permissions.permission(state, study, organisation)
    left = permitted.left(state, study.spec.name, organisation)
    return Participant(
        organisation=organisation,
        title=member.member.title if member else "",
        dataset=use.dataset,
        version=use.version,
        records=version.count if version else 0,
        approval=said.decision,
        expires_ms=said.until_ms,
        weight=study.weight(organisation),
        left=left.reason if left else "",
    )


def _reputation(state: State, study: str, organisation: str) -> Reputation:
    entry = standings.standing(state, organisation)
    return Reputation(
        organisation=organisation,
        consensus=entry.consensus,
        learning=conduct.learning_score(state, study, organisation, standings.time_ms(state)),
        power=entry.power,
        jailed=entry.jailed,
        barred=entry.barred,
        tombstoned=entry.tombstoned,
    )


def _current(state: State, study: Study, entry: Round) -> CurrentRound:
    return CurrentRound(
        number=entry.number,
        attempt=entry.attempt,
        phase=entry.phase.value,
        deadline_ms=entry.deadline_ms,
        master=entry.master if entry.ranking else "",
        backups=entry.ranking[entry.rank + 1 :],
        waits_for=awaited(state, study, entry),
    )


def undecided(state: State, study: Study) -> tuple[str, ...]:
    """Whose steward has yet to approve a study, or has refused or revoked."""
    return tuple(said.organisation for said in permissions.permissions(state, study) if not said.is_given)


def awaited_to_open(state: State, study: Study) -> tuple[str, ...]:
    """Whose agents have yet to take the step in which a study opens: to join, to agree or to confirm keys."""
    name = study.spec.name
    match study.status:
        case Status.PROPOSED:
            done = [each.organisation for each in opening.joins(state, name)]
        case Status.AGREEING:
            done = [each.organisation for each in opening.agreements(state, name)]
        case Status.CONFIRMING:
            done = [each.organisation for each in opening.confirmations(state, name)]
        case _:
            return ()
    return _without(study.spec.participants, done)


def awaited(state: State, study: Study, entry: Round) -> tuple[str, ...]:
    """Whose transactions the phase of a round waits for."""
    updates = rounds.contributions(state, entry)
    ballots = rounds.gate_ballots(state, entry)
    match entry.phase:
        case Phase.COMMIT:
            return _without(entry.expected, (update.organisation for update in updates))
        case Phase.ATTEST:
            wanting = [update for update in updates if len(update.attested) < study.spec.witnesses]
            return tuple(
                organisation
                for organisation in entry.expected
                if any(organisation not in (update.organisation, *update.attested) for update in wanting)
            )
        case Phase.REVEAL:
            return _without(entry.frozen, (update.organisation for update in updates if update.self_seed))
        case Phase.AGGREGATE:
            return (entry.master,)
        case Phase.VERIFY:
            return _without(entry.expected, (entry.master, *entry.confirmed))
        case Phase.GATE_COMMIT:
            return _without(entry.expected, (ballot.organisation for ballot in ballots))
        case Phase.GATE_REVEAL:
            return tuple(ballot.organisation for ballot in ballots if not ballot.verdict)
        case Phase.FINAL:
            return ()
        case _:
            assert_never(entry.phase)


def _without(names: Iterable[str], gone: Iterable[str]) -> tuple[str, ...]:
    left = set(gone)
    return tuple(name for name in names if name not in left)
