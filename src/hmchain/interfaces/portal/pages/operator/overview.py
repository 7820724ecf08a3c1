"""How the hospital's node and the network are now, and what is to be done about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import htpy as h

from hmchain.application.access.permissions import Operation, Rule, Scope
from hmchain.application.node import status
from hmchain.application.node.health import Health, NetworkHealth
from hmchain.application.node.status import NodeStatus
from hmchain.application.pages.markup import definitions, digest, table, tiles
from hmchain.application.watching.notifications import Kind
from hmchain.application.watching.personal import Shown
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.portal.components import BAD, GOOD, WARN, badge, empty, fresh, in_place, section
from hmchain.interfaces.portal.page import Page
from hmchain.interfaces.portal.pages.everybody.home import waiting_for
from hmchain.interfaces.portal.pages.operator import announcing
from hmchain.interfaces.portal.pages.words import capital
from hmchain.interfaces.portal.registry import Pages
from hmchain.interfaces.portal.texts import amount, later, moment, say, say_n, share, theirs
from hmchain.ledger.readers.members import ValidatorStatus, tolerated

VIEW = Rule(Operation.VIEW, Scope.HOSPITAL, ("auditor", "officer", "operator", "steward"))
PATH = "/operator"
_OPERATES = (Kind.BALLOT, Kind.INCIDENT, Kind.KEY, Kind.MACHINE, Kind.QUARANTINE, Kind.STUDY)

pages = Pages("operator")


@dataclass(frozen=True)
class Overview:
    """What an operator sees first."""

    organisation: str
    node: NodeStatus | None
    """None of a finished run: no node runs any more."""
    members: Sequence[ValidatorStatus]
    height: int
    waiting: Sequence[Shown]
    """What waits for the hospital's people."""


@pages.show(PATH, VIEW, later("Health"))
def overview_page(call: Call) -> Page:
    """The hospital's node and its network."""
    found = load(call)
    own = next((each for each in found.members if each.organisation == found.organisation), None)
    page = overview(found)
    told = announcing.announcements(call, is_jailed=own is not None and own.jailed) if found.node else None
    return replace(page, content=[page.content, told])


def load(call: Call) -> Overview:
    """How all of it is now."""
    waiting = waiting_for(call)
    with call.ledger() as ledger:
        members, height, read = ledger.members(), ledger.height, ledger.verified
        node = None if call.site.is_read_only else status.node_status(call.node, read)
    return Overview(call.organisation, node, members, height, waiting)


def overview(found: Overview) -> Page:
    """Health first, then what to do, then the figures."""
    content = [
        fresh("now", PATH, (), _verdict(found), _figures(found), _todo(found)),
        _machine(),
        _members(found.members),
        _node(found.node) if found.node else None,
    ]
    return Page(say("Health"), content, say("Whether blocks are decided, who is missing, and what to do about it."))


def _verdict(found: Overview) -> h.Element:
    if found.node is None:
        words = say("No node runs any more, and none has to. Whether a network goes on only a running node can say.")
        return h.p(".panel")[badge(say("a finished run")), " ", words]
    if found.node.health is None:
        trouble = found.node.trouble or found.node.damage
        return h.div(".panel")[
            h.p[badge(say("the node does not answer"), BAD), " ", theirs(found.node.runner)],
            h.p[theirs(trouble)] if trouble else None,
            h.p[say("Start it:"), " ", h.code["hmchain node start"]],
        ]
    return h.div(".panel")[h.p[health(found.node.health), " ", theirs(capital(found.node.health.words.lstrip(": ")))],
                           h.p(".error")[theirs(found.node.clock)] if found.node.clock else None]  # fmt: skip


def health(found: NetworkHealth) -> h.Element:
    """Whether the network goes on, as a badge."""
    kinds = {Health.HEALTHY: GOOD, Health.DEGRADED: WARN, Health.STANDS_STILL: BAD}
    words = {
        Health.HEALTHY: say("healthy"),
        Health.DEGRADED: say("it goes on, somebody is missing"),
        Health.STANDS_STILL: say("it stands still"),
    }
    return badge(words[found.verdict], kinds[found.verdict])


def _figures(found: Overview) -> h.Element | None:
    own = next((each for each in found.members if each.organisation == found.organisation), None)
    may_fail = tolerated(found.members)
    cells = [
        (amount(found.height), say("last block"), ""),
        (
            amount(len(found.members)), say("members"),
            say_n("{count} may fail or lie", "{count} may fail or lie", may_fail),
        ),
    ]  # fmt: skip
    if own is not None:
        cells.append((amount(own.power), say("voting power here"), share(own.share_permyriad / 10_000)))
        cells.append((amount(own.consensus), say("reputation here"), say("of 10,000; 5,000 at the beginning")))
    if found.node is not None:
        known = len(found.node.peers) + len(found.node.missing)
        cells.append((f"{len(found.node.peers)}/{known}", say("members connected"), ", ".join(found.node.missing)))
        cells.append((amount(found.node.waiting), say("transactions in no block yet"), ""))
    return tiles(cells)


def _todo(found: Overview) -> h.Element:
    title = say("What to do now")
    own = next((each for each in found.members if each.organisation == found.organisation), None)
    lines: list[h.Node] = []
    if own is not None and own.jailed:
        words = say("This hospital's votes are not counted: it was silent, or announced maintenance. Once the node is "
                    "back and has caught up:")  # fmt: skip
        lines.append([words, " ", h.code["hmchain node unjail"]])
    lines += [
        [theirs(capital(each.notification.words)), _command(each.notification.command)]
        for each in found.waiting
        if each.notification.kind in _OPERATES
    ]
    if found.node is not None:
        lines += [theirs(capital(str(each))) for each in found.node.sent]
        lines += [theirs(capital(each)) for each in found.node.repairs]
    if not lines:
        return section(title, empty(say("Nothing waits for you. The checks of this machine are below.")), anchor="todo")
    return section(title, h.ul(".todo")[[h.li[each] for each in lines]], anchor="todo")


def _command(command: str) -> h.Node:
    return [": ", h.code[f"hmchain {command}"]] if command else None


def _machine() -> h.Element:
    """The checks of this machine, which take a moment: the page fetches them when it is there."""
    here = "/operator/machine"
    return section(
        say("This machine"),
        h.div("#checks", hx_get=here, hx_trigger="load", **in_place("checks"))[
            h.p(".quiet")[h.a(href=here)[say("Look at this machine")]]
        ],
        anchor="machine",
    )


def _members(found: Sequence[ValidatorStatus]) -> h.Element:
    title = say("Members")
    head = [say("Member"), say("Voting power"), say("Reputation"), say("Stands")]
    rows = [(each.organisation, amount(each.power), amount(each.consensus), standing(each)) for each in found]
    more = h.a(href="/operator/network")[say("Votes, reputation over time, proposers")]
    return section(
        title, table(head, rows, caption=title, folds=True, class_="numbers"), anchor="members", actions=more
    )


def standing(found: ValidatorStatus) -> h.Element:
    """How a member stands, as a badge."""
    if found.tombstoned:
        return badge(say("no longer a validator"), BAD)
    if found.jailed:
        return badge(say("votes are not counted"), WARN)
    return badge(say("votes"), GOOD)


def _node(found: NodeStatus) -> h.Element:
    facts = definitions((
        (say("network"), found.chain_id),
        (say("genesis"), digest(found.genesis.hex(), 0)),
        (say("last block"), found.block),
        (say("catches up"), say("yes") if found.catching_up else ""),
        (say("state after block"), amount(found.state_height) if found.state_height else say("none yet")),
        (say("commitment of the state"), digest(found.commitment.hex(), 0)),
        (say("vouched for"), theirs(found.vouched)),
        (say("protocol"), theirs(str(found.rules)) if found.rules else ""),
        (say("log begins after block"), amount(found.log_after) if found.log_after else ""),
        (say("blocks stopped"), moment(found.health.since_ms) if found.health and found.health.since_ms else ""),
        *((theirs(f"used by {each.study}"), theirs(str(each))) for each in found.machine),
    ))  # fmt: skip
    return section(say("This node"), h.div(".panel")[facts], anchor="node")
