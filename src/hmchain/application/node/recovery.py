"""Begin a damaged node anew, from the other members' blocks, without forgetting what it has signed.

Blocks, state and CometBFT's files are the network's: each member has them, and a node takes only what more than two
thirds of the members signed. A node's own are its keys and the record of what it has signed; they stay.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from hmchain import files
from hmchain.application.node import restoration, snapshot_join
from hmchain.application.node.signing_record import record
from hmchain.application.site.node import RUN_BEGINS, NodeFolder, NotJoinedError
from hmchain.ledger.engines.block_store import BLOCKS
from hmchain.ledger.engines.cometbft.damage import DATA, SIGNED
from hmchain.ledger.engines.cometbft.home import config_file, write_secret
from hmchain.ledger.engines.cometbft.snapshots import BEGINNING
from hmchain.ledger.engines.cometbft.storage import SNAPSHOTS, STATE

_LEDGER = (STATE, BLOCKS, BEGINNING)


def recover(folder: NodeFolder, signs_above: int | None = None) -> Path:
    """Put everything aside that the other members have too; returns where it is kept. The next start fetches it again.

    The record of what the validator has signed stays. Where it is lost, damaged or older than what was signed since,
    `signs_above` replaces it: a height at or below which the validator will sign nothing. Raises `NodeRunningError`,
    `NotJoinedError` also if CometBFT's home is gone, `SignedRecordError` if that height is needed and
    `SignsAboveError` if the record says more or it is no height.
    """
    folder.joined()
    if not config_file(folder.engine).is_file():
        raise NotJoinedError(f"{folder.engine} holds no home of CometBFT", "make it: `hmchain network join FILE`")
    with folder.held():
        restoration.finish(folder)
        _finish(folder)
        kept_record = record(folder, signs_above)
        kept = files.free_name(folder.damaged)
        files.make_folder(kept)
        fresh = _fresh(folder)
        shutil.rmtree(fresh, ignore_errors=True)
        write_secret(fresh / SIGNED, kept_record)
        data = folder.engine / DATA
        if data.exists():
            files.rename(data, kept / DATA)
        _finish(folder)
        for name in _LEDGER:
            for path in sorted(folder.ledger.glob(f"{name}*")):
                path.rename(kept / path.name)
        snapshot_join.remember(folder, None)
        shutil.rmtree(folder.ledger / SNAPSHOTS, ignore_errors=True)
        with folder.log.open("a", encoding="utf-8") as log:
            log.write(f"recovered; {RUN_BEGINS} with the next start\n")
    return kept


def _fresh(folder: NodeFolder) -> Path:
    return folder.engine / f"{DATA}.new"


def _finish(folder: NodeFolder) -> None:
    """Move the new data in place; also after a power cut between the two moves."""
    data, fresh = folder.engine / DATA, _fresh(folder)
    if not data.exists() and (fresh / SIGNED).exists():
        files.rename(fresh, data)
