"""The defined list of security events, each with the place that ISO/IEC 27002:2022, 8.15 gives it.

An event says who did what to what and how it ended, in codes and names. It names no patient, no record and no file, and
holds no count and no word that somebody typed: a hospital may hand its log to an auditor as it is.
"""

from __future__ import annotations

from enum import Enum

import msgspec

DONE, BEGUN, SENT = "done", "begun", "sent"
"""Outcomes; every other one is the code of what went wrong. What is sent, the ledger says how it ended."""


class Asset(Enum):
    """What 8.15 of ISO/IEC 27002:2022 wants logged, by its letter there."""

    ACCESS = "a"
    """Successful and rejected attempts to get into the system."""
    DATA = "b"
    """Successful and rejected attempts to reach data."""
    CONFIGURATION = "c"
    """Changes of the system's configuration."""
    PRIVILEGE = "d"
    """Use of privileges."""
    PROGRAMS = "e"
    """Use of programs and applications."""
    FILES = "f"
    """Files that were accessed, with their deletion."""
    ALARMS = "g"
    """Alarms of the access control."""
    PROTECTION = "h"
    """What protects the system is switched on or off: here the log itself, and its anchors."""
    IDENTITIES = "i"
    """Identities made, changed and deleted."""
    TRANSACTIONS = "j"
    """What users carry out in applications."""


class Kind(Enum):
    """Every kind of event there is, by the word that commands and exports use for it."""

    LOG_BEGUN = "log.begun"
    LOG_ANCHORED = "log.anchored"
    LOG_RESTORED = "log.restored"
    LOG_EXPORTED = "log.exported"
    NODE_STARTED = "node.started"
    NODE_STOPPED = "node.stopped"
    AGENT_STARTED = "agent.started"
    AGENT_STOPPED = "agent.stopped"
    SIGN_IN = "sign-in"
    SIGN_IN_REFUSED = "sign-in.refused"
    SIGN_OUT = "sign-out"
    KEY_OPENED = "key.opened"
    KEY_REFUSED = "key.refused"
    KEY_CHANGED = "key.changed"
    CREDENTIAL_CHANGED = "credential.changed"
    PERSON_CHANGED = "person.changed"
    CONFIGURATION_CHANGED = "configuration.changed"
    NETWORK_DECIDED = "network.decided"
    POLICY_CHANGED = "policy.changed"
    CONSENT_CHANGED = "consent.changed"
    ACCESS_ASKED = "access.asked"
    ACCESS_DECIDED = "access.decided"
    ACCESS_DENIED = "access.denied"
    STUDY_CHANGED = "study.changed"
    DATA_CHANGED = "data.changed"
    DATA_OPENED = "data.opened"
    DATA_COUNTED = "data.counted"
    DATA_EXPORTED = "data.exported"
    DATA_ERASED = "data.erased"
    DATA_SENT = "data.sent"
    DATA_PUBLISHED = "data.published"
    IDENTITY_REVEALED = "identity.revealed"
    TRANSFER = "transfer"
    BREAK_GLASS = "break-glass"
    BREAK_GLASS_REVIEWED = "break-glass.reviewed"
    RELEASE = "release"
    AUDIT = "audit"
    INCIDENT = "incident"
    ALARM = "alarm"
    COMMAND = "command"
    """A command that changed something of which no other kind tells, or that failed."""


ASSETS: dict[Kind, Asset] = {
    Kind.LOG_BEGUN: Asset.PROTECTION,
    Kind.LOG_ANCHORED: Asset.PROTECTION,
    Kind.LOG_RESTORED: Asset.PROTECTION,
    Kind.LOG_EXPORTED: Asset.PROTECTION,
    Kind.NODE_STARTED: Asset.PROGRAMS,
    Kind.NODE_STOPPED: Asset.PROGRAMS,
    Kind.AGENT_STARTED: Asset.PROGRAMS,
    Kind.AGENT_STOPPED: Asset.PROGRAMS,
    Kind.SIGN_IN: Asset.ACCESS,
    Kind.SIGN_IN_REFUSED: Asset.ACCESS,
    Kind.SIGN_OUT: Asset.ACCESS,
    Kind.KEY_OPENED: Asset.PRIVILEGE,
    Kind.KEY_REFUSED: Asset.ACCESS,
    Kind.KEY_CHANGED: Asset.IDENTITIES,
    Kind.CREDENTIAL_CHANGED: Asset.IDENTITIES,
    Kind.PERSON_CHANGED: Asset.IDENTITIES,
    Kind.CONFIGURATION_CHANGED: Asset.CONFIGURATION,
    Kind.NETWORK_DECIDED: Asset.CONFIGURATION,
    Kind.POLICY_CHANGED: Asset.CONFIGURATION,
    Kind.CONSENT_CHANGED: Asset.CONFIGURATION,
    Kind.ACCESS_ASKED: Asset.TRANSACTIONS,
    Kind.ACCESS_DECIDED: Asset.PRIVILEGE,
    Kind.ACCESS_DENIED: Asset.DATA,
    Kind.STUDY_CHANGED: Asset.TRANSACTIONS,
    Kind.DATA_CHANGED: Asset.FILES,
    Kind.DATA_OPENED: Asset.DATA,
    Kind.DATA_COUNTED: Asset.DATA,
    Kind.DATA_EXPORTED: Asset.DATA,
    Kind.DATA_ERASED: Asset.FILES,
    Kind.DATA_SENT: Asset.DATA,
    Kind.DATA_PUBLISHED: Asset.TRANSACTIONS,
    Kind.IDENTITY_REVEALED: Asset.PRIVILEGE,
    Kind.TRANSFER: Asset.DATA,
    Kind.BREAK_GLASS: Asset.PRIVILEGE,
    Kind.BREAK_GLASS_REVIEWED: Asset.PRIVILEGE,
    Kind.RELEASE: Asset.DATA,
    Kind.AUDIT: Asset.PROGRAMS,
    Kind.INCIDENT: Asset.ALARMS,
    Kind.ALARM: Asset.ALARMS,
    Kind.COMMAND: Asset.PROGRAMS,
}
"""The place of every kind."""


URGENT = frozenset(
    (
        Kind.LOG_RESTORED, Kind.KEY_REFUSED, Kind.KEY_CHANGED, Kind.CREDENTIAL_CHANGED,
        Kind.PERSON_CHANGED, Kind.POLICY_CHANGED,
        Kind.ACCESS_DENIED, Kind.DATA_EXPORTED, Kind.DATA_ERASED, Kind.IDENTITY_REVEALED, Kind.BREAK_GLASS,
        Kind.RELEASE, Kind.TRANSFER, Kind.INCIDENT, Kind.ALARM,
    )
)  # fmt: skip
"""Kinds whose lines are anchored at once: who wants to hide something wants to hide one of these."""


class Event(msgspec.Struct, frozen=True, omit_defaults=True):
    """One event. All that it says may be read by an auditor."""

    kind: Kind
    what: str = ""
    """More closely: a word of the kind (`grant`, `revoke`), the words of a command, the tag of a transaction."""
    about: str = ""
    """The name of what it is about: a dataset, request, study, transfer, release, incident, member, role of a key."""
    version: int = 0
    """Of what it is about, where that has versions."""
    round: int | None = None
    other: str = ""
    """The organisation at the other end."""
    user: str = ""
    """Of the operating system."""
    role: str = ""
    """Whose key acts: steward, agent."""
    person: str = ""
    """Who acts or decides, by the name that the ledger or the hospital has of that person."""
    outcome: str = DONE
    reason: str = ""
    """The code of the reason that was given; never what somebody wrote."""
    transaction: str = ""
    """The transaction that said it to the members, hexadecimal."""
    digest: str = ""
    """Of a file that left or came, of what was decided on, or of lines that were there before; hexadecimal."""
    ends: int = 0
    """The number of the event whose deed ended."""
    request: str = ""
    """The correlation id of the request to the portal that it was done for, as the portal's log has it."""
    detail: str = ""
    """The salted digest of what the hospital's own log of activities says beside it, hexadecimal; the log adds it."""
