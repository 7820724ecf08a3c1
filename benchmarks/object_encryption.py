"""What does an envelope cost over bare AES-256-GCM on the same bytes?

Both sides work in memory, in one thread, each into fresh memory. The ratio is bare time over envelope time, the worst
of the sizes that make up the traffic of a study: 1 MiB (a small CNN's masked update) and 45 MiB (a ResNet-18's). Small
objects are shown too: there the price of a key for each object, about 11 microseconds a call, is most of the time.
"""

from __future__ import annotations

import argparse
import json
import secrets
import time
from collections.abc import Callable

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from rich.console import Console
from rich.table import Table

from hmchain.keys import SecretKey
from hmchain.records.envelope import open_envelope, seal

TARGET = 0.8
RATED_BYTES_MIN = 1 << 20
SIZES = (4 << 10, 64 << 10, 1 << 20, 45 << 20)
CONTEXT = b"benchmark"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer repetitions")
    parser.add_argument("--json", action="store_true", help="print one object")
    options = parser.parse_args()
    rows = [measure(size, seconds=1.0 if options.quick else 4.0) for size in SIZES]
    result = {
        "name": "object_encryption",
        "ratio": min(row["ratio"] for row in rows if row["bytes"] >= RATED_BYTES_MIN),
        "unit": "throughput of seal and open over AES-256-GCM, objects from 1 MiB",
        "target": TARGET,
        "sizes": rows,
    }
    if options.json:
        print(json.dumps(result))
    else:
        show(result)


def measure(size: int, seconds: float) -> dict[str, float]:
    """Time the two sides in turn, so that a busy machine disturbs both, and keep the best of each."""
    key, nonce, plaintext = SecretKey.generate(), bytes(12), secrets.token_bytes(size)
    bare = AESGCM(key.raw)
    ciphertext, envelope = bare.encrypt(nonce, plaintext, None), seal(plaintext, key, CONTEXT)
    sides: dict[str, Callable[[], bytes]] = {
        "aes_encrypt": lambda: bare.encrypt(nonce, plaintext, None),
        "seal": lambda: seal(plaintext, key, CONTEXT),
        "aes_decrypt": lambda: bare.decrypt(nonce, ciphertext, None),
        "open": lambda: open_envelope(envelope, key, CONTEXT),
    }
    if sides["open"]() != plaintext:
        raise SystemExit("an envelope does not open to what was sealed")
    best = dict.fromkeys(sides, float("inf"))
    deadline = time.perf_counter() + seconds
    while time.perf_counter() < deadline:
        for name, side in sides.items():
            start = time.perf_counter()
            side()
            best[name] = min(best[name], time.perf_counter() - start)
    mib = size / (1 << 20)
    figures = {f"{name}_mib_s": round(mib / best[name], 1) for name in sides}
    ratio = (best["aes_encrypt"] + best["aes_decrypt"]) / (best["seal"] + best["open"])
    fixed = best["seal"] + best["open"] - best["aes_encrypt"] - best["aes_decrypt"]
    return {"bytes": size, **figures, "ratio": round(ratio, 3), "overhead_us": round(fixed * 1e6, 1)}


def show(result: dict[str, object]) -> None:
    table = Table(title="Envelope over bare AES-256-GCM, MiB/s")
    for heading in ("object", "AES encrypt", "seal", "AES decrypt", "open", "ratio", "more, µs"):
        table.add_column(heading, justify="right")
    for row in result["sizes"]:  # type: ignore[attr-defined]
        cells = (row[f"{name}_mib_s"] for name in ("aes_encrypt", "seal", "aes_decrypt", "open"))
        rates = [f"{cell:,.0f}" for cell in cells]
        table.add_row(f"{row['bytes'] >> 10:,} KiB", *rates, f"{row['ratio']:.2f}", f"{row['overhead_us']:,.0f}")
    console = Console()
    console.print(table)
    console.print(f"Objects from 1 MiB: {result['ratio']} of bare AES-256-GCM; the target is at least {TARGET}.")


if __name__ == "__main__":
    main()
