"""A node's application of another version, whose blocks would do other things: another protocol."""

from __future__ import annotations

import sys

from hmchain.ledger import protocols
from hmchain.ledger.protocols import Rules

LATER = max(protocols.KNOWN) + 1
protocols.KNOWN.clear()
protocols.KNOWN[LATER] = Rules(LATER)

from hmchain.ledger.engines.cometbft import __main__ as program  # noqa: E402

if __name__ == "__main__":
    sys.exit(program.main())
