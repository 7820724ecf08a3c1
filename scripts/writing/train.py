"""Train the net that finds writing, on images made as it goes, and write it as ONNX.

Needs, beside the extras `learning` and `data`: opencv-python-headless, onnx, onnxscript, and fonts (Debian:
fonts-dejavu, fonts-liberation, fonts-urw-base35, fonts-proggy, fonts-3270, fonts-inconsolata, fonts-lato,
fonts-open-sans, fonts-go, fonts-ocr-a, fonts-ocr-b, fonts-cantarell, fonts-gnutypewriter, fonts-b612, fonts-comic-neue,
fonts-jetbrains-mono, fonts-pc, fonts-vlgothic). The seed fixes every image, and one process makes them in one order.
No image of the fixed test set is seen, nor a font of `ink.KEPT_FOR_TESTS`. `--mean` writes the mean of several states
instead. What ships learned in stages, each by `--resume` from the last: the mean of six states of a net with 16, 20, 32
and 40 channels in place of 20, 24, 40 and 48 (seeds 12 to 17, commit 40b9cd97), which `--resume` widened; 25 minutes;
82 minutes with seed 18 and `--rate 2e-3`; 29 minutes with seed 19 and `--rate 1.2e-3`.
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from backgrounds import blur, compose, mosaic, noisy, own, slices
from graphics import draw
from ink import write
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from hmchain.records.deidentification.writing import planes as seen
from hmchain.records.deidentification.writing.planes import CHANNELS, channels, halved

SIDE = 256
CELL = 4
LETTERS = 40
POOL = 300
REAL = ("siemens-orientation", "ge-mr_0004", "uih-dti", "philips-fmri")
"""Real MR series whose slices are trained on, none with writing."""
ALSO = ("CT_small", "MR_small", "693_J2KI", "JPEG2000", "examples_overlay", "rtdose_1frame")
"""Files of pydicom's own that are as well."""
Plane = NDArray[np.float32]


class Net(nn.Module):
    """A score for every 4 x 4 pixels: strokes at half size, letters at a quarter, words at an eighth."""

    def __init__(self) -> None:
        super().__init__()
        self.strokes = nn.Sequential(_conv(CHANNELS, 20, 5, 2), _conv(20, 24, 3), _conv(24, LETTERS, 3, 2))
        self.letters = nn.Sequential(_conv(LETTERS, LETTERS, 3), _conv(LETTERS, LETTERS, 3))
        self.words = nn.Sequential(
            _conv(LETTERS, 48, 3, 2), _conv(48, 48, 3), _conv(48, 48, 3, dilation=2), _conv(48, 48, 3, dilation=4)
        )
        self.both = nn.Sequential(_conv(LETTERS + 48, 32, 1), _conv(32, 32, 3), nn.Conv2d(32, 1, 1))

    def forward(self, planes: Tensor) -> Tensor:
        """Scores as logits, (images, 1, rows / 4, columns / 4)."""
        letters = self.letters(self.strokes(planes))
        words = F.interpolate(self.words(letters), scale_factor=2.0, mode="nearest")
        return self.both(torch.cat([letters, words], 1))


def _conv(inside: int, outside: int, size: int, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    pad = dilation * (size - 1) // 2
    kernel = nn.Conv2d(inside, outside, size, stride, pad, dilation, bias=False)
    return nn.Sequential(kernel, nn.BatchNorm2d(outside), nn.ReLU(inplace=True))


class Images(torch.utils.data.IterableDataset):  # type: ignore[type-arg]
    """Composed images without end: planes and, for every cell, 1 writing, 0 none, -1 nobody can say."""

    def __init__(self, seed: int, real: list[Plane]) -> None:
        super().__init__()
        self._seed, self._real = seed, real

    def __iter__(self) -> Iterator[tuple[Plane, NDArray[np.int8]]]:
        cv2.setNumThreads(1)
        seen._box = _box
        r = np.random.default_rng(self._seed)
        pool: list[Plane] = []
        while True:
            if len(pool) < POOL:
                pool.append(compose(r, 384))
            elif r.random() < 0.03:
                pool[r.integers(POOL)] = compose(r, 384)
            yield example(r, pool, self._real)


def _box(plane: Plane) -> Plane:
    """The same mean as that of `planes`, faster."""
    return cv2.blur(plane, (21, 21), borderType=cv2.BORDER_REPLICATE)


def example(r: Generator, pool: list[Plane], real: list[Plane]) -> tuple[Plane, NDArray[np.int8]]:
    """One image of 256 x 256 as the net sees it, and its label."""
    side = int(SIDE * r.choice([1, 1, 1, 1, 1.25, 1.5, 0.75, 2]))
    plane = _background(r, pool[r.integers(len(pool))], real, side)
    label = np.zeros((side, side), np.int8)
    noise = 0.0
    if r.random() < 0.85:
        quiet = plane
        plane = noisy(r, plane)
        noise = float(np.abs(plane - quiet).mean())
    plane = np.clip(plane, 0, 1.2)
    graphics = r.random() < 0.35
    if graphics and r.random() < 0.5:
        draw(r, plane)
    if r.random() < 0.62:
        for _ in range(int(r.choice([1, 1, 2, 3]))):
            write(r, plane, label, noise)
    elif graphics:
        draw(r, plane)
    plane, label = _resized(r, plane, label)
    return channels(_stored(r, plane)).astype(np.float16), _cells(label)


def _background(r: Generator, drawn: Plane, real: list[Plane], side: int) -> Plane:
    source = drawn
    if real and r.random() < 0.2:
        source = mosaic(r, 384, real) if r.random() < 0.3 else real[r.integers(len(real))]
    part = int(min(source.shape) * r.uniform(0.45, 1))
    top, left = (int(r.integers(0, size - part + 1)) for size in source.shape)
    how = int(
        r.choice([cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_AREA, cv2.INTER_NEAREST], p=[0.45, 0.35, 0.1, 0.1])
    )
    plane = cv2.resize(source[top : top + part, left : left + part], (side, side), interpolation=how)
    plane = np.rot90(plane, r.integers(4))
    plane = plane[:, ::-1] if r.random() < 0.5 else plane
    plane = np.clip(plane, 0, None) ** np.float32(np.exp(r.uniform(-0.5, 0.5)))
    if r.random() < 0.15:
        plane = plane.max() - plane
    if r.random() < 0.2:
        plane = plane * r.uniform(0.2, 0.8)
    return np.ascontiguousarray(plane, np.float32)


def _resized(r: Generator, plane: Plane, label: NDArray[np.int8]) -> tuple[Plane, NDArray[np.int8]]:
    """Bring what was written on another size to 256: smoothed, as scanners' and viewers' interpolation does."""
    if r.random() < 0.1:
        plane = blur(plane, r.uniform(0.4, 0.9))
    if plane.shape[0] == SIDE:
        return plane, label
    if r.random() < 0.6:  # or a part of it
        top, left = (int(r.integers(0, max(plane.shape[0] - SIDE, 0) + 1)) for _ in range(2))
        plane, label = plane[top : top + SIDE, left : left + SIDE], label[top : top + SIDE, left : left + SIDE]
        if plane.shape[0] == SIDE:
            return np.ascontiguousarray(plane), label
    how = cv2.INTER_AREA if plane.shape[0] > SIDE else int(r.choice([cv2.INTER_LINEAR, cv2.INTER_CUBIC]))
    return cv2.resize(plane, (SIDE, SIDE), interpolation=how), cv2.resize(
        label, (SIDE, SIDE), interpolation=cv2.INTER_NEAREST
    )


def _stored(r: Generator, plane: Plane) -> Plane:
    """As a file keeps it: 8 to 16 bits, perhaps after JPEG, perhaps with an outlier."""
    if r.random() < 0.22:
        eight = np.clip(plane * 255, 0, 255).astype(np.uint8)
        _, coded = cv2.imencode(".jpg", eight, [cv2.IMWRITE_JPEG_QUALITY, int(r.integers(35, 97))])
        plane = cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE).astype(np.float32) / 255
    levels = float(r.choice([255, 255, 1023, 4095, 65535]))
    plane = np.round(plane * levels)
    if r.random() < 0.1:
        plane[int(r.integers(SIDE)), int(r.integers(SIDE))] = levels * r.uniform(1, 8)
    return plane.astype(np.float32)


def _cells(label: NDArray[np.int8]) -> NDArray[np.int8]:
    """A cell is writing where most of it is, none where nothing is, and nobody can say at the border."""
    blocks = label.reshape(SIDE // CELL, CELL, SIDE // CELL, CELL).astype(np.float32)
    share, unsure = (blocks > 0).mean((1, 3)), (blocks < 0).any((1, 3))
    cells = np.where(share >= 0.5, 1, np.where(share > 0, -1, 0))
    near = cv2.dilate((share > 0).astype(np.uint8), np.ones((3, 3))) > 0
    cells = np.where((cells == 0) & near, -1, cells)
    return np.where(unsure, -1, cells).astype(np.int8)


def loss_of(scores: Tensor, label: Tensor) -> Tensor:
    """Cross entropy over writing and over the rest, each cell weighed by how wrong it is."""
    each = F.binary_cross_entropy_with_logits(scores, (label > 0).float(), reduction="none")
    wrong = torch.sigmoid(scores.detach())
    wrong = torch.where(label > 0, 1 - wrong, wrong)
    writing, none = (each * wrong)[label > 0], (each * wrong)[label == 0]
    return 2 * writing.sum() / (writing.numel() + 1) + 20 * none.mean()


def export(net: Net, path: Path) -> None:
    """Write the net with its scores between 0 and 1, for any image of multiples of 8."""
    whole = nn.Sequential(net, nn.Sigmoid()).eval()
    torch.onnx.export(
        whole,
        (torch.zeros(1, CHANNELS, 64, 64),),
        str(path),
        input_names=["planes"],
        output_names=["scores"],
        dynamic_axes={"planes": {0: "n", 2: "rows", 3: "columns"}, "scores": {0: "n", 2: "rows4", 3: "columns4"}},
        opset_version=17,
        dynamo=False,
    )


def mean(paths: list[Path]) -> Net:
    """A net whose weights are the mean of several."""
    states = [torch.load(path) for path in paths]
    net = Net()
    net.load_state_dict(
        {key: (sum(one[key].float() for one in states) / len(states)).to(states[0][key].dtype) for key in states[0]}
    )
    return net


def widened(state: dict[str, Tensor]) -> Net:
    """A net that does what a narrower one did, from its weights: what is new has no say yet."""
    net = Net()
    fresh = net.state_dict()
    for key, old in state.items():
        new = fresh[key]
        if new.shape == old.shape:
            new.copy_(old)
            continue
        kept = len(old)
        if new.ndim == 4:
            new[:kept] = 0
            if key.startswith("both.0"):  # letters, then words
                letters = state["letters.1.0.weight"].shape[0]
                new[:, :letters] = old[:, :letters]
                new[:, LETTERS : LETTERS + old.shape[1] - letters] = old[:, letters:]
            else:
                new[:kept, : old.shape[1]] = old
        else:
            new[:kept] = old
    net.load_state_dict(fresh)
    return net


def main() -> None:
    """Train for so many minutes, and write the net whenever a tenth of them is over."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path)
    parser.add_argument("--minutes", type=float, default=35)
    parser.add_argument("--seed", type=int, default=12)
    parser.add_argument("--data-dir", type=Path, help="a folder with real MR series (see REAL)")
    parser.add_argument("--rate", type=float, default=3e-3, help="the greatest learning rate")
    parser.add_argument("--resume", type=Path, help="weights to go on from (.pt)")
    parser.add_argument("--mean", type=Path, nargs="+", help="states (.pt) to write the mean of, and train nothing")
    options = parser.parse_args()
    if options.mean:
        export(mean(options.mean), options.output)
        return
    torch.manual_seed(options.seed)
    torch.set_num_threads(1)
    real = slices(options.data_dir / "mr", REAL, 2) if options.data_dir else []
    real += own(ALSO)
    real = [one for one in real if min(one.shape) >= 64]
    real += [halved(one) for one in real if min(one.shape) > 300]
    print(f"{len(real)} real slices", flush=True)
    net = widened(torch.load(options.resume)) if options.resume else Net()
    _train(net, Images(options.seed, real), options.minutes * 60, options.rate, options.output)


def _train(net: Net, images: Images, seconds: float, rate: float, output: Path) -> None:
    """Follow the gradient; what is written is a mean over the last steps."""
    loader = torch.utils.data.DataLoader(images, batch_size=8, num_workers=1, prefetch_factor=8)
    net = net.to(memory_format=torch.channels_last)  # 3.6 ms in place of 5.0 for a part of 160 x 160
    steady = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(0.997), use_buffers=True)
    optimiser = torch.optim.AdamW(net.parameters(), rate, weight_decay=1e-3)
    began, total, shown = time.monotonic(), 0.0, 0
    net.train()
    for step, (planes, label) in enumerate(loader, 1):
        done = (time.monotonic() - began) / seconds
        for group in optimiser.param_groups:
            group["lr"] = rate * min(step / 200, 1) * (0.5 + 0.5 * np.cos(np.pi * min(done, 1))) + 2e-5
        with torch.autocast("cpu", torch.bfloat16):
            scores = net(planes.float().contiguous(memory_format=torch.channels_last))
        loss = loss_of(scores[:, 0].float(), label)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 2.0)
        optimiser.step()
        steady.update_parameters(net)
        total = 0.995 * total + 0.005 * loss.item()
        if done * 20 >= shown + 1 or done >= 1:
            shown += 1
            print(f"{done:4.0%} step {step} loss {total / (1 - 0.995**step):.4f}", flush=True)
            torch.save(steady.module.state_dict(), output.with_suffix(".pt"))
            export(copy.deepcopy(steady.module), output)
        if done >= 1:
            return


if __name__ == "__main__":
    main()
