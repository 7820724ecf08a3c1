"""A node whose log holds no block yet: just joined from a snapshot, or of a network that was founded and is idle."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hmchain.interfaces.cli.main import main
from support.abci_chain import Chain
from support.kept_node import begin_with_snapshot, make_node, propose_study
from support.ledger_network import genesis

GENESIS = genesis().digest.hex()
SIGNED = "signed by 4 of 4 founders"
Captured = pytest.CaptureFixture[str]


def idle(chain: Chain) -> None:
    for _ in range(3):
        chain.block()


@pytest.fixture(scope="module")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_node(tmp_path_factory.mktemp("founded") / "node", idle)


@pytest.fixture(scope="module")
def joined(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The node of a hospital that joined after block 10, when a study had been proposed."""
    node = make_node(tmp_path_factory.mktemp("joined") / "node", idle)
    begin_with_snapshot(node, propose_study, idle)
    return node


def answer(capsys: Captured, *arguments: str, status: int = 0) -> Any:
    assert main([*arguments, "--json"]) == status
    return json.loads(capsys.readouterr().out)


def test_an_idle_network_is_whole(founded: Path, capsys: Captured) -> None:
    found = answer(capsys, "audit", "verify", str(founded), "--genesis", GENESIS)
    assert (found["holds"], found["height"], found["transactions"]) == (True, 4, 0)
    assert main(["ledger", "blocks", str(founded)]) == 0
    assert "No block with transactions is in this log yet." in capsys.readouterr().out


def test_a_node_that_just_joined_is_not_told_that_its_log_was_cut_off(
    joined: Path, tmp_path: Path, capsys: Captured
) -> None:
    found = answer(capsys, "audit", "verify", str(joined), "--genesis", GENESIS, status=6)
    assert (found["holds"], found["begins_after"], found["height"]) == (None, 10, 14)
    assert found["missing"] == ["all that happened up to block 10: this log begins after it"]
    assert main(["ledger", "blocks", str(joined)]) == 0
    out, err = capsys.readouterr()
    assert "No block with transactions is in this log yet." in out and "begins after block 10" in err
    assert answer(capsys, "audit", "trace", str(joined), status=6)["error"]["code"] == "partial_log"
    assert answer(capsys, "report", str(joined), "--output", str(tmp_path / "page.html"))["summary"]["participants"]


def test_what_founders_signed_of_a_log_without_blocks_is_said_to_be_signed(
    joined: Path, founded: Path, tmp_path: Path, capsys: Captured
) -> None:
    for node in (joined, founded):
        file = str(tmp_path / f"{node.parent.name}.zip")
        assert main(["node", "export-ledger", file, "--dir", str(node)]) == 0
        capsys.readouterr()
        assert answer(capsys, "network", "status", file)["vouched"] == SIGNED
        assert answer(capsys, "network", "ballots", file) == []
        assert main(["network", "ballots", file]) == 0
        assert "not signed" not in "".join(capsys.readouterr())


def test_blocks_that_were_cut_off_are_missed_though_none_is_left(tmp_path: Path, capsys: Captured) -> None:
    """The state beside an empty log is not the one that the log begins with."""
    whole, part = make_node(tmp_path / "whole" / "node"), make_node(tmp_path / "part" / "node")
    begin_with_snapshot(part)
    for node, ends in ((whole, 0), (part, 5)):
        with closing(sqlite3.connect(node / "ledger" / "blocks.db")) as db:
            db.executescript("DELETE FROM blocks; DELETE FROM transactions;")
        error = answer(capsys, "audit", "verify", str(node), status=7)["error"]
        assert error["code"] == "damaged_ledger" and f"the log ends at block {ends}, and" in error["what"]
        assert answer(capsys, "ledger", "blocks", str(node), status=6)["error"]["code"] == "damaged_block"
