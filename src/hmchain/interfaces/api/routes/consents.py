"""Patients' consents and opt-outs, which the hospital alone keeps, and what they mean for the use of a dataset.

A patient's number comes in a body and never in an address: addresses stand in logs.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import Path, Query

from hmchain.application.access.permissions import Operation, Rule, Scope
from hmchain.application.consent.taking import AddedConsents
from hmchain.application.consent.usable import Use, UseKind
from hmchain.application.data import consents
from hmchain.application.data.consents import ConsentCheck, ConsentLine, ConsentShown, Withdrawn
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.api.parameters import Dataset, LedgerName, like
from hmchain.interfaces.api.routing import Routes, Upload
from hmchain.keys import Redacted
from hmchain.ledger.context import STEWARD
from hmchain.records.consents.optout_lists import OptOutList
from hmchain.records.consents.register import Basis, DatasetBasis
from hmchain.records.deidentification.patients import Patient

VIEW = Rule(Operation.VIEW, Scope.HOSPITAL, ("auditor", "protection", STEWARD))
CHANGE = Rule(Operation.CHANGE, Scope.HOSPITAL, (STEWARD,))

routes = Routes("consents")

FILE_BYTES_MAX = 64 << 20
Number = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Issuer = Annotated[str, msgspec.Meta(max_length=64)]
Purpose = Annotated[str, like("[A-Z]{2,12}")]
Id = Annotated[str, Path(pattern="^[0-9a-fA-F]{1,64}$", description="The first letters of its id.")]
LIST_NAME = "[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}"
ListName = Annotated[str, Path(pattern=f"^{LIST_NAME}$", description="Name of the list.")]
IssuedBy = Annotated[str, Query(max_length=64, description="Who issued the numbers; the hospital, if left out.")]
AsOf = Annotated[
    str,
    Query(
        pattern="^[0-9]{4}-[0-9]{2}-[0-9]{2}$", description="The day that the list is of.",
        json_schema_extra={"format": "date"},
    ),
]  # fmt: skip


class OfPatient(Redacted, msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A patient, by a number."""

    patient: Number
    issuer: Issuer = ""

    @property
    def named(self) -> Patient:
        """The patient who is meant."""
        return Patient(self.patient.strip(), self.issuer)


class Withdrawal(OfPatient, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A patient who withdraws."""

    consent: Annotated[str, like("[0-9a-f]{0,64}")] = ""
    """One consent alone, by the first letters of its id."""


class WantedUse(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A use of a dataset."""

    use: UseKind = UseKind.TRAIN
    version: Annotated[int, msgspec.Meta(ge=1)] | None = None
    purposes: Annotated[tuple[Purpose, ...], msgspec.Meta(max_length=20)] = ("HRESCH",)
    """Codes of HL7's ActReason."""
    recipients: Annotated[tuple[LedgerName, ...], msgspec.Meta(max_length=32)] = ()


class SaidBasis(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """By what a dataset is used where patients say nothing."""

    basis: Basis
    purposes: Annotated[tuple[Purpose, ...], msgspec.Meta(max_length=20)] = ()
    """What it is kept for."""


@routes.get("/consents", VIEW, commands=("consent list",))
def list_consents(call: Call) -> list[ConsentLine]:
    """The consents that the hospital keeps; nobody is named."""
    with call.records() as records:
        return list(consents.all_of(records))


@routes.post("/consents/search", VIEW, commands=("consent list",), example=OfPatient(patient="4711"), private=True)
def find_consents(call: Call, body: OfPatient) -> tuple[ConsentLine, ...]:
    """The consents of one patient."""
    with call.records() as records:
        return consents.of_patient(records, body.named)


@routes.get("/consents/{consent}", VIEW, commands=("consent show",))
def show_consent(call: Call, consent: Id) -> ConsentShown:
    """What a consent says, rule by rule, as it is decided on."""
    with call.records() as records:
        return consents.one(records, consent)


@routes.post("/consents", CHANGE, commands=("consent add",), bytes_max=FILE_BYTES_MAX)
def add_consents(call: Call, upload: Upload) -> AddedConsents:
    """Take in patients' consents: FHIR R4 resources of type Consent, a bundle or NDJSON; all or none."""
    with call.records_to_note() as records:
        return consents.add(records, [upload.path])


@routes.post("/consents/withdrawals", CHANGE, commands=("consent withdraw",), example=Withdrawal(patient="4711"),
             private=True)  # fmt: skip
def withdraw_consent(call: Call, body: Withdrawal) -> Withdrawn:
    """Note that a patient withdraws: the records are in no use that begins from now on."""
    with call.records_to_note() as records:
        return consents.withdraw(records, body.named, body.consent)


@routes.post("/datasets/{dataset}/usable", VIEW, commands=("consent check",), example=WantedUse())
def check_use(call: Call, dataset: Dataset, body: WantedUse) -> ConsentCheck:
    """How many records of a version a use may have, and why others may not be used; the numbers stay here."""
    with call.records() as records:
        return consents.check(records, dataset, body.version, Use(body.use, body.purposes, body.recipients))


@routes.get("/datasets/{dataset}/basis", VIEW, commands=("consent basis",))
def show_basis(call: Call, dataset: Dataset) -> DatasetBasis:
    """By what a dataset is used where patients say nothing, and what it is kept for."""
    with call.records() as records:
        return consents.basis(records, dataset)


@routes.put("/datasets/{dataset}/basis", CHANGE, commands=("consent basis",), example=SaidBasis(basis=Basis.CONSENT))
def set_basis(call: Call, dataset: Dataset, body: SaidBasis) -> DatasetBasis:
    """Say by what a dataset is used from the next use on."""
    with call.records_to_note() as records:
        consents.set_basis(records, dataset, DatasetBasis(body.basis, body.purposes))
        return consents.basis(records, dataset)


@routes.get("/optouts", VIEW, commands=("consent optouts",))
def list_optouts(call: Call) -> tuple[OptOutList, ...]:
    """The lists of patients who opted out that others keep, and when each was reconciled last."""
    with call.records() as records:
        return consents.lists(records)


@routes.put("/optouts/{list_name}", CHANGE, commands=("consent optouts",), bytes_max=FILE_BYTES_MAX)
def reconcile_optouts(
    call: Call, list_name: ListName, upload: Upload, as_of: AsOf, issuer: IssuedBy = ""
) -> tuple[OptOutList, ...]:
    """Put a list in the place of the one before: a number a line. Who left it may be used again; no number is kept."""
    with call.records_to_note() as records:
        consents.reconcile(records, list_name, upload.path, issuer, as_of)
        return consents.lists(records)


@routes.delete("/optouts/{list_name}", CHANGE, commands=("consent optouts",))
def forget_optouts(call: Call, list_name: ListName) -> tuple[OptOutList, ...]:
    """Forget a list: who is on no other may be used again."""
    with call.records_to_note() as records:
        consents.drop_list(records, list_name)
        return consents.lists(records)
