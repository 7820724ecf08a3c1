"""The house's rules on imports: which way they point, and what each room may touch."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import hmchain
from support.paths import REPOSITORY

ROOT = Path(hmchain.__file__).parent
MODULES = sorted(path for path in ROOT.rglob("*.py"))

# Clock, chance, network, disk layout, threads: none of it may reach what all validators must agree on.
UNDETERMINED = {
    "asyncio", "concurrent", "datetime", "importlib", "multiprocessing", "os", "random", "secrets", "socket", "ssl",
    "subprocess", "tempfile", "threading", "time", "urllib", "uuid",
}  # fmt: skip
OWN_TABLES = ("ledger/purposes.py", "importlib.resources")
"""The one module of the core that reads files: those that ship with it, once, by digests that are in its source."""


def test_imports_point_the_way_that_pyproject_says() -> None:
    """The rooms' order stands under `[tool.importlinter]`."""
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"]
    done = subprocess.run([*command, "--no-cache"], cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(ast.parse(path.read_text())))


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and full name of every import."""
    for node in nodes(path):
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


def test_the_ledger_core_touches_its_arguments_alone() -> None:
    found = [
        f"{name_of(path)}:{line} imports {imported}"
        for path in ledger_core()
        for line, imported in imports(path)
        if imported.split(".")[0] in UNDETERMINED or imported.startswith("hmchain.clock")
        if (name_of(path), imported) != OWN_TABLES
    ]
    assert not found, (
        f"time comes from the block, chance from seeds on it; what needs more belongs into ledger/engines: {found}"
    )


def test_the_ledger_core_has_no_floats() -> None:
    found = [
        f"{name_of(path)}:{getattr(node, 'lineno', 0)}"
        for path in ledger_core()
        for node in nodes(path)
        if _is_float(node) or (_divides(node) and not _is_path(path))
    ]
    assert not found, f"a float rounds differently elsewhere: {found}"


def _is_float(node: ast.AST) -> bool:
    is_constant = isinstance(node, ast.Constant) and isinstance(node.value, float)
    return is_constant or (isinstance(node, ast.Name) and node.id == "float")


def _divides(node: ast.AST) -> bool:
    return isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div)


def _is_path(path: Path) -> bool:
    """`/` joins paths where a module reads files at its edge."""
    return "from pathlib import Path" in path.read_text()


def test_the_ledger_core_iterates_no_set() -> None:
    """Two machines may go through the same set in two orders. What sorts or only counts may take one."""
    found = [
        f"{name_of(path)}:{part.lineno} goes through {ast.unparse(part)}"
        for path in ledger_core()
        for node in nodes(path)
        for part in _gone_through(node)
        if _is_set(part)
    ]
    assert not found, f"sort it, or go through what the set was made of: {found}"


def _gone_through(node: ast.AST) -> list[ast.expr]:
    """What a loop, or a list or table made of a loop, goes through in its order."""
    if isinstance(node, ast.For):
        return [node.iter]
    if isinstance(node, ast.ListComp | ast.DictComp):
        return [part.iter for part in node.generators]
    ordered = isinstance(node, ast.Call) and ast.unparse(node.func) in ("tuple", "list", "enumerate", "next", "iter")
    return node.args if ordered and isinstance(node, ast.Call) else []


def _is_set(node: ast.expr) -> bool:
    if isinstance(node, ast.BinOp):
        return _is_set(node.left) or _is_set(node.right)
    made = isinstance(node, ast.Call) and ast.unparse(node.func) in ("set", "frozenset")
    return made or isinstance(node, ast.Set | ast.SetComp)


def test_files_are_synced_and_databases_opened_in_one_place() -> None:
    found = [
        f"{name_of(path)} calls {call}...): hmchain.{owner} does it, for all in one way"
        for path in MODULES
        if "/" in name_of(path)
        for call, owner in (("os.fsync(", "files"), ("flock(", "files"), ("sqlite3.connect(", "sqlite"))
        if call in path.read_text()
    ]
    assert not found, found


def test_decoders_of_types_are_built_in_one_place() -> None:
    """Two threads that build the first one of a type together end the process (`hmchain.decoding`)."""
    found = [
        f"{name_of(path)}:{node.lineno} calls {ast.unparse(node.func)}: hmchain.decoding does it, one at a time"
        for path in MODULES
        if name_of(path) != "decoding.py" and "msgspec" in path.read_text()
        for node in nodes(path)
        if isinstance(node, ast.Call) and _builds_a_decoder(node)
    ]
    assert not found, found


def _builds_a_decoder(node: ast.Call) -> bool:
    kinds = ("msgspec.json", "msgspec.msgpack", "msgspec.toml", "msgspec.yaml")
    module, _, call = ast.unparse(node.func).rpartition(".")
    typed = any(one.arg == "type" for one in node.keywords)
    if module in kinds:
        return typed or (call == "Decoder" and bool(node.args))
    return (module, call) == ("msgspec", "convert")


def test_engines_call_transition_and_never_change_state_through_contracts() -> None:
    allowed = {"standings", "validator_set", "membership"}  # to read the validators, and to forge in a fault
    found = [
        f"{name_of(path)}:{line} imports {imported}"
        for path in MODULES
        if "/engines/" in name_of(path)
        for line, imported in imports(path)
        if imported.startswith("hmchain.ledger.contracts.")
        and not (imported.split(".")[3] == "members" and imported.split(".")[4] in allowed)
    ]
    assert not found, found


def test_heavy_libraries_wait_until_they_are_used() -> None:
    script = "import sys, hmchain.ledger.engines.embedded, hmchain.ledger.readers.replay; print('torch' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "False"


EXTRAS = {
    "anyascii",
    "dicomanonymizer",
    "gdcm",
    "google",
    "httpx",
    "jpeg_ls",
    "onnxruntime",
    "polars",
    "pydicom",
    "pynetdicom",
    "websockets",
}
"""Libraries of the extras `cometbft` and `data`, which `make demo` does not install."""
WITHOUT_EXTRAS = (
    "ledger.readers.audit", "ledger.readers.decisions", "application.node.folder_audit",
    "application.hospital.hospital", "application.node.questions", "application.node.reading",
    "interfaces.demo.on_embedded", "interfaces.demo.run", "records.deidentification.pictures",
)  # fmt: skip


@pytest.mark.network
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
