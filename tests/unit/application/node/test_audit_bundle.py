"""A hospital's events and ledger in one signed file: checked by somebody who has nothing else of ours."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import sqlite3
import struct
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from fhir.resources.R4B.auditevent import AuditEvent

from hmchain import files
from hmchain.application.governance import bundling
from hmchain.application.node import bundle
from hmchain.application.security import fhir, log
from hmchain.application.security.checking import LogDefectError
from hmchain.application.security.events import Event, Kind
from hmchain.application.site.activity import Deed, What, recorded
from hmchain.application.site.node import NodeFolder
from hmchain.interfaces.cli import show_events
from hmchain.interfaces.cli.main import main
from hmchain.ledger.contracts.members.anchors import AnchorLog, RestoreLog
from hmchain.ledger.engines.ledger import RefusedTransactionError
from hmchain.ledger.state import State
from support.kept_node import make_node
from support.ledger_network import genesis, signing_key
from support.read_only import read_only

GENESIS = genesis().digest.hex()
Captured = pytest.CaptureFixture[str]


def write_events(path: Path) -> None:
    """What a hospital does in a day."""
    log.record(path, Event(Kind.SIGN_IN, "review", user="anna"))
    with recorded(path, Deed(What.EXPORT, dataset="head", person="M. Curie", records=12)):
        pass
    log.record(path, Event(Kind.TRANSFER, "receive_records", "grant-1", other="b", person="steward"))
    log.record(path, Event(Kind.ACCESS_DENIED, "set_policy", "head", outcome="wrong_role"))


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hospital a's stopped node; its log is anchored, and one event came after it."""
    place = tmp_path_factory.mktemp("made")
    path = place / "activity.db"
    write_events(path)
    size, head = log.head(path)
    made = make_node(place / "node", lambda chain: (chain.fill(3), chain.block(chain.send("a", AnchorLog(size, head)))))
    shutil.move(path, made / "hospitals" / "a" / "activity.db")
    log.record(made / "hospitals" / "a" / "activity.db", Event(Kind.SIGN_OUT, "review"))
    return made


@pytest.fixture(scope="module")
def made(node: Path) -> Path:
    """The bundle, alone in a folder, as the post brought it."""
    file = node.parent / "post" / "a.zip"
    file.parent.mkdir()
    assert main(["audit", "bundle", "--output", str(file), "--dir", str(node)]) == 0
    return file


def answer(capsys: Captured, *arguments: str, status: int = 0) -> Any:
    capsys.readouterr()
    assert main([*arguments, "--json"]) == status
    return json.loads(capsys.readouterr().out)


def test_an_outsider_checks_all_of_it_on_media_that_cannot_be_written(made: Path, capsys: Captured) -> None:
    with read_only(made.parent):
        found = answer(capsys, "audit", "check", str(made), "--genesis", GENESIS)
    assert found["holds"] and found["signer"] == "a/steward" and found["ledger"]["anchored"]
    kinds = [each["kind"] for each in found["log"]["events"]]
    assert kinds == [
        "log.begun", "sign-in", "data.exported", "data.exported", "transfer", "access.denied", "sign-out",
        "log.exported", "key.opened",
    ]  # fmt: skip
    assert (found["log"]["anchor"]["size"], found["log"]["unanchored"]) == (6, 3)
    assert main(["audit", "check", str(made)]) == 0
    said = capsys.readouterr()
    assert "The bundle holds." in said.out and "No anchor was given" in said.err


def test_a_portal_makes_one_that_the_validator_signs(node: Path, tmp_path: Path) -> None:
    bundling.make_here(NodeFolder(node), tmp_path / "portal.zip", None, lambda done, of: None)
    found = bundle.judge(tmp_path / "portal.zip", bytes.fromhex(GENESIS))
    assert (found.holds, found.signer, found.anchored) == (True, "a/validator", 6)


def test_nothing_that_the_hospital_keeps_to_itself_is_in_it(made: Path) -> None:
    with zipfile.ZipFile(made) as packed:
        assert sorted(packed.namelist()) == [
            "README.txt",
            "events.jsonl",
            "ledger.zip",
            "manifest.json",
            "manifest.sig",
        ]
        events = packed.read("events.jsonl")
    assert b"Curie" not in events and b"records" not in events.replace(b"receive_records", b"")


def forged(made: Path, target: Path, name: str, change: Callable[[bytes], bytes]) -> Path:
    """The bundle with another content under one name."""
    with zipfile.ZipFile(made) as source, zipfile.ZipFile(target, "w") as sink:
        for each in source.namelist():
            data = source.read(each)
            sink.writestr(each, change(data) if each == name else data)
    return target


def test_words_for_people_and_the_chain_s_name_are_held_against_the_rest_too(made: Path, tmp_path: Path) -> None:
    """A carrier could have written there which digest to give, or whom to ask."""
    told = forged(made, tmp_path / "words.zip", "README.txt", lambda text: text.replace(GENESIS.encode(), b"0" * 64))
    other = signed_anew(made, tmp_path / "named.zip", "steward", chain_id="another")
    for file in (told, other):
        with pytest.raises(bundle.BundleDefectError):
            bundle.check(file)


def test_a_pipe_is_no_bundle(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.zip")
    with pytest.raises(files.NoRegularFileError):
        bundle.check(tmp_path / "a.zip")


def signed_anew(made: Path, target: Path, role: str, **changes: Any) -> Path:
    """The bundle with another manifest, signed with a key of the hospital's."""
    with zipfile.ZipFile(made) as packed:
        told = json.loads(packed.read("manifest.json"))
    key = signing_key("a", role)
    manifest = json.dumps({**told, "signer": key.public.raw.hex(), **changes}).encode()
    signature = key.sign(bundle.signed_bytes(manifest)).hex().encode()
    return forged(forged(made, Path(f"{target}.1"), "manifest.json", lambda _: manifest), target, "manifest.sig",
                  lambda _: signature)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "change", "code"),
    [
        ("events.jsonl", lambda data: b"".join(data.splitlines(keepends=True)[:-1]), "bundle_defect"),
        ("events.jsonl", lambda data: data.replace(b"head", b"hand"), "log_defect"),
        ("events.jsonl", lambda data: b"x" + data, "bundle_defect"),
        ("events.jsonl", lambda data: data.replace(b'"at_ms":', b'"at_ms":-'), "log_defect"),
        ("events.jsonl", lambda data: data.replace(b'"at_ms":1', b'"at_ms":9991'), "log_defect"),
        ("events.jsonl", lambda data: b"".join(sorted(data.splitlines(keepends=True))[::-1]), "log_defect"),
        ("ledger.zip", lambda data: data[:-1] + b"x", "bundle_defect"),
        ("manifest.json", lambda data: data.replace(b'"a"', b'"b"'), "bundle_defect"),
        ("manifest.json", lambda data: b"{}", "bundle_defect"),
        ("manifest.sig", lambda data: b"00" * 64, "bundle_defect"),
        ("manifest.sig", lambda data: b"none", "bundle_defect"),
    ],
)
def test_what_was_changed_is_found(
    name: str, change: Callable[[bytes], bytes], code: str, made: Path, tmp_path: Path, capsys: Captured
) -> None:
    file = forged(made, tmp_path / "forged.zip", name, change)
    assert answer(capsys, "audit", "check", str(file), "--genesis", GENESIS, status=7)["error"]["code"] == code


def patched(file: Path, at: int, value: int, name: str = "") -> Path:
    """The bundle with two bytes of all its directory's entries, or of that of one name, changed."""
    data = bytearray(file.read_bytes())
    found = data.find(b"PK\x01\x02", data.rfind(b"PK\x03\x04"))
    while found >= 0:
        if data[found + 46 :].startswith(name.encode()):
            struct.pack_into("<H", data, found + at, value)
        found = data.find(b"PK\x01\x02", found + 4)
    file.write_bytes(data)
    return file


@pytest.mark.parametrize(
    ("method", "code", "status"), [(8, "bundle_defect", 7), (12, "bundle_file", 2), (14, "bundle_file", 2)]
)
def test_what_cannot_be_unpacked_is_refused_in_words(
    method: int, code: str, status: int, made: Path, tmp_path: Path, capsys: Captured
) -> None:
    """The events say that they are packed, by deflate, bzip2 and LZMA, and are not."""
    file = patched(forged(made, tmp_path / "x.zip", "events.jsonl", lambda _: b"\xff" * 99), 10, method, "events.jsonl")
    data = file.read_bytes()  # what stands before the content says the same
    before = data.rindex(b"events.jsonl", 0, data.index(b"PK\x01\x02", data.rfind(b"PK\x03\x04"))) - 22
    file.write_bytes(data[:before] + struct.pack("<H", method) + data[before + 2 :])
    assert answer(capsys, "audit", "check", str(file), status=status)["error"]["code"] == code


def test_a_file_for_another_unpacker_and_an_event_without_end_are_refused_in_words(
    made: Path, tmp_path: Path, capsys: Captured
) -> None:
    file = forged(made, tmp_path / "later.zip", "manifest.sig", lambda data: data)
    found = answer(capsys, "audit", "check", str(patched(file, 6, 200)), status=2)
    assert found["error"]["code"] == "bundle_file"
    deep = json.dumps({"number": 1, "at_ms": 1, "event": '{"x":' + "[" * 9000, "link": "00"}).encode()
    file = forged(made, tmp_path / "deep.zip", "events.jsonl", lambda _: deep)
    assert answer(capsys, "audit", "check", str(file), status=7)["error"]["code"] == "log_defect"


def test_a_log_that_was_cut_and_signed_anew_is_found_by_its_anchor(
    made: Path, tmp_path: Path, capsys: Captured
) -> None:
    """The hospital's own steward leaves out its last events, and signs that."""
    with zipfile.ZipFile(made) as packed:
        rows = packed.read("events.jsonl").splitlines(keepends=True)[:5]
    cut = forged(made, tmp_path / "cut.zip", "events.jsonl", lambda _: b"".join(rows))
    last = json.loads(rows[-1])
    file = signed_anew(cut, tmp_path / "signed.zip", "steward", size=5, head=last["link"])
    found = answer(capsys, "audit", "check", str(file), "--genesis", GENESIS, status=7)["error"]
    assert found["code"] == "log_defect" and "event 6 was anchored" in found["what"]


@pytest.mark.parametrize("role", ["agent", "scientist"])
def test_who_does_not_speak_for_the_hospital_signs_no_bundle(
    role: str, made: Path, tmp_path: Path, capsys: Captured
) -> None:
    file = signed_anew(made, tmp_path / "other.zip", role)
    found = answer(capsys, "audit", "check", str(file), "--genesis", GENESIS, status=7)["error"]
    assert found["code"] == "bundle_defect" and "not signed for a" in found["what"]


def test_another_genesis_and_another_file_are_refused(made: Path, node: Path, tmp_path: Path, capsys: Captured) -> None:
    assert (
        answer(capsys, "audit", "check", str(made), "--genesis", "00" * 32, status=7)["error"]["code"]
        == "anchor_mismatch"
    )
    (tmp_path / "x").write_bytes(b"nothing")
    assert answer(capsys, "audit", "check", str(tmp_path / "x"), status=2)["error"]["code"] == "bundle_file"
    again = answer(capsys, "audit", "bundle", "--output", str(made), "--dir", str(node), status=2)
    assert again["error"]["code"] == "bundle_file"


def test_a_block_that_an_auditor_noted_is_an_anchor(made: Path, capsys: Captured) -> None:
    ledger = answer(capsys, "audit", "check", str(made))["ledger"]
    assert not ledger["anchored"]
    known = f"{ledger['height']}:{ledger['head']}"
    assert answer(capsys, "audit", "check", str(made), "--block", known)["ledger"]["anchored"]
    other = answer(capsys, "audit", "check", str(made), "--block", f"{ledger['height']}:{'00' * 32}", status=7)
    assert other["error"]["code"] == "anchor_mismatch"


# -- a hospital's own log ----------------------------------------------------------------------------------------------


@pytest.fixture
def own(node: Path, tmp_path: Path) -> Path:
    shutil.copytree(node, tmp_path / "node")
    return tmp_path / "node"


def test_a_hospital_reads_its_own_log_and_what_is_anchored_of_it(own: Path, capsys: Captured) -> None:
    place = ("--dir", str(own))
    found = answer(capsys, "audit", "events", "--event", "data", "--event", "access.denied", *place)
    assert [each["kind"] for each in found["events"]] == ["data.exported", "data.exported", "access.denied"]
    assert found["anchor"]["size"] == 6 and found["size"] >= 8
    assert main(["audit", "events", *place]) == 0
    said = capsys.readouterr().out
    assert "Anchored on the ledger up to event 6" in said and "in no anchor yet" in said
    assert answer(capsys, "audit", "events", "--since", "2999-01-01", *place)["events"] == []
    unknown = answer(capsys, "audit", "events", "--event", "nothing", *place, status=2)
    assert unknown["error"]["code"] == "no_such_event"


def test_events_go_into_spreadsheets_and_fhir(own: Path, capsys: Captured) -> None:
    assert main(["audit", "events", "--csv", "--event", "access", "--dir", str(own)]) == 0
    (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert (row["kind"], row["iso27002"], row["outcome"]) == ("access.denied", "b", "wrong_role")
    assert main(["audit", "events", "--fhir", "--dir", str(own)]) == 0
    made = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    for each in made:
        AuditEvent.model_validate(each)
    profiles = {each["id"]: each["meta"]["profile"] for each in made if "meta" in each}
    assert profiles == {"a-4": [fhir.SOURCE], "a-5": [fhir.RECIPIENT]}
    for each in made:
        if "meta" in each:
            require_disclosure(each, arrives=each["meta"]["profile"] == [fhir.RECIPIENT])


def test_of_very_many_events_people_see_the_last(own: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    monkeypatch.setattr(show_events, "ROWS_MAX", 2)
    assert main(["audit", "events", "--event", "data", "--event", "access", "--dir", str(own)]) == 0
    said = capsys.readouterr().out
    assert "The last 2 of 3 events." in said and said.count("data.exported") == 1


def test_no_cell_is_a_formula(own: Path, capsys: Captured) -> None:
    """Who wrote an event may be a stranger, whose bundle an auditor opens in a spreadsheet."""
    log.record(own / "hospitals" / "a" / "activity.db", Event(Kind.SIGN_IN, "-1", "@x", user="=1+1", person="+1"))
    assert main(["audit", "events", "--csv", "--event", "sign-in", "--dir", str(own)]) == 0
    row = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))[-1]
    assert [row[name] for name in ("what", "about", "user", "person")] == ["'-1", "'@x", "'=1+1", "'+1"]


def require_disclosure(made: dict[str, Any], *, arrives: bool) -> None:
    """The constraints of BALP 1.1.4's two profiles of a disclosure (input/fsh/Disclose.fsh)."""
    assert (made["type"]["code"], made["action"]) == (("110107", "C") if arrives else ("110106", "R"))
    assert [each["code"] for each in made["subtype"]].count("disclose") == 1 and "outcome" in made
    ends = {each["type"]["coding"][0]["code"]: each for each in made["agent"] if "type" in each}
    assert set(ends) == {"110153", "110152"} and all(each["who"] and each["network"] for each in ends.values())
    itself = ends["110152" if arrives else "110153"]
    assert itself["who"] == made["source"]["observer"]
    (patient,) = [each for each in made["entity"] if each["type"]["code"] == "1"]
    assert patient["role"]["code"] == "1" and patient["what"] == {"type": "Patient", "display": fhir.NOT_NAMED}
    assert len(made["entity"]) >= 2


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM events WHERE number = 4",
        "DELETE FROM events WHERE number > 4",
        "UPDATE events SET event = replace(event, 'head', 'hand')",
        "UPDATE events SET own = replace(own, '12', '11') WHERE own <> ''",
        "UPDATE events SET own = '' WHERE own <> ''",
        "UPDATE events SET own = '', salt = x'' WHERE number = 3",
        "CREATE TABLE lines(number, at_ms, ends, body); INSERT INTO lines VALUES (1, 5, NULL, '{}')",
        "UPDATE events SET number = 99 WHERE number = 5",
        "DELETE FROM events",
        "UPDATE events SET at_ms = 'x'",
        "UPDATE events SET at_ms = -1 WHERE number = 2",
        "UPDATE events SET at_ms = 9e15 WHERE number = 2",
        "UPDATE events SET event = x'00' WHERE number = 2",
        "UPDATE events SET link = 'x' WHERE number = 2",
        "UPDATE events SET number = -number",
        "INSERT INTO events VALUES (-5, 1, '{}', x'00', x'', '')",
        "ALTER TABLE events RENAME TO e; CREATE VIEW events AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 "
        "FROM n) SELECT i AS number, 1 AS at_ms, '{}' AS event, x'00' AS link, x'' AS salt, '' AS own FROM n",
    ],
)
def test_a_log_that_was_cut_reordered_or_rewritten_ends_with_7(statement: str, own: Path, capsys: Captured) -> None:
    with closing(sqlite3.connect(own / "hospitals" / "a" / "activity.db")) as file, file:
        file.executescript(f"DROP TRIGGER events_stay; DROP TRIGGER events_are_kept; {statement}")
    found = answer(capsys, "audit", "events", "--dir", str(own), status=7)
    assert found["error"]["code"] == "log_defect"
    assert answer(capsys, "audit", "verify", "--dir", str(own), status=7)["error"]["code"] == "log_defect"


def test_a_log_that_is_gone_ends_with_7(own: Path, capsys: Captured) -> None:
    """Its members know that there was one; of a copy without the hospital's folder nothing is said."""
    (own / "hospitals" / "a" / "activity.db").unlink()
    for asked in ("events", "verify"):
        found = answer(capsys, "audit", asked, "--dir", str(own), status=7)["error"]
        assert found["code"] == "log_defect" and "ends with event 0, and event 6 was anchored" in found["what"]
    shutil.rmtree(own / "hospitals")
    assert answer(capsys, "audit", "verify", "--dir", str(own))["holds"]


def test_without_the_ledger_nobody_says_that_a_log_holds(own: Path, capsys: Captured) -> None:
    """Who may write the folder takes the ledger away, and makes the log anew."""
    shutil.rmtree(own / "ledger")
    place = own / "hospitals" / "a" / "activity.db"
    place.unlink()
    log.record(place, Event(Kind.SIGN_IN))
    found = answer(capsys, "audit", "events", "--dir", str(own), status=6)
    assert found["holds"] is None and found["anchor"] is None and "no block yet" in found["why_not"]
    assert main(["audit", "events", "--csv", "--dir", str(own)]) == 6
    said = capsys.readouterr()
    assert len(list(csv.DictReader(io.StringIO(said.out)))) == found["size"] and "Compared with no ledger" in said.err


# -- anchors of its own hospital ---------------------------------------------------------------------------------------


def copied(path: Path, target: Path, count: int, more: int) -> Path:
    """A copy of the first events of a log, which went on since."""
    shutil.copyfile(path, target)
    with closing(sqlite3.connect(target)) as file, file:
        file.executescript(f"DROP TRIGGER events_are_kept; DELETE FROM events WHERE number > {count}")
    for _ in range(more):
        log.record(target, Event(Kind.SIGN_IN))
    return target


@pytest.mark.parametrize("is_whole", [True, False])
def test_an_anchor_that_the_agent_made_meanwhile_serves_as_well(is_whole: bool, tmp_path: Path) -> None:
    """Of the whole log before the steward looked, or of more than the steward looked at before it was sent."""
    path = tmp_path / "activity.db"
    write_events(path)
    size, head = log.head(path)
    node = make_node(tmp_path / "node", lambda chain: chain.block(chain.send("a", AnchorLog(size, head))))
    shutil.move(path, node / "hospitals" / "a" / "activity.db")
    if not is_whole:
        log.record(node / "hospitals" / "a" / "activity.db", Event(Kind.SIGN_OUT, "review"))
    folder = NodeFolder(node)
    with closing(State.open_read_only(folder.state)) as state:
        steward = Mock(state=state, organisation="a")
        steward.send.side_effect = RefusedTransactionError("refused", refusal="log_not_longer")
        found = bundling.newest_anchor(steward, folder)
    assert (found.size, found.head) == (size, head) and steward.send.called != is_whole


def test_another_log_that_its_own_hospital_anchored_is_found(tmp_path: Path, capsys: Captured) -> None:
    """The last anchor fits: who may write the log has the agent's key too, and anchors what was made anew."""
    first, anew = tmp_path / "first", tmp_path / "anew"
    write_events(first)
    for _ in range(9):
        log.record(anew, Event(Kind.SIGN_IN))
    bodies = [AnchorLog(*log.head(path)) for path in (first, anew)]
    node = make_node(tmp_path / "node", lambda chain: [chain.block(chain.send("a", body)) for body in bodies])
    shutil.move(anew, node / "hospitals" / "a" / "activity.db")
    found = answer(capsys, "audit", "events", "--dir", str(node), status=7)["error"]
    assert found["code"] == "log_defect" and "event 6 of the log of a is not the one that was anchored" in found["what"]


@pytest.mark.parametrize(("after", "kept"), [([], 4), ([6], 4)])
def test_an_anchor_that_fits_nothing_has_a_way_out(after: list[int], kept: int, tmp_path: Path) -> None:
    """A thief of the agent's key anchored what the log never was; the agent's last anchor, after it, fits."""
    path = tmp_path / "activity.db"
    write_events(path)
    links = {each.number: each.link for each in log.read(path)}
    said = [AnchorLog(4, links[4]), AnchorLog(5, bytes(32)), *(AnchorLog(size, links[size]) for size in after)]
    node = make_node(tmp_path / "node", lambda chain: [chain.block(chain.send("a", body)) for body in said])
    shutil.move(path, node / "hospitals" / "a" / "activity.db")
    with closing(State.open_read_only(NodeFolder(node).state)) as state:
        steward = Mock(state=state, organisation="a")
        with pytest.raises(LogDefectError, match="is not the one that was anchored"):
            bundling.anchor(steward, NodeFolder(node))
        bundling.anchor(steward, NodeFolder(node), after_loss=True)
        steward.send.assert_called_once_with(RestoreLog(kept, 6, links[6]))


@pytest.mark.parametrize("is_said", [True, False])
def test_a_log_that_went_on_from_a_copy_holds_once_its_steward_said_so(
    is_said: bool, tmp_path: Path, capsys: Captured
) -> None:
    first = tmp_path / "first"
    write_events(first)
    (fourth,) = [each for each in log.read(first) if each.number == 4]
    copy = copied(first, tmp_path / "copy", 4, more=3)
    said = [AnchorLog(4, fourth.link), AnchorLog(*log.head(first))]
    said += [RestoreLog(4, *log.head(copy)) if is_said else AnchorLog(*log.head(copy))]
    node = make_node(tmp_path / "node", lambda chain: [chain.block(chain.send("a", body)) for body in said])
    shutil.move(copy, node / "hospitals" / "a" / "activity.db")
    if not is_said:
        assert answer(capsys, "audit", "events", "--dir", str(node), status=7)["error"]["code"] == "log_defect"
        return
    found = answer(capsys, "audit", "events", "--dir", str(node))
    assert [(each["anchored"], each["kept"], each["by"]["person"]) for each in found["losses"]] == [(6, 4, "steward")]
    assert main(["audit", "events", "--dir", str(node)]) == 0
    assert "LOST: a/steward said on" in capsys.readouterr().out
