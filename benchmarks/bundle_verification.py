"""How fast does an auditor check a hospital's bundle, against the audit of the ledger in it alone?

A bundle is a ledger and a log of security events, packed and signed. Checking it unpacks both, replays the ledger as
`audit verify` does, decodes every event and holds the chain of them against its anchors. The ledger has blocks of 100
transactions of four hospitals; the log has as many events as the ledger has transactions. Both are timed in turn, on
the same ledger, by processor time, which another's work on the machine does not lengthen. Target: at least 0.8 of the
audit's speed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from hmchain.application.governance import bundling
from hmchain.application.node import bundle
from hmchain.application.security import log
from hmchain.application.security.events import Event, Kind
from hmchain.application.security.log import SecurityLog
from hmchain.application.site.node import NodeFolder
from hmchain.ledger.contracts.data.datasets import RegisterDataset
from hmchain.ledger.contracts.members.anchors import AnchorLog
from hmchain.ledger.readers import audit
from support.abci_chain import Chain
from support.kept_node import make_node
from support.ledger_network import SCHEMA, genesis

TARGET = 0.8
BLOCK_SIZE = 100


def make(directory: Path, blocks: int) -> tuple[Path, Path]:
    """The ledger of a network, and the bundle of one of its hospitals."""
    path = directory / "log"
    with closing(SecurityLog(path, synchronous="OFF")) as opened:
        for number in range(blocks * BLOCK_SIZE):
            opened.write(Event(Kind.DATA_SENT, "update", "a-study", round=number, user="agent", role="agent"))
    anchor = AnchorLog(*log.head(path))

    def fill(chain: Chain) -> None:
        for number in range(blocks):
            bodies = (RegisterDataset(f"d{number}-{each}", SCHEMA) for each in range(BLOCK_SIZE))
            chain.block(*(chain.send("abcd"[at % 4], body) for at, body in enumerate(bodies)))
        chain.block(chain.send("a", anchor))

    node, file = NodeFolder(make_node(directory / "node", fill)), directory / "a.zip"
    shutil.move(path, node.hospital("a") / "activity.db")
    bundling.make(node, file, None, lambda done, total: None)
    return node.ledger, file


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a shorter ledger")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    options = parser.parse_args()
    blocks, repeats = (30, 3) if options.quick else (200, 5)
    directory, anchor = Path(tempfile.mkdtemp()), genesis().digest
    audits, checks = [], []
    try:
        ledger, file = make(directory, blocks)
        for _ in range(repeats):
            start = time.process_time()
            report = audit.verify(ledger, anchor)
            between = time.process_time()
            found = bundle.check(file, anchor)
            audits.append(report.transactions / (between - start))
            checks.append(report.transactions / (time.process_time() - between))
        size = file.stat().st_size
    finally:
        shutil.rmtree(directory)
    ratios = [check / alone for check, alone in zip(checks, audits, strict=True)]
    result = {
        "name": "bundle_verification",
        "ratio": statistics.median(ratios),
        "unit": "transactions/s of a bundle's check over those of the audit of the same ledger",
        "target": TARGET,
        "ratios": ratios,
        "audit_transactions_per_s": statistics.median(audits),
        "check_transactions_per_s": statistics.median(checks),
        "transactions": report.transactions,
        "events": found.log.size,
        "bundle_bytes": size,
        "cores": os.cpu_count(),
    }
    if options.json:
        print(json.dumps(result))
        return
    table = Table("figure", "value", title=f"Bundle of {found.log.size} events, {report.transactions} transactions")
    table.add_row("audit of the ledger alone, transactions/s", f"{result['audit_transactions_per_s']:.0f}")
    table.add_row("check of the bundle, transactions/s", f"{result['check_transactions_per_s']:.0f}")
    table.add_row(f"ratio (at least {TARGET})", f"{result['ratio']:.2f}  ({min(ratios):.2f} to {max(ratios):.2f})")
    table.add_row("the bundle", f"{size / (1 << 20):.1f} MiB")
    Console().print(table)


if __name__ == "__main__":
    main()
