"""How it stands with a person on the ledger now: what every sign-in, session and token rests on.

Whatever a person was given here (a session, a token, a passkey) carries the mark of the key that the person had then.
It counts as long as the mark is the same: a key that was replaced or cut off takes with it all that it, or whoever had
stolen it, brought about.
"""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock

from hmchain.application.node.live import LiveLedger
from hmchain.canonical import digest
from hmchain.ledger.contracts.members import membership, people
from hmchain.ledger.contracts.members.people import OFFICER, OFFICES, PersonRef
from hmchain.ledger.state import State

NO_MARK = b""
"""Of somebody whom the ledger does not know, and who only looks."""
_KEPT_MAX = 1000


@dataclass(frozen=True, slots=True)
class Standing:
    """A person, or an office, as the ledger has it."""

    ref: PersonRef
    is_known: bool
    """Whether the ledger ever had somebody of this name."""
    roles: frozenset[str] = frozenset()
    """In which the person's word counts now; none if it does not."""
    public: bytes = b""
    """The key, while the person's word counts."""
    mark: bytes = NO_MARK
    """Of this key since it was cut off last, while the person's word counts."""


def standing(state: State, ref: PersonRef) -> Standing:
    """How it stands with somebody in a state."""
    # All is looked up before anything is judged, so that an unknown name takes no less.
    entry, named = membership.membership(state, ref.organisation), people.person(state, ref.organisation, ref.person)
    is_active, cut_off = people.is_active(state, ref), people.cut_off_ms(state, ref).to_bytes(8, "big")
    is_office = entry is not None and ref.person in OFFICES
    own = named.key if named else getattr(entry.member, ref.person) if entry is not None and is_office else b""
    # Before it is known whether anybody is meant: an answer takes as long for whom the ledger does not know.
    roles = frozenset(named.roles) if named else _office_roles(ref.person)
    mark = digest("hmchain standing", own, cut_off)
    if not own or not is_active:
        return Standing(ref, is_office or named is not None)
    return Standing(ref, True, roles, own, mark)


def _office_roles(office: str) -> frozenset[str]:
    """The first office is its organisation's first officer."""
    return frozenset((office, OFFICER) if office == OFFICES[0] else (office,))


class Standings:
    """How it stands with people at the last block. Threads may share it."""

    def __init__(self, live: LiveLedger) -> None:
        self._live, self._height = live, -1
        self._known: dict[PersonRef, Standing] = {}
        self._turn = Lock()

    def read(self, ref: PersonRef) -> Standing:
        """How it stands with somebody, read from the ledger: it takes as long for whoever was here just now."""
        with self._live.reader() as ledger:
            return standing(ledger.verified.state, ref)

    def of(self, ref: PersonRef) -> Standing:
        """How it stands with somebody, read once a block."""
        height = self._live.height
        with self._turn:
            if height != self._height or len(self._known) > _KEPT_MAX:
                self._height, self._known = height, {}
            elif (known := self._known.get(ref)) is not None:
                return known
        found = self.read(ref)
        with self._turn:
            if self._height == height == self._live.height:
                self._known[ref] = found
        return found
