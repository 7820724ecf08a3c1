"""What an operator tells the other members of the node: that it will be down, that it is back; and the log's anchor."""

from __future__ import annotations

import htpy as h

from hmchain.application.access.permissions import Operation, Rule, Scope
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.api.parameters import Nothing
from hmchain.interfaces.api.routes import audit, node
from hmchain.interfaces.portal.components import after_field, confirmed, section, text_field
from hmchain.interfaces.portal.framing import csrf_of
from hmchain.interfaces.portal.pages.bodies import body
from hmchain.interfaces.portal.pages.numbers import whole
from hmchain.interfaces.portal.pages.words import may
from hmchain.interfaces.portal.registry import Fields, Next, Pages
from hmchain.interfaces.portal.texts import say

OPERATE = Rule(Operation.OPERATE, Scope.HOSPITAL, ("operator", "steward"))
ANCHOR = Rule(Operation.OPERATE, Scope.HOSPITAL, ("operator", "officer", "steward"))
PATH = "/operator"
_MINUTES_MAX = 7 * 24 * 60

pages = Pages("operator")


def announcements(call: Call, *, is_jailed: bool) -> h.Node:
    """What whoever looks can tell the others of this node."""
    if not may(call, OPERATE):
        return None
    csrf, after = csrf_of(call.request), after_field(PATH)
    return section(
        say("Tell the other members"),
        confirmed(
            say("The node is back"), say("Once it has caught up, its votes count again."),
            f"{PATH}/return", csrf, say("Say that it is back"), after,
        ) if is_jailed else None,
        confirmed(
            say("The node will be down"),
            say("No reputation is lost, and the others do not wait for it. Once a week."),
            f"{PATH}/maintenance", csrf, say("Announce it"), after,
            text_field("minutes", say("For so many minutes"), "60", inputmode="numeric", required=True),
            text_field("in_minutes", say("Beginning in so many minutes"), "0", inputmode="numeric", required=True),
        ),
        confirmed(
            say("Anchor the log of security events"),
            say("Its digest goes on the ledger now, as the agent does from time to time: nothing before can be changed "
                "unseen."),
            f"{PATH}/anchor", csrf, say("Anchor it"), after,
        ),
        anchor="tell",
    )  # fmt: skip


@pages.do(f"{PATH}/maintenance", OPERATE)
def maintenance(call: Call, fields: Fields) -> Next:
    """Announce that the node will be down."""
    said = {name: whole(name, fields.text(name, "0"), 0, _MINUTES_MAX) for name in ("minutes", "in_minutes")}
    node.announce_maintenance(call, body(node.Downtime, **said))
    return Next(PATH, say("The others know."))


@pages.do(f"{PATH}/return", OPERATE)
def come_back(call: Call, fields: Fields) -> Next:
    """Say that the node is back."""
    node.return_from_jail(call, Nothing())
    return Next(PATH, say("Its votes count again."))


@pages.do(f"{PATH}/anchor", ANCHOR)
def anchor(call: Call, fields: Fields) -> Next:
    """Anchor the log of security events now."""
    audit.anchor_events(call, Nothing())
    return Next(PATH, say("It is anchored."))
