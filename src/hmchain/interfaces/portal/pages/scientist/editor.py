"""The editor of requests: what somebody writes, what policies would say to it now, and what reviewers said of it."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

import htpy as h

from hmchain.application.access.permissions import Operation, Rule, Scope
from hmchain.application.governance.purposes import PURPOSES, purpose_words
from hmchain.application.governance.requests import checking, reading
from hmchain.application.governance.requests.checking import PolicyAnswer
from hmchain.application.governance.requests.desk import Desk, attached_to
from hmchain.application.governance.requests.documents import FILE_BYTES_MAX
from hmchain.application.governance.requests.file import ATTACHED
from hmchain.application.governance.requests.form import FIELDS
from hmchain.application.governance.requests.reading import RequestInWords
from hmchain.application.governance.requests.words import answer_words, asked_terms
from hmchain.application.pages.markup import table
from hmchain.clock import utc
from hmchain.errors import HMChainError
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.portal.components import (
    after_field,
    check_field,
    choice_field,
    confirmed,
    empty,
    file_field,
    form,
    name_field,
    problem,
    section,
    text_field,
    tick_box,
)
from hmchain.interfaces.portal.framing import csrf_of
from hmchain.interfaces.portal.layout import token_field
from hmchain.interfaces.portal.page import Page
from hmchain.interfaces.portal.pages import codes
from hmchain.interfaces.portal.pages.codes.requests import KINDS_EXPLAINED, PAPERS
from hmchain.interfaces.portal.pages.scientist.drafts import FORM, ROUNDS, chosen, written
from hmchain.interfaces.portal.pages.words import at, standing, terms
from hmchain.interfaces.portal.pages.words import said as said_words
from hmchain.interfaces.portal.registry import Pages
from hmchain.interfaces.portal.texts import later, say, theirs
from hmchain.ledger.readers import catalogue
from hmchain.ledger.readers.catalogue import DatasetOffer
from hmchain.ledger.readers.ledger import LedgerReader
from hmchain.ledger.readers.requests import UnknownRequestError
from hmchain.plain import size

EDIT = Rule(Operation.ASK, Scope.HOSPITAL, ("scientist",))
PATH = "/scientist/editor"

pages = Pages("scientist")


def desk_of(call: Call) -> Desk:
    """The drafts of whoever asks."""
    return Desk(call.folder.drafts(call.person.person))


@pages.show(PATH, EDIT, later("Write a request"))
def drafts(call: Call) -> Page:
    """All drafts, and a new one."""
    found = desk_of(call).names()
    listed = h.ul[[h.li[h.a(href=at("scientist", "editor", name))[name]] for name in found]]
    return Page(
        say("Write a request"),
        [
            section(
                say("Your drafts"),
                listed if found else empty(say("You have no draft. What you begin stands here.")),
                anchor="drafts",
            ),
            section(
                say("Begin one"),
                form(
                    f"{PATH}/new",
                    csrf_of(call.request),
                    name_field(
                        "name",
                        say("Its name"),
                        required=True,
                        help=say(
                            "Short, for ever, seen by all members, no word of what is asked: a-z, 0-9, '.', '_', '-'."
                        ),
                    ),
                    choice_field("kind", say("It is to"), codes.choices(KINDS_EXPLAINED)),
                    sends=say("Begin"),
                ),
                anchor="new",
            ),
        ],
        lead=say("Nobody but you sees a draft before you hand it in."),
    )


@pages.show(f"{PATH}/{{name}}", EDIT)
def draft(call: Call, name: str) -> Page:
    """One draft."""
    desk = desk_of(call)
    with call.ledger() as ledger:
        state = ledger.verified.state
        offers = catalogue.offers(state, call.organisation)
        shown = _shown(call, ledger, name)
    if not desk.has(name):
        return _elsewhere(name)
    written_so_far = desk.read(name)
    return Page(
        say("Request {name}", name=name),
        [
            _stands(call, shown) if shown else None,
            _checked(call, desk, name),
            _form(call, name, written_so_far, offers),
            _attached(call, name, written_so_far),
            confirmed(
                say("Delete this draft"),
                say("What was handed in stays on the ledger."),
                f"{at('scientist', 'editor', name)}/delete",
                csrf_of(call.request),
                say("Delete it"),
            ),
        ],
        crumbs=((say("Write a request"), PATH),),
        active=PATH,
    )


def _shown(call: Call, ledger: LedgerReader, name: str) -> RequestInWords | None:
    """What was handed in under this name; None before, or where it is another person's."""
    try:
        found = reading.shown(ledger, name, call.papers)
    except UnknownRequestError:
        return None
    return found if found.view.applicant == call.person.name else None


def _elsewhere(name: str) -> Page:
    words = say("This request was not written here. Change its file, and hand it in:")
    return Page(
        say("Request {name}", name=name),
        empty(
            words,
            h.code[f"hmchain request submit {name}.toml"],
            h.p[h.a(href=at("requests", name))[say("See the request")]],
        ),
        crumbs=((say("Write a request"), PATH),),
        active=PATH,
    )


def _stands(call: Call, shown: RequestInWords) -> h.Element:
    """How it stands with what was handed in, with what people said of it."""
    view = shown.view
    said = [each for each in shown.said if each.text or each.word.said]
    came_back = [paper for paper in shown.papers if paper.kind == "decision" and paper.text]
    return section(
        say("What was handed in"),
        h.p[
            standing(view.status),
            " ",
            say("Next:"),
            " ",
            theirs(shown.next),
            " ",
            h.a(href=at("requests", view.request))[say("See all of it")],
        ],
        [h.blockquote[h.b[paper.by], ": ", paper.text] for paper in came_back],
        h.ol(".talk")[
            [
                h.li[
                    h.p[h.b[each.word.by], " ", said_words(each.word)],
                    h.blockquote[each.text] if each.text else None,
                ]
                for each in said
            ]
        ]
        if said
        else None,
        anchor="stands",
    )


# -- is it whole, and what would come of it? ---------------------------------------------------------------------------


def _checked(call: Call, desk: Desk, name: str) -> h.Element:
    """What is missing; or what is asked in plain words, what policies would say, and the way to hand it in."""
    try:
        asked = desk.load(name)
        with call.ledger() as ledger:
            content, answers = checking.expected(
                ledger.verified.state, asked, call.now_ms(), call.organisation, call.person.person
            )
    except HMChainError as error:
        return section(
            say("Is it whole?"), problem(error.code, error.what, error.hint or "", say("Not yet:")), anchor="check"
        )
    return section(
        say("What hospitals would read"),
        terms(asked_terms(content)),
        _answers(answers),
        form(
            f"{at('scientist', 'editor', name)}/hand-in",
            csrf_of(call.request),
            after_field(at("scientist", "editor", name)),
            check_field("same", say("Hand it in although nothing was changed since it came back")),
            h.p(".quiet")[
                say("You sign what it asks, and that it is put before the hospitals; you see each before you sign.")
            ],
            sends=say("Hand it in"),
        ),
        anchor="check",
    )


def _answers(found: Sequence[PolicyAnswer]) -> h.Element:
    rows = [
        (
            f"{each.organisation}/{each.dataset}",
            standing(each.answer),
            theirs(answer_words(each.answer, each.reasons, each.policy)),
        )
        for each in found
    ]
    head = (say("Dataset"), say("Its policy"), say("Why"))
    return table(head, rows, caption=say("What policies would say now"), folds=True)


# -- the form ----------------------------------------------------------------------------------------------------------


def _form(call: Call, name: str, found: Mapping[str, Any], offers: Sequence[DatasetOffer]) -> h.Element:
    kind = written(found, "kind")
    return section(
        say("The request"),
        form(
            f"{at('scientist', 'editor', name)}/save",
            csrf_of(call.request),
            choice_field(
                "kind",
                say("It is to"),
                codes.choices(KINDS_EXPLAINED),
                kind,
                help=say("Save after changing it: other questions follow."),
            ),
            _datasets(found, offers),
            text_field("purposes", say("For"), written(found, "purposes"), help=_purposes(), required=True),
            text_field(
                "diseases",
                say("About diseases"),
                written(found, "diseases"),
                help=say("Codes of Mondo, with commas: MONDO:0005072"),
            ),
            _plan(kind, found),
            text_field(
                "until",
                say("The last day on which the data are used"),
                written(found, "until"),
                kind="date",
                required=True,
            ),
            text_field(
                "regions",
                say("Countries to which results go"),
                written(found, "regions"),
                help=say("Two letters each, with commas: DE, FR"),
            ),
            check_field("publishes", say("Results will be published"), checked=bool(found.get("publishes"))),
            check_field("commercial", say("Somebody earns money with it"), checked=bool(found.get("commercial"))),
            text_field("fields", say("Which fields, where not all are needed"), written(found, "fields"))
            if kind != "transfer"
            else None,
            text_field("labels", say("Which labels"), written(found, "labels")),
            _machine(found),
            h.fieldset(".field")[
                h.legend[say("For the people who decide")],
                [_question(each.name, each.asks, found, needed=each.needed, long=each.is_long) for each in FIELDS],
            ],
            sends=say("Save the draft"),
        ),
        anchor="form",
    )


def _purposes() -> str:
    return ", ".join(f"{word} ({purpose_words(code).partition(', ')[2]})" for word, code in PURPOSES.items())


def _datasets(found: Mapping[str, Any], offers: Sequence[DatasetOffer]) -> h.Element:
    wanted = chosen(found)
    boxes = [
        tick_box(
            "dataset",
            (name := f"{each.organisation}/{each.dataset}"),
            h.span[f"{name} · ", theirs(each.records), " · ", theirs(each.holds)],
            checked=name in wanted,
        )
        for each in offers
    ]
    nothing = h.p[say("No hospital has published a dataset yet.")]
    return h.fieldset(".field")[h.legend[say("Which data, of which hospitals")], boxes or nothing]


def _plan(kind: str, found: Mapping[str, Any]) -> h.Node:
    if kind == "train":
        return text_field(
            "rounds",
            say("Rounds of training"),
            written(found, "study", "rounds", default=ROUNDS),
            kind="number",
            min="1",
        )
    if kind == "count":
        return [
            text_field(
                "people",
                say("Whom to count"),
                written(found, "query", "people"),
                help=say("female and age 50..79 and condition ICD10:C50"),
            ),
            text_field(
                "epsilon",
                say("What may be learned of one person"),
                written(found, "query", "epsilon", default="0.5"),
                kind="number",
                min="0.01",
                max="1",
                step="0.01",
            ),
        ]
    if kind == "transfer":
        return [
            text_field(
                "days",
                say("For how many days you may keep the records"),
                written(found, "transfer", "days", default=90),
                kind="number",
                min="1",
            ),
            text_field(
                "kinds",
                say("Only these kinds of records, where not all are needed"),
                written(found, "transfer", "kinds"),
            ),
        ]
    return None


def _machine(found: Mapping[str, Any]) -> h.Element:
    return h.div(".inline.field")[
        text_field(
            "hours",
            say("Hours of each hospital's machine"),
            written(found, "resources", "hours", default=24),
            kind="number",
            min="0",
        ),
        text_field(
            "memory_gib",
            say("Memory at one time, GiB"),
            written(found, "resources", "memory_gib", default=4.0),
            kind="number",
            min="0",
            step="0.5",
        ),
    ]


def _question(name: str, asks: str, found: Mapping[str, Any], *, needed: bool, long: bool) -> h.Element:
    answer = written(found, "form", name)
    title = str(theirs(asks))[:1].upper() + str(theirs(asks))[1:] if isinstance(theirs(asks), str) else theirs(asks)
    label = h.label(for_=f"{FORM}{name}")[title, " *" if needed else None]
    box = (
        h.textarea(id=f"{FORM}{name}", name=f"{FORM}{name}", rows="3", maxlength="20000")[answer]
        if long
        else h.input(id=f"{FORM}{name}", name=f"{FORM}{name}", type="text", value=answer or None, maxlength="200")
    )
    return h.div(".field")[label, box]


def _attached(call: Call, name: str, found: Mapping[str, Any]) -> h.Element:
    here, csrf = at("scientist", "editor", name), csrf_of(call.request)
    listed = [
        h.li[
            f"{codes.word(PAPERS, kind)}: {file} ",
            h.form(".inline-form", method="post", action=f"{here}/detach")[
                token_field(csrf),
                h.input(type="hidden", name="file", value=file),
                h.button(type="submit", aria_label=say("Take {file} away", file=file))[say("Take it away")],
            ],
        ]
        for kind, file in attached_to(found)
    ]
    return section(
        say("Attached"),
        h.ul[listed]
        if listed
        else h.p(".quiet")[say("Nothing is attached yet: a protocol, an ethics letter, an impact assessment.")],
        form(
            f"{here}/attach",
            csrf,
            choice_field("kind@attach", say("What it is"), codes.choices(PAPERS, tuple(map(str, ATTACHED)))),
            file_field(
                "file",
                say("File"),
                help=say("A PDF, a text, a PNG or JPEG, of {size} at most.", size=size(FILE_BYTES_MAX)),
            ),
            sends=say("Attach it"),
            has_file=True,
        ),
        anchor="attached",
    )


def today(call: Call) -> datetime.date:
    """The day of the ledger's clock."""
    return datetime.date.fromisoformat(utc(call.now_ms())[:10])
