"""What a hospital's ledger tells of its people: who they are, and what their keys signed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hmchain.application.governance.delegate import NoSuchPersonError
from hmchain.application.node import sent
from hmchain.application.node.reading import open_ledger
from hmchain.application.site.node import NodeFolder
from hmchain.canonical import Record
from hmchain.clock import now_ms
from hmchain.ledger.readers.deeds import KeyDeed
from hmchain.ledger.readers.ledger import LedgerReader
from hmchain.ledger.readers.people import PeopleView, PersonView, keys_of, people_of
from hmchain.ledger.readers.powers import Powers
from hmchain.ledger.readers.states import VerifiedState


@dataclass(frozen=True)
class Staff:
    """The people of a node's hospital, and of the other members, as its ledger has them."""

    organisation: str
    ledger: LedgerReader

    @property
    def verified(self) -> VerifiedState:
        """The state that all of it is from."""
        return self.ledger.verified

    def people(self, organisation: str = "") -> PeopleView:
        """The people of a member, without a name the node's own. Raises `NoOrganisationError`."""
        return people_of(self.verified.state, organisation or self.organisation, now_ms())

    def person(self, handle: str) -> PersonView:
        """One of them. Raises `NoSuchPersonError`."""
        for each in self.people().people:
            if each.person == handle:
                return each
        raise NoSuchPersonError(f"{self.organisation} has no person {handle!r}", "`hmchain people list` shows them")

    def powers(self, handle: str = "", organisation: str = "") -> list[Powers]:
        """What one person may do now, or everybody of a member, without a name the node's own.

        Raises `UnknownPersonError` and `NoOrganisationError`.
        """
        people_of(self.verified.state, organisation or self.organisation, now_ms())
        return self.ledger.powers(now_ms(), organisation or self.organisation, handle)

    def deeds(self, handle: str, since: int = 1) -> list[KeyDeed]:
        """All that a person's keys signed, replaced ones too. Raises `NoSuchPersonError` and `DamagedBlockError`."""
        self.person(handle)
        return self.ledger.deeds(keys_of(self.verified.state, self.organisation, handle), since)


@contextmanager
def opened(directory: Path) -> Iterator[Staff]:
    """Read the ledger of a node. Raises `NodeSettingsError`, and what reading a ledger raises."""
    folder = NodeFolder(directory)
    organisation = folder.settings().organisation
    with open_ledger(folder.ledger) as ledger:
        yield Staff(organisation, ledger)


def words(deed: KeyDeed) -> str:
    """What a transaction asked for, in words."""
    return sent.words(deed.body) if isinstance(deed.body, Record) else deed.kind  # a portal's answer has plain values
