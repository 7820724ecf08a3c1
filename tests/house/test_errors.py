"""Every code in the source is explained in docs/errors.md, and nothing there is out of date."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import hmchain
from hmchain.errors import HMChainError
from hmchain.ledger.contracts.learning import closing, opening, permitted, studies

SOURCE = Path(hmchain.__file__).parent
DOCUMENT = SOURCE.parent.parent / "docs" / "errors.md"


def error_classes() -> list[type[HMChainError]]:
    for module in pkgutil.walk_packages(hmchain.__path__, "hmchain."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    found, waiting = [], [HMChainError]
    while waiting:
        found.append(waiting.pop())
        waiting += found[-1].__subclasses__()
    return [kind for kind in found if kind.__module__.startswith("hmchain.")]


def refusal_codes() -> Iterator[tuple[str, str]]:
    """Code and place of every `Refusal("...")` and `require(..., "...")` in the ledger."""
    for path in sorted((SOURCE / "ledger").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            position = {"Refusal": 0, "require": 1}.get(node.func.id)
            if position is not None and len(node.args) > position:
                argument = node.args[position]
                if isinstance(argument, ast.Constant):
                    yield str(argument.value), f"{path.relative_to(SOURCE)}:{node.lineno}"


def rows() -> tuple[dict[str, set[int]], set[str]]:
    """The document's tables: exit codes by error code, and refusal codes."""
    errors_part, refusals_part = DOCUMENT.read_text().split("## Refusals")
    errors = re.findall(r"^\| `(\w+)` \| ([\d, ]+) \| .+ \| .+ \|$", errors_part, re.MULTILINE)
    refusals = re.findall(r"^\| `(\w+)` \| .+ \|.*\|$", refusals_part, re.MULTILINE)
    return {code: {int(number) for number in exits.split(",")} for code, exits in errors}, set(refusals)


def test_every_error_is_documented_with_its_exit_code() -> None:
    documented, _ = rows()
    exits: dict[str, set[int]] = defaultdict(set)
    for kind in error_classes():
        assert kind.code in documented, (
            f"{kind.__module__}.{kind.__name__}: docs/errors.md does not explain `{kind.code}`"
        )
        exits[kind.code].add(kind.exit_code)
    assert dict(exits) == documented, "docs/errors.md names another exit code, or a code that no longer exists"


def test_every_refusal_is_documented() -> None:
    _, documented = rows()
    codes = dict(refusal_codes())
    for code, place in codes.items():
        assert code in documented, f"{place}: docs/errors.md does not explain the refusal `{code}`"
    assert documented <= set(codes), f"no longer refused: {sorted(documented - set(codes))}"


def test_every_reason_for_which_a_study_waits_or_is_over_is_documented() -> None:
    flow = ast.parse((SOURCE / "ledger" / "contracts" / "learning" / "round_flow.py").read_text())
    calls = [node for node in ast.walk(flow) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    said = [
        node.args for node in calls if getattr(node.func, "id", "") in ("_miss", "_once_more", "_pause", "end", "void")
    ]
    codes = {arg.value for args in said for arg in args if isinstance(arg, ast.Constant)}
    codes |= {opening.KEYS_DIFFER, opening.HALF_BROKEN, *opening.LAPSED.values(), studies.COMPLETED}
    codes |= {closing.BY_PROPOSER, closing.BY_STEWARDS, closing.REFUSED, permitted.PERMIT_OVER}
    part = DOCUMENT.read_text().split("## Why a study waits or is over")[1].split("## Refusals")[0]
    rows_of_codes = re.findall(r"^\| (`.+?`) \|", part, re.MULTILINE)
    documented = {code for row in rows_of_codes for code in re.findall(r"`(\w+)`", row)}
    assert codes == documented


def test_an_error_keeps_to_its_family() -> None:
    found = [kind for kind in error_classes() if not (_is_well_named(kind) and _is_of_one_family(kind))]
    assert not found, found


def _is_well_named(kind: type[HMChainError]) -> bool:
    return bool(re.fullmatch(r"[a-z_]+", kind.code) and kind.__name__.endswith("Error") and kind.__doc__)


def _is_of_one_family(kind: type[HMChainError]) -> bool:
    families = [base for base in kind.__mro__ if base.__module__ == "hmchain.errors" and base is not HMChainError]
    return len(families) <= 1 and (not families or kind.exit_code == families[0].exit_code)


def test_an_error_says_what_and_the_way_out() -> None:
    assert str(HMChainError("block 3 is damaged", "restore it")) == "block 3 is damaged (restore it)"
    assert str(HMChainError("block 3 is damaged")) == "block 3 is damaged"
