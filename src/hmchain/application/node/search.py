"""A search over one ledger: by height, by digest, and by the names of what members have on it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from hmchain.errors import HMChainError
from hmchain.ledger.readers import incidents, requests
from hmchain.ledger.readers.ledger import LedgerReader
from hmchain.ledger.readers.people import people_of

LETTERS_MAX = 200
_DIGITS_MIN, _DIGITS_MAX = 4, 64
_HEX = frozenset("0123456789abcdef")


class Sort(StrEnum):
    """The sort of what was found."""

    BLOCK = "block"
    TRANSACTION = "transaction"
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

    sort: Sort
    name: str
    """By which it is named: a height, a digest, ORGANISATION/PERSON."""
    words: str
    """More about it."""


def search(ledger: LedgerReader, organisation: str, text: str, limit: int = 50) -> tuple[Found, ...]:
    """What a text names, or is part of the name of: heights and digests first, then what is named just so.

    Requests as an organisation sees them; all of them, where none is given.
    """
    asked = text.strip().lower()[:LETTERS_MAX]
    if not asked:
        return ()
    in_words = not asked.isdecimal()  # numbers stand in everything that is said
    named = (
        each
        for each in _named(ledger, organisation)
        if asked in each.name.lower() or (in_words and asked in each.words.lower())
    )
    found = sorted(named, key=lambda each: (each.name.lower() != asked, asked not in each.name))
    return (*_blocks(ledger, asked), *_transactions(ledger, asked), *found)[:limit]


def _blocks(ledger: LedgerReader, asked: str) -> Iterator[Found]:
    if asked.isdecimal() and len(asked) < 16 and 0 < int(asked) <= ledger.height:
        for block in ledger.blocks_up_to(int(asked), 1):
            if block.height == int(asked):
                yield Found(Sort.BLOCK, str(block.height), str(block))


def _transactions(ledger: LedgerReader, asked: str) -> Iterator[Found]:
    if _DIGITS_MIN <= len(asked) <= _DIGITS_MAX and set(asked) <= _HEX:
        try:
            found = ledger.transaction(asked)
        except HMChainError:  # none begins so, or several do
            return
        yield Found(Sort.TRANSACTION, found.digest.hex(), str(found))


def _named(ledger: LedgerReader, organisation: str) -> Iterator[Found]:
    state = ledger.verified.state
    for request in requests.requests_of(state, organisation):
        yield Found(Sort.REQUEST, request.request, f"{request.status}, by {request.applicant}")
    for study in ledger.studies():
        yield Found(Sort.STUDY, study.name, f"{study.status}, by {study.proposer}")
    for release in ledger.releases():
        yield Found(Sort.RELEASE, release.release, f"{release.what}, {release.status}")
    for model in ledger.models():
        yield Found(Sort.MODEL, model.study, f"{model.root.hex()[:16]}, by {', '.join(model.participants)}")
    for dataset in ledger.datasets():
        yield Found(Sort.DATASET, f"{dataset.organisation}/{dataset.name}", str(dataset))
    for incident in incidents.all_incidents(state):
        yield Found(Sort.INCIDENT, incident.incident, str(incident))
    members = ledger.members()
    for member in members:
        yield Found(Sort.MEMBER, member.organisation, member.title)
    yield from _people(ledger, (member.organisation for member in members))


def _people(ledger: LedgerReader, organisations: Iterable[str]) -> Iterator[Found]:
    for organisation in organisations:
        try:
            found = people_of(ledger.verified.state, organisation, 0)
        except HMChainError:
            continue
        for person in found.people:
            yield Found(Sort.PERSON, f"{organisation}/{person.person}", f"{', '.join(person.roles)}, {person.status}")
