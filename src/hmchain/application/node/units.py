"""The units by which systemd runs a node, its agent and its portal: what each of them needs, and nothing else.

`systemd-analyze security` rates them OK. Denied is what none of them does: other users' files, devices, the kernel's
settings, capabilities, new namespaces, and sockets that are neither of the internet nor of this machine. An agent may
make memory executable: PyTorch's kernels are compiled as it runs.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from hmchain.application.site.hospital import locate
from hmchain.application.site.keyring import key_file
from hmchain.application.site.node import NodeFolder
from hmchain.application.site.record_store import chosen_location
from hmchain.files import write_whole
from hmchain.keys import is_sealed
from hmchain.ledger.engines.cometbft.process import BINARY_VARIABLE

NODE_UNIT, AGENT_UNIT, PORTAL_UNIT = "hmchain-node.service", "hmchain-agent.service", "hmchain-portal.service"
PASSPHRASE_FILE = Path("/etc/hmchain/passphrase")
_BESIDE_THE_NODE = "CPUWeight=20\nNice=5\nMemoryMax=2G\nTasksMax=256\n"
"""However many people look, the node gets what it needs; a portal alone takes a tenth of that memory."""
_HOMES = (Path("/home"), Path("/root"), Path("/run/user"))
_UNIT = """\
[Unit]
Description=FL-HMChain: the {what} of {organisation}
Wants=network-online.target
After=network-online.target{after}

[Service]
User={user}
ExecStart={command}
{more}Restart=always
RestartSec=5
KillMode=mixed
TimeoutStopSec={stop_seconds}
UMask=0077
ProtectSystem=strict
ReadWritePaths={writable}
ProtectHome={homes}
NoNewPrivileges=yes
CapabilityBoundingSet=
PrivateDevices=yes
PrivateTmp=yes
PrivateUsers=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
KeyringMode=private
RemoveIPC=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
"""


@dataclass(frozen=True)
class Units:
    """The texts of the units."""

    node: str
    agent: str
    portal: str
    user: str
    passphrase: Path | None
    """Where systemd looks for the passphrase of the keys; None if they are not sealed."""

    @property
    def by_name(self) -> dict[str, str]:
        """Their texts by the names of their files."""
        return {NODE_UNIT: self.node, AGENT_UNIT: self.agent, PORTAL_UNIT: self.portal}


def units(folder: NodeFolder, program: Path, user: str) -> Units:
    """Units that run `program` for the node in a folder as `user`. Raises `NodeSettingsError` and what opens keys."""
    settings, path = folder.settings(), folder.path.resolve()
    passphrase = PASSPHRASE_FILE if is_sealed(key_file(folder.keys, "agent")) else None
    homes = "read-only" if any(_is_in(place, home) for place in (path, program) for home in _HOMES) else "yes"
    same = {"organisation": settings.organisation, "user": user, "homes": homes}
    binary = os.environ.get(BINARY_VARIABLE)
    node = _UNIT.format(
        **same,
        what="node",
        after="",
        command=f"{program} node start --dir {path}",
        more=f"Environment={BINARY_VARIABLE}={binary}\n" if binary else "",
        stop_seconds=30,
        writable=path,
    )
    credential = f"LoadCredential=hmchain-passphrase:{passphrase}\n" if passphrase else ""
    agent = _UNIT.format(
        **same,
        what="agent",
        after=f" {NODE_UNIT}",
        command=f"{program} node agent --dir {path}",
        more=f"{credential}CPUWeight=20\n",  # training must not hold up a vote
        stop_seconds=120,
        writable=" ".join(map(str, (path, *_stores(folder)))),
    )
    portal = _UNIT.format(
        **same,
        what="portal",
        after=f" {NODE_UNIT}",
        command=f"{program} portal --dir {path} --no-browser",
        more=f"{credential}{_BESIDE_THE_NODE}",
        stop_seconds=30,
        writable=" ".join(map(str, (path, *_stores(folder)))),
    )
    return Units(node, agent, portal, user, passphrase)


def write(found: Units, directory: Path) -> None:
    """Write the units into a folder. Raises `OSError`."""
    for name, text in found.by_name.items():
        write_whole(directory / name, text.encode(), durable=True)


def _stores(folder: NodeFolder) -> list[Path]:
    """Directories outside of the node's folder that the agent writes to, or reads records from."""
    named = [folder.settings().objects, chosen_location(locate(folder.path).path)]
    return [Path(place.removeprefix("file://")).resolve() for place in named if place and "s3://" not in place]


def _is_in(path: Path, folder: Path) -> bool:
    return path.is_relative_to(folder)
