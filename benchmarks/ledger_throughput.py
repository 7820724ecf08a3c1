"""How many signed transactions a second does the embedded ledger make durable, against the bare signature check?

Four validators, each executing every block on its own state; one signature check a transaction; every block on disk
before it counts. The yardstick is the raw Ed25519 verification of the same messages on one core, measured just before
and just after, since a shared machine drifts. Target: at least 0.6.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from hmchain.canonical import decode, encode
from hmchain.keys import PublicKey, SigningKey, WrappingKey
from hmchain.ledger.chain import BLOCK_TRANSACTIONS_MAX
from hmchain.ledger.contracts.datasets import RegisterDataset, Schema
from hmchain.ledger.contracts.membership import Member
from hmchain.ledger.contracts.parameters import Parameters
from hmchain.ledger.engines.embedded import EmbeddedLedger
from hmchain.ledger.genesis import Genesis
from hmchain.ledger.transactions import SignedTransaction, sign

TARGET = 0.6
NAMES = ("north", "east", "south", "west")
SCHEMA = Schema("mri", 1, 64, 64, ("no", "yes"))
LIFE_MS = 3_000_000


def found(directory: Path) -> tuple[EmbeddedLedger, list[SigningKey]]:
    """A fresh ledger of four members, and their stewards' keys."""
    keys = {name: [SigningKey.generate() for _ in range(4)] for name in sorted(NAMES)}
    members = tuple(
        Member(name, name, *(key.public.raw for key in mine), WrappingKey.generate().public)
        for name, mine in keys.items()
    )
    genesis = Genesis("bench", 0, members, Parameters())
    ledger = EmbeddedLedger.create(directory, genesis, {name: mine[3] for name, mine in keys.items()})
    return ledger, [mine[0] for mine in keys.values()]


def load(ledger: EmbeddedLedger, stewards: Sequence[SigningKey], count: int, name: str) -> list[bytes]:
    """Signed transactions that register datasets."""
    expires = ledger.now_ms() + LIFE_MS
    return [
        sign(stewards[number % 4], "bench", encode(RegisterDataset(f"{name}{number}", SCHEMA)), os.urandom(16), expires)
        for number in range(count)
    ]


def raw_checks_per_s(wires: Sequence[bytes]) -> float:
    """Bare Ed25519 verifications a second of these transactions' messages, on one core."""
    checks = []
    for wire in wires:
        signed = decode(wire, SignedTransaction)
        key = PublicKey(signed.transaction.algorithm, signed.transaction.sender)
        checks.append((key, signed.signature, encode(signed.transaction)))
    start = time.perf_counter()
    valid = sum(key.verify(signature, message) for key, signature, message in checks)
    elapsed = time.perf_counter() - start
    if valid != len(wires):
        raise SystemExit("the benchmark made a bad signature")
    return len(wires) / elapsed


def commit_all(ledger: EmbeddedLedger, wires: Sequence[bytes]) -> float:
    """Submit and decide everything; transactions a second."""
    start = time.perf_counter()
    for first in range(0, len(wires), BLOCK_TRANSACTIONS_MAX):
        ledger.submit_many(wires[first : first + BLOCK_TRANSACTIONS_MAX])
        ledger.produce_block()
    return len(wires) / (time.perf_counter() - start)


def latencies_ms(ledger: EmbeddedLedger, wires: Sequence[bytes]) -> list[float]:
    """From submission to durable, one transaction a block."""
    found = []
    for wire in wires:
        start = time.perf_counter()
        ledger.submit(wire)
        ledger.produce_block()
        found.append(1000 * (time.perf_counter() - start))
    return sorted(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer transactions")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    options = parser.parse_args()
    count, repeats, singles = (4000, 3, 50) if options.quick else (20_000, 5, 300)
    directory = Path(tempfile.mkdtemp(dir=Path.cwd()))  # /tmp may be memory: durable means this disk
    ratios, rates, raws = [], [], []
    try:
        ledger, stewards = found(directory / "ledger")
        for repeat in range(repeats):
            wires = load(ledger, stewards, count, f"r{repeat}-")
            before = raw_checks_per_s(wires[:2000])
            rate = commit_all(ledger, wires)
            raw = (before + raw_checks_per_s(wires[:2000])) / 2
            ratios.append(rate / raw)
            rates.append(rate)
            raws.append(raw)
        waits = latencies_ms(ledger, load(ledger, stewards, singles, "single-"))
        ledger.close()
    finally:
        shutil.rmtree(directory)
    result = {
        "name": "ledger_throughput",
        "ratio": statistics.median(ratios),
        "unit": "committed transactions/s over raw Ed25519 verifications/s of one core",
        "target": TARGET,
        "ratios": ratios,
        "transactions_per_s": statistics.median(rates),
        "raw_verifications_per_s": statistics.median(raws),
        "latency_ms_p50": waits[len(waits) // 2],
        "latency_ms_p95": waits[len(waits) * 95 // 100],
        "validators": len(NAMES),
        "transactions": count * repeats,
        "cores": os.cpu_count(),
    }
    if options.json:
        print(json.dumps(result))
        return
    table = Table("figure", "value", title="Embedded ledger, 4 validators, one signature check a transaction")
    table.add_row("durable transactions/s", f"{result['transactions_per_s']:.0f}")
    table.add_row("raw Ed25519 checks/s, one core", f"{result['raw_verifications_per_s']:.0f}")
    table.add_row("ratio (at least 0.6)", f"{result['ratio']:.2f}  ({min(ratios):.2f} to {max(ratios):.2f})")
    table.add_row(
        "one transaction until durable", f"{result['latency_ms_p50']:.1f} ms, p95 {result['latency_ms_p95']:.1f} ms"
    )
    Console().print(table)


if __name__ == "__main__":
    main()
