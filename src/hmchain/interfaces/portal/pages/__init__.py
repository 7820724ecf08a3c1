"""The pages, a room a role; each says at its head who may see it."""

from __future__ import annotations

from hmchain.interfaces.portal.pages import (
    accepting,
    auditor,
    entering,
    everybody,
    frame,
    models,
    operator,
    policies,
    releases,
    requests,
    scientist,
    steward,
    studies,
    ways_in,
)

ALL = (
    *everybody.FIRST, frame.pages, entering.pages, accepting.pages, ways_in.pages, *steward.ROOM, *scientist.ROOM,
    *operator.ROOM, *auditor.ROOM, *requests.ROOM, *policies.ROOM, *studies.ROOM, *models.ROOM, *releases.ROOM,
    *everybody.ROOM,
)  # fmt: skip
"""The order in which the navigation lists them."""
