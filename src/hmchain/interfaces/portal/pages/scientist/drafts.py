"""What the editor's form has, as the file of a request has it, and back."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

from hmchain.application.governance.requests.form import FIELDS
from hmchain.interfaces.portal.pages.numbers import day, number, whole
from hmchain.interfaces.portal.registry import Fields

FORM = "form."
"""What the names of the form's fields begin with."""
ROUNDS = 600


def begun(name: str, kind: str, today: datetime.date) -> dict[str, Any]:
    """A new draft."""
    until = today + datetime.timedelta(days=364)
    return {
        "name": name,
        "kind": kind,
        "purposes": ["health-research"],
        "until": until,
        "publishes": True,
        "commercial": False,
        "datasets": {},
        "form": {},
        "resources": {"hours": 24, "memory_gib": 4.0},
    }


def table_of(fields: Fields, before: Mapping[str, Any]) -> dict[str, Any]:
    """The draft that the form describes; what the form does not ask stays as it was. Raises `FieldError`."""
    kind = fields.text("kind")
    table: dict[str, Any] = {
        **before,
        "kind": kind,
        "purposes": _codes(fields.text("purposes")),
        "diseases": _codes(fields.text("diseases")),
        "datasets": _datasets(fields.texts("dataset")),
        "fields": _codes(fields.text("fields")),
        "labels": _codes(fields.text("labels")),
        "regions": [each.upper() for each in _codes(fields.text("regions"))],
        "commercial": fields.text("commercial") == "yes",
        "publishes": fields.text("publishes") == "yes",
        "until": day("until", fields.text("until")),
        "resources": {
            "hours": whole("hours", fields.text("hours")),
            "memory_gib": number("memory_gib", fields.text("memory_gib")),
        },
        "form": {name: text for field in FIELDS if (text := _text(fields, name := field.name))},
    }
    for plan in ("study", "query", "transfer"):
        table.pop(plan, None)
    if kind == "train":
        study = before.get("study", {})
        table["study"] = {
            **(study if isinstance(study, dict) else {}),
            "rounds": whole("rounds", fields.text("rounds")),
        }
    elif kind == "count":
        table["query"] = {
            "people": fields.text("people").strip(),
            "epsilon": number("epsilon", fields.text("epsilon")),
        }
    elif kind == "transfer":
        table["transfer"] = {"kinds": _codes(fields.text("kinds")), "days": whole("days", fields.text("days"))}
        table["fields"] = []
    return {name: value for name, value in table.items() if value not in ([], "")}


def chosen(table: Mapping[str, Any]) -> set[str]:
    """The datasets of a draft, as HOSPITAL/DATASET."""
    found = table.get("datasets", {})
    pairs = found.items() if isinstance(found, dict) else ()
    return {
        f"{organisation}/{str(each).partition('@')[0]}"
        for organisation, names in pairs
        for each in ([names] if isinstance(names, str) else names)
    }


def written(table: Mapping[str, Any], *path: str, default: object = "") -> str:
    """A value of a draft as a field shows it."""
    found: Any = table
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    if isinstance(found, list):
        return ", ".join(map(str, found))
    return str(default if found is None else found)


def _datasets(names: list[str]) -> dict[str, Any]:
    found: dict[str, list[str]] = {}
    for each in names:
        organisation, _, dataset = each.partition("/")
        found.setdefault(organisation, []).append(dataset)
    return {organisation: each[0] if len(each) == 1 else each for organisation, each in sorted(found.items())}


def _codes(text: str) -> list[str]:
    return [each for each in (part.strip() for part in text.split(",")) if each]


def _text(fields: Fields, name: str) -> str:
    return fields.text(f"{FORM}{name}").replace("\r\n", "\n").strip()
