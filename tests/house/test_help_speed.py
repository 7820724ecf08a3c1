"""`hmchain --help` answers at once because it imports nothing heavy: held by what gets imported, not by a clock.

The help of a group or command imports its services (that of `data`, of many, none), and of the libraries none that an
extra brings.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest

from hmchain.interfaces.cli.main import Commands

OF_EXTRAS = {
    "torch", "PIL", "safetensors", "medmnist", "httpx", "google.protobuf", "websockets", "dicomanonymizer", "gdcm",
    "jpeg_ls", "onnxruntime", "polars", "pydicom", "pynetdicom",
}  # fmt: skip
HEAVY = {"numpy", "obstore", "cryptography", "blake3", "msgspec", "sqlite3", *OF_EXTRAS}
PROBE = """
import json, sys
from hmchain.interfaces.cli.main import main
for command in sys.argv[1:]:
    status = main(command.split())
    print("\\nPROBED", json.dumps([status, sorted(sys.modules)]))
"""


def imported(*commands: str) -> list[set[str]]:
    """The modules that are imported when each of the commands has ended, in one process."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *commands], capture_output=True, text=True, check=True, timeout=60
    )
    answers = [json.loads(line.removeprefix("PROBED ")) for line in done.stdout.splitlines() if "PROBED " in line]
    assert [status for status, _ in answers] == [0] * len(commands)
    return [set(modules) for _, modules in answers]


@pytest.mark.parametrize("command", ["--help", "version"])
def test_what_is_asked_first_imports_nothing_heavy(command: str) -> None:
    (modules,) = imported(command)
    assert "typer" in modules
    assert not modules & HEAVY
    assert not {name for name in modules if name.startswith(("hmchain.ledger", "hmchain.records"))}
    groups = {f"hmchain.interfaces.cli.{each.module}" for each in Commands.deferred}
    assert modules & groups == {"hmchain.interfaces.cli.about"}


@pytest.mark.network
def test_the_help_of_a_group_imports_no_library_of_an_extra() -> None:
    groups = [each.called for each in Commands.deferred]
    after = dict(zip(groups, imported(*(f"{group} --help" for group in groups)), strict=True))
    assert all("typer" in modules for modules in after.values())
    assert not {group: modules & OF_EXTRAS for group, modules in after.items() if modules & OF_EXTRAS}


def test_a_steward_who_asks_what_there_is_waits_for_no_service() -> None:
    modules, listing = imported("data --help", "data list --help")
    assert not modules & HEAVY
    assert not {name for name in modules if name.startswith(("hmchain.ledger", "hmchain.records", "hmchain.keys"))}
    assert not listing & {f"hmchain.application.data.{name}" for name in ("export", "publication", "registration")}


def test_reading_a_ledger_and_asking_for_a_study_need_no_learning_library() -> None:
    ledger = "hmchain.application.node.reading, hmchain.application.node.questions, hmchain.ledger.readers.replay"
    asking = "hmchain.application.governance.requests.checking, hmchain.application.governance.proposals"
    code = f"import sys, {ledger}, {asking}"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; print(*sys.modules)"], capture_output=True, text=True, check=True, timeout=60
    )
    assert not {"torch", "PIL", "safetensors"} & set(done.stdout.split())


def test_no_error_about_models_brings_torch() -> None:
    """A portal hears of errors from the processes that it asks: torch would make it four times as large for good.

    Studies pin the source of the network's own file, so its error stays in it; `asking.ask` tells of none but its own.
    """
    application = Path(str(resources.files("hmchain"))) / "application"
    found = [
        ".".join(("hmchain.application", room, *path.relative_to(application / room).with_suffix("").parts))
        for room in ("learning", "models", "disclosure", "releases")
        for path in sorted((application / room).rglob("*.py"))
        if path.name != "cnn.py" and re.search(r"^class \w+Error\(", path.read_text("utf-8"), re.MULTILINE)
    ]
    assert len(found) > 10
    probe = (
        "import importlib, sys; sys.modules['torch'] = None; [importlib.import_module(each) for each in sys.argv[1:]]"
    )
    done = subprocess.run([sys.executable, "-c", probe, *found], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
