"""Security events as FHIR R4 AuditEvents, by the patterns of IHE BALP 1.1.4.

An event of ours names no patient. So the profiles of BALP that want one are claimed for none but disclosures, whose
patient is there as BALP wants it and says that the log names nobody; all others are AuditEvents with BALP's codes.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hmchain.application.security.checking import Checked
from hmchain.application.security.events import BEGUN, DONE, SENT, Event, Kind

BALP = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/"
SOURCE = f"{BALP}IHE.BasicAudit.PrivacyDisclosure.Source"
RECIPIENT = f"{BALP}IHE.BasicAudit.PrivacyDisclosure.Recipient"
KIND_SYSTEM = "urn:hmchain:security-event"
NAME_SYSTEM = "urn:hmchain:name"
NOT_NAMED = "patients of de-identified records; this log names none"
_DCM = "http://dicom.nema.org/resources/ontology/DCM"
_LIFECYCLE = "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle"
_ENTITY, _ROLE = (
    "http://terminology.hl7.org/CodeSystem/audit-entity-type",
    "http://terminology.hl7.org/CodeSystem/object-role",
)
_SOURCE_TYPE = "http://terminology.hl7.org/CodeSystem/security-source-type"

_ACTIVITY, _AUDIT_LOG, _EXPORT, _IMPORT = (
    ("110100", "Application Activity"), ("110101", "Audit Log Used"), ("110106", "Export"), ("110107", "Import"),
)  # fmt: skip
_QUERY, _ALERT, _AUTHENTICATION = (
    ("110112", "Query"), ("110113", "Security Alert"), ("110114", "User Authentication"),
)  # fmt: skip
_TYPES: dict[Kind, tuple[tuple[str, str], str]] = {
    Kind.LOG_BEGUN: (_AUDIT_LOG, "C"),
    Kind.LOG_ANCHORED: (_AUDIT_LOG, "U"),
    Kind.LOG_RESTORED: (_AUDIT_LOG, "U"),
    Kind.LOG_EXPORTED: (_AUDIT_LOG, "R"),
    Kind.AUDIT: (_AUDIT_LOG, "R"),
    **dict.fromkeys((Kind.SIGN_IN, Kind.SIGN_IN_REFUSED, Kind.SIGN_OUT, Kind.KEY_OPENED, Kind.KEY_REFUSED),
                    (_AUTHENTICATION, "E")),
    **dict.fromkeys((Kind.KEY_CHANGED, Kind.CREDENTIAL_CHANGED, Kind.PERSON_CHANGED, Kind.CONFIGURATION_CHANGED,
                     Kind.POLICY_CHANGED, Kind.CONSENT_CHANGED, Kind.NETWORK_DECIDED), (_ALERT, "U")),
    **dict.fromkeys((Kind.ACCESS_DENIED, Kind.ACCESS_DECIDED, Kind.ACCESS_ASKED, Kind.ALARM, Kind.INCIDENT,
                     Kind.BREAK_GLASS_REVIEWED), (_ALERT, "E")),
    Kind.DATA_COUNTED: (_QUERY, "E"),
    **dict.fromkeys((Kind.DATA_EXPORTED, Kind.DATA_SENT, Kind.TRANSFER, Kind.BREAK_GLASS, Kind.RELEASE),
                    (_EXPORT, "R")),
    Kind.DATA_OPENED: (_ACTIVITY, "R"),
    Kind.IDENTITY_REVEALED: (_ACTIVITY, "R"),
    Kind.DATA_ERASED: (_ACTIVITY, "D"),
    **dict.fromkeys((Kind.DATA_CHANGED, Kind.DATA_PUBLISHED, Kind.STUDY_CHANGED), (_ACTIVITY, "U")),
    **dict.fromkeys((Kind.NODE_STARTED, Kind.NODE_STOPPED, Kind.AGENT_STARTED, Kind.AGENT_STOPPED, Kind.COMMAND),
                    (_ACTIVITY, "E")),
}  # fmt: skip
"""Type by DICOM's codes (PS3.16, CID 400), and action: create, read, update, delete, execute."""
_DISCLOSURES = frozenset((Kind.DATA_EXPORTED, Kind.TRANSFER, Kind.BREAK_GLASS))
_ARRIVALS = frozenset(("receive_records", "receive"))
_SUCCESS, _MINOR_FAILURE = "0", "4"


def audit_event(line: Checked, organisation: str) -> dict[str, Any]:
    """One event as an AuditEvent, for JSON."""
    event = line.event
    (code, words), action = _TYPES[event.kind]
    made: dict[str, Any] = {
        "resourceType": "AuditEvent",
        "id": f"{organisation}-{line.number}".replace("_", "-"),
        "type": {"system": _DCM, "code": code, "display": words},
        "subtype": [{"system": KIND_SYSTEM, "code": event.kind.value}],
        "action": action,
        "recorded": datetime.fromtimestamp(line.at_ms / 1000, UTC).isoformat(timespec="milliseconds"),
        "outcome": _SUCCESS if event.outcome in (DONE, BEGUN, SENT) else _MINOR_FAILURE,
        "outcomeDesc": event.outcome,
        "agent": _agents(event, organisation),
        "source": {
            "site": organisation,
            "observer": _organisation(organisation),
            "type": [{"system": _SOURCE_TYPE, "code": "4", "display": "Application Server"}],
        },
        "entity": _entities(line),
    }
    if event.kind in _DISCLOSURES and event.outcome == DONE:
        _disclose(made, event, organisation)
    return made


def _agents(event: Event, organisation: str) -> list[dict[str, Any]]:
    named = {"who": {"identifier": {"system": NAME_SYSTEM, "value": f"{organisation}/{event.person}"}}}
    agents: list[dict[str, Any]] = [
        {**(named if event.person else {"who": _organisation(organisation)}), "altId": event.user, "requestor": True}
    ]
    if event.role:
        agents[0]["role"] = [{"text": event.role}]
    return agents


def _organisation(name: str) -> dict[str, Any]:
    return {"type": "Organization", "identifier": {"system": NAME_SYSTEM, "value": name}, "display": name}


def _entities(line: Checked) -> list[dict[str, Any]]:
    event = line.event
    detail = {
        "what": event.what, "version": str(event.version or ""),
        "round": "" if event.round is None else str(event.round),
        "reason": event.reason, "transaction": event.transaction, "digest": event.digest,
        "ends": str(event.ends or ""), "detail": event.detail, "link": line.link.hex(),
    }  # fmt: skip
    return [
        {
            "type": {"system": _ENTITY, "code": "2", "display": "System Object"},
            "role": {"system": _ROLE, "code": "4", "display": "Domain Resource"},
            "what": {"identifier": {"system": NAME_SYSTEM, "value": event.about or event.kind.value}},
            "detail": [{"type": name, "valueString": value} for name, value in detail.items() if value],
        }
    ]


def _disclose(made: dict[str, Any], event: Event, organisation: str) -> None:
    """Make it a disclosure by BALP: at its source, or at its recipient where what was given arrived."""
    arrives = event.what in _ARRIVALS
    code, words, action = (*_IMPORT, "C") if arrives else (*_EXPORT, "R")
    other = event.other or "not named here"
    source, recipient = (other, organisation) if arrives else (organisation, other)
    made["meta"] = {"profile": [RECIPIENT if arrives else SOURCE]}
    made["type"], made["action"] = {"system": _DCM, "code": code, "display": words}, action
    made["subtype"].append({"system": _LIFECYCLE, "code": "disclose", "display": "Disclose"})
    made["agent"] += [
        _end("110153", "Source Role ID", source),
        _end("110152", "Destination Role ID", recipient),
    ]
    made["entity"].append(
        {
            "type": {"system": _ENTITY, "code": "1", "display": "Person"},
            "role": {"system": _ROLE, "code": "1", "display": "Patient"},
            "what": {"type": "Patient", "display": NOT_NAMED},
        }
    )


def _end(code: str, words: str, name: str) -> dict[str, Any]:
    return {
        "type": {"coding": [{"system": _DCM, "code": code, "display": words}]},
        "who": _organisation(name),
        "requestor": False,
        "network": {"address": f"urn:hmchain:organisation:{name.replace(' ', '-')}", "type": "5"},
    }
