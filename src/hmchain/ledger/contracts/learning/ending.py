"""How a study ends: its last accepted model is registered, or nothing came of it."""

from __future__ import annotations

from typing import NamedTuple

from msgspec.structs import replace

from hmchain.ledger import events
from hmchain.ledger.context import Context
from hmchain.ledger.contracts.learning import models, rounds, studies
from hmchain.ledger.contracts.learning.models import Meaning, Model
from hmchain.ledger.contracts.learning.rounds import Round
from hmchain.ledger.contracts.learning.studies import Status, Study


class Base(NamedTuple):
    """A model that a round starts from, as in `Round`."""

    root: bytes
    weights: bytes
    object: bytes
    round: int


def base_of(entry: Round) -> Base:
    """The model that a round started from."""
    return Base(entry.base_root, entry.base_weights, entry.base_object, entry.base_round)


def end(context: Context, study: Study, entry: Round | None, reason: str) -> None:
    """End a study that is to go no further, and charge nobody for it: its last accepted model is registered.

    Where no round was accepted (`entry` is None where none ever opened) the study is closed, and nothing came of it.
    """
    if entry is not None:
        rounds.remember_void(context.state, entry)
        rounds.put(context.state, replace(entry, frozen=()))
    if entry is not None and entry.base_object:
        finish(context, study, base_of(entry), reason)
        return
    studies.set_progress(context.state, study.spec.name, status=Status.CLOSED, reason=reason)
    context.emit(events.StudyClosed(study.spec.name, reason))


def finish(context: Context, study: Study, model: Base, reason: str) -> None:
    """Finish a study, and register the model that came of it."""
    name = study.spec.name
    studies.set_progress(context.state, name, status=Status.FINISHED, reason=reason)
    context.emit(events.StudyFinished(name, reason))
    if study.spec.is_count:  # what came of it is the sum of its round 0
        return
    meaning = _meaning(context, study).digest
    models.register(context, Model(name, model.round, model.root, model.weights, meaning, model.object, context.height))


def _meaning(context: Context, study: Study) -> Meaning:
    spec, counts = study.spec, rounds.round_(context.state, study.spec.name, 0)
    return Meaning(
        chain_id=context.chain_id, study=spec.name, purpose=spec.purpose, code=spec.code, training=spec.training,
        schema=spec.schema, architecture=spec.architecture, participants=len(spec.uses),
        counts_root=counts.posted.model_root if counts and counts.posted else b"",
    )  # fmt: skip
