"""A consent's rules in words, as people read them who are to see what it says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from hmchain.records.consents.consent import Coding, Provision, Span


def in_words(rule: Provision, depth: int = 0) -> Iterator[str]:
    """A sentence for the rule, then one for each exception, indented below it."""
    kind = {True: "It permits", False: "It denies", None: "It does not say whether it permits"}[rule.permits]
    if depth:
        kind = "but permits" if rule.permits else "but denies"
    parts = [
        _codes("for", rule.purposes, "" if depth else "any purpose"),
        _named("to", [each.identifier or each.name for each in rule.actors]),
        _codes("by the action", rule.actions),
        _named("of type", [each.code for each in rule.classes]),
        _codes("with the code", rule.codes),
        _codes("labelled", rule.labels),
        _span("of data", rule.data_period),
        _named("of", [f"{each.name} ({each.meaning})" for each in rule.data]),
        _span("", rule.period),
    ]
    yield f"{'  ' * depth}{kind} use {' '.join(filter(None, parts))}".rstrip()
    for each in rule.exceptions:
        yield from in_words(each, depth + 1)


def _codes(before: str, codes: Sequence[Coding], otherwise: str = "") -> str:
    return _named(before, [each.code for each in codes]) or (f"{before} {otherwise}" if otherwise else "")


def _named(before: str, names: Sequence[str]) -> str:
    return f"{before} {' or '.join(names)}" if names else ""


def _span(before: str, span: Span | None) -> str:
    if span is None:
        return ""
    first, last = _day("from", span.first_ms), _day("until", span.last_ms)
    return " ".join(filter(None, (before, first, last))) if first or last else ""


def _day(before: str, time_ms: int | None) -> str:
    return "" if time_ms is None else f"{before} {datetime.fromtimestamp(time_ms / 1000, UTC).date().isoformat()}"
