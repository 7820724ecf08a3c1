"""The log of security events: chained, crash-safe, for several processes; what was done to it afterwards is found."""

from __future__ import annotations

import multiprocessing
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from hmchain.application.security import log as security
from hmchain.application.security.checking import Checked, LogDefectError, NewerLogError, checked, require_earlier
from hmchain.application.security.events import ASSETS, Event, Kind
from hmchain.application.security.log import (
    ActivityLogError,
    SecurityLog,
    Written,
    detail,
    head,
    link,
    read,
    record,
    this_user,
)
from hmchain.application.site.activity import KINDS, Deed, What, read_lines, recorded

WHOSE = "north"
Change = Callable[[list[Written]], list[Written]]


def filled(path: Path) -> list[Written]:
    """A log of six lines, one of them with a part that the hospital keeps to itself."""
    record(path, Event(Kind.SIGN_IN))
    with recorded(path, Deed(What.EXPORT, dataset="head", person="M. Curie", records=12)):
        record(path, Event(Kind.KEY_CHANGED, about="steward"))
    record(path, Event(Kind.SIGN_OUT))
    return list(read(path))


def check(lines: list[Written], anchors: dict[int, bytes] | None = None) -> list[Checked]:
    return list(checked(lines, anchors or {}, WHOSE))


def test_every_kind_has_its_place_in_the_standard_and_every_deed_its_kind() -> None:
    assert set(ASSETS) == set(Kind)
    assert set(KINDS) == set(What)


def test_lines_follow_from_each_other_and_from_the_beginning(tmp_path: Path) -> None:
    lines = filled(tmp_path / "log")
    found = check(lines, {each.number: each.link for each in lines})
    assert [each.number for each in found] == [1, 2, 3, 4, 5, 6]
    assert [each.event.kind for each in found] == [
        Kind.LOG_BEGUN, Kind.SIGN_IN, Kind.DATA_EXPORTED, Kind.KEY_CHANGED, Kind.DATA_EXPORTED, Kind.SIGN_OUT,
    ]  # fmt: skip
    assert [each.event.outcome for each in found[2:5]] == ["begun", "done", "done"] and found[4].event.ends == 3
    assert {each.event.user for each in found} == {this_user()}


def test_links_are_those_that_the_specification_gives() -> None:
    """A log outlives programs: whoever writes another one computes the same."""
    begun = link(bytes(32), 1, 1_700_000_000_000, '{"kind":"log.begun","about":"north"}')
    assert begun.hex() == "860a772c1c85c77cc1c250247ee5c57aba0bc0c15f83ebab6e1ddb2d5b489a53"
    assert detail(bytes(16), "{}") == "6c5da4a2fc760294e72d9d49c716b189bca332d4e679ad4cce6104135a6ad0ff"


def test_what_the_hospital_keeps_to_itself_is_bound_and_stays_at_home(tmp_path: Path) -> None:
    lines = filled(tmp_path / "log")
    public = "".join(each.event for each in lines)
    assert "Curie" not in public and '"records"' not in public
    assert [line.deed.records for line in read_lines(tmp_path / "log")] == [12, 0]
    check([replace(each, own="", salt=b"") for each in lines])
    own = [each.own.replace("12", "13") for each in lines]
    with pytest.raises(LogDefectError, match=r"noted beside event 3 of the log of north was changed"):
        check([replace(each, own=text) for each, text in zip(lines, own, strict=True)])


def rechained(lines: list[Written], tmp_path: Path) -> list[Written]:
    """What somebody makes who may write the file, and knows how links are made."""
    path = tmp_path / "forged"
    with closing(SecurityLog(path)) as log:
        for line in lines[1:]:
            log.write(line.typed)
    return list(read(path))


CHANGES: dict[str, tuple[Change, str]] = {
    "cut out": (lambda lines: lines[:2] + lines[3:], "event 3 of the log of north is missing"),
    "cut at the beginning": (lambda lines: lines[1:], "the beginning of the log of north is missing"),
    "put elsewhere": (lambda lines: [*lines[:2], lines[3], lines[2], *lines[4:]], "event 3 .* is missing"),
    "numbered anew": (
        lambda lines: [*lines[:2], *(replace(x, number=x.number - 1) for x in lines[3:])],
        "event 3 .* does not follow",
    ),
    "written anew": (
        lambda lines: [*lines[:2], replace(lines[2], event=lines[1].event), *lines[3:]],
        "event 3 .* does not follow",
    ),
    "of another time": (
        lambda lines: [*lines[:2], replace(lines[2], at_ms=7), *lines[3:]],
        "event 3 .* does not follow",
    ),
    "no event": (lambda lines: [*lines[:2], replace(lines[2], event="{}"), *lines[3:]], "is none"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_lines_that_were_changed_are_found_without_an_anchor(change: str, tmp_path: Path) -> None:
    changed, words = CHANGES[change]
    with pytest.raises(LogDefectError, match=words) as found:
        check(changed(filled(tmp_path / "log")))
    assert found.value.exit_code == 7


def test_a_chain_that_was_made_anew_is_found_by_an_anchor(tmp_path: Path) -> None:
    lines = filled(tmp_path / "log")
    forged = rechained([*lines[:3], *lines[4:]], tmp_path)
    check(forged)
    with pytest.raises(LogDefectError, match="event 2 of the log of north is not the one that was anchored"):
        check(forged, {2: lines[1].link})
    with pytest.raises(LogDefectError, match="ends with event 5, and event 6 was anchored"):
        check(lines[:5], {6: lines[5].link})


def test_a_log_that_names_another_hospital_is_not_this_ones(tmp_path: Path) -> None:
    """Before a first anchor nothing else tells whose it is; one that began in a folder without a name names nobody."""
    record(tmp_path / "log", Event(Kind.SIGN_IN), "south")
    with pytest.raises(LogDefectError, match="the log of north is that of south"):
        check(list(read(tmp_path / "log")))
    assert [each.event.about for each in checked(read(tmp_path / "log"), {}, "south")] == ["south", ""]


def test_a_later_version_s_kind_of_event_is_no_defect_and_hides_none(tmp_path: Path) -> None:
    record(tmp_path / "log", Event(Kind.SIGN_IN))
    lines = list(read(tmp_path / "log"))
    for text in ('{"kind":"quantum.leap","about":"x","more":[1]}', lines[1].event):
        number, before = lines[-1].number + 1, lines[-1].link
        lines.append(Written(number, 7, text, link(before, number, 7, text)))
    with pytest.raises(NewerLogError, match=r"event 3 of the log of north is of a kind") as found:
        check(lines, {4: lines[3].link})
    assert found.value.exit_code == 4
    with pytest.raises(LogDefectError, match=r"event 4 .* is not the one that was anchored"):
        check(lines, {4: bytes(32)})
    for text in ('{"kind":7}', '{"kind":"sign-in","about":7}', "[]", '{"kind":"quantum.leap","round":"x"}'):
        with pytest.raises(LogDefectError, match="is none"):
            check([*lines[:2], replace(lines[2], event=text)])


def _write(path: Path, count: int) -> None:
    for _ in range(count):
        record(path, Event(Kind.ALARM))


@pytest.mark.process
def test_processes_write_side_by_side_into_one_chain(tmp_path: Path) -> None:
    path = tmp_path / "log"
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_write, args=(path, 10)) for _ in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [each.number for each in check(list(read(path)))] == list(range(1, 32))


def test_a_last_line_that_is_none_is_named_and_not_built_upon(tmp_path: Path) -> None:
    """What is left of a file whose end was torn off may read as nothing, or as text."""
    path = tmp_path / "log"
    filled(path)
    for value in ("NULL", "'x'"):
        damaged = tmp_path / value
        damaged.write_bytes(path.read_bytes())
        with closing(sqlite3.connect(damaged)) as file, file:
            file.executescript(
                f"CREATE TABLE torn AS SELECT * FROM events; DROP TABLE events; ALTER TABLE torn RENAME TO events; "
                f"UPDATE events SET link = {value} WHERE number = 6"
            )
        for read_or_write in (head, lambda path: record(path, Event(Kind.SIGN_IN))):
            with pytest.raises(ActivityLogError, match="is damaged"):
                read_or_write(damaged)


def test_a_column_that_somebody_added_is_no_part_of_a_line(tmp_path: Path) -> None:
    """It ended as unexpected."""
    lines = filled(tmp_path / "log")
    with closing(sqlite3.connect(tmp_path / "log")) as file:
        file.execute("ALTER TABLE events ADD COLUMN more TEXT DEFAULT 'M. Curie'")
    assert list(read(tmp_path / "log")) == lines


def test_a_clock_that_goes_back_breaks_no_chain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for now_ms in (9000, 4000, 7000):
        monkeypatch.setattr(security, "now_ms", lambda now_ms=now_ms: now_ms)
        record(tmp_path / "log", Event(Kind.SIGN_IN))
    assert [each.at_ms for each in check(list(read(tmp_path / "log")))] == [9000, 9000, 4000, 7000]


def test_lines_of_a_version_without_chains_are_bound_by_the_first_line(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("CREATE TABLE lines (number INTEGER PRIMARY KEY, at_ms INTEGER, ends INTEGER, body TEXT)")
        file.execute("""INSERT INTO lines VALUES (1, 5, NULL, '{"what":"export"}'), (2, 6, 1, '{"outcome":"done"}')""")
    record(path, Event(Kind.SIGN_IN))
    assert [line.number for line in read_lines(path)] == [1, 2]
    found = check(list(read(path)))
    assert [(each.number, each.event.kind) for each in found] == [(3, Kind.LOG_BEGUN), (4, Kind.SIGN_IN)]
    require_earlier(path, WHOSE)
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("UPDATE lines SET at_ms = 7 WHERE number = 2")
    with pytest.raises(LogDefectError, match="before its chain"):
        require_earlier(path, WHOSE)
    with pytest.raises(LogDefectError, match="beginning"):
        check([replace(list(read(path))[1], number=9)])
