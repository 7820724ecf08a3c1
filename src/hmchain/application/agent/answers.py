"""What a hospital says in a round 0: how many people, or how many training records of each class.

Each number is a statement, and has the one noise of that statement: of the hospital's key and of the records that were
counted, so that neither a file that is lost or put back nor a study of another name draws it a second time. A hospital
sits out where fewer people fit than its policy lets be counted, and also where with the noise there seem to be fewer.
That it does is seen by all: so much of a count under the limit is told, and never more.
"""

from __future__ import annotations

import numpy as np

from hmchain.application.agent.desk import RoundDesk
from hmchain.application.cohort.noise import noise
from hmchain.application.learning.quantise import UpdateError
from hmchain.canonical import Record, digest
from hmchain.keys import Redacted
from hmchain.ledger.arithmetic import I32
from hmchain.ledger.contracts.data import datasets, queries
from hmchain.ledger.contracts.learning import counting
from hmchain.ledger.transactions import Refusal

CLASS_EPSILON_MILLIONTHS = 500_000
"""Of each class count: epsilon 0.5 for one record."""

TOO_FEW = "this hospital sits out: it has fewer people than its policy lets be counted"
TOO_MANY = "this hospital has more people than a count holds of one: have the question narrowed"


class Noised(Redacted, Record, frozen=True):
    """The number of one statement, with the one noise that it ever gets."""

    number: int


def class_statement(organisation: str, place: int) -> bytes:
    """The statement of how many training records a hospital has of the class at a place of their schema.

    Records hold that place and no name. Beside it the number depends on the records alone, whose digest is in the noise
    itself: a dataset or version of another name that has the same records says the same.
    """
    parameters = (place.to_bytes(4, "big"), CLASS_EPSILON_MILLIONTHS.to_bytes(4, "big"))
    return digest("hmchain class count statement", organisation.encode(), *parameters)


def people(desk: RoundDesk) -> int | None:
    """How many people one says that there are; None if one sits out."""
    use = desk.study.spec.use(desk.organisation)
    least = counting.people_min(desk.state, use.organisation, use.dataset)
    plan = queries.plan_of(desk.study.spec.training)
    root = _root(desk)
    statement = queries.statement(plan, use.organisation, root)
    said = _kept(desk, root, statement)
    if said is None:
        counted = int(desk.learner.class_counts[0])
        if counted < least:
            return None
        said = _say(desk, root, statement, counted, plan.epsilon_millionths)
    return said if said >= least else None


def vector(desk: RoundDesk) -> I32:
    """What is summed in round 0. Only of a hospital that does not sit out."""
    return _people_vector(desk) if desk.study.spec.is_count else _class_vector(desk)


def _people_vector(desk: RoundDesk) -> I32:
    answer = people(desk)
    if answer is None:
        raise UpdateError(TOO_FEW)
    if answer > desk.study.rule(0).quantum:  # cut, the sum would be no upper bound, and nobody would know
        raise UpdateError(TOO_MANY)
    return np.array([answer], np.int32)


def _class_vector(desk: RoundDesk) -> I32:
    root, said = _root(desk), []
    for place in range(len(desk.study.spec.schema.classes)):
        statement = class_statement(desk.organisation, place)
        if (number := _kept(desk, root, statement)) is None:
            number = _say(desk, root, statement, int(desk.learner.class_counts[place]), CLASS_EPSILON_MILLIONTHS)
        said.append(number)
    return np.clip(said, 0, desk.study.rule(0).quantum).astype(np.int32)


def _root(desk: RoundDesk) -> bytes:
    """Of the version that the study is about, at one's own hospital."""
    use = desk.study.spec.use(desk.organisation)
    version = datasets.version(desk.state, use.organisation, use.dataset, use.version)
    if version is None:
        raise Refusal("no_such_version")
    return version.root


def _kept(desk: RoundDesk, root: bytes, statement: bytes) -> int | None:
    found = desk.store.get(_name(root, statement), Noised)
    return None if found is None else found.number


def _say(desk: RoundDesk, root: bytes, statement: bytes, counted: int, epsilon_millionths: int) -> int:
    """Draw a statement's noise and keep the number of this version: that of fewer records would tell whose are gone.

    Where it was not kept, other records have other noise, so that no difference of two answers is a record.
    """
    said = Noised(counted + noise(desk.store.lasting, statement, desk.learner.data, epsilon_millionths))
    desk.store.put(_name(root, statement), said)
    return said.number


def _name(root: bytes, statement: bytes) -> str:
    return f"said/{root.hex()}/{statement.hex()}"
