"""Trainers as data scientists write them: the one of the guide, and others that do not behave."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np

from hmchain.application.learning.trainer_study import TrainerPlan, start
from hmchain.application.learning.trainers.allowance import NOTHING, Allowance
from hmchain.application.learning.trainers.local import Vector
from hmchain.application.learning.trainers.own_child import Begin
from hmchain.application.learning.trainers.source import read_source
from hmchain.ledger.contracts.data.datasets import Schema
from hmchain.records.prepared_rows import RowSet
from support.paths import REPOSITORY

PAGE = REPOSITORY / "docs" / "how-to" / "own-trainer.md"
SCHEMA = Schema("table", 1, 1, 5, ("no", "yes"))
TITLES = {"elm": "Elm", "fir": "Fir", "oak": "Oak", "yew": "Yew"}


def block(title: str) -> str:
    """A block of code of the guide, by its title."""
    found = re.search(rf'```\w+ title="{re.escape(title)}"[^\n]*\n(.*?)```', PAGE.read_text("utf-8"), re.DOTALL)
    assert found is not None, f"the guide has no block titled {title}"
    return found[1]


def logistic(folder: Path) -> Path:
    """The guide's trainer, as a file."""
    path = folder / "logistic.py"
    path.write_text(block("logistic.py"), "utf-8")
    return path


def altered(folder: Path, name: str, *changes: tuple[str, str]) -> Path:
    """The guide's trainer, with parts of its text replaced."""
    text = block("logistic.py")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = folder / name
    path.write_text(text, "utf-8")
    return path


def rows(count: int, seed: int) -> RowSet:
    """Five numbers each, of which two tell the class."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    values = random.normal(0, 1, (count, SCHEMA.width)).astype(np.float32)
    values[:, :2] += np.where(labels, 1.2, -1.2)[:, None]
    return RowSet(values, labels)


def beginning(source_text: str) -> tuple[Begin, Vector]:
    """What a trainer's process is given first in a study of few steps, and the first model."""
    source = read_source(source_text)
    made = start(source, SCHEMA, TrainerPlan.of(1, {"steps": 1, "rate": 0.1}), bytes(32), "risk")
    return Begin(source, SCHEMA, made.options, made.layers, sys.path), made.initial


def unlimited() -> Allowance:
    """A machine of which a study may take what it will."""
    return Allowance(None, NOTHING, lambda used: None)
