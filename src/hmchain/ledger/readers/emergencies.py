"""Emergencies as people read them: who asked for whose help, how it was judged, and how often each person asked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from hmchain.ledger.contracts.data import break_glass, datasets
from hmchain.ledger.contracts.data.break_glass import Emergency, Status
from hmchain.ledger.contracts.members import membership, standings
from hmchain.ledger.contracts.members.people import PersonRef
from hmchain.ledger.state import State


@dataclass(frozen=True)
class EmergencyView:
    """An emergency, at the time of the last block."""

    name: str
    person: str
    """Who asked."""
    giver: str
    dataset: str
    version: int
    reason: str
    status: str
    asked_ms: int
    answered_ms: int
    """0 if it was not."""
    review_due_ms: int
    reviewed_by: str
    reviewed_ms: int
    policy: int
    """The version of the giver's policy that let it be."""
    overdue: bool
    """Whether its judgement is."""

    @property
    def is_reviewed(self) -> bool:
        """Whether it was judged."""
        return self.reviewed_ms > 0

    def __str__(self) -> str:
        return f"{self.name}: {self.person} asked {self.giver} for a patient of {self.dataset} ({self.reason})"


@dataclass(frozen=True)
class Counted:
    """How often a clinician asked."""

    person: str
    asked: int
    waiting: int
    """Of these, not judged yet."""
    justified: int
    unjustified: int


@dataclass(frozen=True)
class Bar:
    """An organisation whose people are given nothing by a hospital, since they misused emergencies there."""

    grantee: str
    giver: str
    since_ms: int
    lifted_by: str
    """Which of the two has looked into it and said so; empty for none."""


@dataclass(frozen=True)
class Emergencies:
    """All that an organisation has to do with, and who asked how often, whom most were not justified of first."""

    listed: tuple[EmergencyView, ...]
    """Those that nobody has judged first, then the newest."""
    counted: tuple[Counted, ...]
    barred: tuple[Bar, ...]


def emergencies(state: State, organisation: str = "") -> Emergencies:
    """All emergencies, or those that an organisation's people asked for or that it was asked for."""
    time_ms = standings.time_ms(state)
    found = break_glass.emergencies(state, organisation)
    listed = sorted((_view(each, time_ms) for each in found), key=lambda each: (each.is_reviewed, -each.asked_ms))
    return Emergencies(tuple(listed), _counted(found), bars(state, organisation))


def emergency(state: State, name: str) -> EmergencyView:
    """One emergency. Raises what `require_emergency` raises."""
    return _view(break_glass.require_emergency(state, name), standings.time_ms(state))


def open_to(state: State, organisation: str, person: str) -> tuple[str, ...]:
    """The datasets, as `HOSPITAL/DATASET`, of which a clinician may ask for a patient's records at once."""
    who, held = PersonRef(organisation, person), datasets.datasets(state)
    return tuple(
        f"{each.organisation}/{each.name}"
        for each in held
        if each.version and each.organisation != organisation
        and membership.is_active(state, each.organisation)
        and break_glass.allows(state, each.organisation, each.name, who)
        and not break_glass.is_barred(state, each.organisation, organisation)
    )  # fmt: skip


def bars(state: State, organisation: str = "") -> tuple[Bar, ...]:
    """Who is barred where: all of it, or what an organisation has to do with."""
    found = break_glass.bars(state, organisation)
    return tuple(Bar(each.grantee, each.giver, each.barred_ms, "".join(each.lifted_by)) for each in found)


def _view(entry: Emergency, time_ms: int) -> EmergencyView:
    return EmergencyView(
        entry.name, str(entry.person), entry.giver, entry.dataset, entry.version, entry.reason, entry.status,
        entry.asked_ms, entry.answered_ms, entry.review_due_ms, ", ".join(map(str, entry.reviewed_by)),
        entry.reviewed_ms, entry.policy, not entry.is_reviewed and time_ms > entry.review_due_ms,
    )  # fmt: skip


def _counted(found: Sequence[Emergency]) -> tuple[Counted, ...]:
    by_person = defaultdict[str, list[Emergency]](list)
    for entry in found:
        by_person[str(entry.person)].append(entry)
    counted = [
        Counted(person, len(asked), sum(not each.is_reviewed for each in asked),
                *(sum(each.status is status for each in asked) for status in (Status.JUSTIFIED, Status.UNJUSTIFIED)))
        for person, asked in by_person.items()
    ]  # fmt: skip
    return tuple(sorted(counted, key=lambda each: (-each.unjustified, -each.asked, each.person)))
