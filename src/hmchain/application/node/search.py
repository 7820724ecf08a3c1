"""A search over one ledger: by height, by digest, and by the names of what members have on it.

Names are compared, and titles of members; more is said of what is shown alone. What people write is sealed, and nothing
of a hospital's own records is looked through.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

from hmchain.errors import InputError
from hmchain.ledger.contracts.learning import studies
from hmchain.ledger.contracts.members import membership
from hmchain.ledger.engines.block_store import NoSuchTransactionError
from hmchain.ledger.readers import incidents, members, requests
from hmchain.ledger.readers.ledger import LedgerReader
from hmchain.ledger.readers.people import people_of
from hmchain.plain import PREFIX_MIN

LETTERS_MAX = 200
FOUND_MAX = 50
_DIGITS_MAX, _HEIGHT_DIGITS_MAX = 64, 15
_HEX = frozenset("0123456789abcdef")


class Sort(StrEnum):
    """The sort of what was found."""

    BLOCK = "block"
    TRANSACTION = "transaction"
    BALLOT = "ballot"
    REQUEST = "request"
    STUDY = "study"
    RELEASE = "release"
    MODEL = "model"
    DATASET = "dataset"
    MEMBER = "member"
    PERSON = "person"
    INCIDENT = "incident"


@dataclass(frozen=True)
class Found:
    """One thing that a text may mean."""

    kind: Sort
    name: str
    """By which it is named: a height, a digest, ORGANISATION/PERSON."""
    words: str
    """More about it."""


@dataclass(frozen=True)
class _Named:
    kind: Sort
    name: str
    words: Callable[[], str]
    title: str = ""
    """Another name."""

    def shown(self) -> Found:
        return Found(self.kind, self.name, self.words())


def search(ledger: LedgerReader, organisation: str, text: str, limit: int = FOUND_MAX) -> tuple[Found, ...]:
    """What a text names, or is part of the name of: heights and digests first, then what is called just so.

    Requests as an organisation sees them; all of them, where none is given.
    """
    asked = text.strip().lower()[:LETTERS_MAX]
    if not asked:
        return ()
    named = [each for each in _named(ledger, organisation) if asked in each.name.lower() or asked in each.title.lower()]
    named.sort(key=lambda each: (asked != each.name.lower(), asked != each.name.lower().rpartition("/")[2], each.name))
    return (*_numbered(ledger, asked), *(each.shown() for each in named[:limit]))[:limit]


def _numbered(ledger: LedgerReader, asked: str) -> Iterator[Found]:
    if asked.isdecimal() and len(asked) <= _HEIGHT_DIGITS_MAX and 1 <= int(asked) <= ledger.height:
        yield from (Found(Sort.BLOCK, str(each.height), str(each)) for each in ledger.blocks_up_to(int(asked), 1))
    if not PREFIX_MIN <= len(asked) <= _DIGITS_MAX or not set(asked) <= _HEX:
        return
    for ballot in members.ballots(ledger.verified.state):
        if ballot.id.hex().startswith(asked):
            yield Found(Sort.BALLOT, ballot.id.hex(), ballot.action)
    try:
        one = ledger.transaction(asked)
    except (NoSuchTransactionError, InputError):  # none begins so, or several do
        return
    yield Found(Sort.TRANSACTION, one.digest.hex(), str(one))


def _of_request(ledger: LedgerReader, name: str) -> str:
    found = requests.request(ledger.verified.state, name)
    return f"{found.status}, by {found.applicant}"


def _of_study(ledger: LedgerReader, name: str) -> str:
    found = ledger.study(name)
    return f"{found.status}, by {found.proposer}"


def _named(ledger: LedgerReader, organisation: str) -> Iterator[_Named]:
    state = ledger.verified.state
    for request in requests.names_of(state, organisation):
        yield _Named(Sort.REQUEST, request, partial(_of_request, ledger, request))
    for study in studies.names(state):
        yield _Named(Sort.STUDY, study, partial(_of_study, ledger, study))
    for release in ledger.releases():
        yield _Named(Sort.RELEASE, release.release, partial("{}, {}".format, release.what, release.status))
    for model in ledger.models():
        yield _Named(Sort.MODEL, model.study, partial("by {}".format, ", ".join(model.participants)))
    for dataset in ledger.datasets():
        yield _Named(Sort.DATASET, f"{dataset.organisation}/{dataset.name}", partial(str, dataset))
    for incident in incidents.all_incidents(state):
        yield _Named(Sort.INCIDENT, incident.incident, partial(str, incident))
    for member in membership.active_members(state):
        yield _Named(Sort.MEMBER, member.organisation, partial(str, member.title), member.title)
        for person in people_of(state, member.organisation, 0).people:
            said = partial("{}, {}".format, ", ".join(person.roles), person.status)
            yield _Named(Sort.PERSON, f"{member.organisation}/{person.person}", said)
