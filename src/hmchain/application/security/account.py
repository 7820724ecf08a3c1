"""An account of a log that holds: the events that somebody asks for, and how far members vouch for them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from hmchain.application.security.checking import Checked, checked
from hmchain.application.security.events import BEGUN, DONE, SENT, Kind
from hmchain.application.security.log import Written
from hmchain.errors import InputError
from hmchain.ledger.contracts.members.anchors import Anchor, Loss
from hmchain.ledger.readers.anchored import AnchoredLog


class NoSuchEventError(InputError):
    """There is no kind of event of that name."""

    code = "no_such_event"


@dataclass(frozen=True)
class Asked:
    """The events of a log that holds which somebody asks for; they are read again, and none is kept in memory."""

    log: Iterable[Written]
    """All lines, as often as they are asked for."""
    size: int
    """The last that was checked; while it is read others may follow."""
    since_ms: int
    kinds: Collection[Kind]

    def __iter__(self) -> Iterator[Checked]:
        for line in self.log:
            if line.number > self.size:
                return
            if line.at_ms >= self.since_ms and (event := line.typed) and (not self.kinds or event.kind in self.kinds):
                yield Checked(line.number, line.at_ms, event, line.link)


@dataclass(frozen=True)
class Account:
    """A whole log that was checked, and what was asked for of it."""

    organisation: str
    lines: Asked
    size: int
    """The number of its last event."""
    head: bytes
    """The link of that."""
    failed: int
    """So many of those that were asked for failed, or were denied."""
    anchor: Anchor | None
    """The last on the ledger; None where there is none, or no ledger to ask."""
    losses: tuple[Loss, ...]
    """What its steward said was lost, once it went on from a copy."""
    why_not: str
    """Why it was not compared with a ledger, and might be made anew; empty where it was."""

    @property
    def unanchored(self) -> int:
        """So many events at the end are in no anchor: whoever may write the file could have made them anew."""
        return self.size - (self.anchor.size if self.anchor is not None else 0)

    @property
    def holds(self) -> bool | None:
        """None where nobody knows, for want of a ledger. A log that does not hold gives no account."""
        return None if self.why_not else True


def account(
    log: Iterable[Written],
    known: AnchoredLog,
    *,
    since_ms: int = 0,
    kinds: Collection[Kind] = (),
    own: bool = False,
    why_not: str = "",
) -> Account:
    """Check a whole log against the ledger, or say `why_not`, and take out what is asked for; `own` as in `checked`.

    The log is gone through now, and again when what was asked for is shown. Raises `LogDefectError`.
    """
    size, head, failed = 0, b"", 0
    for each in checked(log, known.heads, known.organisation, own=own):
        size, head = each.number, each.link
        is_asked = each.at_ms >= since_ms and (not kinds or each.event.kind in kinds)
        failed += is_asked and each.event.outcome not in (DONE, BEGUN, SENT)
    asked = Asked(log, size, since_ms, kinds)
    return Account(known.organisation, asked, size, head, failed, known.last, known.losses, why_not)


def kinds_named(names: Iterable[str]) -> frozenset[Kind]:
    """Kinds by their names, or all that begin with one up to a dot (`key` for `key.opened`).

    Raises `NoSuchEventError`.
    """
    found: set[Kind] = set()
    for name in names:
        matching = {kind for kind in Kind if kind.value == name or kind.value.startswith(f"{name}.")}
        if not matching:
            known = ", ".join(kind.value for kind in Kind)
            raise NoSuchEventError(f"no event is called {name!r}", f"name one of {known}")
        found |= matching
    return frozenset(found)
