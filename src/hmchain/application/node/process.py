"""Run a node until it is told to stop: the application and CometBFT, one log."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from hmchain.application.node import pace, snapshot_join
from hmchain.application.node.agent_process import stopping
from hmchain.application.node.log_rotation import rotate
from hmchain.application.node.node import NotJoinedError, joined
from hmchain.application.site.keyring import key_file
from hmchain.application.site.network import Network
from hmchain.application.site.node import RUN_BEGINS, NodeFolder
from hmchain.application.site.settings import NodeSettings
from hmchain.errors import LedgerError
from hmchain.files import write_whole
from hmchain.keys import SigningKey, load_key
from hmchain.ledger.engines.cometbft.damage import check_signed, diagnose
from hmchain.ledger.engines.cometbft.home import (
    HomeSettings,
    Timing,
    config_file,
    config_toml,
    validator_key_of,
    write_home,
)
from hmchain.ledger.engines.cometbft.process import SOCKET, NodeFiles, NodeProcess, app_socket, find_binary

Say = Callable[[str], None]

_LOOK_SECONDS = 0.5
_LOG_FORMAT = "%(asctime)s node %(levelname)s %(message)s"


logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Run:
    """How a run of a node ended."""

    organisation: str
    application_starts: int
    cometbft_starts: int


def validator_key(folder: NodeFolder, passphrase: str | None = None) -> SigningKey:
    """The key that the node votes with. Raises `KeyFileError` or `WrongPassphraseError`."""
    return load_key(SigningKey, key_file(folder.keys, "validator"), passphrase)


def make_home(folder: NodeFolder, passphrase: str | None = None, validator: SigningKey | None = None) -> None:
    """Write CometBFT's home of a node that has joined, for its validator's key or a new one.

    What its validator has signed is never touched.

    CometBFT knows no passphrase: the validator's key lies there readable by the node's user alone. Raises
    `NotJoinedError`, `KeyFileError` or `WrongPassphraseError`.
    """
    network = joined(folder)
    validator = validator or validator_key(folder, passphrase)
    node_key = load_key(SigningKey, folder.node_key)
    write_home(folder.engine, network.genesis, validator, node_key, _home_settings(folder, network))


def run(folder: NodeFolder, say: Say) -> Run:
    """Run the node until SIGTERM or SIGINT.

    Raises `NotJoinedError`, `NodeRunningError`, `CometBFTMissingError`, `SignedRecordError`, `TwinError` once another
    node is seen to sign with its key, `ProtocolError` once the next block has rules that this program does not know, or
    `NodeDamagedError` once CometBFT ended over a damage that no new start mends.
    """
    settings, network = folder.settings(), joined(folder)
    config = config_file(folder.engine)
    if not config.is_file():
        raise NotJoinedError(f"{folder.engine} holds no CometBFT home", "run `hmchain network join FILE` once more")
    binary = find_binary(settings.cometbft)
    with folder.held(), stopping() as stop, _logging(folder), _app_address(folder) as app:
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
        write_whole(config, config_toml(_home_settings(folder, network)).encode(), durable=True)
        check_signed(folder.engine)
        logger.info(RUN_BEGINS)
        with NodeProcess(files, binary) as process:
            say(f"the node of {settings.organisation} runs in {network.genesis.chain_id}; its log is {folder.log}")
            trouble = _trouble_or(stop, process, folder)
            say("stopping")
        if trouble:
            raise trouble
        return Run(settings.organisation, process.app.starts, process.engine.starts)


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


def _home_settings(folder: NodeFolder, network: Network) -> HomeSettings:
    settings = folder.settings()
    return HomeSettings(
        moniker=settings.organisation,
        app=f"unix://{folder.path.resolve()}/{SOCKET}",  # in effect: what the node tells CometBFT when it starts it
        rpc_listen=settings.rpc_listen,
        p2p_listen=settings.p2p_listen,
        peers=_peers(settings, network),
        external_address=settings.address,
        timing=Timing.for_round_trip(pace.round_trip_ms(folder, network)),
        log_level=settings.log_level,
        state_sync=snapshot_join.pending(folder),
    )


def _peers(settings: NodeSettings, network: Network) -> tuple[str, ...]:
    """The other founders, where `node.toml` says that they have moved, and whoever it names besides."""
    peers = {
        peer.node_id: f"{peer.node_id}@{peer.address}"
        for peer in network.peers
        if peer.organisation != settings.organisation
    }
    peers |= {peer.partition("@")[0]: peer for peer in settings.peers}
    return tuple(peers.values())


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
