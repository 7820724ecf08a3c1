"""Records that travel under a permit, and emergencies: how they stand, taken back, asked for, judged."""

from __future__ import annotations

from typing import Annotated

import msgspec

from hmchain.application.access.permissions import Operation, Rule, Scope
from hmchain.application.governance import transfers as services
from hmchain.application.jobs.jobs import Job
from hmchain.application.sharing import emergencies, erasing, giving, receiving
from hmchain.application.sharing.emergencies import Sought
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.api.parameters import (
    NAME_OF_MEMBER,
    Code,
    DatasetName,
    Name,
    Nothing,
    Organisation,
    like,
    one_of,
)
from hmchain.interfaces.api.routing import Routes
from hmchain.keys import Redacted
from hmchain.ledger.context import CLINICIAN, STEWARD
from hmchain.ledger.readers import emergencies as emergency_reader
from hmchain.ledger.readers import transfers as transfer_reader
from hmchain.ledger.readers.emergencies import Bar, Emergencies, EmergencyView
from hmchain.ledger.readers.transfers import TransferView
from hmchain.plain import Progress

VIEW = Rule(Operation.VIEW, Scope.NETWORK)
DECIDE = Rule(Operation.DECIDE, Scope.HOSPITAL, (STEWARD,))
TREAT = Rule(Operation.ASK, Scope.HOSPITAL, (CLINICIAN,))

routes = Routes("sharing")


class GrantEnd(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why a grant is taken back."""

    reason: Annotated[Code, one_of(services.REVOKE_REASONS)]


class Verdict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether an emergency was one."""

    verdict: Annotated[Code, one_of(emergencies.VERDICTS)]


class AskedEmergency(Redacted, msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One patient's records that are needed at once."""

    where: Annotated[str, like(NAME_OF_MEMBER)]
    """HOSPITAL/DATASET."""
    patient: Annotated[str, msgspec.Meta(min_length=1, max_length=emergencies.NUMBER_CHARACTERS_MAX)]
    """The patient's number there; it is sealed to that hospital."""
    issuer: Annotated[str, msgspec.Meta(max_length=emergencies.NUMBER_CHARACTERS_MAX)] = ""
    reason: Annotated[Code, one_of(emergencies.REASONS)] = "danger-to-life"
    name: DatasetName = ""
    """Its name; one of chance, if it is empty."""


class Given(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which records to give, where several may be meant."""

    dataset: DatasetName = ""
    use: Annotated[str, like("(DUO:[0-9]{7})?")] = ""
    """Code of the use, where several are asked for."""
    transfer: DatasetName = ""
    """Its name; REQUEST-HOSPITAL, if it is empty."""


class Received(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where records are to be taken in."""

    into: DatasetName = ""
    """The dataset; the transfer's own name, if it is empty."""


class Erased(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be said of an erasure."""

    vault_lost: bool = False
    """The vault that had it is lost."""


@routes.get("/transfers", VIEW, commands=("share list",))
def list_transfers(call: Call) -> list[TransferView]:
    """What this hospital gave and was given: what is overdue first, then what is to be erased or received."""
    with call.ledger() as ledger:
        return list(transfer_reader.listed(ledger.verified.state, call.about))


@routes.get("/transfers/{name}", VIEW, commands=("share show",))
def show_transfer(call: Call, name: Name) -> TransferView:
    """Who gave what to whom, under which permit, until when, and the receipt of its erasure."""
    with call.ledger() as ledger:
        return transfer_reader.transfer(ledger.verified.state, name)


@routes.post("/transfers/{name}/revocation", DECIDE, signs=True, commands=("share revoke",),
             example=GrantEnd("consent"))  # fmt: skip
def revoke_transfer(call: Call, name: Name, body: GrantEnd) -> TransferView:
    """Take a grant back for good. Its grantee may use nothing of it any more, and erases it."""
    with call.user() as user:
        return services.revoke(user, name, body.reason)


@routes.get("/emergencies", VIEW, commands=("share emergencies",))
def list_emergencies(call: Call) -> Emergencies:
    """Emergencies in which this hospital's people asked, or were asked: what nobody has judged yet first."""
    with call.ledger() as ledger:
        return emergency_reader.emergencies(ledger.verified.state, call.about)


@routes.post("/emergencies", TREAT, signs=True, commands=("share break-glass",),
             example=AskedEmergency(where="north/scans", patient="4711"))  # fmt: skip
def ask_in_emergency(call: Call, body: AskedEmergency) -> EmergencyView:
    """Ask another hospital for one patient's records at once, for treatment alone. All members see who asks.

    It is judged afterwards. What comes is taken in with `/v1/emergencies/{name}/answer`.
    """
    with call.user() as user:
        sought = Sought(body.patient, body.issuer)
        entry = emergencies.ask(call.folder, user, call.objects, body.where, sought, body.reason, body.name)
        return emergency_reader.emergency(user.state, entry.name)


@routes.post("/emergencies/{name}/review", DECIDE, signs=True, commands=("share review",),
             example=Verdict("justified"))  # fmt: skip
def review_emergency(call: Call, name: Name, body: Verdict) -> EmergencyView:
    """Say for good whether an emergency was justified; if not, all of it is erased."""
    with call.user() as user:
        entry = emergencies.review(call.folder, user, name, body.verdict)
        return emergency_reader.emergency(user.state, entry.name)


@routes.post("/bars/{organisation}/lifting", DECIDE, signs=True, commands=("share lift-bar",), example=Nothing())
def lift_bar(call: Call, organisation: Organisation, body: Nothing) -> tuple[Bar, ...]:
    """Say that misused emergencies between this hospital and another were looked into; both have to say so."""
    with call.user() as user:
        return emergencies.lift(user, organisation)


@routes.post("/requests/{name}/grant", DECIDE, job=True, commands=("share grant",), example=Given())
def give_records(call: Call, name: Name, body: Given) -> Job:
    """Give the records that a request's permit allows to its applicant's organisation, sealed to it alone."""

    def work(progress: Progress) -> object:
        with call.user() as user:
            time_ms = user.ledger.now_ms()
            wanted = giving.asked(user.state, user.organisation, name, time_ms, body.dataset, body.use)
            return giving.give(
                call.folder, user, call.objects, wanted,
                name=body.transfer, passphrase=call.passphrase, progress=progress,
            )  # fmt: skip

    return call.begin("share grant", name, work)


@routes.post("/transfers/{name}/receipt", DECIDE, job=True, commands=("share receive",), example=Received())
def receive_records(call: Call, name: Name, body: Received) -> Job:
    """Take in what another hospital gave as a dataset, once all digests and the root are right."""

    def work(progress: Progress) -> object:
        with call.user() as user:
            return receiving.receive(
                call.folder, user, call.objects, name,
                into=body.into, passphrase=call.passphrase, progress=progress,
            )  # fmt: skip

    return call.begin("share receive", name, work)


@routes.post("/transfers/{name}/erasure", DECIDE, job=True, commands=("share erase",), example=Erased())
def erase_records(call: Call, name: Name, body: Erased) -> Job:
    """Destroy what came by a transfer, and what was made of it, and sign that it is gone.

    At its giver: clear what lies in the members' store for a transfer that is over.
    """

    def work(progress: Progress) -> object:
        with call.user() as user:
            return erasing.erase(
                call.folder, user, call.objects, name, call.passphrase, is_lost=body.vault_lost
            )  # fmt: skip

    return call.begin("share erase", name, work)


@routes.post("/emergencies/{name}/answer", TREAT, job=True, commands=("share answer", "share break-glass"),
             example=Nothing())  # fmt: skip
def receive_answer(call: Call, name: Name, body: Nothing) -> Job:
    """Take in what answers an emergency, as a dataset of its name."""

    def work(progress: Progress) -> object:
        with call.user() as user:
            return emergencies.receive(call.folder, user, call.objects, name, call.passphrase)

    return call.begin("share answer", name, work)
