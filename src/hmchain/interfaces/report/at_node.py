"""The report of a study on a real network as one hospital may know it, or somebody who has the ledger and nothing else.

Nothing is measured for it. What they cannot know, the others' scores above all, is left out.
"""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from msgspec.structs import replace

from hmchain.application.data import activity
from hmchain.application.governance.terms import terms
from hmchain.application.models.results import own_scores
from hmchain.application.models.scores import StudyScores
from hmchain.application.site.hospital import HospitalFolder
from hmchain.interfaces.report import history, permits
from hmchain.interfaces.report.history import History
from hmchain.interfaces.report.lineage import read_lineage
from hmchain.interfaces.report.parts import (
    Approval,
    Departure,
    Fact,
    Hospital,
    OwnRound,
    OwnScores,
    Participant,
    Round,
    RunIdentity,
    TrainingPlan,
    Verdict,
)
from hmchain.interfaces.report.summary import PRIVACY_LIMITS, RunSummary
from hmchain.ledger import vectors
from hmchain.ledger.contracts.learning import rounds, studies
from hmchain.ledger.contracts.learning.studies import Study
from hmchain.ledger.contracts.members import membership, standings
from hmchain.ledger.genesis import Genesis
from hmchain.ledger.readers.datasets import count_words
from hmchain.ledger.readers.ledger import LedgerReader
from hmchain.ledger.readers.next_steps import NODE
from hmchain.ledger.readers.study_status import StudyStatus
from hmchain.ledger.state import State
from hmchain.plain import size
from hmchain.records.envelope import sealed_size

OWN_SCORES = Fact(
    name="The scores are this hospital's own.",
    text="They are measured on its own validation images, by which it also votes. They say how the model does here, "
    "not at the other hospitals, and on few images chance has a large part. No model of its own was trained to compare "
    "with: a fair one takes as much computing as the study.",
)
NO_SCORES = Fact(
    name="No scores are on this page.",
    text="Each hospital measures the model on its own images and keeps what it found; no ledger holds it. How good the "
    "model is, the hospitals alone can tell.",
)
NOT_AUDITED = Fact(
    name="This page is no audit.",
    text="It was drawn from one copy of the ledger, held against the newest header that members signed. An audit "
    "executes all of it again and checks every signature; its command stands below.",
)
NOT_WHOLE = Fact(
    name="This copy of the ledger is not whole.",
    text="It begins with a snapshot, which its founders signed. What only the blocks before it tell is left out: ask a "
    "member whose node has the whole log.",
)
_AUDIT = Fact(name="audit verify", text="check the whole record")
"""For who has no node; there the steps of the study say it."""


@dataclass(frozen=True)
class _Known:
    """All that the page is drawn from."""

    organisation: str
    """The hospital at whose node the page is drawn; empty of a ledger alone, which is nobody's."""
    genesis: Genesis
    state: State
    study: Study
    status: StudyStatus
    own: StudyScores | None
    story: History | None
    """None of a log that begins with a snapshot: it cannot be executed from the start."""
    sent: int | None
    """Bytes of masked updates by the hospital's own activity log; None if it knows of none."""
    called: Callable[[str], str]

    @property
    def takes_part(self) -> bool:
        return self.organisation in self.study.spec.participants


def summarise(
    hospital: HospitalFolder | None,
    directory: Path,
    ledger: LedgerReader,
    study: str | None,
    called: Callable[[str], str],
) -> RunSummary:
    """What a hospital may know of a study, or without one what the ledger tells everybody.

    `called` makes whole commands of what stands after the program's name.

    Raises `NoStudyError`, `ScoresFileError`, `ActivityLogError`, and what `LedgerReader.require_whole` raises.
    """
    ledger.require_whole()
    state, status = ledger.verified.state, ledger.study(study)
    entry = studies.require_study(state, status.name)
    members = [member.organisation for member in membership.active_members(state)]
    is_whole = not ledger.begins_after and ledger.genesis.before is None
    story = history.read(directory, status.name, (*members, *entry.spec.participants)) if is_whole else None
    own, sent, organisation = None, None, ""
    if hospital is not None:
        own, organisation = own_scores(hospital, ledger, status.name), hospital.organisation
        sent = activity.report(hospital).totals.updates.get(status.name)
    known = _Known(organisation, ledger.genesis, state, entry, status, own, story, sent, called)
    return _summary(known, directory)


def _summary(known: _Known, directory: Path) -> RunSummary:
    status, story, spec = known.status, known.story, known.study.spec
    names = story.members if story else spec.participants
    ended = f" ({status.reason})" if status.reason else ""
    lineage = read_lineage(directory, status.name) if story else None
    return RunSummary(
        title=f"Study {status.name}, as {known.organisation or 'its ledger'} knows it",
        notice=f"The study is {status.status}{ended}. {_whose_scores(known.organisation)}",
        identity=_identity(known),
        hospitals=tuple(Hospital(name=name, class_counts=(0,) * len(spec.schema.classes)) for name in names),
        participants=tuple(_participants(status)),
        own=_own(known.own) if known.own else None,
        verdicts=_verdicts(known),
        approvals=tuple(_approvals(known)),
        returned=tuple(permits.returned(known.state, status.name, story.returned)) if story else (),
        plan=_plan(known.study),
        rounds=tuple(story.rounds) if story else tuple(_rounds(known)),
        reputation=tuple(story.reputation) if story else (),
        proposers=story.proposers if story else (),
        incidents=story.all_incidents if story else (),
        departures=_departures(known),
        lineage=replace(lineage, model_transaction=story.registered.hex()) if story and lineage else None,
        ledger=story.statistics(standings.validator_count(known.state)) if story else None,
        limits=(
            OWN_SCORES if known.organisation else NO_SCORES,
            *(() if known.story else (NOT_WHOLE,)),
            NOT_AUDITED,
            *PRIVACY_LIMITS,
        ),
        next_commands=_next_commands(known),
    )


def _whose_scores(organisation: str) -> str:
    if not organisation:
        return "No scores are on this page: hospitals keep them."
    return f"Scores on this page are {organisation}'s own; no hospital learns another's."


def _identity(known: _Known) -> RunIdentity:
    spec = known.study.spec
    at = f" at the node of {known.organisation}" if known.organisation else ""
    as_of = datetime.fromtimestamp(standings.time_ms(known.state) / 1000, UTC)
    return RunIdentity(
        dataset=", ".join(spec.schema.classes),
        classes=spec.schema.classes,
        chain_id=known.genesis.chain_id,
        genesis_digest=known.genesis.digest.hex(),
        model_digest=known.status.model_root.hex(),
        finished=as_of.isoformat(timespec="seconds"),
        software=f"hmchain {version('hmchain')}, Python {platform.python_version()}",
        engine=f"block {known.status.height}{at}, {known.status.vouched}",
    )


def _participants(status: StudyStatus) -> list[Participant]:
    return [
        Participant(
            hospital=each.organisation,
            title=each.title,
            dataset=each.dataset,
            version=each.version,
            records=count_words(each.records) if each.records else "not published",
            approval=each.approval,
        )
        for each in status.participants
    ]


def _own(found: StudyScores) -> OwnScores:
    return OwnScores(
        hospital=found.organisation,
        measure=found.measure,
        images=found.images,
        tolerance=found.tolerance,
        rounds=tuple(
            OwnRound(
                number=each.round,
                auc=each.auc,
                acc=each.acc,
                best_before=each.best_before,
                vote=each.vote,
                outcome=each.outcome,
            )
            for each in found.rounds
        ),
    )


def _rounds(known: _Known) -> list[Round]:
    """The rounds as the state has them: without the masters that were replaced, and times."""
    found = []
    for entry in rounds.rounds(known.state, known.status.name):
        ballots = [each.verdict for each in rounds.gate_ballots(known.state, entry)]
        if entry.number and entry.outcome:
            found.append(
                Round(
                    number=entry.number,
                    master=entry.master,
                    outcome="accepted" if entry.outcome == rounds.Verdict.ACCEPTED else "rejected",
                    accepts=ballots.count(rounds.Verdict.ACCEPTED),
                    rejects=ballots.count(rounds.Verdict.REJECTED),
                )
            )
    return found


def _approvals(known: _Known) -> list[Approval]:
    return permits.decisions(known.state, known.status.name, known.story.decisions if known.story else {})


def _plan(study: Study) -> TrainingPlan:
    spec, words = study.spec, dict(terms(study.spec))
    left = ("plan", "update", "rounds", "model", "first model", "data", "training code")
    return TrainingPlan(
        architecture=f"{len(spec.rule.layers)} layers of weights",
        parameters=spec.rule.size,
        rounds=spec.rounds,
        algorithm="federated averaging in short rounds, with server momentum",
        schedule=words.get("plan", ""),
        bits=spec.rule.bits,
        code_digest=spec.code.hex(),
        more=tuple(Fact(name=name.capitalize(), text=text) for name, text in words.items() if name not in left),
    )


def _departures(known: _Known) -> tuple[Departure, ...]:
    """What left this hospital in the study: by its own log, which knows what was sent again, else by the ledger."""
    if known.story is None or not known.takes_part:
        return ()
    update_bytes = sealed_size(known.study.spec.rule.chunks * vectors.UPDATE.leaf_bytes)
    return (
        Departure(
            hospital=known.organisation,
            update_bytes=known.story.updates[known.organisation] * update_bytes if known.sent is None else known.sent,
            transaction_bytes=known.story.transaction_bytes[known.organisation],
        ),
    )


def _verdicts(known: _Known) -> tuple[Verdict, ...]:
    status, found = known.status, []
    said = {each.organisation: each.approval for each in status.participants}
    if known.takes_part:
        sent = sum(each.update_bytes for each in _departures(known))
        approval = said[known.organisation]
        sentence = f"No image left {known.organisation}; its agent sent {size(sent)} of masked updates. Its steward's "
        found.append(Verdict(role="steward", good=True, sentence=f"{sentence}word on this study: {approval}."))
    own = _own(known.own).model if known.own else None
    here = ""
    if own is not None and known.own is not None and own.auc is not None:
        here = f" Here the model has {known.own.measure} {own.auc:.3f} on {known.own.images} validation images."
    done = f"{status.accepted} of {status.rounds} rounds were accepted, {status.rejected} rejected."
    found.append(Verdict(role="scientist", good=status.accepted > 0, sentence=done + here))
    if status.went_wrong:
        found.append(Verdict(role="operator", good=False, sentence=f"Last setback: {status.went_wrong[-1]}."))
    return tuple(found)


def _next_commands(known: _Known) -> tuple[Fact, ...]:
    places, audit = ("", NODE) if known.organisation else ("",), () if known.organisation else (_AUDIT,)
    steps = (
        Fact(name=step.command, text=step.words)
        for step in known.status.steps
        if step.command
        and step.place in places
        and "report" not in step.command
        and (not step.who or known.organisation in step.who)
    )
    return tuple(Fact(name=known.called(step.name), text=step.text) for step in (*steps, *audit))
