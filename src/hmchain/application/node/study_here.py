"""A study as one place shows it: the ledger's word, with what this hospital has measured in it and can do."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hmchain.application.models.machine import MachineUse, used_here
from hmchain.application.models.results import own_scores
from hmchain.application.models.scores import ScoresFileError, StudyScores
from hmchain.application.node.health import NetworkHealth
from hmchain.application.site.hospital import HospitalFolder
from hmchain.ledger.readers.ledger import LedgerReader
from hmchain.ledger.readers.next_steps import MODEL, NODE, RUN, Step
from hmchain.ledger.readers.study_status import StudyStatus


@dataclass(frozen=True)
class StudyHere:
    """A study as it is shown in one folder."""

    status: StudyStatus
    own: StudyScores | None
    """At a node: its hospital's own scores."""
    own_lost: str
    """Why they cannot be shown."""
    steps: tuple[Step, ...]
    """What can be done from here, with commands as they can be given here."""
    machine: MachineUse | None = None
    """At a node: what the study has taken of the hospital's machine."""
    health: NetworkHealth | None = None
    """At a running node: of its network, without which no study goes on."""


def study_here(
    found: StudyStatus,
    ledger: LedgerReader,
    hospital: HospitalFolder | None,
    *,
    is_run: bool,
    health: NetworkHealth | None = None,
) -> StudyHere:
    """A study with what this hospital, if it is a node's, has measured in it and can do."""
    kind, who = (NODE, hospital.organisation) if hospital else (RUN if is_run else "", "")
    steps = (
        step
        for step in (_possible(hospital, found.name, each) for each in found.steps)
        if step.place in ("", kind) and (not step.who or who in step.who)
    )
    own, lost = None, ""
    if hospital:
        try:
            own = own_scores(hospital, ledger, found.name)
        except ScoresFileError as error:  # all else is the ledger's, and stands
            lost = str(error)
    used = used_here(hospital, found.name) if hospital else None
    return StudyHere(found, own, lost, tuple(steps), used, health)


def _possible(hospital: HospitalFolder | None, study: str, step: Step) -> Step:
    """The step, or what comes before it: a model is shown once it is there."""
    if hospital is None or not step.command.startswith(MODEL) or hospital.study(study).model.exists():
        return step
    words = "the agent leaves the model here, by itself, when it runs; or write it to a file"
    return replace(step, words=words, command=f"model export {study}")
