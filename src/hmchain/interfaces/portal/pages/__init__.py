"""The pages, a room a role; each says at its head who may see it."""

from __future__ import annotations

from hmchain.interfaces.portal.pages import auditor, frame, operator

ALL = (frame.pages, *operator.ROOM, *auditor.ROOM)
"""The order in which the navigation lists them."""
