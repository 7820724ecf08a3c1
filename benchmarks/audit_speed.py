"""How fast does an offline audit replay a ledger, against the bare signature check, and does memory stay flat?

The audit checks every signature, link and root, and executes every block again. The yardstick is the raw Ed25519
verification of the same transactions on one core. Target: at least 0.5; and the peak of Python's memory at four times
the length is the same but for the nonces of the last hour, which every validator must remember.

And what does it cost to believe no cache: how long does a command take to verify a whole state against its signed
header before it shows anything of it? Target: at most half a second for 100 000 records, against BLAKE3's expansion of
the same records alone.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import tempfile
import time
import tracemalloc
from pathlib import Path

from blake3 import blake3
from rich.console import Console
from rich.table import Table

from hmchain.ledger import lthash
from hmchain.ledger.genesis import Genesis
from hmchain.ledger.readers.replay import verify
from hmchain.ledger.readers.states import open_state
from ledger_throughput import commit_all, found, load, raw_checks

TARGET = 0.5
STATE_SECONDS_MAX = 0.5
HOUR_MS = 3_600_000


def make_ledger(directory: Path, blocks: int, size: int) -> tuple[Genesis, list[bytes]]:
    """A ledger of `blocks` blocks half an hour apart, and the transactions of its last block."""
    clock = [HOUR_MS]
    ledger, stewards = found(directory, lambda: clock[0])
    wires: list[bytes] = []
    for number in range(blocks):
        clock[0] += HOUR_MS // 2
        wires = load(ledger, stewards, size, f"b{number}-")
        commit_all(ledger, wires)
    ledger.close()
    return ledger.genesis, wires


def peak_mib(directory: Path, genesis: Genesis) -> float:
    """Largest memory of Python objects during an audit."""
    tracemalloc.start()
    verify(directory, genesis.digest)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / (1 << 20)


def state_seconds(directory: Path) -> tuple[float, float]:
    """Seconds to verify a state, and to expand its records alone, for 100 000 records."""
    start = time.perf_counter()
    with open_state(directory) as found:
        taken = time.perf_counter() - start
        records = list(found.state.snapshot())
    start = time.perf_counter()
    for key, value in records:
        blake3(key + value).digest(length=lthash.BYTES)
    raw = time.perf_counter() - start
    return taken * 100_000 / len(records), raw * 100_000 / len(records)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a shorter ledger")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    options = parser.parse_args()
    blocks, size, repeats = (40, 250, 3) if options.quick else (80, 1000, 5)
    directory = Path(tempfile.mkdtemp())
    ratios, rates, raws = [], [], []
    try:
        short, _ = make_ledger(directory / "short", blocks // 4, size)
        genesis, wires = make_ledger(directory / "long", blocks, size)
        for _ in range(repeats):
            before = raw_checks(wires).per_s
            start = time.perf_counter()
            report = verify(directory / "long", genesis.digest)
            rates.append(report.transactions / (time.perf_counter() - start))
            raws.append((before + raw_checks(wires).per_s) / 2)
            ratios.append(rates[-1] / raws[-1])
        states = [state_seconds(directory / "long") for _ in range(repeats)]
        peaks = [peak_mib(directory / "short", short), peak_mib(directory / "long", genesis)]
    finally:
        shutil.rmtree(directory)
    result = {
        "name": "audit_speed",
        "ratio": statistics.median(ratios),
        "unit": "replayed transactions/s over raw Ed25519 verifications/s of one core by OpenSSL",
        "target": TARGET,
        "ratios": ratios,
        "transactions_per_s": statistics.median(rates),
        "raw_verifications_per_s": statistics.median(raws),
        "transactions": blocks * size,
        "peak_mib_quarter_length": peaks[0],
        "peak_mib_full_length": peaks[1],
        "state_s_per_100k_records": statistics.median(taken for taken, _ in states),
        "state_s_target": STATE_SECONDS_MAX,
        "state_over_raw_blake3": statistics.median(taken / raw for taken, raw in states),
        "cores": os.cpu_count(),
    }
    if options.json:
        print(json.dumps(result))
        return
    table = Table("figure", "value", title=f"Audit of {blocks * size} transactions in {blocks} blocks")
    table.add_row("replayed transactions/s", f"{result['transactions_per_s']:.0f}")
    table.add_row("raw Ed25519 checks/s, one core, OpenSSL", f"{result['raw_verifications_per_s']:.0f}")
    table.add_row(f"ratio (at least {TARGET})", f"{result['ratio']:.2f}  ({min(ratios):.2f} to {max(ratios):.2f})")
    table.add_row("peak memory at a quarter of the length", f"{peaks[0]:.1f} MiB")
    table.add_row("peak memory at full length", f"{peaks[1]:.1f} MiB")
    seconds, over = result["state_s_per_100k_records"], result["state_over_raw_blake3"]
    table.add_row(
        f"verifying 100 000 records of state (at most {STATE_SECONDS_MAX} s)",
        f"{seconds:.2f} s, {over:.1f} times BLAKE3 alone",
    )
    Console().print(table)


if __name__ == "__main__":
    main()
