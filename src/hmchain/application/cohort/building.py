"""A query put together from what somebody chose in a form, written as it is read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class EventChosen:
    """Something that people had, or had not."""

    kind: str
    code: str
    """SYSTEM:CODE; of a modality its letters."""
    since: str = ""
    until: str = ""
    had: bool = True


def composed(sex: str = "", age_from: str = "", age_to: str = "", events: Iterable[EventChosen] = ()) -> str:
    """The query for people who fit all of it, to be read by `grammar.parse`; empty where nothing was chosen."""
    return " and ".join(_parts(sex, age_from, age_to, events))


def _parts(sex: str, age_from: str, age_to: str, events: Iterable[EventChosen]) -> Iterator[str]:
    if sex:
        yield sex.strip()
    if age_from.strip() or age_to.strip():
        yield f"age {age_from.strip()}..{age_to.strip()}"
    for each in events:
        if each.code.strip():
            limits = [
                f"{word} {day.strip()}" for word, day in (("since", each.since), ("until", each.until)) if day.strip()
            ]
            yield " ".join(["not"] * (not each.had) + [each.kind, each.code.strip(), *limits])
