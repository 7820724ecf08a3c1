"""Requests as people see them: what is asked, each hospital's word side by side, and what is allowed now."""

from __future__ import annotations

import difflib
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from hmchain.errors import InputError
from hmchain.ledger.contracts.data import attachments, deciding, permits, policies, requests, reviewing
from hmchain.ledger.contracts.data.policies import Policy
from hmchain.ledger.contracts.data.requests import Content, Decided, Handling, Request, Status
from hmchain.ledger.contracts.members import people, standings
from hmchain.ledger.readers.views import Views
from hmchain.ledger.state import State


class UnknownRequestError(InputError):
    """The ledger holds no request of that name."""

    code = "unknown_request"


@dataclass(frozen=True)
class HospitalWord:
    """A hospital's word on one dataset that is asked for."""

    organisation: str
    dataset: str
    version: int
    """Of the dataset."""
    status: str
    """`waiting`, `approved`, `rejected`, `denied` (by its policy) or `revoked`."""
    answer: str
    """Of its policy: `yes`, `no` or `look`, which a person must."""
    reasons: tuple[str, ...]
    """Of the policy's answer: ids of its rules."""
    policy: int
    """The version that judged."""
    approvals: tuple[str, ...]
    """Persons who said yes."""
    needed: int
    """Persons who must."""
    until_ms: int
    """Until when it holds; 0 while it does not."""
    holds: bool
    """Whether it allows the use now."""
    licences: tuple[bytes, ...]
    """Terms that the applicant and each member accept first."""
    processing: str
    reason: str
    """Why it was rejected or revoked, as a code."""
    document: bytes
    """The letter that says more; empty for none."""
    decided_by: tuple[str, ...]
    time_ms: int

    def __str__(self) -> str:
        return f"{self.organisation}/{self.dataset}: {self.status}"


@dataclass(frozen=True)
class AskedTerms:
    """Terms that hospitals ask for, and how it stands with those whom they bind: the applicant and every member."""

    digest: bytes
    by: tuple[str, ...]
    """As `HOSPITAL/DATASET`."""
    due: bool
    """Whether one of them has said yes, which allows nothing before all have accepted."""
    accepted: tuple[str, ...]
    open_to: tuple[str, ...]
    """Who has yet to accept them."""


@dataclass(frozen=True)
class RequestDocument:
    """A document that stands with a request."""

    kind: str
    digest: bytes
    by: str
    height: int
    redacted: bool
    version: int
    """Of the request: the newest one of what it asks with, else the one that stood when it came; 0 for none."""


@dataclass(frozen=True)
class Word:
    """A person's word beside the decisions: a vote, a review, an advice, a remark."""

    kind: str
    """`vote`, `review`, `decide` or `remark`."""
    by: str
    hospital: str
    """For which it was said; empty of a remark."""
    said: str
    """The code: of a person who was asked and has not answered `invited` or `asked`; empty of a remark."""
    public: bool
    """Whether all who take part may read what was written; else the writer's own organisation alone."""
    document: bytes
    """What was written; empty for nothing."""
    height: int
    version: int
    """Of the request, that stood when it was said; 0 for none."""

    def __str__(self) -> str:
        return f"{self.by}: {self.kind} {self.said}".rstrip()


@dataclass(frozen=True)
class RequestView:
    """A request as somebody sees it before deciding on it, or waits for it."""

    request: str
    status: str
    """`draft`, `submitted`, `returned` or `closed`."""
    version: int
    """Of what was submitted last; 0 for a draft."""
    applicant: str
    members: tuple[str, ...]
    invited: tuple[str, ...]
    created_ms: int
    submitted_ms: int
    content: Content | None
    """What was submitted last; of a draft what it has so far."""
    digest: bytes
    """Of that content: what a decision binds; empty for none."""
    decisions: tuple[HospitalWord, ...]
    documents: tuple[RequestDocument, ...]
    """Of this content first, in its order; then what came with people's words."""
    words: tuple[Word, ...]
    """What people said beside the decisions, in order."""
    unaccepted: tuple[tuple[str, tuple[bytes, ...]], ...]
    """Persons who have yet to accept terms, and which."""
    copied_from: str
    external: str

    @property
    def is_over(self) -> bool:
        """Whether nothing comes of it any more."""
        return self.status == Status.CLOSED

    @property
    def allows(self) -> tuple[HospitalWord, ...]:
        """The words that allow a use now."""
        return tuple(word for word in self.decisions if word.holds)

    def of(self, organisation: str) -> tuple[HospitalWord, ...]:
        """One hospital's words."""
        return tuple(word for word in self.decisions if word.organisation == organisation)

    def __str__(self) -> str:
        return f"{self.request}, {self.status}, by {self.applicant}; {', '.join(map(str, self.decisions)) or 'unasked'}"


_LISTED_BY = (requests.REQUESTS, requests.HANDLINGS)
"""What decides on the list of an organisation's requests."""


def request(state: State, name: str) -> RequestView:
    """A request. Raises `UnknownRequestError`."""
    return _view(state, require_request(state, name))


def requests_of(state: State, organisation: str, *, over: bool = True) -> Views[RequestView]:
    """The requests that an organisation's people ask or are asked, in order of name; without `over`, those that live.

    Drafts are their own people's business: those of others are left out. All of them, where no organisation is given.
    """
    names = names_of(state, organisation, over=over)
    return Views(names, lambda name: _view(state, requests.require_request(state, name)))


def names_of(state: State, organisation: str, *, over: bool = True) -> list[str]:
    """The names of these requests."""
    return state.made(
        ("requests of", organisation, over), _LISTED_BY, lambda: _names_of(state, organisation, over=over)
    )


def _names_of(state: State, organisation: str, *, over: bool) -> list[str]:
    if over and not organisation:
        return requests.REQUESTS.names(state)
    living = requests.living(state)
    found = {entry.name: entry for entry in living}
    if over:  # a request that is closed invites nobody any more
        asked = {*requests.asked_of(state, organisation), *requests.involving_any(state, organisation)}
        found |= {name: requests.require_request(state, name) for name in asked - found.keys()}
    concerned = (name for name, entry in found.items() if not organisation or _concerns(state, entry, organisation))
    return sorted(concerned)


def require_request(state: State, name: str) -> Request:
    """The request of this name. Raises `UnknownRequestError` that names one like it."""
    found = requests.request(state, name)
    if found is None:
        near = difflib.get_close_matches(name, requests.REQUESTS.names(state), n=1)
        raise UnknownRequestError(f"there is no request {name}", _way_out(near))
    return found


def terms(state: State, name: str) -> tuple[AskedTerms, ...]:
    """All terms that a request's hospitals ask for now, in order of digest. Raises `UnknownRequestError`."""
    return tuple(_terms(state, require_request(state, name)))


def _terms(state: State, entry: Request) -> Iterator[AskedTerms]:
    handled = requests.handlings(state, entry.name, entry.version)
    words = [word for word in handled if word.status in (Decided.WAITING, Decided.APPROVED)]
    bound = [person for person in sorted({entry.applicant, *entry.members}) if people.is_active(state, person)]
    kept = {person: set(requests.accepted(state, entry.name, person)) for person in bound}
    for digest in sorted({licence for word in words for licence in word.licences}):
        asking = [word for word in words if digest in word.licences]
        yield AskedTerms(
            digest,
            tuple(f"{word.organisation}/{word.dataset}" for word in asking),
            any(word.status is Decided.APPROVED for word in asking),
            tuple(str(person) for person in bound if digest in kept[person]),
            tuple(str(person) for person in bound if digest not in kept[person]),
        )


def _way_out(near: list[str]) -> str:
    return f"{f'did you mean {near[0]}? ' if near else ''}`hmchain request list` shows all that there are"


def _concerns(state: State, entry: Request, organisation: str) -> bool:
    own = {person.organisation for person in (*entry.involved, *entry.invited)}
    return organisation in own or bool(requests.handlings(state, entry.name, entry.version, organisation))


def _view(state: State, entry: Request) -> RequestView:
    submitted = requests.submission(state, entry.name, entry.version)
    content = requests.latest(state, entry)
    begun = [each.height for each in requests.submissions(state, entry.name)]
    return RequestView(
        request=entry.name,
        status=entry.status.value,
        version=entry.version,
        applicant=str(entry.applicant),
        members=tuple(map(str, entry.members)),
        invited=tuple(map(str, entry.invited)),
        created_ms=entry.created_ms,
        submitted_ms=submitted.time_ms if submitted is not None else 0,
        content=content,
        digest=content.digest if content is not None else b"",
        decisions=tuple(_words(state, entry)),
        documents=tuple(_documents(state, entry, content, begun)),
        words=tuple(sorted(_said(state, entry, begun), key=lambda word: word.height)),
        unaccepted=tuple(_unaccepted(state, entry)),
        copied_from=entry.copied_from,
        external=entry.external,
    )


def _words(state: State, entry: Request) -> Iterator[HospitalWord]:
    time_ms = standings.time_ms(state)
    permit = permits.permit(state, entry.name, time_ms)
    allowed = {(each.organisation, each.dataset) for each in (permit.allowed if permit is not None else ())}
    content = requests.content(state, entry.name, entry.version)
    versions = {(use.organisation, use.dataset): use.version for use in (content.datasets if content else ())}
    for word in requests.handlings(state, entry.name, entry.version):
        place = word.organisation, word.dataset
        if word.status is Decided.WAITING:
            word = replace(word, approvals=deciding.yes_so_far(state, word, time_ms))
        yield _word(word, policies.at(state, *place, word.policy), versions.get(place, 0), place in allowed)


def _word(word: Handling, policy: Policy | None, version: int, holds: bool) -> HospitalWord:
    return HospitalWord(
        word.organisation, word.dataset, version, word.status.value, word.answer, word.reasons, word.policy,
        tuple(map(str, word.approvals)), policy.approvers if policy is not None else 1,
        word.until_ms if word.status is Decided.APPROVED else 0, holds, word.licences, word.processing, word.reason,
        word.document, tuple(map(str, word.decided_by)), word.time_ms,
    )  # fmt: skip


def _documents(
    state: State, entry: Request, content: Content | None, begun: Sequence[int]
) -> Iterator[RequestDocument]:
    """Those of the content; then what came with words, with the version that began last before (`begun`: heights)."""
    known = {each.digest: each for each in attachments.attachments(state, entry.name)}
    for reference in content.documents if content is not None else ():
        found = known.pop(reference.digest, None)
        by, height = (str(found.by), found.height) if found is not None else (str(entry.applicant), 0)
        redacted = found is not None and bool(found.redacted)
        yield RequestDocument(reference.kind.value, reference.digest, by, height, redacted, entry.version)
    for each in sorted(known.values(), key=lambda each: (each.height, each.digest)):
        version = bisect_right(begun, each.height)
        yield RequestDocument(each.kind, each.digest, str(each.by), each.height, bool(each.redacted), version)


def _said(state: State, entry: Request, begun: Sequence[int]) -> Iterator[Word]:
    for call in reviewing.calls(state, entry.name, entry.version):
        said = call.answer or call.status.value
        yield Word(
            call.deed.value, str(call.person), call.hospital, said, True, call.document, call.height, entry.version
        )
    for word in requests.handlings(state, entry.name, entry.version):
        for vote in deciding.votes(state, word):
            yield Word("vote", str(vote.person), word.organisation, vote.vote, True, b"", vote.height, entry.version)
    for remark in reviewing.remarks(state, entry.name):
        version = bisect_right(begun, remark.height)
        yield Word("remark", str(remark.person), "", "", remark.public, remark.document, remark.height, version)


def _unaccepted(state: State, entry: Request) -> Iterator[tuple[str, tuple[bytes, ...]]]:
    """Of whoever counts now, in order."""
    due = [each for each in _terms(state, entry) if each.due]
    for person in sorted({person for each in due for person in each.open_to}):
        yield person, tuple(each.digest for each in due if person in each.open_to)
