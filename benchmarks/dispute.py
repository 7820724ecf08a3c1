"""What does it cost every validator to judge a dispute?

One chunk of a master's wrong model, shown with the chunk of every frozen update: 32 hospitals that all survived, and 22
of 32 whose 220 pair masks with the others were revealed. The yardstick is raw Ed25519 verification by OpenSSL on one
core: so many signatures would be checked in the time. Target: at most 0.1 s. Shown beside it is what it takes to make
the proof, once.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from rich.console import Console
from rich.table import Table

from hmchain import blake3_tree
from hmchain.blake3_tree import Domain
from hmchain.ledger import vectors
from hmchain.ledger.arithmetic import Layer, LostPair, ModelRule, Survivor, mask_stream
from hmchain.ledger.contracts.learning.disputes import DisputeChunk, Leaf, judge
from hmchain.ledger.contracts.learning.rounds import Posted
from hmchain.ledger.vectors import MODEL, UPDATE

HOSPITALS = 32
TARGET_S = 0.1
CHUNK = 777


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def signature_seconds() -> float:
    key = Ed25519PrivateKey.generate()
    public, message = key.public_key(), bytes(256)
    signature = key.sign(message)
    return min(seconds(lambda: [public.verify(signature, message) for _ in range(200)]) for _ in range(5)) / 200


def leaf(data: memoryview, domain: Domain) -> Leaf:
    size = domain.leaf_bytes
    return Leaf(bytes(data[CHUNK * size : (CHUNK + 1) * size]), tuple(blake3_tree.path(data, CHUNK, domain)))


def masked(survivor: Survivor, chunks: int) -> memoryview:
    """An update of zeros, of which only the chunk that is shown is masked."""
    vector = np.zeros(256 * chunks, np.uint32)
    chunk = vector[256 * CHUNK : 256 * (CHUNK + 1)]
    chunk += mask_stream(survivor.self_seed, CHUNK, 1)
    for pair in survivor.lost:
        chunk += mask_stream(pair.seed, CHUNK, 1)  # whoever is outside comes after all survivors here
    return vectors.vector_bytes(vector)


def measure(chunks: int, survivors: int, repeats: int) -> dict[str, float]:
    rule = ModelRule((Layer(256 * chunks, 1 << 30),), 0, 1 << 16, HOSPITALS, 10)
    frozen = [
        Survivor(
            order, 256, os.urandom(32), tuple(LostPair(other, os.urandom(32)) for other in range(survivors, HOSPITALS))
        )
        for order in range(survivors)
    ]
    updates = [masked(survivor, chunks) for survivor in frozen]
    base = vectors.model_bytes(np.zeros(256 * chunks, np.int64), np.zeros(256 * chunks, np.int64))
    wrong = vectors.model_bytes(np.ones(256 * chunks, np.int64), np.zeros(256 * chunks, np.int64))
    roots = [blake3_tree.root(update, UPDATE) for update in updates]
    posted = Posted("master", bytes(32), bytes(32), blake3_tree.root(wrong, MODEL), bytes(32), bytes(32), bytes(32))

    def prove() -> DisputeChunk:
        shown = tuple(leaf(update, UPDATE) for update in updates)
        return DisputeChunk("study", 1, 0, 0, CHUNK, shown, leaf(base, MODEL), "model", leaf(wrong, MODEL))

    proof, base_root = prove(), blake3_tree.root(base, MODEL)
    judging = min(seconds(lambda: judge(proof, roots, base_root, posted, frozen, rule)) for _ in range(repeats))
    return {"survivors": survivors, "chunks": chunks, "judge_s": judging, "make_s": seconds(prove)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a model of 0.3 M parameters instead of 4.2 M")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    chunks, repeats = (1 << 10, 5) if options.quick else (1 << 14, 15)
    signature = signature_seconds()
    results = [measure(chunks, survivors, repeats) for survivors in (HOSPITALS, 22)]
    slowest = max(row["judge_s"] for row in results)
    if options.json:
        report = {"name": "dispute", "ratio": slowest / signature, "unit": "signatures checked by OpenSSL"}
        print(json.dumps(report | {"judge_s": slowest, "target_s": TARGET_S, "runs": results}))
        return
    table = Table(title=f"Judging one chunk of {HOSPITALS} hospitals (target: at most {1000 * TARGET_S:.0f} ms)")
    for name in ("survivors", "chunks", "judging", "signatures in the time", "making the proof"):
        table.add_column(name, justify="right")
    for row in results:
        judged, signatures = f"{1000 * row['judge_s']:.0f} ms", f"{row['judge_s'] / signature:.0f}"
        table.add_row(f"{row['survivors']}", f"{row['chunks']:,}", judged, signatures, f"{row['make_s']:.1f} s")
    Console().print(table)


if __name__ == "__main__":
    main()
