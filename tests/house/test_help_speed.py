"""`hmchain --help` answers at once because it imports nothing heavy: held by what gets imported, not by a clock."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = ("numpy", "torch", "PIL", "safetensors", "obstore", "cryptography", "blake3", "msgspec", "sqlite3")
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


@pytest.mark.parametrize("command", [(), ("demo",), ("ledger", "blocks"), ("audit", "verify"), ("model", "predict")])
def test_help_imports_nothing_heavy(command: tuple[str, ...]) -> None:
    modules = imported(*command, "--help")
    assert "typer" in modules
    assert not modules & set(HEAVY)
    assert not {name for name in modules if name.startswith(("hmchain.ledger", "hmchain.records"))}


def test_reading_a_ledger_needs_no_learning_library() -> None:
    modules = "hmchain.interfaces.cli.views.ledger, hmchain.interfaces.cli.views.studies, hmchain.ledger.readers.replay"
    code = f"import sys, {modules}"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; print(*sys.modules)"], capture_output=True, text=True, check=True, timeout=60
    )
    assert not {"torch", "PIL", "safetensors"} & set(done.stdout.split())
