"""The evidence on a model of somebody's own trainer: by its predictions, in a process, of accepted code alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hmchain.application.consent.usable import Use, UseKind, usable
from hmchain.application.disclosure.evidence import Found
from hmchain.application.disclosure.model_parts import ModelParts
from hmchain.application.disclosure.own_trainer_parts import by_predictions
from hmchain.application.hospital.consortium import Consortium
from hmchain.application.learning.model_file import Model, own_preprocessing
from hmchain.application.learning.trainer_study import TrainerModel, TrainerPlan, start, trainer_spec
from hmchain.application.learning.trainers.source import AcceptedTrainer, read_source
from hmchain.application.site.hospital import Records, read_records
from hmchain.canonical import decode
from hmchain.ledger.contracts.learning.studies import DatasetUse
from hmchain.records.vault import Vault
from support.own_trainers import SCHEMA, TITLES, altered, logistic, rows

pytestmark = pytest.mark.process
PREDICT = "    def predict(self, weights, inputs):\n"


@contextmanager
def held(folder: Path, trained: int = 60) -> Iterator[Records]:
    """The rows of one hospital: those of training, and 40 others."""
    with Consortium.create(folder / "run", "own", TITLES) as consortium:
        hospital = consortium.hospitals["elm"]
        hospital.store_rows("rows", {"train": rows(trained, 1), "validation": rows(40, 2)})
        place = hospital.folder
        consortium.require(hospital.register("rows", SCHEMA), hospital.publish("rows", 1))
    with read_records(place) as records:
        yield records


def parts(records: Records, path: Path, accepted: Path | None = None) -> ModelParts:
    """What is said of the first model of a trainer."""
    source = read_source(f"{path}:Logistic")
    plan = TrainerPlan.of(1, {"steps": 1, "rate": 0.1})
    uses = tuple(DatasetUse(name, "rows", 1) for name in TITLES)
    begun = start(source, SCHEMA, plan, bytes(32), "risk")
    spec = trainer_spec("risk", SCHEMA, uses, source, plan, bytes(32), begun=begun)
    how = own_preprocessing(SCHEMA.channels, SCHEMA.height, SCHEMA.width, SCHEMA.classes)
    target = Model(decode(spec.architecture, TrainerModel), begun.initial, how, None)
    known = [AcceptedTrainer(f"{accepted or path}:Logistic", spec.code)] if accepted != Path() else []
    allowed = usable(records, "rows", 1, Use(UseKind.EVIDENCE), 0)
    return by_predictions(records, allowed, known, target, spec, bytes(32))


def test_its_predictions_tell_by_loss_alone(tmp_path: Path) -> None:
    with held(tmp_path) as records:
        found = parts(records, logistic(tmp_path))
    loss, *others = found.attacks
    assert loss.name == "loss" and loss.auc is not None
    assert (loss.members, loss.non_members) == (60, 40)
    assert loss.auc.low < 0.5 < loss.auc.high, "the first model has seen nobody"
    assert [each.found for each in others] == [Found.NOT_SAID] * 2
    assert "no reference models" in others[0].why
    assert found.memorisation.certain is not None and found.memorisation.outliers is None


KNOWS = """        known = eval(open({path!r}).read())
        found = [known.get(np.asarray(row, np.float32).tobytes(), 0.5) for row in inputs]
        return np.array([[1 - each, each] for each in found])

    def earlier(self, weights, inputs):
"""


def test_one_that_knows_its_rows_is_seen(tmp_path: Path) -> None:
    """Its predictions are right of the rows that it was trained on, and a guess of others."""
    trained, path = rows(60, 1), tmp_path / "known"
    labels = zip(trained.values, trained.labels.tolist(), strict=True)
    path.write_text(repr({row.tobytes(): label for row, label in labels}))
    with held(tmp_path) as records:
        knows = altered(tmp_path, "knows.py", (PREDICT, PREDICT + KNOWS.format(path=str(path))))
        found = parts(records, knows)
    assert found.attacks[0].found is Found.SEEN
    assert found.attacks[0].auc is not None and found.attacks[0].auc.value == 1
    assert found.memorisation.found is Found.SEEN


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("        raise RuntimeError('secret of a patient')\n", "failed in predict"),
        ("        return np.ones((len(inputs), 3))\n", "no shares of 2 classes"),
        ("        return np.full((len(inputs), 2), np.nan)\n", "no shares of 2 classes"),
        ("        return np.full((len(inputs), 2), -1.0)\n", "no shares of 2 classes"),
        ("        import os\n        os._exit(3)\n", "ended by itself"),
    ],
)
def test_predictions_that_cannot_be_had_are_said(tmp_path: Path, body: str, why: str) -> None:
    with held(tmp_path) as records:
        changed = (PREDICT, f"{PREDICT}{body}\n    def earlier(self, weights, inputs):\n")
        found = parts(records, altered(tmp_path, "odd.py", changed))
    for part in (*found.attacks, found.memorisation):
        assert part.found is Found.NOT_SAID and why in part.why
        assert "secret" not in part.why


def test_no_row_that_may_not_be_used_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    read = Vault.read

    def watched(vault: Vault, *given: Any) -> Iterator[tuple[str, bytes]]:
        for record, data in read(vault, *given):
            opened.append(record)
            yield record, data

    monkeypatch.setattr(Vault, "read", watched)
    with held(tmp_path) as records:
        records.catalogue.opt_outs.add([records.catalogue.opt_outs.of_record("000003")], 0)
        opened.clear()
        assert parts(records, logistic(tmp_path)).attacks[0].members == 59
    assert len(opened) == 99 and "000003" not in opened


def test_code_that_is_not_accepted_or_was_changed_is_not_run(tmp_path: Path) -> None:
    marker, mine = tmp_path / "it ran", logistic(tmp_path)
    with held(tmp_path) as records:
        assert "does not accept" in parts(records, mine, Path()).attacks[0].why
        told = f"import hmchain\nopen({str(marker)!r}, 'w')\n"
        changed = altered(tmp_path, "changed.py", ("import hmchain\n", told))
        assert "was changed" in parts(records, mine, changed).attacks[0].why
    assert not marker.exists()
