"""The summary of a finished run: what every role is told, in one typed tree."""

from __future__ import annotations

import datetime
import os
import platform
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from msgspec.structs import replace

from hmchain.application.hospital.consortium import Consortium
from hmchain.application.learning.defaults import BITS
from hmchain.application.learning.trainers.architecture import dimension
from hmchain.application.site.run import LATEST, RunFolder
from hmchain.interfaces.demo import disclosure
from hmchain.interfaces.demo.comparison import Comparison
from hmchain.interfaces.demo.engines import Engine
from hmchain.interfaces.demo.preparation import DATASET, Prepared
from hmchain.interfaces.demo.road import Arrival
from hmchain.interfaces.demo.verdicts import verdicts
from hmchain.interfaces.program import program
from hmchain.interfaces.report import permits
from hmchain.interfaces.report.history import History
from hmchain.interfaces.report.lineage import read_lineage
from hmchain.interfaces.report.parts import (
    Approval,
    Audit,
    Count,
    Fact,
    Hospital,
    Quarantined,
    Release,
    Round,
    RunIdentity,
    Split,
    Timing,
    TrainingPlan,
    Withdrawal,
)
from hmchain.interfaces.report.summary import PRIVACY_LIMITS, RunSummary
from hmchain.ledger.contracts.learning import models, studies
from hmchain.records.catalogue import HeldItem

Curve = Mapping[int, tuple[float, float]]
"""AUC and ACC on the test set by round."""


@dataclass(frozen=True)
class Found:
    """What came of the study."""

    history: History
    curve: Curve
    comparison: Comparison
    release: Release
    withdrawal: Withdrawal | None
    audit: Audit


def summarise(
    prepared: Prepared,
    engine: Engine,
    consortium: Consortium,
    arrivals: Sequence[Arrival],
    found: Found,
    timings: tuple[Timing, ...],
) -> RunSummary:
    """Everything the report shows."""
    history, comparison, audit = found.history, found.comparison, found.audit
    model = models.model(consortium.ledger.state, prepared.study)
    digest = model.root.hex() if model else ""
    results = comparison.results
    return RunSummary(
        title=f"{prepared.settings.hospitals} hospitals, one model: {prepared.images.name}",
        identity=_identity(prepared, engine, consortium, digest),
        hospitals=tuple(_hospital(prepared, arrival) for arrival in arrivals),
        quarantine=tuple(_held(arrival, item) for arrival in arrivals for item in arrival.held),
        verdicts=verdicts(results, prepared.settings.rounds, history, audit),
        metadata=_metadata(arrivals),
        approvals=_approvals(prepared, consortium, history),
        returned=tuple(permits.returned(consortium.ledger.state, prepared.study, history.returned)),
        withdrawal=found.withdrawal,
        release=found.release,
        split=_split(prepared, arrivals),
        plan=_plan(prepared, consortium),
        rounds=tuple(_with_scores(entry, found.curve) for entry in history.rounds),
        results=results,
        performance=comparison.performance(),
        reputation=tuple(history.reputation),
        proposers=history.proposers,
        incidents=history.all_incidents,
        departures=disclosure.departures(prepared, consortium, history),
        exposure=disclosure.load_exposure(prepared.folder.exposure),
        audit=audit,
        lineage=replace(
            read_lineage(prepared.folder.ledger, prepared.study), model_transaction=history.registered.hex()
        ),
        ledger=history.statistics(prepared.settings.hospitals),
        timings=timings,
        limits=(*engine.limits, *PRIVACY_LIMITS),
        next_commands=next_commands(prepared.folder.path, consortium.ledger.genesis.digest, prepared.names[0]),
    )


def audit_command(folder: Path, anchor: bytes) -> str:
    """The command with which anyone repeats the audit."""
    return f"{program()} audit verify {shlex.quote(str(folder))} --genesis {anchor.hex()}"


def _identity(prepared: Prepared, engine: Engine, consortium: Consortium, model_digest: str) -> RunIdentity:
    return RunIdentity(
        dataset=prepared.images.name,
        seed=prepared.settings.seed,
        classes=prepared.images.classes,
        chain_id=consortium.ledger.chain_id,
        genesis_digest=consortium.ledger.genesis.digest.hex(),
        model_digest=model_digest,
        finished=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        software=f"hmchain {version('hmchain')}, torch {version('torch')}, Python {platform.python_version()}",
        machine=f"{os.cpu_count()} cores, {platform.machine()}",
        engine=engine.title,
    )


def _hospital(prepared: Prepared, arrival: Arrival) -> Hospital:
    return Hospital(
        name=arrival.hospital,
        class_counts=tuple(arrival.train[name] for name in prepared.images.classes),
        validation=arrival.validation,
        files=arrival.files,
        duplicates=arrival.duplicates,
        held=len(arrival.held),
        metadata_removed=arrival.removed.total(),
        images_encrypted=arrival.scans.records,
        bytes_encrypted=arrival.scans.size,
    )


def _held(arrival: Arrival, item: HeldItem) -> Quarantined:
    return Quarantined(hospital=arrival.hospital, reason=item.reason, decision=item.state, reviewer=item.reviewer)


def _metadata(arrivals: Sequence[Arrival]) -> tuple[Count, ...]:
    removed = sum((arrival.removed for arrival in arrivals), Counter[str]())
    return tuple(Count(name=kind, count=count) for kind, count in sorted(removed.items()))


def _approvals(prepared: Prepared, consortium: Consortium, history: History) -> tuple[Approval, ...]:
    names, state = (prepared.unwanted_study, prepared.study), consortium.ledger.state
    return tuple(each for name in names for each in permits.decisions(state, name, history.decisions))


def _split(prepared: Prepared, arrivals: Sequence[Arrival]) -> Split:
    settings, images, split = prepared.settings, prepared.images, prepared.split
    official = "the data set's official test set" if images.official is not None else "a quarter of all groups"
    return Split(
        description=f"Test set: {official}. Hospitals: Dirichlet({settings.alpha}) label skew and unlike sizes, seed "
        f"{settings.seed}; near-duplicate groups stay whole. Fixed before anything was trained.",
        images_found=len(images) + images.report.duplicates_dropped,
        near_duplicates_dropped=images.report.duplicates_dropped,
        groups=len(np.unique(images.groups)),
        training=sum(arrival.train.total() for arrival in arrivals),
        validation=sum(arrival.validation for arrival in arrivals),
        test=len(split.test),
        redraws=split.attempt,
    )


def _plan(prepared: Prepared, consortium: Consortium) -> TrainingPlan:
    plan, arch = prepared.plan, prepared.arch
    rates = plan.learning_rates_millionths
    return TrainingPlan(
        architecture=f"FL-CNN: GroupNorm CNN, {arch.filters} filters, stem stride {arch.stem_stride}, "
        f"{arch.height} x {arch.width} x {arch.channels}",
        parameters=dimension(arch),
        rounds=plan.rounds,
        algorithm="federated averaging in short rounds, with server momentum",
        schedule=f"{plan.steps} steps of {plan.batch_size} images a round; learning rate "
        f"{rates[0] / 1e6:g} falling to {rates[-1] / 1e6:g} along a cosine",
        bits=BITS,
        code_digest=studies.require_study(consortium.ledger.state, prepared.study).spec.code.hex(),
        comparison="Own CNNs see as many images as each hospital sees in the federation, the pooled CNN as many as all "
        "of them together; all share network, first weights and augmentation, and have the plan that suits them best",
    )


def _with_scores(entry: Round, curve: Curve) -> Round:
    if entry.number not in curve:
        return entry
    auc, acc = curve[entry.number]
    return replace(entry, auc=auc, acc=acc)


def look_command(folder: Path) -> str:
    """The command that shows the run in the browser, as it works in the present folder."""
    is_latest = LATEST.exists() and LATEST.resolve() == folder.resolve()
    return f"{program()} portal" + ("" if is_latest else f" --dir {shlex.quote(str(folder))}")


def next_commands(folder: Path, anchor: bytes, organisation: str) -> tuple[Fact, ...]:
    """Commands to go on with, as they work in the present folder."""
    run = f"{program()} {{}} {shlex.quote(str(folder))} {{}}".format
    released = f"{program()} release check {shlex.quote(str(RunFolder(folder).released))} --genesis {anchor.hex()}"
    return (
        Fact(name=audit_command(folder, anchor), text="check the whole record yourself"),
        Fact(name=released, text="check the released model, with nothing but its file"),
        Fact(name=run("audit trace", f"--dataset {organisation}/{DATASET}"), text="who used this dataset, and why"),
        Fact(name=run("model predict IMAGE --dir", "").rstrip(), text="try the model"),
    )
