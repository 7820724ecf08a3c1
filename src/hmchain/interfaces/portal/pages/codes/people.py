"""Roles of people, and codes of incidents."""

from __future__ import annotations

from hmchain.interfaces.portal.texts import Later, later

ROLES: dict[str, Later] = {
    "steward": later("steward"),
    "scientist": later("scientist"),
    "operator": later("operator"),
    "auditor": later("auditor"),
    "officer": later("officer"),
    "clinician": later("clinician"),
    "code": later("reviewer of code"),
    "ethics": later("ethics"),
    "protection": later("data protection"),
    "agent": later("agent"),
    "validator": later("validator"),
    "applicant": later("applicant"),
    "member": later("member"),
}
INCIDENTS: dict[str, Later] = {
    "key": later("a stolen key"),
    "access": later("access by somebody else"),
    "disclosure": later("data in wrong hands"),
    "altered": later("something was altered"),
    "malware": later("malware"),
    "outage": later("an outage"),
    "other": later("something else"),
}
SEVERITIES: dict[str, Later] = {
    "low": later("low"),
    "medium": later("medium"),
    "high": later("high"),
}
INCIDENT_DEEDS: dict[str, Later] = {
    "open": later("opened it"),
    "acknowledge": later("knows of it"),
    "note": later("added to it"),
    "contain": later("contained it"),
    "close": later("closed it"),
}
MEASURES: dict[str, Later] = {
    "grant-revoked": later("given records were taken back"),
    "key-cut-off": later("the key was cut off"),
    "key-rotated": later("the key was changed"),
    "machine-rebuilt": later("the machine was built anew"),
    "member-removed": later("the member was removed"),
    "node-stopped": later("the node was stopped"),
    "not-affected": later("looked, and was not affected"),
    "other": later("something else"),
    "permit-revoked": later("the permission was taken back"),
    "person-removed": later("the person was removed"),
    "persons-told": later("those whom it is about were told"),
    "restored": later("restored from a copy"),
}
"""What a member did about an incident."""
