"""What left the hospital, and all else that was done with its data."""

from __future__ import annotations

import htpy as h

from hmchain.application.access.permissions import Operation, Rule, Scope
from hmchain.application.data import activity
from hmchain.application.data.activity import Activity, ActivityTotals
from hmchain.application.pages.markup import table, tiles
from hmchain.application.security.events import DONE
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.portal.components import BAD, WARN, badge, empty, section, tabs
from hmchain.interfaces.portal.components import pages as paging
from hmchain.interfaces.portal.page import Page
from hmchain.interfaces.portal.registry import Pages
from hmchain.interfaces.portal.texts import amount, later, moment, say, say_n, theirs
from hmchain.plain import size

VIEW = Rule(Operation.VIEW, Scope.HOSPITAL, ("steward", "auditor", "officer", "protection"))
PATH = "/steward/log"
_PAGE = 100

pages = Pages("steward")


@pages.show(PATH, VIEW, later("What left us"))
def log(call: Call, everything: bool = False, offset: int = 0) -> Page:
    """What left the hospital; or everything that was done with its data."""
    found = activity.report(call.folder, left=not everything)
    rows = list(reversed(_together(found.entries)))
    offset = max(offset, 0)
    here = f"{PATH}?everything=true" if everything else PATH
    words = say("Nothing has left this hospital yet.") if not everything else say("Nothing was done yet.")
    return Page(
        say("What left us"),
        [
            _totals(found.totals),
            tabs(
                say("What is shown"), ((say("What left"), PATH), (say("Everything"), f"{PATH}?everything=true")), here
            ),
            _table(rows[offset : offset + _PAGE]) if rows else empty(words),
            paging(PATH, {"everything": str(everything).lower()}, offset, _PAGE, len(rows)),
        ],
        lead=say("Kept in this hospital's own log, and nowhere else. No identifier of a patient stands in it."),
        active=PATH,
    )


def _totals(found: ActivityTotals) -> h.Node:
    if not found.since_ms:
        return None
    ended = [each for each in found.exports if each.outcome in (DONE, activity.UNFINISHED)]
    sent = sum(found.updates.values())
    return section(
        say("Since {time}", time=moment(found.since_ms)),
        tiles(
            (
                (
                    amount(sum(each.records for each in ended)),
                    say("records written out"),
                    say("de-identified and decrypted"),
                ),
                (amount(found.looks), say("looks at held items"), say("by a reviewer, as they came")),
                (
                    size(sent),
                    say("of masked updates"),
                    say_n("in {count} study", "in {count} studies", len(found.updates)),
                ),
                (
                    size(found.other_bytes),
                    say("else of the agent"),
                    say("sealed halves of keys, and models as a master"),
                ),
            )
        ),
        anchor="totals",
    )


def _together(entries: tuple[Activity, ...]) -> list[tuple[Activity, int, int]]:
    """What an agent sent in the rounds of a study as one, with how often and how many bytes."""
    rows: dict[object, tuple[Activity, int, int]] = {}
    for each in entries:
        key = each.number if each.round is None else (each.study, each.what)
        first, count, sent = rows.get(key, (each, 0, 0))
        rows[key] = first, count + 1, sent + each.bytes
    return list(rows.values())


def _table(rows: list[tuple[Activity, int, int]]) -> h.Element:
    head = (say("When"), say("What"), say("Of"), say("How much"), say("To"), say("By"), say("Decided by"))
    return table(head, [_row(*each) for each in rows], caption=say("What was done"), folds=True)


def _row(each: Activity, count: int, sent: int) -> tuple[h.Node, ...]:
    of = each.study or (f"{each.dataset} v{each.version}" if each.dataset and each.version else each.dataset)
    much = [
        say_n("{count} time", "{count} times", count) if count > 1 else "",
        say_n("{count} record", "{count} records", each.records) if each.records else "",
        say_n("{count} item", "{count} items", each.items) if each.items else "",
        say_n("{count} held", "{count} held", each.held) if each.held else "",
        size(sent) if sent else "",
        each.reason,
    ]
    return (
        moment(each.at_ms),
        [theirs(each.what), _doubts(each)],
        of or (each.subject and say("pseudonym {name}", name=each.subject[:12])) or each.kind or "–",
        ", ".join(filter(None, much)) or "–",
        each.where or "–",
        each.user,
        each.person or "–",
    )


def _doubts(each: Activity) -> h.Node:
    found: list[h.Node] = []
    if each.outcome != DONE:
        found += [" ", badge(theirs(each.outcome), WARN)]
    if each.is_signed is False:
        found += [" ", badge(say("signatures do not hold") if each.signatures else say("not signed"), BAD)]
    return found
