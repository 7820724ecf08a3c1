"""A node's application of the next version: it knows the protocol that only tests know."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from hmchain.ledger.engines.cometbft import __main__ as program
from support import next_protocol

if __name__ == "__main__":
    with next_protocol.known():
        sys.exit(program.main())
