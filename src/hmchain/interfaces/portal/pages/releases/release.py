"""Releases: what would leave, for whom, what each hospital said, and this hospital's own evidence and decision."""

from __future__ import annotations

import re
from collections.abc import Sequence

import htpy as h
from starlette.responses import Response

from hmchain.application.access.permissions import allowed
from hmchain.application.disclosure import page as evidence_page
from hmchain.application.disclosure.evidence import Evidence
from hmchain.application.jobs.jobs import OVER
from hmchain.application.node.release_words import audience_words
from hmchain.application.pages.markup import definitions, table
from hmchain.application.releases import asking, deciding
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.api.parameters import Nothing
from hmchain.interfaces.api.routes import releases as routes
from hmchain.interfaces.api.routes.releases import ASK, DECIDE, MEASURE, TAKE, VIEW, WEIGH
from hmchain.interfaces.portal.components import (
    WARN,
    after_field,
    badge,
    by_itself,
    check_field,
    choice_field,
    confirmed,
    empty,
    form,
    fresh,
    problem,
    progress,
    section,
)
from hmchain.interfaces.portal.framing import csrf_of
from hmchain.interfaces.portal.page import Page
from hmchain.interfaces.portal.pages import codes
from hmchain.interfaces.portal.pages.bodies import body
from hmchain.interfaces.portal.pages.codes.requests import REASONS
from hmchain.interfaces.portal.pages.words import at, is_own, may, purpose, standing, until
from hmchain.interfaces.portal.registry import Fields, Next, Pages
from hmchain.interfaces.portal.texts import ENGLISH, amount, later, say, say_n, theirs
from hmchain.interfaces.portal.working import latest
from hmchain.ledger.readers import releases as reader
from hmchain.ledger.readers.releases import REFUSED, ReleaseView, ReleaseWord

PATH, CHECK = "/releases", "/releases-check"
MEASURED = "release evidence"
CHANGES = ("release.",)
_DIGEST = re.compile("[0-9a-f]{64}")
_WHY_NOT = ("disclosure", "ethics", "purpose", "quality", "recipients", "other")

pages = Pages()


def waits(call: Call) -> int:
    """How many releases wait for this hospital."""
    with call.ledger() as ledger:
        return sum(1 for _ in reader.waiting_for(ledger.verified.state, call.organisation))


@pages.show(PATH, VIEW, later("Releases"), waits)
def releases(call: Call) -> Page:
    """All of them: what waits for this hospital first."""
    with call.ledger() as ledger:
        found = asking.listed(ledger.releases(), call.organisation)
    nothing = empty(say("Nobody has asked for a release. What is asked for stands here."))
    return Page(
        say("Releases"),
        [
            fresh("releases", PATH, CHANGES, _table(found) if found else nothing),
            h.p[h.a(href=CHECK)[say("Check a file that you were handed")]] if _may_take(call) else None,
        ],
        lead=say("What studies made stays inside until every hospital whose records are in it lets it leave."),
    )


def _table(found: Sequence[ReleaseView]) -> h.Element:
    head = (say("Release"), say("What"), say("For"), say("Where"), say("Stands"), say("Waits for"))
    rows = [
        (
            h.a(href=at("releases", each.release))[each.release],
            theirs(each.what),
            theirs(audience_words(each.audience)),
            ", ".join(each.regions) or say("anywhere"),
            standing(each.status),
            ", ".join(each.waits_for) if each.is_asked else "–",
        )
        for each in found
    ]
    return table(head, rows, caption=say("Releases"), folds=True)


@pages.show(f"{PATH}/{{name}}", VIEW)
def release(call: Call, name: str) -> Page:
    """One of them, with this hospital's evidence for those who may read it."""
    with call.ledger() as ledger:
        found = ledger.release(name)
    own, evidence = found.of(call.organisation), None
    may_read = own is not None and is_own(call) and allowed(WEIGH, call.who, _theirs(call))
    if may_read:
        evidence = deciding.kept_evidence(call.folder, found, call.passphrase)
    return Page(
        say("Release {name}", name=name),
        fresh(
            "release",
            at("releases", name),
            CHANGES,
            _choices(call, found, own, evidence),
            _facts(found),
            _file(call, found) if found.is_released else None,
            _words(found.words),
            _evidence(call, evidence, found) if may_read else None,
        ),
        lead=[standing(found.status), " ", theirs(found.what)],
        crumbs=((say("Releases"), PATH),),
        active=PATH,
    )


def _theirs(call: Call) -> str:
    """Whose people may read what this hospital keeps; whoever looks at a run looks as all of its hospitals."""
    return call.who.organisation if call.site.is_read_only and call.who else call.organisation


def _may_take(call: Call) -> bool:
    return is_own(call) and allowed(TAKE, call.who, _theirs(call))


def _facts(found: ReleaseView) -> h.Element:
    return definitions(
        (
            (
                say("what"),
                [
                    theirs(found.what),
                    " ",
                    h.a(href=at("studies", found.study))[say("how it was made")] if found.study else None,
                ],
            ),
            (say("made for"), purpose(found.purpose) if found.purpose else None),
            (say("for"), theirs(audience_words(found.audience))),
            (say("where"), ", ".join(found.regions) or say("anywhere")),
            (say("asked by"), found.by),
            (say("waits for"), ", ".join(found.waits_for) if found.is_asked else None),
            (
                say("since"),
                [
                    until(found.time_ms),
                    ", ",
                    h.a(href=f"/auditor/blocks/{found.height}")[say("block {height}", height=amount(found.height))],
                ],
            ),
            (say("digest"), h.code[found.artefact.hex()]),
        )
    )


def _file(call: Call, found: ReleaseView) -> h.Element:
    """Where who may have it takes it; it lies at the hospitals that made it."""
    here, has_it = at("releases", found.release), found.of(call.organisation) is not None
    may_take = _may_take(call)
    return section(
        say("It may leave"),
        h.p[say("The file carries its proof: whoever is handed it checks it with nothing else, offline.")],
        h.p[h.a(".button.main", href=f"{here}/file", download=True)[say("Take the file")]]
        if has_it and may_take
        else None,
        h.p(".quiet")[say("On your machine:"), " ", h.code[f"hmchain release file {found.release} --to FILE"]],
        h.p[h.a(href=CHECK)[say("Check a file that you were handed")]] if may_take else None,
        anchor="file",
    )


def _words(words: Sequence[ReleaseWord]) -> h.Element:
    head = (say("Hospital"), say("Says"), say("Why"), say("Who"), say("When"), say("Evidence"))
    rows = [
        (
            each.organisation,
            [badge(say("{said} of {needed} persons said yes", said=len(each.persons), needed=each.needed), WARN)]
            if each.is_waiting
            else standing(each.decision),
            codes.word(REASONS, each.reason) or "–",
            ", ".join(each.persons) or (say("its agent, by its policy") if each.time_ms else "–"),
            until(each.time_ms),
            h.code[each.evidence.hex()[:16]] if each.evidence else "–",
        )
        for each in words
    ]
    return section(
        say("What each hospital says"),
        table(head, rows, caption=say("What each hospital says"), folds=True),
        anchor="words",
    )


def _evidence(call: Call, found: Evidence | None, view: ReleaseView) -> h.Element:
    title = say("This hospital's own evidence")
    if found is None:
        return section(title, _measuring(call, view), anchor="evidence")
    return section(
        title,
        h.p(".quiet")[
            say("Measured from this hospital's own records; nobody else sees it, others get its digest."),
            " ",
            theirs(evidence_page.dates(found)),
        ],
        h.div(lang=ENGLISH)[evidence_page.content(found)],
        anchor="evidence",
    )


def _measuring(call: Call, view: ReleaseView) -> h.Node:
    """How far the measurement is; or the way to begin it."""
    found = latest(call, MEASURED, view.release)
    here = at("releases", view.release)
    again = {"hx_get": here, **by_itself("release")}  # with what one may do
    if found is not None and found.state not in OVER:
        return h.div("#measuring", hx_trigger="every 3s", **again)[
            progress(say("It is measured"), found.done, found.of)
        ]
    failed = say("The last measurement failed:")
    return h.div("#measuring", hx_trigger="every 10s", **again)[  # another steward may begin it, or have it done
        problem(found.code, found.detail, found.hint, failed) if found and found.code else None,
        empty(
            say("Nothing was measured yet. It takes minutes, on this hospital's machine, from its own records."),
            form(f"{here}/measure", csrf_of(call.request), sends=say("Measure it"))
            if may(call, MEASURE) else None,
        ),
    ]  # fmt: skip


@pages.show(f"{PATH}/{{name}}/file", TAKE)
def taken(call: Call, name: str) -> Response:
    """What was released, with its proof."""
    found: Response = routes.take_released_file(call, name)
    return found


# -- deciding ----------------------------------------------------------------------------------------------------------


def _choices(call: Call, found: ReleaseView, own: ReleaseWord | None, evidence: Evidence | None) -> h.Node:
    forms: list[h.Node] = []
    if own is not None and found.is_asked and may(call, DECIDE):
        forms += [_yes(call, found, own, evidence), _no(call, found)]
    if found.is_asked and found.by.partition("/")[0] == call.organisation and may(call, ASK):
        forms.append(_withdrawal(call, found))
    return section(say("What you can do"), forms, anchor="do") if forms else None


def _yes(call: Call, found: ReleaseView, own: ReleaseWord, evidence: Evidence | None) -> h.Node:
    if not own.is_waiting and own.decision != REFUSED:
        return None
    if own.is_waiting and call.person.name in own.persons:
        return h.p[say("You have said yes; it takes another person of your hospital.")]
    if evidence is None:
        return problem("no_evidence", say("Without evidence nobody can say yes."), "", say("Measure first."))
    more = own.needed - len(own.persons) - 1 if own.is_waiting else own.needed - 1
    return _deed(
        call, found, "grant",
        h.input(type="hidden", name="evidence", value=evidence.digest.hex()),
        h.p[say("It leaves once all its hospitals say so, for good: nobody can take it back.")],
        h.p[say_n("After you, {count} more person says yes.", "After you, {count} more persons say yes.", more)]
        if more > 0 else None,
        check_field(
            "weighed",
            say("I have read what the evidence saw, or could not see"),
            help=say("Needed where a part of the evidence wants to be weighed."),
        ),
        sends=say("Let it leave"),
    )  # fmt: skip


def _deed(call: Call, found: ReleaseView, deed: str, *content: h.Node, sends: str) -> h.Element:
    here = at("releases", found.release)
    return form(f"{here}/{deed}", csrf_of(call.request), after_field(here), content, sends=sends)


def _no(call: Call, found: ReleaseView) -> h.Element:
    return confirmed(
        say("Keep it inside"),
        say("The reason is on the ledger for ever. You may let it leave later."),
        f"{at('releases', found.release)}/refuse",
        csrf_of(call.request),
        say("Keep it inside"),
        after_field(at("releases", found.release)),
        choice_field("reason", say("Why"), codes.choices(REASONS, _WHY_NOT)),
    )


def _withdrawal(call: Call, found: ReleaseView) -> h.Element:
    return confirmed(
        say("Ask no more for it"),
        say("What has left cannot be taken back."),
        f"{at('releases', found.release)}/withdraw",
        csrf_of(call.request),
        say("Withdraw it"),
        after_field(at("releases", found.release)),
    )


@pages.do(f"{PATH}/{{name}}/measure", MEASURE)
def measure(call: Call, name: str, fields: Fields) -> Next:
    """Measure, from this hospital's own records, what would leave tells of its people: long work."""
    with call.ledger() as ledger:
        ledger.release(name)
    call.begin_apart(MEASURED, name, deciding.measured_at, call.node.path, name, call.passphrase)
    return Next(f"{at('releases', name)}#evidence", say("It is measured; this page says when it is done."))


@pages.do(f"{PATH}/{{name}}/grant", DECIDE)
def grant(call: Call, name: str, fields: Fields) -> Next:
    """Let it leave, by the evidence that was read; the hospital's guard compares it with what left before."""
    with call.ledger() as ledger:
        found = deciding.as_read(call.folder, ledger, name, _digest(fields.text("evidence")), call.passphrase)
    with call.user() as user:
        deciding.grant(user, call.folder, found, call.passphrase, weighed=fields.text("weighed") == "yes")
    return Next(at("releases", name), say("This hospital lets it leave."))


def _digest(text: str) -> bytes:
    return bytes.fromhex(text) if _DIGEST.fullmatch(text) else b""


@pages.do(f"{PATH}/{{name}}/refuse", DECIDE)
def refuse(call: Call, name: str, fields: Fields) -> Next:
    """Keep it inside."""
    routes.refuse_release(call, name, body(routes.ReleaseRefusal, reason=fields.text("reason")))
    return Next(at("releases", name), say("It stays inside."))


@pages.do(f"{PATH}/{{name}}/withdraw", ASK)
def withdraw(call: Call, name: str, fields: Fields) -> Next:
    """Ask no more for it."""
    routes.withdraw_release(call, name, Nothing())
    return Next(at("releases", name), say("It is withdrawn."))
