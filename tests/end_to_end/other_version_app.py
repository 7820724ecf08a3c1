"""A node's application of another version, whose blocks would do other things: another protocol."""

from __future__ import annotations

import sys

from hmchain.ledger import genesis as genesis_file

genesis_file.PROTOCOL += 1

from hmchain.ledger.engines.cometbft import __main__ as program  # noqa: E402

if __name__ == "__main__":
    sys.exit(program.main())
