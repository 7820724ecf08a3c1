"""Released files: what was released and nothing else, proven to somebody who has nothing but the file."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from hmchain.application.learning import model_file
from hmchain.application.models import export
from hmchain.application.models.export import InsideError
from hmchain.application.releases import file
from hmchain.application.releases.file import ReleaseThereError
from hmchain.application.releases.proving import NotReleasedError, ReleaseProofError
from hmchain.application.releases.released_count import ReleasedFileError
from hmchain.application.site.activity import What, read_lines
from hmchain.errors import AuditError, HMChainError
from hmchain.ledger import genesis as genesis_file
from hmchain.ledger.readers.ledger import open_ledger
from hmchain.ledger.readers.proofs import ProofError
from hmchain.ledger.readers.releases import UnknownReleaseError
from support import released_run
from support.finished_run import STUDY
from support.finished_run import run_directory as run_directory
from support.released_run import RELEASE


@pytest.fixture(scope="module")
def run(run_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose model was released, and asked for once more."""
    run = released_run.release(released_run.copied(run_directory, tmp_path_factory.mktemp("released")))
    with released_run.hospitals_of(run) as consortium:
        released_run.grant(consortium, "east", "north", asked=released_run.ask(consortium, "again"))
    return run


def write(run: Path, target: Path, name: str = RELEASE) -> file.ReleasedFile:
    return file.write(export.locate(run / "hospitals" / "north"), name, target)


@pytest.fixture(scope="module")
def released(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("out") / "model.safetensors"
    write(run, target)
    return target


def test_a_released_model_proves_itself_by_the_file_alone(released: Path, run: Path) -> None:
    found = file.check(released, genesis_file.load(run / "ledger" / "genesis.json").digest)
    assert (found.proven.release, found.proven.study, found.anchored) == (RELEASE, STUDY, True)
    assert (found.proven.audience, found.proven.regions) == ("members", ("DE",))
    assert not file.check(released).anchored
    deeds = [line.deed.what for line in read_lines(run / "hospitals" / "north" / "activity.db")]
    assert What.RESULT_RELEASE in deeds


def test_what_is_inside_is_not_written(run: Path, tmp_path: Path) -> None:
    with pytest.raises(NotReleasedError, match="waits for south, west: model tiny stays inside"):
        write(run, tmp_path / "out.safetensors", "again")
    with pytest.raises(UnknownReleaseError):
        write(run, tmp_path / "out.safetensors", "never")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("way", ["straight", "by a link"])
def test_no_program_writes_outside_what_is_not_released(run: Path, tmp_path: Path, way: str) -> None:
    place, target = export.locate(run / "hospitals" / "north"), tmp_path / "out.safetensors"
    with open_ledger(run / "ledger") as ledger:
        if way == "by a link":
            target = place.hospital.path / "linked.safetensors"
            target.symlink_to(tmp_path / "out.safetensors")
        with pytest.raises(InsideError, match="lies outside"):
            export.export(place, ledger.verified.state, STUDY, target)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(run: Path, released: Path, tmp_path: Path) -> None:
    before = released.stat().st_mtime_ns
    assert write(run, released).path == released
    assert released.stat().st_mtime_ns == before
    (tmp_path / "other").write_text("mine")
    with pytest.raises(ReleaseThereError, match="is not this release"):
        write(run, tmp_path / "other")
    with pytest.raises(ReleaseThereError, match="is a folder"):
        write(run, tmp_path)


def test_a_model_that_is_inside_is_no_released_one(run: Path) -> None:
    with pytest.raises(ReleasedFileError, match="carries no proof"):
        file.check(run / "model.safetensors")


@pytest.mark.parametrize("name", ["missing.csv", "missing.json", "folder.csv"])
def test_what_is_no_file_is_no_released_one(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(ReleasedFileError, match="is no count that was released"):
        file.check(tmp_path / name)


def altered(released: Path, place: Path, **changes: Any) -> Path:
    """The released file with another header, or other tensors beside or in the place of its own."""
    with safe_open(released, "numpy") as opened:
        header = json.loads(opened.metadata()["hmchain"])
    tensors = load_file(released)
    name, first = next(iter(tensors.items()))
    tensors[name] = first + np.float32(changes.get("weight", 0))
    tensors |= changes.get("more", {})
    for path, value in changes.get("header", {}).items():
        *way, last = path.split(".")
        part = header
        for step in way:
            part = part[step]
        part[last] = value
    save_file(tensors, place, {"hmchain": msgspec.json.encode(header, order="sorted").decode()})
    return place


@pytest.mark.parametrize(
    "changes",
    [
        {"weight": 1e-7},
        {"more": {"smuggled": np.ones(9, np.float32)}},
        {"header": {"origin.study": "other"}},
        {"header": {"origin.round": 1}},
        {"header": {"origin.model_root": "00" * 32}},
        {"header": {"origin.model_root": "no hex"}},
        {"header": {"origin.genesis": "00" * 32}},
        {"header": {"origin.purpose": "DUO:0000042"}},
        {"header": {"preprocessing.classes": ["tumour", "no tumour"]}},
        {"header": {"preprocessing.height": 17}},
        {"header": {"note": {"patient": "Jane Roe"}}},
    ],
    ids=str,
)
def test_a_proof_fits_no_other_model_and_nothing_beside_it(
    released: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    with pytest.raises(AuditError):
        file.check(altered(released, tmp_path / "model.safetensors", **changes))


def test_another_model_with_the_proof_of_a_release_is_refused(run: Path, released: Path, tmp_path: Path) -> None:
    other = model_file.load_model(run / "model.safetensors", unregistered=True)
    other = other._replace(vector=other.vector * np.float32(2))
    model_file.save_model(tmp_path / "m.safetensors", other, model_file.release_in(released))
    with pytest.raises(ReleaseProofError, match="another model"):
        file.check(tmp_path / "m.safetensors")


def carrying(released: Path, proof: dict[str, Any], place: Path) -> Path:
    """The released model with another proof."""
    model_file.save_model(place / "m.safetensors", model_file.load_model(released, unregistered=True), proof)
    return place / "m.safetensors"


def test_the_proof_of_something_else_is_no_release(run: Path, released: Path, tmp_path: Path) -> None:
    with open_ledger(run / "ledger") as ledger:
        lines = [line for block in ledger.blocks(1, 1000) for line in block.transactions]
        for kind in ("ask_release", "decide_release"):
            line = next(line for line in lines if line.kind == kind)  # of the yeses the first
            proof = json.loads(msgspec.json.encode(ledger.proof(line.digest.hex())))
            with pytest.raises(ReleaseProofError, match="proof of no release"):
                file.check(carrying(released, proof, tmp_path))


PARTS = ("header", "commit", "wire", "position", "count", "path", "receipt", "receipt_path")
TOUCHED: dict[str, Callable[[Any], Any]] = {
    "height": lambda proof: proof["header"].__setitem__(1, proof["header"][1] + 1),
    "audience": lambda proof: proof["receipt"][2][-1][1].__setitem__(3, "public"),
    "transaction": lambda proof: proof.__setitem__("wire", "AAAA"),
    "signature": lambda proof: proof["commit"][4].__setitem__(slice(None), [""] * len(proof["commit"][4])),
}


@pytest.mark.parametrize("part", TOUCHED)
def test_a_proof_that_was_touched_does_not_hold(released: Path, tmp_path: Path, part: str) -> None:
    carried = model_file.release_in(released)
    assert carried is not None
    proof = dict(zip(PARTS, carried["proof"], strict=True))
    TOUCHED[part](proof)
    with pytest.raises(ProofError):
        file.check(carrying(released, carried | {"proof": list(proof.values())}, tmp_path))


SMUGGLED: dict[str, Callable[[list[Any]], Any]] = {  # height, round, hash, votes, signatures of a commit
    "a stranger's vote": lambda commit: (commit[3].append(["Jane Roe", 2]), commit[4].append("AAAA")),
    "text for a signature": lambda commit: commit[4].__setitem__(-1, "SmFuZSBSb2U="),
    "a vote twice": lambda commit: (commit[3].append(commit[3][0]), commit[4].append(commit[4][0])),
    "another order": lambda commit: (commit[3].reverse(), commit[4].reverse()),
    "height": lambda commit: commit.__setitem__(0, 19700101),
    "round": lambda commit: commit.__setitem__(1, 19700101),
}


@pytest.mark.parametrize("part", SMUGGLED)
def test_nothing_rides_along_in_a_proof(released: Path, tmp_path: Path, part: str) -> None:
    """Whoever hands on a released file could have put a name where a vote stands that nobody checks."""
    carried = model_file.release_in(released)
    assert carried is not None
    SMUGGLED[part](carried["proof"][1])
    with pytest.raises(AuditError):
        file.check(carrying(released, carried, tmp_path))


@pytest.mark.parametrize(
    "changes",
    [{"origin.round": -1}, {"origin.round": 1 << 80}, {"origin.model_root": ""}, {"release.genesis": 1 << 80}],
)
def test_numbers_that_no_ledger_has_are_no_release(released: Path, tmp_path: Path, changes: dict[str, Any]) -> None:
    if "release.genesis" in changes:
        carried = model_file.release_in(released)
        assert carried is not None
        changes = {"release.genesis": [*carried["genesis"][:6], 1 << 80]}
    with pytest.raises(AuditError):
        file.check(altered(released, tmp_path / "model.safetensors", header=changes))


def test_a_release_on_another_network_is_none_here(released: Path) -> None:
    with pytest.raises(ProofError, match="network with genesis"):
        file.check(released, bytes(32))
    with pytest.raises(ProofError, match="not the trusted one"):
        file.check(released, header=bytes(32))


def test_a_hospital_that_lost_its_key_says_so(run: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(run, tmp_path / "copy", symlinks=True))
    (copy / "hospitals" / "north" / "agent.db").unlink()
    with pytest.raises(HMChainError, match="no key for the objects"):
        write(copy, tmp_path / "out.safetensors")
