"""A model asked about one image, in a process of its own: torch takes memory that whoever asks rarely need not hold.

What somebody sends is decoded there, too.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from threading import BoundedSemaphore

import msgspec

from hmchain import decoding
from hmchain.canonical import decode, encode
from hmchain.errors import HMChainError, InputError, StorageError
from hmchain.ledger.contracts.learning import models
from hmchain.ledger.readers.ledger import LedgerReader
from hmchain.processes import child_environment

IMAGE_BYTES_MAX = 64 << 20
SECONDS = 120.0
_ANSWER_BYTES_MAX = 32 << 20
_AT_ONCE = BoundedSemaphore(2)
"""Each takes some 300 MB."""
_CHILD = (sys.executable, "-P", "-c", "from hmchain.application.models.asking import main; main()")


class ModelBusyError(InputError):
    """The model is asked by so many that this machine has no memory for more."""

    code = "model_busy"


class ModelAnswerError(InputError):
    """The model has no answer to what was sent."""

    code = "model_answer"


class ModelProcessError(StorageError):
    """The process that asks a model ended without an answer."""

    code = "model_process"


class Registered(msgspec.Struct, frozen=True):
    """The models of a ledger, for who has no ledger at hand."""

    genesis: bytes
    earlier: tuple[bytes, ...]
    models: tuple[bytes, ...]
    """Their canonical encodings."""


class Question(msgspec.Struct, frozen=True):
    """One image for one model."""

    path: str
    registered: Registered
    image: bytes
    heat: bool


class Word(msgspec.Struct, frozen=True):
    """The answer, or why there is none."""

    probabilities: dict[str, float] = {}
    picture: bytes = b""
    """The image as the model is shown it, as PNG."""
    drops: tuple[tuple[float, ...], ...] = ()
    what: str = ""
    hint: str = ""


@dataclass(frozen=True)
class ModelAnswer:
    """A model's word on one image."""

    probabilities: dict[str, float]
    picture: bytes
    """The image as the model is shown it, as PNG."""
    drops: tuple[tuple[float, ...], ...]
    """The heat map of the likeliest class by row and column; empty where the model allows none."""

    @property
    def likeliest(self) -> str:
        """The class with the highest probability."""
        return max(self.probabilities, key=lambda name: self.probabilities[name])


def registered(ledger: LedgerReader) -> Registered:
    """The models of a ledger, to hold a file against."""
    known, genesis = models.models(ledger.verified.state), ledger.genesis
    return Registered(genesis.digest, tuple(past.genesis for past in genesis.chains[1:]), tuple(map(encode, known)))


def ask(path: Path, known: Registered, image: bytes, *, heat: bool = True) -> ModelAnswer:
    """The word of a model's file, which must be the ledger's, on one image.

    Raises `ModelAnswerError` with the reason, `ModelBusyError` or `ModelProcessError`.
    """
    if not _AT_ONCE.acquire(blocking=False):
        raise ModelBusyError("the model is being asked by others", "try again in some seconds")
    try:
        given = msgspec.msgpack.encode(Question(str(path), known, image, heat))
        done = subprocess.run(
            _CHILD, input=given, capture_output=True, timeout=SECONDS, check=False, env=child_environment()
        )
        found = decoding.from_msgpack(done.stdout[:_ANSWER_BYTES_MAX], Word)
    except (OSError, subprocess.TimeoutExpired, msgspec.MsgspecError) as error:
        raise ModelProcessError("the model gave no answer", "see that there is memory for it, and try again") from error
    finally:
        _AT_ONCE.release()
    if found.what:
        raise ModelAnswerError(found.what, found.hint)
    return ModelAnswer(found.probabilities, found.picture, found.drops)


def main() -> None:
    """Answer the question that comes on standard input, on standard output."""
    question = decoding.from_msgpack(sys.stdin.buffer.read(), Question)
    try:
        word = _answer(question)
    except HMChainError as error:
        word = Word(what=error.what, hint=error.hint or "give a DICOM object or a picture, as the model learned from")
    sys.stdout.buffer.write(msgspec.msgpack.encode(word))


def _answer(question: Question) -> Word:
    from hmchain.application.learning import model_file, prediction
    from hmchain.application.models.heat import heat_map
    from hmchain.records.pictures.decode import as_png

    given = question.registered
    known = tuple(decode(each, models.Model) for each in given.models)
    model = model_file.load_model(Path(question.path), model_file.RegisteredModels(given.genesis, known, given.earlier))
    image = prediction.as_input(question.image, model.preprocessing)
    shares = prediction.predict(model, image)
    likeliest = max(shares, key=lambda name: shares[name])
    drops = heat_map(model, image, likeliest).drops if question.heat else ()
    return Word(shares, as_png(image.squeeze()), drops)
