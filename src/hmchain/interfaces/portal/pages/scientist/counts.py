"""Counting people: a question put together, read back in plain words, asked, and its answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated
from urllib.parse import urlencode

import htpy as h
from fastapi import Query

from hmchain.application.access.permissions import Operation, Rule, Scope
from hmchain.application.cohort import building, grammar
from hmchain.application.cohort.building import EventChosen
from hmchain.application.cohort.words import words
from hmchain.application.governance import counts as services
from hmchain.application.governance.counts import CountQuestion, CountStanding, PlannedCount
from hmchain.application.governance.purposes import PURPOSES
from hmchain.application.models import counts as results
from hmchain.application.models.counts import CountResult
from hmchain.application.pages.markup import definitions, table
from hmchain.clock import utc
from hmchain.errors import HMChainError
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.api.routes.counts import COUNT_HERE
from hmchain.interfaces.portal.components import (
    after_field,
    choice_field,
    empty,
    form,
    fresh,
    problem,
    section,
    text_field,
    tick_box,
)
from hmchain.interfaces.portal.framing import csrf_of
from hmchain.interfaces.portal.page import Page
from hmchain.interfaces.portal.pages.numbers import number
from hmchain.interfaces.portal.pages.words import at, is_own, may, purpose, standing
from hmchain.interfaces.portal.registry import Fields, Next, Pages
from hmchain.interfaces.portal.texts import Later, later, of_later, say, theirs
from hmchain.ledger.readers import catalogue as reader
from hmchain.ledger.readers.catalogue import DatasetOffer

VIEW = Rule(Operation.VIEW, Scope.NETWORK)
ASK = Rule(Operation.ASK, Scope.HOSPITAL, ("scientist",))
PATH = "/scientist/counts"
EVENTS = 3
_KINDS: dict[str, Later] = {
    "condition": later("a diagnosis of"),
    "procedure": later("the procedure"),
    "drug": later("the drug"),
    "measurement": later("a measurement of"),
    "modality": later("images by"),
}
Texts = Annotated[Sequence[str], Query(max_length=100)]

pages = Pages("scientist")


@pages.show(PATH, VIEW, later("Count people"))
def counts(
    call: Call,
    query: str = "",
    dataset: Texts = (),
    purpose: str = "health-research",
    epsilon: float = 0.5,
    sex: str = "",
    age_from: str = "",
    age_to: str = "",
    kind: Texts = (),
    code: Texts = (),
    since: Texts = (),
    had: Texts = (),
) -> Page:
    """The question, and all counts that were asked for."""
    events = [EventChosen(*each[:3], had=each[3] != "not") for each in zip(kind, code, since, had, strict=False)]
    query = query.strip() or building.composed(sex, age_from, age_to, events)
    with call.ledger() as ledger:
        state = ledger.verified.state
        offers = [each for each in reader.offers(state, call.organisation) if each.counts_people]
        found = services.listed(state)
    question = CountQuestion(query, tuple(dataset), (purpose,), epsilon)
    return Page(
        say("Count people"),
        [
            section(say("1. Whom to count"), _builder(query, dataset, purpose, epsilon), anchor="whom"),
            section(say("2. Where, and what for"), _question(call, question, offers), anchor="question"),
            section(say("Counts that were asked for"), _listed(found), anchor="counts"),
        ],
        lead=say("One number over all hospitals, with noise: no hospital's own number leaves it, and nobody is named."),
    )


def _builder(query: str, datasets: Sequence[str], purpose: str, epsilon: float) -> h.Element:
    kinds = {kind: of_later(title) for kind, title in _KINDS.items()}
    rows = [
        h.div(".inline.field", role="group", aria_label=say("Something that they had, {number}", number=place + 1))[
            choice_field(f"had@{place}", say("They"), {"": say("had"), "not": say("had not")}),
            choice_field(f"kind@{place}", say("What"), kinds),
            text_field(f"code@{place}", say("Code"), help=say("As ICD10:C50; of images MR, CT."), maxlength="100"),
            text_field(f"since@{place}", say("Since"), help=say("A day, as 2015-01-01."), maxlength="100"),
        ]
        for place in range(EVENTS)
    ]
    kept = [h.input(type="hidden", name="dataset", value=each) for each in datasets]
    return h.form(".entry", method="get", action=f"{PATH}#question")[
        kept,
        h.input(type="hidden", name="purpose", value=purpose),
        h.input(type="hidden", name="epsilon", value=f"{epsilon:g}"),
        h.div(".inline.field")[
            choice_field("sex", say("Sex"), {"": say("any"), "female": say("female"), "male": say("male")}),
            text_field("age_from", say("Age from"), kind="number", min="0", max="150"),
            text_field("age_to", say("up to"), kind="number", min="0", max="150"),
        ],
        rows,
        h.details(open=bool(query))[
            h.summary[say("Or write the question")],
            text_field(
                "query",
                say("The question as a text"),
                query,
                help=say("female and age 50..79 and condition ICD10:C50 since 2015-01-01"),
                maxlength="2000",
            ),
        ],
        h.p(".send")[h.button(type="submit")[say("Read it back to me")]],
    ]


def _question(call: Call, question: CountQuestion, offers: list[DatasetOffer]) -> h.Node:
    if not question.query:
        return empty(say("Say first whom to count."))
    try:
        said = words(grammar.parse(question.query, int(utc(call.now_ms())[:4])))
    except HMChainError as error:
        return problem(error.code, error.what, error.hint or "", say("That question cannot be read:"))
    if not offers:
        return [
            h.p[say("It counts:"), " ", h.b[theirs(said)]],
            empty(say("No hospital has published records in which people can be counted.")),
        ]
    boxes = [
        tick_box(
            "dataset",
            (name := f"{each.organisation}/{each.dataset}"),
            f"{name} · ",
            theirs(each.records),
            " ",
            standing(each.answer) if each.answer else None,
            checked=name in question.datasets,
        )
        for each in offers
    ]
    return [
        h.p[say("It counts:"), " ", h.b[theirs(said)]],
        h.form(".entry", method="get", action=f"{PATH}#question")[
            h.input(type="hidden", name="query", value=question.query),
            h.fieldset(".field")[h.legend[say("At which hospitals")], boxes],
            choice_field(
                "purpose",
                say("What for"),
                {word: str(purpose(code)) for word, code in PURPOSES.items()},
                question.purposes[0],
            ),
            text_field(
                "epsilon",
                say("What may be learned of one person"),
                f"{question.epsilon:g}",
                kind="number",
                min="0.01",
                max="1",
                step="0.01",
                help=say("Less is more noise, and costs less of each hospital's budget."),
            ),
            h.p(".send")[h.button(type="submit")[say("What would be asked?")]],
        ],
        _plan(call, question) if question.datasets else None,
    ]


def _plan(call: Call, question: CountQuestion) -> h.Node:
    if not may(call, ASK):
        return h.p(".quiet")[say("A scientist of this hospital can ask it.")]
    try:
        with call.user() as user:
            planned = services.plan(user, question)
    except HMChainError as error:
        return problem(error.code, error.what, error.hint or "", say("That cannot be asked:"))
    return h.div(".panel")[_planned(planned), _next_step(call, question, planned)]


def _planned(planned: PlannedCount) -> h.Element:
    return definitions(
        (
            (say("counts"), theirs(planned.words)),
            (say("hospitals"), ", ".join(planned.hospitals)),
            (say("costs"), say("{epsilon} of each hospital's budget, never paid back", epsilon=f"{planned.epsilon:g}")),
            (say("stands"), theirs(str(planned.standing)) if planned.standing else say("not asked yet")),
        )
    )


def _next_step(call: Call, question: CountQuestion, planned: PlannedCount) -> h.Node:
    stands = planned.standing
    if stands is not None and not stands.is_unused:
        return h.p[h.a(href=at("scientist", "counts", planned.count))[say("See it")]]
    if stands is not None and stands.waits_for:
        return [
            h.p[say("A person decides at {hospitals}.", hospitals=", ".join(stands.waits_for))],
            h.p[h.a(href=at("requests", planned.count))[say("See its request")]],
            _propose(call, stands),
        ]
    if stands is not None:
        return _propose(call, stands)
    asked = [
        ("query", question.query),
        ("purpose", question.purposes[0]),
        ("epsilon", f"{question.epsilon:g}"),
        *(("dataset", each) for each in question.datasets),
    ]
    hidden = [h.input(type="hidden", name=name, value=value) for name, value in asked]
    return form(
        f"{PATH}/ask",
        csrf_of(call.request),
        hidden,
        after_field(f"{PATH}?{urlencode(asked)}#question"),
        h.p(".quiet")[
            say("You sign what it asks, and that it is put before the hospitals; you see each before you sign.")
        ],
        sends=say("Ask the hospitals"),
    )


def _propose(call: Call, stands: CountStanding) -> h.Element:
    here = at("scientist", "counts", stands.count)
    return form(
        f"{here}/propose",
        csrf_of(call.request),
        after_field(here),
        h.p[
            say(
                "Counted now, by {hospitals}. What is charged is never paid back.",
                hospitals=", ".join(stands.allowed_by) or "–",
            )
        ],
        sends=say("Have it counted"),
    )


def _listed(found: tuple[CountStanding, ...]) -> h.Element:
    if not found:
        return empty(say("Nobody has asked how many people there are."))
    head = (say("Count"), say("Counts"), say("Stands"), say("Waits for"))
    rows = [
        (
            h.a(href=at("scientist", "counts", each.count))[each.count],
            theirs(each.words),
            theirs(each.status),
            ", ".join(each.waits_for) or "–",
        )
        for each in found
    ]
    return table(head, rows, caption=say("Counts that were asked for"), folds=True)


@pages.show(f"{PATH}/{{name}}", VIEW)
def count(call: Call, name: str) -> Page:
    """One count, with its number where this hospital has it."""
    with call.ledger() as ledger:
        state = ledger.verified.state
        found, answer, lost = services.standing(state, name), None, ""
        if found.is_done and is_own(call):
            try:
                answer = results.result(call.place, state, found.study, call.passphrase)
            except HMChainError as error:
                lost = error.what
    return Page(
        name,
        fresh(
            "count",
            at("scientist", "counts", name),
            ("request.", "count.", "study.", "round."),
            _answer(answer) if answer else None,
            problem("no_number", lost, "", say("The number is not here:")) if lost else None,
            _standing(found),
            _own_answer(call, found),
            _propose(call, found) if found.is_unused and found.allowed_by and may(call, ASK) else None,
        ),
        lead=theirs(found.words),
        crumbs=((say("Count people"), PATH),),
        active=PATH,
    )


def _answer(found: CountResult) -> h.Element:
    return section(
        say("The answer"),
        h.p(".figure")[h.b[theirs(str(found))]],
        definitions(
            (
                (say("hospitals"), ", ".join(found.hospitals)),
                (say("without"), ", ".join(each for each in found.asked if each not in found.hospitals)),
                (say("what may be learned of one person"), f"{found.epsilon:g}"),
                (
                    say("release"),
                    ", ".join(found.releases) or say("none: the number stays inside the hospitals that were counted"),
                ),
            )
        ),
        anchor="answer",
    )


def _standing(found: CountStanding) -> h.Element:
    return definitions(
        (
            (say("stands"), [theirs(found.status), f" {found.reason}" if found.reason else None]),
            (say("question"), h.code[found.query]),
            (say("allowed by"), ", ".join(found.allowed_by)),
            (say("waits for"), ", ".join(found.waits_for)),
            (say("denied by"), ", ".join(found.denied_by)),
            (say("request"), h.a(href=at("requests", found.count))[found.count]),
        )
    )


def _own_answer(call: Call, found: CountStanding) -> h.Node:
    """What a steward of a hospital that is asked looks at before deciding."""
    asked = {*found.waits_for, *found.allowed_by, *found.denied_by}
    if call.organisation not in asked or not may(call, COUNT_HERE):
        return None
    return form(
        f"{at('scientist', 'counts', found.count)}/check",
        csrf_of(call.request),
        h.p[say("Exactly, from this hospital's own records. It stays here, and stands in the hospital's log.")],
        sends=say("See what this hospital would answer"),
    )


# -- asking ------------------------------------------------------------------------------------------------------------


@pages.do(f"{PATH}/ask", ASK)
def ask(call: Call, fields: Fields) -> Next:
    """Put the question before the hospitals; the same question goes on with what was begun."""
    question = CountQuestion(
        fields.text("query"),
        tuple(fields.texts("dataset")),
        (fields.text("purpose"),),
        number("epsilon", fields.text("epsilon")),
    )
    with call.user() as user:
        done = services.ask(user, question)
    return Next(at("scientist", "counts", done.count), say("The hospitals are asked."))


@pages.do(f"{PATH}/{{name}}/propose", ASK)
def propose(call: Call, name: str, fields: Fields) -> Next:
    """Have it counted by the hospitals that allow it."""
    with call.user() as user:
        services.propose(user, name)
    return Next(at("scientist", "counts", name), say("The hospitals count."))
