"""Run a node until it is told to stop: the application and CometBFT, one log."""

from __future__ import annotations

import hashlib
import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from hmchain.application.node import home, restoration, snapshot_join
from hmchain.application.node.log_rotation import rotate
from hmchain.application.node.stopping import stopping
from hmchain.application.security.events import Kind
from hmchain.application.site.network import Network
from hmchain.application.site.node import RUN_BEGINS, NodeFolder, NotJoinedError
from hmchain.application.site.recording import running
from hmchain.errors import LedgerError
from hmchain.files import write_whole
from hmchain.ledger import genesis as genesis_file
from hmchain.ledger.engines.cometbft.damage import check_signed, diagnose
from hmchain.ledger.engines.cometbft.home import (
    config_file,
    config_toml,
    validator_key_of,
)
from hmchain.ledger.engines.cometbft.process import SOCKET, NodeFiles, NodeProcess, app_socket, find_binary
from hmchain.plain import Say

_LOOK_SECONDS = 0.5
_LOG_FORMAT = "%(asctime)s node %(levelname)s %(message)s"


logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class NodeRun:
    """The end of a node's run."""

    organisation: str
    application_starts: int
    cometbft_starts: int


def run(folder: NodeFolder, say: Say) -> NodeRun:
    """Run the node until SIGTERM or SIGINT.

    Raises `NotJoinedError`, `NodeRunningError`, `CometBFTMissingError`, `SignedRecordError`, `TwinError` once another
    node is seen to sign with its key, `ProtocolError` once the next block has rules that this program does not know, or
    `NodeDamagedError` once CometBFT ended over a damage that no new start mends.
    """
    settings, network = folder.settings(), folder.joined()
    config = config_file(folder.engine)
    if not config.is_file():
        raise NotJoinedError(f"{folder.engine} holds no CometBFT home", "run `hmchain network join FILE` once more")
    binary = find_binary(settings.cometbft)
    with folder.held(), stopping() as stop, _logging(folder), _app_address(folder) as app:
        _mend(folder, network)
        files = NodeFiles(
            directory=folder.ledger,
            genesis=folder.genesis,
            home=folder.engine,
            app=app,
            log=folder.log,
            snapshot_blocks=settings.snapshot_blocks,
            sole_signer=True,
        )
        # Settings may have changed; keys and what was signed stay as they are.
        write_whole(config, config_toml(home.home_settings(folder, network)).encode(), durable=True)
        check_signed(folder.engine)
        logger.info(RUN_BEGINS)
        settings_digest = hashlib.sha256(folder.toml.read_bytes()).hexdigest()
        with running(folder, Kind.NODE_STARTED, Kind.NODE_STOPPED, settings_digest):
            with NodeProcess(files, binary) as process:
                say(f"the node of {settings.organisation} runs in {network.genesis.chain_id}; its log is {folder.log}")
                trouble = _trouble_or(stop, process, folder)
                say("stopping")
            if trouble:
                raise trouble
        return NodeRun(settings.organisation, process.app.starts, process.engine.starts)


def _mend(folder: NodeFolder, network: Network) -> None:
    """Finish a restoration that was stopped, and write a lost genesis anew: the network file holds it."""
    if restoration.finish(folder):
        logger.warning("a restoration that was stopped in the middle is finished")
    if not folder.genesis.exists():
        genesis_file.save(network.genesis, folder.genesis)
        logger.warning("%s was lost and is written anew, as %s has it", folder.genesis, folder.network)


def _trouble_or(stop: threading.Event, process: NodeProcess, folder: NodeFolder) -> LedgerError | None:
    """Wait until the node is told to stop, or CometBFT has ended over what no new start mends: what it is.

    CometBFT reads its validator's key only when it starts: where that was rotated meanwhile, it starts again.
    """
    starts, key = (1, 1), validator_key_of(folder.engine)
    syncs = snapshot_join.pending(folder) is not None  # CometBFT stays up where its state sync fails
    while not stop.wait(_LOOK_SECONDS):
        rotate(folder.log)
        if (found := validator_key_of(folder.engine)) != key:
            key = found
            process.engine.restart()
        if syncs or (process.app.starts, process.engine.starts) != starts:
            starts = process.app.starts, process.engine.starts
            if trouble := diagnose(folder.engine, folder.log, RUN_BEGINS):
                return trouble
    return None


@contextmanager
def _app_address(folder: NodeFolder) -> Iterator[str]:
    """Where the application listens: in the node's folder, or where that path is too long for a socket, in one that
    nobody else may enter, for as long as the node runs."""
    if address := app_socket(folder.path):
        yield address
        return
    with TemporaryDirectory(prefix="hmchain-") as place:
        yield app_socket(Path(place)) or f"unix://{place}/{SOCKET}"  # the application says so if that is too long, too


@contextmanager
def _logging(folder: NodeFolder) -> Iterator[None]:
    """Our own lines go into the node's log, between those of the two processes; warnings are shown too."""
    logger = logging.getLogger("hmchain")
    file, screen = logging.FileHandler(folder.log, encoding="utf-8"), logging.StreamHandler(sys.stderr)
    file.setFormatter(logging.Formatter(_LOG_FORMAT))
    screen.setLevel(logging.WARNING)
    logger.setLevel(logging.INFO)
    for handler in (file, screen):
        logger.addHandler(handler)
    try:
        yield
    finally:
        for handler in (file, screen):
            logger.removeHandler(handler)
            handler.close()
