"""What a patient may ask for: that nothing more is used, or that all is erased. No address and no log has a number.

Numbers come in forms alone, and go nowhere from there: what is done twice is typed twice.
"""

from __future__ import annotations

from collections.abc import Sequence

import htpy as h

from hmchain.application.access.permissions import Operation, Rule, Scope
from hmchain.application.data import publication
from hmchain.application.data.erasure import ErasurePreview
from hmchain.application.jobs.jobs import OVER, JobState
from hmchain.application.pages.markup import table
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.api.parameters import Nothing
from hmchain.interfaces.api.routes import erasures
from hmchain.interfaces.portal.components import (
    after_field,
    check_field,
    confirmed,
    empty,
    form,
    in_place,
    problem,
    progress,
    section,
    text_field,
)
from hmchain.interfaces.portal.framing import csrf_of
from hmchain.interfaces.portal.page import Page
from hmchain.interfaces.portal.pages.bodies import body
from hmchain.interfaces.portal.pages.numbers import FieldError
from hmchain.interfaces.portal.pages.words import at, may
from hmchain.interfaces.portal.registry import Fields, Next, Pages
from hmchain.interfaces.portal.texts import amount, later, say, say_n
from hmchain.interfaces.portal.working import ID, latest

VIEW = Rule(Operation.VIEW, Scope.HOSPITAL, ("steward", "protection", "ethics"))
LOOK = Rule(Operation.VIEW, Scope.HOSPITAL, ("steward",))
CHANGE = Rule(Operation.CHANGE, Scope.HOSPITAL, ("steward",))
DESTROY = Rule(Operation.DECIDE, Scope.HOSPITAL, ("steward",))
PATH = "/steward/patients"
ERASE = "data erase"

pages = Pages("steward")


@pages.show(PATH, VIEW, later("Opt-outs and erasures"))
def patients_page(call: Call) -> Page:
    """What can be done for a patient who asks."""
    with call.records() as records, call.ledger() as ledger:
        erased = publication.erased_versions(records)
        owed = publication.unsaid(ledger.verified.state, call.organisation, erased)
    return Page(
        say("Opt-outs and erasures"),
        [_work(call), _owed(call, owed), _opting_out(call), _erasing(call), _else()],
        lead=say("A patient is named by the number alone. It is shown nowhere, and stands in no address and no log."),
    )


def _number(deed: str) -> list[h.Node]:
    return [
        text_field(f"number@{deed}", say("The patient's number"), required=True, autocomplete="off", maxlength="200",
                   spellcheck="false", help=say("Read it twice before you send it.")),
        text_field(f"issuer@{deed}", say("Who issued it, if not this hospital"), autocomplete="off", maxlength="200"),
    ]  # fmt: skip


def _opting_out(call: Call) -> h.Element:
    means = h.ul[
        h.li[say("From the next use on nothing of the patient is used, and no extraction takes the patient in.")],
        h.li[say("What was extracted stays in the vault, encrypted, until it is erased. It is left out of every use.")],
        h.li[say("Other hospitals that were given records before keep them until their grant ends: take it back on its "
                 "page, if it must be sooner.")],
        h.li[say("A finished model stays as it is: it keeps what it learnt from all together.")],
        h.li[say("For treatment in an emergency records are still given: an opt-out is from research.")],
    ]  # fmt: skip
    forms = [
        form(f"{PATH}/opt-out", csrf_of(call.request), _number("out"), label=say("Opt out"), sends=say("Opt out")),
        h.details[
            h.summary[say("The patient agrees again")],
            h.p[say("From the next use on the records may be used as before.")],
            form(f"{PATH}/opt-in", csrf_of(call.request), _number("in"), label=say("Take the opt-out back"),
                 sends=say("Take the opt-out back")),
        ],
    ] if may(call, CHANGE) else None  # fmt: skip
    return section(say("A patient objects"), means, forms, anchor="opt-out")


def _erasing(call: Call) -> h.Element:
    words = say("The keys of all the patient's records are destroyed, then the records themselves: nobody brings them "
                "back, and the patient is opted out. Versions that had them can no longer be used.")  # fmt: skip
    asked = form(
        f"{PATH}/preview", csrf_of(call.request), _number("seen"), label=say("What would be erased?"),
        sends=say("See what would be erased"),
    )  # fmt: skip
    return section(
        say("A patient wants everything erased"), h.p[words], asked if may(call, DESTROY) else None, anchor="erase"
    )


def _else() -> h.Element:
    words = say("Rarer things are done at the hospital's machine, since they change how numbers are read: one patient "
                "with two numbers, and a number that is no patient's.")  # fmt: skip
    return section(
        say("One patient, two numbers"),
        h.p[words],
        h.p[h.code["hmchain data patients merge NUMBER OTHER"], " ", h.code["hmchain data patients part NUMBER"]],
        anchor="numbers",
    )


def _work(call: Call) -> h.Node:
    """The erasure that goes on, or how the last one ended."""
    found = latest(call, ERASE, "patient")
    if found is None:
        return None
    if found.state not in OVER:
        return h.div(id=ID, hx_get=PATH, hx_trigger="every 2s", **in_place(ID))[progress(say("It is erased"), 0, None)]
    if found.code:
        return h.div(id=ID)[problem(found.code, found.detail, found.hint)]
    records = (found.result or {}).get("records", 0) if found.state is JobState.DONE else 0
    said = say_n("The last erasure destroyed {count} record.", "The last erasure destroyed {count} records.", records)
    return h.div(id=ID)[h.p(".quiet")[said] if records else None]


def _owed(call: Call, owed: Sequence[tuple[str, int]]) -> h.Node:
    """Versions of which records were erased, and the ledger does not say so yet."""
    if not owed:
        return None
    names = ", ".join(f"{dataset} v{version}" for dataset, version in owed)
    return section(
        say("The ledger does not know yet"),
        h.p[say("Records of {versions} were erased. Sign that, so that no new study uses these versions.",
                versions=names)],
        form(f"{PATH}/withdraw", csrf_of(call.request), after_field(PATH),
             label=say("Tell the ledger"), sends=say("Tell the ledger")) if may(call, DESTROY) else None,
        anchor="owed",
    )  # fmt: skip


def _meant(fields: Fields, **more: object) -> dict[str, object]:
    return {"patient": fields.text("number").strip(), "issuer": fields.text("issuer").strip(), **more}


@pages.do(f"{PATH}/opt-out", CHANGE)
def opt_out(call: Call, fields: Fields) -> Next:
    """Let no use begin with a patient's records, nor an extraction take them."""
    done = erasures.opt_out(call, body(erasures.OptingOut, **_meant(fields)))
    known = "" if done.has_records else say("No record of this number is here: was another one meant?")
    return Next(f"{PATH}#opt-out", " ".join(filter(None, (say("The patient is opted out."), known))))


@pages.do(f"{PATH}/opt-in", CHANGE)
def opt_in(call: Call, fields: Fields) -> Next:
    """Take an opt-out back."""
    done = erasures.opt_out(call, body(erasures.OptingOut, **_meant(fields, lift=True)))
    said = say("The opt-out is taken back.") if done.lifted else say("This number was not opted out; nothing changed.")
    return Next(f"{PATH}#opt-out", said)


@pages.do(f"{PATH}/preview", LOOK)
def preview(call: Call, fields: Fields) -> Page:
    """What an erasure would destroy; the number is typed again to do it."""
    found = erasures.preview_erasure(call, body(erasures.Meant, **_meant(fields)))
    return Page(
        say("What would be erased?"),
        [_losses(found), _sure(call, found)],
        crumbs=((say("Opt-outs and erasures"), PATH),),
        active=PATH,
    )


def _losses(found: ErasurePreview) -> h.Element:
    rows = [
        (
            h.a(href=at("steward", "datasets", each.dataset))[each.dataset],
            amount(each.version),
            say("{count} of {all}", count=amount(sum(each.records.values())), all=amount(each.of)),
            say("yes") if each.registered else say("no"),
        )
        for each in found.losses
    ]
    caption = say("What would be erased?")
    head = (say("Dataset"), say("Version"), say("Records"), say("Registered"))
    waiting = say_n(
        "{count} item in quarantine tells of nobody: a person must look whether it is this patient's.",
        "{count} items in quarantine tell of nobody: a person must look whether they are this patient's.",
        found.waiting,
    )
    return h.div[
        table(head, rows, caption=caption, folds=True) if rows else empty(say("No record, only items in quarantine.")),
        h.p[say_n("{count} item in quarantine goes, too.", "{count} items in quarantine go, too.", found.quarantined)]
        if found.quarantined else None,
        h.p(".caution")[waiting] if found.waiting else None,
    ]  # fmt: skip


def _sure(call: Call, found: ErasurePreview) -> h.Element:
    return confirmed(
        say("Erase all of it"),
        say("Nobody brings it back. Type the number again."),
        f"{PATH}/erase", csrf_of(call.request), say("Erase it for good"),
        _number("again"),
        check_field("sure", say("It is this patient's wish, or the law's")),
    )  # fmt: skip


@pages.do(f"{PATH}/erase", DESTROY)
def erase(call: Call, fields: Fields) -> Next:
    """Destroy the keys of a patient's records, then the records."""
    if fields.text("sure") != "yes":
        raise FieldError("it is not said whose wish it is", "tick the box")
    erasures.erase(call, body(erasures.Meant, **_meant(fields)))
    return Next(PATH)


@pages.do(f"{PATH}/withdraw", DESTROY)
def withdraw(call: Call, fields: Fields) -> Next:
    """Have the ledger say of which versions records were erased."""
    erasures.withdraw_versions(call, Nothing())
    return Next(PATH, say("The ledger knows."))
