"""What is to be done next in a study, in words, and the commands with which its hospitals' people do it.

A command stands here without program and folder, which whoever shows it knows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, assert_never

from hmchain.ledger.contracts.learning import approvals, models
from hmchain.ledger.contracts.learning.studies import Status, Study
from hmchain.ledger.contracts.members import membership
from hmchain.ledger.readers.permissions import permissions
from hmchain.ledger.readers.setbacks import Setback
from hmchain.ledger.state import State

NODE, RUN = "node", "run"
MODEL = "model show"


@dataclass(frozen=True)
class Step:
    """One thing that can be done now."""

    words: str
    command: str = ""
    """What stands after the program's name, without a folder; empty where no command does it."""
    who: tuple[str, ...] = ()
    """Whose people can do it; empty for everybody's."""
    place: str = ""
    """`node` or `run` where it can be done there alone."""


class Left(NamedTuple):
    """Whose part a study waits for."""

    deciders: tuple[str, ...]
    """Whose stewards have not approved."""
    agents: tuple[str, ...]
    """Whose agents have yet to take the step that is due."""


def words(state: State, study: Study, left: Left, went_wrong: tuple[Setback, ...]) -> str:
    """What is next, in a sentence."""
    progress, proposer, agents = study.progress, study.progress.proposer, ", ".join(left.agents)
    match study.status:
        case Status.CLOSED:
            return f"nothing came of it ({progress.reason}): a scientist may propose another study"
        case Status.FINISHED:
            return "see the number" if study.spec.is_count else "have its model, and see how it came about"
        case Status.REFUSED:
            refused = ", ".join(_said(state, study, approvals.REFUSED))
            return f"{refused} refused: {proposer}'s scientist may propose another study"
        case Status.PAUSED:
            why = f". Last setback: {went_wrong[-1]}" if went_wrong else ""
            return f"the scientist of {' or '.join(_resumers(state, study))} resumes or ends it{why}"
        case Status.PROPOSED if left.deciders:
            return f"the stewards of {', '.join(left.deciders)} approve or refuse"
        case Status.PROPOSED:
            return f"the agents of {agents} join; keep them running"
        case Status.AGREEING:
            return f"the agents of {agents} agree keys; keep them running"
        case Status.CONFIRMING:
            return f"the agents of {agents} confirm keys; keep them running"
        case Status.RUNNING:
            return f"see that the agents of {agents} run"
        case _:
            assert_never(study.status)


def steps(state: State, study: Study, deciders: tuple[str, ...]) -> tuple[Step, ...]:
    """What people can do about a study now, with the commands for it."""
    match study.status:
        case Status.FINISHED:
            return tuple(_finished(study, has_model=models.model(state, study.spec.name) is not None))
        case Status.PAUSED:
            return tuple(_paused(state, study))
        case Status.PROPOSED:
            return tuple(_proposed(study, deciders))
        case Status.RUNNING:
            return (Step("a demo that was stopped goes on with the command that began it", place=RUN),)
        case Status.AGREEING | Status.CONFIRMING | Status.REFUSED | Status.CLOSED:
            return ()
        case _:
            assert_never(study.status)


def _finished(study: Study, *, has_model: bool) -> Iterator[Step]:
    name, participants = study.spec.name, study.spec.participants
    if study.spec.is_count:
        yield Step("see the number", f"cohort result {name}", participants, NODE)
        yield Step("check the whole record", "node audit", place=NODE)
        yield Step("check the whole record", "audit verify", place=RUN)
        return
    if has_model:
        yield Step("see the model, and how to use it", f"{MODEL} --study {name}", participants, NODE)
        yield Step("see the model, and how to use it", MODEL, place=RUN)
    yield Step("see how it went", f"report --study {name}", participants, NODE)
    yield Step("see what made it", f"audit trace --study {name}")
    yield Step("check the whole record", "node audit", place=NODE)
    yield Step("check the whole record", "audit verify", place=RUN)


def _paused(state: State, study: Study) -> Iterator[Step]:
    name, who = study.spec.name, _resumers(state, study)
    yield Step("scientist: go on", f"study resume {name}", who, NODE)
    yield Step("scientist: end it, with its last accepted model", f"study close {name}", who, NODE)
    others = study.spec.participants
    yield Step("steward: vote for its end", f"study close {name} --vote", others, NODE)
    if approved := _said(state, study, approvals.APPROVED):
        yield Step("steward: let it use nothing more of this hospital", f"study revoke {name}", approved, NODE)


def _proposed(study: Study, deciders: tuple[str, ...]) -> Iterator[Step]:
    name = study.spec.name
    yield Step("read all that it pins", f"study show {name}")
    if deciders:
        yield Step("steward: allow it", f"study approve {name}", deciders, NODE)
        yield Step("steward: say no", f"study refuse {name} --reason ethics", deciders, NODE)


def _resumers(state: State, study: Study) -> tuple[str, ...]:
    """Whose scientists may resume a study: the proposer's, or any participant's where that one is gone."""
    proposer = study.progress.proposer
    return (proposer,) if membership.is_active(state, proposer) else study.spec.participants


def _said(state: State, study: Study, status: str) -> tuple[str, ...]:
    return tuple(each.organisation for each in permissions(state, study) if each.decision == status)
