"""What this hospital itself would answer to a count, before a person of it decides: exactly, and for nobody else."""

from __future__ import annotations

import htpy as h

from hmchain.application.data.cohorts import CohortCheck
from hmchain.application.governance.requests import reading
from hmchain.application.pages.markup import definitions
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.api.parameters import Name
from hmchain.interfaces.api.routes import counts as routes
from hmchain.interfaces.portal.components import GOOD, WARN, badge, section
from hmchain.interfaces.portal.page import Page
from hmchain.interfaces.portal.pages.bodies import body
from hmchain.interfaces.portal.pages.scientist.counts import PATH
from hmchain.interfaces.portal.pages.words import at
from hmchain.interfaces.portal.registry import Fields, Pages
from hmchain.interfaces.portal.texts import amount, say

pages = Pages("scientist")


@pages.do(f"{PATH}/{{name}}/check", routes.COUNT_HERE)
def check(call: Call, name: Name, fields: Fields) -> Page:
    """Count in the hospital's own records, in the version that is asked for."""
    with call.ledger() as ledger:
        asked = reading.shown(ledger, name, None).view.of(call.organisation)
    found = routes.show_count(call, name)
    answers = [
        routes.check_cohort(call, body(routes.OwnCount, query=found.query, dataset=each.dataset, version=each.version))
        for each in asked
    ]
    return Page(
        say("What this hospital would answer"),
        [_answer(each) for each in answers],
        lead=say("Exactly, from this hospital's own records. It stays here, and stands in the hospital's log."),
        crumbs=((say("Count people"), PATH), (name, at("scientist", "counts", name))),
        active=PATH,
    )


def _answer(found: CohortCheck) -> h.Element:
    enough = badge(say("enough for an answer"), GOOD) if found.answers else badge(say("too few: it sits out"), WARN)
    return section(
        f"{found.dataset} v{found.version}",
        h.p(".figure")[h.b[amount(found.people)], " ", enough],
        definitions(
            (
                (say("of all who may be counted"), amount(found.of)),
                (say("answers from"), say("{count} people on; the policy may ask for more", count=found.people_min)),
            )
        ),
        anchor=f"answer-{found.dataset}",
    )
