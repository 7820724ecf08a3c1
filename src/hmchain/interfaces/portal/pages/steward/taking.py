"""Taking in what patients said: a file of consents, a list of who opted out; and forgetting such a list."""

from __future__ import annotations

from typing import Annotated

import htpy as h
import msgspec

from hmchain.application.consent.taking import AddedConsents
from hmchain.application.pages.markup import definitions
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.api.parameters import like
from hmchain.interfaces.api.routes import consents as routes
from hmchain.interfaces.portal.components import WARN, badge, file_field, form, section, text_field
from hmchain.interfaces.portal.framing import csrf_of
from hmchain.interfaces.portal.page import Page
from hmchain.interfaces.portal.pages.bodies import body
from hmchain.interfaces.portal.pages.numbers import day
from hmchain.interfaces.portal.pages.sent_files import spooled
from hmchain.interfaces.portal.pages.steward.consents import PATH, TAKE
from hmchain.interfaces.portal.registry import Fields, Next, Pages
from hmchain.interfaces.portal.texts import amount, say, say_n, theirs

pages = Pages("steward")


class _List(msgspec.Struct, frozen=True):
    """A list that others keep, as its route takes it."""

    name: Annotated[str, like(routes.LIST_NAME)]
    issuer: routes.Issuer = ""


@pages.show(TAKE, routes.CHANGE)
def taking(call: Call) -> Page:
    """Both files."""
    return Page(
        say("Take in consents and opt-outs"),
        [_consents(call), _list(call)],
        lead=say("A file is read here and not kept. Of a patient stays a digest, and what the consent says."),
        crumbs=((say("Consents"), PATH),),
        active=PATH,
    )


def _consents(call: Call) -> h.Element:
    return section(
        say("Consents of patients"),
        h.p[say("All of the file is taken in, or nothing. A later edition takes the place of an earlier one.")],
        form(
            f"{TAKE}/consents", csrf_of(call.request),
            file_field("file@consents", say("File of consents"),
                       help=say("FHIR R4: a resource of type Consent, a bundle, or NDJSON.")),
            label=say("Take the consents in"), sends=say("Take the consents in"), has_file=True,
        ),
        anchor="consents",
    )  # fmt: skip


def _list(call: Call) -> h.Element:
    return section(
        say("A list of who opted out"),
        h.p[say("It takes the place of the list of that name: who is no longer on it, and on no other, may be used "
                "again.")],
        form(
            f"{TAKE}/list", csrf_of(call.request),
            text_field("name", say("Name of the list"), required=True, maxlength="64", help=say("As national.")),
            text_field("issuer", say("Who issued the numbers, if not this hospital"), maxlength="64"),
            text_field("as_of", say("The day that the list is of"), kind="date", required=True),
            file_field("file@list", say("File of numbers"),
                       help=say("One number a line, and no other column, in UTF-8.")),
            label=say("Take the list in"), sends=say("Take the list in"), has_file=True,
        ),
        anchor="list",
    )  # fmt: skip


@pages.do(f"{TAKE}/consents", routes.CHANGE, file_bytes=routes.FILE_BYTES_MAX)
def take_consents(call: Call, fields: Fields) -> Page:
    """Take consents in, and say what became of them."""
    with spooled(fields.file("file")) as upload:
        found = routes.add_consents(call, upload)
    return Page(
        say("What was taken in"),
        [_taken(found), h.p[h.a(".button", href=f"{PATH}#consents")[say("See all consents")]]],
        crumbs=((say("Consents"), PATH), (say("Take in consents and opt-outs"), TAKE)),
        active=PATH,
    )


def _taken(found: AddedConsents) -> list[h.Node]:
    undecided = say_n(
        "{count} consent says something that is not understood: the patient's records are not used.",
        "{count} consents say something that is not understood: these patients' records are not used.",
        found.undecided,
    )
    strangers = say_n(
        "{count} consent is of a patient whose number nobody has here: was another one meant?",
        "{count} consents are of patients whose numbers nobody has here: were others meant?",
        found.strangers,
    )
    unread = say_n(
        "{count} consent could not be read, or does not say whose it is.",
        "{count} consents could not be read, or do not say whose they are.",
        found.unread,
    )
    return [
        definitions(
            (
                (say("new"), amount(found.new)),
                (say("changed"), amount(found.changed)),
                (say("known already"), amount(found.same)),
                (say("earlier than what is known, passed over"), amount(found.older)),
            )
        ),
        h.p[badge(say("cannot be decided"), WARN), " ", undecided] if found.undecided else None,
        h.ul[[h.li[theirs(doubt)] for doubt in found.doubts]] if found.doubts else None,
        h.p[badge(say("unread"), WARN), " ", unread] if found.unread else None,
        h.p[badge(say("not known here"), WARN), " ", strangers] if found.strangers else None,
    ]


@pages.do(f"{TAKE}/list", routes.CHANGE, file_bytes=routes.FILE_BYTES_MAX)
def take_list(call: Call, fields: Fields) -> Next:
    """Put a list in the place of the one before."""
    said = body(_List, name=fields.text("name").strip(), issuer=fields.text("issuer").strip())
    as_of = day("as_of", fields.text("as_of")).isoformat()
    with spooled(fields.file("file")) as upload:
        lists = routes.reconcile_optouts(call, said.name, upload, as_of, said.issuer)
    found = next(each for each in lists if each.name == said.name)
    numbers = say_n("The list has {count} number;", "The list has {count} numbers;", found.numbers)
    here = say_n("{count} is of a patient here.", "{count} are of patients here.", found.here)
    return Next(f"{PATH}#lists", f"{numbers} {here}")


@pages.do(f"{TAKE}/forget", routes.CHANGE)
def forget(call: Call, fields: Fields) -> Next:
    """Forget a list."""
    routes.forget_optouts(call, fields.text("list"))
    return Next(f"{PATH}#lists", say("The list is forgotten."))
