"""FL-CNN: the network, its weights as one vector, and prediction.

Imports torch: import this module where it is used. Groups, never batches, are normalised (GroupNorm, Wu & He,
arXiv 1803.08494): running batch statistics would differ between hospitals and could not be averaged.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from blake3 import blake3
from PIL import Image
from torch import Tensor, nn

from hmchain.application.learning.prior import prior_q16
from hmchain.application.learning.schedule import TrainingPlan, generator
from hmchain.canonical import Record, digest
from hmchain.errors import DataError, InputError
from hmchain.records.pictures.decode import decode_image, to_grey

R = TypeVar("R", bound=Record)
Vector = npt.NDArray[np.float32]
Images = npt.NDArray[np.uint8]
Probabilities = npt.NDArray[np.float64]

_CHANNELS_PER_GROUP = 8
_TRAINING_SOURCES = ("schedule.py", "trainers/cnn.py", "trainers/cnn_trainer.py", "trainers/local.py")


class ArchitectureError(InputError):
    """A network that cannot be built, or weights that do not fit it."""

    code = "architecture"


class ImageError(DataError):
    """An image that the model cannot take."""

    code = "model_image"


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
        if self.filters < 1 or self.filters % _CHANNELS_PER_GROUP or self.stem_stride not in (1, 2, 4):
            raise ArchitectureError("filters must be a multiple of 8 and the stem's stride 1, 2 or 4")

    @classmethod
    def for_images(cls, height: int, width: int, channels: int, classes: int, filters: int = 16) -> Architecture:
        """The usual network for images of this size: its first layer leaves about 32 x 32 pixels."""
        side = max(height, width)
        stride = 1 if side <= 32 else 2 if side <= 64 else 4
        return cls(channels=channels, height=height, width=width, classes=classes, filters=filters, stem_stride=stride)


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


class FLCNN(nn.Module):
    """Seven convolutions in four stages, global mean, one linear layer; (n, c, h, w) -> logits (n, classes)."""

    def __init__(self, arch: Architecture) -> None:
        super().__init__()
        first, second, third = arch.filters, 2 * arch.filters, 4 * arch.filters
        self.features = nn.Sequential(
            _block(arch.channels, first, kernel=5, stride=arch.stem_stride),
            _block(first, second, stride=2),
            _block(second, second),
            _block(second, third, stride=2),
            _block(third, third),
            _block(third, third, stride=2),
            _block(third, third),
        )
        self.head = nn.Linear(third, arch.classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits of a batch."""
        logits: Tensor = self.head(self.features(images).mean((2, 3)))
        return logits


def _block(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
        nn.GroupNorm(outputs // _CHANNELS_PER_GROUP, outputs),
        nn.ReLU(),
    )


def build(arch: Architecture) -> nn.Module:
    """The network with torch's own random weights; give it others with `load_vector`."""
    return FLCNN(arch)


@lru_cache(maxsize=16)
def layers(arch: Architecture) -> tuple[Layer, ...]:
    """The layout of the weight vector."""
    with torch.device("meta"):
        network = build(arch)
    return tuple(Layer(name, tuple(p.shape), p.numel()) for name, p in network.named_parameters())


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


def to_vector(network: nn.Module) -> Vector:
    """The network's weights, shape (d,)."""
    with torch.no_grad():
        flat = torch.cat([p.reshape(-1) for p in network.parameters()])
    return flat.to("cpu", torch.float32).numpy().copy()


def load_vector(network: nn.Module, vector: Vector) -> None:
    """Set the network's weights in place.

    Raises `ArchitectureError` if `vector` is not of shape (d,).
    """
    parameters = list(network.parameters())
    expected = sum(p.numel() for p in parameters)
    if vector.shape != (expected,):
        raise ArchitectureError(f"the network has {expected} weights, but {vector.size} were given")
    flat = torch.from_numpy(np.array(vector, np.float32))
    with torch.no_grad():
        for target, source in zip(parameters, torch.split(flat, [p.numel() for p in parameters]), strict=True):
            target.copy_(source.view_as(target))


def code_digest() -> bytes:
    """Digest over the source of the code that trains (32 bytes): pinned on the ledger, agents refuse any other."""
    learning = Path(__file__).parents[1]
    return digest("hmchain training code", *((learning / name).read_bytes() for name in _TRAINING_SOURCES))


def to_input(images: Images, device: torch.device | str = "cpu") -> Tensor:
    """Images of shape (n, h, w, c) or (n, h, w), uint8, as the network's input (n, c, h, w) in [-1, 1]."""
    batch = torch.from_numpy(np.array(images, np.uint8)).to(device)
    if batch.ndim == 3:
        batch = batch.unsqueeze(-1)
    return batch.permute(0, 3, 1, 2).contiguous().float().div_(127.5).sub_(1)


def predict_probabilities(
    network: nn.Module, images: Images, prior: npt.ArrayLike | None = None, batch_size: int = 256
) -> Probabilities:
    """Class probabilities, shape (n, classes): softmax of logits + log(prior), as the logit adjustment asks."""
    device = next(network.parameters()).device
    parts = []
    with torch.inference_mode():
        for start in range(0, len(images), batch_size):
            parts.append(network(to_input(images[start : start + batch_size], device)).double().cpu())
    logits = torch.cat(parts)
    if prior is not None:
        logits = logits + torch.from_numpy(np.log(np.asarray(prior, np.float64)))
    return logits.softmax(1).numpy()


def prepare_image(image: Images | bytes, preprocessing: Preprocessing) -> Images:
    """One image as in training: (height, width, channels), uint8, from an image file's bytes or an array.

    Raises `ImageError` for an array of another kind, `NotAnImageError` for bytes that are no image.
    """
    height, width = preprocessing.height, preprocessing.width
    pixels = decode_image(image, max(height, width)).pixels if isinstance(image, bytes) else np.squeeze(image)
    if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3) or pixels.shape[2:] not in ((), (3,)):
        raise ImageError("an image must be an array (h, w) or (h, w, 3) of uint8", "or give the bytes of its file")
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[..., np.newaxis], 3, axis=2)
    if pixels.shape[:2] != (height, width):
        pixels = np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR))
    return to_grey(pixels) if preprocessing.channels == 1 else pixels
