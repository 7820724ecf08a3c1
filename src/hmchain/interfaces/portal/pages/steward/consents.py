"""What patients permit: consents that the hospital keeps, lists of who opted out, and what a use may have."""

from __future__ import annotations

import htpy as h

from hmchain.application.access.permissions import Operation, Rule, Scope
from hmchain.application.data import consents, datasets
from hmchain.application.data.consents import ConsentCheck, ConsentLine
from hmchain.application.pages.markup import definitions, table
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.portal.components import (
    BAD,
    GOOD,
    PLAIN,
    WARN,
    badge,
    choice_field,
    confirmed,
    empty,
    form,
    section,
    text_field,
)
from hmchain.interfaces.portal.components import pages as paging
from hmchain.interfaces.portal.framing import csrf_of
from hmchain.interfaces.portal.page import Page
from hmchain.interfaces.portal.pages.words import at, may
from hmchain.interfaces.portal.registry import Fields, Next, Pages
from hmchain.interfaces.portal.texts import Later, amount, day, later, of_later, say, say_n, share, theirs
from hmchain.records.consents.optout_lists import OptOutList
from hmchain.records.deidentification.patients import Patient

VIEW = Rule(Operation.VIEW, Scope.HOSPITAL, ("steward", "protection", "ethics"))
CHANGE = Rule(Operation.CHANGE, Scope.HOSPITAL, ("steward",))
PATH, TAKE = "/steward/consents", "/steward/consents-in"
_PAGE = 50
_BASES: dict[str, Later] = {
    "opt-out": later("opt-out: all records but those of patients who object"),
    "consent": later("consent: the records alone of patients who permit it"),
}
_USES = ("train", "count", "prepare", "register", "export", "transfer", "evidence")

pages = Pages("steward")


@pages.show(PATH, VIEW, later("Consents"))
def list_consents(call: Call, offset: int = 0, dataset: str = "", use: str = "train", purpose: str = "") -> Page:
    """All consents, the lists of others, and what a use of a dataset may have."""
    offset = max(offset, 0)
    with call.records() as records:
        found, lists = consents.all_of(records), consents.lists(records)
        names = list(dict.fromkeys(each.dataset for each in datasets.versions(records)))
        bases = {name: consents.basis(records, name) for name in names}
        checked = consents.checked(records, dataset, use, purpose) if dataset in names else None
    rows = [
        (
            name,
            of_later(_BASES[said.basis.value]),
            ", ".join(said.purposes) or "–",
            _change(call, name, said.basis.value),
        )
        for name, said in bases.items()
    ]
    head = (say("Dataset"), say("Goes by"), say("Kept for"), say("Change it"))
    return Page(
        say("Consents"),
        [
            h.p[h.a(".button", href=TAKE)[say("Take in consents and opt-outs")]] if may(call, CHANGE) else None,
            section(
                say("By what datasets are used"),
                table(head, rows, caption=say("By what datasets are used"), folds=True)
                if rows
                else empty(say("There is no dataset yet.")),
                anchor="basis",
            ),
            section(
                say("What may a use have?"), _question(names, dataset, use, purpose), _checked(checked), anchor="check"
            )
            if names
            else None,
            section(
                say("Consents that are kept"),
                _consents(found[offset : offset + _PAGE]),
                paging(PATH, {}, offset, _PAGE, len(found)),
                anchor="consents",
            ),
            section(say("Lists of who opted out"), _lists(call, lists), anchor="lists"),
            _withdrawal(call),
        ],
        lead=say("What patients permit stays here; it is asked before every use of a record. Nobody is named."),
    )


def _change(call: Call, name: str, now: str) -> h.Node:
    if not may(call, CHANGE):
        return "–"
    return form(
        f"{at('steward', 'consents', name)}/basis",
        csrf_of(call.request),
        choice_field(
            f"basis@{name}", say("From the next use on"), {code: of_later(words) for code, words in _BASES.items()}, now
        ),
        text_field(f"purposes@{name}", say("Kept for"), help=say("Codes, with commas; nothing for research.")),
        label=say("Change it"),
        sends=say("Change it"),
    )


def _question(names: list[str], dataset: str, use: str, purpose: str) -> h.Element:
    return h.form(".entry.inline", method="get", action=f"{PATH}#check")[
        choice_field("dataset", say("Dataset"), {name: name for name in names}, dataset),
        choice_field("use", say("Use"), {each: each for each in _USES}, use),
        text_field("purpose", say("Purposes"), purpose, help=say("Codes, with commas; nothing for research.")),
        h.p(".send")[h.button(type="submit")[say("See")]],
    ]


def _checked(found: ConsentCheck | None) -> h.Node:
    if found is None:
        return None
    left = [(theirs(reason), amount(count)) for reason, count in found.left_out.items()]
    return [
        h.p[
            h.b[
                say(
                    "{count} of {all} records, of {patients} patients, may be used.",
                    count=amount(found.records),
                    all=amount(found.of),
                    patients=amount(found.patients),
                )
            ],
            " ",
            share(found.records / found.of if found.of else None),
        ],
        definitions(
            ((say("dataset"), f"{found.dataset} v{found.version}"), (say("goes by"), of_later(_BASES[found.basis])))
        ),
        table((say("Not, since"), say("Records")), left, caption=say("Why others may not be used")) if left else None,
        h.p(".quiet")[say("These numbers stay here.")],
    ]


def _consents(found: tuple[ConsentLine, ...]) -> h.Element:
    if not found:
        return empty(say("The hospital keeps no consent. What is taken in stands here."))
    head = (say("Consent"), say("Given"), say("Stands"), say("Rule"), say("For"), say("Exceptions"), say("Until"))
    rows = [
        (
            h.a(href=at("steward", "consents", each.id))[h.code[each.id[:12]]],
            _day(each.given_ms),
            _stands(each),
            each.rule or "–",
            ", ".join(each.purposes) or say("all uses"),
            amount(each.exceptions),
            _day(each.until_ms),
        )
        for each in found
    ]
    return table(head, rows, caption=say("Consents that are kept"), folds=True)


def _stands(each: ConsentLine) -> h.Element:
    if each.is_withdrawn:
        return badge(say("withdrawn"), BAD)
    if each.doubts:
        return badge(say("{status}, cannot be decided", status=each.status), WARN)
    return badge(theirs(each.status), GOOD if each.status == "active" else PLAIN)


def _day(time_ms: int | None) -> str:
    return "–" if time_ms is None else day(time_ms)


def _withdrawal(call: Call) -> h.Node:
    if not may(call, CHANGE):
        return None
    return section(
        say("A patient withdraws"),
        form(
            f"{PATH}/withdraw",
            csrf_of(call.request),
            h.p[say("It holds from the next use on. A finished model keeps what it learnt from all together.")],
            text_field(
                "number", say("The patient's number"), kind="password", required=True, autocomplete="off",
                help=say("It is not shown, and kept nowhere."),
            ),
            text_field("issuer", say("Who issued it, if not this hospital"), autocomplete="off"),
            text_field("consent", say("Only the consent that begins like this"), autocomplete="off"),
            sends=say("Note that the patient withdraws"),
        ),
        anchor="withdraw",
    )  # fmt: skip


@pages.do(f"{PATH}/withdraw", CHANGE)
def withdraw(call: Call, fields: Fields) -> Next:
    """Note that a patient withdraws: the records are in no use that begins from now on."""
    who = Patient(fields.text("number").strip(), fields.text("issuer").strip())
    with call.records_to_note() as records:
        done = consents.withdraw(records, who, fields.text("consent").strip())
    said = say_n("{count} consent is withdrawn.", "{count} consents are withdrawn.", done.withdrawn)
    return Next(PATH, said if done.withdrawn else say("It was withdrawn before; nothing was changed."))


def _lists(call: Call, found: tuple[OptOutList, ...]) -> h.Element:
    if not found:
        return empty(say("No list is kept here. What is taken in stands here."))
    head = (
        say("List"),
        say("Issuer"),
        say("Numbers"),
        say("Known here"),
        say("Of"),
        say("Reconciled"),
        say("Forget it"),
    )
    rows = [
        (
            each.name,
            each.issuer or "–",
            amount(each.numbers),
            amount(each.here),
            _day(each.as_of_ms),
            day(each.reconciled_ms),
            _forgetting(call, each.name),
        )
        for each in found
    ]
    return table(head, rows, caption=say("Lists of who opted out"), folds=True)


def _forgetting(call: Call, name: str) -> h.Node:
    if not may(call, CHANGE):
        return "–"
    return confirmed(
        say("Forget it"),
        say("Who is on no other list may be used again, from the next use on."),
        f"{TAKE}/forget",
        csrf_of(call.request),
        say("Forget {name}", name=name),
        h.input(type="hidden", name="list", value=name),
    )


@pages.show(f"{PATH}/{{name}}", VIEW)
def consent(call: Call, name: str) -> Page:
    """What one consent says, rule by rule."""
    with call.records() as records:
        found = consents.one(records, name)
    return Page(
        say("Consent {name}", name=found.line.id[:12]),
        [
            definitions(
                (
                    (say("stands"), _stands(found.line)),
                    (say("given"), _day(found.line.given_ms)),
                    (say("policies"), ", ".join(found.line.policies)),
                )
            ),
            h.ol[[h.li[theirs(sentence)] for sentence in found.rules]],
            [h.p[badge(say("cannot be decided"), WARN), " ", theirs(doubt)] for doubt in found.line.doubts],
        ],
        crumbs=((say("Consents"), PATH),),
        active=PATH,
    )


@pages.do(f"{PATH}/{{name}}/basis", CHANGE)
def basis(call: Call, name: str, fields: Fields) -> Next:
    """Say by what a dataset is used from now on."""
    with call.records_to_note() as records:
        consents.say_basis(records, name, fields.text("basis"), fields.text("purposes"))
    return Next(PATH, say("It holds from the next use on."))
