"""A proof that one record belongs to a registered version, as a file for an auditor, and its check offline."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from hmchain import decoding
from hmchain.application.data.publication import NotRegisteredError
from hmchain.application.data.registered import require_as_registered, require_whole
from hmchain.application.site.hospital import Records
from hmchain.errors import AuditError, InputError
from hmchain.files import open_regular
from hmchain.keys import Redacted
from hmchain.ledger.readers import audit, lineage
from hmchain.ledger.readers.lineage import VersionTrace
from hmchain.ledger.readers.traced_words import TracedTransaction
from hmchain.plain import Progress
from hmchain.records.catalogue import UnknownVersionError, Version
from hmchain.records.pipeline import clean_files
from hmchain.records.vault import RecordProof, verify_record_proof

FILE_BYTES_MAX = 64 << 10


class RecordProofFileError(InputError):
    """A file is no proof of a record."""

    code = "record_proof_file"


class RecordProofError(AuditError):
    """A proof of a record does not hold."""

    code = "record_proof"


@dataclass(frozen=True)
class HandedProof:
    """A proof as an auditor is handed it."""

    organisation: str
    """Whose dataset it is, as the ledger names it."""
    proof: RecordProof


@dataclass(frozen=True)
class VerifiedRecord:
    """A record that a registered version was proven to hold."""

    handed: HandedProof
    root: bytes
    """The version's root, as it was given or as the ledger has it."""
    published: TracedTransaction | None
    """Where the ledger has the root; None where no ledger was asked."""
    withdrawn: TracedTransaction | None
    """Where it withdrew the version since."""


class _File(Redacted, msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The same as people can read it: the fields of `RecordProof`, bytes in hexadecimal."""

    format: Literal["hmchain record proof 1", "hmchain record proof 2"]
    organisation: str
    dataset: str
    version: int
    record: str
    ciphertext: str
    salt: str
    index: int
    size: int
    path: tuple[str, ...]
    merkle_root: str
    root_key: str
    description: str = ""
    about: str = ""
    """Both are new in the second format."""


def prove(records: Records, record: str, dataset: str | None = None, number: int | None = None) -> HandedProof:
    """Prove that the newest registered version that has a record, or the one that is named, holds it.

    Raises `UnknownVersionError` if there is none, `InputError` if several datasets have it, `ErasedVersionError`.
    """
    version = _version_with(records, record, dataset, number)
    require_whole(version)
    require_as_registered(records, version)
    return HandedProof(records.folder.organisation, records.vault.prove(version.dataset, version.number, record))


def _version_with(records: Records, record: str, dataset: str | None, number: int | None) -> Version:
    catalogue = records.catalogue
    names = [dataset] if dataset is not None else [entry.name for entry in catalogue.datasets()]
    found = [
        version
        for name in names
        for version in catalogue.versions(name)
        if number in (None, version.number) and catalogue.record(name, version.number, record) is not None
    ]
    if not found:
        raise UnknownVersionError("no version has this record", "`hmchain data show DATASET` lists a version's records")
    registered = [version for version in found if version.closed]
    if not registered:
        hint = f"register it first: `hmchain data register {found[-1].dataset}`"
        raise NotRegisteredError("no registered version has this record", hint)
    if len(owners := sorted({version.dataset for version in registered})) > 1:
        raise InputError(f"several datasets have this record: {', '.join(owners)}", "name one with --dataset")
    return registered[-1]


def write(handed: HandedProof, path: Path) -> None:
    """Write a proof into a new file of mode 0600. Raises `InputError` if there is such a file, or `DiskFullError`."""
    if path.exists():
        raise InputError(f"{path} exists", "give the name of a new file")
    proof = handed.proof
    file = _File(
        "hmchain record proof 2",
        handed.organisation,
        proof.dataset,
        proof.version,
        proof.record,
        proof.ciphertext.hex(),
        proof.salt.hex(),
        proof.index,
        proof.size,
        tuple(each.hex() for each in proof.path),
        proof.merkle_root.hex(),
        proof.root_key.hex(),
        proof.description.hex(),
        proof.about.hex(),
    )
    clean_files.write(path, [msgspec.json.format(msgspec.json.encode(file), indent=1), b"\n"], durable=True)


def read(path: Path) -> HandedProof:
    """Read a proof that somebody handed over. Raises `RecordProofFileError`."""
    try:
        with open_regular(path) as file:
            found = decoding.from_json(file.read(FILE_BYTES_MAX + 1), _File)
        proof = RecordProof(
            found.dataset,
            found.version,
            found.record,
            bytes.fromhex(found.ciphertext),
            bytes.fromhex(found.salt),
            bytes.fromhex(found.description),
            found.index,
            found.size,
            tuple(map(bytes.fromhex, found.path)),
            bytes.fromhex(found.merkle_root),
            bytes.fromhex(found.about),
            bytes.fromhex(found.root_key),
        )
    except OSError as error:
        raise RecordProofFileError(f"{path} cannot be read", "check the path and its owner") from error
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        hint = "ask for the file that `hmchain data prove RECORD --output FILE` wrote"
        raise RecordProofFileError(f"{path} is no proof of a record", hint) from error
    return HandedProof(found.organisation, proof)


def verify(path: Path, root: bytes) -> VerifiedRecord:
    """Check a proof that was handed over against the root of its version, which is known from elsewhere.

    Raises `RecordProofFileError` or `RecordProofError`.
    """
    handed = read(path)
    check(handed, root)
    return VerifiedRecord(handed, root, None, None)


def verify_on(
    ledger: Path, path: Path, anchor: bytes | None = None, progress: Progress | None = None
) -> VerifiedRecord:
    """The same against the root that a ledger has, which is audited first; `anchor` is its genesis digest, if known.

    Raises what an audit raises, `NothingToTraceError`, and what `verify` raises.
    """
    handed = read(path)
    audit.verify(ledger, anchor, progress=progress)
    version = _published(handed, ledger)
    check(handed, version.root)
    return VerifiedRecord(handed, version.root, version.entry, version.withdrawn)


def check(handed: HandedProof, root: bytes) -> None:
    """Raise `RecordProofError` unless the proof holds against the keyed root of its version."""
    if not verify_record_proof(handed.proof, root):
        what = f"the proof does not hold against the root of {_name(handed)}"
        raise RecordProofError(what, "ask the hospital for another, and for the version that it registered")


def _published(handed: HandedProof, ledger: Path) -> VersionTrace:
    """The ledger's word on the proof's version; its blocks are believed. Raises `RecordProofError` if it has none."""
    trace = lineage.trace_dataset(ledger, handed.organisation, handed.proof.dataset)
    found = [version for version in trace.versions if version.version == handed.proof.version]
    if not found:
        raise RecordProofError(
            f"the ledger has no {_name(handed)}", "ask the hospital to which version the proof belongs"
        )
    return found[0]


def _name(handed: HandedProof) -> str:
    return f"{handed.organisation}/{handed.proof.dataset} version {handed.proof.version}"
