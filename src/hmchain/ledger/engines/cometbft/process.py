"""The two processes of one node, kept running: the application and CometBFT.

CometBFT stops when its application does, and both start again after a pause that doubles with every early end. Both are
bound to this process (see `parent_death`): they end with it, however it ends, so nothing is left behind. Where the
system knows no such bond the application sees its input end, and CometBFT, once it is connected, stops with it.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from hmchain.clock import Backoff
from hmchain.errors import LedgerError
from hmchain.ledger.chain import SNAPSHOT_BLOCKS
from hmchain.ledger.engines.cometbft import parent_death
from hmchain.ledger.engines.cometbft.damage import last_error, last_words
from hmchain.ledger.engines.cometbft.stall import StallWatch
from hmchain.processes import child_environment

BINARY = "cometbft"
VERSION = "0.38.25"
BINARY_VARIABLE = "HMCHAIN_COMETBFT"
PAUSE_SECONDS = (0.2, 10.0)
"""Before a process that ended is started again: at first, and at most."""
_STEADY_SECONDS = 10.0
_STOP_SECONDS = 10.0
_LOOK_SECONDS = 0.05
_APPLICATION = ("-P", "-m", "hmchain.ledger.engines.cometbft")
"""No module is taken from the folder that the command is called in."""
SOCKET = "app.sock"
"""Where the application listens in a node's folder."""
_SOCKET_PATH_BYTES = 104
"""Of a Unix socket's path: 108 on Linux, 104 on BSD and macOS, with a final zero."""

logger = logging.getLogger(__name__)

CHECKOUT = Path(__file__).parents[5]
"""Where `make cometbft` builds, if this runs from a clone."""


class CometBFTMissingError(LedgerError):
    """There is no usable CometBFT program."""

    code = "cometbft_missing"


def find_binary(named: str = "") -> Path:
    """The CometBFT program: the one that is named, else of $HMCHAIN_COMETBFT, `make cometbft` or the PATH.

    Raises `CometBFTMissingError` if there is none, or one of another series.
    """
    named = named or os.environ.get(BINARY_VARIABLE, "")
    built = CHECKOUT / ".tools" / "bin" / BINARY
    found = named or (str(built) if built.is_file() else shutil.which(BINARY))
    build = f"build it with `make cometbft` in the source folder, or set {BINARY_VARIABLE} to version {VERSION}"
    if not found:
        raise CometBFTMissingError("there is no CometBFT program here", build)
    try:
        answer = subprocess.run(
            [found, "version"], env=child_environment(), capture_output=True, text=True, timeout=20, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise CometBFTMissingError(f"{found} cannot be run", build) from error
    version = answer.stdout.strip().removeprefix("v")
    if version.split(".")[:2] != VERSION.split(".")[:2]:
        raise CometBFTMissingError(f"{found} is CometBFT {version}; {VERSION} is needed", build)
    return Path(found)


def app_socket(directory: Path) -> str | None:
    """The address of an application's socket in a folder; None where its path is longer than a socket's may be."""
    path = f"{directory.resolve()}/{SOCKET}"
    return f"unix://{path}" if len(path.encode()) < _SOCKET_PATH_BYTES else None


@dataclass(frozen=True)
class NodeFiles:
    """The files that a node's processes need."""

    directory: Path
    """State and blocks of the application."""
    genesis: Path
    home: Path
    """CometBFT's."""
    app: str
    """Where the application listens."""
    log: Path
    snapshot_blocks: int = SNAPSHOT_BLOCKS
    sole_signer: bool = False
    """True if the node is to end when it sees that another one signs with its key."""

    def app_command(self, *program: str) -> list[str]:
        """The command line of the application, or of another program that takes its options."""
        return [
            sys.executable, *(program or _APPLICATION), str(self.directory), "--genesis", str(self.genesis),
            "--listen", self.app, "--snapshot-blocks", str(self.snapshot_blocks), "--until-eof",
            *(["--sole-signer", str(self.home)] if self.sole_signer else []),
        ]  # fmt: skip

    def engine_command(self, binary: Path) -> list[str]:
        """CometBFT's command line."""
        return [str(binary), "start", "--home", str(self.home), "--proxy_app", self.app]


class SupervisedProcess:
    """One process that is started again when it ends; always once `needs`, an address, is listened at.

    The thread that watches the process also starts it, since the bond is a thread's: it lives as long as that.
    """

    def __init__(self, name: str, command: Sequence[str], log: Path, needs: str = "") -> None:
        self.name = name
        self.starts = 0
        self._log_start = 0
        self._command, self._log, self._needs = list(command), log, needs
        self._stopping = threading.Event()
        self._starting = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread: threading.Thread | None = None

    @property
    def pid(self) -> int | None:
        """Of the running process; None while there is none."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def start(self) -> None:
        """Start it, and again whenever it ends."""
        self._stopping.clear()
        started = threading.Event()
        self._thread = threading.Thread(target=self._watch, args=(started,), name=f"watch {self.name}", daemon=True)
        self._thread.start()
        started.wait()

    def stop(self) -> None:
        """End it: first politely, then by force. It is not started again."""
        self._end(signal.SIGTERM)

    def restart(self) -> None:
        """End it politely; it is started again as after any other end."""
        process = self._process
        if process is not None:
            process.terminate()

    def kill(self) -> None:
        """End it as a crash would, at once (SIGKILL). It stays down until `start`."""
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> None:
        self._stopping.set()
        with self._starting:  # nothing is started after this
            process = self._process
        if process is not None:
            process.send_signal(number)
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
        if self._thread is not None:
            self._thread.join(_STOP_SECONDS)

    def _watch(self, started: threading.Event) -> None:
        backoff = Backoff(*PAUSE_SECONDS)
        while (process := self._launched(started)) is not None:
            began = time.monotonic()
            status = process.wait()
            with suppress(OSError):
                if process.stdin is not None:
                    process.stdin.close()
            if self._stopping.is_set():
                return
            if time.monotonic() - began > _STEADY_SECONDS:
                backoff.succeeded()
            why, pause = self._last_error(), backoff.pause()
            logger.warning("%s ended with status %d%s; it starts again in %.1f s", self.name, status, why, pause)
            if self._stopping.wait(pause):
                return

    def _last_error(self) -> str:
        """The last complaint in the log since it was started."""
        error = last_error(last_words(self._log, self._log_start))
        return f": {error}" if error else ""

    def _launched(self, started: threading.Event) -> subprocess.Popen[bytes] | None:
        """The process, started; None if it is no longer wanted. Whoever waits for `started` goes on in either case."""
        try:
            deadline = time.monotonic() + _STOP_SECONDS
            while self._needs and not _is_listened_at(self._needs) and time.monotonic() < deadline:
                if self._stopping.wait(_LOOK_SECONDS):
                    return None
            with self._starting, self._log.open("ab") as log:
                if self._stopping.is_set():
                    return None
                self._log_start = log.tell()
                self._process = self._spawned(log)
                self.starts += 1
                return self._process
        finally:
            started.set()

    def _spawned(self, log: IO[bytes]) -> subprocess.Popen[bytes]:
        bound = [sys.executable, "-I", "-S", parent_death.__file__, str(os.getpid()), *self._command]
        # A session of its own: Ctrl-C reaches us alone, and we stop both in order. The pipe's end tells of ours.
        return subprocess.Popen(
            bound,
            env=child_environment(),
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _is_listened_at(address: str) -> bool:
    scheme, _, place = address.partition("://")
    host, _, port = place.rpartition(":")
    try:
        if scheme == "unix":
            with socket.socket(socket.AF_UNIX) as end:
                end.connect(place)
        else:
            socket.create_connection((host, int(port)), timeout=1).close()
    except OSError:
        return False
    return True


class NodeProcess:
    """A node: its application and its CometBFT. Raises `CometBFTMissingError`."""

    def __init__(self, files: NodeFiles, binary: Path | None = None) -> None:
        self.files = files
        self.app = SupervisedProcess("the application", files.app_command(), files.log)
        self.engine = SupervisedProcess("CometBFT", files.engine_command(binary or find_binary()), files.log, files.app)
        self._watch = StallWatch(files.home, self.engine.restart)

    def start(self) -> None:
        """Start both; CometBFT once the application listens, since it would look again only after 3 s."""
        self.files.log.parent.mkdir(parents=True, exist_ok=True)
        self.app.start()
        self.engine.start()
        self._watch.start()

    def stop(self) -> None:
        """End both, CometBFT first: without its application it would stop in the middle of something."""
        self.engine.stop()
        self.app.stop()
        self._watch.stop()

    def kill(self) -> None:
        """End both as a power cut would (SIGKILL). They stay down until `start`."""
        self.engine.kill()
        self.app.kill()
        self._watch.stop()

    def __enter__(self) -> NodeProcess:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
