"""A table of a hospital's own people: checked cell by cell, let leave by its stewards, and proven by its file alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hmchain.application.disclosure.evidence import Exemption, Found
from hmchain.application.disclosure.thresholds import ExemptionError
from hmchain.application.governance.delegate import LedgerUser
from hmchain.application.hospital.consortium import Consortium
from hmchain.application.models import export
from hmchain.application.node.reading import open_ledger
from hmchain.application.releases import asking, deciding, file, table_file
from hmchain.application.releases.asking import ReleaseArgumentError, ReleaseQuestion
from hmchain.application.releases.deciding import Case, DisclosureError, Measure
from hmchain.application.releases.file import ReleaseThereError
from hmchain.application.releases.guard import CohortsLostError
from hmchain.application.releases.proving import NotReleasedError
from hmchain.application.releases.released_count import ReleasedFileError
from hmchain.application.releases.table_file import TableFileError
from hmchain.application.site import hospital
from hmchain.errors import AuditError
from hmchain.ledger.readers.releases import ReleaseView
from support import released_run
from support.finished_run import DATASET
from support.finished_run import run_directory as run_directory

GOOD = "sex,stage,persons\nfemale,I,40\nfemale,II,31\nmale,I,52\nmale,II,25\n"


class Desk:
    """The north of a run: its scientist has tables, its steward decides."""

    def __init__(self, run: Path, consortium: Consortium) -> None:
        self.run, keys = run, consortium.hospitals["north"].keys
        self.place = hospital.locate(run / "hospitals" / "north")
        self.scientist = LedgerUser("north", keys.scientist, consortium.ledger)
        self.steward = LedgerUser("north", keys.steward, consortium.ledger)

    def ask(self, text: str = GOOD, name: str = "stages", version: int | None = None) -> ReleaseView:
        path = self.run / "given.csv"
        path.write_text(text)
        wanted = ReleaseQuestion("", "public", (), name)
        return asking.ask_table(
            self.scientist, self.place, asking.plan_table(self.scientist, self.place, path, DATASET, version, wanted)
        )

    def case(self, name: str = "stages", **how: object) -> Case:
        with open_ledger(self.run / "ledger") as ledger:
            return deciding.case(self.place, ledger, name, how=Measure(**how))  # type: ignore[arg-type]

    def grant(self, name: str = "stages", *, weighed: bool = False) -> ReleaseView:
        return deciding.grant(self.steward, self.place, self.case(name), weighed=weighed)

    def write(self, target: Path, name: str = "stages") -> file.ReleasedFile:
        return file.write(export.locate(self.place.path), name, target)

    def findings(self, text: str, name: str) -> set[tuple[str, str]]:
        self.ask(text, name)
        found = self.case(name).evidence.disclosure
        assert found is not None
        return {(each.cell, each.check) for each in found.broken}


@pytest.fixture
def desk(run_directory: Path, tmp_path: Path) -> Iterator[Desk]:
    run = released_run.copied(run_directory, tmp_path)
    with released_run.hospitals_of(run) as consortium:
        yield Desk(run, consortium)


def test_a_table_leaves_by_its_hospital_s_word_and_its_file_proves_it(desk: Desk, tmp_path: Path) -> None:
    view = desk.ask()
    assert (view.kind, view.dataset, view.version, view.waits_for) == ("table", DATASET, 1, ("north",))
    assert desk.case().is_clear
    with pytest.raises(NotReleasedError, match="table stages of scans version 1 stays inside"):
        desk.write(tmp_path / "out.csv")
    assert desk.grant().is_released
    with pytest.raises(ReleaseThereError, match=r"end in \.csv|no name of a table"):
        desk.write(tmp_path / "out.json")
    found = desk.write(tmp_path / "out.csv")
    assert found.table is not None and found.table.cells[""] == 148
    assert file.check(tmp_path / "out.csv", found.proven.genesis).anchored
    assert (tmp_path / "out.csv").read_text().endswith(GOOD)


def test_another_table_is_never_what_was_released(desk: Desk, tmp_path: Path) -> None:
    desk.ask()
    desk.grant()
    desk.write(tmp_path / "out.csv")
    text = (tmp_path / "out.csv").read_text()
    for said, other in (("I,40", "I,41"), ("female,II", "male,III"), (GOOD, GOOD + "other,I,99\n"), ("\n", "\r\n")):
        (tmp_path / "out.csv").write_bytes(text.replace(said, other).encode())
        with pytest.raises((AuditError, TableFileError)):
            file.check(tmp_path / "out.csv")
    desk.ask(GOOD.replace("40", "400"), "larger")
    kept = table_file.load(desk.place.table("larger").table)
    taken = text.partition("\n")[0] + "\n" + GOOD.replace("40", "400")
    (tmp_path / "out.csv").write_text(taken)
    with pytest.raises(AuditError, match="another table"):
        file.check(tmp_path / "out.csv")
    assert kept.artefact != table_file.load(desk.place.table("stages").table).artefact
    with pytest.raises(ReleasedFileError, match="carries no proof"):
        file.check(desk.place.table("larger").table)


def test_the_table_that_was_asked_for_cannot_be_exchanged_before_the_yes(desk: Desk) -> None:
    desk.ask()
    path = desk.place.table("stages").table
    path.write_text(path.read_text().replace("I,40", "I,41"))
    with pytest.raises(TableFileError, match="is not what is to leave"):
        desk.case()


def test_equal_tables_have_other_digests(desk: Desk) -> None:
    assert desk.ask(name="one").artefact != desk.ask(name="two").artefact


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (GOOD, set()),
        (GOOD.replace("25", "9"), {("sex=male, stage=II", "threshold")}),
        (GOOD.replace("25", "0"), {("sex=male, stage=II", "zero")}),
        ("sex,persons\nfemale,40\nmale,31\n", set()),
        ("all,persons\nall,40\n", set()),
    ],
)  # fmt: skip
def test_each_cell_is_held_against_the_rules(desk: Desk, text: str, found: set[tuple[str, str]]) -> None:
    assert desk.findings(text, "stages") == found


COSTS = "sex,persons,value\nfemale,12,120\nmale,12,1110\n"
LINES = "sex,value\n" + "female,10\n" * 12 + "male,1000\n" + "male,10\n" * 11


def test_sums_are_not_said_without_who_gave_how_much_and_that_is_not_kept(desk: Desk, tmp_path: Path) -> None:
    desk.ask(COSTS)
    assert desk.case().evidence.parts[0][1] is Found.NOT_SAID
    (tmp_path / "lines.csv").write_text(LINES)
    found = desk.case(contributions=tmp_path / "lines.csv").evidence
    assert {(each.cell, each.check) for each in found.disclosure.broken} == {  # type: ignore[union-attr]
        ("sex=male", "dominance")
    }
    assert desk.case().evidence.digest == found.digest, "what they said of this very table stays"
    kept = b"".join(path.read_bytes() for path in desk.place.path.rglob("*") if path.is_file())
    assert b"male,1000" not in kept


@pytest.mark.parametrize(
    ("lines", "why"),
    [("sex,value\n" + "female,10\n" * 12, "does not have as many"), (LINES + "other,1\n", "of no cell"),
     (LINES.replace("1000", "much"), "no number"), ("value\n1\n", "other columns")],
)  # fmt: skip
def test_lines_that_do_not_fit_the_table_are_refused(desk: Desk, tmp_path: Path, lines: str, why: str) -> None:
    desk.ask(COSTS)
    (tmp_path / "lines.csv").write_text(lines)
    with pytest.raises(TableFileError, match=why):
        desk.case(contributions=tmp_path / "lines.csv")


def test_what_passes_all_the_same_has_a_name_and_a_reason_and_only_as_long_as_the_very_same_is_found(
    desk: Desk,
) -> None:
    desk.ask(GOOD.replace("25", "9"))
    (broken,) = desk.case().evidence.disclosure.broken  # type: ignore[union-attr]
    passing = Exemption(cell=broken.cell, check=broken.check, by="Dr Ada", reason="public")
    for wrong in ({"reason": "because"}, {"cell": "sex=male"}, {"by": " "}):
        fields = {"cell": broken.cell, "check": broken.check, "by": "Dr Ada", "reason": "public"} | wrong
        with pytest.raises(ExemptionError):
            desk.case(exemptions=(Exemption(**fields),))
    found = desk.case(exemptions=(passing,))
    assert found.is_clear and found.evidence.disclosure.broken[0].exemption == passing  # type: ignore[union-attr]
    assert desk.case().is_clear and desk.grant().is_released


def test_a_table_after_one_with_a_few_people_more_or_less_is_refused(desk: Desk) -> None:
    desk.ask()
    desk.grant()
    desk.ask(GOOD.replace("40", "41"), "after")
    assert {(each.earlier, each.persons) for each in desk.case("after").differences} == {(("stages",), 1)}
    with pytest.raises(DisclosureError, match="beside stages it tells of 1 person"):
        desk.grant("after", weighed=True)
    desk.ask(name="same")
    assert desk.grant("same").is_released
    desk.ask(GOOD.replace("40", "60"), "later")
    assert desk.grant("later").is_released


@pytest.mark.parametrize(
    "text",
    [
        "stage,sex,persons\nI,female,41\n",
        "Sex, STAGE,persons\nFemale,i,41\n",
        "sex,persons\nmale,76\n",
        "stage,sex,age,persons\nI,female,40-49,20\nI,female,50-59,21\n",
    ],
)
def test_another_shape_or_spelling_of_a_table_hides_no_difference(desk: Desk, text: str) -> None:
    """Whoever asks could have swapped columns, or asked for a sum that the first table gives but for one person."""
    desk.ask()
    desk.grant()
    desk.ask(text, "after")
    assert [(each.earlier, each.persons) for each in desk.case("after").differences] == [(("stages",), 1)]
    with pytest.raises(DisclosureError):
        desk.grant("after", weighed=True)


def test_a_table_that_left_and_is_gone_is_noticed(desk: Desk) -> None:
    desk.ask()
    desk.grant()
    desk.ask(GOOD.replace("40", "41"), "after")
    desk.place.released_cohorts.unlink()
    with pytest.raises(DisclosureError):
        desk.grant("after")
    desk.place.released_cohorts.unlink()
    desk.place.table("stages").table.unlink()
    with pytest.raises(CohortsLostError, match="in stages, which left"):
        desk.case("after")


@pytest.mark.parametrize(
    "text",
    ["", "sex\nfemale\n", "persons\n4\n", "sex,persons\n", "sex,persons\nfemale,-1\n", "sex,persons\nfemale,4.5\n",
     "sex,persons\nfemale,4\nfemale,5\n", "sex,sex,persons\na,b,4\n", "sex,persons\nfemale\n",
     "sex,persons\nfemale,4,5\n",
     "sex,persons,value\nfemale,4,nan\n", "sex,persons,value\nfemale,4\n", 'sex,persons\n"female,4\n',
     "sex,persons\nfemale,٤٠\n", "sex,persons\n=1+1,40\n", "@sex,persons\nfemale,40\n",
     "a,b,c,d,e,f,g,persons\n1,1,1,1,1,1,1,40\n"],
)  # fmt: skip
def test_what_is_no_table_of_counts_is_refused(desk: Desk, text: str) -> None:
    with pytest.raises(TableFileError):
        desk.ask(text)


def test_a_table_is_of_a_version_that_was_published_and_a_name_is_given_once(desk: Desk) -> None:
    with pytest.raises(ReleaseArgumentError, match="has not published version 7"):
        desk.ask(version=7)
    desk.ask()
    with pytest.raises(ReleaseArgumentError, match="there is a release stages already"):
        desk.ask(GOOD.replace("40", "50"))
    assert desk.case().view.artefact == table_file.load(desk.place.table("stages").table).artefact


@pytest.mark.parametrize("name", ["../out", "/out", "A b", ""])
def test_a_name_is_no_way_out_of_the_folder(desk: Desk, name: str) -> None:
    if name:
        with pytest.raises(ReleaseArgumentError, match="cannot name a release"):
            desk.ask(name=name)
    else:
        assert desk.ask(name=name).release == "scans-table"
    assert not list(desk.run.rglob("out/table.csv"))


def test_asking_again_after_a_command_was_cut_short_asks_for_the_very_same(desk: Desk) -> None:
    path = desk.run / "given.csv"
    path.write_text(GOOD)
    wanted = ReleaseQuestion("", "public", (), "stages")
    first = asking.plan_table(desk.scientist, desk.place, path, DATASET, None, wanted)
    assert first.table is not None
    table_file.save(desk.place.table("stages").table, first.table)
    assert desk.ask().artefact == first.asked.artefact
    other = desk.ask(GOOD.replace("40", "60"), "other")
    assert other.artefact != first.asked.artefact and desk.case().view.artefact == first.asked.artefact
