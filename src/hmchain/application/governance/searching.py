"""One field to search by: what a ledger has under a name, and what begins with some digits.

Names alone are compared: what people write is sealed, and nothing of a hospital's own records is looked through.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from hmchain.errors import InputError
from hmchain.ledger.contracts.learning import studies
from hmchain.ledger.contracts.members import membership
from hmchain.ledger.engines.block_store import NoSuchTransactionError
from hmchain.ledger.readers import datasets, incidents, members, releases, requests
from hmchain.ledger.readers.ledger import LedgerReader
from hmchain.ledger.readers.people import people_of
from hmchain.plain import PREFIX_MIN

HITS_MAX = 50
_HEX = frozenset("0123456789abcdef")


@dataclass(frozen=True)
class Hit:
    """Something that a ledger has, and that may be meant."""

    kind: str
    """`study`, `request`, `dataset`, `release`, `incident`, `member`, `person`, `ballot`, `transaction` or `block`."""
    name: str
    """By which it is asked for; with its organisation before it where that belongs to the name."""
    words: str = ""
    """More about it."""


def search(ledger: LedgerReader, organisation: str, text: str, limit: int = HITS_MAX) -> tuple[Hit, ...]:
    """What the ledger has under a name, that which is called exactly so first; requests as an organisation sees them.

    A number is a block's height, and 4 hex digits or more begin a transaction's digest or a ballot's id.
    """
    wanted = text.strip().lower()
    if not wanted:
        return ()
    found = [hit for hit in _named(ledger, organisation) if wanted in hit.name.lower()]
    found.sort(key=lambda hit: (wanted != hit.name.lower(), wanted != hit.name.lower().rpartition("/")[2], hit.name))
    return (*_numbered(ledger, wanted), *found)[:limit]


def _named(ledger: LedgerReader, organisation: str) -> Iterator[Hit]:
    state = ledger.verified.state
    yield from (Hit("study", name) for name in studies.names(state))
    yield from (Hit("request", name) for name in requests.names_of(state, organisation))
    yield from (Hit("dataset", f"{each.organisation}/{each.name}") for each in datasets.datasets(state))
    yield from (Hit("release", each.release) for each in releases.all_releases(state))
    yield from (Hit("incident", each.incident, str(each.stage)) for each in incidents.all_incidents(state))
    for member in membership.active_members(state):
        yield Hit("member", member.organisation, member.title)
        yield from _people(ledger, member.organisation)


def _people(ledger: LedgerReader, organisation: str) -> Iterable[Hit]:
    found = people_of(ledger.verified.state, organisation, 0)
    return (Hit("person", f"{organisation}/{each.person}", ", ".join(each.roles)) for each in found.people)


def _numbered(ledger: LedgerReader, wanted: str) -> Iterator[Hit]:
    if wanted.isdecimal() and len(wanted) < 16 and 1 <= int(wanted) <= ledger.height:
        yield Hit("block", str(int(wanted)))
    if len(wanted) < PREFIX_MIN or len(wanted) > 64 or not set(wanted) <= _HEX:
        return
    yield from (
        Hit("ballot", each.id.hex(), each.action)
        for each in members.ballots(ledger.verified.state)
        if each.id.hex().startswith(wanted)
    )
    try:
        one = ledger.transaction(wanted)
    except (NoSuchTransactionError, InputError):
        return
    yield Hit("transaction", one.digest.hex(), f"{one.kind}, block {one.height}")
