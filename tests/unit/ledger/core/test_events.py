"""Events by their names: each kind is declared once, emitted somewhere, and stands on the ledger as it always did."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hmchain.ledger import events, people_events, request_events, sharing_events
from hmchain.ledger.blocks import Event
from hmchain.ledger.events import LedgerEvent, MalformedEventError, decode, decode_all

LEDGER = Path(events.__file__).parent
DECLARED = list(events.KINDS.values())
VALUES: dict[Any, st.SearchStrategy[Any]] = {
    str: st.text(),
    int: st.integers(-(1 << 63), (1 << 63) - 1),
    bytes: st.binary(),
    tuple[str, ...]: st.lists(st.text()).map(tuple),
}


@cache
def events_of(kind: type[LedgerEvent]) -> st.SearchStrategy[LedgerEvent]:
    hints = get_type_hints(kind)
    return st.builds(kind, *(VALUES[hints[name]] for name in kind.__struct_fields__))


@pytest.mark.parametrize("kind", DECLARED, ids=lambda kind: kind.__name__)
@settings(max_examples=20)
@given(data=st.data())
def test_what_is_encoded_decodes_to_itself(kind: type[LedgerEvent], data: st.DataObject) -> None:
    event = data.draw(events_of(kind))
    assert decode(event.encode()) == event
    assert all(type(text) is str for text in event.encode().keys)


def test_a_kind_has_one_class_and_a_row_of_texts_comes_last() -> None:
    declared = {**vars(events), **vars(people_events), **vars(request_events), **vars(sharing_events)}.values()
    classes = [kind for kind in declared if isinstance(kind, type) and issubclass(kind, LedgerEvent)]
    named = [kind for kind in classes if kind.__struct_config__.tag]
    assert len(named) == len(DECLARED)
    for kind in DECLARED:
        hints = get_type_hints(kind)
        assert tuple[str, ...] not in [hints[name] for name in kind.__struct_fields__][:-1]


def test_every_kind_is_emitted_and_whatever_is_emitted_is_declared() -> None:
    """Contracts name the class; an event of texts alone is made nowhere else in the core."""
    used: set[str] = set()
    for path in [*LEDGER.glob("*.py"), *LEDGER.glob("contracts/**/*.py")]:
        tree = ast.parse(path.read_text())
        if path.name != "ledger_event.py":
            calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
            assert "Event" not in [getattr(call, "id", getattr(call, "attr", "")) for call in calls], path
        used |= {
            node.attr
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id in ("events", "people_events", "request_events", "sharing_events")
        }
    assert {kind.__name__ for kind in DECLARED} <= used, "declared, and emitted by no contract"


def test_events_stand_on_the_ledger_as_they_did() -> None:
    """Kind and order of texts are part of the receipts' root: another spelling would be another ledger."""
    assert events.SetFrozen("mri", 3, ("a", "b")).encode() == Event("round.frozen", ("mri", "3", "a", "b"))
    assert events.RoundOpened("mri", 0, ()).encode() == Event("round.opened", ("mri", "0"))
    assert events.BallotOpened(b"\1\2").encode() == Event("ballot.opened", ("0102",))
    assert events.BallotOpened(b"\1\2", ("remove", "a")).encode() == Event("ballot.opened", ("0102", "remove", "a"))
    assert events.FraudProven("mri", 1, "a", 7, "sum").encode() == Event("round.fraud", ("mri", "1", "a", "7", "sum"))
    assert events.DoubleSigned("a", 9, 4).encode() == Event("standing.double_sign", ("a", "9", "4"))
    assert events.ParametersChanged().encode() == Event("parameters.changed", ())


@pytest.mark.parametrize(
    "event",
    [
        Event("round.fraud", ("mri", "1", "d")),
        Event("round.phase", ("mri", "one", "commit")),
        Event("round.phase", ("mri", "01", "commit")),
        Event("ballot.passed", ("0G",)),
        Event("ballot.passed", ("0 1",)),
        Event("round.frozen", ("mri",)),
        Event("parameters.changed", ("x",)),
    ],
)
def test_an_event_with_other_fields_is_named(event: Event) -> None:
    with pytest.raises(MalformedEventError, match=re.escape(event.kind)):
        decode(event)


def test_a_kind_of_another_version_is_passed_over() -> None:
    known = events.StudyOpened("mri")
    assert decode(Event("study.danced", ("mri",))) is None
    assert decode_all([Event("study.danced", ()), known.encode()]) == [known]
