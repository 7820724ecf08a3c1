"""What a study pins about FL-CNN, and what follows from that: the layout of its weights, the first model, its code.

Without torch, which takes seconds to import: who asks for a study or reads one needs no more than this.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import prod
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from blake3 import blake3

from hmchain.application.learning.prior import prior_q16
from hmchain.application.learning.schedule import TrainingPlan, generator
from hmchain.canonical import Record, digest
from hmchain.errors import InputError

Vector = npt.NDArray[np.float32]
Images = npt.NDArray[np.uint8]
Probabilities = npt.NDArray[np.float64]

CHANNELS_PER_GROUP = 8
_TRAINING_SOURCES = (
    "schedule.py", "trainers/architecture.py", "trainers/cnn.py", "trainers/cnn_trainer.py", "trainers/local.py"
)  # fmt: skip


class ArchitectureError(InputError):
    """A network that cannot be built, or weights that do not fit it."""

    code = "architecture"


class Architecture(Record, frozen=True, kw_only=True):
    """What a study pins about its network; make one with `Architecture.for_images`."""

    name: str = "fl-cnn"
    channels: int
    """1 (grey) or 3 (colour)."""
    height: int
    width: int
    classes: int
    filters: int = 16
    """Of the first layer, a multiple of 8; the second stage has twice, the others four times as many."""
    stem_stride: int
    """1, 2 or 4: how much the first layer shrinks the image. What makes training on a laptop bearable."""

    def __post_init__(self) -> None:
        if self.name != "fl-cnn":
            raise ArchitectureError(f"the architecture {self.name!r} is not known", "this version builds 'fl-cnn'")
        if self.channels not in (1, 3):
            raise ArchitectureError(f"images of {self.channels} channels", "grey (1) or colour (3)")
        if min(self.height, self.width) < 8 or self.classes < 2:
            raise ArchitectureError("an FL-CNN needs images of at least 8 x 8 pixels and at least 2 classes")
        if self.filters < 1 or self.filters % CHANNELS_PER_GROUP or self.stem_stride not in (1, 2, 4):
            raise ArchitectureError("filters must be a multiple of 8 and the stem's stride 1, 2 or 4")

    @classmethod
    def for_images(cls, height: int, width: int, channels: int, classes: int, filters: int = 16) -> Architecture:
        """The usual network for images of this size: its first layer leaves about 32 x 32 pixels."""
        side = max(height, width)
        stride = 1 if side <= 32 else 2 if side <= 64 else 4
        return cls(channels=channels, height=height, width=width, classes=classes, filters=filters, stem_stride=stride)


class Block(NamedTuple):
    """A convolution without bias, then groups' normalisation with scale and bias."""

    inputs: int
    outputs: int
    kernel: int
    stride: int


def blocks(arch: Architecture) -> tuple[Block, ...]:
    """The seven convolutions in four stages, before the one linear layer."""
    first, second, third = arch.filters, 2 * arch.filters, 4 * arch.filters
    return (
        Block(arch.channels, first, 5, arch.stem_stride),
        Block(first, second, 3, 2),
        Block(second, second, 3, 1),
        Block(second, third, 3, 2),
        Block(third, third, 3, 1),
        Block(third, third, 3, 2),
        Block(third, third, 3, 1),
    )


class Layer(NamedTuple):
    """One parameter tensor's place in the weight vector; layers lie end to end in the order of `layers`."""

    name: str
    shape: tuple[int, ...]
    size: int


class Preprocessing(Record, frozen=True, kw_only=True):
    """How an image becomes the network's input, and what its outputs mean; stored with the model.

    The image is decoded and resized to height x width without keeping its aspect ratio (bilinear, antialiased), turned
    to grey (luma) or colour, and scaled from 0..255 to [-1, 1].
    """

    height: int
    width: int
    channels: int
    classes: tuple[str, ...]
    prior_q16: tuple[int, ...]
    """Share of each class in 1/65536, each at least 1: prediction adds its logarithm to the logits."""

    def __post_init__(self) -> None:
        if len(self.prior_q16) != len(self.classes) or min(self.prior_q16, default=0) < 1:
            raise ArchitectureError("each class needs a positive prior")

    @classmethod
    def for_model(
        cls, arch: Architecture, classes: tuple[str, ...], counts: Sequence[int], *, adjusted: bool = True
    ) -> Preprocessing:
        """The preprocessing of a network whose hospitals hold `counts` images of each class together.

        Only a network whose training was `adjusted` for classes needs their prior; for others all classes are alike.
        """
        prior = prior_q16(counts if adjusted else (0,) * len(classes))
        return cls(height=arch.height, width=arch.width, channels=arch.channels, classes=classes, prior_q16=prior)

    @property
    def prior(self) -> Probabilities:
        """Global class shares, shape (classes,), summing to 1."""
        counts = np.asarray(self.prior_q16, np.float64)
        shares: Probabilities = counts / counts.sum()
        return shares


def smoothed_prior(counts: npt.ArrayLike) -> Probabilities:
    """Add-one smoothed class shares, so that a class that a hospital never sees keeps a finite logarithm."""
    smoothed = np.asarray(counts, np.float64) + 1
    shares: Probabilities = smoothed / smoothed.sum()
    return shares


def prediction_prior(plan: TrainingPlan, counts: npt.ArrayLike) -> Probabilities:
    """Class shares that prediction adds to the logits: those of all hospitals together where training took each one's
    own out of them, else equal ones, shape (classes,)."""
    return smoothed_prior(counts if plan.logit_adjustment else np.zeros_like(np.asarray(counts)))


@lru_cache(maxsize=16)
def layers(arch: Architecture) -> tuple[Layer, ...]:
    """The layout of the weight vector: that of the parameters of `cnn.FLCNN`, in its order."""
    found = []
    for place, (inputs, outputs, kernel, _) in enumerate(blocks(arch)):
        block = f"features.{place}"
        found += [
            _layer(f"{block}.0.weight", outputs, inputs, kernel, kernel),
            _layer(f"{block}.1.weight", outputs),
            _layer(f"{block}.1.bias", outputs),
        ]
    return (*found, _layer("head.weight", arch.classes, outputs), _layer("head.bias", arch.classes))


def _layer(name: str, *shape: int) -> Layer:
    return Layer(name, shape, prod(shape))


def dimension(arch: Architecture) -> int:
    """Length d of the weight vector."""
    return sum(layer.size for layer in layers(arch))


def first_model_seed(salt: bytes, study: str) -> bytes:
    """Seed of a study's first model, 32 bytes: of the chain's salt and the study's name, which no two studies share."""
    return blake3(salt + study.encode(), derive_key_context="hmchain 2026 first model").digest()


def initial_vector(arch: Architecture, seed: bytes) -> Vector:
    """The first global model: He initialisation (arXiv 1502.01852) of a seed, shape (d,)."""
    random = generator(seed)
    parts = []
    for name, shape, size in layers(arch):
        if len(shape) == 1:  # GroupNorm's scale is 1, every bias 0
            parts.append(np.full(size, float(name.endswith("weight")), np.float32))
        else:
            gain = 1 if name.startswith("head") else 2
            deviation = (gain / np.prod(shape[1:])) ** 0.5
            parts.append((random.standard_normal(size) * deviation).astype(np.float32))
    return np.concatenate(parts)


def code_digest() -> bytes:
    """Digest over the source of the code that trains (32 bytes): pinned on the ledger, agents refuse any other."""
    learning = Path(__file__).parents[1]
    return digest("hmchain training code", *((learning / name).read_bytes() for name in _TRAINING_SOURCES))
