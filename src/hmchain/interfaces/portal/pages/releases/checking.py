"""A file that somebody was handed, held against what was released."""

from __future__ import annotations

from pathlib import Path

import htpy as h

from hmchain.application.node.release_words import audience_words
from hmchain.application.pages.markup import definitions
from hmchain.application.releases import file
from hmchain.application.releases.file import ReleasedFile
from hmchain.errors import HMChainError
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.api.routes.releases import RELEASED_BYTES_MAX, SUFFIXES, TAKE
from hmchain.interfaces.portal.components import GOOD, badge, file_field, form, problem, section
from hmchain.interfaces.portal.framing import csrf_of
from hmchain.interfaces.portal.page import Page
from hmchain.interfaces.portal.pages.releases.release import CHECK, PATH
from hmchain.interfaces.portal.pages.sent_files import spooled
from hmchain.interfaces.portal.pages.words import at, until
from hmchain.interfaces.portal.registry import Fields, Pages
from hmchain.interfaces.portal.texts import amount, say, theirs
from hmchain.ledger.readers.releases import MODEL

pages = Pages()


@pages.show(CHECK, TAKE)
def check(call: Call) -> Page:
    """The question."""
    return _page(call, None)


@pages.do(CHECK, TAKE, file_bytes=RELEASED_BYTES_MAX)
def checked(call: Call, fields: Fields) -> Page:
    """What the file is, by this hospital's ledger. It is kept nowhere."""
    sent = fields.file("file")
    suffix = Path(sent.filename or "").suffix
    with call.ledger() as ledger:
        genesis = ledger.genesis.digest
    try:
        with spooled(sent, suffix if suffix in SUFFIXES.values() else SUFFIXES[MODEL]) as kept, call.waiting():
            return _page(call, _found(call.site.models.run(file.check, kept.path, genesis)))
    except HMChainError as error:
        what, hint = error.what, error.hint or ""
        return _page(call, problem(error.code, what, hint, title=say("It is not what was released:")))


def _page(call: Call, outcome: h.Node) -> Page:
    return Page(
        say("Check a file"),
        [
            outcome,
            form(
                CHECK,
                csrf_of(call.request),
                file_field("file", say("The file that you were handed")),
                sends=say("Check it"),
                has_file=True,
            ),
            h.p(".quiet")[say("Offline, on any machine:"), " ", h.code["hmchain release check FILE --genesis DIGEST"]],
        ],
        lead=say("A model, count or table that is said to be released carries its proof. Every bit of it is checked."),
        crumbs=((say("Releases"), PATH),),
        active=PATH,
    )


def _found(found: ReleasedFile) -> h.Element:
    proven = found.proven
    return section(
        say("What it is"),
        h.p[badge(say("it is what was released, byte for byte"), GOOD)],
        definitions(
            (
                (say("release"), h.a(href=at("releases", proven.release))[proven.release]),
                (say("made by"), h.a(href=at("studies", proven.study))[proven.study] if proven.study else None),
                (say("for"), theirs(audience_words(proven.audience))),
                (say("where"), ", ".join(proven.regions) or say("anywhere")),
                (say("released"), until(proven.time_ms)),
                (say("block"), h.a(href=f"/auditor/blocks/{proven.height}")[amount(proven.height)]),
            )
        ),
        anchor="found",
    )
