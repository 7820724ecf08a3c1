"""An account of a log that holds: the events that somebody asks for, and how far members vouch for them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from hmchain.application.security.checking import Checked, checked
from hmchain.application.security.events import Kind
from hmchain.application.security.log import Written
from hmchain.errors import InputError
from hmchain.ledger.contracts.members.anchors import Anchor, Loss
from hmchain.ledger.readers.anchored import AnchoredLog


class NoSuchEventError(InputError):
    """There is no kind of event of that name."""

    code = "no_such_event"


@dataclass(frozen=True)
class Account:
    """A whole log that was checked, and what was asked for of it."""

    organisation: str
    lines: tuple[Checked, ...]
    """Those that were asked for."""
    size: int
    """The number of its last event."""
    head: bytes
    """The link of that."""
    anchor: Anchor | None
    """The last on the ledger; None where there is none, or no ledger to ask."""
    losses: tuple[Loss, ...]
    """What its steward said was lost, once it went on from a copy."""

    @property
    def unanchored(self) -> int:
        """So many events at the end are in no anchor: whoever may write the file could have made them anew."""
        return self.size - (self.anchor.size if self.anchor is not None else 0)


def account(
    lines: Iterable[Written],
    known: AnchoredLog,
    *,
    since_ms: int = 0,
    kinds: Collection[Kind] = (),
    own: bool = False,
) -> Account:
    """Check a whole log against the ledger, and take out what is asked for; `own` as in `checked`.

    Raises `LogDefectError`.
    """
    whose, found, size, head = f"the log of {known.organisation}", [], 0, b""
    for each in checked(lines, known.heads, whose, own=own):
        size, head = each.number, each.link
        if each.at_ms >= since_ms and (not kinds or each.event.kind in kinds):
            found.append(each)
    return Account(known.organisation, tuple(found), size, head, known.last, known.losses)


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
