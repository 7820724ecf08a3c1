"""A refusal says what it means where it is printed, in the words of docs/errors.md."""

from __future__ import annotations

import re

from hmchain.ledger.engines.ledger import RefusedError
from hmchain.ledger.refusals import REFUSALS, refusal_hint
from support.paths import REPOSITORY


def test_messages_and_the_page_of_errors_say_the_same() -> None:
    page = (REPOSITORY / "docs" / "errors.md").read_text().split("\n## Refusals\n")[1]
    rows = re.findall(r"^\| `([a-z_0-9]+)` \| (.*?) \| ?(.*?) ?\|$", page, re.MULTILINE)
    assert {code: (meaning, way_out) for code, meaning, way_out in rows} == REFUSALS


def test_an_operator_need_not_look_a_code_up() -> None:
    said = str(RefusedError("maintenance_lately"))
    assert "last window began less than 7 days before" in said and "a short silence costs little" in said
    assert "clock is ahead" in refusal_hint("expiry_too_far")
    assert "unheard_of" in str(RefusedError("unheard_of"))
