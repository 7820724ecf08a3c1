"""A scientist's study.toml: every key is checked before anything is sent, and what is wrong is named by its key."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hmchain.application.governance.proposals import specification
from hmchain.application.governance.purposes import purpose_words, terms
from hmchain.application.governance.study_file import Proposal, StudyFileError, load_proposal
from hmchain.application.governance.terms import terms as terms_of
from hmchain.application.learning.description import DescriptionError
from hmchain.errors import InputError
from support.study_bed import Bed

HEAD = 'name = "scans"\n'
DATA = '[datasets]\neast = "brain"\n'


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    bed = Bed.found(tmp_path_factory.mktemp("bed") / "run")
    bed.prepare()
    yield bed
    bed.close()


def proposed(bed: Bed, **given: object) -> dict[str, str]:
    asked = Proposal(name="scans", datasets=dict.fromkeys(bed.names, "brain"), **given)
    return dict(terms_of(specification(bed.state, asked)))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("rounds = 100000000", "rounds = 100000000 is out of range (it may be 1 to 10000"),
        ("rounds = 0", "rounds"),
        ("rounds = 99999999999999999999", "rounds"),
        ('rounds = "many"', "rounds"),
        ("steps = 0", "steps"),
        ("batch = 1", "batch"),
        ("learning_rate = 0", "learning_rate"),
        ("learning_rate = nan", "learning_rate"),
        ("momentum = 1.0", "momentum"),
        ('schedule = "linear"', "schedule"),
        ('model = "resnet"', "fl-cnn (a small GroupNorm CNN"),
        ('model = { name = "fl-cnn", filters = 12 }', "model.filters"),
        ('model = { name = "fl-cnn", stem_stride = 3 }', "model.stem_stride"),
        ("deadlines = { commit = 0 }", "deadlines.commit"),
        ("deadlines = { train = 60 }", "train"),
        ('purpose = "DUO:9999999"', "is no code of the Data Use Ontology"),
        ('purpose = "because"', "DUO:0000006 health or medical"),
        ("seed = 18446744073709551616", "first model follows from the network's salt"),
    ],
)
def test_a_scientist_is_told_at_once_which_key_is_wrong(tmp_path: Path, line: str, said: str) -> None:
    file = tmp_path / "study.toml"
    file.write_text(f"{HEAD}{line}\n{DATA}")
    with pytest.raises(StudyFileError) as error:
        load_proposal(file)
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ('title = "x"\ntext = "y"', "description.contact is empty"),
        ('title = "x"\ntext = "y"\ncontact = "z"\nphone = "1"', "a description has no 'phone'"),
        (f'title = "{"x" * 121}"\ntext = "y"\ncontact = "z"', "description.title has 121 characters"),
    ],
)
def test_a_description_without_what_people_ask_first_is_sent_back(tmp_path: Path, table: str, said: str) -> None:
    file = tmp_path / "study.toml"
    file.write_text(f"{HEAD}{DATA}[description]\n{table}\n")
    with pytest.raises(DescriptionError, match="description") as error:
        load_proposal(file)
    assert said in str(error.value)


def test_a_steward_sees_every_choice_of_the_scientist(bed: Bed) -> None:
    shown = proposed(
        bed, rounds=5, steps=2, batch=6, learning_rate=0.01, schedule="constant", momentum=0.5, augmentation=False
    )
    assert "2 steps of 6 images" in shown["plan"] and "0.01 in the first round, 0.01 in the last" in shown["plan"]
    assert "its momentum 0.5" in shown["next model"] and shown["with"] == "no more"
    assert shown["model"].startswith("fl-cnn, 16 filters, stem stride 2; ")
    assert shown["purpose"] == "DUO:0000006, health or medical or biomedical research"


def test_what_a_network_does_not_allow_is_said_before_it_is_sent(bed: Bed) -> None:
    from hmchain.application.governance.study_file import PhaseSeconds

    with pytest.raises(InputError, match=r"deadlines\.verify = 2 is too short"):
        proposed(bed, deadlines=PhaseSeconds(verify=2))
    assert "train within 90 s" in proposed(bed, deadlines=PhaseSeconds(commit=90))["deadlines"]
    with pytest.raises(InputError, match="a plan of 9000 rounds takes"):
        proposed(bed, rounds=9000, learning_rate=0.1)


def test_the_table_of_purposes_is_the_ontologys() -> None:
    assert len(terms()) == 25 and terms()["DUO:0000042"] == "general research use"
    assert purpose_words("DUO:0000003").endswith("a code that this version does not know")
