"""Do a hundred people at work in a portal wait, and does the node beside it notice them?

The ledger is made up, of a million transactions: 32 hospitals, ten years of requests, blocks that its members signed.
`hmchain portal` serves it in a process of its own; another process plays a hundred people in four roles, each of whom
opens a page, thinks for 5 to 15 seconds and opens the next, with a read of the API for every other page. Targets: 95 of
100 pages within 300 ms and reads within 100 ms, no page over 200 kB with all that it needs, 300 MB of memory, the first
answer 3 s after the start. On a machine that others use the clock says little: the processor time of an answer stands
beside it. Then four real nodes on this machine decide blocks of one transaction each, one after the other, with and
without a portal beside one of them and the hundred people in it: target 5 % between block intervals.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

from hmchain.canonical import encode
from hmchain.clock import now_ms
from hmchain.ledger.contracts.data.datasets import RegisterDataset
from hmchain.ledger.engines.cometbft.light import milliseconds
from hmchain.ledger.engines.cometbft.rpc import RpcClient
from hmchain.ledger.engines.ledger import EXPIRY_MS
from hmchain.ledger.transactions import NONCE_BYTES, sign, transaction_digest
from permits.ledger import DATASETS, HOSPITALS, PEOPLE_OF_EACH, SCHEMA
from portal import ledger, network
from portal.places import Known, filled, places

PAGE_MS, READ_MS, PAGE_BYTES, MEMORY_MB, START_S, INTERVAL = 300.0, 100.0, 200_000, 300.0, 3.0, 1.05
PEOPLE = 100
_FILES = re.compile(r'"(/static/[^"]+)"')
_STARTING_SECONDS, _LOOK_SECONDS = 60.0, 0.01
_BENCHMARKS = Path(__file__).parent
_MADE = _BENCHMARKS.parent / "build" / "portal_load"
"""Where made-up ledgers and compiled modules are kept: `make clean` removes them."""


@dataclass(frozen=True)
class Serving:
    """A portal that answers."""

    process: subprocess.Popen[bytes]
    url: str
    start_s: float
    """From the start of its process to its first answer."""
    start_work_s: float = 0.0
    """The processor time of that."""

    def worked_s(self) -> float:
        """Processor time that it has taken so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")

    def memory_mb(self) -> float:
        """The most that it has held so far."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) / 1000


def of_run(place: Path, port: int) -> list[str]:
    """The command that serves a run."""
    return ["-m", "hmchain", "portal", "--dir", str(place), "--listen", f"127.0.0.1:{port}", "--no-browser"]


def beside_node(place: Path, port: int) -> list[str]:
    """The command that serves a node's hospital."""
    return ["-m", "portal.beside", str(place), str(port)]


@contextmanager
def serving(place: Path, command: Callable[[Path, int], list[str]]) -> Iterator[Serving]:
    """The portal of a folder, in a process of its own."""
    (port,) = network.ports(1)
    url, environment = f"http://127.0.0.1:{port}", _installed()
    began = time.perf_counter()
    with (place / "portal.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, *command(place, port)],
            stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=_BENCHMARKS, env=environment,
        )  # fmt: skip
    try:
        while not _answers(url):
            if process.poll() is not None or time.perf_counter() - began > _STARTING_SECONDS:
                raise SystemExit(f"the portal does not answer: {(place / 'portal.log').read_text()}")
            time.sleep(_LOOK_SECONDS)
        found = Serving(process, url, time.perf_counter() - began)
        yield replace(found, start_work_s=found.worked_s())
    finally:
        process.terminate()
        process.wait()


@cache
def _installed() -> dict[str, str]:
    """The environment of a program that was installed: compiled, which a source tree need not be."""
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(_MADE / "compiled")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    code = "import hmchain.interfaces.cli.main, hmchain.interfaces.cli.portal"
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    return environment


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False, follow_redirects=True).status_code < 500
    except httpx.TransportError:
        return False


# -- what is asked -----------------------------------------------------------------------------------------------------


def known_of(found: ledger.MadeUpRun, url: str) -> Known:
    """Names of things that there are."""
    chance = random.Random(15)
    heights = [str(chance.randint(1, found.height)) for _ in range(200)]
    digests = []
    for height in heights[:20]:
        blocks = httpx.get(f"{url}/v1/blocks", params={"from": height, "limit": 1}, trust_env=False).json()
        digests += [each["digest"] for each in blocks[0]["transactions"][:5]]
    requests = [f"request-{chance.randrange(found.requests):06}" for _ in range(200)]
    studies = [f"study-{4 * chance.randrange(found.requests // 4):06}" for _ in range(200)]
    return {
        "request": requests, "requests/name": requests, "study": studies, "studies/name": studies,
        "models/name": studies, "models/study": studies, "models/model": studies, "digest": digests, "height": heights,
        "organisation": HOSPITALS, "hospital": HOSPITALS, "members/name": HOSPITALS, "dataset": DATASETS,
        "datasets/name": DATASETS, "person": [f"s{number}" for number in range(PEOPLE_OF_EACH)],
    }  # fmt: skip


def weigh(url: str, known: Known) -> dict[str, int]:
    """What each page weighs on its way, with the files that it needs, to somebody who was never there."""
    found, chance = places(known), random.Random(16)
    with httpx.Client(base_url=url, headers={"Accept-Encoding": "gzip"}, trust_env=False, timeout=60) as client:
        files: dict[str, int] = {}

        def size(path: str) -> int:
            if path not in files:
                files[path] = client.get(path).num_bytes_downloaded
            return files[path]

        weighed = {}
        for pattern in (each for role in found.pages.values() for each in role):
            page = client.get(filled(pattern, chance, known))
            weighed[pattern] = page.num_bytes_downloaded + sum(map(size, {*_FILES.findall(page.text)}))
    return weighed


def work(url: str, known: Known, seconds: float) -> list[list[Any]]:
    """What a hundred people were answered."""
    command = [sys.executable, "-m", "portal.people", url, "--people", str(PEOPLE), "--seconds", str(seconds)]
    done = subprocess.run(
        command, input=json.dumps(known).encode(), stdout=subprocess.PIPE, cwd=_BENCHMARKS, check=True
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def p95(found: list[float]) -> float:
    """Within this 95 of 100 are."""
    return sorted(found)[len(found) * 95 // 100] if found else 0.0


def answers(asked: list[list[Any]], weights: Mapping[str, int]) -> dict[str, Any]:
    """The figures of what people were answered."""
    figures: dict[str, Any] = {}
    for kind in ("page", "read"):
        mine = [each for each in asked if each[0] == kind]
        by_path: dict[str, list[float]] = {}
        for _, pattern, _, took, _, _ in mine:
            by_path.setdefault(pattern, []).append(took)
        slowest = sorted(by_path, key=lambda path: -p95(by_path[path]))[:5]
        figures |= {
            f"{kind}s": len(mine),
            f"{kind}_p50_ms": statistics.median([each[3] for each in mine] or [0.0]),
            f"{kind}_p95_ms": p95([each[3] for each in mine]),
            f"slowest_{kind}s": {path: [len(by_path[path]), round(p95(by_path[path]), 1)] for path in slowest},
        }
    failed: dict[str, int] = {}
    for _, pattern, _, _, _, status in asked:
        if not (isinstance(status, int) and status < 500):
            failed[f"{pattern}: {status}"] = failed.get(f"{pattern}: {status}", 0) + 1
    heaviest = max(weights, key=lambda path: weights[path])
    return figures | {"failed": failed, "heaviest_page": heaviest, "page_bytes": weights[heaviest]}


def measure_run(found: ledger.MadeUpRun, seconds: float) -> dict[str, Any]:
    """A long ledger, and people who look at it."""
    with serving(found.folder.path.resolve(), of_run) as portal:
        known = known_of(found, portal.url)
        weights = weigh(portal.url, known)
        start_work_s, before_s = portal.start_work_s, portal.worked_s()
        asked = work(portal.url, known, seconds)
        return answers(asked, weights) | {
            "work_ms": 1000 * (portal.worked_s() - before_s) / max(1, len(asked)),
            "start_s": portal.start_s,
            "start_work_s": start_work_s,
            "load": os.getloadavg()[0],
            "memory_mb": portal.memory_mb(),
            "left_out": places(known).left_out,
        }


# -- the node beside it ------------------------------------------------------------------------------------------------


def interval_ms(client: RpcClient, seconds: float, count: int) -> tuple[float, int]:
    """The mean time between blocks, while each transaction follows on the block of the last; and how many were sent."""
    key, chain = network.signing_key(network.NAMES[0], "steward"), client.status().node_info.network
    until, first = time.monotonic() + seconds, client.status().sync_info.latest_block_height
    while time.monotonic() < until:
        count += 1
        body = encode(RegisterDataset(f"d{count}", SCHEMA))
        wire = sign(key, chain, body, secrets.token_bytes(NONCE_BYTES), now_ms() + EXPIRY_MS)
        client.broadcast(wire)
        client.wait_for(transaction_digest(wire))
    times = [milliseconds(each.time) for each in client.headers(client.status().sync_info.latest_block_height - first)]
    return (times[0] - times[-1]) / (len(times) - 1), count


def measure_node(directory: Path, seconds: float, times: int) -> dict[str, Any]:
    """The block interval of four nodes without a portal, and with one in which a hundred people work, in turn."""
    folders, known = network.make(directory), {"organisation": network.NAMES, "hospital": network.NAMES}
    alone, beside, count, memory = [], [], 0, 0.0
    with network.running(folders) as clients:
        client = clients[0]
        for _ in range(times):
            taken, count = interval_ms(client, seconds, count)
            alone.append(taken)
            with serving(folders[0].path, beside_node) as portal, ThreadPoolExecutor(1) as pool:
                working = pool.submit(work, portal.url, known, seconds)
                taken, count = interval_ms(client, seconds, count)
                beside.append(taken)
                asked = working.result()
                memory = max(memory, portal.memory_mb())
    return {
        "interval_alone_ms": statistics.mean(alone),
        "interval_beside_ms": statistics.mean(beside),
        "interval_ratio": statistics.mean(beside) / statistics.mean(alone),
        "node_pages": sum(each[0] == "page" for each in asked),
        "node_page_p95_ms": p95([each[3] for each in asked if each[0] == "page"]),
        "node_memory_mb": memory,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="100 000 transactions, and a short time")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--run", type=Path, help="folder of the made-up run; made if it is not there, and kept")
    options = parser.parse_args()
    transactions, seconds = (100_000, 6.0) if options.quick else (1_000_000, 120.0)
    found = ledger.kept(options.run or _MADE / f"run{transactions}", transactions)
    result = measure_run(found, seconds)
    with tempfile.TemporaryDirectory() as directory:
        result |= measure_node(Path(directory) / "nodes", *((4.0, 1) if options.quick else (40.0, 3)))
    result = {
        "name": "portal_load", "ratio": round(result["interval_ratio"], 3), "ratios": ratios(result),
        "unit": "block interval with a portal and its people beside the node, over alone",
        "transactions": transactions, "cores": os.cpu_count(), **result,
    }  # fmt: skip
    if options.json:
        print(json.dumps(result))
        return
    show(result)


def ratios(result: dict[str, Any]) -> dict[str, float]:
    """Each figure over its target."""
    targets = {
        "page_p95_ms": PAGE_MS, "read_p95_ms": READ_MS, "page_bytes": PAGE_BYTES, "memory_mb": MEMORY_MB,
        "start_s": START_S, "interval_ratio": INTERVAL,
    }  # fmt: skip
    return {name: round(result[name] / target, 3) for name, target in targets.items()}


def show(result: dict[str, Any]) -> None:
    """The figures as people read them."""
    table = Table("figure", "value", "at most", title=f"A hundred people and {result['transactions']} transactions")
    table.add_row("p95 of a page", f"{result['page_p95_ms']:.0f} ms of {result['pages']}", f"{PAGE_MS:.0f} ms")
    table.add_row("p95 of a read", f"{result['read_p95_ms']:.0f} ms of {result['reads']}", f"{READ_MS:.0f} ms")
    table.add_row("the heaviest page", f"{result['page_bytes']} B: {result['heaviest_page']}", f"{PAGE_BYTES} B")
    table.add_row("memory", f"{result['memory_mb']:.0f} MB", f"{MEMORY_MB:.0f} MB")
    start = f"{result['start_s']:.1f} s, of which {result['start_work_s']:.1f} s of processor time"
    table.add_row("first answer", start, f"{START_S:.0f} s")
    table.add_row(
        "processor time of an answer", f"{result['work_ms']:.0f} ms; {result['load']:.1f} wait on this machine"
    )
    over = f"{result['interval_beside_ms']:.0f} ms over {result['interval_alone_ms']:.0f} ms"
    table.add_row(
        "block interval beside a portal, over alone", f"{result['interval_ratio']:.3f}: {over}", f"{INTERVAL}"
    )
    over = ", ".join(f"{name} {ratio}" for name, ratio in result["ratios"].items())
    table.add_row("over its target", over, "1")
    for kind in ("page", "read"):
        for path, (count, ms) in result[f"slowest_{kind}s"].items():
            table.add_row(f"  {kind} {path}", f"p95 {ms} ms of {count}")
    for what, count in result["failed"].items():
        table.add_row("failed", f"{count} times {what}", "0")
    if result["left_out"]:
        table.add_row("not looked at", ", ".join(result["left_out"]))
    Console().print(table)


if __name__ == "__main__":
    main()
