"""What may be done with datasets that another hospital gave, and with what was made of them.

A grant is for one use, until one moment, at one hospital. So nothing of it is registered, given on, sent or mixed with
other records; what was given in an emergency is looked at for treatment, and nothing else. All of it ends with the
grant, whatever ended that: this is asked of the hospital's own verified state each time, which must be a recent one.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from hmchain.application.data.derivation import made_of
from hmchain.application.node.reading import current_state
from hmchain.application.site.hospital import HospitalFolder, Records
from hmchain.clock import DAY_MS, now_ms, utc
from hmchain.errors import InputError, LedgerError
from hmchain.ledger import genesis as genesis_file
from hmchain.ledger.contracts.data import transfers
from hmchain.ledger.contracts.members import standings
from hmchain.ledger.purposes import CLINICAL_CARE
from hmchain.records.catalogue import Received


class OthersDataError(InputError):
    """A grant does not allow what is asked of the records that came by it."""

    code = "granted_for_less"


class GrantOverError(InputError):
    """A grant is over: what came by it is to be erased."""

    code = "use_is_over"


class OldViewError(LedgerError):
    """The hospital's node has seen no block for long: a grant may have ended that it does not know of."""

    code = "old_view"


_PROJECT = "transfer:"
VIEW_MS_MAX = DAY_MS
"""Longer ago the node's last block may not be: an idle network makes one a minute."""


class Act(Enum):
    """What somebody wants to do with a dataset, in the words of a refusal."""

    LOOK = "looked at"
    PREPARE = "made into data to learn from"
    EXPORT = "taken out of the vault"
    FORWARD = "given on"
    REGISTER = "registered"
    FILL = "filled from other sources"
    COUNT = "counted"


_BY_A_GRANT = frozenset((Act.LOOK, Act.PREPARE, Act.COUNT))
_FOR_TREATMENT = frozenset((Act.LOOK, Act.EXPORT))


@dataclass(frozen=True)
class Bounds:
    """A dataset that came by a grant, or was made of such a one."""

    dataset: str
    """That which came."""
    received: Received


def project_of(transfer: str) -> str:
    """The project of what came by a transfer, and of what is made of that; none of one's own can be called so."""
    return f"{_PROJECT}{transfer}"


def bounds(records: Records, dataset: str) -> Bounds | None:
    """The grant that a dataset stands under; None of one's own. What is made of a dataset is bound as that is.

    Raises `OthersDataError` where the catalogue has another hospital's records and no more the grant that they came by.
    """
    found, entry = _bounds(records, dataset), records.catalogue.dataset(dataset)
    named = entry.project if entry is not None else ""
    if named.startswith(_PROJECT) and (found is None or project_of(found.received.transfer) != named):
        what = f"{dataset} came by {named.removeprefix(_PROJECT)}, and the catalogue does not say any more for what"
        raise OthersDataError(what, "put the catalogue back from a backup, or ask for the records anew")
    return found


def _bounds(records: Records, dataset: str) -> Bounds | None:
    catalogue, seen = records.catalogue, set[str]()
    while dataset not in seen:
        seen.add(dataset)
        if (found := catalogue.received.get(dataset)) is not None:
            return Bounds(dataset, found)
        made = {made_of(version) for version in catalogue.versions(dataset)} - {None}
        dataset = next((each for each in sorted(filter(None, made)) if _bounds(records, each)), dataset)
    return None


def require_own(records: Records, dataset: str, act: Act) -> None:
    """Raise `OthersDataError` of what another hospital gave: this is done with one's own records alone."""
    if (found := bounds(records, dataset)) is not None:
        raise _refused(dataset, found.received, act)


def require_allowed(records: Records, dataset: str, act: Act) -> None:
    """Raise `OthersDataError` unless a dataset's grant allows it, or `GrantOverError` once the grant is over.

    Of one's own datasets nothing is asked. Raises `OldViewError` where the node has not heard of the ledger for long,
    and what `current_state` raises while it cannot be read.
    """
    if (found := bounds(records, dataset)) is None:
        return
    allowed = _FOR_TREATMENT if found.received.emergency or found.received.purpose == CLINICAL_CARE else _BY_A_GRANT
    if act not in allowed:
        raise _refused(dataset, found.received, act)
    if why := why_over(records.folder, found.received):
        name = found.received.transfer
        raise GrantOverError(f"{dataset} came by {name}, and {why}", f"erase it: `hmchain share erase {name}`")


def is_over(records: Records, dataset: str) -> bool:
    """Whether a dataset came by a grant that is over, or not known to be in force, or was made of such a one."""
    try:
        found = bounds(records, dataset)
        return found is not None and bool(why_over(records.folder, found.received))
    except (OldViewError, OthersDataError):
        return True


def why_over(place: HospitalFolder, received: Received) -> str:
    """Why a grant is over; empty while it is in force, as the hospital's own node has the ledger.

    Raises `OldViewError`, and what `current_state` raises while the ledger cannot be read.
    """
    if now_ms() > received.until_ms:
        return f"that ended {utc(received.until_ms)[:16]} UTC"
    ledger = place.ledger
    if ledger is None:
        return "no ledger is beside these records that could say whether that is in force"
    if genesis_file.load(ledger / genesis_file.FILE).first_chain != received.chain_id:
        return "the ledger beside these records is another network's"
    with current_state(ledger) as (found, seen_ms):
        entry = transfers.transfer(found.state, received.transfer)
        if entry is None:
            return "the ledger has no such transfer"
        if (entry.purpose, entry.is_emergency) != (received.purpose, received.emergency):
            return "the ledger says that it was given for something else"
        if not transfers.is_usable(found.state, entry, max(standings.time_ms(found.state), now_ms())):
            return "its giver or its permit has ended that"
    if place.node is not None and now_ms() - seen_ms > VIEW_MS_MAX:  # a run has no node that could fall behind
        what = f"nobody here knows whether {received.transfer} is in force: the node's last block is of"
        hint = "start the node, and wait until it has caught up: `hmchain node status`"
        raise OldViewError(f"{what} {utc(seen_ms)[:16]} UTC", hint)
    return ""


def _refused(dataset: str, received: Received, act: Act) -> OthersDataError:
    use = "the treatment of one patient" if received.emergency else "one use, here"
    what = f"{dataset} is of {received.giver}, given by {received.transfer} for {use}: it is not {act.value}"
    return OthersDataError(what, f"ask {received.giver} for what you need, by a request of its own")
