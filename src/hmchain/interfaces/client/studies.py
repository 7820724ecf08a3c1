"""Studies and their models, as flows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hmchain import files
from hmchain.application.governance.words import StudyInWords
from hmchain.application.node.study_here import StudyHere
from hmchain.interfaces.client.flows import Flow, Question, Reply, listed, read
from hmchain.ledger.readers.models import ModelView


def studies() -> Flow[list[StudyInWords]]:
    """All studies, and what the hospital said of each."""
    return listed("/studies", StudyInWords)


def study(name: str) -> Flow[StudyInWords]:
    """All that a study pins, in plain words."""
    return read(f"/studies/{name}", StudyInWords)


def study_statuses() -> Flow[list[StudyHere]]:
    """How all studies stand."""
    return listed("/study-status", StudyHere)


def study_status(name: str) -> Flow[StudyHere]:
    """How a study stands."""
    return read(f"/studies/{name}/status", StudyHere)


def models() -> Flow[list[ModelView]]:
    """The models on the ledger."""
    return listed("/models", ModelView)


def predict(study: str, image: Path) -> Flow[dict[str, Any]]:
    """What a study's model says of an image. Research use only, not a medical device."""
    reply: Reply = yield Question(
        "POST", f"/models/{study}/predictions", {"file": image.name}, content=files.read(image)
    )  # fmt: skip
    return reply.view(dict[str, Any])
