"""Questions to models put in a process of their own: torch takes memory that whoever asks rarely need not hold.

What somebody sends is decoded there, too. Whoever asks hands these functions to `hmchain.apart`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hmchain.application.learning.memory import tune_allocator
from hmchain.application.models import inference
from hmchain.application.models.inference import ModelFile
from hmchain.application.models.unlike import Unlike, unlike
from hmchain.errors import HMChainError, InputError
from hmchain.ledger.contracts.learning import models
from hmchain.ledger.contracts.learning.models import Model
from hmchain.ledger.genesis import Genesis
from hmchain.ledger.readers.ledger import LedgerReader

if TYPE_CHECKING:
    from hmchain.application.learning.model_file import RegisteredModels

IMAGE_BYTES_MAX = 64 << 20


class ModelAnswerError(InputError):
    """The model has no answer to what was sent."""

    code = "model_answer"


@dataclass(frozen=True)
class KnownModels:
    """The models of a ledger, to hold files against."""

    genesis: Genesis
    models: tuple[Model, ...]

    @classmethod
    def of(cls, ledger: LedgerReader) -> KnownModels:
        """Those of a ledger that is open."""
        return cls(ledger.genesis, tuple(models.models(ledger.verified.state)))


@dataclass(frozen=True)
class ModelAnswer:
    """A model's word on one image."""

    probabilities: dict[str, float]
    picture: bytes
    """The image as the model is shown it, as PNG."""
    drops: tuple[tuple[float, ...], ...]
    """The heat map of the likeliest class by row and column; empty where the model allows none."""
    unlike: tuple[Unlike, ...] = ()
    """How the image is unlike those that the model learned from, as far as it alone tells."""

    @property
    def likeliest(self) -> str:
        """The class with the highest probability."""
        return max(self.probabilities, key=lambda name: self.probabilities[name])


def describe(path: Path, known: KnownModels | None) -> ModelFile:
    """A model file, held against a ledger. Raises as `inference.describe`."""
    return inference.describe(path, None if known is None else _registered(known))


def ask(path: Path, known: KnownModels, image: bytes) -> ModelAnswer:
    """The word of a model's file, which must be the ledger's, on one image. Raises `ModelAnswerError`."""
    try:
        return _asked(path, known, image)
    except HMChainError as error:
        hint = error.hint or "give a DICOM object or a picture, as the model learned from"
        raise ModelAnswerError(error.what, hint) from error


def _asked(path: Path, known: KnownModels, image: bytes) -> ModelAnswer:
    registered = _registered(known)
    from hmchain.application.learning import model_file, prediction
    from hmchain.application.models.heat import heat_map
    from hmchain.records.pictures.decode import as_png

    model = model_file.load_model(path, registered)
    shown = prediction.as_input(image, model.preprocessing)
    shares = prediction.predict(model, shown)
    likeliest = max(shares, key=lambda name: shares[name])
    drops = heat_map(model, shown, likeliest).drops
    return ModelAnswer(shares, as_png(shown.squeeze()), drops, unlike(image, shown, model.preprocessing))


def _registered(known: KnownModels) -> RegisteredModels:
    tune_allocator()
    from hmchain.application.learning import model_file

    return model_file.registered_on(known.genesis, known.models)
