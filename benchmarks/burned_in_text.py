"""How much writing in pixels is found, how many clean images are held, and how long does a look take?

The images are the fixed test set (`tests/support/written_images.py`): eight modalities, letters from 10 to 60 pixels,
contrasts from 15 % of the window, turned in all directions, two thirds with writing. A name counts as found where the
regions cover at least half of its box. Held is an image whose verdict is not clean. The curve is over the threshold
from which a person looks.

Stock RapidOCR looks at the same images in the same run if `--peer` names an interpreter that has it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from hmchain.records.deidentification.writing import Detector, Region, Verdict
from hmchain.records.deidentification.writing.detector import UNSAFE

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from support.written_images import COUNT, WrittenImage, image

RECALL, HELD, SECONDS = 0.99, 0.05, 0.06
THRESHOLDS = (0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.7, 0.8, 0.9)
QUICK = 144
Key = Callable[[WrittenImage], Any]
PEER = """
import json, sys
import numpy as np
from rapidocr import RapidOCR
engine = RapidOCR(params={"Global.log_level": "error", "EngineConfig.onnxruntime.intra_op_num_threads": 1})
for line in sys.stdin:
    found = engine(np.load(line.strip()), use_det=True, use_cls=False, use_rec=True)
    boxes = [] if found.boxes is None else np.asarray(found.boxes).reshape(-1, 4, 2).tolist()
    print(json.dumps(boxes), flush=True)
"""


@dataclass(frozen=True)
class Seen:
    """What was found on an image: the share of its box that is covered, and whether it was held, by threshold."""

    image: WrittenImage
    covered: tuple[float, ...]
    held: tuple[bool, ...]
    unsafe: bool
    seconds: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="every sixteenth image")
    parser.add_argument("--json", action="store_true", help="print one object")
    parser.add_argument("--peer", metavar="PYTHON", help="an interpreter that has rapidocr")
    parser.add_argument("--curve", metavar="SVG", type=Path, help="draw the operating curve into this file")
    options = parser.parse_args()
    rounds = COUNT // QUICK if options.quick else 1  # whole rounds of the modalities, so that all are there
    indices = [index for index in range(COUNT) if (index // 24) % rounds == 0]
    detector = Detector()
    seen = [look(detector, image(index)) for index in indices]
    result = figures(seen)
    if options.peer:
        result["rapidocr"] = peer(options.peer, [one.image for one in seen if one.image.index % 5 == 0])
    if options.curve:
        options.curve.write_text(curve(result["curve"]))
    print(json.dumps(result)) if options.json else show(result)


def look(detector: Detector, drawn: WrittenImage) -> Seen:
    began = time.process_time()
    scores = detector.scores(drawn.pixels)
    assert scores is not None
    answer = scores.writing()
    seconds = time.process_time() - began
    answers = [answer, *(scores.writing(max(UNSAFE, threshold), threshold) for threshold in THRESHOLDS)]
    covers = tuple(covered(drawn, answer.regions) for answer in answers)
    held = tuple(answer.verdict is not Verdict.CLEAN for answer in answers)
    return Seen(drawn, covers, held, answers[0].verdict is Verdict.UNSAFE, seconds)


def covered(drawn: WrittenImage, regions: Iterable[Region]) -> float:
    """The share of the writing's box that regions cover."""
    if drawn.box is None:
        return 0.0
    mask = np.zeros(drawn.pixels.shape[:2], bool)
    for one in regions:
        mask[one.top : one.top + one.height, one.left : one.left + one.width] = True
    left, top, width, height = drawn.box
    return float(mask[top : top + height, left : left + width].mean())


def figures(seen: list[Seen]) -> dict[str, Any]:
    """Recall by all that varies, what clean images are held, seconds a look, and the curve."""
    written, clean = [one for one in seen if one.image.box], [one for one in seen if not one.image.box]
    sections = [one for one in clean if one.image.modality in ("CT", "MR")]
    recall = float(np.mean([one.covered[0] >= 0.5 for one in written]))
    held = float(np.mean([one.held[0] for one in sections]))
    square = [one.seconds for one in seen if one.image.pixels.shape == (512, 512)]
    seconds = float(np.median(square))
    by: dict[str, Key] = {
        "modality": lambda one: one.modality, "height": lambda one: one.height, "contrast": lambda one: one.contrast,
        "rotation": lambda one: one.rotation, "font": lambda one: one.font, "style": lambda one: one.style,
    }  # fmt: skip
    return {
        "name": "burned_in_text",
        "ratio": round(min(recall / RECALL, (1 - held) / (1 - HELD)), 4),
        "unit": f"the lesser of recall over {RECALL} and clean CT and MR let through over {1 - HELD}",
        "target": 1.0,
        "images": len(seen),
        "recall": round(recall, 4),
        "unsafe_of_written": round(float(np.mean([one.unsafe for one in written])), 4),
        "clean_ct_mr_held": round(held, 4),
        "cpu_ms_512": round(seconds * 1000, 1),
        "cpu_ms_1024": round(1000 * float(np.median([s.seconds for s in seen if s.image.pixels.shape[0] == 1024])), 1),
        "clean_held": shares(clean, lambda one: one.modality, lambda one: one.held[0]),
        "recall_by": {name: shares(written, key, lambda one: one.covered[0] >= 0.5) for name, key in by.items()},
        "curve": [
            {
                "threshold": threshold,
                "recall": round(float(np.mean([one.covered[place] >= 0.5 for one in written])), 4),
                "held_ct_mr": round(float(np.mean([one.held[place] for one in sections])), 4),
                "held_all": round(float(np.mean([one.held[place] for one in clean])), 4),
            }
            for place, threshold in enumerate(THRESHOLDS, 1)
        ],
        "missed": [one.image.index for one in written if one.covered[0] < 0.5],
    }


def shares(seen: list[Seen], key: Key, good: Callable[[Seen], bool]) -> dict[str, list[float]]:
    """For each value of `key`: the share that is `good`, and of how many."""
    groups: dict[Any, list[bool]] = defaultdict(list)
    for one in seen:
        groups[key(one.image)].append(good(one))
    return {str(value): [round(float(np.mean(groups[value])), 3), len(groups[value])] for value in sorted(groups)}


def peer(python: str, images: list[WrittenImage]) -> dict[str, float]:
    """Stock RapidOCR on some of the images, with the window that its user would choose: recall, held, seconds."""
    process = subprocess.Popen([python, "-c", PEER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin and process.stdout
    covers, held, began = [], [], time.monotonic()
    with tempfile.TemporaryDirectory() as place:
        for one in images:
            path = Path(place) / "image.npy"
            np.save(path, windowed(one.pixels))
            process.stdin.write(f"{path}\n")
            process.stdin.flush()
            boxes = [box_of(corners) for corners in json.loads(process.stdout.readline())]
            covers += [covered(one, boxes) >= 0.5] if one.box else []
            held += [] if one.box or one.modality not in ("CT", "MR") else [bool(boxes)]
    process.stdin.close()
    process.wait()
    return {
        "images": len(images), "recall": round(float(np.mean(covers)), 4),
        "clean_ct_mr_held": round(float(np.mean(held)), 4),
        "seconds": round((time.monotonic() - began) / len(images), 3),
    }  # fmt: skip


def windowed(pixels: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Eight bits of three colours, from the half percentile to the last but half."""
    low, high = np.percentile(pixels, (0.5, 99.5))
    grey = np.clip((pixels - low) / max(high - low, 1) * 255, 0, 255).astype(np.uint8)
    return grey if grey.ndim == 3 else np.repeat(grey[..., None], 3, 2)


def box_of(corners: list[list[float]]) -> Region:
    (left, top), (right, low) = np.min(corners, axis=0), np.max(corners, axis=0)
    return Region(max(int(left), 0), max(int(top), 0), int(right - left) + 1, int(low - top) + 1, 1.0)


def curve(points: list[dict[str, float]]) -> str:
    """Recall against what clean images are held, as SVG."""

    def at(point: dict[str, float], key: str) -> tuple[float, float]:
        return 70 + 480 * min(point[key], 0.2) / 0.2, 250 - 220 * (max(point["recall"], 0.9) - 0.9) / 0.1

    lines = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 310" font-family="sans-serif" font-size="12">',
             '<rect width="640" height="310" fill="white"/>',
             '<path d="M70 30V250H550" fill="none" stroke="#444"/>']  # fmt: skip
    for share in (0.9, 0.92, 0.94, 0.96, 0.98, 1.0):
        y = 250 - 220 * (share - 0.9) / 0.1
        lines.append(f'<text x="62" y="{y + 4:.0f}" text-anchor="end">{share:.0%}</text>')
        lines.append(f'<path d="M70 {y:.0f}H550" stroke="#ddd"/>')
    for share in (0, 0.05, 0.1, 0.15, 0.2):
        lines.append(f'<text x="{70 + 480 * share / 0.2:.0f}" y="268" text-anchor="middle">{share:.0%}</text>')
    for key, colour, name in (("held_ct_mr", "#1565c0", "CT and MR"), ("held_all", "#c62828", "all modalities")):
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (at(point, key) for point in points))
        lines.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for point in points:
            x, y = at(point, key)
            lines.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>')
        lines.append(
            f'<text x="545" y="{200 if key == "held_all" else 220}" text-anchor="end" fill="{colour}">{name}</text>'
        )
    lines.append('<text x="310" y="292" text-anchor="middle">clean images held (20 % or more: at the edge)</text>')
    lines.append('<text x="18" y="140" text-anchor="middle" transform="rotate(-90 18 140)">writing found</text></svg>')
    return "\n".join(lines) + "\n"


def show(result: dict[str, Any]) -> None:
    console = Console()
    table = Table("figure", "measured", "target")
    table.add_row("writing found", f"{result['recall']:.2%}", f">= {RECALL:.0%}")
    table.add_row("clean CT and MR held", f"{result['clean_ct_mr_held']:.2%}", f"<= {HELD:.0%}")
    table.add_row("CPU ms for 512 x 512", str(result["cpu_ms_512"]), f"<= {SECONDS * 1000:.0f}")
    table.add_row("CPU ms for 1024 x 1024", str(result["cpu_ms_1024"]), "<= 250")
    console.print(table)
    for name, groups in {"clean held": result["clean_held"], **result["recall_by"]}.items():
        console.print(name, ", ".join(f"{value} {share:.1%}" for value, (share, _) in groups.items()), soft_wrap=True)
    console.print("curve", *(tuple(point.values()) for point in result["curve"]), sep="\n")
    for key in ("rapidocr", "missed"):
        if key in result:
            console.print(key, result[key])


if __name__ == "__main__":
    main()
