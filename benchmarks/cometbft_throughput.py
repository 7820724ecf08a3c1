"""How many transactions a second do four CometBFT nodes commit with our application, against CometBFT's own `kvstore`?

Both networks run on this machine over loopback, with the same configuration and transactions of the same size: ours are
signed and register a data set each, `kvstore` (compiled into CometBFT, in memory, without signatures) takes pairs.
Every node is sent a quarter of the load, so that there is always about one full block waiting, and not more: each block
makes CometBFT check all that waits again. The clock runs from the first broadcast until the last transaction is in a
block. The networks take turns, since a shared machine drifts. Then single transactions are sent to
the idle chain, and the time until the sender sees them in a block is taken. Targets: at least 0.5, and 80 ms (p50).

Processor time is shown a transaction, over all four nodes, and beside it what the signature checks alone must take:
where all cores are busy it is this sum that decides.
"""

from __future__ import annotations

import argparse
import base64
import http.client
import json
import os
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import count, pairwise, repeat
from pathlib import Path
from threading import Semaphore
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table
from websockets.sync.client import ClientConnection, connect

from hmchain.canonical import decode, digest, encode
from hmchain.clock import now_ms
from hmchain.keys import PublicKey, SigningKey, WrappingKey
from hmchain.ledger import genesis as genesis_file
from hmchain.ledger.contracts.data.datasets import RegisterDataset, Schema
from hmchain.ledger.contracts.members.membership import Member
from hmchain.ledger.contracts.members.parameters import Parameters
from hmchain.ledger.engines.cometbft.home import Timing
from hmchain.ledger.engines.cometbft.local import LOOPBACK, LocalNetwork, LocalNode
from hmchain.ledger.engines.cometbft.process import Supervised, find_binary
from hmchain.ledger.engines.cometbft.rpc import NoEndpointError, RpcClient
from hmchain.ledger.genesis import SALT_BYTES
from hmchain.ledger.transactions import SignedTransaction, sign

TARGET, TARGET_LATENCY_MS = 0.5, 80.0
NAMES = ("east", "north", "south", "west")
SCHEMA = Schema("mri", 1, 64, 64, ("no", "yes"))
LIFE_MS = 3_000_000
PATIENCE_SECONDS = 60.0
WINDOW = 2000
"""Transactions on their way at a time."""
BATCH = 10
"""Calls in one HTTP request, the most that CometBFT takes."""
CLOCK_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


# -- networks ----------------------------------------------------------------------------------------------------------


def signing_key(name: str, role: str) -> SigningKey:
    return SigningKey(digest("benchmark key", name.encode(), role.encode()))


def network(directory: Path, parameters: Parameters | None = None, timing: Timing | None = None) -> LocalNetwork:
    """Four nodes with our application, not started."""
    roles = ("steward", "scientist", "agent", "validator")
    members = tuple(
        Member(name, name, *(signing_key(name, role).public.raw for role in roles), WrappingKey.generate().public)
        for name in NAMES
    )
    genesis = genesis_file.found("bench", now_ms(), members, bytes(SALT_BYTES), parameters)
    return LocalNetwork(directory, genesis, {name: signing_key(name, "validator") for name in NAMES}, timing=timing)


class NoProcess(Supervised):
    """In the place of an application that is part of CometBFT."""

    def __init__(self) -> None:
        super().__init__("nothing", (), Path(os.devnull))

    def start(self) -> None:
        """Nothing to start."""


def kvstore_network(directory: Path, timing: Timing | None = None) -> LocalNetwork:
    """The same with CometBFT's own application."""
    nodes = network(directory, timing=timing)
    for name, node in nodes.nodes.items():
        node.files = replace(node.files, app="kvstore")
        node.app = NoProcess()
        node.engine = Supervised("CometBFT", node.files.engine_command(find_binary()), node.files.log)
        nodes.write_home(name)
    return nodes


@contextmanager
def running(nodes: LocalNetwork, silent: str = "") -> Iterator[Watch]:
    """Start all nodes but the `silent` one; a watch on them once they have a block."""
    with ExitStack() as stack:
        stack.callback(nodes.stop)
        awake = {name: node for name, node in nodes.nodes.items() if name != silent}
        for node in awake.values():
            node.start()
        deadline = time.monotonic() + PATIENCE_SECONDS
        for node in awake.values():
            while not _has_block(node):
                if time.monotonic() > deadline:
                    raise SystemExit(f"no block after {PATIENCE_SECONDS:g} s; see {node.files.log}")
                time.sleep(0.1)
        yield stack.enter_context(Watch(awake))


def _has_block(node: LocalNode) -> bool:
    with RpcClient([node.rpc_url]) as client:
        try:
            return client.status().sync_info.latest_block_height >= 1
        except NoEndpointError:
            return False


# -- load --------------------------------------------------------------------------------------------------------------

_numbers = count()


def registrations(chain: str, amount: int) -> list[bytes]:
    """Signed transactions of all four stewards, each of which registers a data set of a name that was never used."""
    keys = [signing_key(name, "steward") for name in NAMES]
    expires_ms = now_ms() + LIFE_MS
    return [
        sign(keys[n % 4], chain, encode(RegisterDataset(f"d{n:08}", SCHEMA)), os.urandom(16), expires_ms)
        for n, _ in zip(_numbers, range(amount), strict=False)
    ]


def pairs(amount: int, size: int) -> list[bytes]:
    """As many `key=value` transactions of `size` bytes for `kvstore`."""
    return [
        os.urandom(8).hex().encode() + b"=" + os.urandom(size // 2).hex().encode()[: size - 17] for _ in range(amount)
    ]


@dataclass(frozen=True)
class Load:
    """Transactions as HTTP bodies, made before the clock runs; one list a node."""

    bodies: tuple[list[bytes], ...]
    transactions: int

    @classmethod
    def of(cls, wires: Sequence[bytes], nodes: int) -> Load:
        """Spread transactions over nodes."""
        return cls(
            tuple(
                [_body(wires[i : i + BATCH]) for i in range(n * BATCH, len(wires), nodes * BATCH)] for n in range(nodes)
            ),
            len(wires),
        )

    def send(self, ports: Sequence[int], room: Semaphore) -> None:
        """Broadcast all, over one connection a node, a batch whenever there is room. Exits if a node refuses one."""
        with ThreadPoolExecutor(len(ports)) as threads:
            list(threads.map(_post, ports, self.bodies, repeat(room)))


def _body(wires: Sequence[bytes]) -> bytes:
    calls = [
        {
            "jsonrpc": "2.0",
            "id": number,
            "method": "broadcast_tx_async",
            "params": {"tx": base64.b64encode(wire).decode()},
        }
        for number, wire in enumerate(wires)
    ]
    return msgspec.json.encode(calls)


def _post(port: int, bodies: Sequence[bytes], room: Semaphore) -> None:
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=PATIENCE_SECONDS)
    try:
        for body in bodies:
            room.acquire()
            connection.request("POST", "/", body, {"content-type": "application/json"})
            answer = connection.getresponse().read()
            if b'"error"' in answer:
                raise SystemExit(f"a node refuses the load: {answer[:300].decode()}")
    finally:
        connection.close()


# -- looking -----------------------------------------------------------------------------------------------------------


class Decided(msgspec.Struct, frozen=True):
    """A block as CometBFT tells subscribers of it."""

    height: int
    num_txs: int


class Watch:
    """Some nodes of a network, and the blocks as the first of them sees them."""

    def __init__(self, nodes: Mapping[str, LocalNode]) -> None:
        self.nodes = nodes
        self.first = next(iter(nodes.values()))

    def __enter__(self) -> Watch:
        self._stack = ExitStack()
        self.client = self._stack.enter_context(RpcClient([self.first.rpc_url]))
        self.chain = self.client.status().node_info.network
        self._events: ClientConnection = self._stack.enter_context(
            connect(f"ws://{LOOPBACK}:{self.first.rpc_port}/websocket", max_size=None)
        )
        question = {"jsonrpc": "2.0", "id": 1, "method": "subscribe", "params": {"query": "tm.event='NewBlockEvents'"}}
        self._events.send(json.dumps(question))
        self._events.recv(timeout=PATIENCE_SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def next(self) -> Decided:
        """The next block, empty or not."""
        message = msgspec.json.decode(self._events.recv(timeout=PATIENCE_SECONDS))
        return msgspec.convert(message["result"]["data"]["value"], Decided, strict=False)

    def processor_seconds(self) -> dict[str, float]:
        """Processor time so far of all applications, and of all CometBFT processes."""
        nodes = self.nodes.values()
        return {
            "application": sum(_processor_seconds(node.app.pid) for node in nodes),
            "CometBFT": sum(_processor_seconds(node.engine.pid) for node in nodes),
        }


def _processor_seconds(pid: int | None) -> float:
    if pid is None:
        return 0.0
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS_A_SECOND


@dataclass(frozen=True)
class Run:
    """One load, from the first broadcast to the last inclusion."""

    transactions_per_s: float
    block_interval_ms: float
    """Median time between two blocks with transactions."""
    transactions_a_block: float
    processor_us: Mapping[str, float]
    """Processor time a transaction on all nodes together."""


def run(watch: Watch, load: Load) -> Run:
    """Send a load and wait until all of it is in blocks."""
    ports = [node.rpc_port for node in watch.nodes.values()]
    before, missing, room = watch.processor_seconds(), load.transactions, Semaphore(WINDOW // BATCH)
    began, seen = time.perf_counter(), []
    with ThreadPoolExecutor(1) as beside:
        sending = beside.submit(load.send, ports, room)
        while missing > 0:
            block = watch.next()
            if block.num_txs:
                missing -= block.num_txs
                room.release(-(-block.num_txs // BATCH))
                seen.append(time.perf_counter())
        sending.result()
    spent = {part: after - before[part] for part, after in watch.processor_seconds().items()}
    return Run(
        load.transactions / (seen[-1] - began),
        1000 * statistics.median([after - before for before, after in pairwise(seen)] or [seen[-1] - began]),
        load.transactions / len(seen),
        {part: 1e6 * seconds / load.transactions for part, seconds in spent.items()},
    )


def latencies_ms(watch: Watch, amount: int) -> list[float]:
    """From broadcast to inclusion seen, of single transactions, sent to an idle chain at random moments; sorted."""
    found, pauses = [], random.Random(1)
    for wire in registrations(watch.chain, amount):
        time.sleep(0.4 + 0.2 * pauses.random())
        began = time.perf_counter()
        watch.client.broadcast(wire)
        while not watch.next().num_txs:
            pass
        found.append(1000 * (time.perf_counter() - began))
    return sorted(found)


def signature_us(wires: Sequence[bytes]) -> float:
    """Processor time of one bare Ed25519 verification of these transactions, in microseconds."""
    checks = []
    for wire in wires:
        signed = decode(wire, SignedTransaction)
        key = PublicKey(signed.transaction.algorithm, signed.transaction.sender)
        checks.append((key, signed.signature, encode(signed.transaction)))
    began = time.process_time()
    valid = [key.verify(signature, message) for key, signature, message in checks]
    taken = time.process_time() - began
    assert all(valid)
    return 1e6 * taken / len(wires)


def measure(directory: Path, amount: int, rounds: int, singles: int) -> dict[str, Any]:
    """All figures."""
    runs: dict[str, list[Run]] = {"kvstore": [], "application": []}
    with (
        running(kvstore_network(directory / "kvstore")) as yardstick,
        running(network(directory / "application")) as ours,
    ):
        for number in range(rounds + 1):
            wires = registrations(ours.chain, amount)
            loads = {"kvstore": (yardstick, pairs(amount, len(wires[0]))), "application": (ours, wires)}
            for kind, (watch, transactions) in loads.items():
                part = transactions if number else transactions[: amount // 4]  # the first round warms up
                runs[kind].append(run(watch, Load.of(part, len(NAMES))))
        waits = latencies_ms(ours, singles)
    kept = {kind: found[1:] for kind, found in runs.items()}
    pairs_of_runs = zip(kept["application"], kept["kvstore"], strict=True)
    ratios = [ours.transactions_per_s / theirs.transactions_per_s for ours, theirs in pairs_of_runs]
    return {
        "name": "cometbft_throughput",
        "ratio": statistics.median(ratios),
        "unit": "committed transactions/s over those of CometBFT's kvstore, four validators",
        "target": TARGET,
        "ratios": ratios,
        "latency_ms_p50": waits[len(waits) // 2],
        "latency_ms_p95": waits[len(waits) * 95 // 100],
        "latency_ms_p50_target": TARGET_LATENCY_MS,
        "signatures_us_a_transaction": len(NAMES) * signature_us(wires[:1000]),
        "transaction_bytes": len(wires[0]),
        "transactions": amount,
        "cores": os.cpu_count(),
        **{kind: _medians(found) for kind, found in kept.items()},
    }


def _medians(runs: Sequence[Run]) -> dict[str, Any]:
    return {
        "transactions_per_s": statistics.median(found.transactions_per_s for found in runs),
        "block_interval_ms": statistics.median(found.block_interval_ms for found in runs),
        "transactions_a_block": statistics.median(found.transactions_a_block for found in runs),
        "processor_us_a_transaction": {
            part: statistics.median(found.processor_us[part] for found in runs) for part in runs[0].processor_us
        },
    }


def show(found: Mapping[str, Any]) -> None:
    """The figures as a table."""
    table = Table("figure", "application", "kvstore", title="Four CometBFT nodes on this machine")
    ours, theirs = found["application"], found["kvstore"]
    for name, key in (
        ("committed transactions/s", "transactions_per_s"),
        ("block interval, ms", "block_interval_ms"),
        ("transactions a block", "transactions_a_block"),
    ):
        table.add_row(name, f"{ours[key]:,.0f}", f"{theirs[key]:,.0f}")
    for part in ("CometBFT", "application"):
        spent = [kind["processor_us_a_transaction"][part] for kind in (ours, theirs)]
        table.add_row(f"processor time a transaction: {part}, µs", *(f"{value:.0f}" for value in spent))
    table.add_row("of it signature checks, µs", f"{found['signatures_us_a_transaction']:.0f}", "0")
    table.add_section()
    spread = f"({min(found['ratios']):.2f} to {max(found['ratios']):.2f})"
    table.add_row(f"ratio (at least {TARGET})", f"{found['ratio']:.2f}  {spread}", "")
    waits = f"{found['latency_ms_p50']:.0f} ms, p95 {found['latency_ms_p95']:.0f} ms"
    table.add_row(f"one transaction (p50 at most {TARGET_LATENCY_MS:.0f} ms)", waits, "")
    Console().print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer transactions")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    amount, rounds, singles = (5_000, 3, 15) if options.quick else (10_000, 7, 60)
    directory = Path(tempfile.mkdtemp(dir=Path.cwd()))  # /tmp may be memory: durable means this disk
    try:
        found = measure(directory, amount, rounds, singles)
    finally:
        shutil.rmtree(directory)
    if options.json:
        print(json.dumps(found))
    else:
        show(found)


if __name__ == "__main__":
    main()
