"""Requests: who asks for which data of which hospitals, for what; and where each hospital's decision stands.

A request is a draft until its applicant submits it. Each submission is a version of its own: its content, its people
and every hospital's decisions on it stay on the ledger for good, so that what was decided can always be explained. What
people write travels as digests of documents; here are names, codes, numbers and digests alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from hmchain.canonical import Record, digest, encode
from hmchain.ledger.contracts.members.people import PersonRef
from hmchain.ledger.state import State, Table
from hmchain.ledger.transactions import Refusal


class Kind(StrEnum):
    """What is to be done with the data; on the ledger it is the word."""

    TRAIN = "train"
    COUNT = "count"
    STATISTICS = "statistics"
    EVALUATE = "evaluate"
    TRANSFER = "transfer"


SUMMED = (Kind.TRAIN, Kind.COUNT, Kind.STATISTICS)
"""Kinds with a sum over hospitals: each brings one dataset to it."""


class Status(StrEnum):
    """Where a request stands with its applicant."""

    DRAFT = "draft"
    SUBMITTED = "submitted"
    RETURNED = "returned"
    """For changes: what was decided stands until it is submitted anew."""
    CLOSED = "closed"


class Decided(StrEnum):
    """Where a request stands with a hospital, for one dataset."""

    WAITING = "waiting"
    APPROVED = "approved"
    REJECTED = "rejected"
    DENIED = "denied"
    """By the hospital's policy."""
    REVOKED = "revoked"


class DocumentKind(StrEnum):
    """What a document is; what stands in it is on no ledger."""

    FORM = "form"
    """What people write: title, contact, the fields of an EHDS application (Regulation (EU) 2025/327, Art. 67(2))."""
    PROTOCOL = "protocol"
    ETHICS = "ethics"
    DPIA = "dpia"
    LETTER = "letter"
    OTHER = "other"


class DatasetVersion(Record, frozen=True, order=True):
    """A published version of a hospital's dataset."""

    organisation: str
    dataset: str
    version: int


class DocumentRef(Record, frozen=True):
    """A document by the digest (32 bytes) of its ciphertext; destroying its key redacts it."""

    kind: DocumentKind
    digest: bytes


class Resources(Record, frozen=True):
    """What is asked of machines."""

    rounds: int
    hours: int
    memory_mib: int


class Content(Record, frozen=True):
    """What hospitals decide on."""

    kind: Kind
    purposes: tuple[str, ...]
    """GA4GH DUO codes, in order."""
    diseases: tuple[str, ...]
    """MONDO codes, in order."""
    datasets: tuple[DatasetVersion, ...]
    """In order; one a hospital for kinds with a sum."""
    fields: tuple[str, ...]
    labels: tuple[str, ...]
    plan: bytes
    """Encoding of what is to be computed; its meaning is the learning layer's."""
    code: bytes
    """Digest of the code that would run; empty for kinds without."""
    colluders: int
    resources: Resources
    regions: tuple[str, ...]
    """Where results go: ISO 3166-1 alpha-2, in order."""
    commercial: bool
    publishes: bool
    until_ms: int
    documents: tuple[DocumentRef, ...]

    @property
    def digest(self) -> bytes:
        """What every decision binds (32 bytes)."""
        return digest("hmchain request content", encode(self))

    def of(self, organisation: str) -> tuple[DatasetVersion, ...]:
        """What is asked of one hospital."""
        return tuple(use for use in self.datasets if use.organisation == organisation)


class Request(Record, frozen=True):
    """A request as its applicant has it."""

    name: str
    applicant: PersonRef
    members: tuple[PersonRef, ...]
    """In order, as the next submission has them; those of the last one are in its `Submission`."""
    invited: tuple[PersonRef, ...]
    """Whoever has not answered yet, in order."""
    involved: tuple[PersonRef, ...]
    """Whoever was applicant or member at any time, here or of what it is a copy of, in order: none decides on it."""
    status: Status
    version: int
    """Of the content that was submitted last; 0 before."""
    content: bytes
    """Digest of that content; empty before."""
    created_ms: int
    closed_ms: int
    """0 before."""
    height: int
    """Of its last change."""
    copied_from: str
    """The request that it is a copy of; empty for none."""
    external: str
    """The number under which an office outside keeps it, as a name; empty for none."""
    noticed: int
    """The version of whose end notice was given."""


class Submission(Record, frozen=True):
    """One version as it was submitted: what, and by whom."""

    request: str
    version: int
    content: bytes
    applicant: PersonRef
    members: tuple[PersonRef, ...]
    time_ms: int
    height: int


class Handling(Record, frozen=True):
    """A hospital's word on one dataset of one version of a request."""

    request: str
    organisation: str
    dataset: str
    status: Decided
    version: int
    """Of the request."""
    content: bytes
    """Digest of what it is about."""
    answer: str
    """What the hospital's policy said last: yes, no or look."""
    reasons: tuple[str, ...]
    """Ids of the policies that fired, in order."""
    policy: int
    """The version of the policy that judged."""
    approvals: tuple[PersonRef, ...]
    """Who said yes, in order of time; more may be needed. Empty where the policy decided by itself."""
    since_ms: int
    """From when the yes counted; 0 before, and kept when it is taken back."""
    until_ms: int
    """The earliest end that those who said yes set; 0 before."""
    licences: tuple[bytes, ...]
    """Digests of terms, in order: the applicant and every member accept them before the permit holds."""
    processing: str
    """How far the hospital is, as a code; empty where it said nothing."""
    reason: str
    """Why it was rejected or revoked, as a code; empty otherwise."""
    document: bytes
    """Digest of the letter that says more; empty for none."""
    decided_by: tuple[PersonRef, ...]
    """Who decided last; empty where the policy did."""
    time_ms: int
    height: int


class Accepted(Record, frozen=True):
    """The terms of a request that a person accepted."""

    licences: tuple[bytes, ...]
    """In order."""
    height: int


class Entry(Record, frozen=True):
    """A request's place in an index."""

    request: str


class LastAsked(Record, frozen=True):
    """In which version a request asked for a dataset last."""

    organisation: str
    dataset: str
    version: int


REQUESTS = Table("requests", Request)
CONTENTS = Table("request_contents", Content)
"""By request and version; the one after the last is its draft."""
SUBMISSIONS = Table("submissions", Submission)
"""By request and version."""
HANDLINGS = Table("handlings", Handling)
"""By request, version, organisation and dataset."""
ACCEPTED = Table("licences_accepted", Accepted)
"""By request, organisation and person."""
OPEN = Table("open_requests", Entry)
"""By the applicant's organisation, its person, and request: what is not closed."""
INVOLVED = Table("requests_involving", Entry)
"""By organisation, person and request: whoever was applicant or member at any time."""
ASKED_OF = Table("requests_asked_of", Entry)
"""By hospital, dataset and request: what was ever submitted."""
LAST_ASKED = Table("last_asked", LastAsked)
"""By request, hospital and dataset."""
CODES = Table("code_registrants", PersonRef)
"""By the digest of code: who first named it in a request."""


def request(state: State, name: str) -> Request | None:
    """A request, or None."""
    return REQUESTS.get(state, name)


def require_request(state: State, name: str) -> Request:
    """A request; refuse `no_such_request`."""
    found = request(state, name)
    if found is None:
        raise Refusal("no_such_request")
    return found


def requests(state: State) -> list[Request]:
    """All requests, in order of name."""
    return REQUESTS.all(state)


def living(state: State) -> list[Request]:
    """The requests that are not closed, in order of name; an index lists them, so that nobody reads all there were."""
    return [require_request(state, name) for name in sorted(entry.request for entry in OPEN.all(state))]


def open_requests(state: State, applicant: PersonRef) -> list[str]:
    """The requests of an applicant that are not closed, in order of name."""
    return [entry.request for entry in OPEN.all(state, applicant.organisation, applicant.person)]


def asked_of(state: State, organisation: str, dataset: str = "") -> list[str]:
    """The requests that were ever submitted to a hospital, of one dataset if it is given; each once, in order."""
    parts = (organisation, dataset) if dataset else (organisation,)
    return sorted({entry.request for entry in ASKED_OF.all(state, *parts)})


def ever_asked(state: State, name: str) -> list[str]:
    """The hospitals that any version of a request asked, in order."""
    return sorted({each.organisation for each in LAST_ASKED.all(state, name)})


def content(state: State, name: str, version: int) -> Content | None:
    """What was submitted as a version, or what is drafted as the next one."""
    return CONTENTS.get(state, name, version)


def draft(state: State, entry: Request) -> Content | None:
    """What would be submitted now: what was saved since the last submission, else the same again."""
    return content(state, entry.name, entry.version + 1) or content(state, entry.name, entry.version)


def latest(state: State, entry: Request) -> Content | None:
    """What was submitted last; of a request that never was, what is drafted."""
    return content(state, entry.name, max(entry.version, 1))


def submission(state: State, name: str, version: int) -> Submission | None:
    """A version as it was submitted, or None."""
    return SUBMISSIONS.get(state, name, version)


def submissions(state: State, name: str) -> list[Submission]:
    """All versions of a request, in order."""
    return SUBMISSIONS.all(state, name)


def handling(state: State, entry: Request, organisation: str, dataset: str) -> Handling | None:
    """A hospital's word on a dataset of the version that was submitted last, or None."""
    return HANDLINGS.get(state, entry.name, entry.version, organisation, dataset)


def handlings(state: State, name: str, version: int, organisation: str = "") -> list[Handling]:
    """All words on a version, or one hospital's, in order of organisation and dataset."""
    return HANDLINGS.all(state, name, version, *((organisation,) if organisation else ()))


def last_words(state: State, name: str, organisation: str) -> list[Handling]:
    """A hospital's words on the versions that asked it last, one a dataset."""
    asked = LAST_ASKED.all(state, name, organisation)
    found = (HANDLINGS.get(state, name, each.version, organisation, each.dataset) for each in asked)
    return [word for word in found if word is not None]


def accepted(state: State, name: str, person: PersonRef) -> tuple[bytes, ...]:
    """The terms of a request that a person accepted, in order."""
    found = ACCEPTED.get(state, name, person.organisation, person.person)
    return found.licences if found is not None else ()


def registrant(state: State, code: bytes) -> PersonRef | None:
    """Who first named this code in a request, or None."""
    return CODES.get(state, code) if code else None


def involving(state: State, person: PersonRef) -> list[str]:
    """The requests in which a person takes part or took part, in order of name."""
    return [entry.request for entry in INVOLVED.all(state, person.organisation, person.person)]


def involving_any(state: State, organisation: str) -> list[str]:
    """The same of any person of an organisation, each once, in order."""
    return sorted({entry.request for entry in INVOLVED.all(state, organisation)})


def put(state: State, entry: Request) -> None:
    """Write a request, and who takes part in it where a person can be looked up."""
    before = request(state, entry.name)
    known = before.involved if before is not None else ()
    for person in (each for each in entry.involved if each not in known):
        INVOLVED.put(state, Entry(entry.name), person.organisation, person.person, entry.name)
    REQUESTS.put(state, entry, entry.name)


def forget(state: State, entry: Request) -> None:
    """Take a request away that was never submitted; nobody takes part in it any more."""
    for person in entry.involved:
        INVOLVED.delete(state, person.organisation, person.person, entry.name)
    CONTENTS.delete(state, entry.name, 1)
    REQUESTS.delete(state, entry.name)


def put_handling(state: State, word: Handling) -> None:
    """Write a hospital's word."""
    HANDLINGS.put(state, word, word.request, word.version, word.organisation, word.dataset)


def in_order(persons: Iterable[PersonRef]) -> tuple[PersonRef, ...]:
    """Persons in order, each once."""
    return tuple(sorted(set(persons)))
