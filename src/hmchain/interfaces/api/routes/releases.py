"""Releases: results that are to leave the hospitals, asked for, decided by evidence, and handed out with a proof."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import msgspec
from fastapi import Query
from starlette.responses import Response

from hmchain.application.access.permissions import Operation, Rule, Scope
from hmchain.application.disclosure.evidence import Evidence, Exemption
from hmchain.application.disclosure.thresholds import EXEMPT
from hmchain.application.jobs.jobs import Job
from hmchain.application.node.release_words import AUDIENCES
from hmchain.application.releases import asking, deciding, file, table_file
from hmchain.application.releases.asking import ReleaseQuestion
from hmchain.application.releases.deciding import Case, Measure
from hmchain.application.releases.file import ReleasedFile
from hmchain.interfaces.api import answers
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.api.parameters import (
    NAME_OR_NONE,
    Code,
    Dataset,
    DatasetName,
    LedgerName,
    Name,
    Nothing,
    Version,
    like,
    one_of,
)
from hmchain.interfaces.api.routing import Routes, Upload
from hmchain.ledger.context import SCIENTIST, STEWARD
from hmchain.ledger.readers.releases import COUNT, MODEL, TABLE, ReleaseView
from hmchain.plain import Progress

VIEW = Rule(Operation.VIEW, Scope.NETWORK)
TAKE = Rule(Operation.VIEW, Scope.HOSPITAL)
"""What was released lies at the hospitals that made it."""
ASK = Rule(Operation.ASK, Scope.HOSPITAL, (SCIENTIST,))
DECIDE = Rule(Operation.DECIDE, Scope.HOSPITAL, (STEWARD,))
WEIGH = Rule(Operation.VIEW, Scope.HOSPITAL, ("auditor", "protection", STEWARD))
MEASURE = Rule(Operation.CHANGE, Scope.HOSPITAL, (STEWARD,))

routes = Routes("releases")

SUFFIXES = {COUNT: ".json", MODEL: ".safetensors", TABLE: ".csv"}
"""Of files of what was released, by its kind."""
OfStudy = Annotated[str, Query(alias="study", pattern=NAME_OR_NONE, description="Of one study; all if left out.")]
Audience = Annotated[str, Query(pattern="^(applicant|members|public)$", description="Whom it is for.")]
Regions = Annotated[str, Query(pattern="^([A-Z]{2}(,[A-Z]{2})*)?$", description="Where it goes: DE,FR; anywhere.")]
ReleaseName = Annotated[str, Query(alias="name", pattern=NAME_OR_NONE, description="Its name; made if left out.")]
Region = Annotated[str, like("[A-Z]{2}")]
CONTRIBUTIONS_BYTES_MAX = 64 << 20
RELEASED_BYTES_MAX = 256 << 20
"""Of a file that is checked here; a larger model is checked by the command, anywhere."""


class AskedRelease(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is wanted outside, for whom and where."""

    study: LedgerName
    """The study, or the count, whose result is to leave."""
    audience: Annotated[Code, one_of(AUDIENCES)] = "members"
    regions: Annotated[tuple[Region, ...], msgspec.Meta(max_length=50)] = ()
    name: DatasetName = ""


class ReleaseRefusal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why something stays inside."""

    reason: Annotated[Code, one_of(deciding.REASONS)]


class Passing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A finding in a count or table that may pass."""

    cell: Annotated[str, msgspec.Meta(max_length=200)]
    check: Annotated[str, msgspec.Meta(max_length=40)]


class Measured(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How evidence is to be measured."""

    anew: bool = False
    """Attack the model again, though with the same records."""
    passing: Annotated[tuple[Passing, ...], msgspec.Meta(max_length=100)] = ()
    because: Annotated[str, one_of(("", *EXEMPT)), msgspec.Meta(max_length=40)] = ""
    """Why it may."""
    by: Annotated[str, msgspec.Meta(max_length=64)] = ""
    """Who lets it pass."""


class ReleaseGrant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A yes to a release."""

    weighed: bool = False
    """Although the evidence saw something, or could not see."""


@routes.get("/releases", VIEW, commands=("release list",))
def list_releases(call: Call, study: OfStudy = "") -> list[ReleaseView]:
    """What was asked to leave: what waits for this hospital first."""
    with call.ledger() as ledger:
        return asking.listed(ledger.releases(study), call.about)


@routes.get("/releases/{name}", VIEW, commands=("release show",))
def show_release(call: Call, name: Name) -> ReleaseView:
    """What would leave, for whom, what each hospital said of it, and what is next."""
    with call.ledger() as ledger:
        return ledger.release(name)


@routes.post("/releases", ASK, signs=True, commands=("release ask",), example=AskedRelease(study="brain-tumour"))
def ask_for_release(call: Call, body: AskedRelease) -> ReleaseView:
    """Ask that what a study made may leave the hospitals whose records are in it. Each decides for itself."""
    with call.user() as user:
        wanted = ReleaseQuestion(body.study, body.audience, body.regions, body.name)
        return asking.ask(user, asking.plan(user, wanted))


@routes.post("/datasets/{dataset}/tables", ASK, signs=True, commands=("release table",),
             bytes_max=table_file.FILE_BYTES_MAX)  # fmt: skip
def ask_for_table(
    call: Call,
    dataset: Dataset,
    upload: Upload,
    version: Version = None,
    audience: Audience = "members",
    regions: Regions = "",
    name: ReleaseName = "",
) -> ReleaseView:
    """Ask that a table of this hospital's own people may leave it: CSV, columns that name cells, then `persons`.

    The table is kept inside; others see the digest of it. This hospital alone decides.
    """
    wanted = ReleaseQuestion("", audience, tuple(filter(None, regions.split(","))), name)
    with call.user() as user:
        planned = asking.plan_table(user, call.folder, upload.path, dataset, version, wanted)
        return asking.ask_table(user, call.folder, planned)


@routes.post("/releases/{name}/withdrawal", ASK, signs=True, commands=("release withdraw",), example=Nothing())
def withdraw_release(call: Call, name: Name, body: Nothing) -> ReleaseView:
    """Ask no more for a release. What has left already cannot be taken back."""
    with call.user() as user:
        return asking.withdraw(user, name)


@routes.post("/releases/{name}/refusal", DECIDE, signs=True, commands=("release refuse",),
             example=ReleaseRefusal("disclosure"))  # fmt: skip
def refuse_release(call: Call, name: Name, body: ReleaseRefusal) -> ReleaseView:
    """Keep it inside. Until this hospital says yes, or whoever asked withdraws it, it stays there."""
    with call.ledger() as ledger:
        found = ledger.release(name)
    kept = deciding.kept_evidence(call.folder, found, call.passphrase)
    with call.user() as user:
        return deciding.refuse(user, found, body.reason, kept)


@routes.get("/releases/{name}/evidence", WEIGH, commands=("release evidence",))
def show_evidence(call: Call, name: Name) -> Evidence:
    """What was measured here last of what would leave, from the hospital's own records. It stays here."""
    with call.ledger() as ledger:
        found = ledger.release(name)
    if (kept := deciding.kept_evidence(call.folder, found, call.passphrase)) is None:
        raise deciding.NotInReleaseError(f"nothing was measured here of {name}", "measure it: POST the same address")
    return kept


@routes.post("/releases/{name}/evidence", MEASURE, job=True, commands=("release evidence",), example=Measured())
def measure_evidence(call: Call, name: Name, body: Measured) -> Job:
    """Measure, from the hospital's own records, what would leave tells of its people; compare what left before."""
    passing = tuple(
        Exemption(cell=each.cell, check=each.check, by=body.by, reason=body.because) for each in body.passing
    )
    measured = (deciding.measured_at, call.node.path, name, call.passphrase, Measure(body.anew, None, passing))
    return call.begin_apart("release evidence", name, *measured)


@routes.post("/releases/{name}/contributions", MEASURE, job=True, commands=("release evidence",),
             bytes_max=CONTRIBUTIONS_BYTES_MAX)  # fmt: skip
def measure_contributions(call: Call, name: Name, upload: Upload) -> Job:
    """Measure what a table would tell, by a file with a line a person: the cell, and `value`. It is not kept."""
    given = (call.node.path, name, call.passphrase)
    return call.begin_on_upload("release evidence", name, upload, deciding.measured_with, *given)


@routes.post("/releases/{name}/grant", DECIDE, job=True, commands=("release grant",), example=ReleaseGrant())
def grant_release(call: Call, name: Name, body: ReleaseGrant) -> Job:
    """Let it leave, by the evidence of this hospital. It leaves once all its hospitals say so, for good.

    What would tell of a few people beside what left before is refused here, whatever is answered.
    """

    def work(progress: Progress) -> object:
        found: Case = call.site.apart(deciding.case_at, call.node.path, name, call.passphrase, progress=progress)
        with call.user() as user:
            return deciding.grant(user, call.folder, found, call.passphrase, weighed=body.weighed)

    return call.begin("release grant", name, work)


@routes.get("/releases/{name}/file", TAKE, answer="application/octet-stream", commands=("release file",))
def take_released_file(call: Call, name: Name) -> Response:
    """What was released, with the proof that it was: only if it is on the ledger, and is what was released."""
    with call.ledger() as ledger:
        suffix = SUFFIXES[ledger.release(name).kind]
    with tempfile.TemporaryDirectory(prefix="hmchain-release-") as folder:
        target = Path(folder) / f"{name}{suffix}"
        with call.waiting():
            call.site.models.run(file.write, call.place, name, target, call.passphrase)
        return answers.file(target.read_bytes(), target.name)


@routes.post("/releases/check", TAKE, commands=("release check",), bytes_max=RELEASED_BYTES_MAX)
def check_released_file(call: Call, upload: Upload) -> ReleasedFile:
    """Whether a file is what was released, byte for byte, and all its hospitals let it leave, by this ledger."""
    with call.ledger() as ledger:
        genesis = ledger.genesis.digest
    with call.waiting():
        found = call.site.models.run(file.check, upload.path, genesis)
    return replace(found, path=Path(upload.path.name))
