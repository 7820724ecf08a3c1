"""What hospitals said to requests, as the blocks tell it: who, when, until when, and on what content."""

from __future__ import annotations

from dataclasses import dataclass, field

from hmchain.ledger.contracts.learning.approvals import APPROVED, REFUSED, REVOKED
from hmchain.ledger.events import LedgerEvent
from hmchain.ledger.request_events import (
    AboutDataset,
    ApprovalGiven,
    RequestApproved,
    RequestRejected,
    RequestRevoked,
    RequestSubmitted,
)


@dataclass(frozen=True, slots=True)
class TracedTransaction:
    """A transaction: where it is, when, and who signed it."""

    height: int
    time_ms: int
    transaction: bytes
    """Its digest: `hmchain ledger tx` shows it, `hmchain ledger proof` proves it."""
    organisation: str

    def __str__(self) -> str:
        return f"{self.transaction.hex()} by {self.organisation} in block {self.height}"


@dataclass(frozen=True, slots=True)
class TracedWord:
    """One hospital's word on a request."""

    organisation: str
    dataset: str
    status: str
    """`approved`, `refused` or `revoked`."""
    until_ms: int
    reason: str
    content: bytes
    """Digest of what was decided on."""
    persons: tuple[str, ...]
    """Who decided, as `east/steward`; empty where the hospital's policy did."""
    entry: TracedTransaction


@dataclass
class RequestWords:
    """The words on all requests of a ledger, collected from its events."""

    _words: dict[str, list[TracedWord]] = field(default_factory=dict)
    _contents: dict[tuple[str, int], bytes] = field(default_factory=dict)
    _given: dict[tuple[str, str, str, int], list[str]] = field(default_factory=dict)
    """Who said yes before it was enough."""

    def of(self, request: str) -> list[TracedWord]:
        """What was said to a request, in order."""
        return self._words.get(request, [])

    def all(self) -> list[tuple[str, TracedWord]]:
        """Every word, with the request that it is on."""
        return [(request, word) for request, words in self._words.items() for word in words]

    def read(self, event: LedgerEvent, entry: TracedTransaction) -> None:
        """Take in an event of a transaction."""
        match event:
            case RequestSubmitted():
                self._contents[event.request, event.version] = event.content
            case ApprovalGiven():
                self._given.setdefault(_place(event), []).append(f"{event.organisation}/{event.person}")
            case RequestApproved():
                before = self._given.pop(_place(event), [])
                self._say(event, entry, APPROVED, event.person, until_ms=event.until_ms, before=tuple(before))
            case RequestRejected():
                self._say(event, entry, REFUSED, event.person, reason=event.reason)
            case RequestRevoked():
                self._say(event, entry, REVOKED, event.person, reason=event.reason)

    def _say(
        self,
        event: AboutDataset,
        entry: TracedTransaction,
        status: str,
        person: str,
        *,
        until_ms: int = 0,
        reason: str = "",
        before: tuple[str, ...] = (),
    ) -> None:
        content = self._contents.get((event.request, event.version), b"")
        persons = (*before, f"{event.organisation}/{person}") if person else before
        said = TracedWord(event.organisation, event.dataset, status, until_ms, reason, content, persons, entry)
        self._words.setdefault(event.request, []).append(said)


def _place(event: AboutDataset) -> tuple[str, str, str, int]:
    return event.request, event.organisation, event.dataset, event.version
