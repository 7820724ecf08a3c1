"""What transactions about an organisation's people ask for, in words, and whom they are about."""

from __future__ import annotations

from collections.abc import Sequence

from hmchain.canonical import Record
from hmchain.ledger.contracts.members.admission import ProposeAdmission
from hmchain.ledger.contracts.members.enrolment import (
    AcceptInvitation,
    ChangeRoles,
    ConfirmChange,
    DropChange,
    HandOver,
    InvitePerson,
    ReinstatePerson,
    RemovePerson,
    ReplaceKey,
    SuspendPerson,
)
from hmchain.ledger.contracts.members.office_keys import CompleteRecovery, ObjectRecovery


def about(body: Record) -> str:
    """Whom it is about; empty for what is about nobody's place in an organisation."""
    match body:
        case ChangeRoles() | SuspendPerson() | ReinstatePerson() | RemovePerson():
            return f"person {body.person}"
        case CompleteRecovery():
            return f"member {body.organisation}"
        case ConfirmChange() | DropChange():
            return f"change {body.change.hex()[:12]}"
    return ""


def words(body: Record) -> str:
    """What it asks for, as its sender would say it; empty for what is about something else."""
    match body:
        case InvitePerson():
            return f"invite {body.person} as {listed(body.roles)}, with the key {body.key.hex()[:16]}"
        case AcceptInvitation():
            return f"accept the invitation to act as {listed(body.roles)}"
        case ChangeRoles():
            return f"let {body.person} act as {listed(body.roles)} from now on"
        case SuspendPerson():
            return f"suspend {body.person}: that key decides nothing for now"
        case ReinstatePerson():
            return f"let {body.person}, who is suspended, act again"
        case RemovePerson():
            return f"remove {body.person} for good"
        case ReplaceKey():
            return f"replace the key of {body.person} by {body.key.hex()[:16]}"
        case HandOver():
            return "hand over to named people: the office keys decide nothing any more"
        case ConfirmChange():
            return f"confirm the change {body.change.hex()[:12]} of the organisation's people"
        case ProposeAdmission(member=member):
            return f"propose to admit {member.organisation}, whose keys were proven ({member.fingerprint})"
        case ObjectRecovery():
            return "object to the recovery of the organisation's key: it is not lost"
        case CompleteRecovery():
            return f"give {body.organisation} the steward's key that the members voted"
        case DropChange():
            return f"drop the change {body.change.hex()[:12]} of the organisation's people"
    return ""


def listed(roles: Sequence[str]) -> str:
    """Roles in a line, such as `officer and steward`."""
    return " and ".join((", ".join(roles[:-1]), roles[-1]) if len(roles) > 1 else roles)
