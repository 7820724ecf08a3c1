"""The catalogue: what all members have, and what each policy would say."""

from __future__ import annotations

import htpy as h

from hmchain.application.access.permissions import Operation, Rule, Scope
from hmchain.application.governance.policies.words import sentences
from hmchain.application.pages.markup import table
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.portal.components import empty
from hmchain.interfaces.portal.components import pages as paging
from hmchain.interfaces.portal.page import Page
from hmchain.interfaces.portal.pages.words import may, standing
from hmchain.interfaces.portal.registry import Pages
from hmchain.interfaces.portal.texts import ENGLISH, later, say, theirs
from hmchain.ledger.readers import catalogue as reader
from hmchain.ledger.readers.catalogue import DatasetOffer

VIEW = Rule(Operation.VIEW, Scope.NETWORK)
WRITE = Rule(Operation.ASK, Scope.HOSPITAL, ("scientist",))
PATH = "/scientist/catalogue"
_PAGE = 50

pages = Pages("scientist")


@pages.show(PATH, VIEW, later("Catalogue"))
def catalogue(call: Call, offset: int = 0) -> Page:
    """All datasets that one can ask for."""
    offset = max(offset, 0)
    with call.ledger() as ledger:
        found = reader.offers(ledger.verified.state, call.organisation)
    lead = say(
        "What hospitals have, in rounded numbers, and what each one's policy would say to a count for health research."
    )
    if not found:
        return Page(
            say("Catalogue"),
            empty(say("No hospital has published a dataset yet. What is published stands here.")),
            lead=lead,
        )
    head = (say("Dataset"), say("Records"), say("Holds"), say("Counts people"), say("May one ask?"), say("Its policy"))
    return Page(
        say("Catalogue"),
        [
            h.p[
                [h.a(".button", href="/scientist/editor")[say("Write a request")], " "] if may(call, WRITE) else None,
                h.a(".button", href="/scientist/counts")[say("Count people first")],
            ],
            table(head, [_row(each) for each in found[offset : offset + _PAGE]], caption=say("Datasets"), folds=True),
            paging(PATH, {}, offset, _PAGE, len(found)),
        ],
        lead=lead,
    )


def _row(each: DatasetOffer) -> tuple[h.Node, ...]:
    policy = each.policy
    return (
        h.span(id=f"{each.organisation}/{each.dataset}")[f"{each.organisation}/{each.dataset} v{each.version}"],
        theirs(each.records),
        theirs(each.holds),
        _counts(each),
        standing(each.answer) if each.answer else "–",
        h.details[
            h.summary[
                say("version {number}", number=policy.version) if policy.version else say("none: a person decides each")
            ],
            h.ul(lang=ENGLISH)[[h.li[sentence] for sentence in sentences(policy)]],
        ],
    )


def _counts(each: DatasetOffer) -> str:
    if not each.counts_people:
        return say("no")
    if not each.epsilon_left:
        return say("no budget left")
    return say("from {least} people; budget left: {left}", least=each.people_min, left=f"{each.epsilon_left:g}")
