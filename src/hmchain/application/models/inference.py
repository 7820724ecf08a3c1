"""Model files: what they hold, and whether they are the ledger's.

torch takes seconds to import, and comes when a file is read; what its allocator is told must come before it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from hmchain.application.learning.memory import tune_allocator
from hmchain.application.learning.model_origin import ModelDiffersError, Origin, UnregisteredModelError
from hmchain.application.learning.trainer_study import TrainerModel
from hmchain.ledger.contracts.learning import models
from hmchain.ledger.readers.ledger import LedgerReader

if TYPE_CHECKING:
    from hmchain.application.learning.model_file import Model, RegisteredModels, Registry
    from hmchain.application.learning.trainers.architecture import Architecture, Preprocessing

MATCHES, DIFFERS, UNKNOWN = "matches", "differs", "unknown"


@dataclass(frozen=True)
class ModelFile:
    """A model file."""

    path: Path
    sha256: bytes
    architecture: Architecture | TrainerModel
    weights: int
    preprocessing: Preprocessing
    origin: Origin | None
    """What it says of where it comes from."""
    ledger: str
    """Whether weights and meaning are those of the ledger: `matches`, `differs`, or `unknown` where there is none."""
    difference: str
    """What differs from the ledger, or why it was not compared."""
    releases: tuple[str, ...] = ()
    """By which it has left its hospitals, as the ledger says; none of what is inside."""

    @property
    def trainer(self) -> str:
        """The trainer's class, if the model is of somebody's own; else empty."""
        return self.architecture.trainer if isinstance(self.architecture, TrainerModel) else ""

    @property
    def network(self) -> str:
        """Network or trainer, in words."""
        arch = self.architecture
        if isinstance(arch, TrainerModel):
            shapes = (f"{each.name} {' x '.join(map(str, each.shape)) or '1'}" for each in arch.layers)
            return f"of the trainer {arch.trainer}: {', '.join(shapes)}"
        return f"{arch.name}, {arch.filters} filters, stem stride {arch.stem_stride}"


def known(ledger: LedgerReader) -> RegisteredModels:
    """The models of a ledger, to hold files against."""
    tune_allocator()
    from hmchain.application.learning import model_file

    return model_file.registered_on(ledger.genesis, models.models(ledger.verified.state))


def load(path: Path, ledger: LedgerReader) -> Model:
    """Read a model file and hold it against its ledger. Raises what `model_file.load_model` raises."""
    registry = known(ledger)
    from hmchain.application.learning import model_file

    return model_file.load_model(path, registry)


def describe(path: Path, registry: Registry | None) -> ModelFile:
    """Read a model file and hold it against a ledger, if there is one. Raises `ModelFileError`."""
    tune_allocator()
    from hmchain.application.learning import model_file

    model = model_file.load_model(path, unregistered=True)
    if registry is None:
        return described(path, model, UNKNOWN, "there is no ledger here to compare it with")
    try:
        model_file.check(model, registry, path)
    except ModelDiffersError as error:
        return described(path, model, DIFFERS, error.what)
    except UnregisteredModelError as error:
        return described(path, model, UNKNOWN, error.what)
    return described(path, model, MATCHES, "")


def standing(found: ModelFile, ledger: LedgerReader) -> ModelFile:
    """A file with the releases by which its study's model has left; nothing of one that is not the ledger's."""
    if found.ledger != MATCHES or found.origin is None:
        return found
    left = (each.release for each in ledger.releases(found.origin.study) if each.is_released)
    return replace(found, releases=tuple(left))


def described(path: Path, model: Model, compared: str, difference: str) -> ModelFile:
    """A model that was read from a file, and what came of comparing it with a ledger."""
    digest = hashlib.sha256(path.read_bytes()).digest()
    return ModelFile(
        path, digest, model.arch, model.vector.size, model.preprocessing, model.origin, compared, difference
    )
