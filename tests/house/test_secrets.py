"""Secrets reach no log, no traceback, no child process and no core dump."""

from __future__ import annotations

import dataclasses
import importlib
import os
import pkgutil
import re
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rich.pretty import pretty_repr

import hmchain
from hmchain.application.agent.kept import RoundingSecret
from hmchain.application.agent.study_keys import Chain
from hmchain.interfaces.cli import main as command_line
from hmchain.interfaces.cli.passphrases import passphrase, passphrase_taken
from hmchain.ledger.engines.cometbft.process import SupervisedProcess
from hmchain.processes import PASSPHRASE, child_environment

SECRET_NAMES = re.compile(r"secret|passphrase|password|token|salt|halves|coins|seed$|seed_|_key$|^key$|^raw$|^kem$")
REDACT_THEMSELVES = re.compile(r"SecretKey|SigningKey|WrappingKey|Callable|KeyProvider")
PUBLIC = {
    "DemoSettings.seed": "chooses what the demo shows",
    "RunIdentity.seed": "the same, in the report",
    "Proposal.seed": "public in a study's specification",
    "MaskedUpdate.key": "a digest of what is public",
    "PublicKey.raw": "a public key",
    "Person.key": "a public key",
    "Approval.key": "a public key",
    "Acts.key": "where it lies",
    "NewKey.key": "a public key",
    "Card.key": "a public key",
    "Given.key": "a public key",
    "PersonCard.key": "a public key",
    "RecoveryCard.key": "a public key",
    "Answered.secret": "what a challenge was about, said to who asked",
    "KeyRotation.key": "a public key",
    "WrittenBackup.key": "where it lies",
    "MailSettings.password_file": "where it lies",
    "WebhookSettings.secret_file": "where it lies",
    "Message.key": "by which a receiver knows a message that comes twice",
    "Pictures.seed": "chooses what is drawn",
    "OidcSettings.secret_file": "where it lies",
    "PortalSettings.key": "where it lies",
    "Units.passphrase": "where its file is to lie",
}


class Loud:
    def __repr__(self) -> str:
        return "the secret"


def classes() -> Iterator[tuple[type, list[str]]]:
    """Every class with named fields outside of the ledger, where all is public."""
    for module in pkgutil.walk_packages(hmchain.__path__, "hmchain."):
        if module.name.startswith("hmchain.ledger") or module.name.endswith("__main__"):
            continue
        for kind in vars(importlib.import_module(module.name)).values():
            if isinstance(kind, type) and kind.__module__ == module.name:
                if issubclass(kind, msgspec.Struct):
                    yield kind, list(kind.__struct_fields__)
                elif dataclasses.is_dataclass(kind):
                    yield kind, [field.name for field in dataclasses.fields(kind)]


def secrets_of(kind: type, names: list[str]) -> list[str]:
    annotations: dict[str, Any] = {}
    for base in reversed(kind.__mro__):
        annotations |= vars(base).get("__annotations__", {})
    return [
        name
        for name in names
        if SECRET_NAMES.search(name)
        and not REDACT_THEMSELVES.search(str(annotations.get(name)))
        and f"{kind.__name__}.{name}" not in PUBLIC
    ]


def filled(kind: type, names: list[str], secret: list[str]) -> object:
    """An instance whose secrets would show."""
    values = {name: Loud() if name in secret else {} for name in names}
    if issubclass(kind, msgspec.Struct):
        return kind(**values)  # which checks no types
    made = kind.__new__(kind)
    for name, value in values.items():
        object.__setattr__(made, name, value)
    return made


BEARERS = [(kind, names, secret) for kind, names in classes() if (secret := secrets_of(kind, names))]


@pytest.mark.parametrize(("kind", "names", "secret"), BEARERS, ids=[kind.__name__ for kind, _, _ in BEARERS])
def test_c2_what_holds_a_secret_prints_without_it(kind: type, names: list[str], secret: list[str]) -> None:
    made = filled(kind, names, secret)
    for text in (repr(made), str(made), pretty_repr(made)):
        assert "the secret" not in text, f"{kind.__name__} prints {secret}: let it be keys.Redacted, or say why not"


def test_c2_the_walk_finds_what_it_looks_for() -> None:
    found = {kind.__name__ for kind, _, _ in BEARERS}
    assert {"Chain", "RoundingSecret", "JoinSecrets", "StudyKeys", "MaskSeeds", "SeedChain", "S3Access"} <= found
    assert "KEY" not in repr(Chain(b"context", 1, 0, b"ATTEMPT KEY", b"ROUNDS KEY"))
    assert "DRAWN" not in repr([RoundingSecret(b"DRAWN")])


@pytest.fixture
def secret_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PASSPHRASE, "correct horse")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "battery staple")


@pytest.mark.usefixtures("secret_environment")
def test_c1_a_nodes_processes_inherit_no_secret(tmp_path: Path) -> None:
    log = tmp_path / "log"
    process = SupervisedProcess("env", ["/usr/bin/env"], log)
    process.start()
    try:
        deadline = time.monotonic() + 30
        while not (log.exists() and "PATH=" in log.read_text()) and time.monotonic() < deadline:
            time.sleep(0.01)
    finally:
        process.stop()
    assert "PATH=" in log.read_text()
    assert "horse" not in log.read_text() and "staple" not in log.read_text()


@pytest.mark.usefixtures("secret_environment")
def test_c1_no_process_of_a_command_inherits_the_passphrase() -> None:
    ask = [sys.executable, "-c", f"import os; print(os.environ.get({PASSPHRASE!r}))"]
    with passphrase_taken():
        assert passphrase() == "correct horse"
        assert subprocess.run(ask, capture_output=True, text=True, check=True).stdout.strip() == "None"
    assert os.environ[PASSPHRASE] == passphrase() == "correct horse"


def test_c1_a_list_says_what_is_passed_on() -> None:
    given = {
        "PATH": "/bin",
        "LC_ALL": "C",
        "PYTHONPATH": "x",
        "GOMAXPROCS": "1",
        PASSPHRASE: "s",
        "AWS_SESSION_TOKEN": "t",
    }
    assert child_environment(given) == {name: given[name] for name in ("PATH", "LC_ALL", "PYTHONPATH", "GOMAXPROCS")}


def test_a_command_leaves_no_core_dump(tmp_path: Path) -> None:
    script = (
        "import ctypes, resource, sys\n"
        "sys.argv = ['hmchain', '--version']\n"
        f"from {command_line.__name__} import run\n"
        "try:\n    run()\nexcept SystemExit:\n    pass\n"
        "print(resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    dumpable = done.stdout.splitlines()[-1]
    assert dumpable.startswith("(0, 0)") and (sys.platform != "linux" or dumpable.endswith(" 0"))


def test_a_nodes_processes_leave_no_core_dump(tmp_path: Path) -> None:
    log = tmp_path / "log"
    process = SupervisedProcess("limit", [sys.executable, "-c", "import resource; print(resource.getrlimit(4))"], log)
    assert resource.RLIMIT_CORE == 4
    process.start()
    try:
        deadline = time.monotonic() + 30
        while not (log.exists() and log.read_text().strip()) and time.monotonic() < deadline:
            time.sleep(0.01)
    finally:
        process.stop()
    assert log.read_text().startswith("(0, 0)")
