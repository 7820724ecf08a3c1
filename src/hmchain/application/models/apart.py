"""Work on models in a process of its own: what torch takes, and what a damaged file does, is not of whoever asks.

The process begins with the first question and ends when nobody has asked for a while.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from threading import Lock, Timer
from typing import TYPE_CHECKING, Any, TypeVar

from hmchain.application.learning.memory import tune_allocator
from hmchain.application.models import inference
from hmchain.application.models.asking import ModelProcessError
from hmchain.application.models.inference import ModelFile
from hmchain.errors import HMChainError
from hmchain.ledger.contracts.learning import models
from hmchain.ledger.contracts.learning.models import Model
from hmchain.ledger.genesis import Genesis
from hmchain.ledger.readers.ledger import LedgerReader
from hmchain.processes import no_code_from_here

if TYPE_CHECKING:
    from hmchain.application.learning.model_file import RegisteredModels

IDLE_SECONDS = 300.0
ANSWER_SECONDS = 120.0

_T = TypeVar("_T")


@dataclass(frozen=True)
class KnownModels:
    """The models of a ledger, to hold files against."""

    genesis: Genesis
    models: tuple[Model, ...]

    @classmethod
    def of(cls, ledger: LedgerReader) -> KnownModels:
        """Those of a ledger that is open."""
        return cls(ledger.genesis, tuple(models.models(ledger.verified.state)))


class Apart:
    """The process, if there is one. Safe from several threads, whose questions it takes one after the other."""

    def __init__(self, idle_seconds: float = IDLE_SECONDS, answer_seconds: float = ANSWER_SECONDS) -> None:
        self._idle_seconds, self._answer_seconds, self._lock = idle_seconds, answer_seconds, Lock()
        self._begun: _Begun | None = None
        self._ends: Timer | None = None

    def describe(self, path: Path, known: KnownModels | None) -> ModelFile:
        """A model file, held against a ledger. Raises as `inference.describe`, and `ModelProcessError`."""
        return self.run(described, path, known)

    def run(self, question: Callable[..., _T], *given: object) -> _T:
        """The answer of a module's function to a question, made in the process. Raises `ModelProcessError`."""
        with self._lock:
            if self._ends is not None:
                self._ends.cancel()
            begun = self._begun = self._begun or _begin(self._answer_seconds)
            try:
                found: _T = begun.answer(question, given)
            except ModelProcessError:
                self._end()
                raise
            self._ends = Timer(self._idle_seconds, self.close)
            self._ends.daemon = True
            self._ends.start()
            return found

    def close(self) -> None:
        """End the process, once it has answered."""
        with self._lock:
            self._end()

    def _end(self) -> None:
        if self._begun is not None:
            self._begun.process.kill()
            self._begun.process.join()
            self._begun.pipe.close()
        if self._ends is not None:
            self._ends.cancel()
        self._begun = self._ends = None


@dataclass(frozen=True)
class _Begun:
    process: SpawnProcess
    pipe: Connection[Any, Any]
    seconds: float

    def answer(self, question: Callable[..., _T], given: tuple[object, ...]) -> _T:
        try:
            self.pipe.send((question, given))
            if not self.pipe.poll(self.seconds):
                what = f"the model did not answer within {self.seconds:g} s"
                raise ModelProcessError(what, "try again, with a smaller image")
            found = self.pipe.recv()
        except (EOFError, OSError) as error:
            raise ModelProcessError("the process that asks the model ended", "see that there is memory") from error
        if isinstance(found, Exception):
            raise found
        return found  # type: ignore[no-any-return]


def _begin(seconds: float) -> _Begun:
    context = multiprocessing.get_context("spawn")
    ours, its = context.Pipe()
    with no_code_from_here():
        process = context.Process(target=_serve, args=(its,), daemon=True)
        process.start()
    its.close()
    return _Begun(process, ours, seconds)


def _serve(pipe: Connection[Any, Any]) -> None:
    """Answer until nobody is there to ask."""
    with suppress(EOFError, KeyboardInterrupt):
        while True:
            question, given = pipe.recv()
            try:
                found = question(*given)
            except HMChainError as error:
                found = error
            except Exception as error:  # whoever asks is told, without what a stranger's file made of its words
                found = ModelProcessError(f"the model could not be asked ({type(error).__name__})", "see its file")
            pipe.send(found)


def described(path: Path, known: KnownModels | None) -> ModelFile:
    """What `describe` gives, made here."""
    return inference.describe(path, None if known is None else _registered(known))


def _registered(known: KnownModels) -> RegisteredModels:
    tune_allocator()
    from hmchain.application.learning import model_file

    return model_file.registered_on(known.genesis, known.models)
