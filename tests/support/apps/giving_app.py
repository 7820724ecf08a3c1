"""An application that gives its snapshots in many chunks, and cheats as the file `dishonesty` in its folder says.

`corrupt` changes a byte of every chunk that it gives. `forged` offers a later snapshot besides, whole and false.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any

from hmchain.canonical import encode
from hmchain.ledger.engines.cometbft import __main__ as program
from hmchain.ledger.engines.cometbft import abci_pb2 as abci
from hmchain.ledger.engines.cometbft import snapshots
from hmchain.ledger.engines.cometbft.application import Application

snapshots.CHUNK_BYTES_MAX = 2000
FORGED = encode(snapshots.Chunk(((b"key", b"forged"),)))


class GivingApplication(Application):
    def __init__(self, directory: Path, *arguments: Any, **options: Any) -> None:
        super().__init__(directory, *arguments, **options)
        order = directory / "dishonesty"
        self._dishonesty = order.read_text() if order.exists() else ""

    def list_snapshots(self, request: abci.RequestListSnapshots) -> abci.ResponseListSnapshots:
        answer = super().list_snapshots(request)
        if self._dishonesty == "forged" and answer.snapshots:
            hashes = hashlib.sha256(FORGED).digest()
            offer = abci.Snapshot(height=answer.snapshots[-1].height + 1, format=1, chunks=1, metadata=hashes)
            offer.hash = hashlib.sha256(hashes).digest()
            answer.snapshots.append(offer)
        return answer

    def load_snapshot_chunk(self, request: abci.RequestLoadSnapshotChunk) -> abci.ResponseLoadSnapshotChunk:
        answer = super().load_snapshot_chunk(request)
        if self._dishonesty == "forged" and not answer.chunk:
            answer.chunk = FORGED
        if self._dishonesty == "corrupt":
            answer.chunk = answer.chunk[:-1] + bytes([answer.chunk[-1] ^ 1])
        return answer


program.Application = GivingApplication  # type: ignore[misc]

if __name__ == "__main__":
    sys.exit(program.main())
