"""Hosts of their own on one machine: network namespaces on a switch that can be cut, each with files of its own.

A host has an address, the other hosts' names in its `/etc/hosts`, and a private directory that its processes see as
`/srv`. The switch is a namespace too, so nothing is added to the machine's own network. A cut moves cables to another
switch: packets vanish, as they do when a line fails. Needs root and `ip` of iproute2; without them tests are skipped.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

_NETWORK = "10.213.0"
_CLONE_NEWNET = 0x40000000
_SWITCHES = 2
_ENTER = 'mount --bind "$1" /srv && cd /srv && shift && exec "$@"'


def needs_namespaces() -> None:
    """Skip the test where namespaces cannot be made."""
    missing = ""
    if sys.platform != "linux":
        missing = "network namespaces are Linux's"
    elif os.geteuid() != 0:
        missing = "network namespaces need root"
    elif shutil.which("ip") is None:
        missing = "network namespaces need `ip` (Debian: apt-get install iproute2)"
    elif subprocess.run(["ip", "netns", "add", _trial()], capture_output=True).returncode:
        missing = "this machine forbids network namespaces"
    else:
        _ip("netns", "del", _trial())
    if missing:
        pytest.skip(missing)


def _trial() -> str:
    return f"hm{os.getpid()}-trial"


@dataclass(frozen=True)
class Host:
    """One machine of the network."""

    name: str
    namespace: str
    address: str
    srv: Path
    """What its processes see as `/srv`, and start in."""

    def command(self, *arguments: str) -> list[str]:
        """A command line that runs on this host."""
        return ["ip", "netns", "exec", self.namespace, "sh", "-c", _ENTER, "sh", str(self.srv), *arguments]

    def popen(
        self, *arguments: str, log: Path | None = None, environment: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a program; what it prints goes into `log`."""
        with (log or Path(os.devnull)).open("ab") as file:
            return subprocess.Popen(
                self.command(*arguments), stdin=subprocess.DEVNULL, stdout=file, stderr=file,
                env={**os.environ, **(environment or {})},
            )  # fmt: skip

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Let this thread open connections as if it ran on the host; they stay there afterwards."""
        with (
            Path("/proc/thread-self/ns/net").open("rb") as home,
            Path("/run/netns", self.namespace).open("rb") as there,
        ):
            _enter(there.fileno())
            try:
                yield
            finally:
                _enter(home.fileno())

    def lose(self, other: Host) -> None:
        """Drop all that this host sends to another; what the other sends still arrives."""
        _ip("-n", self.namespace, "route", "add", "blackhole", other.address)

    def find(self, other: Host) -> None:
        """Reach a lost host again."""
        _ip("-n", self.namespace, "route", "del", "blackhole", other.address)

    def processes(self) -> list[int]:
        """Everything that runs on it."""
        return [int(pid) for pid in _ip("netns", "pids", self.namespace).split()]

    def power_off(self) -> None:
        """End everything that runs on it, with no time for anything."""
        while pids := self.processes():
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


@dataclass
class Lan:
    """Hosts on one switch."""

    hosts: dict[str, Host]
    _switch: str
    ports: dict[str, str] = field(default_factory=dict)

    def cut(self, *group: str) -> None:
        """Separate these hosts from the others; among themselves they stay connected."""
        for name, port in self.ports.items():
            _ip("-n", self._switch, "link", "set", port, "master", f"sw{1 if name in group else 0}")

    def heal(self) -> None:
        """Connect all hosts again."""
        self.cut()


@contextmanager
def lan(directory: Path, names: Sequence[str], aliases: Sequence[str] = ()) -> Iterator[Lan]:
    """Hosts with these names; their files lie in `directory/NAME`.

    `aliases` are more names of every host, as `node.{}.example.org`, with its name in place of the braces.

    At the end everything that runs on them is killed and all is taken down.
    """
    needs_namespaces()
    prefix = f"hm{os.getpid()}"
    switch = f"{prefix}-switch"
    hosts = {
        name: Host(name, f"{prefix}-{name}", f"{_NETWORK}.{number}", directory / name)
        for number, name in enumerate(names, 1)
    }
    made = Lan(hosts, switch, {name: f"port{number}" for number, name in enumerate(names, 1)})
    try:
        _ip("netns", "add", switch)
        for number in range(_SWITCHES):
            _ip("-n", switch, "link", "add", f"sw{number}", "type", "bridge")
            _ip("-n", switch, "link", "set", f"sw{number}", "up")
        for name, host in hosts.items():
            _connect(host, switch, made.ports[name])
            _write_names(host, hosts, aliases)
            host.srv.mkdir(parents=True, exist_ok=True)
        yield made
    finally:
        for host in hosts.values():
            _take_down(host)
        _take_down(Host("switch", switch, "", directory))


def _connect(host: Host, switch: str, port: str) -> None:
    _ip("netns", "add", host.namespace)
    _ip("link", "add", "eth0", "netns", host.namespace, "type", "veth", "peer", "name", port, "netns", switch)
    _ip("-n", switch, "link", "set", port, "master", "sw0", "up")
    _ip("-n", host.namespace, "address", "add", f"{host.address}/24", "dev", "eth0")
    for device in ("lo", "eth0"):
        _ip("-n", host.namespace, "link", "set", device, "up")


def _write_names(host: Host, hosts: Mapping[str, Host], aliases: Sequence[str]) -> None:
    """`ip netns exec` lays the files of /etc/netns/NAMESPACE over those of /etc."""
    folder = _etc(host)
    folder.mkdir(parents=True)
    lines = ["127.0.0.1 localhost"]
    for each in hosts.values():
        lines.append(" ".join([each.address, each.name, *(alias.format(each.name) for alias in aliases)]))
    (folder / "hosts").write_text("\n".join(lines) + "\n", "utf-8")


def _etc(host: Host) -> Path:
    return Path("/etc/netns", host.namespace)


def _take_down(host: Host) -> None:
    if not Path("/run/netns", host.namespace).exists():
        return
    host.power_off()
    _ip("netns", "del", host.namespace)
    shutil.rmtree(_etc(host), ignore_errors=True)
    with suppress(OSError):
        _etc(host).parent.rmdir()  # if it is empty, as we found it


def _ip(*arguments: str) -> str:
    made = subprocess.run(["ip", *arguments], capture_output=True, text=True)
    assert made.returncode == 0, f"ip {' '.join(arguments)}: {made.stderr}"
    return made.stdout


def _enter(namespace: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")
