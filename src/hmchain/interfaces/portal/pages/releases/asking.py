"""Asking that what a study made may leave its hospitals."""

from __future__ import annotations

from hmchain.application.node.release_words import AUDIENCES
from hmchain.application.releases import asking
from hmchain.application.releases.asking import ReleaseQuestion
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.api.routes.releases import ASK
from hmchain.interfaces.portal.components import choice_field, empty, form, text_field
from hmchain.interfaces.portal.framing import csrf_of
from hmchain.interfaces.portal.page import Page
from hmchain.interfaces.portal.pages.words import at
from hmchain.interfaces.portal.registry import Fields, Next, Pages
from hmchain.interfaces.portal.texts import say, theirs

PATH = "/releases-ask"

pages = Pages()


@pages.show(PATH, ASK)
def ask(call: Call, study: str = "") -> Page:
    """The question."""
    with call.ledger() as ledger:
        done = [each.name for each in ledger.studies() if each.status == "finished"]
    if not done:
        return Page(say("Ask for a release"), empty(say("No study has finished yet.")), active="/releases")
    return Page(
        say("Ask for a release"),
        form(
            PATH,
            csrf_of(call.request),
            choice_field("study", say("What"), {name: name for name in done}, study),
            choice_field(
                "audience", say("For whom"), {code: str(theirs(words)) for code, words in AUDIENCES.items()}, "members"
            ),
            text_field(
                "regions",
                say("Where it goes"),
                help=say("Countries, two letters each, with commas; nothing for anywhere."),
            ),
            sends=say("Put it before the hospitals"),
        ),
        lead=say("Each hospital whose records are in it decides for itself. All members read the question, for ever."),
        crumbs=((say("Releases"), "/releases"),),
        active="/releases",
    )


@pages.do(PATH, ASK)
def put(call: Call, fields: Fields) -> Next:
    """Put it before the hospitals."""
    regions = tuple(filter(None, (each.strip().upper() for each in fields.text("regions").split(","))))
    wanted = ReleaseQuestion(fields.text("study"), fields.text("audience"), regions, "")
    with call.user() as user:
        planned = asking.plan(user, wanted)
        fields.after = at("releases", planned.asked.name)
        done = asking.ask(user, planned)
    return Next(at("releases", done.release), say("It is before the hospitals."))
