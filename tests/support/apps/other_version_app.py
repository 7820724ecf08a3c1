"""A node's application of another version, whose blocks would do other things: another protocol."""

from __future__ import annotations

import sys

from hmchain.ledger import protocols
from hmchain.ledger.protocols import Rules

protocols.KNOWN.clear()
protocols.KNOWN[protocols.PROTOCOL + 1] = Rules(protocols.PROTOCOL + 1)

from hmchain.ledger.engines.cometbft import __main__ as program  # noqa: E402

if __name__ == "__main__":
    sys.exit(program.main())
