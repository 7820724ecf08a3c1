"""One run of the demo from raw images to an audited model; the same call resumes a run that was interrupted."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import numpy as np
from rich.console import Console

from hmchain import decoding
from hmchain.application.hospital.consortium import Consortium
from hmchain.application.learning import metrics
from hmchain.application.learning.trainers.architecture import Probabilities, Vector
from hmchain.application.learning.trainers.cnn import build, load_vector, predict_probabilities
from hmchain.application.models import registry
from hmchain.application.site.run import RunFolder, point_latest
from hmchain.files import write_whole
from hmchain.interfaces.demo import comparison, decisions, disclosure, inspection, outcome, preparation, releasing, road
from hmchain.interfaces.demo.engines import Engine, Stage, engine_of, needs
from hmchain.interfaces.demo.incidents import DishonestMaster, Incidents
from hmchain.interfaces.demo.preparation import Prepared
from hmchain.interfaces.demo.road import Arrival, joined
from hmchain.interfaces.demo.settings import DemoSettings, claim, is_finished
from hmchain.interfaces.demo.story import Story
from hmchain.interfaces.demo.withdrawal import WithdrawnConsent
from hmchain.interfaces.report import RunSummary, from_json, history, render, to_json
from hmchain.interfaces.report.parts import Incident, Release, Timing
from hmchain.ledger import events
from hmchain.ledger.blocks import Block, BlockResult
from hmchain.ledger.contracts.learning.studies import Deadlines
from hmchain.plain import Progress

CURVE_POINTS = 16


def run(
    settings: DemoSettings, console: Console, output: Path | None = None, passphrase: str | None = None
) -> RunSummary:
    """Run, resume or show the demo; returns its summary and leaves everything in its folder.

    Raises `RunInUseError` if the folder holds something else, and whatever data, keys, storage or ledger complain of.
    """
    folder = RunFolder(output or settings.default_output)
    story = Story(console)
    if is_finished(folder, settings):
        return _show_finished(folder, story)
    story.needs(needs(settings))
    engine = engine_of(settings)
    engine.require(settings)
    claim(folder, settings)
    stages = _Stages()
    with stages("read and divide the images"), story.progress("reading images") as report:
        prepared = preparation.load(settings, folder, report)
    story.opening(prepared)
    story.hospitals(prepared)
    with engine.stage(prepared, passphrase) as stage:
        decisions.require_own_code(prepared, stage.consortium)
        arrivals = _extract(prepared, stage.consortium, passphrase, stages, story)
        withdrawn = WithdrawnConsent(prepared, stage.consortium, passphrase)
        withdrawn.agree()
        _approve(prepared, stage.consortium, engine.deadlines(prepared), story)
        curve = _train(prepared, stage, withdrawn, stages, story)
        _assess(prepared, passphrase, stages, story)
        summary = _conclude(prepared, engine, stage, arrivals, curve, withdrawn, passphrase, stages, story)
    folder.report.write_text(render(summary), encoding="utf-8")
    # Last of all: a run is finished when its summary is there.
    write_whole(folder.summary, to_json(summary), durable=True)
    point_latest(folder.path)
    story.closing(summary, str(folder.report), outcome.look_command(folder.path))
    return summary


def _show_finished(folder: RunFolder, story: Story) -> RunSummary:
    summary = from_json(folder.summary.read_bytes())
    anchor, first = bytes.fromhex(summary.identity.genesis_digest), summary.hospitals[0].name
    summary = msgspec.structs.replace(summary, next_commands=outcome.next_commands(folder.path, anchor, first))
    story.line(f"This run is finished; it is in {folder.path}. For another, give another --seed or --output.")
    story.closing(summary, str(folder.report), outcome.look_command(folder.path))
    return summary


class _Stages:
    """How long each stage took."""

    def __init__(self) -> None:
        self.timings: list[Timing] = []

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.timings.append(Timing(stage=stage, seconds=round(time.perf_counter() - started, 3)))


def _extract(
    prepared: Prepared, consortium: Consortium, passphrase: str | None, stages: _Stages, story: Story
) -> list[Arrival]:
    with stages("extract and prepare the records"), story.progress("extracting and preparing images") as report:
        arrivals = road.travel(prepared, consortium, passphrase, report)
    preparation.require_enough(prepared.plan, min(arrival.train.total() for arrival in arrivals))
    story.arrivals(arrivals)
    story.founded(len(prepared.names), consortium.ledger.genesis.digest.hex())
    return arrivals


def _approve(prepared: Prepared, consortium: Consortium, deadlines: Deadlines, story: Story) -> None:
    story.denied(decisions.deny_unwanted_study(prepared, consortium))
    story.allowed(decisions.allow_study(prepared, consortium, deadlines))


def _train(
    prepared: Prepared, stage: Stage, withdrawn: WithdrawnConsent, stages: _Stages, story: Story
) -> dict[int, tuple[float, float]]:
    """Run the study; a patient withdraws, and both incidents happen, on the way."""
    consortium, study, rounds = stage.consortium, prepared.study, prepared.settings.rounds
    story.training(rounds)
    incidents = Incidents(consortium, study, rounds, [stage.fault(story.line), DishonestMaster(consortium, study)])
    incidents.recall(prepared.folder.ledger)
    with story.progress("training", rounds) as report:
        watch = _Watch(prepared, consortium, incidents, story, report)
        consortium.on_block = watch.on_block
        consortium.before_step = lambda: _before_step(incidents, withdrawn, story)
        with stages("train in the federation"):
            consortium.run(study)
            incidents.settle()
        watch.close()
    return watch.curve


def _before_step(incidents: Incidents, withdrawn: WithdrawnConsent, story: Story) -> None:
    incidents.before_step()
    if (found := withdrawn.before_step()) is not None:
        story.withdrawn(found)


class _Watch:
    """Follows the blocks of a study: incidents, pictures, and the model's score on the test set now and then."""

    def __init__(
        self, prepared: Prepared, consortium: Consortium, incidents: Incidents, story: Story, report: Progress
    ) -> None:
        self._prepared = prepared
        self._consortium = consortium
        self._story = story
        self._report = report
        self._incidents = incidents
        self._someone_returned = False
        self._told: set[tuple[str, str]] = set()
        self._camera = disclosure.ExposureCamera(prepared, consortium)
        self._every = max(1, prepared.settings.rounds // CURVE_POINTS)
        self._scorer = TestScorer(prepared, consortium)
        path = prepared.folder.curve
        stored = decoding.from_json(path.read_bytes(), dict[int, tuple[float, float]]) if path.exists() else {}
        self.curve: dict[int, tuple[float, float]] = stored

    def on_block(self, block: Block, result: BlockResult) -> None:
        """Look at one block."""
        self._incidents.on_block(result)
        self._camera.on_block(block, result)
        happened = events.decode_all(result.all_events)
        self._someone_returned |= any(isinstance(event, events.ValidatorUnjailed) for event in happened)
        settled = self._someone_returned and any(isinstance(event, events.EpochClosed) for event in happened)
        if settled or any(isinstance(event, history.TOLD_AT_ONCE) for event in happened):
            self._someone_returned &= not settled
            self._tell(self._history().incidents)
        for event in happened:
            if isinstance(event, events.RoundAccepted) and event.study == self._prepared.study:
                self._accepted(event.round, event.master)

    def close(self) -> None:
        """The study is over: tell what was not settled until now."""
        if self._someone_returned:
            self._tell(self._history().all_incidents)

    def _history(self) -> history.History:
        return history.read(self._prepared.folder.ledger, self._prepared.study)

    def _tell(self, incidents: Iterable[Incident]) -> None:
        for incident in incidents:
            if (incident.title, incident.hospital) not in self._told:
                self._told.add((incident.title, incident.hospital))
                self._story.incident(incident)

    def _accepted(self, number: int, master: str) -> None:
        self._report(number, self._prepared.settings.rounds)
        if number == 0 or (number % self._every and number != self._prepared.settings.rounds):
            return
        probabilities = self._scorer.probabilities(self._scorer.weights(number))
        auc, acc = self._scorer.scores(probabilities)
        self.curve[number] = (auc, acc)
        write_whole(self._prepared.folder.curve, msgspec.json.encode(self.curve), durable=False)
        self._story.milestone(number, auc, acc, master)


class TestScorer:
    """Scores models on the test set, which no hospital holds and no vote sees."""

    def __init__(self, prepared: Prepared, consortium: Consortium) -> None:
        self._prepared = prepared
        self._consortium = consortium
        self._network = build(prepared.arch)
        self._images = prepared.images.images[prepared.split.test]
        self._labels = prepared.images.labels[prepared.split.test]

    def weights(self, number: int) -> Vector:
        """The weights that a round's gate accepted."""
        consortium, study = self._consortium, self._prepared.study
        key = consortium.study_key(study)
        return registry.accepted_model(consortium.ledger.state, consortium.objects, key, study, number)

    def probabilities(self, weights: Vector) -> Probabilities:
        """Class probabilities of the test images, as anybody's prediction would have them."""
        consortium, study = self._consortium, self._prepared.study
        key = consortium.study_key(study)
        means = registry.mean_counts(consortium.ledger.state, consortium.objects, key, study)
        prior = registry.preprocessing(consortium.ledger.state, means, study).prior
        load_vector(self._network, weights)
        return predict_probabilities(self._network, self._images, prior)

    def scores(self, probabilities: Probabilities) -> tuple[float, float]:
        """AUC and ACC."""
        auc = metrics.auc(probabilities, self._labels)
        return 0.0 if np.isnan(auc) else auc, metrics.accuracy(probabilities, self._labels)


def _assess(prepared: Prepared, passphrase: str | None, stages: _Stages, story: Story) -> None:
    with stages("assess the records"), story.progress("looking at all records") as report:
        findings = road.assess(prepared, passphrase, report)
    story.findings(findings, prepared.folder.hospitals)


def _conclude(
    prepared: Prepared,
    engine: Engine,
    stage: Stage,
    arrivals: list[Arrival],
    curve: dict[int, tuple[float, float]],
    withdrawn: WithdrawnConsent,
    passphrase: str | None,
    stages: _Stages,
    story: Story,
) -> RunSummary:
    """Export the model, compare it, audit the ledger and put it all together."""
    folder, consortium, study = prepared.folder, stage.consortium, prepared.study
    ledger, key = consortium.ledger, consortium.study_key(study)
    weights = registry.export(ledger.state, consortium.objects, key, study, folder.model, ledger.genesis).vector
    with stages("train the baselines"), story.progress("training the baselines for comparison") as report:
        compared = comparison.train_baselines(prepared, consortium, joined(report, 2 * prepared.settings.rounds))
    with stages("score and compare"), story.progress("scoring"):
        scored = comparison.Comparison(prepared, TestScorer(prepared, consortium).probabilities(weights), compared)
    release = _release(prepared, stage, compared, passphrase, stages, story)
    told = history.read(folder.ledger, study)  # nothing comes after: what is told of the ledger is what is audited
    story.departures(disclosure.departures(prepared, consortium, told))
    story.results(scored.results)
    story.released(release)
    anchor = consortium.ledger.genesis.digest
    with stages("audit the ledger"), story.progress("auditing the ledger") as report:
        audit = inspection.inspect(folder.ledger, anchor, outcome.audit_command(folder.path, anchor), report)
    found = outcome.Found(told, curve, scored, release, withdrawn.told(), audit)
    return outcome.summarise(prepared, engine, consortium, arrivals, found, tuple(stages.timings))


def _release(
    prepared: Prepared,
    stage: Stage,
    compared: comparison.Baselines,
    passphrase: str | None,
    stages: _Stages,
    story: Story,
) -> Release:
    """Ask that the model may leave: one hospital refuses until it has evidence, then all let it."""
    consortium = stage.consortium
    refused_by = releasing.ask(prepared, consortium)
    _seal(stage, story)  # what hospitals measure is held against signed headers
    with stages("measure what the model tells"), story.progress("measuring what the model tells") as report:
        part = joined(report, releasing.PARTS * len(prepared.names))
        measured = releasing.measure(prepared, compared, passphrase, part)
    releasing.grant(prepared, consortium, measured, passphrase)
    consortium.anchor_logs()
    _seal(stage, story)
    releasing.write(prepared, passphrase)
    return releasing.told(prepared, consortium, refused_by, measured)


def _seal(stage: Stage, story: Story) -> None:
    with story.progress("keeping headers and votes") as report:
        stage.seal(report)
