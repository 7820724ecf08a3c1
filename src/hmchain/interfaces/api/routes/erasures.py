"""What a patient may ask for: that records are destroyed, or used no more. A number stands in no address and no log."""

from __future__ import annotations

from typing import Annotated

import msgspec

from hmchain.application.access.permissions import STEWARD, Operation, Rule, Scope
from hmchain.application.data import erasure, publication
from hmchain.application.data.erasure import ErasurePreview, OptOutChange, Target
from hmchain.application.jobs.jobs import Job
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.api.parameters import DatasetName, Nothing, like
from hmchain.interfaces.api.routing import Routes
from hmchain.keys import Redacted
from hmchain.plain import Progress

VIEW = Rule(Operation.VIEW, Scope.HOSPITAL, (STEWARD,))
CHANGE = Rule(Operation.CHANGE, Scope.HOSPITAL, (STEWARD,))
DESTROY = Rule(Operation.DECIDE, Scope.HOSPITAL, (STEWARD,))

routes = Routes("erasures")

Identifier = Annotated[str, msgspec.Meta(max_length=200)]


class Meant(Redacted, msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A patient or a record, by one of its names."""

    patient: Identifier | None = None
    """The patient's number, in every project."""
    issuer: Identifier = ""
    """Who issued it; nothing for the hospital itself."""
    subject: Annotated[str, like("[0-9a-f]{32}")] | None = None
    """A pseudonym, in its project."""
    record: Annotated[str, like("[0-9a-f]{1,64}")] | None = None
    dataset: DatasetName = ""
    """Of a record."""

    @property
    def target(self) -> Target:
        """The same as the service takes it. Raises `InputError`."""
        return Target(self.patient, self.subject, self.record, self.issuer)


class OptingOut(Meant, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The same, or its end."""

    lift: bool = False
    """Later extractions take them again."""


class WithdrawnVersion(msgspec.Struct, frozen=True):
    """A version that the ledger calls withdrawn."""

    dataset: str
    version: int


class WithdrawnVersions(msgspec.Struct, frozen=True):
    """Versions that the ledger calls withdrawn now, and did not before."""

    withdrawn: tuple[WithdrawnVersion, ...]


@routes.post("/erasures/preview", VIEW, commands=("data erase",), example=Meant(subject="0" * 32), private=True)
def preview_erasure(call: Call, body: Meant) -> ErasurePreview:
    """What an erasure would destroy, in which versions, and which studies used them; nothing is changed."""
    return erasure.preview(call.folder, body.dataset or None, body.target, call.passphrase)


@routes.post("/erasures", DESTROY, job=True, commands=("data erase",), example=Meant(subject="0" * 32))
def erase(call: Call, body: Meant) -> Job:
    """Destroy the keys of a record or of a patient's records, then the ciphertext: nobody can bring them back.

    `/v1/withdrawals` tells the ledger then.
    """
    target = body.target

    def work(progress: Progress) -> object:
        return erasure.erase_here(call.folder, body.dataset or None, target, call.passphrase)

    return call.begin("data erase", target.kind, work)


@routes.post("/withdrawals", DESTROY, signs=True, commands=("data withdraw",), example=Nothing())
def withdraw_versions(call: Call, body: Nothing) -> WithdrawnVersions:
    """Have the ledger say of which versions records were erased: no new study may use them."""
    with call.records() as records:
        erased = publication.erased_versions(records)
    with call.user() as user:
        return WithdrawnVersions(tuple(WithdrawnVersion(*each) for each in publication.withdraw(user, erased)))


@routes.post("/opt-outs", CHANGE, commands=("data opt-out",), example=OptingOut(subject="0" * 32))
def opt_out(call: Call, body: OptingOut) -> OptOutChange:
    """Let no use begin with a patient's records or a record, nor an extraction take them; or take that back."""
    with call.records_to_note() as records:
        return erasure.lift_opt_out(records, body.target) if body.lift else erasure.opt_out(records, body.target)
