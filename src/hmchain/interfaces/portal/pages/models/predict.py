"""A model's word on one image: probabilities, and which parts of the image they rest on."""

from __future__ import annotations

import base64

import htpy as h

from hmchain.application.access.permissions import Operation, Rule, Scope
from hmchain.application.models import asking
from hmchain.application.models.asking import KnownModels, ModelAnswer
from hmchain.application.pages.bars import bars
from hmchain.application.pages.markup import table
from hmchain.application.pages.plot import at as place
from hmchain.application.pages.plot import figure
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.portal.components import file_field, form, section
from hmchain.interfaces.portal.framing import csrf_of
from hmchain.interfaces.portal.page import Page
from hmchain.interfaces.portal.pages.codes import word
from hmchain.interfaces.portal.pages.codes.studies import UNLIKE
from hmchain.interfaces.portal.pages.models.model import PATH, ModelCard, limits, load
from hmchain.interfaces.portal.pages.words import at
from hmchain.interfaces.portal.registry import Fields, Pages
from hmchain.interfaces.portal.texts import say, share

ASK = Rule(Operation.VIEW, Scope.HOSPITAL, ("scientist", "steward", "clinician"))
_ACCEPTED = ".dcm,.png,.jpg,.jpeg,.tif,.tiff,.bmp,image/*"
_SIDE = 320.0
_FAINT = 0.02
"""A drop of the probability below this is not drawn."""

pages = Pages()


@pages.show(f"{PATH}/{{name}}/ask", ASK)
def ask(call: Call, name: str) -> Page:
    """The question."""
    found = load(call, name)
    return _page(found, [_form(call, found)])


@pages.do(f"{PATH}/{{name}}/ask", ASK, file_bytes=asking.IMAGE_BYTES_MAX)
def answer(call: Call, name: str, fields: Fields) -> Page:
    """The answer. The image is kept nowhere."""
    found, sent = load(call, name), fields.file("image")
    with call.ledger() as ledger:
        known = KnownModels.of(ledger)
    with call.waiting():  # before the image is read, so that few are in memory
        said = call.site.models.run(asking.ask, call.model_file(name), known, sent.file.read())
    return _page(found, [_said(said), _form(call, found)])


def _page(found: ModelCard, content: list[h.Node]) -> Page:
    name = found.model.study
    return Page(
        say("Ask the model of {study}", study=name),
        [
            h.p(".caution", role="note")[h.b[say("Research use only, not a medical device.")]],
            content,
            section(say("What it is not fit for"), h.ul[[h.li[each] for each in limits(found)]], anchor="limits"),
        ],
        crumbs=((say("Models"), PATH), (name, at("models", name))),
        active=PATH,
    )


def _form(call: Call, found: ModelCard) -> h.Element:
    classes = ", ".join(found.model.classes)
    help = say(
        "A DICOM object or a picture. It stays on this machine, is shown to the model, and is kept nowhere. The model "
        "tells {classes} apart.",
        classes=classes,
    )
    return form(
        at("models", found.model.study, "ask"),
        csrf_of(call.request),
        file_field("image", say("An image, of the kind that it learned from"), accept=_ACCEPTED, help=help),
        h.p(".quiet")[_always()],
        sends=say("Ask the model"),
        has_file=True,
    )


def _said(said: ModelAnswer) -> h.Element:
    ordered = sorted(said.probabilities.items(), key=lambda each: -each[1])
    drawn = [(name, value, share(value)) for name, value in ordered]
    listed = [(name, share(value)) for name, value in ordered]
    chart = figure(
        say("Probabilities"),
        bars(say("Probability of each class"), drawn, longest=1.0),
        table((say("class"), say("probability")), listed, caption=say("Probabilities")),
        behind=say("Figures behind this chart"),
    )
    return section(
        say("The model's word"),
        _unlike(said),
        h.p[
            h.b[say("Likeliest: {name}, {share}", name=said.likeliest, share=share(said.probabilities[said.likeliest]))]
        ],
        h.p(".quiet")[_always()],
        h.div(".pair")[chart, _heat(said)],
        anchor="answer",
    )


def _unlike(said: ModelAnswer) -> h.Node:
    """What speaks against the answer, as far as the image alone tells."""
    if not said.unlike:
        return None
    return h.div(".caution", role="note")[
        h.p[h.b[say("This image is unlike those that the model learned from: do not rely on the answer.")]],
        h.ul[[h.li[word(UNLIKE, each)] for each in said.unlike]],
    ]


def _always() -> str:
    return say(
        "It answers whatever it is shown, and cannot say that it does not know. That an image is of another kind shows "
        "only where its colours, its size or its brightness give it away."
    )


def _heat(said: ModelAnswer) -> h.Element:
    """The image as the model saw it, under the parts that its answer rests on."""
    picture = f"data:image/png;base64,{base64.b64encode(said.picture).decode()}"
    rows = len(said.drops)
    columns = len(said.drops[0]) if rows else 0
    top = max((value for line in said.drops for value in line), default=0.0)
    wide, high = (_SIDE / columns, _SIDE / rows) if rows and columns else (0.0, 0.0)
    parts = [
        h.rect(
            class_="heat",
            x=place(wide * column),
            y=place(high * row),
            width=place(wide),
            height=place(high),
            fill_opacity=f"{0.75 * value / top:.2f}",
        )
        for row, line in enumerate(said.drops)
        for column, value in enumerate(line)
        if value > _FAINT
    ]
    label = say(
        "The image as the model saw it; coloured are parts without which {name} is less likely", name=said.likeliest
    )
    words = say(
        "Coloured: without this part, {name} is less likely, by {share} at most. It shows what the answer rests on, "
        "not that it is right.",
        name=said.likeliest,
        share=share(max(top, 0.0)),
    )
    if not parts:
        words = say("No single part of the image makes a difference to the answer.")
    return h.figure(".chart")[
        h.figcaption[h.strong[say("What it rests on")]],
        h.svg(".heatmap", viewBox=f"0 0 {_SIDE:.0f} {_SIDE:.0f}", role="img", aria_label=label)[
            h.image(href=picture, width=f"{_SIDE:.0f}", height=f"{_SIDE:.0f}", preserveAspectRatio="none"), parts
        ],
        h.p(".quiet")[words],
    ]
