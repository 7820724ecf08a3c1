"""Releases as people see them: what is to leave, what each hospital said of it, and what waits for a hospital."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hmchain.errors import InputError
from hmchain.ledger.contracts.data import policies
from hmchain.ledger.contracts.learning import releases, studies
from hmchain.ledger.contracts.learning.releases import Decision, Release, Status
from hmchain.ledger.contracts.members.people import PersonRef
from hmchain.ledger.state import State

MODEL, COUNT, TABLE = "model", "count", "table"
GRANTED, REFUSED, WAITING = Decision.GRANTED.value, Decision.REFUSED.value, Decision.WAITING.value
LOST = "lost"


class UnknownReleaseError(InputError):
    """The ledger holds no release of that name."""

    code = "unknown_release"


@dataclass(frozen=True)
class ReleaseWord:
    """One hospital's word on a release."""

    organisation: str
    decision: str
    """`waiting`, `granted` or `refused`; `lost` of whoever can say nothing any more and never said no."""
    reason: str
    """Of a no, as a code."""
    evidence: bytes
    """Digest of the hospital's own evidence; empty for none."""
    persons: tuple[str, ...]
    """Who said so; nobody where the hospital's agent did by its policy."""
    needed: int
    """So many persons say yes at this hospital."""
    automatic: bool
    """Whether its policy lets its agent answer."""
    time_ms: int
    """0 while nothing was said."""

    @property
    def is_waiting(self) -> bool:
        """Whether the hospital has yet to answer, or more of its persons."""
        return self.decision == WAITING

    def __str__(self) -> str:
        return f"{self.organisation}: {self.decision}" + (f" ({self.reason})" if self.reason else "")


@dataclass(frozen=True)
class ReleaseView:
    """A release as somebody sees it before deciding on it, or waits for it."""

    release: str
    study: str
    """That made it; empty for a table."""
    dataset: str
    """Of a table: whose people it is of; empty for what a study made."""
    version: int
    kind: str
    """`model`, `count` or `table`."""
    purpose: str
    """Of the study; empty for a table."""
    artefact: bytes
    asked: bytes
    """What a decision binds."""
    audience: str
    regions: tuple[str, ...]
    by: str
    status: str
    """`asked`, `released` or `withdrawn`."""
    words: tuple[ReleaseWord, ...]
    """One a hospital whose records are in it, in order."""
    height: int
    """Of its last change."""
    time_ms: int

    @property
    def what(self) -> str:
        """What would leave, in words."""
        made = self.study or f"{self.release} of {self.dataset} version {self.version}"
        return f"{self.kind} {made}"

    def of(self, organisation: str) -> ReleaseWord | None:
        """A hospital's word; None where none of its records are in it."""
        return next((word for word in self.words if word.organisation == organisation), None)

    @property
    def waits_for(self) -> tuple[str, ...]:
        """The hospitals without whose yes it stays inside."""
        return tuple(word.organisation for word in self.words if word.decision not in (GRANTED, LOST))

    @property
    def is_asked(self) -> bool:
        """Whether it waits for hospitals."""
        return self.status == Status.ASKED

    @property
    def is_released(self) -> bool:
        """Whether it may leave."""
        return self.status == Status.RELEASED

    def __str__(self) -> str:
        if not self.is_asked:
            return f"{self.release}: {self.what} is {self.status}"
        said = ", ".join(map(str, self.words))
        return f"{self.release}: {self.what} is inside; {said}"


def release(state: State, name: str) -> ReleaseView:
    """A release by its name. Raises `UnknownReleaseError`."""
    found = releases.release(state, name)
    if found is None:
        raise UnknownReleaseError(f"the ledger has no release {name}", "`hmchain release list` shows all")
    return _view(state, found)


def all_releases(state: State, study: str = "") -> list[ReleaseView]:
    """All that were ever asked for, of one study if it is named, in order of name."""
    found = releases.releases_of(state, study) if study else releases.releases(state)
    return [_view(state, each) for each in found]


def released(state: State, study: str) -> list[str]:
    """The releases by which what a study made has left, in order; none where it is inside."""
    return [each.name for each in releases.releases_of(state, study) if each.status is Status.RELEASED]


def waiting_for(state: State, organisation: str) -> Iterator[Release]:
    """The releases that a hospital has not answered, or not with as many persons as its policy asks for."""
    for entry in releases.open_releases(state):
        said = releases.word(state, entry.name, organisation)
        is_answered = said is not None and (said.decision is Decision.REFUSED or releases.counts(state, entry, said))
        if organisation in entry.hospitals and not is_answered:
            yield entry


def may_decide(state: State, entry: Release, person: PersonRef) -> bool:
    """Whether a steward may still say yes: who asked for it or for what made it may not, nor who has."""
    said = releases.word(state, entry.name, person.organisation)
    has_said = said is not None and said.decision is Decision.WAITING and person in said.persons
    return not has_said and person not in releases.involved(state, entry)


def _view(state: State, entry: Release) -> ReleaseView:
    asked = entry.asked
    spec = studies.require_study(state, asked.study).spec if asked.table is None else None
    kind = TABLE if spec is None else COUNT if spec.is_count else MODEL
    dataset, version = (asked.table.dataset, asked.table.version) if asked.table is not None else ("", 0)
    return ReleaseView(
        release=asked.name, study=asked.study, dataset=dataset, version=version, kind=kind,
        purpose=spec.purpose if spec is not None else "", artefact=asked.artefact, asked=asked.digest,
        audience=asked.audience, regions=asked.regions, by=str(entry.by), status=entry.status,
        words=tuple(_word(state, entry, name) for name in entry.hospitals),
        height=entry.height, time_ms=entry.time_ms,
    )  # fmt: skip


def _word(state: State, entry: Release, organisation: str) -> ReleaseWord:
    dataset, said = releases.dataset_of(state, entry, organisation), releases.word(state, entry.name, organisation)
    needed = policies.current(state, organisation, dataset).approvers
    automatic = releases.is_automatic(state, entry, organisation)
    unsaid = LOST if releases.is_lost(state, entry, organisation) else WAITING
    if said is None:
        return ReleaseWord(organisation, unsaid, "", b"", (), needed, automatic, 0)
    # A yes with a key that was cut off before all had said yes is none.
    is_void = (
        entry.status is Status.ASKED and said.decision is Decision.GRANTED and not releases.counts(state, entry, said)
    )
    decision = unsaid if is_void or said.decision is Decision.WAITING else said.decision
    return ReleaseWord(
        organisation, decision, said.reason, said.evidence,
        tuple(map(str, said.persons)), needed, automatic, said.time_ms,
    )  # fmt: skip
