"""Records that a request's permit lets go: what leaves, to whom, until when; sent, and signed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import htpy as h

from hmchain.application.access.permissions import Operation, Rule, Scope
from hmchain.application.governance.purposes import purpose_words
from hmchain.application.pages.markup import definitions
from hmchain.application.sharing import giving as services
from hmchain.application.sharing.giving import Asked
from hmchain.errors import HMChainError
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.api.routes import sharing
from hmchain.interfaces.portal.components import form, problem, section
from hmchain.interfaces.portal.framing import csrf_of
from hmchain.interfaces.portal.page import Page
from hmchain.interfaces.portal.pages.bodies import body
from hmchain.interfaces.portal.pages.requests.rules import DECIDE
from hmchain.interfaces.portal.pages.words import at, may, until
from hmchain.interfaces.portal.registry import Fields, Next, Pages
from hmchain.interfaces.portal.texts import say, theirs
from hmchain.interfaces.portal.working import latest, work
from hmchain.ledger.readers import requests as reader
from hmchain.ledger.readers.ledger import LedgerReader
from hmchain.ledger.readers.requests import RequestView

VIEW = Rule(Operation.VIEW, Scope.HOSPITAL, ("steward",))
KIND = "share grant"

pages = Pages()


@pages.show("/requests/{name}/give", VIEW)
def give_page(call: Call, name: str) -> Page:
    """What can be given under a request, dataset by dataset."""
    with call.ledger() as ledger:
        view = reader.request(ledger.verified.state, name)
        found = {each.dataset: list(_asked(call, ledger, view, each.dataset)) for each in view.of(call.organisation)}
    return Page(
        say("Give the records of {request}", request=name),
        [_progress(call, name), [_one(call, dataset, each) for dataset, each in found.items()]],
        lead=say("The records go encrypted, and only the organisation that asked can open them. The key goes last, "
                 "once the ledger has what you sign."),
        crumbs=((say("Requests"), "/requests"), (name, at("requests", name))),
        active="/requests",
    )  # fmt: skip


def _progress(call: Call, name: str) -> h.Node:
    here, found = at("requests", name, "give"), latest(call, KIND, name)
    given = (found.result or {}).get("transfer") if found else None
    query = call.request.query_params
    asked = {key: query[key] for key in ("dataset", "use") if key in query}
    return [
        work(call, KIND, name, here, say("It is sent: bytes so far"), here, asked),
        h.p[h.a(href=at("steward", "transfers", given))[say("See how it stands")]] if given else None,
    ]


def _asked(call: Call, ledger: LedgerReader, view: RequestView, dataset: str) -> Iterator[Asked | HMChainError]:
    """What may go of a dataset, for each use that was asked for; or why it may not."""
    for purpose in view.content.purposes if view.content else ():
        try:
            yield services.asked(
                ledger.verified.state, call.organisation, view.request, call.now_ms(), dataset, purpose
            )
        except HMChainError as error:
            yield error


def _one(call: Call, dataset: str, found: Sequence[Asked | HMChainError]) -> h.Element:
    """All that may go of a dataset; where nothing may, why."""
    given = [each for each in found if isinstance(each, Asked)]
    refused = next((each for each in found if isinstance(each, HMChainError)), None)
    return section(
        dataset,
        [[_facts(each), _form(call, each)] for each in given],
        problem(refused.code, refused.what, refused.hint, say("Not now:")) if refused and not given else None,
        anchor=f"give-{dataset}",
    )


def _facts(wanted: Asked) -> h.Element:
    return definitions(
        (
            (say("records of"), say("{dataset}, version {version}", dataset=wanted.dataset, version=wanted.version)),
            (say("given to"), wanted.grantee),
            (say("for"), theirs(purpose_words(wanted.purpose))),
            (say("until"), until(wanted.until_ms)),
            (say("kinds"), ", ".join(wanted.plan.kinds) or say("all kinds")),
            (say("not among them"), say("records of patients who opted out, or do not permit this use")),
        )
    )


def _form(call: Call, wanted: Asked) -> h.Node:
    if not may(call, DECIDE):
        return None
    here = at("requests", wanted.request, "give")
    return form(
        here, csrf_of(call.request),
        h.input(type="hidden", name="dataset", value=wanted.dataset),
        h.input(type="hidden", name="use", value=wanted.purpose),
        h.p[say("What you send is what stays there: whoever opens it can copy it. The grant ends by itself, and its "
                "erasure is signed.")],
        label=say("Give {dataset}", dataset=wanted.dataset), sends=say("Give the records"),
    )  # fmt: skip


@pages.do("/requests/{name}/give", DECIDE)
def give(call: Call, name: str, fields: Fields) -> Next:
    """Send what the permit allows; the same goes on where it was."""
    chosen = {key: fields.text(key) for key in ("dataset", "use")}
    sharing.give_records(call, name, body(sharing.Given, **chosen))
    return Next(f"{at('requests', name, 'give')}#work")
