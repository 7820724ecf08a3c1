"""`python -m hmchain.ledger.engines.cometbft`: the state machine of one node, serving CometBFT."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from hmchain.errors import HMChainError
from hmchain.ledger import genesis as genesis_file
from hmchain.ledger.chain import SNAPSHOT_BLOCKS
from hmchain.ledger.engines.cometbft.application import Application
from hmchain.ledger.engines.cometbft.serving import serve
from hmchain.ledger.engines.cometbft.sole_signer import SoleSigner
from hmchain.processes import leave_no_core_dump


def main() -> int:
    """Serve until told to stop; returns the exit status."""
    parser = argparse.ArgumentParser(prog="hmchain.ledger.engines.cometbft", description=__doc__)
    parser.add_argument("directory", type=Path, help="where state and blocks lie")
    parser.add_argument("--genesis", type=Path, required=True, help="the network's genesis file")
    parser.add_argument("--listen", required=True, help="unix:///path or tcp://host:port")
    parser.add_argument("--snapshot-blocks", type=int, default=SNAPSHOT_BLOCKS, help="blocks between two snapshots")
    parser.add_argument("--until-eof", action="store_true", help="also stop when standard input ends")
    parser.add_argument("--sole-signer", type=Path, metavar="HOME", help="end if others sign with the key in this home")
    given = parser.parse_args()
    leave_no_core_dump()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s app %(levelname)s %(message)s", stream=sys.stderr)
    try:
        genesis = genesis_file.load(given.genesis)
        signer = SoleSigner(given.sole_signer) if given.sole_signer else None
        application = Application(given.directory, genesis, snapshot_blocks=given.snapshot_blocks, sole_signer=signer)
        serve(application, given.listen, until_eof=given.until_eof)
    except HMChainError as error:
        logging.error("%s", error)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
