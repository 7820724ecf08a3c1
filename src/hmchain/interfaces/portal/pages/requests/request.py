"""One request: what is asked in plain words, what each hospital said and why, what people said, what can be done."""

from __future__ import annotations

import htpy as h
from starlette.responses import Response

from hmchain.application.access.permissions import Operation, Rule, Scope
from hmchain.application.governance.requests import reading
from hmchain.application.governance.requests.applying import document_of
from hmchain.application.governance.requests.reading import Paper, Reading, RequestInWords, SaidInWords
from hmchain.application.pages.markup import definitions, table
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.portal.components import empty, fresh, problem, section
from hmchain.interfaces.portal.page import Page
from hmchain.interfaces.portal.pages import codes
from hmchain.interfaces.portal.pages.codes.requests import DUTIES, PAPERS, REASONS, STAGES
from hmchain.interfaces.portal.pages.requests.choices import choices, decides
from hmchain.interfaces.portal.pages.words import at, capital, in_short, said, standing, terms, until
from hmchain.interfaces.portal.registry import Pages
from hmchain.interfaces.portal.texts import moment, say, theirs
from hmchain.ledger.readers.requests import HospitalWord
from hmchain.plain import size

VIEW = Rule(Operation.VIEW, Scope.NETWORK)
READ = Rule(Operation.VIEW, Scope.HOSPITAL)

pages = Pages()


@pages.show("/requests/{name}", VIEW)
def request(call: Call, name: str) -> Page:
    """One request."""
    with call.ledger() as ledger:
        found = reading.shown(ledger, name, call.sealed)
    here = at("requests", name)
    return Page(
        found.title or capital(in_short(found.view)),
        fresh("request", here, ("request.", "duty."), content(found, call)),
        lead=[h.code[name], " · ", standing(found.view.status), " · ", say("Next:"), " ", h.b[theirs(found.next)]],
        crumbs=((say("Requests"), "/requests"),),
        active="/requests",
    )


def content(found: RequestInWords, call: Call) -> list[h.Node]:
    """All of it, in the order in which somebody decides.

    What whoever is to decide can do stays as it came while the rest follows the ledger: a form keeps the version that
    was read.
    """
    view = found.view
    doing = choices(found, call)
    return [
        problem("unread", found.title, say("Ask whoever sent it, before you decide.")) if _is_lost(found) else None,
        h.p[h.a(".button", href="#do")[say("Read it, then decide")]] if doing else None,
        section(say("What is asked"), terms(found.asked), _used(found), _count(found), anchor="asked"),
        _form(found),
        section(say("What each hospital says"), _decisions(view.decisions), terms(found.reasons), anchor="decisions"),
        h.div("#doing", hx_preserve="true" if decides(found, call) else None)[doing] if doing else None,
        _papers(found),
        _said(found),
        _duties(found),
        section(say("What would be computed"), terms(found.plan), anchor="plan") if found.plan else None,
        section(say("Who asks"), _people(found), anchor="people"),
    ]


def _is_lost(found: RequestInWords) -> bool:
    return found.is_lost and any(each.kind == "form" for each in found.view.documents)


def _count(found: RequestInWords) -> h.Node:
    """The way to a count, where it is read and where a hospital looks what it would answer."""
    if found.view.content is None or str(found.view.content.kind) != "count":
        return None
    here = at("scientist", "counts", found.view.request)
    return h.p[h.a(href=here)[say("How far the count is, and what this hospital would answer")]]


def _used(found: RequestInWords) -> h.Node:
    return [h.p(".quiet")[say("Used here so far:"), " ", theirs(f"{each.study}: {each}")] for each in found.machine]


def _form(found: RequestInWords) -> h.Node:
    if not found.answers:
        return None
    return section(
        say("In the words of who asks"),
        definitions(((theirs(asks), _lines(said)) for asks, said in found.answers), "facts worded"),
        anchor="form",
    )


def _lines(text: str) -> h.Node:
    """A text with its paragraphs."""
    return [h.p[each] for each in text.split("\n\n")] if "\n\n" in text else text


def _decisions(words: tuple[HospitalWord, ...]) -> h.Element:
    if not words:
        return empty(say("No hospital was asked yet."))
    head = (say("Hospital"), say("Dataset"), say("Says"), say("Its policy"), say("Persons"), say("Until"), say("Stage"))
    rows = [
        (
            each.organisation,
            say("{dataset}, version {version}", dataset=each.dataset, version=each.version),
            h.fragment[standing(each.status), " ", codes.word(REASONS, each.reason)],
            standing(each.answer),
            say("{said} of {needed} said yes", said=len(each.approvals), needed=each.needed)
            + (f": {', '.join(each.approvals)}" if each.approvals else ""),
            until(each.until_ms),
            codes.word(STAGES, each.processing) or "–",
        )
        for each in words
    ]
    return table(head, rows, caption=say("What each hospital says"), folds=True)


def _papers(found: RequestInWords) -> h.Node:
    if not found.papers:
        return None
    head = (say("Document"), say("Of whom"), say("Version"), say("File"))
    rows = [
        (codes.word(PAPERS, each.kind), each.by, str(each.version or "–"), _file(found.view.request, each))
        for each in found.papers
    ]
    return section(say("Attached"), table(head, rows, caption=say("Attached"), folds=True), anchor="documents")


def _file(request: str, each: Paper) -> h.Node:
    if each.reading is not Reading.READ:
        return theirs(f"{each.reading}: {each.reason}" if each.reason else str(each.reading))
    return [
        h.a(href=at("requests", request, "documents", each.digest.hex()), download=True)[each.title or say("a text")],
        f" {each.media}, {size(each.size)}",
        h.details[h.summary[say("Read it")], h.pre(".letter")[each.text]] if each.text else None,
    ]


def _said(found: RequestInWords) -> h.Node:
    if not found.said:
        return None
    return section(
        say("Said beside it"), h.ol(".talk")[[_word(each, found.view.version) for each in found.said]], anchor="said"
    )


def _word(each: SaidInWords, version: int) -> h.Element:
    word = each.word
    return h.li[
        h.p[
            h.b[word.by],
            " ",
            said(word),
            h.span(".quiet")[" ", say("on version {version}", version=word.version)]
            if 0 < word.version < version
            else None,
            h.span(".quiet")[" ", say("(for this hospital alone)")] if not word.public else None,
        ],
        h.blockquote[_lines(each.text)] if each.text else None,
    ]


def _duties(found: RequestInWords) -> h.Node:
    if not found.duties:
        return None
    head = (say("Duty"), say("To"), say("For"), say("Stands"), say("Due"), say("Shown by"))
    rows = [
        (
            codes.word(DUTIES, each.kind),
            each.organisation,
            each.dataset,
            standing(each.standing),
            moment(each.due_ms),
            ", ".join(each.shown_by) or "–",
        )
        for each in found.duties
    ]
    return section(say("Owed for it"), table(head, rows, caption=say("Owed for it"), folds=True), anchor="duties")


def _people(found: RequestInWords) -> h.Element:
    view = found.view
    return definitions(
        (
            (say("applicant"), view.applicant),
            (say("takes part"), ", ".join(view.members)),
            (say("invited"), ", ".join(view.invited)),
            (
                say("a copy of"),
                h.a(href=at("requests", view.copied_from))[view.copied_from] if view.copied_from else None,
            ),
            (say("number outside"), view.external),
            (say("handed in"), until(view.submitted_ms) if view.submitted_ms else None),
            (say("version"), str(view.version)),
            (say("digest, which a decision binds"), h.code[view.digest.hex()] if view.digest else None),
        )
    )


@pages.show("/requests/{name}/documents/{digest}", READ)
def document(call: Call, name: str, digest: str) -> Response:
    """A document that was attached, as a file: its author chose what is in it."""
    with call.ledger() as ledger:
        view = reading.shown(ledger, name, None).view
        chain_id = ledger.genesis.chain_id
    found = reading.openable(call.papers, chain_id, name, document_of(view, digest))
    headers = {"Content-Disposition": f'attachment; filename="{name}-{digest[:12]}"'}
    return Response(found.data, media_type="application/octet-stream", headers=headers)
