"""A study's opaque bytes: a plan alone as ever, or an envelope of trainer, plan and description."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from hmchain.application.learning.pinned import WordsPin, cnn_plan, pin_training, read_training
from hmchain.application.learning.schedule import default_plan
from hmchain.application.learning.study import differences, study_spec
from hmchain.application.learning.trainers.architecture import Architecture
from hmchain.canonical import NotCanonicalError, encode
from hmchain.ledger.contracts.data.datasets import Schema
from hmchain.ledger.contracts.learning.studies import DatasetUse

WORDS = WordsPin(b"d" * 32, b"o" * 32, 4000)
PLAN = default_plan(rounds=3, steps=2)
ARCH = Architecture.for_images(16, 16, 1, 2)
SALT = bytes(32)


def test_a_study_without_a_description_pins_its_plan_alone() -> None:
    assert pin_training(encode(PLAN)) == encode(PLAN)
    assert cnn_plan(encode(PLAN)) == PLAN and read_training(encode(PLAN)).words is None


def test_a_description_is_bound_by_what_stewards_approve() -> None:
    uses = tuple(DatasetUse(name, "scans", 1) for name in ("east", "north", "west"))
    schema = Schema("image", 1, 16, 16, ("dark", "bright"))
    bare, worded = (study_spec("s", schema, uses, ARCH, PLAN, SALT, words=words) for words in (None, WORDS))
    assert bare.digest != worded.digest
    assert read_training(worded.training).words == WORDS and cnn_plan(worded.training) == PLAN
    assert differences(worded, ARCH, PLAN, SALT) == ()
    other = replace(worded, training=pin_training(encode(PLAN), words=replace(WORDS, digest=b"e" * 32)))
    assert differences(other, ARCH, PLAN, SALT) == () and other.digest != worded.digest


def test_another_trainers_plan_is_not_read_as_ours() -> None:
    training = pin_training(b"a plan of its own", trainer="logistic")
    assert read_training(training).plan == b"a plan of its own"
    with pytest.raises(NotCanonicalError, match="logistic"):
        cnn_plan(training)
    with pytest.raises(NotCanonicalError):
        cnn_plan(b"no plan at all")
