"""The command line on a real run: four hospitals, two rounds, small images, made once for all tests of this file."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from hmchain.application.hospital.consortium import Consortium
from hmchain.ledger import genesis as genesis_file
from support.cli_run import copy as copy
from support.cli_run import this_run as this_run
from support.finished_run import (
    DATASET,
    NAMES,
    REFUSED_STUDY,
    ROUNDS,
    STUDY,
    TITLE,
    Captured,
    allow,
    answer,
    ask,
    text,
)
from support.finished_run import run_directory as run_directory

pytestmark = pytest.mark.process


def genesis_digest(directory: Path) -> str:
    return genesis_file.load(directory / "genesis.json").digest.hex()


def of_kind(capsys: Captured, kind: str) -> list[dict[str, str]]:
    blocks = answer(capsys, "ledger", "blocks", "--from", "1", "--limit", "1000")
    return [line for block in blocks for line in block["transactions"] if line["kind"] == kind]


def first_of_kind(capsys: Captured, kind: str) -> dict[str, str]:
    return of_kind(capsys, kind)[0]


# -- hmchain ledger --------------------------------------------------------------------------------------------------


def test_blocks_are_in_order_and_linked(capsys: Captured) -> None:
    blocks = answer(capsys, "ledger", "blocks", "--from", "1", "--limit", "1000")
    assert [block["height"] for block in blocks] == list(range(1, len(blocks) + 1))
    assert all(later["previous"] == earlier["hash"] for earlier, later in itertools.pairwise(blocks))
    assert all(block["signed"] == list(NAMES) for block in blocks)


def test_blocks_default_to_the_last_and_are_limited(capsys: Captured) -> None:
    whole = answer(capsys, "ledger", "blocks", "--limit", "1000")
    assert answer(capsys, "ledger", "blocks", "--limit", "3") == whole[-3:]
    assert answer(capsys, "ledger", "blocks", "--from", "2", "--limit", "3") == whole[1:4]
    assert answer(capsys, "ledger", "blocks", "--from", "100000") == []
    shown = text(capsys, "ledger", "blocks", "--limit", "3")
    assert "study.finished" in shown and "model.registered" in shown


def test_a_transaction_is_found_by_the_first_digits_of_its_digest(capsys: Captured) -> None:
    digest = first_of_kind(capsys, "approve_request")["digest"]
    whole = answer(capsys, "ledger", "tx", digest)
    assert (whole["organisation"], whole["role"], whole["receipt"]["code"]) == ("east", "steward", "ok")
    assert whole["body"]["type"] == "approve_request"
    submitted = answer(capsys, "ledger", "tx", of_kind(capsys, "submit_request")[-1]["digest"])
    assert whole["body"]["content"] == submitted["body"]["content"]
    for digits in (15, 16):
        assert answer(capsys, "ledger", "tx", digest[:digits].upper()) == whole
    shown = text(capsys, "ledger", "tx", digest)
    assert "with the steward's key" in shown and whole["body"]["content"] in shown


def test_an_auditor_reads_in_the_proposal_itself_what_stewards_were_asked(capsys: Captured) -> None:
    found = [answer(capsys, "ledger", "tx", line["digest"]) for line in of_kind(capsys, "propose_under_permit")]
    whole = next(each for each in found if each["body"]["spec"]["name"] == STUDY)
    pinned = answer(capsys, "study", "show", STUDY, "--dir", os.environ["HMCHAIN_RUN"])
    assert pinned["asked"]["specification"] in whole["terms"]["specification"]
    assert whole["terms"]["model"].startswith("fl-cnn") and "learning rate" in whole["terms"]["plan"]
    assert whole["terms"]["description"].startswith("digest ")
    shown = text(capsys, "ledger", "tx", whole["digest"])
    assert "asked to approve" in shown and whole["terms"]["description"].split()[1].strip(";") in shown
    assert TITLE not in shown, "the ledger has no words of a description"
    assert answer(capsys, "ledger", "tx", first_of_kind(capsys, "approve_request")["digest"])["terms"] == {}


def test_a_study_is_shown_with_all_that_it_pins(capsys: Captured) -> None:
    of_run = ("--dir", os.environ["HMCHAIN_RUN"])
    shown = text(capsys, "study", "show", STUDY, *of_run)
    for words in (
        TITLE,
        "Dr North",
        "DUO:0000006, health or medical",
        "of at least 3 of the 4 hospitals",
        "the server's learning rate is",
        "train within",
    ):
        assert words in shown
    assert answer(capsys, "study", "show", STUDY, *of_run)["specification"]["rounds"] == ROUNDS
    assert "unknown_study" in text(capsys, "study", "show", "nothing", *of_run, status=2)


def test_the_studies_of_a_run_are_listed_in_words_with_what_all_hospitals_said(capsys: Captured) -> None:
    of_run = ("--dir", os.environ["HMCHAIN_RUN"])
    shown = text(capsys, "study", "list", *of_run)
    assert "4 approved" in shown and "1 refused, 3 undecided" in shown and TITLE in shown
    assert "asks for" not in shown and "this hospital said" not in shown
    listed = {each["study"]: each for each in answer(capsys, "study", "list", *of_run)}
    assert listed[STUDY]["description"]["description"]["title"] == TITLE
    assert listed[STUDY]["purpose_words"].endswith("health or medical or biomedical research")
    assert listed[REFUSED_STUDY]["answers"][-1] == {"organisation": "west", "decision": "refused"}


@pytest.mark.parametrize(
    ("prefix", "status", "code"),
    [("xyz", 2, "bad_prefix"), ("", 2, "bad_prefix"), ("0" * 65, 2, "bad_prefix"),
     ("0" * 64, 6, "no_such_transaction"), ("f" * 31, 6, "no_such_transaction")],
)  # fmt: skip
def test_a_wrong_prefix_is_named(capsys: Captured, prefix: str, status: int, code: str) -> None:
    assert answer(capsys, "ledger", "tx", prefix, status=status)["error"]["code"] == code


def test_a_prefix_of_several_transactions_is_ambiguous(capsys: Captured) -> None:
    blocks = answer(capsys, "ledger", "blocks", "--limit", "1000")
    starts = [line["digest"][0] for block in blocks for line in block["transactions"]]
    common = next(start for start in starts if starts.count(start) > 1)
    assert answer(capsys, "ledger", "tx", common, status=2)["error"]["code"] == "ambiguous_prefix"


def test_a_bare_copy_of_the_blocks_still_names_the_founders(capsys: Captured, copy: Path) -> None:
    shutil.rmtree(copy / "validators")
    blocks = answer(capsys, "ledger", "blocks", str(copy), "--from", "1", "--limit", "1")
    assert blocks[0]["transactions"][0]["organisation"] == "east"
    assert answer(capsys, "study", "status", str(copy))["status"] == "finished"  # the blocks are executed


# -- proofs ----------------------------------------------------------------------------------------------------------


def test_a_proof_convinces_someone_who_knows_only_the_genesis_digest(
    capsys: Captured, run_directory: Path, tmp_path: Path
) -> None:
    digest = first_of_kind(capsys, "commit_update")["digest"]
    file, genesis = tmp_path / "proof.json", genesis_digest(run_directory / "ledger")
    made = answer(capsys, "ledger", "proof", digest[:20], "--out", str(file))
    assert (made["transaction"], made["genesis"]) == (digest, genesis)
    checked = answer(capsys, "ledger", "check-proof", str(file), "--genesis", genesis)
    assert checked["holds"] and (checked["transaction"], checked["outcome"]) == (digest, "ok")
    header = answer(capsys, "ledger", "blocks", "--from", str(checked["height"]), "--limit", "1")[0]["hash"]
    assert answer(capsys, "ledger", "check-proof", str(file), "--header", header)["holds"]
    assert text(capsys, "ledger", "proof", digest) == file.read_text()


def test_a_proof_fails_against_another_anchor_or_when_altered(
    capsys: Captured, run_directory: Path, tmp_path: Path
) -> None:
    digest = first_of_kind(capsys, "commit_update")["digest"]
    file, genesis = tmp_path / "proof.json", genesis_digest(run_directory / "ledger")
    answer(capsys, "ledger", "proof", digest, "--out", str(file))
    check = ("ledger", "check-proof", str(file))
    assert answer(capsys, *check, "--genesis", "00" * 32, status=7)["error"]["code"] == "proof"
    assert answer(capsys, *check, "--header", "00" * 32, status=7)["error"]["code"] == "proof"
    assert answer(capsys, *check, status=2)["error"]["code"] == "no_anchor"
    content = json.loads(file.read_text())
    content["proof"][6][1] = "refused"
    file.write_text(json.dumps(content))
    assert answer(capsys, *check, "--genesis", genesis, status=7)["error"]["code"] == "proof"
    file.write_text("{}")
    assert answer(capsys, *check, "--genesis", genesis, status=2)["error"]["code"] == "proof_file"
    missing = answer(capsys, "ledger", "check-proof", str(tmp_path / "no"), "--genesis", genesis, status=4)
    assert missing["error"]["code"] == "file_access"


# -- hmchain audit ---------------------------------------------------------------------------------------------------


def test_an_audit_holds_against_the_genesis_digest(capsys: Captured, run_directory: Path) -> None:
    genesis = genesis_digest(run_directory / "ledger")
    report = answer(capsys, "audit", "verify", "--genesis", genesis)
    assert report["holds"] and report["anchored"] and report["genesis"] == genesis
    assert [model["study"] for model in report["models"]] == [STUDY]
    head = f"{report['height']}:{report['head']}"
    shown = text(capsys, "audit", "verify", "--block", head)
    assert "Everything that was checked holds." in shown and head in shown
    assert "Not proven" in shown and "No anchor" not in shown


def test_an_audit_without_anchor_warns(capsys: Captured) -> None:
    shown = text(capsys, "audit", "verify")
    assert "No anchor: a wholly rewritten ledger would pass" in shown
    assert answer(capsys, "audit", "verify")["anchored"] is False


def test_an_audit_refuses_another_genesis(capsys: Captured) -> None:
    error = answer(capsys, "audit", "verify", "--genesis", "ab" * 32, status=7)["error"]
    assert error["code"] == "anchor_mismatch" and "ab" * 32 in error["what"]
    assert answer(capsys, "audit", "verify", "--genesis", "ab", status=2)["error"]["code"] == "bad_digest"
    assert answer(capsys, "audit", "verify", "--block", "7", status=2)["error"]["code"] == "bad_anchor"
    wrong = answer(capsys, "audit", "verify", "--block", f"2:{'ab' * 32}", status=7)["error"]
    assert wrong["code"] == "anchor_mismatch" and "block 2" in wrong["what"]


@pytest.mark.parametrize("column", ["block", "decided", "result"])
def test_one_flipped_bit_is_found_and_its_block_named(capsys: Captured, copy: Path, column: str) -> None:
    with sqlite3.connect(copy / "blocks.db") as db:
        (data,) = db.execute(f"SELECT {column} FROM blocks WHERE height = 9").fetchone()
        flipped = bytearray(data)
        flipped[len(data) // 2] ^= 1
        db.execute(f"UPDATE blocks SET {column} = ? WHERE height = 9", (bytes(flipped),))
    shown = text(capsys, "audit", "verify", str(copy), "--genesis", genesis_digest(copy), status=7)
    assert "error block 9: " in shown and "holds." not in shown


def test_a_missing_block_is_found(capsys: Captured, copy: Path) -> None:
    with sqlite3.connect(copy / "blocks.db") as db:
        db.execute("DELETE FROM blocks WHERE height = 5")
    assert "block 5: it is missing" in text(capsys, "audit", "verify", str(copy), status=7)


def test_a_damaged_ledger_sends_its_reader_to_the_audit(capsys: Captured, copy: Path) -> None:
    with sqlite3.connect(copy / "blocks.db") as db:
        db.execute("UPDATE blocks SET block = x'00' WHERE height = 4")
    error = answer(capsys, "ledger", "blocks", str(copy), "--from", "4", status=6)["error"]
    assert error["what"] == "block 4 is damaged" and "audit verify" in error["hint"]
    (copy / "blocks.db").write_bytes(b"no database at all")
    assert answer(capsys, "ledger", "blocks", str(copy), status=6)["error"]["code"] == "block_store"


def test_a_trace_names_data_decisions_and_masters(capsys: Captured) -> None:
    made = answer(capsys, "audit", "trace", "--study", STUDY)
    assert [version["organisation"] for version in made["data"]] == list(NAMES)
    assert {decision["status"] for decision in made["decisions"]} == {"approved"}
    assert [round_["number"] for round_ in made["rounds"]] == list(range(ROUNDS + 1))
    assert made["rounds"][-1]["aggregates"][-1]["model_root"] == made["model_root"]
    assert answer(capsys, "audit", "trace") == made
    shown = text(capsys, "audit", "trace")
    assert f"Study {STUDY}" in shown and made["model_root"] in shown and "counts" in shown


def test_a_trace_of_a_dataset_shows_who_asked_and_who_said_no(capsys: Captured) -> None:
    used = answer(capsys, "audit", "trace", "--dataset", f"west/{DATASET}")
    decisions = {study["spec"]["name"]: study["decisions"][0]["status"] for study in used["studies"]}
    asked = {word["request"]: (word["status"], word["persons"], word["version"]) for word in used["requests"]}
    assert decisions == {STUDY: "approved"} and asked == {REFUSED_STUDY: ("refused", ["west/steward"], 1)}
    assert "ethics" in text(capsys, "audit", "trace", "--dataset", f"west/{DATASET}")


@pytest.mark.parametrize(
    ("arguments", "status", "code"),
    [(["--study", "none"], 6, "nothing_to_trace"), (["--dataset", "west/none"], 6, "nothing_to_trace"),
     (["--dataset", "west"], 2, "bad_trace"), (["--dataset", "a/b", "--study", "c"], 2, "bad_trace")],
)  # fmt: skip
def test_what_cannot_be_traced_is_named(capsys: Captured, arguments: list[str], status: int, code: str) -> None:
    assert answer(capsys, "audit", "trace", *arguments, status=status)["error"]["code"] == code


# -- hmchain study ---------------------------------------------------------------------------------------------------


def test_a_finished_study_says_so_and_what_comes_next(capsys: Captured) -> None:
    found = answer(capsys, "study", "status")
    assert (found["name"], found["status"], found["rounds"], found["setbacks"]) == (STUDY, "finished", ROUNDS, 0)
    assert [each["approval"] for each in found["participants"]] == ["approved"] * 4
    assert [each["organisation"] for each in found["reputation"]] == list(NAMES)
    assert found["current"] is None and found["own"] is None and found["went_wrong"] == []
    assert [step["command"].split()[1] for step in found["steps"]] == ["model", "audit", "audit"]
    for step in found["steps"]:
        text(capsys, *step["command"].split()[1:])  # as it is printed
    shown = text(capsys, "study", "status")
    assert "Reputation" in shown and "under 128" in shown


def test_a_refused_study_names_who_refused(capsys: Captured) -> None:
    found = answer(capsys, "study", "show", REFUSED_STUDY, "--dir", os.environ["HMCHAIN_RUN"])["asked"]
    said = {each["organisation"]: each["decision"] for each in found["answers"]}
    assert (found["status"], said["west"], said["east"]) == ("requested", "refused", "undecided")


def test_an_unknown_study_is_named_with_those_there_are(capsys: Captured) -> None:
    error = answer(capsys, "study", "status", "--study", "none", status=2)["error"]
    assert error["code"] == "no_study" and STUDY in error["hint"]


def test_a_study_can_be_watched_while_it_runs(capsys: Captured, run_directory: Path, tmp_path: Path) -> None:
    """Every phase of a study, read from another connection between two blocks of the process that writes."""
    shutil.copytree(run_directory / "hospitals", tmp_path / "live" / "hospitals")
    for part in ("ledger", "objects"):
        shutil.copytree(run_directory / part, tmp_path / "live" / part)
    seen: dict[tuple[str, str], Any] = {}

    def look() -> None:
        found = answer(capsys, "study", "status", str(tmp_path / "live"), "--study", "second")
        phase = found["current"]["phase"] if found["current"] else ""
        seen.setdefault((found["status"], phase), found)

    with Consortium.open(tmp_path / "live") as consortium:
        allow(consortium, ask(consortium, "second"))
        look()
        consortium.on_block = lambda block, result: look()
        consortium.run("second")
        look()
    overview = answer(capsys, "study", "status", str(tmp_path / "live"))
    assert [(each["name"], each["status"]) for each in overview] == [
        ("second", "finished"), (STUDY, "finished")
    ]  # fmt: skip
    shown = text(capsys, "study", "status", str(tmp_path / "live"))
    assert "2 of 2" in shown and f"hmchain study status --study second --dir {tmp_path / 'live'}" in shown
    waits = seen["proposed", ""]["next"]
    assert waits == "the agents of east, north, south, west join; keep them running"
    statuses = {status for status, _ in seen}
    assert statuses == {"proposed", "agreeing", "confirming", "running", "finished"}
    opens_by = {status: found["opens_by_ms"] for (status, _), found in seen.items()}
    assert opens_by["proposed"] > opens_by["confirming"] > 0 and not opens_by["finished"]
    assert {phase for status, phase in seen if status == "running"} >= {"commit", "attest", "reveal", "aggregate"}
    assert seen["running", "aggregate"]["current"]["waits_for"] == [seen["running", "aggregate"]["current"]["master"]]
