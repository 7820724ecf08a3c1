"""The report of a whole run, element by element: for people and programs (JSON), and as FHIR Provenance.

The report names elements and counts them; it holds no value of any.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from hmchain.records.deidentification.outcome import Action, Clean, Held, Outcome
from hmchain.records.deidentification.profile import Profile

ELEMENTS_MAX = 20_000
OTHER = "other elements"

LIFECYCLE = "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle"
_PARTICIPATION = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"


@dataclass
class DeidentificationReport:
    """Sums up outcomes as they come; its size does not grow with their number."""

    profile: Profile
    project: str = ""
    """Within which its pseudonyms are the same."""
    root: str = ""
    """Of a dataset version that is fixed: its keyed root, in hexadecimal."""
    records: int = 0
    held: Counter[str] = field(default_factory=Counter)
    """Items held, by the code of the reason."""
    actions: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Elements treated, by name and by what was done."""
    account: Mapping[str, object] = field(default_factory=dict)
    """What became of all files, and of the parts within them: sums, without a name."""

    def add(self, outcome: Outcome) -> None:
        """Count one outcome."""
        if isinstance(outcome, Clean):
            self.records += 1
            self.add_actions(outcome.actions)
        elif isinstance(outcome, Held):
            self.held[outcome.code] += 1

    def add_actions(self, actions: Iterable[Action]) -> None:
        """Count what was done to one record."""
        count_actions(self.actions, actions)

    def as_json(self) -> bytes:
        """The report as JSON, its lists sorted."""
        return msgspec.json.format(
            msgspec.json.encode(
                {
                    "profile": self.profile.name,
                    "profile_digest": profile_digest(self.profile),
                    "project": self.project,
                    "root": self.root,
                    "dates": self.profile.dates,
                    "records": self.records,
                    "held": dict(sorted(self.held.items())),
                    **({"account": self.account} if self.account else {}),
                    "actions": listed(self.actions),
                }
            ),
            indent=1,
        )

    def as_provenance(self, dataset: str, organisation: str, software: str, recorded: datetime) -> dict[str, Any]:
        """The run as a FHIR R4 Provenance (`recorded` with a time zone), with the JSON report attached to it.

        Target is the de-identified dataset, named within its project; agents are the organisation and its software;
        policy is the profile by its digest. Raises `ValueError` if `recorded` has no time zone, which FHIR's `instant`
        requires.
        """
        if recorded.tzinfo is None:
            raise ValueError("the time of recording needs a time zone")
        report = self.as_json()
        return {
            "resourceType": "Provenance",
            "contained": [_attached(report)],
            "target": [
                {
                    "type": "List",
                    "identifier": {"system": f"urn:hmchain:project:{self.project}", "value": dataset},
                    "display": dataset,
                }
            ],
            "recorded": recorded.isoformat(timespec="seconds"),
            "policy": [f"urn:hmchain:profile:{self.profile.name}:sha256:{profile_digest(self.profile)}"],
            "activity": {
                "coding": [{"system": LIFECYCLE, "code": "deidentify", "display": "De-Identify (Anononymize)"}]
            },
            "agent": [
                agent("custodian", {"type": "Organization", "display": organisation}),
                agent("assembler", {"type": "Device", "display": software}),
            ],
            "entity": [{"role": "derivation", "what": {"reference": "#report"}}],
        }


def count_actions(counts: Counter[tuple[str, str]], actions: Iterable[Action]) -> None:
    """Add actions to counts by element and by what was done; beyond 20 000 elements they are counted together."""
    for action in actions:
        key = (action.element, action.done)
        if key not in counts and len(counts) >= ELEMENTS_MAX:
            key = (OTHER, action.done)
        counts[key] += action.count


def listed(counts: Counter[tuple[str, str]]) -> list[dict[str, str | int]]:
    """The counts in order, as JSON."""
    return [{"element": element, "done": done, "count": count} for (element, done), count in sorted(counts.items())]


def profile_digest(profile: Profile) -> str:
    """SHA-256 of all that a profile says, its defaults included, in hexadecimal: two that agree are the same rules."""
    return hashlib.sha256(msgspec.json.encode(profile, order="deterministic")).hexdigest()


def _attached(report: bytes) -> dict[str, Any]:
    """The report as a contained document; FHIR's `hash` is SHA-1 by definition."""
    return {
        "resourceType": "DocumentReference",
        "id": "report",
        "status": "current",
        "content": [
            {
                "attachment": {
                    "contentType": "application/json",
                    "data": base64.b64encode(report).decode(),
                    "hash": base64.b64encode(hashlib.sha1(report, usedforsecurity=False).digest()).decode(),
                    "size": len(report),
                    "title": "What was done, element by element",
                }
            }
        ],
    }


def agent(kind: str, who: dict[str, str]) -> dict[str, Any]:
    """Somebody who took part, by a code of FHIR's participation types."""
    return {"type": {"coding": [{"system": _PARTICIPATION, "code": kind}]}, "who": who}
