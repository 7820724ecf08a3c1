"""Where a model comes from, and what may be wrong with it or its file.

A process that only hears of models, as a portal does, knows these without torch, which takes half a gigabyte.
"""

from __future__ import annotations

from hmchain.canonical import Record
from hmchain.errors import AuditError, InputError, StudyError


class ModelFileError(InputError):
    """A file that is not a model of ours."""

    code = "model_file"


class UnregisteredModelError(InputError):
    """A model file that no ledger was, or could be, compared with."""

    code = "unregistered_model"


class ModelDiffersError(AuditError):
    """A model file is not the model that the ledger has of its study."""

    code = "model_differs"


class NoNetworkError(InputError):
    """A model is of somebody's own trainer, and no network that this package builds."""

    code = "no_network"


class NoModelError(StudyError):
    """A study has not made the model that is asked for."""

    code = "no_model"


class Origin(Record, frozen=True, kw_only=True):
    """Where a model comes from. With network and preprocessing it gives the digest that the ledger has of it."""

    study: str
    purpose: str
    round: int
    model_root: str
    """Root of model and momentum, hexadecimal as all digests here."""
    chain_id: str
    genesis: str
    code: str
    training: str
    """Encoding of the training plan."""
    modality: str
    participants: int
    mean_counts: tuple[int, ...]
    """Round 0's "model": the participants' mean class counts, with noise; the prior follows from them."""
