"""Released files: written at a hospital that has what a study made, and checked anywhere, by whoever was handed one."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
from msgspec import structs

from hmchain import decoding, files
from hmchain.application.learning.memory import tune_allocator
from hmchain.application.models import counts, export, inference
from hmchain.application.models.export import ExportPlace
from hmchain.application.models.inference import MATCHES, ModelFile
from hmchain.application.node.reading import open_ledger
from hmchain.application.releases import proving, released_count, table_file
from hmchain.application.releases.proving import ProvenRelease, ReleaseProofError
from hmchain.application.releases.released_count import CSV, ReleasedCount, ReleasedFileError
from hmchain.application.releases.table_evidence import kept_table
from hmchain.application.releases.table_file import Table
from hmchain.application.site.activity import Deed, What, recorded
from hmchain.errors import HMChainError, InputError
from hmchain.ledger.contracts.learning import rounds
from hmchain.ledger.readers import proof_files
from hmchain.ledger.readers.ledger import LedgerReader
from hmchain.ledger.readers.proof_files import ProofFile
from hmchain.ledger.readers.releases import COUNT, MODEL, TABLE, ReleaseView
from hmchain.ledger.transactions import Refusal

_HINT = "do not use it: ask one of the hospitals that made it for the released file"
_COUNT_SUFFIXES = (".json", CSV)


class ReleaseThereError(InputError):
    """Something else stands where a released file was to be written."""

    code = "release_there"


@dataclass(frozen=True)
class ReleasedFile:
    """A file that holds what was released, and what proves it."""

    path: Path
    proven: ProvenRelease
    anchored: bool
    """Whether it was held against an anchor from elsewhere; else only the file itself says of which network it is."""
    model: ModelFile | None = None
    count: ReleasedCount | None = None
    table: Table | None = None

    def __str__(self) -> str:
        what = f"count {self.proven.study}" if self.count is not None else f"model {self.proven.study}"
        what = f"a table of {self.table}" if self.table is not None else what
        return f"{self.path} is {what}, as it was released ({self.proven.release})"


# -- writing -----------------------------------------------------------------------------------------------------------


def write(place: ExportPlace, name: str, target: Path, passphrase: str | None = None) -> ReleasedFile:
    """Write what was released at a hospital that has it, with the proof. Nothing is overwritten.

    Raises `UnknownReleaseError`, `NotReleasedError`, `ReleaseThereError`, what `export` and `counts.result` raise, and
    what proving raises.
    """
    with open_ledger(place.ledger) as ledger:
        found = ledger.release(name)
        proving.require_released(found)
        if not _is_there(target, found):
            proof = proving.prove(place.ledger, ledger, found)
            deed = Deed(What.RESULT_RELEASE, study=found.study, kind=found.kind, where="file")
            with recorded(place.hospital.activity, deed) as done:
                make = {COUNT: _write_count, MODEL: _write_model, TABLE: _write_table}[found.kind]
                make(place, ledger, found, target, proof, passphrase)
                done.add(bytes=target.stat().st_size)
        return check(target, ledger.genesis.chain_at(found.height).genesis)


def _is_there(target: Path, found: ReleaseView) -> bool:
    """Tell whether a file is this release already. Raises `ReleaseThereError` if the name is taken otherwise."""
    if found.kind == COUNT and target.suffix not in _COUNT_SUFFIXES:
        raise ReleaseThereError(f"{target} is no name of a count's file", "let it end in .json or .csv")
    if found.kind == TABLE and target.suffix != CSV:
        raise ReleaseThereError(f"{target} is no name of a table's file", "let it end in .csv")
    if not (target.exists() or target.is_symlink()):
        return False
    with suppress(HMChainError):
        if target.is_file() and check(target).proven.release == found.release:
            return True
    what = "is a folder" if target.is_dir() else "exists, and is not this release"
    raise ReleaseThereError(f"{target} {what}", "nothing is overwritten: name another file by --to")


def _write_model(
    place: ExportPlace, ledger: LedgerReader, found: ReleaseView, target: Path, proof: ProofFile, passphrase: str | None
) -> None:
    made = export.study_model(place, ledger.verified.state, found.study, passphrase)
    export.write_released(made, target, _as_fields(proof))


def _write_count(
    place: ExportPlace, ledger: LedgerReader, found: ReleaseView, target: Path, proof: ProofFile, passphrase: str | None
) -> None:
    state = ledger.verified.state
    study, entry = counts.require_count(state, found.study), rounds.round_(state, found.study, 0)
    mean = counts.mean(place, state, found.study, passphrase)
    assert entry is not None  # it was released
    made = released_count.of(found.study, study.spec.training, mean, entry.frozen, proof)
    files.make_folder(target.parent, mode=0o700)
    files.write_whole(target, released_count.encoded(made, target), durable=True, mode=files.PRIVATE)


def _write_table(
    place: ExportPlace, ledger: LedgerReader, found: ReleaseView, target: Path, proof: ProofFile, passphrase: str | None
) -> None:
    kept = kept_table(place.hospital, found)
    table_file.save(target, replace(kept, head=structs.replace(kept.head, proof=proof)))


def _as_fields(proof: ProofFile) -> dict[str, Any]:
    return decoding.from_json(msgspec.json.encode(proof), dict[str, Any])


# -- checking ----------------------------------------------------------------------------------------------------------


def check(path: Path, genesis: bytes | None = None, header: bytes | None = None) -> ReleasedFile:
    """Check a file that somebody handed over, offline: that it is what was released, and that all hospitals said so.

    `genesis` is the digest that the network is known by, `header` the hash of the block, from elsewhere; without one
    the file is held against its own genesis alone. Raises `ReleasedFileError`, `ReleaseProofError`, `ProofError`, or
    `ModelDiffersError`.
    """
    table = table_file.load(path) if path.suffix == CSV and table_file.is_one(path) else None
    count = released_count.load(path) if table is None and path.suffix in _COUNT_SUFFIXES else None
    proof = _proof_of(table, path) if table is not None else count.proof if count is not None else _proof_in(path)
    lean = proof_files.lean(proof)
    own = proof_files.own_anchor(proof) if genesis is None and header is None else genesis
    proof_files.verify(proof, str(path), own, header)
    if lean != proof:
        raise ReleaseProofError(f"{path} holds more than was released: its proof says things that nobody signed", _HINT)
    proven = proving.proven(proof, str(path))
    model = None
    if table is not None:
        table_file.require_as_released(table, proven.artefact, path)
    elif count is not None:
        released_count.require_as_released(count, proven.artefact, path)
    else:
        model = _require_model(path, proof, proven)
    return ReleasedFile(path, proven, genesis is not None or header is not None, model, count, table)


def _proof_of(table: Table, path: Path) -> ProofFile:
    if table.head.proof is None:
        raise _inside(path)
    return table.head.proof


def _proof_in(path: Path) -> ProofFile:
    tune_allocator()
    from hmchain.application.learning import model_file  # torch takes seconds

    try:
        carried = model_file.release_in(path)
        if carried is None:
            raise _inside(path)
        return decoding.from_json(msgspec.json.encode(carried), ProofFile)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ReleasedFileError(f"{path} carries no proof that can be read", "ask whoever gave it") from error


def _inside(path: Path) -> ReleasedFileError:
    hint = "it is inside the hospitals that made it: ask one of them for the released file"
    return ReleasedFileError(f"{path} carries no proof that it was released", hint)


def _require_model(path: Path, proof: ProofFile, proven: ProvenRelease) -> ModelFile:
    """Raise unless the file's model is what was released, whole, and nothing beside it."""
    from hmchain.application.learning import model_file
    from hmchain.ledger.contracts.learning.releases import model_artefact

    model = model_file.load_model(path, unregistered=True)
    registered = model_file.registered_as(model)
    what = f"{path} holds another model than was released"
    try:
        is_released = registered is not None and model_artefact(registered) == proven.artefact
    except (Refusal, OverflowError):  # what it says of itself is nothing that a ledger has
        is_released = False
    if registered is None or not is_released:
        raise ReleaseProofError(what, _HINT)
    model_file.check(model, model_file.registered_on(proof.genesis, (registered,)), path)
    if model_file.encoded(model, _as_fields(proof)) != path.read_bytes():
        raise ReleaseProofError(f"{path} holds more than was released", _HINT)
    return inference.described(path, model, MATCHES, "")
