"""A hospital's decision: by evidence of its own, and never where its guard sees a difference of a few people."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest
from msgspec.structs import replace

from hmchain.application.consent.study_cohorts import StudyCohorts
from hmchain.application.disclosure import evidence as evidence_files
from hmchain.application.disclosure import gathering
from hmchain.application.disclosure.evidence import RECORDS, Attack, Evidence, Found
from hmchain.application.disclosure.gathering import OutdatedEvidenceError
from hmchain.application.governance.delegate import LedgerUser
from hmchain.application.hospital.consortium import Consortium
from hmchain.application.node.reading import open_ledger
from hmchain.application.releases import asking, deciding, register
from hmchain.application.releases.asking import ReleaseArgumentError, ReleaseQuestion
from hmchain.application.releases.deciding import Case, DisclosureError, OtherEvidenceError, WeighEvidenceError
from hmchain.application.releases.guard import CohortsLostError, NoCohortError
from hmchain.application.releases.register import HeldAgainst, People
from hmchain.application.security import log
from hmchain.application.security.events import Kind
from hmchain.application.site import hospital
from hmchain.application.site.hospital import HospitalFolder
from hmchain.application.site.keyring import local_key
from hmchain.ledger.contracts.data.datasets import WithdrawVersion
from hmchain.ledger.readers.releases import ReleaseView
from hmchain.records.catalogue import Catalogue
from support import released_run
from support.finished_run import DATASET, STUDY
from support.finished_run import run_directory as run_directory
from support.used import persons_used

OTHER = "others"
"""A study that never was, but for whose records it used."""


def people(release: str, persons: frozenset[bytes], study: str = OTHER) -> People:
    return People(study, (register.Cohort(release, persons),))


AT_LEAST_TEN = HeldAgainst(lambda left: False, 10)


class Desk:
    """The north of a run, and those who decide there."""

    def __init__(self, run: Path, consortium: Consortium) -> None:
        self.run, self.consortium = run, consortium
        self.place: HospitalFolder = hospital.locate(run / "hospitals" / "north")
        self.steward = self.user("steward")

    def user(self, role: str, organisation: str = "north") -> LedgerUser:
        keys = self.consortium.hospitals[organisation].keys
        return LedgerUser(organisation, getattr(keys, role), self.consortium.ledger)

    def ask(self, name: str = "out") -> ReleaseView:
        scientist = self.user("scientist", "east")
        return asking.ask(scientist, asking.plan(scientist, ReleaseQuestion(STUDY, name=name, audience="public")))

    def evidence(self, view: ReleaseView, found: Found = Found.NOTHING_SEEN) -> Evidence:
        """Evidence lies there already, of attacks on the same records that found this."""
        with open_ledger(self.run / "ledger") as ledger:
            made = gathering.gather(self.place, ledger, STUDY, view.artefact)
        made = replace(made, attacks=(Attack(name="loss", source="a test", found=found),), memorisation=None)
        made = evidence_files.sealed(made, local_key(self.place.keys))
        evidence_files.save(self.place.study(STUDY).evidence, made)
        return made

    def case(self, name: str = "out") -> Case:
        with open_ledger(self.run / "ledger") as ledger:
            return deciding.case(self.place, ledger, name)

    def grant(self, name: str = "out", **how: bool) -> ReleaseView:
        return deciding.grant(self.steward, self.place, self.case(name), **how)

    def let_leave(self, release: str, persons: frozenset[bytes], height: int = 0) -> None:
        """The hospital let something leave before, in which these people are."""
        with register.opened(self.place.released_cohorts) as cohorts:
            cohorts.put(people(release, persons), self.consortium.ledger.now_ms(), height)


@pytest.fixture
def desk(run_directory: Path, tmp_path: Path) -> Iterator[Desk]:
    run = released_run.copied(run_directory, tmp_path)
    with released_run.hospitals_of(run) as consortium:
        desk = Desk(run, consortium)
        desk.evidence(desk.ask())
        yield desk


def test_a_yes_binds_the_evidence_and_is_written_down_before_it_is_sent(desk: Desk) -> None:
    done = desk.grant()
    word = done.of("north")
    assert word is not None and word.decision == "granted"
    assert word.evidence == evidence_files.load(desk.place.study(STUDY).evidence).digest
    with register.opened(desk.place.released_cohorts) as cohorts:
        assert cohorts.known() == ["out"]


@pytest.mark.parametrize("found", [Found.SEEN, Found.NOT_SAID])
def test_what_was_seen_or_could_not_be_is_weighed_by_a_person(desk: Desk, found: Found) -> None:
    desk.evidence(desk.case().view, found)
    with pytest.raises(WeighEvidenceError, match="membership, loss") as refused:
        desk.grant()
    assert "--weighed beside --yes" in refused.value.hint
    assert desk.grant(weighed=True).of("north").decision == "granted"  # type: ignore[union-attr]


def test_what_nothing_changed_stays_the_evidence_that_was_read(desk: Desk) -> None:
    assert desk.case().evidence.digest == desk.case().evidence.digest
    assert desk.case().evidence.attacks[0].source == "a test"


def test_evidence_that_somebody_else_wrote_is_measured_anew_with_an_alarm(desk: Desk) -> None:
    """Who may write into the folder could have made "seen" to "nothing seen" before the steward said yes."""
    where = desk.place.study(STUDY)
    seen = desk.evidence(desk.case().view, Found.SEEN)
    spared = tuple(replace(each, found=Found.NOTHING_SEEN) for each in seen.attacks)
    forged = replace(seen, attacks=spared)
    evidence_files.save(where.evidence, forged)
    where.evidence_page.write_text("nothing was seen")
    found = desk.case().evidence
    assert found.attacks[0].source != "a test" and evidence_files.load(where.evidence) == found
    assert "nothing was seen" not in where.evidence_page.read_text()
    alarms = [line.typed for line in log.read(desk.place.activity) if line.typed.kind is Kind.ALARM]
    assert [(each.what, each.about) for each in alarms] == [("evidence", "out")]
    assert (where.path / f"evidence-{forged.digest.hex()[:16]}.json").exists()


def test_after_an_opt_out_attacks_are_measured_again_and_the_lineage_says_who_is_gone(desk: Desk) -> None:
    before = desk.case().evidence
    opt_one_out(desk)
    after = desk.case().evidence
    assert after.cohort != before.cohort and after.attacks[0].source != "a test"
    assert (RECORDS in after.changed, after.before_ms) == (True, before.computed_ms)
    assert len(list(desk.place.study(STUDY).path.glob("evidence-*.json"))) == 1, "a yes may be bound to it"
    assert desk.case().evidence.digest == after.digest


def opt_one_out(desk: Desk) -> None:
    keys = desk.consortium.hospitals["north"].keys
    with Catalogue(desk.place.catalogue, keys.local) as catalogue, hospital.read_records(desk.place) as records:
        (gone, *_) = records.vault.records(DATASET, 1)
        catalogue.opt_outs.add([catalogue.opt_outs.of_record(gone)], 0)


def test_a_yes_is_to_the_evidence_that_was_read(desk: Desk) -> None:
    read = desk.case().evidence.digest
    with open_ledger(desk.run / "ledger") as ledger:
        assert deciding.as_read(desk.place, ledger, "out", read).evidence.digest == read
        with pytest.raises(OtherEvidenceError):
            deciding.as_read(desk.place, ledger, "out", bytes(32))
        opt_one_out(desk)
        with pytest.raises(OutdatedEvidenceError):
            deciding.as_read(desk.place, ledger, "out", read)


def test_a_version_that_is_withdrawn_meanwhile_is_said_and_no_attack_is_measured_again(desk: Desk) -> None:
    desk.case()
    desk.steward.send(WithdrawVersion(DATASET, 1))
    after = desk.case()
    assert after.evidence.changed == ("lineage",) and after.evidence.attacks[0].source == "a test"
    assert after.weighed == ("lineage",)


def few_less(desk: Desk, gone: int) -> frozenset[bytes]:
    return frozenset(sorted(persons_used(desk.place, STUDY))[gone:])


@pytest.mark.parametrize("gone", [1, 9])
def test_two_cohorts_that_differ_by_a_few_are_refused_whatever_is_said(desk: Desk, gone: int) -> None:
    desk.let_leave("before", few_less(desk, gone))
    assert [(each.earlier, each.persons) for each in desk.case().differences] == [(("before",), gone)]
    with pytest.raises(DisclosureError, match=f"beside before it tells of {gone} p"):
        desk.grant(weighed=True)
    assert desk.case().view.of("north").decision == "waiting"  # type: ignore[union-attr]


def test_those_that_differ_by_enough_or_not_at_all_are_let_leave(desk: Desk) -> None:
    desk.let_leave("before", few_less(desk, 10))
    desk.let_leave("again", few_less(desk, 0))
    assert desk.grant().of("north").decision == "granted"  # type: ignore[union-attr]


def test_what_was_withdrawn_or_refused_since_has_not_left(desk: Desk) -> None:
    gone = desk.ask("gone")
    desk.let_leave(gone.release, few_less(desk, 1))
    with pytest.raises(DisclosureError):
        desk.grant()
    asking.withdraw(desk.user("scientist", "east"), gone.release)
    refused = desk.ask("refused")
    desk.let_leave(refused.release, few_less(desk, 2), desk.consortium.ledger.state.height)
    deciding.refuse(desk.steward, refused, "disclosure")
    assert desk.grant().of("north").decision == "granted"  # type: ignore[union-attr]


def test_a_yes_after_a_no_counts_while_it_is_on_its_way(desk: Desk) -> None:
    """It was written down, and its block is not there yet: what the ledger has is the no from before."""
    again = desk.ask("again")
    deciding.refuse(desk.steward, again, "disclosure")
    desk.let_leave(again.release, few_less(desk, 1))
    with pytest.raises(DisclosureError, match="beside again it tells of 1 person"):
        desk.grant()


@pytest.mark.parametrize("is_refused", [True, False], ids=["refused", "never signed"])
def test_a_yes_that_no_block_took_before_it_expired_has_not_left(desk: Desk, is_refused: bool) -> None:
    again = desk.ask("again")
    with register.opened(desk.place.released_cohorts) as cohorts:
        cohorts.put(people(again.release, few_less(desk, 1)), 1, 0)
    if is_refused:
        deciding.refuse(desk.steward, again, "disclosure")
    assert desk.grant().of("north").decision == "granted"  # type: ignore[union-attr]


def test_a_yes_is_known_with_its_block(desk: Desk) -> None:
    desk.grant()
    deciding.refuse(desk.steward, desk.case().view, "disclosure")
    desk.let_leave("before", few_less(desk, 1))
    second = desk.ask("second")
    with pytest.raises(DisclosureError, match="beside before"):
        desk.grant(second.release)


def test_what_is_on_its_way_counts_as_left(desk: Desk) -> None:
    desk.grant()
    second = desk.ask("second")
    with register.opened(desk.place.released_cohorts) as cohorts:
        fewer = people(second.release, few_less(desk, 1))
        assert [each.earlier for each in cohorts.differences(fewer, AT_LEAST_TEN)] == [("out",)]


def test_a_lost_file_of_cohorts_is_made_anew_or_noticed(desk: Desk) -> None:
    desk.grant()
    desk.ask("second")
    desk.place.released_cohorts.unlink()
    assert not desk.case("second").differences
    with register.opened(desk.place.released_cohorts) as cohorts:
        assert cohorts.known() == ["out"]
    desk.place.released_cohorts.unlink()
    desk.place.study_cohorts.unlink()
    with pytest.raises(CohortsLostError, match="in out, which left"):
        desk.case("second")


def test_without_a_cohort_nothing_is_let_leave(desk: Desk) -> None:
    desk.place.study_cohorts.unlink()
    with pytest.raises(NoCohortError, match="has not written down"):
        desk.case()


def test_cohorts_of_an_earlier_time_let_nothing_leave(desk: Desk) -> None:
    """A backup from before the last round: who withdrew before it cannot be seen."""
    with closing(sqlite3.connect(desk.place.study_cohorts)) as file, file:
        file.execute("DELETE FROM rounds WHERE round = 2")
    with pytest.raises(NoCohortError, match=r"in round 2: .* is of an earlier time"):
        desk.case()


def test_a_no_has_a_code_and_may_become_a_yes(desk: Desk) -> None:
    with pytest.raises(ReleaseArgumentError, match="because"):
        deciding.refuse(desk.steward, desk.case().view, "because")
    done = deciding.refuse(desk.steward, desk.case().view, "purpose")
    assert done.of("north").reason == "purpose"  # type: ignore[union-attr]
    assert desk.grant().of("north").decision == "granted"  # type: ignore[union-attr]


def test_evidence_on_another_thing_is_not_taken_for_it(desk: Desk) -> None:
    view = desk.case().view
    desk.evidence(SimpleNamespace(artefact=bytes(32)))  # type: ignore[arg-type]
    assert deciding.kept_evidence(desk.place, view) is None


def test_a_cohort_is_written_down_once_for_all_processes(desk: Desk) -> None:
    copy = desk.run / "copy.db"
    desk.grant()
    shutil.copy(desk.place.released_cohorts, copy)
    with register.opened(copy) as one, register.opened(copy) as two:
        everybody = frozenset(bytes([number]) * 32 for number in range(40))
        assert not one.admit(people("a", everybody, "a"), AT_LEAST_TEN, 1)
        assert two.admit(people("b", everybody - {bytes([1]) * 32}, "b"), AT_LEAST_TEN, 1)


def test_who_was_in_some_rounds_alone_is_told_by_what_left_with_them(desk: Desk) -> None:
    """The people of all rounds together are the same, and those of the others are one fewer."""
    with closing(StudyCohorts(desk.place.study_cohorts)) as cohorts:
        cohorts.note(STUDY, 3, bytes(32), dict.fromkeys(few_less(desk, 1), ()), "brain", 1, 1)
    desk.let_leave("before", few_less(desk, 0))
    with pytest.raises(DisclosureError, match="beside before it tells of 1 person"):
        desk.grant()


def test_what_left_of_a_study_before_adds_nothing_to_itself(desk: Desk) -> None:
    with closing(StudyCohorts(desk.place.study_cohorts)) as cohorts:
        cohorts.note(STUDY, 3, bytes(32), dict.fromkeys(few_less(desk, 1), ()), "brain", 1, 1)
    assert desk.grant().of("north").decision == "granted"  # type: ignore[union-attr]
    desk.ask("second")
    assert desk.grant("second").of("north").decision == "granted"  # type: ignore[union-attr]


def test_rounds_of_a_study_are_one_cohort(desk: Desk) -> None:
    assert len(persons_used(desk.place, STUDY)) == 32  # those of the validation images too
