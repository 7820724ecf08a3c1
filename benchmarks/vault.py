"""What does keeping a record in the vault cost over bare AES-256-GCM on the same bytes?

A large record is put and got as a stream of 1 MiB pieces; bare AES-GCM encrypts and decrypts the same bytes in memory,
in one thread and one call, into fresh memory. The vault also hashes the plaintext (BLAKE3, to find it again) and the
ciphertext (BLAKE3, its address), and writes files: in memory (`/dev/shm`) for the rated figure, since a disk is not
part of the question, and on the disk, synced, beside it. The parts are timed alone, to show what bounds the whole: on
one core their sum, on more the greater of their share and the slowest part. Small records are put through a writer.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from blake3 import blake3
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from rich.console import Console
from rich.table import Table

from hmchain.keys import SecretKey
from hmchain.records.objects import ObjectStore
from hmchain.records.vault import SecretKeyProvider, Vault

TARGET = 0.8
PIECE = 1 << 20
MEMORY = Path("/dev/shm")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less data and fewer repetitions")
    parser.add_argument("--json", action="store_true", help="print one object")
    options = parser.parse_args()
    mib, rounds, small = (64, 12, 2000) if options.quick else (256, 15, 20_000)
    plaintext = secrets.token_bytes(mib << 20)
    with Place(MEMORY if MEMORY.is_dir() else None) as memory, Place(Path.cwd()) as disk:
        rates = measure(plaintext, memory.path, disk.path, rounds)
        records = small_records(disk.path, small)
    write, read = rates["vault_write"] / rates["aes_encrypt"], rates["vault_read"] / rates["aes_decrypt"]
    result = {
        "name": "vault",
        "ratio": round(min(write, read), 3),
        "unit": "throughput of a streamed put and get over AES-256-GCM, the lesser",
        "target": TARGET,
        "write_ratio": round(write, 3),
        "read_ratio": round(read, 3),
        "mib_s": {name: round(rate, 1) for name, rate in rates.items()},
        "bound_mib_s": bounds(rates),
        "small_records_s": records,
        "cores": len(os.sched_getaffinity(0)),
        "mib": mib,
    }
    if options.json:
        print(json.dumps(result))
    else:
        show(result)


class Place:
    """A passing folder, removed at the end."""

    def __init__(self, parent: Path | None) -> None:
        self.path = Path(tempfile.mkdtemp(prefix=".vault-benchmark-", dir=parent))

    def __enter__(self) -> Place:
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.path, ignore_errors=True)


def measure(plaintext: bytes, memory: Path, disk: Path, rounds: int) -> dict[str, float]:
    """MiB/s of every side: run in turn, so that a busy machine disturbs all, and the best of each kept."""
    bare, nonce = AESGCM(secrets.token_bytes(32)), bytes(12)
    ciphertext = bare.encrypt(nonce, plaintext, None)
    in_memory, on_disk = Kept(memory, durable=False), Kept(disk, durable=True)
    sides: dict[str, Callable[[], object]] = {
        "aes_encrypt": lambda: bare.encrypt(nonce, plaintext, None),
        "vault_write": lambda: in_memory.put(plaintext),
        "aes_decrypt": lambda: bare.decrypt(nonce, ciphertext, None),
        "vault_read": lambda: in_memory.get(len(plaintext)),
        "disk_write": lambda: on_disk.put(plaintext),
        "disk_read": lambda: on_disk.get(len(plaintext)),
        "part_aes": lambda: in_pieces(plaintext, lambda piece: bare.encrypt(nonce, piece, None)),
        "part_blake3": lambda: in_pieces(plaintext, blake3(key=bytes(32)).update),
        "part_file": lambda: write_file(memory / "part", plaintext),
    }
    best = dict.fromkeys(sides, float("inf"))
    for _ in range(rounds):
        in_memory.clear()
        on_disk.clear()
        for name, side in sides.items():
            start = time.perf_counter()
            side()
            best[name] = min(best[name], time.perf_counter() - start)
    in_memory.vault.close()
    on_disk.vault.close()
    return {name: len(plaintext) / (1 << 20) / seconds for name, seconds in best.items()}


class Kept:
    """A vault that is written to and read again, one record at a time."""

    def __init__(self, folder: Path, *, durable: bool) -> None:
        store = ObjectStore.directory(folder / "objects", durable=durable)
        self.vault = Vault.create(folder / "vault", store, SecretKeyProvider(SecretKey.generate()))
        self.version = 0

    def clear(self) -> None:
        """Erase the record, so that the next put finds no content to share."""
        self.vault.erase("benchmark", "record")
        self.version += 1

    def put(self, plaintext: bytes) -> None:
        """Write the record."""
        self.vault.put_stream("benchmark", self.version, "record", "", pieces(plaintext))

    def get(self, size: int) -> None:
        """Read it again."""
        if sum(len(piece) for piece in self.vault.get_stream("benchmark", self.version, "record")) != size:
            raise SystemExit("a record does not come back whole")


def small_records(folder: Path, count: int) -> dict[str, float]:
    """Records of 1 KiB a second, synced: put by a writer, got one by one."""
    store = ObjectStore.directory(folder / "small")
    contents = [secrets.token_bytes(1 << 10) for _ in range(count)]
    with Vault.create(folder / "small-vault", store, SecretKeyProvider(SecretKey.generate())) as vault:
        start = time.perf_counter()
        with vault.writer("benchmark", 1) as writer:
            for number, content in enumerate(contents):
                writer.put(str(number), content)
        put = time.perf_counter() - start
        start = time.perf_counter()
        for number in range(count):
            vault.get("benchmark", 1, str(number))
        got = time.perf_counter() - start
    return {"put": round(count / put), "get": round(count / got)}


def bounds(rates: dict[str, float]) -> dict[str, float]:
    """The fastest that a put can be with its parts side by side on so many cores."""
    parts = [1 / rates[name] for name in ("part_aes", "part_blake3", "part_blake3", "part_file")]  # it hashes twice
    return {str(cores): round(1 / max(sum(parts) / cores, max(parts)), 1) for cores in (1, 2, 4)}


def pieces(data: bytes) -> Iterator[memoryview]:
    view = memoryview(data)
    for start in range(0, len(data), PIECE):
        yield view[start : start + PIECE]


def in_pieces(data: bytes, work: Callable[[memoryview], object]) -> None:
    step = 256 << 10  # the envelope's chunk
    view = memoryview(data)
    for start in range(0, len(data), step):
        work(view[start : start + step])


def write_file(path: Path, data: bytes) -> None:
    with path.open("wb", buffering=0) as file:
        in_pieces(data, file.write)


def show(result: dict[str, Any]) -> None:
    rates = result["mib_s"]
    table = Table(title=f"The vault over bare AES-256-GCM, {result['mib']} MiB, {result['cores']} cores, MiB/s")
    for heading in ("", "AES-GCM", "vault", "ratio", "vault on disk, synced"):
        table.add_column(heading, justify="right" if heading else "left")
    for name, bare in (("write", "aes_encrypt"), ("read", "aes_decrypt")):
        plain, vault, disk = (f"{rates[side]:,.0f}" for side in (bare, f"vault_{name}", f"disk_{name}"))
        table.add_row(name, plain, vault, f"{result[f'{name}_ratio']:.2f}", disk)
    console = Console()
    console.print(table)
    parts = ", ".join(f"{name.removeprefix('part_')} {rate:,.0f}" for name, rate in rates.items() if "part_" in name)
    console.print(f"Parts of a write, each alone: {parts} MiB/s.")
    limits = ", ".join(f"{rate:,.0f} on {cores}" for cores, rate in result["bound_mib_s"].items())
    console.print(f"So a write can reach {limits} cores.")
    small = result["small_records_s"]
    console.print(f"Records of 1 KiB, synced: {small['put']:,} put and {small['get']:,} got a second.")
    console.print(f"The lesser ratio is {result['ratio']}; the target is at least {TARGET}.")


if __name__ == "__main__":
    main()
