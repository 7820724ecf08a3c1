"""A model's file, and whether it is the model that a ledger knows.

The file (safetensors) holds the weights, how an image becomes the network's input, what its outputs mean, and where it
comes from. All of it can be altered by whoever has the file. So a file is held against a ledger before it is used: its
weights give the root that was registered, and all that gives them a meaning the digest that was registered beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

import msgspec
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save
from torch import nn

from hmchain import decoding, files
from hmchain.application.learning.model_origin import (
    ModelDiffersError,
    ModelFileError,
    NoNetworkError,
    Origin,
    UnregisteredModelError,
)
from hmchain.application.learning.pinned import cnn_plan
from hmchain.application.learning.prior import prior_q16, summed_counts
from hmchain.application.learning.trainer_study import TrainerModel
from hmchain.application.learning.trainers.architecture import (
    Architecture,
    ArchitectureError,
    Layer,
    Preprocessing,
    Vector,
    layers,
)
from hmchain.application.learning.trainers.cnn import build, load_vector
from hmchain.application.learning.trainers.own import TrainerLayer
from hmchain.canonical import Record, encode
from hmchain.errors import HMChainError
from hmchain.ledger import arithmetic, vectors
from hmchain.ledger.contracts.data.datasets import Schema
from hmchain.ledger.contracts.learning import models
from hmchain.ledger.contracts.learning.models import Meaning
from hmchain.ledger.genesis import Genesis

R = TypeVar("R", bound=Record)

_METADATA_KEY, _RELEASE = "hmchain", "release"


class Model(NamedTuple):
    """A model file's content."""

    arch: Architecture | TrainerModel
    vector: Vector
    preprocessing: Preprocessing
    origin: Origin | None
    """None in a file that no study made."""

    def network(self) -> nn.Module:
        """The network with these weights, for torch; what goes in and comes out of it `preprocessing` says.

        Raises `NoNetworkError` for a model of somebody's own trainer: that one says what `arrays` mean.
        """
        if isinstance(self.arch, TrainerModel):
            what = f"this model is of the trainer {self.arch.trainer}, and no CNN of images"
            raise NoNetworkError(what, "in Python its trainer's `predict` takes `load_model(...).arrays()`")
        network = build(self.arch)
        load_vector(network, self.vector)
        return network.eval()

    def arrays(self) -> dict[str, Vector]:
        """The weights by the names of their layers."""
        return _tensors(self.arch, self.vector)


class Registry(Protocol):
    """The models of a ledger that one trusts, such as an `AuditReport`."""

    @property
    def genesis(self) -> bytes:
        """Digest of its genesis."""

    @property
    def earlier(self) -> tuple[bytes, ...]:
        """Digests of the geneses of chains that it was founded again from, whose models are its own too."""

    @property
    def models(self) -> tuple[models.Model, ...]:
        """What its studies produced."""


class RegisteredModels(NamedTuple):
    """A `Registry` of its parts."""

    genesis: bytes
    models: tuple[models.Model, ...]
    earlier: tuple[bytes, ...] = ()


def registered_on(genesis: Genesis, known: Iterable[models.Model]) -> RegisteredModels:
    """The models of a chain, some of which chains before it may have made."""
    return RegisteredModels(genesis.digest, tuple(known), tuple(past.genesis for past in genesis.chains[1:]))


def load_model(path: Path, registry: Registry | None = None, *, unregistered: bool = False) -> Model:
    """Read a model file and hold it against the ledger that knows it.

    A file of no ledger is read only with `unregistered`, and then nothing of it is checked. Raises `ModelFileError` if
    it is missing, damaged or not written by `save_model`, and what `check` raises.
    """
    model = _read(path)
    if registry is not None and not unregistered:
        check(model, registry, path)
    elif not unregistered:
        raise UnregisteredModelError(f"{path} was compared with no ledger", _UNREGISTERED)
    return model


def check(model: Model, registry: Registry, path: Path) -> None:
    """Return if weights and all that gives them a meaning are those that the ledger registered for the study.

    Raises `ModelDiffersError`, or `UnregisteredModelError` if the ledger has no model of that study.
    """
    origin = model.origin
    registered = {entry.study: entry for entry in registry.models}.get(origin.study if origin else "")
    if origin is None or registered is None:
        study = f"study {origin.study}" if origin else "no study"
        raise UnregisteredModelError(f"{path} is of {study}, which this ledger has no model of", _UNREGISTERED)
    is_of_it = origin.genesis in [genesis.hex() for genesis in (registry.genesis, *registry.earlier)]
    if not is_of_it or (origin.round, origin.model_root) != (registered.round, registered.root.hex()):
        raise ModelDiffersError(f"{path} names another genesis, round or root than the ledger has", _EXPORT)
    bits = np.ascontiguousarray(model.vector, np.float32).view(np.uint32)
    if vectors.bits_root(arithmetic.padded(bits)) != registered.weights:
        raise ModelDiffersError(f"the weights in {path} are not those that the ledger registered", _EXPORT)
    if model.preprocessing != _preprocessing(model, origin):
        raise ModelDiffersError(f"preprocessing or prior in {path} do not follow from its network and counts", _EXPORT)
    if _meaning_digest(model, origin) != registered.meaning:
        what = "classes, network, prior, purpose or origin"
        raise ModelDiffersError(f"{what} in {path} are not those that the ledger registered", _EXPORT)


_UNREGISTERED = "name its ledger; or say that it may be of none: `--unregistered`, in Python `unregistered=True`"
_EXPORT = "do not use it; `hmchain model export STUDY` writes the right one at any participant's node"


def _preprocessing(model: Model, origin: Origin) -> Preprocessing | None:
    """What the file's own network, plan and counts say; None if they say nothing."""
    counts, how = summed_counts(origin.mean_counts, origin.participants), model.preprocessing
    if isinstance(model.arch, TrainerModel):
        return own_preprocessing(how.channels, how.height, how.width, how.classes)
    try:
        adjusted = cnn_plan(bytes.fromhex(origin.training)).logit_adjustment
        return Preprocessing.for_model(model.arch, how.classes, counts, adjusted=adjusted)
    except (HMChainError, ValueError):
        return None


def own_preprocessing(channels: int, height: int, width: int, classes: tuple[str, ...]) -> Preprocessing:
    """The inputs of somebody's own trainer: whatever it makes of them, and of the classes' shares, is in its code."""
    equal = prior_q16((0,) * len(classes))
    return Preprocessing(height=height, width=width, channels=channels, classes=classes, prior_q16=equal)


def _meaning_digest(model: Model, origin: Origin) -> bytes:
    """Of what the file says of itself; empty for values that no ledger can have."""
    try:
        return _meaning(model, origin).digest
    except (ValueError, OverflowError, msgspec.MsgspecError):
        return b""


def _meaning(model: Model, origin: Origin) -> Meaning:
    how = model.preprocessing
    padded = arithmetic.padded(np.array(origin.mean_counts, np.int64))
    return Meaning(
        chain_id=origin.chain_id,
        study=origin.study,
        purpose=origin.purpose,
        code=bytes.fromhex(origin.code),
        training=bytes.fromhex(origin.training),
        schema=Schema(origin.modality, how.channels, how.height, how.width, how.classes),
        architecture=encode(model.arch),
        participants=origin.participants,
        counts_root=vectors.model_root(padded, padded),  # round 0 has no momentum: its mean is model and momentum
    )


# The file


def save_model(path: Path, model: Model, release: dict[str, Any] | None = None) -> None:
    """Write a safetensors file: one tensor a layer, all else as JSON in its header.

    Only its owner can read it, until that person lets others: it was learnt from patients. With `release`, the proof
    that it was released, it carries that too.
    """
    files.write_whole(path, encoded(model, release), durable=True, mode=files.PRIVATE)


def encoded(model: Model, release: dict[str, Any] | None = None) -> bytes:
    """The content of its file. Equal models, equal bytes."""
    header = {
        "architecture": msgspec.structs.asdict(model.arch),
        "preprocessing": msgspec.structs.asdict(model.preprocessing),
        "origin": msgspec.structs.asdict(model.origin) if model.origin else None,
        **({_RELEASE: release} if release is not None else {}),
    }
    # One key: safetensors writes several in an order of its own that changes from run to run.
    text = msgspec.json.encode(header, order="sorted").decode()
    return save(_tensors(model.arch, model.vector), {_METADATA_KEY: text})


def release_in(path: Path) -> dict[str, Any] | None:
    """The proof of its release that a model's file carries; None where it carries none. Raises `ModelFileError`."""
    _read(path)
    with safe_open(path, "numpy") as file:
        header = decoding.from_json(file.metadata()[_METADATA_KEY], dict[str, dict[str, Any] | None])
    return header.get(_RELEASE)


def registered_as(model: Model) -> models.Model | None:
    """The model as a ledger would have it registered, by what its file says; None of a file that no study made."""
    origin = model.origin
    if origin is None:
        return None
    bits = np.ascontiguousarray(model.vector, np.float32).view(np.uint32)
    weights, meaning = vectors.bits_root(arithmetic.padded(bits)), _meaning_digest(model, origin)
    try:
        root = bytes.fromhex(origin.model_root)
    except ValueError:
        return None
    return models.Model(origin.study, origin.round, root, weights, meaning, b"", 0)


def _read(path: Path) -> Model:
    try:
        files.open_regular(path).close()
        with safe_open(path, "numpy") as file:
            arch, preprocessing, origin = _parse_header((file.metadata() or {})[_METADATA_KEY])
            parts = [file.get_tensor(layer.name).reshape(-1) for layer in _layers(arch)]
    except OSError as error:
        raise ModelFileError(f"{path} cannot be read", "give the path of a model.safetensors") from error
    except (SafetensorError, KeyError, msgspec.MsgspecError) as error:
        raise ModelFileError(
            f"{path} is not an FL-CNN model, nor another of a study", "give a file that a study wrote"
        ) from error
    vector = np.concatenate(parts)
    if vector.size != sum(layer.size for layer in _layers(arch)) or vector.dtype != np.float32:
        raise ModelFileError(f"the weights in {path} do not fit its architecture", "restore the file")
    return Model(arch, vector, preprocessing, origin)


def _parse_header(text: str) -> tuple[Architecture | TrainerModel, Preprocessing, Origin | None]:
    header = decoding.from_json(text, dict[str, dict[str, Any] | None])
    arch, preprocessing, origin = header["architecture"], header["preprocessing"], header["origin"]
    if arch is None or preprocessing is None:
        raise KeyError("network or preprocessing")
    return (
        _record(TrainerModel, arch) if "trainer" in arch else _record(Architecture, arch),
        _record(Preprocessing, preprocessing),
        None if origin is None else _record(Origin, origin),
    )


def _record(kind: type[R], fields: dict[str, Any]) -> R:
    # Records are arrays when encoded; the file keeps the names, for whoever reads it without this package.
    tag = kind.__struct_config__.tag
    return decoding.converted([*([tag] if tag else []), *(fields[name] for name in kind.__struct_fields__)], kind)


def _layers(arch: Architecture | TrainerModel) -> Sequence[Layer | TrainerLayer]:
    return arch.layers if isinstance(arch, TrainerModel) else layers(arch)


def _tensors(arch: Architecture | TrainerModel, vector: Vector) -> dict[str, Vector]:
    found = _layers(arch)
    size = sum(layer.size for layer in found)
    if vector.shape != (size,):
        raise ArchitectureError(f"the network has {size} weights, but {vector.size} were given")
    ends = np.cumsum([layer.size for layer in found])
    parts = np.split(np.ascontiguousarray(vector, np.float32), ends[:-1])
    return {layer.name: part.reshape(layer.shape) for layer, part in zip(found, parts, strict=True)}
