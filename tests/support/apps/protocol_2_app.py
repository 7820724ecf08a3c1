"""A node's application of the version before: it knows protocol 2 alone."""

from __future__ import annotations

import sys

from hmchain.ledger import protocols

for later in [number for number in protocols.KNOWN if number > 2]:
    del protocols.KNOWN[later]

from hmchain.ledger.engines.cometbft import __main__ as program  # noqa: E402

if __name__ == "__main__":
    sys.exit(program.main())
