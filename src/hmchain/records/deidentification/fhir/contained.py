"""Resources that are contained in another one: what stays of them stays within it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hmchain.records.deidentification.fhir.rules import Pass, Rule

_PATIENTS = ("subject", "patient")
"""Whose one is says the resource that it is in; who is somebody else's stays out."""


class Contained:
    """The contained resources of one resource, of the types that may stay there."""

    def __init__(self, contained: Any, kinds: frozenset[str]) -> None:
        self._resources: dict[str, dict[str, Any]] = {}
        for each in contained if type(contained) is list else []:
            own, kind = (each.get("id"), each.get("resourceType")) if type(each) is dict else (None, None)
            if type(own) is str and type(kind) is str and kind in kinds:
                self._resources[own] = each
        self.names: Mapping[str, str] = {own: f"c{number}" for number, own in enumerate(self._resources, 1)}
        """Their ids, and the new ones."""

    def kept(self, outer: Mapping[str, Any], rules: Mapping[str, Rule], at: Pass) -> list[dict[str, Any]]:
        """What stays of those that `outer`, or one that stays itself, refers to."""
        found: dict[str, dict[str, Any]] = {}
        waiting = _pointed_at(outer) if self._resources else set()
        while waiting:
            name = waiting.pop()
            own = next((own for own, new in self.names.items() if new == name), None)
            if own is None or name in found:
                continue
            resource = {key: value for key, value in self._resources[own].items() if key not in _PATIENTS}
            left = rules[resource["resourceType"]](resource, at) or {}
            found[name] = {**left, "resourceType": resource["resourceType"], "id": name}
            waiting |= _pointed_at(left)
        return [found[name] for name in sorted(found)]


def _pointed_at(value: Any) -> set[str]:
    """The local names that references within a value have."""
    if isinstance(value, dict):
        reference = value.get("reference")
        own = {reference[1:]} if isinstance(reference, str) and reference.startswith("#") else set()
        return own.union(*(_pointed_at(inner) for inner in value.values()))
    if isinstance(value, list):
        return set().union(*(_pointed_at(inner) for inner in value))
    return set()
