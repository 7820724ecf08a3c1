"""Security events: the hospital's own log, held against itself and against what the ledger anchors of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import htpy as h
from fastapi import Query

from hmchain.application.access.permissions import Operation, Rule, Scope
from hmchain.application.node import event_audit
from hmchain.application.pages.markup import digest, table, tiles
from hmchain.application.security.account import Account, kinds_named
from hmchain.application.security.checking import Checked
from hmchain.application.security.events import BEGUN, DONE, SENT, Kind
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.portal.components import BAD, GOOD, PLAIN, badge, choice_field, empty
from hmchain.interfaces.portal.page import Page
from hmchain.interfaces.portal.pages import codes
from hmchain.interfaces.portal.pages.codes import worded
from hmchain.interfaces.portal.pages.codes.security import SECURITY
from hmchain.interfaces.portal.registry import Pages
from hmchain.interfaces.portal.texts import amount, later, moment, say, say_n, theirs

VIEW = Rule(Operation.VIEW, Scope.HOSPITAL, ("auditor", "officer", "operator", "protection", "steward"))
PATH = "/auditor/events"
SHOWN = 100
_FINE = (DONE, BEGUN, SENT)

pages = Pages("auditor")

Asked = Annotated[str, Query(alias="kind", max_length=40)]


@dataclass(frozen=True)
class Log:
    """The account of a log, and the last of what was asked for."""

    account: Account
    last: Sequence[Checked]
    """The newest first."""
    count: int
    """Of all that was asked for."""
    kind: str


@pages.show(PATH, VIEW, later("Security events"))
def events_page(call: Call, kind: Asked = "") -> Page:
    """The hospital's log of security events, checked; the last of a kind, or of all."""
    with call.ledger() as ledger:
        account = event_audit.examine(call.folder, ledger, kinds=kinds_named([kind] if kind else []))
    count, last = 0, deque[Checked](maxlen=SHOWN)
    for count, each in enumerate(account.lines, start=1):  # noqa: B007
        last.append(each)
    return events(Log(account, tuple(reversed(last)), count, kind))


def events(found: Log) -> Page:
    """The log, with what vouches for it."""
    lead = say(
        "Who signed in, changed, exported or was denied. Every line follows from the one before, and the ledger holds "
        "the last link, so no line can be taken out or written anew unseen. No event names a patient."
    )
    return Page(
        say("Security events"),
        [_standing(found.account), _losses(found.account), _choice(found.kind), _list(found)],
        lead,
    )


def _standing(found: Account) -> h.Element | None:
    anchor = found.anchor
    written = moment(anchor.time_ms) if anchor else say("The agent anchors it from time to time.")
    return tiles((
        (amount(found.size), say("events, each following from the one before"), say("all were checked just now")),
        (
            amount(anchor.size) if anchor else "–",
            say("of them anchored on the ledger"),
            say("in block {height}, {time}", height=amount(anchor.height), time=written) if anchor else written,
        ),
        (
            amount(found.unanchored), say("at the end in no anchor yet"),
            say("who may write the file could still change these"),
        ),
        (amount(found.failed), say("failed or were denied"), say("of those shown below")),
    ))  # fmt: skip


def _losses(found: Account) -> h.Node:
    return [
        h.p(".caution")[
            say(
                "Lost: {by} said on {time} that events {first} to {last} are not in this log any more, or never were.",
                by=loss.by, time=moment(loss.time_ms), first=amount(loss.kept + 1), last=amount(loss.anchored),
            )
        ]
        for loss in found.losses
    ]  # fmt: skip


def _choice(kind: str) -> h.Element:
    families = sorted({each.value.partition(".")[0] for each in Kind if "." in each.value})
    choices: Mapping[str, str] = {
        "": say("all events"),
        **{each: say("all of {family}", family=each) for each in families},
        **codes.choices(SECURITY, tuple(each.value for each in Kind)),
    }
    return h.form(".look", action=PATH, method="get")[
        choice_field("kind", say("Show"), choices, kind), h.button(type="submit")[say("Show these")]
    ]


def _list(found: Log) -> h.Node:
    if not found.last:
        return empty(say("There is no such event in the log."))
    caption = say_n("{count} event", "{count} events", found.count)
    head = [say("Event"), say("When"), say("What"), say("About"), say("By"), say("Outcome"), say("Link")]
    note = say("The last {shown} of {count}.", shown=amount(len(found.last)), count=amount(found.count))
    return [
        h.p(".quiet")[note] if found.count > len(found.last) else None,
        table(head, [_row(each) for each in found.last], caption=caption, folds=True),
        h.p(".quiet")[say("All of them, as CSV or as FHIR AuditEvents:"), " ", h.code["hmchain audit events --csv"]],
    ]


def _row(line: Checked) -> Sequence[h.Node]:
    event = line.event
    what = [worded(SECURITY, event.kind.value), h.small[event.what] if event.what else None]
    about = event.about + (f" v{event.version}" if event.version else "") + (f", {event.other}" if event.other else "")
    by = "/".join(each for each in (event.user, event.person or event.role) if each)
    kind = GOOD if event.outcome == DONE else PLAIN if event.outcome in _FINE else BAD
    return (
        amount(line.number), moment(line.at_ms), what, about or "–", by or "–", badge(theirs(event.outcome), kind),
        digest(line.link.hex(), 12),
    )  # fmt: skip
