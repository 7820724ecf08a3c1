"""A trainer of somebody's own, in a consortium of four on the embedded engine: it learns, and cannot do harm."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import combinations
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
from msgspec.structs import replace
from numpy.typing import NDArray

from hmchain.application.agent import turns
from hmchain.application.agent.pins import NotApprovedError
from hmchain.application.hospital.consortium import Consortium
from hmchain.application.hospital.own_learner import learning_with
from hmchain.application.learning.defaults import DEADLINES
from hmchain.application.learning.model_file import (
    RegisteredModels,
    load_model,
    save_model,
)
from hmchain.application.learning.model_origin import ModelDiffersError, NoNetworkError
from hmchain.application.learning.schedule import PlanError
from hmchain.application.learning.trainer_study import TrainerPlan, start, trainer_spec
from hmchain.application.learning.trainers import worker
from hmchain.application.learning.trainers.local import SPLITS, Vector
from hmchain.application.learning.trainers.own import TrainerLayer, drawn, score_once, train_once
from hmchain.application.learning.trainers.own_trainer import OwnTrainer
from hmchain.application.learning.trainers.source import read_source
from hmchain.application.learning.trainers.trainer import Examples
from hmchain.application.learning.trainers.worker import StillAtWorkError, TrainerEndedError, TrainerError
from hmchain.application.models import inference, registry
from hmchain.clock import now_ms
from hmchain.ledger.contracts.learning import models, rounds, studies
from hmchain.ledger.contracts.learning.studies import DatasetUse, Deadlines, Status
from support.own_trainers import SCHEMA, TITLES, altered, beginning, block, logistic, rows, unlimited

pytestmark = pytest.mark.network
STUDY, YEWS = "risk", 48
"""Records of one hospital that has fewer than the others."""
T = TypeVar("T")


@contextmanager
def proposed(
    folder: Path,
    source: str,
    accepted: str,
    *,
    approve: tuple[str, ...] = tuple(TITLES),
    records: int = 64,
    yews: int | None = None,
    clock_ms: Callable[[], int] = now_ms,
) -> Iterator[Consortium]:
    """Four hospitals with rows, and a study of a trainer before them that all but some have approved."""
    learn = learning_with(accepted)
    with Consortium.create(folder / "run", "own", TITLES, learn=learn, clock_ms=clock_ms) as consortium:
        for order, (name, hospital) in enumerate(consortium.hospitals.items()):
            count = yews if yews and name == "yew" else records
            hospital.store_rows("rows", {"train": rows(count, order), "validation": rows(32, 10 + order)})
            consortium.require(hospital.register("rows", SCHEMA), hospital.publish("rows", 1))
        uses = tuple(DatasetUse(name, "rows", 1) for name in TITLES)
        plan = TrainerPlan.of(rounds=3, options={"steps": 5, "rate": 0.5})
        spec = trainer_spec(STUDY, SCHEMA, uses, read_source(source), plan, consortium.ledger.genesis.salt)
        elm, until_ms = consortium.hospitals["elm"], consortium.ledger.now_ms() + 86_400_000
        consortium.require(*elm.ask(spec, until_ms))
        for name in approve:
            consortium.require(*consortium.hospitals[name].allow(STUDY, until_ms))
        if len(approve) == len(TITLES):
            consortium.require(elm.propose(spec))
        yield consortium


def test_the_guides_example_on_one_machine_runs_as_printed_and_learns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source = f"{logistic(tmp_path)}:Logistic"
    exec(compile(block("embedded"), "own-trainer.md", "exec"), {"__name__": "guide"})
    with Consortium.open(tmp_path / "own-run") as consortium:
        assert studies.require_study(consortium.ledger.state, "risk").status is Status.FINISHED
        model = models.model(consortium.ledger.state, STUDY)
        assert model is not None and model.round == 2
        key, genesis, path = consortium.study_key(STUDY), consortium.ledger.genesis, tmp_path / "risk.safetensors"
        registry.export(consortium.ledger.state, consortium.objects, key, STUDY, path, genesis)
    known = RegisteredModels(genesis.digest, (model,))
    held = load_model(path, known)
    assert {name: array.shape for name, array in held.arrays().items()} == {"slopes": (3, 2), "offsets": (2,)}
    with pytest.raises(NoNetworkError, match="of the trainer Logistic"):
        held.network()
    labels = np.arange(400) % 2
    values = np.random.default_rng(99).normal(0, 1, (400, 3)) + labels[:, None]
    assert (read_source(source).load()(SCHEMA, {}).predict(held.arrays(), values).argmax(1) == labels).mean() > 0.7
    described = inference.describe(path, known)
    assert described.ledger == "matches" and described.trainer == "Logistic" and "slopes 3 x 2" in described.network
    save_model(path, held._replace(preprocessing=replace(held.preprocessing, classes=("yes", "no"))))
    with pytest.raises(ModelDiffersError):
        load_model(path, known)


def steps(consortium: Consortium, until: str, at: str = "elm", most: int = 400) -> str:
    """Step until a hospital's agent tells, of the study, something that holds a text; returns what it told."""
    agent = consortium.hospitals[at].agent
    for _ in range(most):
        consortium.step()
        told = {**agent.troubles, **agent.refusals}.get(STUDY, "")
        if until in told:
            return told
    raise AssertionError(f"{at} told {told!r}, and not {until!r}")


def test_code_that_nobody_accepted_is_not_even_imported(tmp_path: Path) -> None:
    mine, marker = logistic(tmp_path), tmp_path / "it ran"
    theirs = altered(tmp_path, "theirs.py", ("import hmchain\n", f"import hmchain\nopen({str(marker)!r}, 'w')\n"))
    source, accepted = f"{theirs}:Logistic", f"{mine}:Logistic"
    with proposed(tmp_path, source, accepted) as consortium:
        assert marker.exists()
        marker.unlink()  # the scientist's own command ran it
        told = steps(consortium, "pins a trainer of digest")
        assert read_source(source).digest.hex() in told and read_source(accepted).digest.hex() in told
        assert "hmchain node trainers" in told
    assert not marker.exists()


def test_accepted_code_waits_for_the_stewards_word(tmp_path: Path) -> None:
    marker = tmp_path / "it ran"
    path = altered(tmp_path, "mine.py", ("import hmchain\n", f"import hmchain\nopen({str(marker)!r}, 'w')\n"))
    source = f"{path}:Logistic"
    with proposed(tmp_path, source, source, approve=()) as consortium:
        marker.unlink()
        for _ in range(5):
            consortium.step()
        assert not marker.exists()


def test_code_whose_approval_was_taken_back_is_not_loaded_again(tmp_path: Path) -> None:
    marker = tmp_path / "it ran"
    path = altered(tmp_path, "mine.py", ("import hmchain\n", f"import hmchain\nopen({str(marker)!r}, 'w')\n"))
    source = f"{path}:Logistic"
    with proposed(tmp_path, source, source) as consortium:
        for _ in range(400):
            study = studies.require_study(consortium.ledger.state, STUDY)
            if study.status is Status.RUNNING and study.progress.round == 1:
                break
            consortium.step()
        consortium.require(*consortium.hospitals["yew"].disallow(STUDY))
    marker.unlink()
    with Consortium.open(tmp_path / "run", learn=learning_with(source)) as consortium:
        yew = consortium.hospitals["yew"]
        consortium.hospitals = {"yew": yew}
        for _ in range(10):
            consortium.step()
        study = studies.require_study(consortium.ledger.state, STUDY)
        assert yew.agent.participant(study) is not None and not yew.agent.refusals, "it can still give its seeds"
        desk = yew.agent.participant(study)
        with pytest.raises(NotApprovedError, match="is not loaded without a permit"):
            print(desk and desk.desk.learner.initial)
        assert not marker.exists()


def test_code_that_was_changed_after_it_was_accepted_is_refused(tmp_path: Path) -> None:
    path = logistic(tmp_path)
    source = f"{path}:Logistic"
    with proposed(tmp_path, source, source) as consortium:
        path.write_text(path.read_text() + "\n# one line more\n")
        told = steps(consortium, "was accepted")
        assert read_source(source).digest.hex() in told and "put the accepted code back" in told


def test_a_trainer_that_raises_holds_up_its_study_alone_and_quotes_no_patient(tmp_path: Path) -> None:
    change = ("        return weights\n", "        raise ValueError('Mrs Jones')\n")
    source = f"{altered(tmp_path, 'bad.py', change)}:Logistic"
    with proposed(tmp_path, source, source) as consortium:
        found = steps(consortium, "ValueError at bad.py:")
        assert "Jones" not in found
        assert studies.require_study(consortium.ledger.state, STUDY).status is Status.RUNNING
        consortium.require(consortium.hospitals["elm"].register("another", SCHEMA))  # all else goes on


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("        return weights\n", "        return {k: v * np.nan for k, v in weights.items()}\n"), "not finite"),
        (
            ("        return weights\n", "        return {k: v[:1] for k, v in weights.items()}\n"),
            "another shape than (5, 2)",
        ),
        (("        return weights\n", "        return {k: v.astype(str) for k, v in weights.items()}\n"), "of numbers"),
        (("        return weights\n", "        return None\n"), "something else than arrays named slopes, offsets"),
        (("        return weights\n", "        raise SystemExit(3)\n"), "SystemExit at bad.py:"),
        ((".argmax(1) == data.labels).mean()", ".argmax(1) == data.labels).sum()"), "no number from 0 to 1"),
        ((".argmax(1) == data.labels).mean()", ".argmax(1) == data.labels) * np.nan"), "no number from 0 to 1"),
    ],
    ids=["not a number", "another shape", "text", "nothing", "exits", "a score of 29", "no score"],
)
def test_what_is_no_model_and_no_score_is_not_taken(tmp_path: Path, change: tuple[str, str], told: str) -> None:
    source = read_source(f"{altered(tmp_path, 'bad.py', change)}:Logistic")
    begun = start(source, SCHEMA, TrainerPlan.of(1, {"steps": 1, "rate": 0.1}), bytes(32), STUDY)
    made, held = source.load()(SCHEMA, begun.options), Examples(rows(32, 1).values, rows(32, 1).labels)
    given = made, str(source), begun.layers
    with pytest.raises(TrainerError, match=re.escape(told)):
        score_once(*given, train_once(*given, begun.initial, held, 0, np.random.default_rng(1)), held)


@pytest.mark.parametrize(
    "line",
    [
        "raise hmchain.errors.TrainerError('Mrs Jones', 'Jones')",
        "raise type('Jones', (ValueError,), {})('Mrs Jones')",
        "exec(compile('1 / 0', 'Jones', 'exec'))",
        "return {'slopes': np.zeros(1, [('Jones', 'f4')]), 'offsets': np.zeros(2)}",
        "return type('D', (dict,), {'__getitem__': lambda *_: 1 / 0})(Jones=1)",
    ],
    ids=["our error", "a class", "a file", "a dtype", "a name"],
)
def test_no_word_of_a_trainer_is_told(tmp_path: Path, line: str) -> None:
    line = line.replace("hmchain.errors", "__import__('hmchain.application.learning.trainers.worker', fromlist=['_'])")
    source = read_source(f"{altered(tmp_path, 'bad.py', ('        return weights', '        ' + line))}:Logistic")
    begun = start(source, SCHEMA, TrainerPlan.of(1, {"steps": 1, "rate": 0.1}), bytes(32), STUDY)
    made, held = source.load()(SCHEMA, begun.options), Examples(rows(32, 1).values, rows(32, 1).labels)
    with pytest.raises(TrainerError) as told:
        train_once(made, str(source), begun.layers, begun.initial, held, 0, np.random.default_rng(1))
    assert "Jones" not in str(told.value) + repr(told.value.hint)


def test_a_score_cannot_change_the_records_for_later_votes(tmp_path: Path) -> None:
    score = "    def score(self, weights, data):\n"
    change = (score, f"{score}        data.inputs[:] -= 1\n")
    trainer, weights = apart(f"{altered(tmp_path, 'bad.py', change)}:Logistic")
    with pytest.raises(TrainerError, match=r"ValueError at bad\.py:"):
        answered(lambda: trainer.evaluate(weights, "validation"))


@pytest.mark.parametrize("name", ["__metadata__", "\ud800", "a\x1b[31m\n", "x" * 70, ""])
def test_an_array_has_a_name_that_all_can_read(tmp_path: Path, name: str) -> None:
    path = altered(tmp_path, "bad.py", ('"slopes": np', f"{name!r}: np"))
    source = read_source(f"{path}:Logistic")
    with pytest.raises(TrainerError, match="by names of letters"):
        start(source, SCHEMA, TrainerPlan.of(1, {"steps": 1, "rate": 0.1}), bytes(32), STUDY)
    with pytest.raises(TrainerError, match="has a name of other than"):
        TrainerLayer(name, (1,))


@pytest.mark.parametrize(
    "options",
    [
        '{"note":"Anna Meier, born 1950"}',
        '{"a":["x y"]}',
        '{"a b":1}',
        '{"a":"Anna","a":1}',
        '{"a": 1}',
        '{"a":{"b":1}}',
        '{"a":"' + "x" * 33 + '"}',
        "[" * 9000,
        '{"a":"\\u001b[2J"}',
        '{"a":NaN}',
    ],
)
def test_options_say_nothing_of_people(options: str) -> None:
    """They lie on the ledger in clear, for ever."""
    plan = TrainerPlan.of(1, {"loss": "log-loss", "rate": 0.5, "l2": True, "sizes": [1, 2]})
    assert plan.settings()["loss"] == "log-loss"
    with pytest.raises(PlanError, match="option"):
        replace(plan, options=options)


HANGS_ONCE = """
        import os, pathlib, threading
        mark = pathlib.Path({mark!r})
        if {where} and not mark.exists():
            mark.with_suffix(".new").write_text(str(os.getpid()))
            mark.with_suffix(".new").rename(mark)
            threading.Event().wait()
        for _ in range("""


def hanging(folder: Path, mark: Path, where: str) -> str:
    """The guide's trainer; the first `train` that a condition holds for never ends, and leaves its process's number."""
    change = ("\n        for _ in range(", HANGS_ONCE.format(mark=str(mark), where=where))
    return f"{altered(folder, 'bad.py', change)}:Logistic"


def is_gone(process: str) -> bool:
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    return False


def trained(consortium: Consortium) -> list[str]:
    """Who has sent an update in the round."""
    state = consortium.ledger.state
    entry = rounds.current(state, studies.require_study(state, STUDY))
    return [each.organisation for each in rounds.contributions(state, entry) if entry.number == 1]


def answered(ask: Callable[[], T]) -> T:
    while True:
        try:
            return ask()
        except StillAtWorkError:  # which it says after a while, waiting
            pass


def apart(source_text: str, deadlines: Deadlines = DEADLINES) -> tuple[OwnTrainer, Vector]:
    begin, initial = beginning(source_text)
    held = Examples(rows(32, 1).values, rows(32, 1).labels)
    return OwnTrainer(begin, dict.fromkeys(SPLITS, held), bytes(32), deadlines, unlimited()), initial


@pytest.mark.process
def test_a_trainer_that_sleeps_for_ever_misses_its_round_and_trains_in_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The operator reads one line that says so; nobody starts the agent again."""
    monkeypatch.setattr(worker, "LONG_SECONDS", 0.0)
    mark, ahead_ms = tmp_path / "sleeps", [0]
    source = hanging(tmp_path, mark, f"len(data) == {YEWS // 8}")
    with proposed(tmp_path, source, source, yews=YEWS, clock_ms=lambda: now_ms() + ahead_ms[0]) as consortium:
        assert "it is ended" in steps(consortium, "has been in train for", at="yew")
        while len(trained(consortium)) < 3:
            consortium.step()
        ahead_ms[0] = DEADLINES.commit_ms + turns.MACHINE_RESTART_MS
        news = consortium.hospitals["yew"].agent.news
        while not news:
            consortium.step()
        assert "study risk: the trainer" in news[0] and "was ended: after" in news[0] and "\n" not in news[0]
        assert "goes on without this hospital" in news[0] and "commit under [deadlines]" in news[0]
        assert is_gone(mark.read_text())
        consortium.run(STUDY)
        made = [rounds.round_(consortium.ledger.state, STUDY, number) for number in (1, 2, 3)]
        assert ["yew" in each.frozen for each in made if each] == [False, True, True]
        assert len(news) == 1 and not consortium.hospitals["yew"].agent.troubles


@pytest.mark.process
def test_code_of_others_is_ended_at_its_work_when_the_permit_goes(tmp_path: Path) -> None:
    source = hanging(tmp_path, mark := tmp_path / "sleeps", f"len(data) == {YEWS // 8}")
    with proposed(tmp_path, source, source, yews=YEWS) as consortium:
        while not (mark.exists() and mark.read_text()):
            consortium.step()
        consortium.require(*consortium.hospitals["yew"].disallow(STUDY))
        while not is_gone(mark.read_text()):  # it would sleep for ever
            consortium.step()


@pytest.mark.process
def test_what_took_too_long_is_ended_and_not_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = []
    real = subprocess.Popen
    monkeypatch.setattr(
        subprocess, "Popen", lambda *given, **named: started.append(real(*given, **named)) or started[-1]
    )
    source = hanging(tmp_path, tmp_path / "sleeps", "True")
    trainer, weights = apart(source, replace(DEADLINES, commit_ms=1))
    for _ in range(2):
        with pytest.raises(TrainerEndedError):
            answered(lambda: trainer.fit(weights, 0))
    assert [process.poll() for process in started] == [-signal.SIGKILL]


@pytest.mark.process
def test_a_trainer_that_takes_its_process_down_leaves_the_agents(tmp_path: Path) -> None:
    change = ("        return weights", "        import os; os._exit(0)")
    trainer, weights = apart(f"{altered(tmp_path, 'bad.py', change)}:Logistic")
    with pytest.raises(TrainerError, match="ended by itself in train"):
        answered(lambda: trainer.fit(weights, 0))
    assert 0 <= answered(lambda: trainer.evaluate(weights, "validation")).auc <= 1


@pytest.mark.process
def test_a_trainers_process_has_no_records_but_those_of_the_round(tmp_path: Path) -> None:
    """Of 32; its methods could find all that their process has."""
    lines = (
        "        import gc",
        "        held = sum(len(each) for each in gc.get_objects() if type(each) is type(data))",
        "        return weights | {'offsets': weights['offsets'] * 0 + held}\n",
    )
    change = ("        return weights\n", "\n".join(lines))
    trainer, weights = apart(f"{altered(tmp_path, 'bad.py', change)}:Logistic")
    assert 4.0 in answered(lambda: trainer.fit(weights, 0)).weights
    answered(lambda: trainer.evaluate(weights, "validation"))
    assert 4.0 in answered(lambda: trainer.fit(weights, 1)).weights


def test_a_first_model_is_of_its_study_alone_and_the_same_everywhere(tmp_path: Path) -> None:
    source, plan = read_source(f"{logistic(tmp_path)}:Logistic"), TrainerPlan.of(1, {"steps": 1, "rate": 0.1})
    first, again = (start(source, SCHEMA, plan, bytes(32), "one").initial for _ in range(2))
    other = start(source, SCHEMA, plan, bytes(32), "two").initial
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    assert np.abs(first).max() < 0.01


def test_each_round_trains_on_an_eighth_of_its_own() -> None:
    """The sums of rounds over nearly the same model differ by more than who is in them (as `repeats_itself`)."""
    secret = bytes(range(32))
    eighths = [set(drawn(65, secret, round).tolist()) for round in range(12)]
    assert {len(each) for each in eighths} == {8} and eighths[4] != set(drawn(65, bytes(32), 4).tolist())
    assert all(first != second for first, second in combinations(eighths, 2))
    overlaps = [len(first & second) for first, second in combinations(eighths, 2)]
    assert 0 in overlaps and max(overlaps) > 1, "drawn, not dealt: no known rounds make up all records together"


def told_by_an_absence(kind: float, chosen: Callable[[bytes, int], NDArray[np.int64]]) -> float:
    """Correlation of what a hospital sent with the sum that it is in, less the next one, which it is not in.

    One model that never moves; four hospitals, one of them curious, with 64 records each whose mean lies `kind` from
    the others'. An update is the mean of the records that are chosen for the round.
    """
    random, found = np.random.default_rng(3), []
    for _ in range(150):
        cohorts = random.normal(size=(3, 64, 12)) + kind * random.normal(size=(3, 1, 12))
        secrets = [random.bytes(32) for _ in cohorts]
        first, second = (
            np.array([own[chosen(secret, round)].mean(0) for own, secret in zip(cohorts, secrets, strict=True)])
            for round in (0, 1)
        )
        found.append(float(np.corrcoef(first.sum(0) - second[1:].sum(0), first[0])[0, 1]))
    return float(np.mean(found))


def a_half(secret: bytes, round: int) -> NDArray[np.int64]:
    return np.random.default_rng([*secret, round]).permutation(64)[:32]


def an_eighth(secret: bytes, round: int) -> NDArray[np.int64]:
    return drawn(64, secret, round)


def test_an_eighth_hides_who_missed_a_round_where_hospitals_are_alike_and_less_where_they_are_not() -> None:
    """The figures of the threat model, in small: what a steward is told when a trainer is accepted."""
    assert told_by_an_absence(0.0, lambda secret, round: np.arange(64)) > 0.99, "nothing else tells rounds apart"
    assert told_by_an_absence(0.0, an_eighth) < 0.5 < told_by_an_absence(0.0, a_half)
    assert 0.8 < told_by_an_absence(1.0, an_eighth) < 0.9 < told_by_an_absence(1.0, a_half)


def test_too_few_records_are_refused(tmp_path: Path) -> None:
    source = f"{logistic(tmp_path)}:Logistic"
    with proposed(tmp_path, source, source, records=12) as consortium:
        assert "has 12 records to train on" in steps(consortium, "records to train on")
