"""The pages, a room a role; each says at its head who may see it."""

from __future__ import annotations

from hmchain.interfaces.portal.pages import (
    auditor,
    entering,
    frame,
    models,
    operator,
    releases,
    requests,
    scientist,
    steward,
    studies,
    ways_in,
)

ALL = (
    frame.pages, entering.pages, ways_in.pages, *steward.ROOM, *scientist.ROOM, *operator.ROOM, *auditor.ROOM,
    *requests.ROOM, *studies.ROOM, *models.ROOM, *releases.ROOM,
)  # fmt: skip
"""The order in which the navigation lists them."""
