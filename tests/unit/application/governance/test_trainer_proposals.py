"""A study.toml with a trainer of somebody's own: what it pins, what its stewards read, what is told of a wrong key."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hmchain.application.governance.proposals import specification
from hmchain.application.governance.study_file import StudyFileError, load_proposal
from hmchain.application.governance.terms import terms
from hmchain.application.hospital.consortium import Consortium
from hmchain.application.learning.trainer_study import read_pins
from hmchain.application.learning.trainers.source import TrainerCodeError, read_source
from hmchain.application.learning.trainers.worker import TrainerError
from support.own_trainers import SCHEMA, TITLES, altered, logistic, rows

DATA = "[datasets]\n" + "".join(f'{name} = "rows"\n' for name in TITLES)
STUDY = 'name = "risk"\ntrainer = "logistic.py:Logistic"\nrounds = 12\n[options]\nsteps = 5\nrate = 0.5\n'


@pytest.fixture(scope="module")
def consortium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Consortium]:
    with Consortium.create(tmp_path_factory.mktemp("own") / "run", "own", TITLES) as consortium:
        for order, hospital in enumerate(consortium.hospitals.values()):
            hospital.store_rows("rows", {"train": rows(32, order), "validation": rows(16, 10 + order)})
            consortium.require(hospital.register("rows", SCHEMA), hospital.publish("rows", 1))
        yield consortium


def written(folder: Path, text: str) -> Path:
    file = folder / "study.toml"
    file.write_text(text + DATA)
    return file


def test_what_a_steward_reads_says_whose_code_it_is_and_with_which_rights(
    consortium: Consortium, tmp_path: Path
) -> None:
    digest = read_source(f"{logistic(tmp_path)}:Logistic").digest
    spec = specification(consortium.ledger.state, load_proposal(written(tmp_path, STUDY)))
    assert spec.code == digest and read_pins(spec)[1].settings() == {"steps": 5, "rate": 0.5}
    said = dict(terms(spec))
    assert said["training code"].startswith("NOT OURS. It runs with all rights of your hospital's agent")
    assert digest.hex() in said["training code"]
    assert "of somebody's own: 'Logistic'" in said["model"] and "rows of 5 numbers" in said["learns"]
    assert said["options"] == '{"rate":0.5,"steps":5}' and "an eighth" in said["plan"]
    assert "stay in, or out" in said["absence"]
    assert "score" in said["gate"] and "train within 120 s" in said["deadlines"]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("rounds = 12", "rounds = 12\nsteps = 9", "steps is a setting of fl-cnn"),
        ("rounds = 12", "rounds = 12\nmomentum = 0.5", "momentum is a setting of fl-cnn"),
        ('trainer = "logistic.py:Logistic"\n', "", "options is for somebody's own trainer"),
    ],
)
def test_settings_of_another_trainer_are_named(tmp_path: Path, old: str, new: str, told: str) -> None:
    with pytest.raises(StudyFileError, match=told):
        load_proposal(written(tmp_path, STUDY.replace(old, new)))


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("logistic.py:Logistic", "none.py:Logistic", "cannot be read"),
        ("logistic.py:Logistic", "logistic.py:Nothing", "is no trainer"),
        ("[options]\nsteps = 5\nrate = 0.5\n", "[options]\nfeatures = 7\n", "KeyError at logistic.py:"),
        ("rounds = 12", "clip_norm = 0.0", "clip_norm = 0 is out of range"),
        ("rounds = 12", f"rounds = {10**400}", "rounds = 1000"),
    ],
)
def test_a_trainer_that_cannot_be_is_told_before_anything_is_sent(
    consortium: Consortium, tmp_path: Path, old: str, new: str, told: str
) -> None:
    altered(tmp_path, "logistic.py", ("self.schema.width, len", "self.options['steps'] * 0 + self.schema.width, len"))
    with pytest.raises((TrainerCodeError, TrainerError, StudyFileError), match=told):
        specification(consortium.ledger.state, load_proposal(written(tmp_path, STUDY.replace(old, new))))


def test_rows_without_a_trainer_are_told_what_to_name(consortium: Consortium, tmp_path: Path) -> None:
    with pytest.raises(StudyFileError, match="learns from images") as told:
        specification(consortium.ledger.state, load_proposal(written(tmp_path, 'name = "risk"\n')))
    assert 'trainer = "FILE.py:CLASS"' in told.value.hint
