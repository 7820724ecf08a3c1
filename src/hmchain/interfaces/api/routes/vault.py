"""The encrypted records and their keys: checked, mirrored to a named replica, repaired from it; whom numbers mean."""

from __future__ import annotations

import msgspec

from hmchain.application.access.permissions import OPERATOR, STEWARD, Operation, Rule, Scope
from hmchain.application.data import patients, upkeep
from hmchain.application.data.lasting import Lasting, lasting
from hmchain.application.data.patients import PatientsKnown
from hmchain.application.data.upkeep import SweptObjects
from hmchain.application.jobs.jobs import Job
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.api.parameters import Nothing
from hmchain.interfaces.api.routes.data_work import PlaceName
from hmchain.interfaces.api.routing import Routes

VIEW = Rule(Operation.VIEW, Scope.HOSPITAL, (STEWARD, OPERATOR))
VIEW_PATIENTS = Rule(Operation.VIEW, Scope.HOSPITAL, (STEWARD,))
CHANGE = Rule(Operation.CHANGE, Scope.HOSPITAL, (STEWARD, OPERATOR))
OPERATE = Rule(Operation.OPERATE, Scope.HOSPITAL, (STEWARD, OPERATOR))

routes = Routes("vault")


class VaultLook(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a vault is checked."""

    ciphertext_only: bool = False
    """Digests are compared, and no record is opened."""


class Replica(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A replica, by its name in `portal.toml`."""

    destination: PlaceName
    deep: bool = False
    """All of it is read."""


@routes.post("/vault/verification", VIEW, job=True, commands=("data vault verify",), example=VaultLook())
def verify_vault(call: Call, body: VaultLook) -> Job:
    """Read every encrypted object, open it, and compare registered versions with what was registered."""
    return call.begin_on_records("data vault verify", "vault", upkeep.check, ciphertext_only=body.ciphertext_only)


@routes.post("/vault/mirror", CHANGE, job=True, commands=("data vault mirror",), example=Replica("replica"))
def mirror_vault(call: Call, body: Replica) -> Job:
    """Copy to a replica what it lacks, replace what has rotten there, remove what was erased here."""
    place = call.destination(body.destination)
    return call.begin_on_records("data vault mirror", body.destination, upkeep.mirror, place, deep=body.deep)


@routes.post("/vault/repair", CHANGE, job=True, commands=("data vault repair",), example=Replica("replica"))
def repair_vault(call: Call, body: Replica) -> Job:
    """Put missing and altered objects back from a replica."""
    place = call.destination(body.destination)
    return call.begin_on_records("data vault repair", body.destination, upkeep.repair, place)


@routes.post("/vault/rotation", OPERATE, job=True, commands=("data vault rotate",), example=Nothing())
def rotate_vault_key(call: Call, body: Nothing) -> Job:
    """Replace the key that wraps the records' keys; backups of the vault made before are worth nothing then."""
    return call.begin_on_records("data vault rotate", "vault", upkeep.rotate, alone=True)


@routes.post("/vault/sweep", CHANGE, commands=("data vault sweep",), example=Nothing())
def sweep_vault(call: Call, body: Nothing) -> SweptObjects:
    """Delete ciphertext older than a day that no record needs."""
    with call.records_alone() as records:
        return upkeep.sweep(records)


@routes.get("/patients", VIEW_PATIENTS, commands=("data patients show",))
def show_patients(call: Call) -> PatientsKnown:
    """Whose numbers count as the hospital's own, and how many are merged; nobody is named."""
    with call.records() as records:
        return patients.known(records)


@routes.get("/quarantine/decisions", VIEW_PATIENTS, commands=("data quarantine decisions", "data quarantine devices"))
def list_lasting_decisions(call: Call) -> Lasting:
    """What was decided for good about contents and devices, by whom and when."""
    with call.records() as records:
        return lasting(records)
