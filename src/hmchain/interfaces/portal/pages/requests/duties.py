"""What is owed for data: shown by who asked, confirmed by the hospital to which it is owed."""

from __future__ import annotations

from collections.abc import Iterator

import htpy as h

from hmchain.application.access.permissions import allowed
from hmchain.application.governance.requests import duties as services
from hmchain.application.governance.requests.documents import FILE_BYTES_MAX, data_document
from hmchain.application.governance.requests.reading import RequestInWords
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.portal.components import after_field, confirmed, file_field, form, text_field
from hmchain.interfaces.portal.framing import csrf_of
from hmchain.interfaces.portal.pages.requests.rules import APPLY, DECIDE
from hmchain.interfaces.portal.pages.words import at, until
from hmchain.interfaces.portal.registry import Fields, Next, Pages
from hmchain.interfaces.portal.texts import say
from hmchain.ledger.readers.notices import DutyView, Standing

OWED = (Standing.DUE, Standing.OVERDUE)

pages = Pages()


def forms(found: RequestInWords, call: Call) -> Iterator[tuple[str, h.Node]]:
    """What whoever asks can do about what is owed for a request."""
    who, view = call.person, found.view
    if who.name in (view.applicant, *view.members) and allowed(APPLY, who, call.organisation):
        for kind in dict.fromkeys(each.kind for each in found.duties if each.standing in OWED):
            yield say("Show that it was done: {duty}", duty=kind), _shown(call, view.request, kind)
    if allowed(DECIDE, who, call.organisation):
        for each in found.duties:
            if each.organisation == call.organisation and each.standing in (*OWED, Standing.SHOWN):
                yield say("{duty}, owed for {dataset}", duty=each.kind, dataset=each.dataset), _answered(call, each)


def _shown(call: Call, request: str, kind: str) -> h.Element:
    here = at("requests", request)
    return form(
        f"{here}/duties/{kind}/fulfil", csrf_of(call.request), after_field(here),
        file_field(f"evidence@{kind}", say("What shows it")), sends=say("Show it to the hospitals"), has_file=True,
    )  # fmt: skip


def _answered(call: Call, each: DutyView) -> h.Node:
    here, csrf = at("requests", each.request), csrf_of(call.request)
    kept = [after_field(here), h.input(type="hidden", name="dataset", value=each.dataset)]
    way = f"{here}/duties/{each.kind}"
    return [
        h.p[say("due"), " ", until(each.due_ms)],
        [
            confirmed(
                say("It was done"), say("You say so for good."), f"{way}/confirm", csrf, say("It was done"), kept
            ),
            confirmed(
                say("What was shown does not do"),
                say("It is owed as before."),
                f"{way}/contest",
                csrf,
                say("Say so"),
                kept,
                text_field(f"letter@{each.kind}-{each.dataset}", say("Your words"), lines=4),
            ),
        ]
        if each.standing is Standing.SHOWN
        else None,
        confirmed(
            say("Ask for it no more"),
            say("You say so for good."),
            f"{way}/waive",
            csrf,
            say("Ask for it no more"),
            kept,
        ),
    ]


@pages.do("/requests/{name}/duties/{duty}/fulfil", APPLY, file_bytes=FILE_BYTES_MAX)
def fulfil(call: Call, name: str, duty: str, fields: Fields) -> Next:
    """Show the hospitals that something was done."""
    sent = fields.file("evidence")
    evidence = data_document("the file", sent.filename or duty, sent.file.read())
    with call.user() as user:
        services.fulfil(user, call.papers, name, duty, evidence)
    return Next(at("requests", name), say("The hospitals see it, and confirm it."))


@pages.do("/requests/{name}/duties/{duty}/confirm", DECIDE)
def confirm(call: Call, name: str, duty: str, fields: Fields) -> Next:
    """What was shown does."""
    with call.user() as user:
        services.confirm(user, name, duty, fields.text("dataset"))
    return Next(at("requests", name), say("It is done."))


@pages.do("/requests/{name}/duties/{duty}/contest", DECIDE)
def contest(call: Call, name: str, duty: str, fields: Fields) -> Next:
    """What was shown does not do."""
    with call.user() as user:
        services.contest(user, call.papers, name, duty, fields.text("letter"), fields.text("dataset"))
    return Next(at("requests", name), say("It is owed as before."))


@pages.do("/requests/{name}/duties/{duty}/waive", DECIDE)
def waive(call: Call, name: str, duty: str, fields: Fields) -> Next:
    """It is not asked for any more."""
    with call.user() as user:
        services.waive(user, name, duty, fields.text("dataset"))
    return Next(at("requests", name), say("It is not asked for any more."))
