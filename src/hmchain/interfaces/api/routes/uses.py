"""Uses of a hospital's data: for what, on whose word, until when; and what is owed for it."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import Query

from hmchain.application.access.permissions import Operation, Rule, Scope
from hmchain.application.data import patient_report, uses
from hmchain.application.data.erasure import Target
from hmchain.application.data.reidentification import PERSONS
from hmchain.application.data.uses import DutiesReport, UsesReport
from hmchain.application.pages.patient import PatientReport
from hmchain.clock import now_ms
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.api.paging import LIMIT, Limit, Offset
from hmchain.interfaces.api.parameters import Name, PersonSigned, Signatures, ToApprove, made_elsewhere
from hmchain.interfaces.api.routing import Routes
from hmchain.keys import Redacted
from hmchain.ledger.context import NAME, STEWARD
from hmchain.ledger.readers.explanations import Explanation

VIEW = Rule(Operation.VIEW, Scope.NETWORK)
ANSWER = Rule(Operation.CHANGE, Scope.HOSPITAL, (STEWARD,))
"""From a person to pseudonyms: two sign for it, and it is logged."""

routes = Routes("uses")

OfDataset = Annotated[
    str,
    Query(
        alias="dataset", pattern=f"^({NAME}/)?({NAME})?$",
        description="One alone; of another hospital ORGANISATION/NAME.",
    ),
]  # fmt: skip
Since = Annotated[int, Query(ge=0, le=2**53, alias="since_ms", description="In force since then, or asked for.")]


class PatientAsks(Redacted, msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A patient who asks."""

    patient: Annotated[str, msgspec.Meta(min_length=1, max_length=80)]
    """The number, or a whole pseudonym."""
    issuer: Annotated[str, msgspec.Meta(max_length=64)] = ""
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] = patient_report.ASKED_BY_PATIENT
    """Why; it is written down, so name no patient in it."""

    @property
    def target(self) -> Target:
        """The patient who is meant."""
        return patient_report.named(self.patient, self.issuer)


class SignedPatientAsks(PatientAsks, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The same, signed for."""

    signed_ms: int
    """As the statement has it."""
    signatures: Signatures


@routes.get("/uses", VIEW, commands=("uses list",))
def list_uses(
    call: Call, dataset: OfDataset = "", since: Since = 0, limit: Limit = LIMIT, offset: Offset = 0
) -> UsesReport:
    """What the hospital's data were asked for and used for: by whom, on whose word, from when until when."""
    with call.ledger() as ledger:
        found = uses.reported(ledger, call.about, dataset, since, slice(offset, offset + limit))
    return found if call.own_folder is None else uses.with_machine(found, call.own_folder)


@routes.get("/duties", VIEW, commands=("uses duties",))
def list_duties(call: Call) -> DutiesReport:
    """What is owed to the hospital for the use of its data: due, overdue, met; and what ends within 30 days."""
    with call.ledger() as ledger:
        return uses.owed(ledger, call.about)


@routes.get("/requests/{name}/reasons", VIEW, commands=("uses why",))
def explain_request(call: Call, name: Name) -> list[Explanation]:
    """Why each hospital's policy said what it said of a request, asked again of the version that judged."""
    with call.ledger() as ledger:
        return ledger.explanations(name)


@routes.post("/patients/report/statement", ANSWER, commands=("uses patient",), example=PatientAsks(patient="4711"),
             private=True)  # fmt: skip
def prepare_patient_report(call: Call, body: PatientAsks) -> ToApprove:
    """What two of the hospital's people sign, each where the key is, before a patient's question is answered."""
    at_ms = now_ms()
    statement = patient_report.to_sign(call.folder, body.target, body.reason, at_ms, call.passphrase)
    return ToApprove(statement, at_ms, PERSONS, body.reason)


@routes.post(
    "/patients/report", ANSWER, commands=("uses patient",), private=True,
    example=SignedPatientAsks(patient="4711", signed_ms=0, signatures=(PersonSigned("Anna Berg", "00" * 64),) * 2),
)  # fmt: skip
def answer_patient(call: Call, body: SignedPatientAsks) -> PatientReport:
    """Answer a patient: which uses there were of my data, and which models. Two people signed for it, and it is logged.

    The answer names nobody.
    """
    signers = made_elsewhere(body.signed_ms, body.signatures)
    return patient_report.report(call.folder, body.target, body.reason, signers, call.passphrase)
