"""Lists in pages: so many entries, and where the next page begins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from fastapi import Query

Item = TypeVar("Item")

LIMIT, LIMIT_MAX = 50, 500
OFFSET_MAX = 10_000_000

Limit = Annotated[int, Query(ge=1, le=LIMIT_MAX, description="At most so many.")]
Offset = Annotated[int, Query(ge=0, le=OFFSET_MAX, description="Pass over so many.")]


class Page(msgspec.Struct, Generic[Item], frozen=True):
    """A part of a list."""

    items: Sequence[Item]
    total: int
    """In the whole list."""
    next: int | None = None
    """Where the next page begins: its `offset`; null at the end."""


def page(found: Sequence[Item], limit: int, offset: int) -> Page[Item]:
    """The part of a list that was asked for."""
    items = list(found[offset : offset + limit])
    ends = offset + len(items)
    return Page(items, len(found), ends if ends < len(found) else None)


def schema(items: dict[str, Any]) -> dict[str, Any]:
    """The schema of a page of such entries."""
    properties = {
        "items": {"type": "array", "items": items},
        "total": {"type": "integer"},
        "next": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
    }
    return {"type": "object", "properties": properties, "required": list(properties)}
