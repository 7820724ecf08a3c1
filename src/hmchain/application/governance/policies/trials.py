"""A policy tried out before it is set: what it would say to requests, and why."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from hmchain.application.governance.policies.file import PolicyFileError, uses
from hmchain.application.governance.policies.rules import values_of
from hmchain.application.governance.purposes import terms as purpose_names
from hmchain.application.governance.reasons import reason_words
from hmchain.application.governance.requests.file import RequestFile, load_request
from hmchain.clock import DAY_MS, now_ms
from hmchain.ledger.contracts.data import cedar
from hmchain.ledger.contracts.data.policies import Answer, Asked, Terms, judge
from hmchain.ledger.contracts.data.requests import DocumentKind, Kind
from hmchain.ledger.contracts.members.people import PersonRef
from hmchain.ledger.purposes import DISEASE_SPECIFIC

SOMEBODY = PersonRef("another-hospital", "scientist")
OWN = "this-hospital"
"""Whose dataset it is, where nobody says."""
_SAMPLE = "MONDO:0021042"
"""Glioma: asked about where a policy names no disease of its own."""
_ANSWERS = {Answer.YES: "yes", Answer.NO: "no", Answer.LOOK: "a person must look"}


@dataclass(frozen=True)
class Trial:
    """What a policy says to one request."""

    asked: str
    """In words."""
    answer: Answer
    reasons: tuple[str, ...]
    """Codes."""
    because: tuple[str, ...]
    """The reasons in words."""

    @property
    def answer_words(self) -> str:
        """The answer for people."""
        return _ANSWERS[self.answer]


def tried(terms: Terms, asked: Asked, words: str) -> Trial:
    """What a policy says to a request; nothing is sent anywhere."""
    verdict = judge(terms, asked)
    return Trial(words, verdict.answer, verdict.reasons, tuple(map(reason_words, verdict.reasons)))


def usual(terms: Terms, owner: str, dataset: str) -> tuple[Trial, ...]:
    """What a policy says to requests that are typical: for each use of DUO, and then with what often makes a no."""
    named = purpose_names()
    asked = [_fitting(terms, owner, dataset, code) for code in sorted(uses().values())]
    trials = [tried(terms, each, named[each.purposes[0]]) for each in asked]
    best = min(range(len(asked)), key=lambda place: _RANK[trials[place].answer])
    variants = (
        ("... for commercial use", replace(asked[best], commercial=True)),
        ("... without an ethics committee's letter", replace(asked[best], documents=("form",))),
        ("... that will not be published", replace(asked[best], publishes=False)),
        ("... with results to another country", replace(asked[best], regions=("ZZ",))),
        ("... of somebody else's", replace(asked[best], organisation=SOMEBODY.organisation, person=SOMEBODY.person)),
    )
    varied = (tried(terms, each, words) for words, each in variants)
    return (*trials[: best + 1], *varied, *trials[best + 1 :])


_RANK = {Answer.YES: 0, Answer.LOOK: 1, Answer.NO: 2}


def _fitting(terms: Terms, owner: str, dataset: str, purpose: str) -> Asked:
    """A request for one purpose that fits all else that a policy says, as far as a program can tell."""
    said = cedar.parsed(terms.cedar)
    people = [PersonRef(*each.split("/", 1)) for each in _listed(said, "people")] or [
        PersonRef(each, SOMEBODY.person) for each in _listed(said, "institutions")
    ]
    who = people[0] if people else SOMEBODY
    return Asked(
        organisation=who.organisation, person=who.person, roles=("scientist",), members=(), owner=owner,
        dataset=dataset, kind=next(iter(_listed(said, "kinds")), str(Kind.TRAIN)), purposes=(purpose,),
        diseases=tuple(_listed(said, "diseases")[:1]) or (_SAMPLE,) if purpose == DISEASE_SPECIFIC else (),
        code=b"", fields=(), labels=(), commercial=False, publishes=True,
        regions=tuple(_listed(said, "regions")[:1]) or ("DE",), documents=("ethics", "form"),
        days=min(terms.days_max or 90, 90), rounds=1, colluders=terms.colluders_min, organisations=(owner,),
        count=terms.minimum_cohort,
    )  # fmt: skip


def _listed(said: dict[str, dict[str, object]], rule: str) -> list[str]:
    return [str(each) for each in values_of(said[rule])] if rule in said else []


def of_files(
    terms: Terms, paths: Iterable[Path], owner: str, dataset: str, applicant: str, count: int | None
) -> tuple[Trial, ...]:
    """What a policy says to requests in files; `applicant` is HOSPITAL/PERSON. Raises what `load_request` raises."""
    return of_requests(terms, [load_request(path) for path in paths], owner, dataset, applicant, count)


def of_requests(
    terms: Terms, files: Iterable[RequestFile], owner: str, dataset: str, applicant: str, count: int | None
) -> tuple[Trial, ...]:
    """The same of requests that were read. Raises `PolicyFileError`."""
    organisation, sign, person = applicant.partition("/")
    if not sign:
        raise PolicyFileError(f"{applicant!r} names no person of a hospital", "write HOSPITAL/PERSON")
    who = PersonRef(organisation, person)
    return tuple(tried(terms, _asked(terms, each, owner, dataset, who, count), each.name) for each in files)


def _asked(terms: Terms, file: RequestFile, owner: str, dataset: str, applicant: PersonRef, count: int | None) -> Asked:
    """What a policy would be asked about a request's file, for one dataset."""
    attached = {str(kind) for kind in file.attachments} | {str(DocumentKind.FORM)}
    rounds = file.resources.rounds or file.study.get("rounds", 0)
    return Asked(
        organisation=applicant.organisation, person=applicant.person, roles=("scientist",), members=(), owner=owner,
        dataset=dataset, kind=file.kind, purposes=file.codes, diseases=tuple(sorted(set(file.diseases))), code=b"",
        fields=tuple(sorted(file.fields)), labels=tuple(sorted(file.labels)), commercial=file.commercial,
        publishes=file.publishes, regions=tuple(sorted(file.regions)), documents=tuple(sorted(attached)),
        days=max(0, -((now_ms() - file.until_ms) // DAY_MS)), rounds=rounds if isinstance(rounds, int) else 0,
        colluders=terms.colluders_min if file.colluders is None else file.colluders,
        organisations=tuple(sorted(file.datasets)), count=terms.minimum_cohort if count is None else count,
    )  # fmt: skip
