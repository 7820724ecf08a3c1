"""What a FHIR item says of its patients: all resources of it that tell who somebody is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

from hmchain.records.deidentification.fhir import guard
from hmchain.records.deidentification.fhir.resources import BAD_JSON, Raw, decode, kind_of
from hmchain.records.deidentification.fhir.rules import objects, target
from hmchain.records.deidentification.identity import NUMBER_DIGITS_MIN, Identity

FEW = 8
"""What is nobody's is compared with so many patients: with a family, not with a ward."""

_BESIDE = {"Coverage": "beneficiary", "RelatedPerson": "patient"}
"""Resources that tell numbers of a patient, and those to call, and the element that says whose."""


def known_of(raws: Iterable[Raw]) -> dict[str, tuple[Raw, ...]]:
    """List by the ids of patients what tells who they are: their resources in all editions, and what is beside."""
    own: defaultdict[str, list[Raw]] = defaultdict(list)
    links: list[tuple[str, str]] = []
    for raw in raws:
        kind = kind_of(raw.data)
        if kind != "Patient" and kind not in _BESIDE:
            continue
        with suppress(*BAD_JSON):
            resource = decode(raw.data)
            if kind == "Patient":
                name = str(resource.get("id", raw.name))
                others = (target(link.get("other"), raw.aliases) for link in objects(resource.get("link")))
                links += [(name, other[1]) for other in others if other is not None]
            else:
                whose = target(resource.get(_BESIDE[kind]), raw.aliases)
                name = whose[1] if whose is not None else ""
            own[name].append(raw)
    own.pop("", None)
    found = {name: tuple(some) for name, some in own.items()}
    for name, other in links:
        if other in own:
            found[name] += tuple(own[other])
            found[other] += tuple(own[name])
    return found


def identities(known: Mapping[str, Sequence[Raw]]) -> dict[str, Identity]:
    """What identifies patients, by the ids of their resources."""
    return {name: _identity(some) for name, some in known.items()}


def _identity(some: Sequence[Raw]) -> Identity:
    found = Identity(NUMBER_DIGITS_MIN)
    for raw in some:
        resource = decode(raw.data)
        guard.add(found, resource, _BESIDE.get(resource["resourceType"], ""))
    return found
