"""FL-CNN: the network, its weights as one vector, and prediction.

Imports torch: import this module where it is used. Groups, never batches, are normalised (GroupNorm, Wu & He,
arXiv 1803.08494): running batch statistics would differ between hospitals and could not be averaged.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor, nn

from hmchain.application.learning.trainers.architecture import (
    CHANNELS_PER_GROUP,
    Architecture,
    ArchitectureError,
    Block,
    Images,
    Preprocessing,
    Probabilities,
    Vector,
    blocks,
)
from hmchain.errors import DataError
from hmchain.records.pictures.decode import decode_image, to_grey


class ImageError(DataError):
    """An image that the model cannot take."""

    code = "model_image"


class FLCNN(nn.Module):
    """Seven convolutions in four stages, global mean, one linear layer; (n, c, h, w) -> logits (n, classes)."""

    def __init__(self, arch: Architecture) -> None:
        super().__init__()
        self.features = nn.Sequential(*map(_block, blocks(arch)))
        self.head = nn.Linear(blocks(arch)[-1].outputs, arch.classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits of a batch."""
        logits: Tensor = self.head(self.features(images).mean((2, 3)))
        return logits


def _block(block: Block) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(block.inputs, block.outputs, block.kernel, block.stride, block.kernel // 2, bias=False),
        nn.GroupNorm(block.outputs // CHANNELS_PER_GROUP, block.outputs),
        nn.ReLU(),
    )


def build(arch: Architecture) -> nn.Module:
    """The network with torch's own random weights; give it others with `load_vector`."""
    return FLCNN(arch)


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
