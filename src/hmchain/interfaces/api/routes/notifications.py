"""Notifications: what waits for whoever is signed in, and what of it that person has seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import msgspec

from hmchain.application.access.permissions import Operation, Rule, Scope
from hmchain.application.watching.personal import Shown
from hmchain.interfaces.api import watch
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.api.parameters import like
from hmchain.interfaces.api.routing import Routes

LOOK = Rule(Operation.VIEW, Scope.OWN)

routes = Routes("notifications")

Id = Annotated[str, like("[0-9a-f]{32}")]


class Seen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Notifications that were seen."""

    ids: Annotated[tuple[Id, ...], msgspec.Meta(max_length=1000)]


@dataclass(frozen=True)
class Marked:
    """How many were marked that wait now."""

    marked: int


@routes.get("/notifications", LOOK, commands=("request inbox",))
def list_notifications(call: Call) -> list[Shown]:
    """What waits for whoever is signed in; of a finished run for anybody of the hospital that was chosen."""
    personal = watch.of_app(call.request.app).personal
    return personal.of_everybody(call.organisation) if call.site.is_read_only else personal.of(call.person)


@routes.post("/notifications/seen", LOOK, example=Seen(("0" * 32,)))
def mark_seen(call: Call, body: Seen) -> Marked:
    """Remember that these were seen; what does not wait for this person is passed over."""
    return Marked(watch.of_app(call.request.app).personal.mark(call.person, body.ids))
