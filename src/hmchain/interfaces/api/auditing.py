"""Long work of auditors, which routes and pages begin alike: a verification, and files that others check elsewhere."""

from __future__ import annotations

from pathlib import Path

from starlette.responses import FileResponse

from hmchain.application.governance import bundling
from hmchain.application.governance.bundling import Bundle
from hmchain.application.jobs.jobs import Job, JobState, UnknownJobError
from hmchain.application.node import folder_audit, ledger_export
from hmchain.application.node.ledger_export import ExportedLedger
from hmchain.application.site.node import NodeFolder
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.report.reader import ReportReader
from hmchain.ledger.readers.replay import TrustedHeader
from hmchain.plain import Progress

VERIFICATION, EXPORT, BUNDLE = "audit verify", "node export-ledger", "audit bundle"
"""The kinds of these jobs."""
_FILES = {EXPORT: "ledger.zip", BUNDLE: "audit-bundle.zip"}


def begin_verification(call: Call, genesis: bytes | None, trusted: TrustedHeader | None) -> Job:
    """Begin to verify the whole ledger, and every other file beside it, against what an auditor knows."""
    given = (call.site.place, call.ledger_folder, ReportReader(), genesis)
    return call.begin_apart(
        VERIFICATION, "ledger", folder_audit.verify, *given,
        trusted=trusted, passphrase=call.passphrase, keeps_headers=True,
    )  # fmt: skip


def begin_export(call: Call) -> Job:
    """Begin to write the ledger into a file that holds all that an audit needs."""
    return call.begin_apart(EXPORT, "ledger", export, call.node)


def begin_bundle(call: Call) -> Job:
    """Begin to write the same with the hospital's security events, signed by its validator."""
    return call.begin_apart(BUNDLE, "security events", make_bundle, call.node, call.passphrase)


def export(node: NodeFolder, progress: Progress) -> ExportedLedger:
    """Write the ledger, in the place of the file before it. Raises as `ledger_export.export`."""
    return ledger_export.export(node, _new(node, EXPORT), progress)


def make_bundle(node: NodeFolder, passphrase: str | None, progress: Progress) -> Bundle:
    """Write a bundle, in the place of the one before it. Raises as `bundling.make_here`."""
    return bundling.make_here(node, _new(node, BUNDLE), passphrase, progress)


def exported(call: Call, job: Job) -> FileResponse:
    """The file that a job of this kind wrote last. Raises `UnknownJobError`."""
    name = _FILES.get(job.kind, "")
    if not name or job.state is not JobState.DONE or not (file := _folder(call.node) / name).is_file():
        raise UnknownJobError("there is no such file any more", "make it anew")
    return FileResponse(file, media_type="application/zip", filename=name, headers={"Cache-Control": "no-store"})


def _folder(node: NodeFolder) -> Path:
    return node.portal / "exports"


def _new(node: NodeFolder, kind: str) -> Path:
    folder = _folder(node)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = folder / _FILES[kind]
    file.unlink(missing_ok=True)
    return file
