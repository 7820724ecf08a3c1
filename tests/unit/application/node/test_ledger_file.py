"""A real network's ledger in one file: made at a node, checked by an outsider who has nothing else."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import tracemalloc
import zipfile
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import hmchain
from hmchain.canonical import decode, encode
from hmchain.interfaces.cli.main import main
from hmchain.ledger.engines.cometbft.audit import PartialLogError
from hmchain.ledger.engines.cometbft.snapshots import Chunk
from hmchain.ledger.protocols import FOUNDING
from support.kept_node import begin_with_snapshot, make_node, propose_study
from support.ledger_network import genesis
from support.read_only import read_only
from support.study_bed import STUDY

GENESIS = genesis().digest.hex()
Captured = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_node(tmp_path_factory.mktemp("made") / "node")


@pytest.fixture(scope="module")
def exported(node: Path) -> Path:
    """The file, alone in a folder, as the post brought it."""
    file = node.parent / "post" / "ledger.zip"
    file.parent.mkdir()
    assert main(["node", "export-ledger", str(file), "--dir", str(node)]) == 0
    return file


def answer(capsys: Captured, *arguments: str, status: int = 0) -> Any:
    assert main([*arguments, "--json"]) == status
    return json.loads(capsys.readouterr().out)


def test_it_holds_what_an_audit_needs_and_nothing_else(exported: Path) -> None:
    with zipfile.ZipFile(exported) as packed:
        assert sorted(packed.namelist()) == ["README.txt", "SHA256SUMS", "blocks.db", "genesis.json", "headers.jsonl"]
        assert f"hmchain audit verify ledger.zip --genesis {GENESIS}" in packed.read("README.txt").decode()


def test_an_outsider_audits_it_on_media_that_cannot_be_written(exported: Path, capsys: Captured) -> None:
    place = str(exported)
    with read_only(exported.parent):
        assert answer(capsys, "audit", "verify", place, "--genesis", GENESIS)["anchored"]
        assert answer(capsys, "audit", "trace", place, "--dataset", "a/d0")["organisation"] == "a"
        blocks = answer(capsys, "ledger", "blocks", place)
        digest = blocks[0]["transactions"][0]["digest"]
        assert {block["vouched"] for block in blocks} == {"signed by 4 of 4 founders"}
        assert answer(capsys, "ledger", "tx", digest[:12], "--dir", place)["organisation"]
        made = answer(capsys, "ledger", "proof", digest[:12], "--dir", place, "--out", f"{place}.proof", status=4)
        assert made["error"]["code"] == "file_access"


def test_a_proof_from_it_convinces_somebody_who_has_no_ledger(exported: Path, tmp_path: Path, capsys: Captured) -> None:
    file = str(tmp_path / "proof.json")
    digest = answer(capsys, "ledger", "blocks", str(exported))[0]["transactions"][0]["digest"]
    answer(capsys, "ledger", "proof", digest, "--dir", str(exported), "--out", file)
    assert answer(capsys, "audit", "proof", file, "--genesis", GENESIS)["holds"]


def test_it_is_read_from_python(exported: Path) -> None:
    assert hmchain.verify(exported, bytes.fromhex(GENESIS)).height == 7
    with hmchain.open_ledger(exported) as ledger:
        assert [each.organisation for each in ledger.members()] == ["a", "b", "c", "d"]


@pytest.fixture(scope="module")
def of_a_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a network that was asked for a study, alone in a folder."""
    place = tmp_path_factory.mktemp("study")
    file = place / "post" / "ledger.zip"
    file.parent.mkdir()
    node = make_node(place / "node", propose_study)
    assert main(["node", "export-ledger", str(file), "--dir", str(node)]) == 0
    return file


def test_an_outsider_reads_who_decided_what_from_it(of_a_study: Path, capsys: Captured) -> None:
    place = str(of_a_study)
    with read_only(of_a_study.parent):
        (listed,) = answer(capsys, "study", "list", place)
        shown = answer(capsys, "study", "show", STUDY, "--dir", place)
        said = {each["organisation"]: each["decision"] for each in shown["asked"]["answers"]}
        assert said == {"a": "approved", "b": "revoked", "c": "approved", "d": "approved"}
        assert (listed["study"], listed["sent"], listed["description"]["reading"]) == (STUDY, [], "none")
        found = answer(capsys, "network", "status", place)
        assert [each["organisation"] for each in found["validators"]] == list("abcd") and found["health"] is None
        assert (found["height"], found["blocks"], found["vouched"]) == (10, 10, "signed by 4 of 4 founders")
        assert answer(capsys, "network", "ballots", place) == []
        assert answer(capsys, "network", "parameters", place)["parameters"]["round_trip_ms"] == 50
        assert answer(capsys, "network", "upgrade", "show", place)["protocol"] == FOUNDING
        assert main(["network", "status", place]) == 0
    assert "only a running node can say" in capsys.readouterr().out


def test_an_outsider_s_page_of_a_study_has_what_the_ledger_tells_and_overwrites_nothing(
    of_a_study: Path, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with read_only(of_a_study.parent):
        found = answer(capsys, "report", str(of_a_study))
    page = tmp_path / f"{STUDY}.html"
    assert found["report"] == str(page) and page.is_file()
    summary = found["summary"]
    assert (summary["own"], summary["departures"]) == (None, []) and "keep them" in summary["notice"]
    assert [each["approval"] for each in summary["participants"]] == ["approved", "revoked", "approved", "approved"]
    assert f"audit verify --dir {of_a_study}" in summary["next_commands"][-1]["name"]
    assert "This hospital" not in page.read_text("utf-8")
    page.write_text("mine")
    assert answer(capsys, "report", str(of_a_study), status=2)["error"]["code"] == "page_there"
    assert page.read_text() == "mine"
    answer(capsys, "report", str(of_a_study), "--output", "other.html")


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (("study", "approve", STUDY), "no_folder"), (("node", "status"), "no_folder"),
        (("network", "vote", "3f9a"), "no_folder"), (("data", "log"), "no_folder"),
        (("model", "export", STUDY), "no_folder"), (("model", "show"), "no_model_here"),
        (("ledger", "rebuild"), "no_run"),
    ],
)  # fmt: skip
def test_what_needs_more_than_a_ledger_refuses_its_file_and_makes_nothing_there(
    command: tuple[str, ...], code: str, exported: Path, capsys: Captured
) -> None:
    error = answer(capsys, *command, "--dir", str(exported), status=2)["error"]
    assert error["code"] == code and error["hint"] and "init" not in error["hint"]
    assert [path.name for path in exported.parent.iterdir()] == ["ledger.zip"]


def test_unpacked_it_is_a_ledger_s_folder(exported: Path, tmp_path: Path, capsys: Captured) -> None:
    with zipfile.ZipFile(exported) as packed:
        packed.extractall(tmp_path)
    with read_only(tmp_path):
        found = answer(capsys, "audit", "verify", str(tmp_path), "--genesis", GENESIS)
    named = {name for each in found["files"]["not_checked"] for name in each["files"]}
    assert named == {"README.txt", "SHA256SUMS"}


def test_it_is_never_overwritten(exported: Path, node: Path, capsys: Captured) -> None:
    before = exported.read_bytes()
    assert answer(capsys, "node", "export-ledger", str(exported), "--dir", str(node), status=2)["error"]["code"] == (
        "ledger_file"
    )
    assert exported.read_bytes() == before


def test_the_same_ledger_gives_the_same_file(exported: Path, node: Path, tmp_path: Path, capsys: Captured) -> None:
    answer(capsys, "node", "export-ledger", str(tmp_path / "ledger.zip"), "--dir", str(node))
    assert (tmp_path / "ledger.zip").read_bytes() == exported.read_bytes()


def packed_anew(exported: Path, file: Path, change: str, content: bytes) -> Path:
    """The file with one of its parts replaced, as somebody would who knows how it is made."""
    with zipfile.ZipFile(exported) as packed, zipfile.ZipFile(file, "w") as anew:
        for name in packed.namelist():
            anew.writestr(name, content if name == change else packed.read(name))
    return file


def test_what_the_post_damaged_is_named(exported: Path, tmp_path: Path, capsys: Captured) -> None:
    whole = exported.read_bytes()
    with zipfile.ZipFile(exported) as packed:
        entry = packed.getinfo("blocks.db")
    middle = entry.header_offset + 60 + entry.compress_size // 2
    flipped, cut, other = tmp_path / "flipped.zip", tmp_path / "cut.zip", tmp_path / "other.zip"
    flipped.write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
    cut.write_bytes(whole[: len(whole) // 2])
    with zipfile.ZipFile(other, "w") as packed:
        packed.writestr("../../evil", b"")
    replaced = packed_anew(exported, tmp_path / "replaced.zip", "headers.jsonl", b"{}")
    for file, status, code in (
        (flipped, 7, "damaged_ledger"), (replaced, 7, "damaged_ledger"), (cut, 2, "ledger_file"),
        (other, 2, "ledger_file"), (Path(__file__), 2, "ledger_file"),
    ):  # fmt: skip
        assert answer(capsys, "audit", "verify", str(file), status=status)["error"]["code"] == code, file


def marked_encrypted(exported: Path, file: Path) -> None:
    whole = bytearray(exported.read_bytes())
    for signature, flags in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        place = -1
        while (place := whole.find(signature, place + 1)) >= 0:
            whole[place + flags] |= 1
    file.write_bytes(whole)


def filled(exported: Path, file: Path, name: str, content: bytes, method: int) -> None:
    """The file with one of its parts replaced, and with another method of packing."""
    with zipfile.ZipFile(exported) as packed, zipfile.ZipFile(file, "w", method) as anew:
        for each in packed.namelist():
            anew.writestr(each, content if each == name else packed.read(each))


def test_what_we_never_write_is_given_to_no_decoder(exported: Path, tmp_path: Path, capsys: Captured) -> None:
    """Encrypted, packed by another method, or with checksums of many megabytes: refused, and nothing is unpacked."""
    files = [tmp_path / f"{name}.zip" for name in ("encrypted", "lzma", "bzip2", "sums", "words")]
    marked_encrypted(exported, files[0])
    filled(exported, files[1], "", b"", zipfile.ZIP_LZMA)
    filled(exported, files[2], "", b"", zipfile.ZIP_BZIP2)
    filled(exported, files[3], "SHA256SUMS", bytes(10 << 20), zipfile.ZIP_DEFLATED)
    filled(exported, files[4], "README.txt", bytes(10 << 20), zipfile.ZIP_DEFLATED)
    for file in files:
        assert answer(capsys, "audit", "verify", str(file), status=2)["error"]["code"] == "ledger_file", file


def test_checksums_that_are_larger_than_they_say_are_not_unpacked(
    exported: Path, tmp_path: Path, capsys: Captured
) -> None:
    file = tmp_path / "sums.zip"
    filled(exported, file, "SHA256SUMS", bytes(10 << 20), zipfile.ZIP_DEFLATED)
    claimed, small = (10 << 20).to_bytes(4, "little"), (300).to_bytes(4, "little")
    file.write_bytes(file.read_bytes().replace(claimed, small))
    tracemalloc.start()
    assert answer(capsys, "audit", "verify", str(file), status=7)["error"]["code"] == "damaged_ledger"
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 8 << 20


def test_blocks_that_no_header_signs_are_left_out_and_told(node: Path, tmp_path: Path, capsys: Captured) -> None:
    copy = Path(shutil.copytree(node, tmp_path / "node"))
    headers = copy / "ledger" / "headers.jsonl"
    headers.write_bytes(b"".join(headers.read_bytes().splitlines(keepends=True)[:4]))
    file = str(tmp_path / "ledger.zip")
    found = answer(capsys, "node", "export-ledger", file, "--dir", str(copy))
    assert (found["height"], found["left_out"]) == (3, 3)
    assert answer(capsys, "audit", "verify", file, "--genesis", GENESIS)["height"] == 4


def test_without_any_header_it_says_what_is_missing(node: Path, tmp_path: Path, capsys: Captured) -> None:
    copy = Path(shutil.copytree(node, tmp_path / "node"))
    (copy / "ledger" / "headers.jsonl").unlink()
    file = tmp_path / "ledger.zip"
    error = answer(capsys, "node", "export-ledger", str(file), "--dir", str(copy), status=6)["error"]
    assert error["code"] == "no_votes" and "start the node" in error["hint"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["node"]


def test_a_log_that_was_changed_is_not_exported(node: Path, tmp_path: Path, capsys: Captured) -> None:
    copy = Path(shutil.copytree(node, tmp_path / "node"))
    with closing(sqlite3.connect(copy / "ledger" / "blocks.db")) as db:
        db.execute("DELETE FROM blocks WHERE height = 3")
        db.commit()
    file = tmp_path / "ledger.zip"
    assert (
        answer(capsys, "node", "export-ledger", str(file), "--dir", str(copy), status=7)["error"]["code"] == "archive"
    )
    assert not file.exists()


# -- a node that joined from a snapshot --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def partial(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a node whose log begins after block 5."""
    node = make_node(tmp_path_factory.mktemp("joined") / "node")
    begin_with_snapshot(node)
    file = node.parent / "post" / "ledger.zip"
    file.parent.mkdir()
    assert main(["node", "export-ledger", str(file), "--dir", str(node)]) == 0
    return file


def test_a_node_that_joined_from_a_snapshot_exports_what_it_has(
    partial: Path, tmp_path: Path, capsys: Captured
) -> None:
    with zipfile.ZipFile(partial) as packed:
        assert {"beginning/5/0", "blocks.db", "headers.jsonl"} <= set(packed.namelist())
        assert "IT IS NOT WHOLE: the log begins after block 5" in packed.read("README.txt").decode()
    node = partial.parent.parent / "node"
    assert answer(capsys, "node", "export-ledger", str(tmp_path / "again.zip"), "--dir", str(node))["begins_after"] == 5
    assert main(["node", "export-ledger", str(tmp_path / "told.zip"), "--dir", str(node)]) == 0
    out, err = capsys.readouterr()
    assert "after 5, up to 8" in out and "NOT WHOLE" in err and "node recover" in err


def test_a_part_of_a_ledger_is_audited_and_never_looks_whole(partial: Path, capsys: Captured) -> None:
    with read_only(partial.parent):
        found = answer(capsys, "audit", "verify", str(partial), "--genesis", GENESIS, status=6)
        assert (found["holds"], found["begins_after"], found["height"], found["transactions"]) == (None, 5, 9, 3)
        assert found["missing"] == ["all that happened up to block 5: this log begins after it"]
        assert "after block 5" in found["checked"][0] and "founders signed" in found["checked"][0]
        assert main(["audit", "verify", str(partial)]) == 6
        out, err = capsys.readouterr()
        assert "ONLY A PART" in out and "Everything" not in out and "begins after block 5" in err
        assert answer(capsys, "network", "status", str(partial))["vouched"] == "signed by 4 of 4 founders"
        with pytest.raises(PartialLogError, match="begins after block 5"):
            hmchain.verify(partial)
    early = f"3:{'0' * 64}"
    error = answer(capsys, "audit", "verify", str(partial), "--block", early, status=6)["error"]
    assert error["code"] == "partial_log" and "begins after the trusted block 3" in error["what"]


def test_what_began_before_a_snapshot_is_not_denied(partial: Path, capsys: Captured) -> None:
    """The dataset is there: it is the log that does not show how it came about."""
    assert main(["audit", "trace", str(partial), "--dataset", "a/d0", "--json"]) == 6
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == "partial_log" and "no dataset a/d0 in it" in error["what"]
    assert main(["audit", "trace", str(partial), "--dataset", "c/d6"]) == 0
    assert "what happened before is missing here" in " ".join(capsys.readouterr().err.split())


def test_the_page_of_a_study_that_began_before_a_snapshot_says_that_its_ledger_is_not_whole(
    tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = make_node(tmp_path / "node")
    begin_with_snapshot(node, propose_study)
    monkeypatch.chdir(tmp_path)
    answer(capsys, "node", "export-ledger", "part.zip", "--dir", str(node))
    summary = answer(capsys, "report", "part.zip")["summary"]
    assert [each["approval"] for each in summary["participants"]] == ["approved", "revoked", "approved", "approved"]
    assert "not whole" in summary["limits"][1]["name"] and summary["lineage"] is None
    assert answer(capsys, "audit", "trace", "part.zip", status=6)["error"]["code"] == "partial_log"


def test_a_transaction_before_a_snapshot_is_not_denied(partial: Path, capsys: Captured) -> None:
    with closing(sqlite3.connect(partial.parent.parent / "giver" / "blocks.db")) as db:
        true = db.execute("SELECT digest FROM transactions LIMIT 1").fetchone()[0].hex()
    for command in ("tx", "proof"):
        error = answer(capsys, "ledger", command, true, "--dir", str(partial), status=6)["error"]
        assert error["code"] == "partial_log" and "after block 5 and does not show what came before" in error["what"]
        assert "ask a member with the whole log" in error["hint"]
    assert main(["ledger", "blocks", str(partial)]) == 0
    assert "This log begins after block 5" in capsys.readouterr().err


def damaged_snapshot(partial: Path, place: Path, name: str) -> Path:
    """The folder of a part, unpacked, with something done to what it begins with."""
    with zipfile.ZipFile(partial) as packed:
        packed.extractall(place)
    snapshot = place / "beginning" / "5"
    match name:
        case "missing":
            (snapshot / "0").unlink()
        case "pipe":
            (snapshot / "0").unlink()
            os.mkfifo(snapshot / "0")
        case "gap":
            (snapshot / "2").write_bytes(b"")
        case "no folder":
            shutil.rmtree(snapshot)
            snapshot.write_bytes(b"")
    return place


@pytest.mark.parametrize(("name", "file"), [("missing", "5/0"), ("pipe", "5/0"), ("gap", "5/1"), ("no folder", "5/0")])
def test_a_snapshot_that_cannot_be_read_accuses_nobody(
    partial: Path, tmp_path: Path, capsys: Captured, name: str, file: str
) -> None:
    place = damaged_snapshot(partial, tmp_path, name)
    for command in (("audit", "verify"), ("network", "status")):
        error = answer(capsys, *command, str(place), status=6)["error"]
        assert error["code"] == "unreadable" and f"beginning/{file} " in error["what"]


def test_what_a_desktop_leaves_beside_a_snapshot_is_passed_over(
    partial: Path, tmp_path: Path, capsys: Captured
) -> None:
    place = damaged_snapshot(partial, tmp_path, "")
    (place / "beginning" / "²").mkdir()
    for stray in (place / "beginning" / ".DS_Store", place / "beginning" / "5" / ".DS_Store"):
        stray.write_bytes(b"x")
    assert answer(capsys, "audit", "verify", str(place), status=6)["begins_after"] == 5
    assert answer(capsys, "network", "status", str(place))["vouched"] == "signed by 4 of 4 founders"


def test_no_block_is_said_to_be_replayed_where_one_header_signs_the_snapshot_alone(
    partial: Path, tmp_path: Path, capsys: Captured
) -> None:
    place = damaged_snapshot(partial, tmp_path, "")
    headers = place / "headers.jsonl"
    headers.write_bytes(headers.read_bytes().splitlines(keepends=True)[0])
    found = answer(capsys, "audit", "verify", str(place), status=6)
    assert found["missing"][1] == "the last 3 blocks, after 5: no header that is kept signs them"
    assert "compared is the state after block 5 alone" in found["files"]["checked"][0]["what"]


def test_a_snapshot_that_nobody_signed_is_found_in_a_file(partial: Path, tmp_path: Path, capsys: Captured) -> None:
    with zipfile.ZipFile(partial) as packed:
        packed.extractall(tmp_path)
        chunk = tmp_path / "beginning" / "5" / "0"
        content = decode(chunk.read_bytes(), Chunk)
        chunk.write_bytes(encode(Chunk(content.pairs[:-1])))
    assert answer(capsys, "audit", "verify", str(tmp_path), status=7)["error"]["code"] == "node_audit"
    for name in ("beginning/5/2", "beginning/6/0", "beginning/5/../0", "beginning/x"):
        other = tmp_path / "other.zip"
        shutil.copy(partial, other)
        with zipfile.ZipFile(other, "a") as packed:
            packed.writestr(name, b"")
        assert answer(capsys, "audit", "verify", str(other), status=2)["error"]["code"] == "ledger_file", name


def test_the_end_that_nobody_at_hand_signed_is_said_to_be_unaudited(
    of_a_study: Path, tmp_path: Path, capsys: Captured
) -> None:
    """A running node's headers are older than its log: what they vouch for is audited, and nobody is accused."""
    node = Path(shutil.copytree(of_a_study.parent.parent / "node", tmp_path / "node"))
    headers = node / "ledger" / "headers.jsonl"
    headers.write_bytes(b"".join(headers.read_bytes().splitlines(keepends=True)[:4]))
    found = answer(capsys, "audit", "verify", str(node), "--genesis", GENESIS, status=6)
    assert (found["holds"], found["height"], found["transactions"]) == (None, 4, 6)
    assert found["missing"] == ["the last 7 blocks, after 3: no header that is kept signs them"]
    behind = {
        name for each in found["files"]["not_checked"] if "blocks follow" in each["what"] for name in each["files"]
    }
    assert "member.json" in behind and "keys/steward.key" in behind
    assert main(["audit", "verify", str(node)]) == 6
    out, err = capsys.readouterr()
    assert "ONLY A PART" in out and "node audit --dir" in " ".join(err.split())
    later = answer(capsys, "audit", "verify", str(node), "--block", f"9:{'0' * 64}", status=6)["error"]
    assert later["code"] == "no_votes" and "trusted block 9" in later["what"]
