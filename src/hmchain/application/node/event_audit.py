"""A hospital's own log of security events, held against itself and against the ledger beside it."""

from __future__ import annotations

from collections.abc import Collection

from hmchain.application.node.reading import open_ledger
from hmchain.application.security import log
from hmchain.application.security.account import Account, account
from hmchain.application.security.checking import require_earlier
from hmchain.application.security.events import Kind
from hmchain.application.site.hospital import HospitalFolder
from hmchain.errors import LedgerError
from hmchain.ledger.readers.anchored import AnchoredLog
from hmchain.ledger.readers.ledger import LedgerReader


def examine(
    place: HospitalFolder, ledger: LedgerReader | None = None, *, since_ms: int = 0, kinds: Collection[Kind] = ()
) -> Account:
    """Check all of a hospital's log, and give the events that are asked for; `ledger` where one is open already.

    Without a ledger it is held against itself alone, and says so. Raises `LogDefectError`, `ActivityLogError`, and what
    reading a ledger raises that is not what its members decided.
    """
    known, why_not = _known(place) if ledger is None else (ledger.anchored_log(place.organisation), "")
    require_earlier(place.activity, place.organisation)
    lines = log.Lines(place.activity)
    return account(lines, known, since_ms=since_ms, kinds=kinds, own=True, why_not=why_not)


def _known(place: HospitalFolder) -> tuple[AnchoredLog, str]:
    """What the ledger knows of the log; with it why that is nothing, where it could not be asked."""
    nothing = AnchoredLog(place.organisation, (), ())
    if place.ledger is None:
        return nothing, "there is no ledger beside it"
    try:
        with open_ledger(place.ledger) as found:
            return found.anchored_log(place.organisation), ""
    except LedgerError as error:  # no block yet, or its state is made anew: nothing is said of the log
        return nothing, f"the ledger cannot be read: {error.what}"
