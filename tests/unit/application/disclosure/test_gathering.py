"""Evidence gathered at a hospital of a finished run: from its own records, left in its own folder, and written down."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from hmchain.application.data import activity
from hmchain.application.disclosure import evidence, gathering
from hmchain.application.disclosure.evidence import Exemption, Found, Kind, References
from hmchain.application.disclosure.gathering import NothingGivenError
from hmchain.application.disclosure.model_parts import Others, load_target
from hmchain.application.disclosure.thresholds import let_pass
from hmchain.application.learning.model_origin import ModelDiffersError, ModelFileError
from hmchain.application.node.reading import open_ledger
from hmchain.application.site.hospital import HospitalFolder, bare, locate
from hmchain.ledger.readers.ledger import LedgerReader
from support import cohort_bed
from support.finished_run import DATASET, STUDY, images, run_directory  # noqa: F401

ARTEFACT = bytes(range(32))


@pytest.fixture
def run(run_directory: Path, tmp_path: Path) -> Path:  # noqa: F811
    return Path(shutil.copytree(run_directory, tmp_path / "run", symlinks=True))


@pytest.fixture
def north(run: Path) -> HospitalFolder:
    return locate(run / "hospitals" / "north")


@pytest.fixture
def ledger(run: Path) -> Iterator[LedgerReader]:
    with open_ledger(run / "ledger") as ledger:
        yield ledger


class Guess:
    """A reference that knows nothing."""

    def predict(self, given: np.ndarray) -> np.ndarray:
        return np.full((len(given), 2), 0.5)


def test_another_studys_model_is_not_measured_for_it(north: HospitalFolder, ledger: LedgerReader) -> None:
    assert north.run is not None
    path = north.run.model
    assert load_target(path, ledger, STUDY).origin is not None
    with pytest.raises(ModelDiffersError, match="not the model of others"):
        load_target(path, ledger, "others")


def test_a_hospital_measures_a_model_beside_images_of_others(north: HospitalFolder, ledger: LedgerReader) -> None:
    theirs = images(99, 60)
    known_as = References(models=2, by="a test", on="nothing", seconds=0.0)
    others = Others(theirs.images, theirs.labels, np.arange(60), [Guess(), Guess()], known_as)
    told: list[tuple[int, int | None]] = []
    found = gathering.gather(
        north, ledger, STUDY, ARTEFACT, None, lambda done, of: told.append((done, of)), others=others
    )
    assert (found.kind, found.study, found.organisation) == (Kind.MODEL, STUDY, "north")
    assert found.artefact == ARTEFACT.hex()
    assert [each.name for each in found.attacks] == ["loss", "RMIA offline", "LiRA"]
    assert (found.attacks[0].members, found.attacks[0].non_members) == (24, 60)
    assert found.attacks[0].auc is not None and found.attacks[0].rate is None
    assert found.disclosure is None and found.memorisation is not None
    (use,) = found.lineage.data
    assert (use.dataset, use.version, use.withdrawn, use.persons_gone) == (DATASET, 1, False, 0)
    assert (found.lineage.rounds, found.lineage.rounds_given) == (2, 2)
    assert found.lineage.hospitals == ("east", "north", "south", "west")
    left = north.study(STUDY)
    assert evidence.load(left.evidence) == found
    assert "nothing seen" in left.evidence_page.read_text() and found.digest.hex() in left.evidence_page.read_text()
    assert left.evidence_page.stat().st_mode & 0o077 == 0
    assert told == sorted(told) and told[-1] == (1000, 1000)
    (line,) = (each for each in activity.report(north).entries if each.what == "measure")
    assert (line.study, line.dataset, line.version, line.outcome) == (STUDY, DATASET, 1, "done")


def test_with_few_images_it_says_so_and_is_not_whole(north: HospitalFolder, ledger: LedgerReader) -> None:
    found = gathering.gather(north, ledger, STUDY, ARTEFACT, models=2)
    assert {each.found for each in found.attacks} == {Found.NOT_SAID}
    assert "8 images that it was not trained on" in found.attacks[0].why
    assert not found.is_whole
    assert "not said" in north.study(STUDY).evidence_page.read_text()


def test_who_gave_nothing_has_nothing_to_say(ledger: LedgerReader, tmp_path: Path) -> None:
    with pytest.raises(NothingGivenError, match="elsewhere gave nothing"):
        gathering.gather(bare(tmp_path / "elsewhere"), ledger, STUDY, ARTEFACT)


def test_another_file_than_the_ledgers_model_is_never_measured(
    run: Path, north: HospitalFolder, ledger: LedgerReader
) -> None:
    (run / "model.safetensors").write_bytes(b"another one")
    with pytest.raises(ModelFileError):
        gathering.gather(north, ledger, STUDY, ARTEFACT, models=2)
    assert not north.study(STUDY).evidence.exists()
    (line,) = (each for each in activity.report(north).entries if each.what == "measure")
    assert line.outcome == "model_file"


@pytest.mark.parametrize(
    ("name", "query", "found"),
    [("east", "female", Found.NOTHING_SEEN), ("south", "female", Found.SEEN), ("east", "male or female", Found.SEEN)],
)
def test_a_count_is_held_against_the_rules_with_the_hospitals_own_people(
    tmp_path: Path, name: str, query: str, found: Found
) -> None:
    """South has four women; and of whom everybody is one, too much is told of each."""
    bed = cohort_bed.found(tmp_path / "run")
    try:
        cohort_bed.ask(bed, "count", query)
        assert cohort_bed.propose(bed, "count") == "ok"
        directory = bed.consortium.hospitals[name].folder.path
    finally:
        bed.close()
    with open_ledger(tmp_path / "run" / "ledger") as ledger:
        said = gathering.gather(locate(directory), ledger, "count", ARTEFACT)
        assert said.kind is Kind.COUNT and not said.attacks and said.disclosure is not None
        passing = [
            Exemption(cell=each.cell, check=each.check, by=f"{name}/steward", reason="published before")
            for each in said.disclosure.broken
        ]
        kept = replace(said, disclosure=let_pass(said.disclosure, passing))
        passed = gathering.gather(locate(directory), ledger, "count", ARTEFACT, kept=kept)
    assert said.disclosure.found is found
    assert said.is_whole
    assert passed.disclosure is not None and passed.disclosure.found is Found.NOTHING_SEEN
    assert [each.exemption for each in passed.disclosure.broken] == passing


def test_a_hospitals_policy_may_ask_for_more_people(tmp_path: Path) -> None:
    bed = cohort_bed.found(tmp_path / "run")
    try:
        cohort_bed.ask(bed, "count", "female")
        assert cohort_bed.propose(bed, "count") == "ok"
        cohort_bed.set_terms(bed, "east", minimum_cohort=31)
        directory = bed.consortium.hospitals["east"].folder.path
    finally:
        bed.close()
    with open_ledger(tmp_path / "run" / "ledger") as ledger:
        said = gathering.gather(locate(directory), ledger, "count", ARTEFACT).disclosure
    assert said is not None and [each.words for each in said.broken] == ["30 persons"]
    assert "at least 31 persons in a cell" in said.rules
