"""What people decide and are reminded of when records travel; the records themselves are for `sharing`."""

from __future__ import annotations

from collections.abc import Iterator

from hmchain.application.governance.delegate import LedgerUser
from hmchain.application.governance.requests.applying import require_code
from hmchain.clock import utc
from hmchain.errors import StudyError
from hmchain.ledger.context import STEWARD
from hmchain.ledger.contracts.data import transfers
from hmchain.ledger.contracts.data.transfers import RevokeGrant
from hmchain.ledger.contracts.members import people
from hmchain.ledger.readers import emergencies
from hmchain.ledger.readers import transfers as reader
from hmchain.ledger.readers.emergencies import EmergencyView
from hmchain.ledger.readers.request_steps import Todo
from hmchain.ledger.readers.transfers import Standing, TransferView
from hmchain.ledger.state import State

REVOKE_REASONS = transfers.REVOKE_REASONS
"""Why a hospital takes a grant back: codes."""


class NotGivenHereError(StudyError):
    """Another hospital gave these records, or the grant is over already."""

    code = "not_given_here"


def revoke(user: LedgerUser, name: str, reason: str) -> TransferView:
    """Steward of the giver: take a grant back for good, for a reason that has a code; it is to be erased then.

    Raises `UnknownTransferError`, `NotGivenHereError`.
    """
    require_code(reason, transfers.REVOKE_REASONS, "reason to take a grant back")
    found = reader.transfer(user.state, name)
    if found.giver != user.organisation:
        raise NotGivenHereError(f"{found.giver} gave {name}, and {found.giver} alone takes it back", "ask them")
    body = RevokeGrant(name, reason)
    if found.standing in (Standing.ERASED, Standing.LOST) or (found.reason and user.included(body) is None):
        raise NotGivenHereError(
            f"{name} is over: {found.standing}", f"see what became of it: `hmchain share show {name}`"
        )
    user.send(body)
    return reader.transfer(user.state, name)


def to_do(state: State, organisation: str) -> Iterator[Todo]:
    """What stewards should see to of emergencies, and of what their organisation gave and was given."""
    who = tuple(each.person for each in people.with_role(state, organisation, STEWARD))
    for asked in emergencies.emergencies(state, organisation).listed:
        if not asked.is_reviewed:
            words, command = _of_emergency(asked, organisation)
            yield Todo("", STEWARD, words, command, asked.review_due_ms, asked.overdue, who)
    for bar in emergencies.bars(state, organisation):
        if bar.lifted_by != organisation:
            other = bar.grantee if bar.giver == organisation else bar.giver
            words = f"{bar.grantee} misused emergencies at {bar.giver} and is barred there: look into it"
            yield Todo("", STEWARD, words, f"share lift-bar {other}", who=who)
    for entry in transfers.not_erased(state, organisation):
        each = reader.view(state, entry)
        if (found := _of_grantee(each) if each.grantee == organisation else _of_giver(each)) is not None:
            words, command = found
            late = each.standing is Standing.OVERDUE
            yield Todo(each.request, STEWARD, words, f"{command} {each.name}", each.due_ms, late, who)


def _of_emergency(each: EmergencyView, organisation: str) -> tuple[str, str]:
    what = f"EMERGENCY {each.name}: {each.person} was given a patient's records of {each.giver}/{each.dataset}"
    if each.giver == organisation:
        return f"{what} ({each.reason}): judge whether it had to be", f"share review {each.name} VERDICT"
    return f"{what} ({each.reason}), and {each.giver} has not judged it yet", "share emergencies"


def _of_grantee(each: TransferView) -> tuple[str, str] | None:
    match each.standing:
        case Standing.TO_ERASE | Standing.OVERDUE:
            return f"{each.name} of {each.giver} is over: erase it, and sign that it is gone", "share erase"
        case Standing.OFFERED:
            return f"{each.giver} gives you {each.name}: take it in", "share receive"
    return None


def _of_giver(each: TransferView) -> tuple[str, str] | None:
    if each.standing is Standing.OVERDUE:
        day = utc(each.due_ms)[:10]
        return f"{each.grantee} was to erase {each.name} by {day}, and did not sign that it is gone", "share show"
    if each.withdrawn and not each.is_over:
        what = f"{each.dataset} version {each.version}"
        return f"records of {what} were erased here since it was given: take it back, or let it be", "share show"
    return None
