"""What does a transfer of records cost over encrypting and copying the same bytes?

East has slices of half a megabyte in its vault (others by `--records` and `--kb`), and gives them to West by way of a
store that both reach, as their stewards do: `share grant`, then `share receive`, with ledger, permit, manifest, root
and every check. Beside it the same plaintext is encrypted by bare AES-256-GCM into a folder, and what came of that is
copied into another: the least that anybody does who brings these bytes there in secret. Both read and write the same
disk, a file a record. The raw side hashes and checks nothing and is spared the syncs of single files: the disk is
synced once, at the end of each half. It is measured before the transfer and after it. Where room is short, what was
measured is emptied and not removed: ext4 without a journal passes over the numbers of files that were removed lately.

The grant is killed (SIGKILL) in the middle and goes on. *Sent twice* are objects that lay whole in the store when it
was killed and were written again. Memory is what each step holds at most above what it held before it began.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from hmchain.application.site.hospital import open_records
from hmchain.clock import now_ms
from hmchain.plain import size
from hmchain.records.catalogue import Dataset, ItemDone, RecordEntry
from hmchain.records.deidentification.profile import load_profile
from support.sharing_bed import GIVER, SharingBed

TARGET = 0.7
SLICE_BYTES = 512 << 10
_TOGETHER = 256
_REQUEST = "relapse"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less data")
    parser.add_argument("--json", action="store_true", help="print one object")
    parser.add_argument("--records", type=int, help="how many of them; 20 480, or 1024 with --quick")
    parser.add_argument("--kb", type=int, default=SLICE_BYTES >> 10, help="KiB of each; 512")
    parser.add_argument("--dir", type=Path, default=Path.cwd(), help="where four times the data have room")
    parser.add_argument("--step", choices=("give", "receive"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        print(json.dumps(step(options.dir, options.step)))
        return
    slices = options.records or (1024 if options.quick else 20_480)
    place = Path(tempfile.mkdtemp(prefix=".transfer-benchmark-", dir=options.dir))
    try:
        result = measure(place, slices, options.kb << 10)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    if options.json:
        print(json.dumps(result))
    else:
        show(result)


def measure(place: Path, slices: int, slice_bytes: int = SLICE_BYTES) -> dict[str, Any]:
    """All figures."""
    plain = place / "plain"
    plain.mkdir()
    for number in range(slices):
        (plain / f"{number:06d}").write_bytes(_slice(number, slice_bytes))
    bed = SharingBed.found(place)
    _fill(bed, plain, slices)
    bed.ask()
    bed.asking.close()
    os.sync()
    raw = [_raw(place / "before", plain)]
    killed = _killed(place / "run", slices)
    given = _child(place / "run", "give")
    again = _written_again(place / "run", killed)
    received = _child(place / "run", "receive")
    _make_room(place / "run", plain)
    raw.append(_raw(place / "after", plain))
    total = slices * slice_bytes
    give, receive = killed["seconds"] + given["seconds"], received["seconds"]
    encrypt, copy, worked = (sum(each[part] for each in raw) / len(raw) for part in range(3))
    return {
        "name": "transfer",
        "ratio": round((encrypt + copy) / (give + receive), 3),
        "unit": "time to encrypt and copy, over the time to give and receive",
        "target": TARGET,
        "mb": round(total / 1e6),
        "records": slices,
        "seconds": {
            "encrypt": round(encrypt, 2), "copy": round(copy, 2), "give": round(give, 2), "receive": round(receive, 2),
        },
        "processor_seconds": {
            "encrypt and copy": round(worked, 2), "receive": round(received["worked"], 2),
            "the rest of the grant": round(given["worked"], 2),
        },
        "killed_after": killed["objects"],
        "sent_twice": again,
        "sent_after": given["sent"],
        "memory_mb": {"give": given["memory_mb"], "receive": received["memory_mb"]},
        "cores": len(os.sched_getaffinity(0)),
    }  # fmt: skip


def _slice(number: int, size: int) -> bytes:
    return np.random.Generator(np.random.PCG64(number)).bytes(size)


def _fill(bed: SharingBed, plain: Path, slices: int) -> None:
    """Put the slices into East's vault and catalogue, and publish them."""
    with open_records(bed.folder(GIVER)) as records:
        catalogue = records.catalogue
        catalogue.add_dataset(Dataset("head", "Slices", "tumours", load_profile("basic"), now_ms()))
        catalogue.open_version("head", "a benchmark", now_ms())
        for start in range(0, slices, _TOGETHER):
            names = [f"{number:06d}" for number in range(start, min(start + _TOGETHER, slices))]
            with records.vault.writer("head", 1) as writer:
                for name in names:
                    writer.put(name, (plain / name).read_bytes(), f"p{name[:-1]}")
            entries = (
                RecordEntry(name, f"p{name[:-1]}", "dicom", "application/dicom", (plain / name).stat().st_size)
                for name in names
            )
            catalogue.add_items("head", 1, [ItemDone(names[0].encode(), tuple(entries))])
        bed.publish(records, "head")


def _raw(place: Path, plain: Path) -> tuple[float, float, float]:
    """Seconds to encrypt all files into one folder, to copy them into another, and of the processor for both."""
    sealed, copied = place / "sealed", place / "copied"
    cipher = AESGCM(bytes(32))

    def encrypt() -> None:
        sealed.mkdir(parents=True)
        for number, path in enumerate(sorted(plain.iterdir())):
            (sealed / path.name).write_bytes(cipher.encrypt(number.to_bytes(12, "big"), path.read_bytes(), None))
        os.sync()

    def copy() -> None:
        shutil.copytree(sealed, copied)
        os.sync()

    before = time.process_time()
    found = _timed(encrypt), _timed(copy), time.process_time() - before
    _make_room(place, plain)
    return found


def _make_room(folder: Path, plain: Path) -> None:
    """Empty files that were measured, where six times the data would have no room; they stay."""
    if shutil.disk_usage(folder).free > 6 * sum(path.stat().st_size for path in plain.iterdir()):
        return
    for path in folder.rglob("*"):
        if path.is_file():
            os.truncate(path, 0)


def _timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def step(run: Path, what: str) -> dict[str, Any]:
    """One step, in a process of its own that may be killed."""
    with _opened(run) as bed:
        print("begins", flush=True)
        before, start, worked = _memory_mb(forget=True), time.perf_counter(), time.process_time()
        name = f"{_REQUEST}-{GIVER}"
        moved = bed.give().sent if what == "give" else bed.receive(name, into="from-east").fetched
        seconds = time.perf_counter() - start
        worked = time.process_time() - worked
        return {"seconds": seconds, "worked": worked, "sent": moved, "memory_mb": round(_memory_mb() - before, 1)}


@contextmanager
def _opened(run: Path) -> Iterator[SharingBed]:
    bed = SharingBed.reopened(run.parent)
    try:
        yield bed
    finally:
        bed.asking.close()


def _memory_mb(forget: bool = False) -> float:
    """The most memory that this process held, since it was told to `forget` what it held before."""
    if forget:
        Path("/proc/self/clear_refs").write_text("5")
    (line,) = (each for each in Path("/proc/self/status").read_text().splitlines() if each.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


def _start(run: Path, what: str) -> subprocess.Popen[str]:
    command = [sys.executable, __file__, "--step", what, "--dir", str(run)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    if child.stdout.readline() != "begins\n":
        raise SystemExit(f"{what} does not begin")
    return child


def _child(run: Path, what: str) -> dict[str, Any]:
    """One step to its end."""
    child = _start(run, what)
    printed, _ = child.communicate()
    if child.returncode:
        raise SystemExit(f"{what} failed")
    return json.loads(printed)


def _lying(run: Path) -> dict[str, tuple[int, int]]:
    """The objects in the members' store, each with what tells whether it was written again."""
    found = (path for path in (run / "objects").glob("??/*") if path.is_file())
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in found}


def _killed(run: Path, slices: int) -> dict[str, Any]:
    """Give, and kill it once a third lies in the store."""
    child, start = _start(run, "give"), time.perf_counter()
    while sum(1 for _ in (run / "objects").glob("??/*")) < slices // 3:
        if child.poll() is not None:
            raise SystemExit("the grant ended before it could be killed")
        time.sleep(0.01)
    seconds = time.perf_counter() - start
    child.send_signal(signal.SIGKILL)
    child.wait()
    lying = _lying(run)
    return {"seconds": seconds, "lying": lying, "objects": len(lying)}


def _written_again(run: Path, killed: dict[str, Any]) -> int:
    """Objects that lay there when it was killed, and are other files now."""
    now = _lying(run)
    return sum(now.get(name) != mark for name, mark in killed["lying"].items())


def show(result: dict[str, Any]) -> None:
    """Print it for people."""
    table = Table(title=f"A transfer of {size(result['mb'] * 1_000_000)} in {result['records']:,} records")
    for column in ("step", "seconds", "memory it took"):
        table.add_column(column, justify="left" if column == "step" else "right")
    for name, seconds in result["seconds"].items():
        memory = result["memory_mb"].get(name)
        table.add_row(name, f"{seconds:.1f}", f"{memory:.0f} MB" if memory is not None else "")
    screen = Console()
    screen.print(table)
    screen.print(
        f"{result['ratio']:.2f} of encrypting and copying (target: at least {TARGET}). Killed with "
        f"{result['killed_after']:,} objects in the store, of which {result['sent_twice']} were sent twice."
    )


if __name__ == "__main__":
    main()
