"""Quantities and ages of FHIR: numbers with units of UCUM, none as long as a telephone number, none over 90 years."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hmchain.records.deidentification.ages import capped, in_a_year
from hmchain.records.deidentification.terminology import is_unit, is_unit_of

NUMBER_LIMIT, BARE_LIMIT = 10**8, 10**6
"""Numbers from here on are dropped, those without a unit sooner: they are as long as a telephone or record number."""

_COMPARATORS = ("<", "<=", ">=", ">", "ad")


def observed_age(name: str, value: Any) -> Any:
    """The value of an Observation of an age, `name` being its element: as it is, or as one that may stay; else None."""
    if name == "valueInteger":
        return capped(value, "a") if type(value) is int else None
    if name == "valueQuantity":
        return age(value)
    if name in ("valueRange", "valueRatio"):
        return {part: age(inner) for part, inner in value.items()} if type(value) is dict else None
    return value


def number(value: Any) -> int | Decimal | None:
    """A number that is not too long."""
    if type(value) is Decimal or type(value) is int:
        return value if -NUMBER_LIMIT < value < NUMBER_LIMIT else None
    return None


def age(value: Any) -> dict[str, Any] | None:
    """As `quantity`, but of time alone. An age without a unit is one in years."""
    unit = _said_unit(value)
    if type(value) is not dict or not (unit == "" or in_a_year(unit)):
        return None
    return quantity(value, "" if unit else "a")


def _said_unit(value: Any) -> str:
    """Read what a Quantity says that its unit is: by its code, which means more than its word."""
    said = [value.get("code"), value.get("unit")] if type(value) is dict else []
    return next((str(unit) for unit in said if unit), "")


def quantity(value: Any, understood: str = "") -> dict[str, Any] | None:
    """Number and unit; a unit in words stays only if the word is a unit of UCUM. Times over 90 years are 90 years.

    `understood` is the unit of a number that has none.
    """
    found = number(value.get("value")) if type(value) is dict else None
    if found is None:
        return None
    units = (understood, str(value.get("code")), str(value.get("unit")))
    kept: dict[str, Any] = {"value": min(capped(found, unit) for unit in units)}
    if value.get("comparator") in _COMPARATORS and kept["value"] == found:
        kept["comparator"] = value["comparator"]
    code, unit = value.get("code"), value.get("unit")
    system = value.get("system")
    if type(system) is str and type(code) is str and is_unit_of(system, code):
        kept |= {"system": system, "code": code}
    elif type(unit) is str and is_unit(unit):
        kept["unit"] = unit
    is_bare = "code" not in kept and "unit" not in kept
    return kept if not is_bare or -BARE_LIMIT < found < BARE_LIMIT else None
