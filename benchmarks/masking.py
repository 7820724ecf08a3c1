"""What does hiding an update cost over the bare key stream that it needs?

An update of 11.2 M parameters (ResNet-18) is quantised and masked for 10 participants: 9 pair masks and a self mask.
The yardstick is AES-256-CTR alone for 10 masks, `update_into` a reused block of 256 KiB, on the same number of threads.
Target: at most 1.5 times.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from rich.console import Console
from rich.table import Table

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from hmchain.application.learning.masking import MaskSeeds
from hmchain.application.learning.quantise import layer_steps, quantise, quantise_and_mask
from hmchain.ledger.arithmetic import ModelRule

PARTICIPANTS = 10
LAYERS = 62
BLOCK_BYTES = 256 << 10
TARGET = 1.5
CLIP_NORM = 1.0


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def key_stream(size_bytes: int) -> None:
    """One thread's share of the bare key stream."""
    zeros, buffer = bytes(BLOCK_BYTES), bytearray(BLOCK_BYTES + 15)
    for _ in range(PARTICIPANTS):
        cipher = Cipher(algorithms.AES256(os.urandom(32)), modes.CTR(bytes(16))).encryptor()
        for _ in range(size_bytes // BLOCK_BYTES):
            cipher.update_into(zeros, buffer)


def bare(size_bytes: int, threads: int) -> None:
    if threads == 1:
        return key_stream(size_bytes)
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(key_stream, [size_bytes // threads] * threads))
    return None


def measure(blocks: int, threads: int, repeats: int) -> dict[str, float]:
    """Best of `repeats`, all in turn, so that a busy moment of the machine falls on all alike."""
    size = blocks * BLOCK_BYTES // 4
    layers = [size // LAYERS] * (LAYERS - 1)
    layers.append(size - sum(layers))
    rule = ModelRule(layer_steps(layers, CLIP_NORM), 58982, 65536, PARTICIPANTS, 100)
    trained = np.random.default_rng(1).standard_normal(size, dtype=np.float32) / np.float32(size**0.5)
    masks = MaskSeeds(4, os.urandom(32), {order: os.urandom(32) for order in range(PARTICIPANTS) if order != 4})
    out = np.zeros(size, np.uint32)
    delta = out.view(np.float32)  # the masked vector takes the update's place, as it does in a round
    works: dict[str, Callable[[], object]] = {
        "key_stream_s": lambda: bare(size * 4, threads),
        "quantise_s": lambda: quantise(delta, rule, CLIP_NORM, 200, os.urandom(32), threads=threads),
        "quantise_and_mask_s": lambda: quantise_and_mask(
            delta, rule, CLIP_NORM, 200, os.urandom(32), masks, threads=threads, out=out
        ),
    }
    best = dict.fromkeys(works, float("inf"))
    for _ in range(repeats):
        for name, work in works.items():
            np.copyto(delta, trained)
            best[name] = min(best[name], seconds(work))
    ratio = best["quantise_and_mask_s"] / best["key_stream_s"]
    return {"threads": threads, "parameters": size, **best, "ratio": ratio}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="1.5 M parameters instead of 11.2 M")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    blocks, repeats = (23, 15) if options.quick else (171, 15)
    results = [measure(blocks, threads, repeats) for threads in (1, 2)]
    if options.json:
        report = {"name": "masking", "ratio": results[0]["ratio"], "unit": "times the bare key stream"}
        print(json.dumps(report | {"target": TARGET, "runs": results}))
        return
    table = Table(title=f"Quantise and mask for {PARTICIPANTS} participants (target: at most {TARGET})")
    for name in ("threads", "parameters", "key stream", "quantise alone", "quantise and mask", "ratio"):
        table.add_column(name, justify="right")
    for row in results:
        times = (f"{1000 * row[name]:.1f} ms" for name in ("key_stream_s", "quantise_s", "quantise_and_mask_s"))
        table.add_row(str(row["threads"]), f"{row['parameters']:,}", *times, f"{row['ratio']:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
