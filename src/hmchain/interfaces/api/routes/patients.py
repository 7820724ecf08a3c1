"""Whom patients' numbers mean. Numbers come in bodies alone: no address, no log and no answer has one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import msgspec

from hmchain.application.access.permissions import STEWARD, Operation, Rule, Scope
from hmchain.application.data import patients
from hmchain.application.site import persons
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.api.routing import Routes
from hmchain.keys import Redacted
from hmchain.records.deidentification.patients import Patient

VIEW = Rule(Operation.VIEW, Scope.HOSPITAL, (STEWARD,))
DECIDE = Rule(Operation.DECIDE, Scope.HOSPITAL, (STEWARD,))

routes = Routes("patients")

Number = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Issuer = Annotated[str, msgspec.Meta(max_length=200)]


class OnePatient(Redacted, msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Two numbers of the hospital's own that are one patient's."""

    number: Number
    lasting: Number
    """The one that the patient goes by from now on."""


class OneNumber(Redacted, msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A patient's number."""

    number: Number
    issuer: Issuer = ""
    """Who issued it; nothing for the hospital itself."""


class Corrected(msgspec.Struct, frozen=True):
    """How much was changed."""

    numbers: int


@dataclass(frozen=True)
class Decider:
    """One of the hospital's people who decide with a key of their own."""

    name: str
    public: bytes
    """The id of the public half."""


@routes.post("/patients/merging", DECIDE, commands=("data patients merge",), example=OnePatient("4711", "4712"))
def merge_patients(call: Call, body: OnePatient) -> Corrected:
    """Let two numbers be one patient, from the next extraction on."""
    with call.records_alone() as records:
        patients.merge(records, Patient(body.number), Patient(body.lasting))
    return Corrected(1)


@routes.post("/patients/parting", DECIDE, commands=("data patients part",), example=OneNumber("4711"))
def part_patients(call: Call, body: OneNumber) -> Corrected:
    """Undo what was said of a number: it is no other patient's from the next extraction on."""
    with call.records_alone() as records:
        return Corrected(patients.part(records, Patient(body.number, body.issuer)))


@routes.get("/deciders", VIEW, commands=("data person list",))
def list_deciders(call: Call) -> list[Decider]:
    """The hospital's people who decide, each with a key of their own."""
    return [Decider(each.name, each.key.id) for each in persons.known(call.folder)]
