"""`hmchain --help` answers at once because it imports nothing heavy: held by what gets imported, not by a clock.

The help of a group or command imports its services, and of the libraries none that an extra brings.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from hmchain.interfaces.cli.main import Commands

OF_EXTRAS = {
    "torch", "PIL", "safetensors", "medmnist", "httpx", "google.protobuf", "websockets", "dicomanonymizer", "gdcm",
    "jpeg_ls", "polars", "pydicom", "pynetdicom",
}  # fmt: skip
HEAVY = {"numpy", "obstore", "cryptography", "blake3", "msgspec", "sqlite3", *OF_EXTRAS}
PROBE = """
import json, sys
from hmchain.interfaces.cli.main import main
status = main(sys.argv[1:])
print("\\n" + json.dumps([status, sorted(sys.modules)]))
"""


def imported(*arguments: str) -> set[str]:
    """The modules that a command has imported when it ends."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *arguments], capture_output=True, text=True, check=True, timeout=60
    )
    status, modules = json.loads(done.stdout.splitlines()[-1])
    assert status == 0
    return set(modules)


@pytest.mark.parametrize("command", ["--help", "version"])
def test_what_is_asked_first_imports_nothing_heavy(command: str) -> None:
    modules = imported(command)
    assert "typer" in modules
    assert not modules & HEAVY
    assert not {name for name in modules if name.startswith(("hmchain.ledger", "hmchain.records"))}
    groups = {f"hmchain.interfaces.cli.{each.module}" for each in Commands.deferred}
    assert modules & groups == {"hmchain.interfaces.cli.about"}


@pytest.mark.parametrize("group", [each.called for each in Commands.deferred])
def test_the_help_of_a_group_imports_no_library_of_an_extra(group: str) -> None:
    modules = imported(group, "--help")
    assert "typer" in modules
    assert not modules & OF_EXTRAS


def test_reading_a_ledger_needs_no_learning_library() -> None:
    modules = "hmchain.application.node.reading, hmchain.application.node.questions, hmchain.ledger.readers.replay"
    code = f"import sys, {modules}"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; print(*sys.modules)"], capture_output=True, text=True, check=True, timeout=60
    )
    assert not {"torch", "PIL", "safetensors"} & set(done.stdout.split())
