"""The hospital's machine, as `hmchain doctor` finds it: each check with what mends it."""

from __future__ import annotations

from collections.abc import Mapping

import htpy as h

from hmchain.application.access.permissions import Operation, Rule, Scope
from hmchain.application.pages.markup import table
from hmchain.application.watching import doctor
from hmchain.application.watching.findings import Examination, Finding, Verdict
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.portal.components import BAD, GOOD, WARN, badge, empty
from hmchain.interfaces.portal.page import Page
from hmchain.interfaces.portal.registry import Pages
from hmchain.interfaces.portal.texts import later, moment, say, say_n, theirs

VIEW = Rule(Operation.VIEW, Scope.HOSPITAL, ("operator", "steward"))
PATH = "/operator/machine"
_KINDS: Mapping[Verdict, str] = {Verdict.OK: GOOD, Verdict.WARN: WARN, Verdict.FAIL: BAD}

pages = Pages("operator")


@pages.show(PATH, VIEW, later("This machine"))
def machine_page(call: Call) -> Page:
    """All checks of the machine, made now; of a finished run nothing is checked."""
    return machine(None if call.site.is_read_only else doctor.examine(call.node.path, call.passphrase))


def machine(found: Examination | None) -> Page:
    """The checks, those that failed first."""
    title = say("This machine")
    lead = say(
        "Installation, keys, clock, ports, node, stores, disk, certificates, agent, log and backups, looked at now."
    )
    if found is None:
        words = say(
            "A finished run has no node and no machine of its own. At a hospital's node each check stands here."
        )
        return Page(title, h.div("#checks")[empty(words)], lead, crumbs=((say("Health"), "/operator"),))
    return Page(title, h.div("#checks")[_told(found), _checks(found)], lead, crumbs=((say("Health"), "/operator"),))


def _told(found: Examination) -> h.Element:
    failed, warned = len(found.of(Verdict.FAIL)), len(found.of(Verdict.WARN))
    return h.p[
        badge(say_n("{count} check failed", "{count} checks failed", failed), BAD if failed else GOOD),
        " ",
        badge(say_n("{count} to see to", "{count} to see to", warned), WARN if warned else GOOD),
        h.span(".quiet")[" ", say("Looked at {time}.", time=moment(found.at_ms))],
    ]


def _checks(found: Examination) -> h.Element:
    order = {Verdict.FAIL: 0, Verdict.WARN: 1, Verdict.OK: 2}
    rows = [
        (theirs(str(each.subject)), verdict(each), h.fragment[theirs(each.words), _way_out(each)])
        for each in sorted(found.findings, key=lambda each: order[each.verdict])
    ]
    return table(
        [say("Check"), say("Verdict"), say("What was found, and what mends it")],
        rows,
        caption=say("Checks"),
        folds=True,
    )


def verdict(found: Finding) -> h.Element:
    """What a check says, as a badge."""
    words = {Verdict.OK: say("fine"), Verdict.WARN: say("see to it"), Verdict.FAIL: say("failed")}
    return badge(words[found.verdict], _KINDS[found.verdict])


def _way_out(found: Finding) -> h.Element | None:
    """The way to mend it, with the commands in it."""
    if not found.way_out:
        return None
    parts = found.way_out.split("`")
    return h.div(".mend")[[h.code[part] if index % 2 else theirs(part) for index, part in enumerate(parts)]]
