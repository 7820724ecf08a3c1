"""The ledger that questions about permits are measured on is one that readers read: it grows with the contracts."""

from __future__ import annotations

import sys
from contextlib import closing
from importlib import import_module
from pathlib import Path
from typing import Any

from hmchain.ledger.readers.powers import powers
from hmchain.ledger.readers.uses import Standing, uses
from hmchain.ledger.state import State
from support.paths import REPOSITORY

sys.path.append(str(REPOSITORY / "benchmarks"))
made_up: Any = import_module("permits.ledger")
questions: Any = import_module("permit_ledger")


def test_the_made_up_ledger_answers_every_question(tmp_path: Path) -> None:
    found = made_up.make(tmp_path, 20_000)
    with closing(State.open_read_only(found.state)) as state:
        used = [use for place in found.datasets for use in uses(state, made_up.NOW_MS, *place, before=())]
        held = [powers(state, made_up.NOW_MS, ref.organisation, ref.person) for ref in found.persons]
    assert len(used) == 4 * found.requests and any(use.made and use.made[0].model for use in used)
    assert {use.standing for use in used} >= {Standing.ALLOWED, Standing.CLOSED, Standing.REJECTED, Standing.REVOKED}
    assert any(each.permits for each in held)
    assert questions.measure(found, 3)["used_rows"] > 0
