"""Whom patients' numbers mean. Numbers come in bodies alone: no address and no log has one.

One answer does, for which two people signed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import msgspec

from hmchain.application.access.permissions import STEWARD, Operation, Rule, Scope
from hmchain.application.data import patients, reidentification
from hmchain.application.data.reidentification import Reidentified
from hmchain.application.site import persons
from hmchain.application.site.activity import What
from hmchain.clock import now_ms
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.api.parameters import PersonSigned, Signatures, ToApprove, like, made_elsewhere
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


class GoingBack(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A pseudonym whose patient somebody has to know."""

    pseudonym: Annotated[str, like("[0-9a-f]{32}")]
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=reidentification.REASON_LETTERS_MAX)]
    """Why: it is written down, so name no patient in it."""


class SignedGoingBack(GoingBack, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The same, signed for."""

    signed_ms: int
    """As the statement has it."""
    signatures: Signatures


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


@routes.post("/patients/reidentification/statement", DECIDE, commands=("data patients reidentify",), private=True,
             example=GoingBack(pseudonym="0" * 32, reason="nodule"))  # fmt: skip
def prepare_reidentification(call: Call, body: GoingBack) -> ToApprove:
    """What two of the hospital's people sign, each where the key is, before a pseudonym is turned back."""
    at_ms = now_ms()
    statement = reidentification.to_sign(What.REIDENTIFY, body.pseudonym, body.reason, at_ms)
    return ToApprove(statement, at_ms, reidentification.PERSONS, body.reason)


@routes.post("/patients/reidentification", DECIDE, commands=("data patients reidentify",), private=True,
             example=SignedGoingBack(pseudonym="0" * 32, reason="nodule", signed_ms=0,
                                     signatures=(PersonSigned("Anna Berg", "00" * 64),) * 2))  # fmt: skip
def reidentify(call: Call, body: SignedGoingBack) -> Reidentified:
    """Say which patient a pseudonym is, for an incidental finding, say. Two people signed for it, and it is logged."""
    signers = made_elsewhere(body.signed_ms, body.signatures)
    with call.records() as records:
        return reidentification.reidentify(records, body.pseudonym, body.reason, signers)


@routes.get("/deciders", VIEW, commands=("data person list",))
def list_deciders(call: Call) -> list[Decider]:
    """The hospital's people who decide, each with a key of their own."""
    return [Decider(each.name, each.key.id) for each in persons.known(call.folder)]
