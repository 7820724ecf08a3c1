"""Who asked for a dataset and who used it: on whose word, under which policy, from when until when, how it ended.

Protocol 3 knows requests and the hospitals' words on them; what protocol 2 knew were approvals of studies. Both are
told alike. A dataset's requests are found under its own prefix of the state, so what a ledger holds of others costs
nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from hmchain.ledger.context import STEWARD
from hmchain.ledger.contracts.data import permits, requests
from hmchain.ledger.contracts.data.requests import Decided, Handling, Kind, Request, Status
from hmchain.ledger.contracts.learning import approvals, models, permitted, studies
from hmchain.ledger.contracts.learning.approvals import Approval, Decision
from hmchain.ledger.contracts.learning.studies import DatasetUse, Study
from hmchain.ledger.contracts.members.people import PersonRef
from hmchain.ledger.readers.views import Views
from hmchain.ledger.state import State


class Standing(StrEnum):
    """How it stands with one use of a dataset."""

    WAITING = "waiting"
    ALLOWED = "allowed"
    """In force at the time of asking."""
    HELD_BACK = "held back"
    """Approved, and something else is missing: terms to accept, say, or a person who is suspended."""
    REJECTED = "rejected"
    DENIED = "denied"
    """By the hospital's policy."""
    REVOKED = "revoked"
    EXPIRED = "expired"
    REPLACED = "replaced"
    """The request was submitted anew: the word on this version counts no more."""
    CLOSED = "closed"


_EVER_YES = (Decided.APPROVED, Decided.REVOKED)


@dataclass(frozen=True)
class MadeOfIt:
    """A study that trained under a hospital's word, and what came of it."""

    study: str
    status: str
    rounds: int
    """Finished rounds."""
    model: bytes
    """Root of the model that it made; empty if it made none."""
    left: str = ""
    """What was used up of the hospital's machine (`hours`, `memory`), so that it left the study; else empty."""


@dataclass(frozen=True)
class UseView:
    """One use of one version of a dataset that somebody asked for."""

    organisation: str
    dataset: str
    version: int
    request: str
    """Of a study of protocol 2 its name."""
    submission: int
    """Which version of the request; 0 for a study of protocol 2."""
    kind: str
    purposes: tuple[str, ...]
    applicant: str
    """A person, written ORGANISATION/PERSON, or an organisation."""
    members: tuple[str, ...]
    standing: Standing
    was_allowed: bool
    """Whether the hospital said yes, whatever became of it."""
    said_by: tuple[str, ...]
    """On whose word it is so; empty where the policy alone said it, or nobody yet."""
    policy: int | None
    """The version of the hospital's policy that judged; None where there was none."""
    answer: str
    """What that policy said: yes, no or look."""
    reasons: tuple[str, ...]
    """Ids of the policies that fired."""
    reason: str
    """Why it was rejected or revoked, as a code."""
    asked_ms: int
    """0 where the ledger's state does not say it, as in the next three."""
    from_ms: int
    until_ms: int
    ended_ms: int
    content: bytes
    """Digest of what the word is about."""
    made: tuple[MadeOfIt, ...]

    def __str__(self) -> str:
        of = f"{self.organisation}/{self.dataset} version {self.version}"
        return f"{self.request} ({self.kind}) of {of} for {self.applicant}: {self.standing}"


def studies_before(state: State) -> list[Study]:
    """The studies that stand under no permit: those of protocol 2, of which a ledger gets no more."""
    return state.made("studies under no permit", studies.TABLES, lambda: _studies_before(state))


def _studies_before(state: State) -> list[Study]:
    found = studies.studies(state)
    return [study for study in found if permitted.under(state, study.progress.specification) is None]


def uses(
    state: State, time_ms: int, organisation: str, dataset: str = "", before: Sequence[Study] | None = None
) -> Views[UseView]:
    """All uses of a hospital's dataset, or of all of its datasets, that were ever asked for, as of a time.

    `before` are the state's `studies_before`, for whoever asks several times.
    """
    asked = state.made(("uses", organisation, dataset), _LISTED_BY, lambda: [*_asked(state, organisation, dataset)])
    of_studies = _of_studies(state, time_ms, organisation, dataset, studies_before(state) if before is None else before)
    approved = {(use.dataset, use.request, use.submission, use.version): use for use in of_studies}

    def view(place: _Place) -> UseView:
        return approved.get(place) or _under_request(state, time_ms, organisation, place)

    return Views(sorted([*asked, *approved]), view)


# -- requests and permits ----------------------------------------------------------------------------------------------


_Place = tuple[str, str, int, int]
"""A use among those of a hospital: dataset, request, submission, and the dataset's version."""
_LISTED_BY = (requests.REQUESTS, requests.CONTENTS, requests.HANDLINGS)


def _asked(state: State, organisation: str, dataset: str) -> Iterator[_Place]:
    for name in requests.asked_of(state, organisation, dataset):
        entry = requests.require_request(state, name)
        for version in range(1, entry.version + 1):
            content = requests.content(state, name, version)
            assert content is not None, "what was submitted stays"
            for use in content.of(organisation):
                word = requests.HANDLINGS.get(state, name, version, organisation, use.dataset)
                if word is not None and dataset in ("", use.dataset):
                    yield use.dataset, name, version, use.version


def _under_request(state: State, time_ms: int, organisation: str, place: _Place) -> UseView:
    dataset, name, submission, version = place
    entry, content = requests.require_request(state, name), requests.content(state, name, submission)
    word = requests.HANDLINGS.get(state, name, submission, organisation, dataset)
    assert content is not None and word is not None, "what was submitted, and said of it, stays"
    submitted = requests.submission(state, entry.name, word.version)
    assert submitted is not None, "what was submitted stays"
    standing = _standing(state, time_ms, entry, word)
    return UseView(
        organisation=word.organisation,
        dataset=word.dataset,
        version=version,
        request=entry.name,
        submission=word.version,
        kind=content.kind,
        purposes=content.purposes,
        applicant=str(submitted.applicant),
        members=tuple(map(str, submitted.members)),
        standing=standing,
        was_allowed=word.status in _EVER_YES,
        said_by=tuple(map(str, dict.fromkeys((*word.approvals, *word.decided_by)))),
        policy=word.policy,
        answer=word.answer,
        reasons=word.reasons,
        reason=word.reason,
        asked_ms=submitted.time_ms,
        from_ms=word.since_ms,
        until_ms=word.until_ms,
        ended_ms=_ended_ms(state, standing, entry, word),
        content=word.content,
        made=tuple(_made_under(state, entry.name, word)) if word.status in _EVER_YES else (),
    )


def _made_under(state: State, request: str, word: Handling) -> Iterator[MadeOfIt]:
    """What came of the studies under a request, as far as they used the dataset that a word is about."""
    for name in permitted.studies_of(state, request):
        study = studies.require_study(state, name)
        if any((use.organisation, use.dataset) == (word.organisation, word.dataset) for use in study.spec.uses):
            left = permitted.left(state, name, word.organisation)
            yield replace(made_of(state, study), left=left.reason if left else "")


def _standing(state: State, time_ms: int, entry: Request, word: Handling) -> Standing:
    if word.status is Decided.REVOKED:
        return Standing.REVOKED
    if word.status is Decided.REJECTED:
        return Standing.REJECTED
    if word.status is Decided.DENIED:
        return Standing.DENIED
    if word.version < entry.version:
        return Standing.REPLACED
    if entry.status is Status.CLOSED:
        return Standing.CLOSED
    if word.status is Decided.WAITING:
        return Standing.WAITING
    if permits.has_ended(word, time_ms):
        return Standing.EXPIRED
    found = permits.permit(state, entry.name, time_ms)
    allowed = () if found is None else found.allowed
    held = any((each.organisation, each.dataset) == (word.organisation, word.dataset) for each in allowed)
    return Standing.ALLOWED if held else Standing.HELD_BACK


def _ended_ms(state: State, standing: Standing, entry: Request, word: Handling) -> int:
    match standing:
        case Standing.REPLACED:
            following = requests.submission(state, entry.name, word.version + 1)
            return following.time_ms if following is not None else 0
        case Standing.CLOSED:
            return entry.closed_ms
        case Standing.EXPIRED:
            return word.until_ms
        case Standing.REVOKED:
            return word.time_ms
    return 0


# -- studies of protocol 2 ---------------------------------------------------------------------------------------------


def _of_studies(
    state: State, time_ms: int, organisation: str, dataset: str, before: Sequence[Study]
) -> Iterator[UseView]:
    for study in before:
        for use in study.spec.uses:
            if use.organisation == organisation and dataset in ("", use.dataset):
                yield _of_study(state, time_ms, study, use)


def _of_study(state: State, time_ms: int, study: Study, use: DatasetUse) -> UseView:
    said = approvals.approval(state, study.progress.specification, use.organisation)
    standing = _standing_of_study(study, said, time_ms)
    return UseView(
        organisation=use.organisation,
        dataset=use.dataset,
        version=use.version,
        request=study.spec.name,
        submission=0,
        kind=Kind.TRAIN,
        purposes=(study.spec.purpose,),
        applicant=study.progress.proposer,
        members=(),
        standing=standing,
        was_allowed=said is not None and said.status != Decision.REFUSED,
        said_by=(str(PersonRef(use.organisation, STEWARD)),) if said else (),
        policy=None,
        answer="",
        reasons=(),
        reason=said.reason if said else "",
        asked_ms=0,
        from_ms=0,
        until_ms=said.expires_ms if said else 0,
        ended_ms=said.expires_ms if said and standing is Standing.EXPIRED else 0,
        content=study.progress.specification,
        made=(made_of(state, study),) if said and said.status != Decision.REFUSED else (),
    )


def _standing_of_study(study: Study, said: Approval | None, time_ms: int) -> Standing:
    if said is not None and said.status != Decision.APPROVED:
        return Standing.REVOKED if said.status == Decision.REVOKED else Standing.REJECTED
    if study.status in studies.OVER:
        return Standing.CLOSED
    if said is None:
        return Standing.WAITING
    return Standing.EXPIRED if time_ms > said.expires_ms else Standing.ALLOWED


def made_of(state: State, study: Study) -> MadeOfIt:
    """What came of a study so far."""
    model = models.model(state, study.spec.name)
    return MadeOfIt(study.spec.name, study.status, study.progress.round, model.root if model else b"")
