"""This hospital's node: how it stands, and what its people say of it to the other members."""

from __future__ import annotations

from typing import Annotated

import msgspec

from hmchain.application.access.permissions import OPERATOR, STEWARD, Operation, Rule, Scope
from hmchain.application.governance import members
from hmchain.application.node import status
from hmchain.application.node.status import NodeStatus
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.api.parameters import Nothing
from hmchain.interfaces.api.routing import Routes

VIEW = Rule(Operation.VIEW, Scope.HOSPITAL)
OPERATE = Rule(Operation.OPERATE, Scope.HOSPITAL, (STEWARD, OPERATOR))

DAY_MINUTES = 24 * 60

routes = Routes("node")


class Downtime(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When the node will be down."""

    minutes: Annotated[int, msgspec.Meta(ge=1, le=DAY_MINUTES)]
    in_minutes: Annotated[int, msgspec.Meta(ge=0, le=7 * DAY_MINUTES)] = 0
    """From when on; 0 is at once."""


class AnnouncedDowntime(msgspec.Struct, frozen=True):
    """A time in which the others do not wait for the node."""

    from_ms: int
    until_ms: int


class Counted(msgspec.Struct, frozen=True):
    """A validator whose votes count."""

    jailed: bool


@routes.get("/node", VIEW, commands=("node status",))
def show_node(call: Call, pace: bool = False) -> NodeStatus:
    """Whether the node runs and keeps up, its peers, what is damaged and what mends it; with `pace` it dials them."""
    found = status.node_status(call.node)
    if not pace:
        return found
    with call.waiting():
        return status.with_pace(call.node, found)


@routes.post("/node/maintenance", OPERATE, signs=True, commands=("node maintenance",), example=Downtime(120))
def announce_maintenance(call: Call, body: Downtime) -> AnnouncedDowntime:
    """Announce that the node will be down: no reputation is lost, and the others do not wait for it. Once a week."""
    with call.user() as steward:
        window = members.announce_maintenance(steward, body.minutes, body.in_minutes)
    return AnnouncedDowntime(window.from_ms, window.until_ms)


@routes.post("/node/return", OPERATE, signs=True, commands=("node unjail",), example=Nothing())
def return_from_jail(call: Call, body: Nothing) -> Counted:
    """Say that the node is back from a long silence or from maintenance, so that its votes count again."""
    with call.user() as steward:
        return Counted(members.unjail(steward).jailed)
