"""A node's application that cheats in the way that the file `dishonesty` in its folder names, for as long as it does.

`slow` proposes long after its time; `invalid` proposes a block with garbage in it.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from hmchain.ledger.engines.cometbft import __main__ as program
from hmchain.ledger.engines.cometbft import abci_pb2 as abci
from hmchain.ledger.engines.cometbft.application import Application

SLOW_SECONDS = 1.0


class DishonestApplication(Application):
    def __init__(self, directory: Path, *arguments: Any, **options: Any) -> None:
        super().__init__(directory, *arguments, **options)
        self._order = directory / "dishonesty"

    def prepare_proposal(self, request: abci.RequestPrepareProposal) -> abci.ResponsePrepareProposal:
        order = self._order.read_text() if self._order.exists() else ""
        if order == "slow":
            time.sleep(SLOW_SECONDS)
        answer = super().prepare_proposal(request)
        if order == "invalid":
            answer.txs.append(b"garbage")
        return answer


program.Application = DishonestApplication  # type: ignore[misc]

if __name__ == "__main__":
    sys.exit(program.main())
