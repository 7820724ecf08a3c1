"""A node's application of the next version: it knows protocol 3 too."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from hmchain.ledger.engines.cometbft import __main__ as program
from support import protocol_3

if __name__ == "__main__":
    with protocol_3.known():
        sys.exit(program.main())
