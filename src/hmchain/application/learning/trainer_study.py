"""A study of somebody's own trainer: what it pins, and the same made again by every agent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import msgspec
from blake3 import blake3

from hmchain import decoding
from hmchain.application.learning.defaults import CLIP_NORM, CLIP_NORM_RANGE, DEADLINES, HEALTH_RESEARCH
from hmchain.application.learning.pinned import FL_CNN, WordsPin, pin_training, read_training
from hmchain.application.learning.schedule import MILLION, Q16, PlanError
from hmchain.application.learning.specification import fields_that_differ, specification
from hmchain.application.learning.trainers.local import Vector
from hmchain.application.learning.trainers.own import Layers, TrainerLayer, first_model
from hmchain.application.learning.trainers.source import TrainerSource, require_class_name
from hmchain.application.learning.trainers.trainer import Option
from hmchain.application.learning.trainers.worker import of_others
from hmchain.canonical import NotCanonicalError, Record, decode, encode
from hmchain.ledger.contracts.data.datasets import Schema
from hmchain.ledger.contracts.learning.studies import DatasetUse, Deadlines, StudySpec

_OPTIONS = decoding.json_decoder(dict[str, Option])
_WORD = re.compile(r"[A-Za-z0-9_.-]{1,32}")


class TrainerModel(Record, frozen=True, tag="trainer model"):
    """What `StudySpec.architecture` holds of such a study: the trainer's class, and its arrays in order."""

    trainer: str
    layers: tuple[TrainerLayer, ...]

    def __post_init__(self) -> None:
        require_class_name(self.trainer)

    @property
    def size(self) -> int:
        """Numbers in the model."""
        return sum(layer.size for layer in self.layers)


class TrainerPlan(Record, frozen=True, kw_only=True):
    """How a study of somebody's own trainer goes; make one with `TrainerPlan.of`."""

    rounds: int
    options: str
    """JSON that the trainer gets as a dict: numbers, yes or no, and short words, since all members read it.

    No float of it is computed with before the ledger's integers.
    """
    clip_norm_millionths: int
    """Largest L2 norm of an update of all arrays together."""
    server_momentum_q16: int
    server_learning_rate_q16: int

    def __post_init__(self) -> None:
        if self.rounds < 1:
            raise PlanError("a training plan needs at least one round")
        least, most = (round(bound * MILLION) for bound in CLIP_NORM_RANGE)
        if not least <= self.clip_norm_millionths <= most:
            raise PlanError("the largest norm of an update must lie between {:g} and {:g}".format(*CLIP_NORM_RANGE))
        if not 0 <= self.server_momentum_q16 < Q16:
            raise PlanError("the server's momentum must be at least 0 and less than 1")
        self.settings()

    @classmethod
    def of(
        cls,
        rounds: int,
        options: Mapping[str, Option] | None = None,
        *,
        clip_norm: float = CLIP_NORM,
        server_momentum: float = 0.0,
    ) -> Self:
        """A plan of federated averaging; `clip_norm` bounds what one hospital may change in a round."""
        return cls(
            rounds=rounds,
            options=_as_json(options or {}),
            clip_norm_millionths=round(clip_norm * MILLION),
            server_momentum_q16=round(server_momentum * Q16),
            server_learning_rate_q16=Q16,
        )

    def settings(self) -> dict[str, Option]:
        """The options, as the trainer gets them. Raises `PlanError`."""
        try:
            found = _OPTIONS.decode(self.options)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise PlanError("the options are no table of numbers, words and lists of them") from error
        listed = [each for value in found.values() for each in (value if isinstance(value, list) else [value])]
        if not all(_WORD.fullmatch(each) for each in (*found, *listed) if isinstance(each, str)):
            raise PlanError("an option is longer than a word of 32 letters, digits, _ . or -: all members read it")
        if _as_json(found) != self.options:
            raise PlanError("the options are not as this version writes them")
        return found


def _as_json(options: Mapping[str, Option]) -> str:
    return msgspec.json.encode(dict(options), order="sorted").decode()


@dataclass(frozen=True)
class OwnStart:
    """A trainer that could be loaded and made, and the first model that it gives."""

    source: TrainerSource
    options: dict[str, Option]
    layers: Layers
    initial: Vector


def pins_own_trainer(spec: StudySpec) -> bool:
    """True if the study brings code of its own."""
    return read_training(spec.training).trainer != FL_CNN


def read_pins(spec: StudySpec) -> tuple[TrainerModel, TrainerPlan]:
    """Model and plan of such a study. Raises `NotCanonicalError` or `PlanError`."""
    pinned, model = read_training(spec.training), decode(spec.architecture, TrainerModel)
    if model.trainer != pinned.trainer:
        raise NotCanonicalError("plan and model are of two trainers")
    return model, decode(pinned.plan, TrainerPlan)


def start(source: TrainerSource, schema: Schema, plan: TrainerPlan, salt: bytes, study: str) -> OwnStart:
    """Load a trainer and ask it for the first model of a study: its code runs. Raises as `load` and `first_model`."""
    kind, options = source.load(), plan.settings()
    trainer = of_others(str(source), "__init__", lambda: kind(schema, options))
    layers, initial = first_model(trainer, str(source), _first_seed(salt, study))
    return OwnStart(source, options, layers, initial)


def _first_seed(salt: bytes, study: str) -> bytes:
    return blake3(salt + study.encode(), derive_key_context="hmchain 2026 first model of a trainer").digest()


def trainer_spec(
    name: str,
    schema: Schema,
    uses: tuple[DatasetUse, ...],
    source: TrainerSource,
    plan: TrainerPlan,
    salt: bytes,
    *,
    colluders: int | None = None,
    purpose: str = HEALTH_RESEARCH,
    deadlines: Deadlines = DEADLINES,
    words: WordsPin | None = None,
    begun: OwnStart | None = None,
) -> StudySpec:
    """The specification of a study of somebody's own trainer; as `study_spec`. Runs the trainer's code.

    `begun` is what `start` gave for the same, where it was called already.
    """
    first = begun or start(source, schema, plan, salt, name)
    return specification(
        name,
        schema,
        uses,
        plan,
        [layer.size for layer in first.layers],
        first.initial,
        architecture=encode(TrainerModel(source.name, first.layers)),
        code=source.digest,
        training=pin_training(encode(plan), trainer=source.name, words=words),
        clip_norm_millionths=plan.clip_norm_millionths,
        purpose=purpose,
        deadlines=deadlines,
        colluders=colluders,
    )


def trainer_differences(
    spec: StudySpec, source: TrainerSource, plan: TrainerPlan, salt: bytes, begun: OwnStart
) -> tuple[str, ...]:
    """What a specification pins otherwise than its trainer and plan give it; as `study.differences`."""
    right = trainer_spec(
        spec.name, spec.schema, spec.uses, source, plan, salt,
        colluders=spec.colluders, purpose=spec.purpose, deadlines=spec.deadlines,
        words=read_training(spec.training).words, begun=begun,
    )  # fmt: skip
    return fields_that_differ(spec, right)
