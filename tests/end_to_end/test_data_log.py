"""What left my hospital? The log of a hospital's folder answers, also of what was killed in between."""

from __future__ import annotations

import csv
import io
import sqlite3
from pathlib import Path

import pytest

from hmchain.application.data import activity, export
from hmchain.application.security.log import ActivityLogError, this_user
from hmchain.application.site.activity import Deed, What, read_lines, recorded
from hmchain.application.site.hospital import locate, read_records
from support.finished_run import ROUNDS, STUDY, run_directory
from support.steward import NAME, NUMBER, Steward, scans, steward

__all__ = ["run_directory", "scans", "steward"]


def test_a_steward_reads_what_was_done_by_whom_and_what_left(steward: Steward, scans: Path, tmp_path: Path) -> None:
    steward.run("extract", str(scans), "--into", "head")
    held = {each["code"]: each["item"] for each in steward.run("quarantine", "list")}
    steward.run("quarantine", "look", held["burned_in_text"], "--output", str(tmp_path / f"{NAME}.dcm"))
    steward.run("quarantine", "reject", held["burned_in_text"], "--reviewer", "M. Curie")
    steward.run("register", "head", "--leave-waiting")
    steward.run("export", "head", "--output", str(tmp_path / f"for {NAME}"))
    full = steward.run("export", "head", "--output", str(tmp_path), expect=2)
    assert full["error"]["code"] == "folder_in_use"
    steward.run("erase", "--patient", f"{NUMBER}-2")
    steward.run("export", "nothing", "--output", str(tmp_path / "more"), expect=2)
    found = steward.run("log")
    done = [(each["what"], each["dataset"], each["records"], each["outcome"]) for each in found["entries"]]
    assert done == [
        ("extract", "head", 12, "done"),
        ("look", "head", 0, "done"),
        ("reject", "head", 0, "done"),
        ("register", "head", 12, "done"),
        ("export", "head", 12, "done"),
        ("export", "head", 0, "folder_in_use"),
        ("erase", "", 3, "done"),
    ]
    assert {each["user"] for each in found["entries"]} == {this_user()}
    assert found["entries"][2]["person"] == "M. Curie" and found["entries"][1]["where"] == "file"
    left = steward.run("log", "--left")["entries"]
    assert [each["what"] for each in left] == ["look", "export", "export"]
    said = steward.show("log", "--since", "2020-01-01")
    assert f"export of 12 records of head v1 by {this_user()} on" in said and "no update of a model" in said
    assert "1 export ended with an error: folder_in_use" in said and "export of 0 records" not in said
    table = list(csv.DictReader(io.StringIO(steward.show("log", "--csv", "--what", "export"))))
    assert [(row["what"], row["records"]) for row in table] == [("export", "12"), ("export", "0")]
    kept = b"".join(path.read_bytes() for path in steward.folder.glob("activity.db*"))
    assert NAME.encode() not in kept and NUMBER.encode() not in kept, "neither patients nor names of files"
    assert steward.run("log", "--what", "nothing", expect=2)["error"]["code"] == "no_such_activity"


def test_what_was_typed_for_a_dataset_is_not_kept_for_ever(steward: Steward) -> None:
    """A patient's name, at the place of the dataset's."""
    slip = "Meier-Anna-1950"
    steward.run("erase", slip, "--subject", "nobody", expect=2)
    steward.run("prepare", slip, "--into", "x", expect=2)
    steward.run("prove", "nothing", "--dataset", slip, "--output", str(steward.folder / "proof"), expect=2)
    kept = b"".join(path.read_bytes() for path in steward.folder.glob("activity.db*"))
    assert slip.encode() not in kept


def test_what_was_killed_in_between_shows(tmp_path: Path) -> None:
    """A kill leaves the line of the beginning: nothing was waiting to be written."""
    path = tmp_path / "activity.db"
    with recorded(path, Deed(What.EXPORT, dataset="head")) as deed:
        seen = list(read_lines(path))
        deed.add(records=5)
    assert [(line.ends, line.deed.what, line.deed.outcome) for line in seen] == [(None, What.EXPORT, "")]
    with pytest.raises(ZeroDivisionError), recorded(path, Deed(What.LOOK)):
        raise ZeroDivisionError("patient Jane")
    ends = [(line.ends, line.deed.records, line.deed.outcome) for line in read_lines(path) if line.ends]
    assert ends == [(2, 5, "done"), (4, 0, "ZeroDivisionError")]


def test_lines_stay_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "activity.db"
    with recorded(path, Deed(What.EXPORT)):
        pass
    with sqlite3.connect(path) as file:
        for statement in ("DELETE FROM events", "UPDATE events SET event = '{}'"):
            with pytest.raises(sqlite3.IntegrityError, match="lines stay"):
                file.execute(statement)


def test_nothing_is_done_that_the_log_cannot_hold(steward: Steward, scans: Path, tmp_path: Path) -> None:
    steward.run("extract", str(scans), "--into", "head")
    place = locate(steward.folder)
    place.activity.write_bytes(b"no database of anybody's" * 100)
    with read_records(place) as records, pytest.raises(ActivityLogError):
        export.export(records, records.catalogue.version("head"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_updates_of_studies_are_counted_round_by_round(run_directory: Path) -> None:
    north = locate(run_directory / "hospitals" / "north")
    found = activity.report(north, left=True)
    updates = [(each.round, each.role, each.outcome) for each in found.entries if each.what == "update"]
    assert updates == [(number, "agent", "done") for number in range(ROUNDS + 1)]
    assert [each.what for each in found.entries].count("study-keys") == 1
    assert found.totals.updates == {STUDY: sum(each.bytes for each in found.entries if each.what == "update")}
    assert found.totals.exports == ()
