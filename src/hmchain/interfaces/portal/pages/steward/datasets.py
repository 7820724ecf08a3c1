"""The hospital's datasets, each version with its card."""

from __future__ import annotations

import htpy as h

from hmchain.application.access.permissions import Operation, Rule, Scope
from hmchain.application.data import cards, datasets
from hmchain.application.data.datasets import Description
from hmchain.application.pages import card as card_page
from hmchain.application.pages.markup import definitions, table, tiles
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.portal.components import BAD, GOOD, PLAIN, badge, empty, section, tabs
from hmchain.interfaces.portal.page import Page
from hmchain.interfaces.portal.pages.words import at
from hmchain.interfaces.portal.registry import Pages
from hmchain.interfaces.portal.texts import ENGLISH, amount, later, say, theirs
from hmchain.plain import size
from hmchain.records.card import CardData
from hmchain.records.catalogue.entries import Version

VIEW = Rule(Operation.VIEW, Scope.HOSPITAL, ("steward", "operator", "officer"))
PATH = "/steward/datasets"

pages = Pages("steward")


@pages.show(PATH, VIEW, later("Datasets"))
def list_datasets(call: Call) -> Page:
    """All versions of all datasets."""
    with call.records() as records:
        found = datasets.versions(records)
    lead = say("What this hospital keeps for research. Exact numbers: for use inside the hospital.")
    if not found:
        words = say("There is no dataset yet. Whoever runs the machine extracts one:")
        return Page(say("Datasets"), empty(words, h.code["hmchain data extract SOURCE --into DATASET"]), lead=lead)
    head = (
        say("Dataset"),
        say("Stands"),
        say("Records"),
        say("Patients"),
        say("Size"),
        say("In quarantine"),
        say("From"),
    )
    return Page(
        say("Datasets"), table(head, [_row(each) for each in found], caption=say("Datasets"), folds=True), lead=lead
    )


def _row(each: Version) -> tuple[h.Node, ...]:
    name = say("{dataset}, version {version}", dataset=each.dataset, version=each.number)
    return (
        h.a(href=f"{at('steward', 'datasets', each.dataset)}?version={each.number}")[name],
        _stands(each),
        amount(each.records),
        amount(each.subjects),
        size(each.size),
        amount(each.held),
        each.source,
    )


def _stands(each: Version) -> h.Element:
    if each.erased_ms is not None:
        return badge(say("registered, records erased"), BAD)
    return badge(say("registered"), GOOD) if each.closed else badge(say("open"), PLAIN)


@pages.show(f"{PATH}/{{name}}", VIEW)
def dataset(call: Call, name: str, version: int | None = None) -> Page:
    """One version: what it holds, how good it is, what was done to it."""
    with call.records() as records:
        found = datasets.describe(records, name, version, 0)
        numbers = [each.number for each in datasets.versions(records) if each.dataset == name]
    number = found.version.number
    here = at("steward", "datasets", name)
    return Page(
        found.dataset.title or name,
        [
            tabs(
                say("Versions"),
                [(say("version {number}", number=each), f"{here}?version={each}") for each in numbers],
                f"{here}?version={number}",
            )
            if len(numbers) > 1
            else None,
            _overview(found),
            _card(cards.read_card(call.folder, found.version.dataset, number)),
        ],
        lead=say("{dataset}, version {version}", dataset=name, version=number),
        crumbs=((say("Datasets"), PATH),),
        active=PATH,
    )


def _overview(found: Description) -> list[h.Node]:
    version, about = found.version, found.dataset
    return [
        tiles(
            (
                (amount(version.records), say("records"), ""),
                (amount(version.subjects), say("patients"), say("as far as pseudonyms tell them apart")),
                (size(version.size), say("before encryption"), ""),
                (amount(version.held), say("wait in quarantine"), ""),
            )
        ),
        definitions(
            (
                (say("stands"), _stands(version)),
                (say("from"), version.source),
                (say("given twice and left out"), amount(found.duplicates)),
                (say("de-identified by"), theirs(f"{about.profile.name}: {about.profile.title}")),
                (say("project of pseudonyms"), about.project),
                (say("root on the ledger"), h.code[version.root.hex()] if version.root else None),
            )
        ),
    ]


def _card(data: CardData | None) -> h.Element:
    if data is None:
        words = say("This version has no card yet. It is written when the version is registered, or by:")
        return section(say("Card"), empty(words, h.code["hmchain data card DATASET"]), anchor="card")
    return h.div(".card", lang=ENGLISH)[card_page.content(data)]
