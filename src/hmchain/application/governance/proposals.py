"""A study as its scientist asks for it, and all that follows from that: what stewards are to approve."""

from __future__ import annotations

from msgspec.structs import replace

from hmchain.application.governance.study_file import ModelChoice, Proposal, StudyFileError
from hmchain.application.learning.deadlines import Work, deadlines_for
from hmchain.application.learning.pinned import FL_CNN, WordsPin, cnn_plan, pin_training, read_training
from hmchain.application.learning.schedule import MILLION, Q16, TrainingPlan, default_plan
from hmchain.application.learning.study import study_spec
from hmchain.application.learning.trainer_study import TrainerPlan, pins_own_trainer, read_pins, trainer_spec
from hmchain.application.learning.trainers.architecture import Architecture
from hmchain.application.learning.trainers.source import read_source
from hmchain.application.learning.trainers.trainer import is_rows
from hmchain.canonical import decode
from hmchain.errors import HMChainError
from hmchain.ledger import arithmetic
from hmchain.ledger.contracts.data import datasets
from hmchain.ledger.contracts.data.datasets import Schema
from hmchain.ledger.contracts.learning.studies import DatasetUse, Deadlines, StudySpec
from hmchain.ledger.contracts.members import membership, parameters
from hmchain.ledger.reputation import faults_tolerated
from hmchain.ledger.state import State

_PLAN_BYTES_MAX = 32 << 10
_MODEL_BYTES_MAX = 4096
_TRAINER_MS = {"commit_ms": 120_000, "gate_ms": 60_000}
"""For training and judging at least, with a trainer of which nobody knows how long it takes."""


def specification(state: State, proposal: Proposal) -> StudySpec:
    """All that a study pins; a trainer of somebody's own is imported for it.

    Raises `StudyFileError` for datasets that are unknown, not made for learning, or unlike each other, and
    `TrainerCodeError` or `TrainerError`.
    """
    uses, schema, records = _data(state, proposal)
    if proposal.trainer:
        spec, usual = _of_trainer(state, proposal, uses, schema, records)
    else:
        spec, usual = _of_cnn(state, proposal, uses, schema, records)
    _require_fits(spec)
    return replace(spec, deadlines=_deadlines(state, proposal, usual))


def under_permit(state: State, allowed: StudySpec, trainer: str = "") -> StudySpec:
    """The study that is proposed of what was allowed, as a request's plan gives it: its first model is made.

    A `trainer` of somebody's own is imported for it. Raises as `specification`.
    """
    salt, words = parameters.founding(state).salt, read_training(allowed.training).words
    if pins_own_trainer(allowed):
        if not trainer:
            raise StudyFileError(
                "the study has a trainer of somebody's own", "name it in the file, as when it was asked"
            )
        _, own = read_pins(allowed)
        return trainer_spec(
            allowed.name, allowed.schema, allowed.uses, read_source(trainer), own, salt, colluders=allowed.colluders,
            purpose=allowed.purpose, deadlines=allowed.deadlines, words=words,
        )  # fmt: skip
    return study_spec(
        allowed.name, allowed.schema, allowed.uses, decode(allowed.architecture, Architecture),
        cnn_plan(allowed.training), salt, colluders=allowed.colluders, purpose=allowed.purpose,
        deadlines=allowed.deadlines, words=words,
    )  # fmt: skip


def _of_cnn(
    state: State, proposal: Proposal, uses: tuple[DatasetUse, ...], schema: Schema, records: int
) -> tuple[StudySpec, Deadlines]:
    """Specification and usual deadlines of an FL-CNN study."""
    if is_rows(schema):
        hint = 'name a trainer: trainer = "FILE.py:CLASS", see docs/how-to/own-trainer.md'
        raise StudyFileError(f"the datasets are rows, and {FL_CNN} learns from images", hint)
    plan, architecture = training_plan(proposal), _architecture(proposal.network, schema)
    spec = study_spec(
        proposal.name, schema, uses, architecture, plan, parameters.founding(state).salt,
        purpose=proposal.purpose, colluders=_colluders(state, proposal),
    )  # fmt: skip
    work = Work(
        images=plan.steps * plan.batch_size,
        records=records,
        positions=schema.height * schema.width // architecture.stem_stride**2,
        filters=architecture.filters,
        weights=spec.rule.size,
        participants=len(uses),
    )
    return spec, _usual(state, spec, work)


def _of_trainer(
    state: State, proposal: Proposal, uses: tuple[DatasetUse, ...], schema: Schema, records: int
) -> tuple[StudySpec, Deadlines]:
    """The same of a study with somebody's own trainer, whose code runs here. How long it takes nobody knows."""
    plan = TrainerPlan.of(proposal.rounds, proposal.options, clip_norm=proposal.clip_norm)
    spec = trainer_spec(
        proposal.name, schema, uses, read_source(proposal.trainer), plan, parameters.founding(state).salt,
        purpose=proposal.purpose, colluders=_colluders(state, proposal),
    )  # fmt: skip
    if len(spec.architecture) > _MODEL_BYTES_MAX:
        raise StudyFileError("the trainer's model has too many arrays, or too long names", "join some of them")
    work = Work(
        images=0, records=records, positions=1, filters=16, weights=spec.rule.size, participants=len(uses)
    )  # fmt: skip
    usual = _usual(state, spec, work)
    patient = {name: max(getattr(usual, name), _TRAINER_MS[name]) for name in _TRAINER_MS}
    return spec, replace(usual, **patient)


def _usual(state: State, spec: StudySpec, work: Work) -> Deadlines:
    needs_all = spec.threshold == len(spec.uses)
    return deadlines_for(work, needs_all=needs_all, least_ms=parameters.current(state).deadline_ms_min)


def _deadlines(state: State, proposal: Proposal, usual: Deadlines) -> Deadlines:
    """The usual ones, with what the proposal says in their place."""
    deadlines, least_ms = proposal.deadlines.over(usual), parameters.current(state).deadline_ms_min
    for name in deadlines.__struct_fields__:
        if getattr(deadlines, name) < least_ms:
            key = f"deadlines.{name.removesuffix('_ms')}"
            hint = f"this network allows no phase less than {least_ms / 1000:g} s"
            raise StudyFileError(f"{key} = {getattr(deadlines, name) / 1000:g} is too short", hint)
    return deadlines


def with_words(spec: StudySpec, words: WordsPin) -> StudySpec:
    """The same study with a description."""
    pinned = read_training(spec.training)
    return replace(spec, training=pin_training(pinned.plan, trainer=pinned.trainer, words=words))


def training_plan(proposal: Proposal) -> TrainingPlan:
    """The plan that a proposal's figures give; the demo's, where it says nothing."""
    usual = default_plan(proposal.rounds, proposal.steps)
    make = TrainingPlan.cosine if proposal.schedule == "cosine" else TrainingPlan.constant
    rates = make(
        proposal.rounds,
        round(proposal.learning_rate * MILLION),
        **{name: getattr(usual, name) for name in usual.__struct_fields__ if name != "learning_rates_millionths"},
    ).learning_rates_millionths
    return replace(
        usual,
        learning_rates_millionths=rates,
        batch_size=proposal.batch,
        weight_decay_millionths=round(proposal.weight_decay * MILLION),
        augmentation=proposal.augmentation,
        server_momentum_q16=round(proposal.momentum * Q16),
    )


def _data(state: State, proposal: Proposal) -> tuple[tuple[DatasetUse, ...], Schema, int]:
    """The datasets in use, their schema, and the records of the largest."""
    uses, schemas, counts = [], [], []
    for organisation, name in sorted(proposal.datasets.items()):
        held = datasets.dataset(state, organisation, name)
        if held is None or not held.version:
            raise StudyFileError(f"{organisation} has published no dataset {name}", "its steward publishes it first")
        newest = datasets.version(state, organisation, name, held.version)
        if newest is None or newest.withdrawn:
            what = f"{organisation} has withdrawn the newest version of {name}, since records of it were erased"
            raise StudyFileError(what, "its steward registers the next version first")
        uses.append(DatasetUse(organisation, name, held.version))
        schemas.append(held.schema)
        counts.append(newest.count)
    if not schemas or any(schema != schemas[0] for schema in schemas):
        raise StudyFileError("the datasets are not of one schema", "propose a study of datasets that are alike")
    schema = schemas[0]
    if not isinstance(schema, Schema):
        hint = "make images or rows of them first: `hmchain data prepare DATASET --into NAME`"
        raise StudyFileError("the datasets are not made to learn from", hint)
    return tuple(uses), schema, max(counts)


def _architecture(network: ModelChoice, schema: Schema) -> Architecture:
    usual = Architecture.for_images(
        schema.height, schema.width, schema.channels, len(schema.classes), filters=network.filters
    )
    return usual if network.stem_stride is None else replace(usual, stem_stride=network.stem_stride)


def _require_fits(spec: StudySpec) -> None:
    """Refuse what the ledger would refuse for its size, before it is sent."""
    if len(spec.training) > _PLAN_BYTES_MAX:
        what = f"a plan of {spec.rounds} rounds takes {len(spec.training)} bytes"
        raise StudyFileError(what, f"a study may pin {_PLAN_BYTES_MAX}: fewer rounds, or a learning rate below 0.065")
    try:
        arithmetic.validate(spec.rule)
    except HMChainError as error:
        raise StudyFileError(
            f"model and momentum do not go together: {error}", "less momentum, fewer rounds"
        ) from error


def _colluders(state: State, proposal: Proposal) -> int:
    participants, most = len(proposal.datasets), faults_tolerated(len(membership.active_members(state)))
    colluders = most if proposal.colluders is None else proposal.colluders
    if not 0 <= colluders <= most:
        raise StudyFileError(f"colluders = {colluders} is out of range", f"this consortium withstands 0 to {most}")
    if participants < colluders + 2:
        what = f"{participants} hospitals cannot withstand {colluders} of them that pool what they know"
        way_out = f"ask {colluders + 2} or more, or pin less: `colluders = {max(0, participants - 2)}`"
        raise StudyFileError(what, f"{way_out}, which every steward sees")
    return colluders
