"""Contents of the objects that hospitals exchange: masked updates, models and evidence, sealed under the study key.

A model's envelope follows from the model: a verifier that has the same one knows the master's object by its address,
and fetches nothing. What else a master computed is evidence, read only by whoever disputes it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from hmchain.application.learning.aggregation import DOMAINS, Aggregate, Part
from hmchain.canonical import digest
from hmchain.errors import HMChainError, StorageError
from hmchain.keys import SecretKey
from hmchain.ledger import vectors
from hmchain.ledger.arithmetic import CHUNK_COORDINATES, I64, U32, ModelRule
from hmchain.records.envelope import seal, sealed_size
from hmchain.records.objects import MissingObjectError

EVIDENCE = (Part.MASKED_SUM, Part.SUM, Part.WEIGHTS)
"""What a master stores beside the model, so that one wrong chunk can be pointed at; it is read in a dispute alone."""


class WrongObjectError(StorageError):
    """An object opens, but is not what the ledger says it is."""

    code = "wrong_object"


def update_context(study: str, round_: int, attempt: int, organisation: str) -> bytes:
    """What a masked update's envelope is bound to."""
    number = round_.to_bytes(8, "big") + attempt.to_bytes(8, "big")
    return digest("hmchain masked update", study.encode(), number, organisation.encode())


def model_context(study: str, round_: int) -> bytes:
    """What a model's envelope is bound to."""
    return digest("hmchain model", study.encode(), round_.to_bytes(8, "big"))


def evidence_context(study: str, round_: int) -> bytes:
    """What the envelope of a master's evidence is bound to."""
    return digest("hmchain evidence", study.encode(), round_.to_bytes(8, "big"))


def unpack_evidence(data: bytes, rule: ModelRule) -> dict[Part, memoryview]:
    """The vectors of `seal_evidence`, not copied. Raises `WrongObjectError` if the length does not fit the rule."""
    sizes = {part: _part_size(part, rule) for part in EVIDENCE}
    _require_length(data, sum(sizes.values()))
    parts, start = {}, 0
    for part, size in sizes.items():
        parts[part] = memoryview(data)[start : start + size]
        start += size
    return parts


def model_of(data: bytes, rule: ModelRule, root: bytes) -> tuple[I64, I64]:
    """Model and momentum from what a model's object holds, (padded d,) int64 each. Raises `WrongObjectError`."""
    _require_length(data, _part_size(Part.MODEL, rule))
    model, momentum = _model_arrays(data)
    if vectors.model_root(model, momentum) != root:
        raise WrongObjectError("a model in the store is not the one on the ledger", "fetch it from another participant")
    return model, momentum


def first_model(
    addresses: Sequence[bytes], read: Callable[[bytes], bytes], rule: ModelRule, root: bytes
) -> tuple[I64, I64]:
    """`model_of` the first of these objects that can be read and is right.

    Raises `MissingObjectError` if there are none, else what went wrong with the last.
    """
    failure: HMChainError = MissingObjectError("no object holds the model", "ask a holder to put it again")
    for address in addresses:
        try:
            return model_of(read(address), rule, root)
        except HMChainError as error:
            failure = error
    raise failure


def _require_length(data: bytes, size: int) -> None:
    if len(data) != size:
        raise WrongObjectError("an object has the wrong length", "take it from another participant")


def _model_arrays(part: bytes) -> tuple[I64, I64]:
    leaves = np.frombuffer(part, "<i8").reshape(-1, 2, CHUNK_COORDINATES).astype(np.int64, copy=False)
    return leaves[:, 0].reshape(-1), leaves[:, 1].reshape(-1)


def update_size(rule: ModelRule) -> int:
    """Bytes of a masked update's envelope."""
    return sealed_size(update_bytes(rule))


def model_size(rule: ModelRule) -> int:
    """Bytes of a model's envelope."""
    return sealed_size(model_bytes(rule))


def model_bytes(rule: ModelRule) -> int:
    """Bytes of model and momentum."""
    return _part_size(Part.MODEL, rule)


def update_bytes(rule: ModelRule) -> int:
    """Bytes of a masked update."""
    return vectors.UPDATE.leaf_bytes * rule.chunks


def evidence_bytes(rule: ModelRule) -> int:
    """Bytes of a master's evidence."""
    return sum(_part_size(part, rule) for part in EVIDENCE)


def _part_size(part: Part, rule: ModelRule) -> int:
    return DOMAINS[part].leaf_bytes * rule.chunks


def seal_update(vector: U32, key: SecretKey, context: bytes) -> bytes:
    """The envelope of a masked update."""
    return seal(bytes(vectors.vector_bytes(vector)), key, context)


def seal_model(aggregate: Aggregate, key: SecretKey, context: bytes, *, anew: bool = False) -> bytes:
    """The envelope of model and momentum: the same for everybody who has them, or one that nobody has seen."""
    return seal(aggregate.data(Part.MODEL), key, context, root=None if anew else aggregate.root(Part.MODEL))


def seal_evidence(aggregate: Aggregate, key: SecretKey, context: bytes) -> bytes:
    """The envelope of what a master computed beside the model."""
    return seal(b"".join(aggregate.data(part) for part in EVIDENCE), key, context)
