"""What a hospital answers to a count: the people of whom it is true, with the one noise of its statement; or nothing.

A hospital sits out where fewer people fit than its policy lets be counted, and also where with the noise there seem to
be fewer. That it does is seen by all: so much of a count under the limit is told, and never more.
"""

from __future__ import annotations

import numpy as np

from hmchain.application.agent.desk import RoundDesk
from hmchain.application.cohort.noise import noise
from hmchain.application.learning.quantise import UpdateError
from hmchain.canonical import Record
from hmchain.keys import Redacted
from hmchain.ledger.arithmetic import I32
from hmchain.ledger.contracts.data import datasets, queries
from hmchain.ledger.contracts.learning import counting
from hmchain.ledger.transactions import Refusal

TOO_FEW = "this hospital sits out: it has fewer people than its policy lets be counted"
TOO_MANY = "this hospital has more people than a count holds of one: have the question narrowed"


class NoisedPeople(Redacted, Record, frozen=True):
    """The number of people of one statement, with the one noise that it ever gets."""

    people: int


def statement(desk: RoundDesk) -> bytes:
    """The statement that this count is at one's own hospital."""
    use = desk.study.spec.use(desk.organisation)
    version = datasets.version(desk.state, use.organisation, use.dataset, use.version)
    if version is None:
        raise Refusal("no_such_version")
    return queries.statement(queries.plan_of(desk.study.spec.training), use.organisation, version.root)


def people(desk: RoundDesk) -> int | None:
    """How many people one says that there are; None if one sits out.

    What was drawn is kept: with fewer records, under the same noise, it would tell whose were erased. The noise is of a
    secret that outlives the agent's file, since a statement is charged once: else each file that is lost, and nobody
    backs one up, gave another draw for nothing.
    """
    use = desk.study.spec.use(desk.organisation)
    least = counting.people_min(desk.state, use.organisation, use.dataset)
    said = statement(desk)
    name = f"people/{said.hex()}"
    drawn = desk.store.get(name, NoisedPeople)
    if drawn is None:
        counted = int(desk.learner.class_counts[0])
        if counted < least:
            return None
        epsilon = queries.plan_of(desk.study.spec.training).epsilon_millionths
        drawn = NoisedPeople(counted + noise(desk.store.lasting, said, epsilon))
        desk.store.put(name, drawn)
    return drawn.people if drawn.people >= least else None


def vector(desk: RoundDesk) -> I32:
    """What is summed: one number. Only of a hospital that does not sit out."""
    answer = people(desk)
    if answer is None:
        raise UpdateError(TOO_FEW)
    if answer > desk.study.rule(0).quantum:  # cut, the sum would be no upper bound, and nobody would know
        raise UpdateError(TOO_MANY)
    return np.array([answer], np.int32)
