"""A node's application that lies from the block on whose height the file `lie-from` names: it claims another state than
the one that executing gave, the same one on every node that lies, and it finds every proposal good."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any

from hmchain.ledger.engines.cometbft import __main__ as program
from hmchain.ledger.engines.cometbft import abci_pb2 as abci
from hmchain.ledger.engines.cometbft.application import Application


def lie(height: int) -> bytes:
    """What the liars claim the state to be after a block."""
    return hashlib.sha256(b"lie" + height.to_bytes(8, "big")).digest()


class LyingApplication(Application):
    def __init__(self, directory: Path, *arguments: Any, **options: Any) -> None:
        super().__init__(directory, *arguments, **options)
        self._order = directory / "lie-from"

    def process_proposal(self, request: abci.RequestProcessProposal) -> abci.ResponseProcessProposal:
        super().process_proposal(request)
        return abci.ResponseProcessProposal(status=abci.ResponseProcessProposal.ACCEPT)

    def finalize_block(self, request: abci.RequestFinalizeBlock) -> abci.ResponseFinalizeBlock:
        answer = super().finalize_block(request)
        if self._order.exists() and request.height >= int(self._order.read_text()):
            answer.app_hash = lie(request.height)
        return answer


program.Application = LyingApplication  # type: ignore[misc]

if __name__ == "__main__":
    sys.exit(program.main())
