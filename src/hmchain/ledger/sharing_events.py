"""Events of what hospitals share, of incidents and of anchored logs: see `events`."""

from __future__ import annotations

from hmchain.ledger.ledger_event import AboutMember, LedgerEvent

# -- transfers ---------------------------------------------------------------------------------------------------------


class AboutTransfer(LedgerEvent, frozen=True):
    """Something about records that a hospital gave to another."""

    transfer: str
    giver: str
    grantee: str


class RecordsGranted(AboutTransfer, frozen=True, tag="transfer.granted"):
    """A hospital gave records of a dataset version."""

    request: str
    """Under whose permit; empty for an emergency."""
    dataset: str
    version: int
    until_ms: int


class RecordsReceived(AboutTransfer, frozen=True, tag="transfer.received"):
    """The grantee opened and checked what it was given."""


class GrantRevoked(AboutTransfer, frozen=True, tag="transfer.revoked"):
    """The giver took its grant back: what was given is to be erased."""

    person: str
    reason: str


class ErasureConfirmed(AboutTransfer, frozen=True, tag="transfer.erased"):
    """A steward of the grantee signed that nothing of it can be read there any more, or that its vault is lost."""

    person: str
    statement: str


# -- logs --------------------------------------------------------------------------------------------------------------


class LogAnchored(AboutMember, frozen=True, tag="log.anchored"):
    """An organisation said how far the log of its security events is."""

    size: int
    head: bytes


class LogRestored(AboutMember, frozen=True, tag="log.restored"):
    """Anchored lines of an organisation's log are lost; it goes on from a copy."""

    anchored: int
    kept: int
    size: int
    head: bytes
    person: str


# -- releases ----------------------------------------------------------------------------------------------------------


class AboutRelease(LedgerEvent, frozen=True):
    """Something that a person, or a hospital's agent, said of a release."""

    release: str
    organisation: str
    person: str
    """Or the office or role whose key it was."""


class ReleaseAsked(AboutRelease, frozen=True, tag="release.asked"):
    """What a study made is to leave the hospitals that made it."""

    study: str
    artefact: bytes


class ReleaseGranted(AboutRelease, frozen=True, tag="release.granted"):
    """A yes of a hospital."""

    counts: int
    """1 if it is the hospital's; 0 where its policy asks for more persons."""


class ReleaseRefused(AboutRelease, frozen=True, tag="release.refused"):
    """A hospital's no, for now."""

    reason: str


class ReleaseWithdrawn(AboutRelease, frozen=True, tag="release.withdrawn"):
    """It is not to leave, says who asked."""


class Released(LedgerEvent, frozen=True, tag="release.released"):
    """All hospitals said yes: in a receipt, this is what proves it to whoever has the file."""

    release: str
    study: str
    artefact: bytes
    audience: str
    regions: tuple[str, ...]


# -- incidents ---------------------------------------------------------------------------------------------------------


class AboutIncident(LedgerEvent, frozen=True):
    """Something that a person did with an incident."""

    incident: str
    organisation: str
    """Of the person who did it."""
    person: str


class IncidentOpened(AboutIncident, frozen=True, tag="incident.opened"):
    """A member says that something went wrong."""

    severity: str
    affected: tuple[str, ...]


class IncidentAcknowledged(AboutIncident, frozen=True, tag="incident.acknowledged"):
    """A member knows of it."""


class IncidentNoted(AboutIncident, frozen=True, tag="incident.noted"):
    """More is known, or done."""

    affected: tuple[str, ...]
    """All that are, by now."""


class IncidentContained(AboutIncident, frozen=True, tag="incident.contained"):
    """It goes on no more at an affected member."""

    measures: tuple[str, ...]


class IncidentClosed(AboutIncident, frozen=True, tag="incident.closed"):
    """It is over."""

    silent: tuple[str, ...]
    """Affected members that never said what they did."""


class AboutEmergency(LedgerEvent, frozen=True):
    """Something about an emergency in which one patient's records are asked for."""

    emergency: str
    giver: str
    grantee: str


class GlassBroken(AboutEmergency, frozen=True, tag="emergency.asked"):
    """A person asked for them without a permit."""

    person: str
    dataset: str
    reason: str


class GlassAnswered(AboutEmergency, frozen=True, tag="emergency.answered"):
    """The giver's agent gave what there was; whether that was anything is not told."""


class GlassReviewed(AboutEmergency, frozen=True, tag="emergency.reviewed"):
    """A steward of the giver judged it afterwards."""

    person: str
    verdict: str


class AboutBar(LedgerEvent, frozen=True):
    """Something about an organisation whose people misused emergencies at a hospital."""

    giver: str
    grantee: str


class GlassBarred(AboutBar, frozen=True, tag="emergency.barred"):
    """Nobody of it is given anything there any more, until both have looked into it."""


class GlassBarLifted(AboutBar, frozen=True, tag="emergency.lifted"):
    """A steward of one of both said that it looked into it; when both have, the bar is gone."""

    organisation: str
    person: str
