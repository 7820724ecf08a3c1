"""What the ledger is told of a hospital's datasets: published, and withdrawn once records are erased."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hmchain.application.data import publication
from hmchain.application.governance.delegate import LedgerUser
from hmchain.application.hospital.consortium import Consortium
from hmchain.application.site.node import NodeFolder
from hmchain.interfaces.cli import asking
from hmchain.interfaces.cli.main import main
from hmchain.ledger.contracts.data import datasets
from hmchain.ledger.engines.cometbft.rpc import NoEndpointError
from hmchain.ledger.readers.lineage import trace_dataset

Captured = pytest.CaptureFixture[str]


class Bed:
    """A hospital's folder, and an embedded ledger in the place of its node."""

    def __init__(self, folder: Path, consortium: Consortium, capsys: Captured) -> None:
        self.folder, self.consortium, self.capsys = folder, consortium, capsys
        self.awake = True

    def run(self, *arguments: str, expect: int = 0) -> Any:
        yes = ["--yes"] if arguments[0] in ("register", "erase", "withdraw") else []
        status = main(["data", *arguments, *yes, "--dir", str(self.folder), "--json"])
        printed = self.capsys.readouterr()
        assert status == expect, printed.out + printed.err
        return json.loads(printed.out)

    @contextmanager
    def steward(self, *_: object) -> Iterator[LedgerUser]:
        if not self.awake:
            raise NoEndpointError("the node does not answer", "start it")
        yield LedgerUser("north", self.consortium.hospitals["north"].keys.steward, self.consortium.ledger)

    def version(self, number: int) -> datasets.Version:
        state = self.consortium.hospitals["north"].node.state
        found = datasets.version(state, "north", "pictures", number)
        assert found is not None
        return found


@pytest.fixture
def bed(tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bed]:
    titles = {name: name for name in ("east", "north", "west")}
    with Consortium.create(tmp_path / "run", "test", titles) as consortium:
        made = Bed(tmp_path / "north", consortium, capsys)
        monkeypatch.setattr(publication, "node_in_network", lambda place: NodeFolder(place.path))
        monkeypatch.setattr(publication, "open_steward", made.steward)
        made.run("init")
        for number in range(3):
            path = tmp_path / "pictures" / "well" / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((8, 8), 40 * number, np.uint8)).save(path)
        made.run("extract", str(tmp_path / "pictures"), "--into", "pictures")
        yield made


def test_an_erasure_withdraws_the_version_and_the_next_one_follows(bed: Bed, tmp_path: Path) -> None:
    assert bed.run("register", "pictures")["published"]
    record = bed.run("show", "pictures")["entries"][0]["record"]
    done = bed.run("erase", "pictures", "--record", record)
    assert (done["withdrawn"], done["withdrawal_pending"]) == ([["pictures", 1]], False)
    assert bed.version(1).withdrawn > 0
    error = bed.run("verify", "pictures", "--record", record, expect=2)["error"]
    assert error["code"] == "version_erased" and "erased on" in error["what"]
    bed.run("extract", str(tmp_path / "pictures"), "--into", "pictures")
    assert bed.run("register", "pictures")["published"] and not bed.version(2).withdrawn
    (first, second) = trace_dataset(tmp_path / "run" / "ledger", "north", "pictures").versions
    assert first.withdrawn is not None and second.withdrawn is None
    assert main(["audit", "trace", "--dataset", "north/pictures", "--dir", str(tmp_path / "run")]) == 0


def test_a_withdrawal_that_the_node_missed_is_made_up_for(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    bed.run("register", "pictures")
    record = bed.run("show", "pictures")["entries"][0]["record"]
    bed.awake = False
    done = bed.run("erase", "pictures", "--record", record)
    assert (done["records"], done["withdrawn"], done["withdrawal_pending"]) == (1, [], True)
    bed.awake = True
    assert not bed.version(1).withdrawn
    withdraw = ["data", "withdraw", "--dir", str(bed.folder)]
    monkeypatch.setattr(asking, "at_terminal", lambda: True)
    monkeypatch.setattr("sys.stdin", io.StringIO("no\n"))
    assert main(withdraw) == 2 and "pictures version 1" in bed.capsys.readouterr().err
    assert not bed.version(1).withdrawn
    assert bed.run("withdraw")["withdrawn"] == [["pictures", 1]]
    height = bed.version(1).withdrawn
    assert main(withdraw) == 0, "nothing is left, so nothing is asked"
    assert bed.capsys.readouterr().out.strip() == "There is nothing to withdraw."
    assert bed.run("withdraw")["withdrawn"] == [] and bed.version(1).withdrawn == height > 0
    other = bed.run("show", "pictures")["entries"][0]["record"]
    assert bed.run("erase", "pictures", "--record", other)["withdrawn"] == [], "it was before"


def test_what_was_erased_before_it_was_published_is_published_and_withdrawn(bed: Bed, tmp_path: Path) -> None:
    bed.awake = False
    bed.run("register", "pictures", expect=6)  # fixed here, not told
    record = bed.run("show", "pictures")["entries"][0]["record"]
    bed.run("erase", "pictures", "--record", record)
    bed.awake = True
    told = bed.run("register", "pictures", expect=2)["error"]  # it is published, so that the next one can come
    assert told["code"] == "version_erased" and bed.version(1).withdrawn
    bed.run("extract", str(tmp_path / "pictures"), "--into", "pictures")
    assert not bed.run("register", "pictures")["withdrawn"]


def audit(bed: Bed, *arguments: str, expect: int = 0) -> Any:
    status = main(["audit", "verify-record", *arguments, "--json"])
    printed = bed.capsys.readouterr()
    assert status == expect, printed.out + printed.err
    return json.loads(printed.out)


def test_an_auditor_checks_a_record_offline(bed: Bed, tmp_path: Path) -> None:
    record = bed.run("show", "pictures")["entries"][0]["record"]
    file, run = tmp_path / "proof.json", ("--dir", str(tmp_path / "run"))
    assert bed.run("prove", record, "--out", str(file), expect=2)["error"]["code"] == "not_registered"
    bed.run("register", "pictures")
    made = bed.run("prove", record, "--out", str(file))
    genesis = bed.consortium.ledger.genesis.digest.hex()
    assert bed.run("prove", record, "--out", str(file), expect=2)["error"]["code"] == "input"
    for against in ((*run, "--genesis", genesis), run, ("--root", made["root"])):
        checked = audit(bed, str(file), *against)
        assert (checked["organisation"], checked["dataset"], checked["record"]) == ("north", "pictures", record)
        assert checked["anchored"] == (against != run) and checked["withdrawn"] is None
    assert audit(bed, str(file), *run, "--genesis", "00" * 32, expect=7)["error"]["code"] == "anchor_mismatch"
    assert audit(bed, str(file), "--root", "00" * 32, expect=7)["error"]["code"] == "record_proof"
    assert main(["audit", "verify-record", str(file), "--root", made["root"]]) == 0
    assert "held this record" in bed.capsys.readouterr().out

    bed.run("erase", "pictures", "--record", record)
    assert audit(bed, str(file), *run)["withdrawn"]["organisation"] == "north", "a proof outlives the erasure"
    assert bed.run("prove", record, "--out", str(tmp_path / "late"), expect=2)["error"]["code"] == "no_such_version"


TAMPERED: dict[str, Any] = {
    "another record": lambda proof: proof.update(record="0" * 32),
    "another ciphertext": lambda proof: proof.update(ciphertext="00" * 32),
    "another version": lambda proof: proof.update(version=2),
    "another dataset": lambda proof: proof.update(dataset="pictured"),
    "another key": lambda proof: proof.update(root_key="00" * 32),
    "a path cut short": lambda proof: proof.update(path=proof["path"][:-1]),
    "another place": lambda proof: proof.update(index=proof["index"] ^ 1),
    "a wild place": lambda proof: proof.update(index=-1, size=0),
    "a wild version": lambda proof: proof.update(version=-1),
}


@pytest.mark.network
@pytest.mark.parametrize("how", TAMPERED)
def test_a_tampered_proof_does_not_hold(bed: Bed, tmp_path: Path, how: str) -> None:
    record = bed.run("show", "pictures")["entries"][0]["record"]
    bed.run("register", "pictures")
    file = tmp_path / "proof.json"
    root = bed.run("prove", record, "--out", str(file))["root"]
    content = json.loads(file.read_text())
    TAMPERED[how](content)
    file.write_text(json.dumps(content))
    error = audit(bed, str(file), "--root", root, expect=7)["error"]
    assert error["code"] == "record_proof" and error["hint"]
    assert audit(bed, str(file), "--dir", str(tmp_path / "run"), expect=7 if how != "another dataset" else 6)["error"]


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff\xfe", b"[" * 100_000, b'{"organisation": 7}'])
def test_what_is_no_proof_is_named(bed: Bed, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "proof.json"
    file.write_bytes(content)
    error = audit(bed, str(file), "--root", "00" * 32, expect=2)["error"]
    assert error["code"] == "record_proof_file" and "proof.json" in error["what"]
    assert audit(bed, str(tmp_path / "none"), "--root", "00" * 32, expect=2)["error"]["code"] == "record_proof_file"


def test_nothing_on_the_ledger_tells_how_many_were_erased(bed: Bed) -> None:
    bed.run("register", "pictures")
    before = bed.version(1)
    for entry in bed.run("show", "pictures")["entries"]:
        bed.run("erase", "pictures", "--record", entry["record"])
    after = bed.version(1)
    assert (after.root, after.count, after.height) == (before.root, before.count, before.height)
