"""Codes of incidents: what happened, how bad it is, what was done, by when; nobody's words are on a ledger."""

from __future__ import annotations

from enum import StrEnum

from hmchain.ledger.reputation import DAY_MS


class Kind(StrEnum):
    """What happened."""

    KEY = "key"
    """A key was stolen, or may have been."""
    ACCESS = "access"
    """Somebody saw or used what was not theirs."""
    DISCLOSURE = "disclosure"
    """Data or results left the circle of those who may have them."""
    ALTERED = "altered"
    """Records, models or logs were changed."""
    MALWARE = "malware"
    OUTAGE = "outage"
    OTHER = "other"


class Severity(StrEnum):
    """How bad it is: how soon members say that they know of it."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


ACKNOWLEDGE_MS = {Severity.LOW: 7 * DAY_MS, Severity.MEDIUM: 3 * DAY_MS, Severity.HIGH: DAY_MS}
"""As long as that a member has. 24 and 72 hours are also what European law gives for telling the authorities."""

CONTAIN_MS = 30 * DAY_MS
"""As long as a closing waits for an affected member that says nothing, from when it was named on."""


class Measure(StrEnum):
    """What an affected member did."""

    GRANT_REVOKED = "grant-revoked"
    KEY_CUT_OFF = "key-cut-off"
    KEY_ROTATED = "key-rotated"
    MACHINE_REBUILT = "machine-rebuilt"
    MEMBER_REMOVED = "member-removed"
    NODE_STOPPED = "node-stopped"
    NOT_AFFECTED = "not-affected"
    """It looked, and it was not."""
    OTHER = "other"
    PERMIT_REVOKED = "permit-revoked"
    PERSON_REMOVED = "person-removed"
    PERSONS_TOLD = "persons-told"
    """Those whom it is about, or an authority."""
    RESTORED = "restored"


class Deed(StrEnum):
    """What somebody did with an incident."""

    OPEN = "open"
    ACKNOWLEDGE = "acknowledge"
    NOTE = "note"
    CONTAIN = "contain"
    CLOSE = "close"


KNOWING = (Deed.OPEN, Deed.ACKNOWLEDGE, Deed.CONTAIN)
"""By each of them an organisation says that it knows of an incident."""
