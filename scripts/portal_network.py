"""Four hospitals on this machine, each with a node, an agent, a portal, data to learn from, and people: to try it all.

`make portal-network` runs it. Everything is made by the commands that a hospital's people give; what they know of each
other stays true: each portal knows its own node alone. Pictures and patients are made up.
"""

from __future__ import annotations

import argparse
import io
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from hmchain.application.node.status import node_status
from hmchain.application.site.node import NodeFolder
from hmchain.errors import HMChainError
from hmchain.interfaces.cli import main as command_line

PLACE = Path("runs/portal-network")
HOSPITALS = {"north": "North Hospital", "east": "East Clinic", "south": "South Hospital", "west": "West Institute"}
PEOPLE = {"s1": "steward", "s2": "steward", "r1": "scientist", "o1": "operator", "a1": "auditor"}
"""At each hospital, beside the offices of steward and scientist; two of them approve a use."""
FIRST_PORT = 8471
DATASET, PICTURES, SIDE = "scans", 40, 16
POLICY = """\
dataset = "scans"
conditions = []
approvers = {approvers}
"""
_WAIT_SECONDS = 180.0
_LOOK_SECONDS = 0.2


class SetUpError(Exception):
    """A command of the set-up failed."""


@dataclass
class Site:
    """One hospital's machine, so to speak."""

    name: str
    folder: Path
    portal_port: int
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def link(self) -> str:
        """Where its people find their portal."""
        return f"http://localhost:{self.portal_port}"

    @property
    def listen(self) -> str:
        """Where its portal listens."""
        return f"127.0.0.1:{self.portal_port}"

    def key(self, person: str) -> Path:
        """The key file of one of its people."""
        return self.folder / "keys" / "people" / f"{person}.key"

    def gives(self, *arguments: str) -> Any:
        """What a command says, as JSON."""
        return hmchain(*arguments, "--dir", str(self.folder))

    def start(self, *arguments: str) -> None:
        """Start what runs until it is stopped."""
        command = [*PROGRAM, *arguments, "--dir", str(self.folder)]
        with self.said(arguments[-1]).open("wb") as out:
            self.processes.append(subprocess.Popen(command, stdout=out, stderr=out, start_new_session=True))

    def said(self, what: str) -> Path:
        """The file with what a process writes, by the last argument that it was started with."""
        return self.folder / f"{what}.out"

    @property
    def ended(self) -> bool:
        """Whether something of it ended by itself."""
        return any(each.poll() is not None for each in self.processes)

    def stop(self) -> None:
        """Stop all of it, what was started last first."""
        for process in reversed(self.processes):
            process.terminate()
        for process in self.processes:
            process.wait()


PROGRAM = [sys.executable, "-m", "hmchain"]


def hmchain(*arguments: str) -> Any:
    """What a command says, as JSON; it runs in this process, which has imported it. Raises `SetUpError`."""
    said, complaint = io.StringIO(), io.StringIO()
    with redirect_stdout(said), redirect_stderr(complaint):
        status = command_line.main([*arguments, "--json"])
    if status:
        raise SetUpError(f"hmchain {' '.join(arguments)}\n{complaint.getvalue() or said.getvalue()}")
    return json.loads(said.getvalue()) if said.getvalue().strip() else None


def main(arguments: Sequence[str] | None = None) -> None:
    """Make what is not there, run it, and say where it is; Ctrl-C ends it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])  # type: ignore[union-attr]
    parser.add_argument("--output", type=Path, default=PLACE, help="where it all goes; the same again goes on with it")
    given = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with running(given.output, say=print) as sites:
            show(sites)
            while not (ended := [site.name for site in sites if site.ended]):
                time.sleep(_LOOK_SECONDS)
            raise SetUpError(f"something of {', '.join(ended)} ended by itself: see its folder's *.out")
    except SetUpError as error:
        sys.exit(f"That did not work: {error}")
    except KeyboardInterrupt:
        print("All of it is stopped. The same command goes on with it.")


def show(sites: Sequence[Site]) -> None:
    """Print where the portals are, and how people sign in."""
    print("\nFour hospitals run on this machine. Their portals:\n")
    for site in sites:
        print(f"  {HOSPITALS[site.name]:<16}{site.link}")
    keys = sites[0].key("s1").parent
    print("\nAt each of them the people are " + ", ".join(f"{name} ({role})" for name, role in PEOPLE.items()) + ".")
    print("To sign in: open a link, choose `take one from a file`, and give the person's key file and name, such as")
    print(f"  s1 of {sites[0].name}: {keys / 's1.key'}")
    print("These files are not sealed; the passphrase that the page asks for, at least 12 letters, seals the copy in")
    print("your browser. Then sign in with the key that is there.")
    print("A scientist asks for data, two stewards of each hospital approve, the agents train, an auditor checks.")
    print("\nCtrl-C stops all of it.", flush=True)


@contextmanager
def running(
    place: Path, say: Callable[[str], None] = lambda text: None, *, agents: bool = True, ports: Sequence[int] = ()
) -> Iterator[list[Site]]:
    """The hospitals in a folder, made if they are not there, with all that they run, until the block ends."""
    chosen = list(ports) or [_free(FIRST_PORT + number) for number in range(len(HOSPITALS))]
    sites = [Site(name, place / name, port) for name, port in zip(HOSPITALS, chosen, strict=True)]
    with ExitStack() as held, ThreadPoolExecutor(len(sites)) as pool:
        for site in sites:
            held.callback(site.stop)
        is_new = not (place / "ready").exists()
        if is_new and place.exists() and any(place.iterdir()):
            raise SetUpError(f"{place} was not made to its end, or is something else: take it away, or give another")
        if is_new:
            say("Founding a network of four hospitals ...")
            found(sites, place)
        for site in sites:
            site.start("node", "start")
        list(pool.map(_wait_for_node, sites))
        if is_new:
            say("Giving keys to people, and pictures to hospitals ...")
            with ProcessPoolExecutor(len(sites), get_context("spawn")) as hands:
                list(hands.map(_settle, [site.name for site in sites], [site.folder for site in sites]))
            (place / "ready").touch()
        for site in sites:
            if agents:
                site.start("node", "agent")
            site.start("portal", "--no-browser", "--listen", site.listen)
        list(pool.map(_wait_for_portal, sites))
        yield sites


def found(sites: Sequence[Site], place: Path) -> None:
    """Found a network of all of them, with a store that they share."""
    place.mkdir(parents=True, exist_ok=True)
    free = _free_ports(2 * len(sites))
    for site, p2p, rpc in zip(sites, free[::2], free[1::2], strict=True):
        listen = ("--address", f"127.0.0.1:{p2p}", "--listen", f"127.0.0.1:{p2p}", "--rpc", f"127.0.0.1:{rpc}")
        site.gives("node", "init", site.name, "--title", HOSPITALS[site.name], *listen)
        toml, store = site.folder / "node.toml", (place / "objects").resolve()
        toml.write_text(toml.read_text("utf-8").replace('objects = ""', f"objects = {json.dumps(str(store))}"), "utf-8")
    (place / "objects").mkdir()
    file, members = str(place / "network.json"), [str(site.folder / "member.json") for site in sites]
    genesis = hmchain("network", "init", *members, "--chain", "four", "--output", file)["genesis"]
    (place / "genesis").write_text(genesis + "\n")
    for site in sites:
        site.gives("network", "join", file, "--genesis", genesis)


def _settle(name: str, folder: Path) -> None:
    """All that a hospital does once its node has blocks; in a process of its own."""
    site = Site(name, folder, 0)
    enrol(site)
    furnish(site)


def enrol(site: Site) -> None:
    """Give everybody a key of one's own and a role."""
    for person, role in PEOPLE.items():
        card = str(site.folder / f"{person}.json")
        site.gives("people", "key", person, "--output", card)
        site.gives("people", "invite", card, "--role", role, "--yes")
        site.gives("people", "accept", "--as", person, "--yes")


def furnish(site: Site) -> None:
    """Make up pictures of two kinds, and register them as a dataset on which two people decide."""
    pictures = site.folder / "pictures"
    _draw(pictures, seed=list(HOSPITALS).index(site.name))
    site.gives("data", "extract", str(pictures), "--into", "pictures", "--labels-from", "folders")
    site.gives("data", "prepare", "pictures", "--into", DATASET, "--size", str(SIDE), "--classes", "dark,bright")
    site.gives("data", "register", DATASET, "--yes")
    policy = site.folder / "scans.toml"
    policy.write_text(POLICY.format(approvers=2))
    site.gives("policy", "set", str(policy), "--as", "s1", "--yes")


def _draw(folder: Path, seed: int) -> None:
    random = np.random.default_rng(seed)
    for number in range(PICTURES):
        kind = ("dark", "bright")[number % 2]
        noise = random.integers(0, 80, (SIDE, SIDE)) + 120 * (number % 2)
        (folder / kind).mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise.astype(np.uint8)).save(folder / kind / f"{number}.png")


def _wait_for_node(site: Site) -> None:
    """Wait until its node has blocks."""

    def has_blocks() -> bool:
        try:
            return node_status(NodeFolder(site.folder)).state_height > 0
        except HMChainError:
            return False

    _wait(has_blocks, site, "its node")


def _wait_for_portal(site: Site) -> None:
    """Wait until its portal says where it is: whatever answers at the address may be somebody else's."""
    said = site.said(site.listen)
    _wait(lambda: said.is_file() and site.link in said.read_text("utf-8"), site, "its portal")


def _wait(condition: Callable[[], bool], site: Site, what: str) -> None:
    deadline = time.monotonic() + _WAIT_SECONDS
    while not condition():
        if time.monotonic() > deadline or site.ended:
            raise SetUpError(f"{what} does not come up at {site.name}: see {site.folder}/*.out and node.log")
        time.sleep(_LOOK_SECONDS)


def _free(wanted: int) -> int:
    """A port, or a free one where it is taken."""
    try:
        with socket.create_server(("127.0.0.1", wanted)):
            return wanted
    except OSError:
        return _free_ports(1)[0]


def _free_ports(count: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(each.getsockname()[1]) for each in held]
    for each in held:
        each.close()
    return ports


if __name__ == "__main__":
    main()
