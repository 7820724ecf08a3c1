"""What does a month without a transaction cost a node, whose CometBFT makes one empty block a minute?

A node's application is given the empty blocks of 30 days, as `node recover` and every new node replay them: the cost of
a block of the last day over that of one of the first (limit 1.5: nothing may grow with the days), and the whole replay.
Then a process that knows nothing of before looks at the validators: that look over the execution of one block of 1000
transactions (limit 1.0). All in one run.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

from google.protobuf.timestamp_pb2 import Timestamp
from rich.console import Console

from hmchain.canonical import digest
from hmchain.keys import SigningKey, WrappingKey
from hmchain.ledger import genesis as genesis_file
from hmchain.ledger import proposer
from hmchain.ledger.blocks import COMMIT
from hmchain.ledger.contracts.members import standings
from hmchain.ledger.contracts.members.membership import Member
from hmchain.ledger.engines.cometbft import abci_pb2 as abci
from hmchain.ledger.engines.cometbft.application import Application
from hmchain.ledger.genesis import SALT_BYTES
from ledger_throughput import commit_all, load
from ledger_throughput import found as found_embedded

GROWTH_MAX, LOOK_MAX = 1.5, 1.0
DAY_BLOCKS, MINUTE_MS = 24 * 60, 60_000
NAMES = ("coast", "east", "north", "south", "west")
ROLES = ("steward", "scientist", "agent", "validator")
START_MS = 1_700_000_000_000


def key(name: str, role: str) -> SigningKey:
    return SigningKey(digest("benchmark key", name.encode(), role.encode()))


def founded(directory: Path) -> Application:
    """A node's application at the beginning of a chain."""
    members = [
        Member(name, name, *(key(name, role).public.raw for role in ROLES), WrappingKey.generate().public)
        for name in NAMES
    ]
    genesis = genesis_file.found("bench", START_MS, members, bytes(SALT_BYTES))
    node = Application(directory, genesis, threads=1)
    genesis_file.initialise(node.state, genesis)
    node.machine.commit(0)
    return node


def empty_block(node: Application) -> None:
    """One empty block for which everybody voted."""
    height = node.state.height + 1
    voters = standings.validators_at(node.state, height - 1) if height > 1 else ()
    votes = [
        abci.VoteInfo(validator=abci.Validator(address=proposer.address(key(entry.id, "validator").public.raw)),
                      block_id_flag=COMMIT)
        for entry in voters
    ]  # fmt: skip
    turn = standings.validators_at(node.state, height)[0].id
    node.finalize_block(
        abci.RequestFinalizeBlock(
            height=height,
            time=Timestamp(seconds=(START_MS + height * MINUTE_MS) // 1000),
            proposer_address=proposer.address(key(turn, "validator").public.raw),
            decided_last_commit=abci.CommitInfo(votes=votes),
        )
    )
    node.commit(abci.RequestCommit())


def day(node: Application) -> float:
    """Microseconds a block of one idle day."""
    began = time.perf_counter()
    for _ in range(DAY_BLOCKS):
        empty_block(node)
    return 1e6 * (time.perf_counter() - began) / DAY_BLOCKS


def first_look_ms(node: Application) -> float:
    """A look at the validators by a process that has looked at nothing yet."""
    standings.forget()
    began = time.perf_counter()
    standings.validators_at(node.state, node.state.height + 1)
    return 1000 * (time.perf_counter() - began)


def block_ms(directory: Path, transactions: int) -> float:
    """Execution of one block, of a ledger of four validators of which each executes it, by one of them."""
    ledger, stewards = found_embedded(directory)
    wires = load(ledger, stewards, transactions, "d")
    began = time.perf_counter()
    commit_all(ledger, wires)
    taken = time.perf_counter() - began
    ledger.close()
    return 1000 * taken / 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="three days instead of thirty")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    options = parser.parse_args()
    days = 3 if options.quick else 30
    with tempfile.TemporaryDirectory() as name:
        node = founded(Path(name) / "node")
        costs = [day(node) for _ in range(days)]
        look = statistics.median(first_look_ms(node) for _ in range(5))
        yardstick = block_ms(Path(name) / "ledger", 1000)
        node.close()
    found = {
        "days": days,
        "replay_s": round(sum(costs) * DAY_BLOCKS / 1e6, 1),
        "block_us": round(statistics.median(costs)),
        "growth": round(costs[-1] / costs[0], 2),
        "growth_max": GROWTH_MAX,
        "first_look_ms": round(look, 2),
        "look_over_block": round(look / yardstick, 3),
        "look_over_block_max": LOOK_MAX,
    }
    if options.json:
        print(json.dumps(found))
    else:
        console = Console()
        console.print(
            f"{days} idle days: replayed in {found['replay_s']} s, {found['block_us']} us a block; "
            f"a block of the last day over one of the first: {found['growth']} (limit {GROWTH_MAX})"
        )
        console.print(
            f"a first look after them: {found['first_look_ms']} ms; over the execution of 1000 transactions: "
            f"{found['look_over_block']} (limit {LOOK_MAX})"
        )
    if costs[-1] > GROWTH_MAX * costs[0] or look > LOOK_MAX * yardstick:
        raise SystemExit("an idle chain costs too much")


if __name__ == "__main__":
    main()
