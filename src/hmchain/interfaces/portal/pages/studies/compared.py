"""Several studies beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import htpy as h
from fastapi import Query

from hmchain.application.access.permissions import Operation, Rule, Scope
from hmchain.application.models.curves import Curve
from hmchain.application.pages.markup import table
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.portal.components import empty, tick_box
from hmchain.interfaces.portal.page import Page
from hmchain.interfaces.portal.pages import drawings
from hmchain.interfaces.portal.pages.studies.study import curve_of, whose
from hmchain.interfaces.portal.pages.words import at, purpose, standing
from hmchain.interfaces.portal.registry import Pages
from hmchain.interfaces.portal.texts import amount, say
from hmchain.ledger.readers.study_status import StudyStatus

VIEW = Rule(Operation.VIEW, Scope.NETWORK)
PATH = "/studies-compared"
SHOWN_MAX, OFFERED_MAX = 8, 100
Names = Annotated[list[str], Query(alias="study", max_length=64)]

pages = Pages()


@pages.show(PATH, VIEW)
def compared(call: Call, names: Names = []) -> Page:  # noqa: B006 - FastAPI copies it
    """Studies that are named, or the last ones, in columns."""
    with call.ledger() as ledger:
        known = ledger.meant[-OFFERED_MAX:]
        wanted = [each for each in dict.fromkeys(names) if each in known] if names else known[-SHOWN_MAX:]
        found = [(ledger.study(each), curve_of(call, ledger, each)) for each in wanted[:SHOWN_MAX]]
    return Page(
        say("Studies compared"),
        [_choice(known, {each.name for each, _ in found}), *_content(found)]
        if known
        else empty(say("There is no study yet.")),
        crumbs=((say("Studies"), "/studies"),),
        active="/studies",
        lead=say("Scores are what this hospital measured on its own images: they say nothing of the other hospitals."),
    )


def _choice(known: Sequence[str], chosen: set[str]) -> h.Element:
    boxes = [tick_box("study", each, each, checked=each in chosen) for each in known]
    return h.form(".entry", method="get", action=PATH)[
        h.fieldset(".field")[h.legend[say("Which")], boxes], h.p(".send")[h.button(type="submit")[say("Compare")]]
    ]


def _content(found: list[tuple[StudyStatus, Curve | None]]) -> list[h.Node]:
    columns = (say("Study"), *(each.name for each, _ in found))
    rows: list[tuple[h.Node, ...]] = [
        (say("stands"), *(standing(each.status) for each, _ in found)),
        (say("for"), *(purpose(each.purpose) for each, _ in found)),
        (say("rounds accepted"), *(f"{amount(each.accepted)} / {amount(each.rounds)}" for each, _ in found)),
        (say("rounds rejected"), *(amount(each.rejected) for each, _ in found)),
        (say("hospitals"), *(", ".join(one.organisation for one in each.participants) for each, _ in found)),
        (say("best score"), *(_score(curve.best if curve else None) for _, curve in found)),
        (say("last score"), *(_score(curve.last if curve else None) for _, curve in found)),
        (say("measured"), *(whose(curve) if curve else say("nothing is known here") for _, curve in found)),
        (
            say("model"),
            *(
                h.a(href=at("models", each.name))[h.code[each.model_root.hex()[:16]]] if each.model_root else "–"
                for each, _ in found
            ),
        ),
    ]
    lines = [(each.name, curve.points) for each, curve in found if curve is not None]
    return [
        drawings.curve(say("Score"), lines, say("Scores of the studies by round")) if lines else None,
        table(columns, rows, caption=say("Studies compared")),
    ]


def _score(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
