"""The house's rules on imports: which way they point, and what each room may touch."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import hmchain
from support.paths import REPOSITORY

ROOT = Path(hmchain.__file__).parent
MODULES = sorted(path for path in ROOT.rglob("*.py"))

# Clock, chance, network, disk layout, threads: none of it may reach what all validators must agree on.
UNDETERMINED = {
    "asyncio", "concurrent", "datetime", "multiprocessing", "os", "random", "secrets", "socket", "ssl", "subprocess",
    "tempfile", "threading", "time", "urllib", "uuid",
}  # fmt: skip


def test_imports_point_the_way_that_pyproject_says() -> None:
    """The rooms' order stands under `[tool.importlinter]`."""
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"]
    done = subprocess.run([*command, "--no-cache"], cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imports(path: Path, *, whole_file: bool = True) -> Iterator[tuple[int, str]]:
    """Line and full name of every import."""
    tree = ast.parse(path.read_text())
    nodes = ast.walk(tree) if whole_file else iter(tree.body)
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(path)}:{node.lineno} imports relatively; write the whole name"
            for alias in node.names:
                yield node.lineno, f"{node.module}.{alias.name}"


def ledger_core() -> list[Path]:
    files = [path for path in MODULES if name_of(path).startswith("ledger/")]
    outside = ("/engines/", "/readers/")
    return [path for path in files if not any(r in name_of(path) for r in outside)]


@pytest.mark.parametrize("path", ledger_core(), ids=name_of)
def test_the_ledger_core_touches_its_arguments_alone(path: Path) -> None:
    for line, imported in imports(path):
        top = imported.split(".")[0]
        assert top not in UNDETERMINED, (
            f"{name_of(path)}:{line} imports {imported}: time comes from the block, chance from seeds on it; "
            "what needs more belongs into ledger/engines"
        )

        assert not imported.startswith("hmchain.clock"), f"{name_of(path)}:{line} reads the clock: time is the block's"


@pytest.mark.parametrize("path", ledger_core(), ids=name_of)
def test_the_ledger_core_has_no_floats(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        is_float = isinstance(node, ast.Constant) and isinstance(node.value, float)
        is_float |= isinstance(node, ast.Name) and node.id == "float"
        is_float |= isinstance(node, (ast.BinOp, ast.AugAssign)) and isinstance(node.op, ast.Div) and not _is_path(path)
        assert not is_float, f"{name_of(path)}:{getattr(node, 'lineno', 0)}: a float rounds differently elsewhere"


def _is_path(path: Path) -> bool:
    """`/` joins paths where a module reads files at its edge."""
    return "from pathlib import Path" in path.read_text()


@pytest.mark.parametrize("path", [p for p in MODULES if "/" in name_of(p)], ids=name_of)
def test_files_are_synced_and_databases_opened_in_one_place(path: Path) -> None:
    text = path.read_text()
    for call, owner in (("os.fsync(", "files"), ("flock(", "files"), ("sqlite3.connect(", "sqlite")):
        assert call not in text, f"{name_of(path)} calls {call}...): hmchain.{owner} does it, for all in one way"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_engines_call_transition_and_never_change_state_through_contracts(path: Path) -> None:
    if "/engines/" not in name_of(path):
        return
    allowed = {"standings", "membership"}  # to read the validator set, and to forge in a fault
    for line, imported in imports(path):
        if imported.startswith("hmchain.ledger.contracts."):
            assert imported.split(".")[3] == "members" and imported.split(".")[4] in allowed, (
                f"{name_of(path)}:{line} imports {imported}"
            )


def test_heavy_libraries_wait_until_they_are_used() -> None:
    script = "import sys, hmchain.ledger.engines.embedded, hmchain.ledger.readers.replay; print('torch' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "False"


EXTRAS = {"dicomanonymizer", "gdcm", "google", "httpx", "jpeg_ls", "polars", "pydicom", "pynetdicom", "websockets"}
"""Libraries of the extras `cometbft` and `data`, which `make demo` does not install."""
WITHOUT_EXTRAS = (
    "ledger.readers.audit", "ledger.readers.decisions", "application.node.folder_audit",
    "application.hospital.hospital", "application.node.questions", "application.node.reading",
    "interfaces.demo.on_embedded", "interfaces.demo.run",
)  # fmt: skip


def test_the_demo_and_its_ledger_need_no_library_of_a_network_or_of_data() -> None:
    script = f"""
import importlib, sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {EXTRAS!r}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Missing())
for module in {WITHOUT_EXTRAS!r}:
    importlib.import_module("hmchain." + module)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
