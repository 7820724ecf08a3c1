"""How many signed transactions a second does the embedded ledger make durable, against the bare signature check?

Four validators, each executing every block on its own state; one signature check a transaction; every block on disk
before it counts. The yardstick is the raw Ed25519 verification of the same messages on one core by OpenSSL, measured
just before and just after, since a shared machine drifts. Target: at least 0.6. The ledger itself checks with
libsodium, whose raw rate is shown too. Where other programs take the second core away, the ratio falls towards that of
processor time, which is shown beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from rich.console import Console
from rich.table import Table

from hmchain.canonical import decode, encode
from hmchain.keys import ED25519, PublicKey, SigningKey, WrappingKey
from hmchain.ledger import genesis as genesis_file
from hmchain.ledger.chain import BLOCK_TRANSACTIONS_MAX
from hmchain.ledger.contracts.data.datasets import RegisterDataset, Schema
from hmchain.ledger.contracts.members.membership import Member
from hmchain.ledger.engines.embedded import EmbeddedLedger
from hmchain.ledger.genesis import SALT_BYTES
from hmchain.ledger.transactions import SignedTransaction, sign

TARGET = 0.6
NAMES = ("north", "east", "south", "west")
SCHEMA = Schema("mri", 1, 64, 64, ("no", "yes"))
LIFE_MS = 3_000_000


def wall_clock_ms() -> int:
    return time.time_ns() // 1_000_000


def found(directory: Path, clock_ms: Callable[[], int] = wall_clock_ms) -> tuple[EmbeddedLedger, list[SigningKey]]:
    """A fresh ledger of four members, and their stewards' keys."""
    keys = {name: [SigningKey.generate() for _ in range(4)] for name in sorted(NAMES)}
    members = tuple(
        Member(name, name, *(key.public.raw for key in mine), WrappingKey.generate().public)
        for name, mine in keys.items()
    )
    genesis = genesis_file.found("bench", 0, members, bytes(SALT_BYTES))
    validators = {name: mine[3] for name, mine in keys.items()}
    ledger = EmbeddedLedger.create(directory, genesis, validators, clock_ms=clock_ms)
    return ledger, [mine[0] for mine in keys.values()]


def load(ledger: EmbeddedLedger, stewards: Sequence[SigningKey], count: int, name: str) -> list[bytes]:
    """Signed transactions that register datasets."""
    chain, expires = ledger.chain_id, ledger.now_ms() + LIFE_MS
    return [
        sign(stewards[number % 4], chain, encode(RegisterDataset(f"{name}{number}", SCHEMA)), os.urandom(16), expires)
        for number in range(count)
    ]


@dataclass(frozen=True)
class Rate:
    """Work done a second, by the clock and by the processor time it took."""

    per_s: float
    per_cpu_s: float

    @classmethod
    def of(cls, count: int, work: Callable[[], object]) -> Rate:
        """Of `count` pieces of work that are done together."""
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        return cls(count / (time.perf_counter() - wall), count / (time.process_time() - cpu))


def raw_checks(wires: Sequence[bytes]) -> Rate:
    """Bare Ed25519 verifications a second of these transactions' messages, on one core, by OpenSSL."""
    signed = _signatures(wires)

    def check() -> None:
        for key, signature, message in signed:
            Ed25519PublicKey.from_public_bytes(key).verify(signature, message)  # raises if it does not hold

    return Rate.of(len(wires), check)


def own_checks(wires: Sequence[bytes]) -> Rate:
    """The same by the library that the ledger uses."""
    signed = _signatures(wires)
    valid: list[bool] = []

    def check() -> None:
        valid.extend(PublicKey(ED25519, key).verify(signature, message) for key, signature, message in signed)

    rate = Rate.of(len(wires), check)
    if not all(valid):
        raise SystemExit("the benchmark made a bad signature")
    return rate


def _signatures(wires: Sequence[bytes]) -> list[tuple[bytes, bytes, bytes]]:
    """Key, signature and message of each."""
    signed = [decode(wire, SignedTransaction) for wire in wires]
    return [(one.transaction.sender, one.signature, encode(one.transaction)) for one in signed]


def commit_all(ledger: EmbeddedLedger, wires: Sequence[bytes]) -> None:
    """Submit and decide everything."""
    for first in range(0, len(wires), BLOCK_TRANSACTIONS_MAX):
        ledger.submit_many(wires[first : first + BLOCK_TRANSACTIONS_MAX])
        ledger.produce_block()


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
    rates, raws, owns = [], [], []
    try:
        ledger, stewards = found(directory / "ledger")
        for repeat in range(repeats):
            wires = load(ledger, stewards, count, f"r{repeat}-")
            raws.append(raw_checks(wires[:2000]))
            rates.append(Rate.of(count, partial(commit_all, ledger, wires)))
            raws.append(raw_checks(wires[:2000]))
            owns.append(own_checks(wires[:2000]))
        waits = latencies_ms(ledger, load(ledger, stewards, singles, "single-"))
        ledger.close()
    finally:
        shutil.rmtree(directory)
    ratios = [rate.per_s / ((raws[2 * i].per_s + raws[2 * i + 1].per_s) / 2) for i, rate in enumerate(rates)]
    cpu_ratio = statistics.median(r.per_cpu_s for r in rates) / statistics.median(r.per_cpu_s for r in raws)
    result = {
        "name": "ledger_throughput",
        "ratio": statistics.median(ratios),
        "unit": "committed transactions/s over raw Ed25519 verifications/s of one core by OpenSSL",
        "target": TARGET,
        "ratios": ratios,
        "ratio_of_processor_time": cpu_ratio,
        "transactions_per_s": statistics.median(rate.per_s for rate in rates),
        "raw_verifications_per_s": statistics.median(raw.per_s for raw in raws),
        "own_verifications_per_s": statistics.median(own.per_s for own in owns),
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
    table.add_row("raw Ed25519 checks/s, one core, OpenSSL", f"{result['raw_verifications_per_s']:.0f}")
    table.add_row("the same by libsodium, as the ledger checks", f"{result['own_verifications_per_s']:.0f}")
    table.add_row("ratio (at least 0.6)", f"{result['ratio']:.2f}  ({min(ratios):.2f} to {max(ratios):.2f})")
    table.add_row("the same in processor time, as on one core", f"{cpu_ratio:.2f}")
    table.add_row(
        "one transaction until durable", f"{result['latency_ms_p50']:.1f} ms, p95 {result['latency_ms_p95']:.1f} ms"
    )
    Console().print(table)


if __name__ == "__main__":
    main()
