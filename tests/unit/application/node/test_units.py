"""Units for systemd: what an operator gets, and how `systemd-analyze security` rates it."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from hmchain.application.node import joining
from hmchain.application.node.units import AGENT_UNIT, NODE_UNIT, PORTAL_UNIT, units
from hmchain.application.site.node import NodeFolder
from hmchain.application.site.settings import NodeSettings
from hmchain.interfaces.cli.main import main

PROGRAM = Path("/opt/hmchain/.venv/bin/hmchain")
EXPOSURE_MAX = 2.0


def made(directory: Path, objects: str = "", passphrase: str | None = None) -> NodeFolder:
    folder = NodeFolder(directory)
    settings = NodeSettings(organisation="north", title="North", address="127.0.0.1:1", objects=objects)
    joining.init(folder, settings, passphrase)
    return folder


def test_they_run_this_node_from_where_it_is_installed(tmp_path: Path) -> None:
    found = units(made(tmp_path / "node", "/srv/updates"), PROGRAM, "hmchain")
    assert f"ExecStart={PROGRAM} node start --dir {tmp_path}/node\n" in found.node
    assert f"ExecStart={PROGRAM} node agent --dir {tmp_path}/node\n" in found.agent
    assert f"ReadWritePaths={tmp_path}/node\n" in found.node
    assert f"ReadWritePaths={tmp_path}/node /srv/updates\n" in found.agent, "a store that is a directory is written too"
    assert "User=hmchain" in found.node and "KillMode=mixed" in found.node, "the node ends CometBFT in order"
    assert f"ExecStart={PROGRAM} portal --dir {tmp_path}/node --no-browser\n" in found.portal
    assert "CPUWeight=20\n" in found.portal and "MemoryMax=" in found.portal, "the node comes first"
    assert "LoadCredential" not in found.node + found.agent + found.portal and found.passphrase is None


def test_agent_and_portal_are_given_the_passphrase_of_sealed_keys(tmp_path: Path) -> None:
    found = units(made(tmp_path / "node", "s3://bucket/updates", "correct horse"), PROGRAM, "hmchain")
    for each in (found.agent, found.portal):
        assert "LoadCredential=hmchain-passphrase:/etc/hmchain/passphrase\n" in each
    assert "LoadCredential" not in found.node and "s3" not in found.agent and "horse" not in found.agent


def test_a_folder_in_a_home_stays_reachable(tmp_path: Path) -> None:
    folder = made(tmp_path / "node")
    assert "ProtectHome=yes" in units(folder, PROGRAM, "hmchain").agent
    assert "ProtectHome=read-only" in units(folder, Path("/home/north/hmchain/.venv/bin/hmchain"), "north").agent


def test_the_command_writes_them_and_says_what_is_to_be_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = made(tmp_path / "node", passphrase="correct horse")
    place = tmp_path / "units"
    place.mkdir()
    assert main(["node", "units", "--dir", str(folder.path), "--output", str(place)]) == 0
    said = capsys.readouterr().out
    assert "systemctl daemon-reload" in said and "/etc/hmchain/passphrase" in said
    assert sorted(path.name for path in place.iterdir()) == [AGENT_UNIT, NODE_UNIT, PORTAL_UNIT]
    assert main(["node", "units", "--dir", str(folder.path)]) == 0
    assert (place / NODE_UNIT).read_text() in capsys.readouterr().out


@pytest.mark.process
@pytest.mark.parametrize("unit", [NODE_UNIT, AGENT_UNIT, PORTAL_UNIT])
def test_systemd_rates_them_ok(tmp_path: Path, unit: str) -> None:
    analyser = shutil.which("systemd-analyze")
    if analyser is None:
        pytest.skip("systemd-analyze is not installed")
    folder = made(tmp_path / "node", passphrase="correct horse")
    path = tmp_path / unit
    path.write_text(units(folder, PROGRAM, "hmchain").by_name[unit])
    command = [analyser, "security", "--offline=true", "--no-pager", f"--threshold={EXPOSURE_MAX * 10:.0f}", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    rated = re.search(r"exposure level for \S+ ([\d.]+) (\w+)", done.stdout)
    assert rated and float(rated[1]) <= EXPOSURE_MAX and rated[2] == "OK", done.stdout
