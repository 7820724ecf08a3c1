"""How many pipelined CheckTx a second does the application answer, against an application that does nothing?

Both are served by the same server over a unix socket, in a process of their own; transactions are different ones each
time. The ratio leaves out the Ed25519 check (every signature counts as right), which costs the same in any language;
the rate with it is shown beside it. Runs alternate, and medians are compared, since a shared machine drifts.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import socket
import statistics
import tempfile
import threading
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from hmchain.canonical import encode
from hmchain.keys import PublicKey, SigningKey, WrappingKey
from hmchain.ledger import genesis as genesis_file
from hmchain.ledger.contracts.data.datasets import RegisterDataset, Schema
from hmchain.ledger.contracts.members.membership import Member
from hmchain.ledger.engines.cometbft import abci_pb2 as abci
from hmchain.ledger.engines.cometbft import mempool
from hmchain.ledger.engines.cometbft.application import Application
from hmchain.ledger.engines.cometbft.codec import frame
from hmchain.ledger.engines.cometbft.home import genesis_json
from hmchain.ledger.engines.cometbft.serving import serve
from hmchain.ledger.genesis import SALT_BYTES, Genesis
from hmchain.ledger.transactions import sign

SCHEMA = Schema("mri", 1, 64, 64, ("no", "yes"))
REPLY_BYTES = len(frame(abci.Response(check_tx=abci.ResponseCheckTx()).SerializeToString()))
FLUSH = frame(abci.Request(flush=abci.Flush()).SerializeToString())
FLUSHED_BYTES = len(frame(abci.Response(flush=abci.Flush()).SerializeToString()))
KINDS = ("no-op", "application", "with signatures")


class NoOp(Application):
    """Takes every transaction unseen."""

    def check_txs(self, requests: list[abci.RequestCheckTx]) -> list[str]:
        """Yes to all."""
        return [""] * len(requests)


def serve_kind(kind: str, directory: Path, genesis: Genesis, address: str) -> None:
    """What the server's process does."""
    if kind == "application":
        PublicKey.verify = lambda self, signature, message: True  # type: ignore[method-assign]
    mempool.MEMPOOL_TRANSACTIONS_MAX = 1 << 30  # nothing is ever decided here
    application = (NoOp if kind == "no-op" else Application)(directory, genesis)
    founding = json.loads(genesis_json(genesis))
    application.init_chain(
        abci.RequestInitChain(
            chain_id=genesis.chain_id,
            initial_height=1,
            app_state_bytes=json.dumps(founding["app_state"]).encode(),
            validators=[
                abci.ValidatorUpdate(pub_key=abci.PublicKey(ed25519=member.validator), power=int(entry["power"]))
                for member, entry in zip(genesis.members, founding["validators"], strict=True)
            ],
        )
    )
    serve(application, address)


def connect(path: Path) -> socket.socket:
    """A connection to a server that may still be starting."""
    deadline = time.monotonic() + 30
    while True:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(str(path))
            return connection
        except OSError:
            connection.close()
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def rate(connection: socket.socket, wires: list[bytes]) -> float:
    """Replies a second to these transactions, all sent without waiting."""
    requests = [abci.Request(check_tx=abci.RequestCheckTx(tx=wire)) for wire in wires]
    stream = b"".join(frame(request.SerializeToString()) for request in requests) + FLUSH
    missing = REPLY_BYTES * len(wires) + FLUSHED_BYTES
    sender = threading.Thread(target=connection.sendall, args=(stream,))
    began = time.perf_counter()
    sender.start()
    while missing > 0:
        missing -= len(connection.recv(1 << 18))
    taken = time.perf_counter() - began
    sender.join()
    if missing < 0:
        raise SystemExit("transactions were refused: what was measured means nothing")
    return len(wires) / taken


def measure(count: int, rounds: int) -> dict[str, list[float]]:
    """Rates of each kind of application."""
    keys = [SigningKey.generate() for _ in range(4)]
    member = Member("north", "North", *(key.public.raw for key in keys), WrappingKey.generate().public)
    genesis = genesis_file.found("bench", 0, (member,), bytes(SALT_BYTES))
    chain = genesis.chain_id
    found: dict[str, list[float]] = {kind: [] for kind in KINDS}
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as name:
        servers, connections = [], {}
        for kind in KINDS:
            directory = Path(name) / kind.replace(" ", "-")
            path = Path(name) / f"{len(servers)}.sock"
            server = context.Process(target=serve_kind, args=(kind, directory, genesis, f"unix://{path}"))
            server.start()
            servers.append(server)
            connections[kind] = connect(path)
        try:
            for _ in range(rounds + 1):
                expires = time.time_ns() // 1_000_000 + 3_000_000
                wires = [
                    sign(keys[0], chain, encode(RegisterDataset(f"d{number}", SCHEMA)), os.urandom(16), expires)
                    for number in range(count)
                ]
                for kind in KINDS:
                    found[kind].append(rate(connections[kind], wires))
        finally:
            for server in servers:
                server.terminate()
                server.join()
    return {kind: rates[1:] for kind, rates in found.items()}  # the first one warms up


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer transactions")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    given = parser.parse_args()
    count, rounds = (5_000, 5) if given.quick else (20_000, 9)
    rates = measure(count, rounds)
    medians = {kind: statistics.median(values) for kind, values in rates.items()}
    ratio = medians["application"] / medians["no-op"]
    if given.json:
        raw = {kind: [round(value) for value in values] for kind, values in rates.items()}
        print(json.dumps({"name": "abci_server", "ratio": round(ratio, 3), "unit": "CheckTx/s", "transactions": count,
                          "median_per_s": {k: round(v) for k, v in medians.items()}, "per_s": raw}))  # fmt: skip
        return
    table = Table(title=f"Pipelined CheckTx over a unix socket, {count} transactions, median of {rounds}")
    table.add_column("application")
    table.add_column("CheckTx/s", justify="right")
    table.add_column("over no-op", justify="right")
    for kind, value in medians.items():
        table.add_row(kind, f"{value:,.0f}", f"{value / medians['no-op']:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
