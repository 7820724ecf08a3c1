"""Models that studies made: what each is for, what it was made of, and where it may go."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from urllib.parse import urlencode

import htpy as h

from hmchain.application.access.permissions import Operation, Rule, Scope
from hmchain.application.governance.terms import Term
from hmchain.application.governance.terms import terms as terms_of
from hmchain.application.models.curves import Curve
from hmchain.application.pages.markup import definitions, table, tiles
from hmchain.errors import InputError
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.api.routes.releases import ASK
from hmchain.interfaces.portal.components import empty, section
from hmchain.interfaces.portal.components import pages as paging
from hmchain.interfaces.portal.page import Page
from hmchain.interfaces.portal.pages import drawings
from hmchain.interfaces.portal.pages.studies.study import curve_of, whose
from hmchain.interfaces.portal.pages.words import at, may, purpose, standing_words, terms
from hmchain.interfaces.portal.registry import Pages
from hmchain.interfaces.portal.texts import amount, later, say, say_n, theirs
from hmchain.interfaces.report.summary import PRIVACY_LIMITS
from hmchain.ledger.readers import study_rounds
from hmchain.ledger.readers.models import ModelView
from hmchain.ledger.readers.releases import ReleaseView
from hmchain.ledger.readers.study_rounds import RoundView
from hmchain.ledger.readers.study_status import StudyStatus
from hmchain.plain import RESEARCH_ONLY

VIEW = Rule(Operation.VIEW, Scope.NETWORK)
PATH = "/models"
_PAGE = 50

pages = Pages()


class NoSuchModelError(InputError):
    """No study of this name made a model."""

    code = "no_such_model"


@dataclass(frozen=True)
class ModelCard:
    """All that the ledger, and whoever looks, knows of a model."""

    model: ModelView
    study: StudyStatus
    pinned: tuple[Term, ...]
    rounds: tuple[RoundView, ...]
    releases: tuple[ReleaseView, ...]
    curve: Curve | None
    may_ask: bool
    """Whether whoever looks may ask for its release."""


@pages.show(PATH, VIEW, later("Models"))
def models(call: Call, offset: int = 0) -> Page:
    """All models."""
    offset = max(offset, 0)
    with call.ledger() as ledger:
        known = ledger.models()
        found, total = list(known[offset : offset + _PAGE]), len(known)
    lead = say("What finished studies made. Each is held against the ledger before it is used.")
    if not found:
        return Page(
            say("Models"), empty(say("No study has finished yet. Its model stands here when one does.")), lead=lead
        )
    head = (say("Study"), say("For"), say("Tells apart"), say("Rounds"), say("Made by"), say("Block"), say("Root"))
    rows = [
        (
            h.a(href=at("models", each.study))[each.study],
            purpose(each.purpose),
            ", ".join(each.classes),
            amount(each.round),
            ", ".join(each.participants),
            amount(each.height),
            h.code[each.root.hex()[:16]],
        )
        for each in found
    ]
    content = [table(head, rows, caption=say("Models"), folds=True), paging(PATH, {}, offset, _PAGE, total)]
    return Page(say("Models"), content, lead=lead)


@pages.show(f"{PATH}/{{name}}", VIEW)
def model(call: Call, name: str) -> Page:
    """One model: its card and its lineage."""
    found = load(call, name)
    return Page(
        say("Model of {study}", study=name),
        content(found),
        lead=purpose(found.model.purpose),
        crumbs=((say("Models"), PATH),),
        active=PATH,
    )


def load(call: Call, name: str) -> ModelCard:
    """All that is known of a model. Raises `NoSuchModelError`."""
    with call.ledger() as ledger:
        view = ledger.model(name)
        if view is None:
            raise NoSuchModelError(f"no study {name} has made a model", "`/models` lists those that did")
        state = ledger.verified.state
        return ModelCard(
            view,
            ledger.study(name),
            terms_of(ledger.proposal(call.organisation, name).specification),
            study_rounds.study_rounds(state, name),
            tuple(ledger.releases(name)),
            curve_of(call, ledger, name),
            may(call, ASK),
        )


def content(found: ModelCard) -> list[h.Node]:
    """The card: what it is for and how good it is, what made it, what it is not fit for."""
    view, study = found.model, found.study
    return [
        h.p[
            h.a(".button", href=at("models", view.study, "ask"))[say("Ask it about an image")],
            " ",
            h.a(href=at("studies", view.study))[say("How it was made")],
        ],
        tiles(
            (
                (amount(len(view.classes)), say("classes"), ", ".join(view.classes)),
                (amount(len(view.participants)), say("hospitals"), ", ".join(view.participants)),
                (
                    amount(study.accepted),
                    say("rounds accepted"),
                    say_n("{count} was voted down", "{count} were voted down", study.rejected),
                ),
                *(
                    ((f"{found.curve.last:.3f}", found.curve.measure, whose(found.curve)),)
                    if found.curve and found.curve.last is not None
                    else ()
                ),
            )
        ),
        section(say("What it was made of"), lineage(found), anchor="lineage"),
        section(say("Where it may go"), _releases(found), anchor="releases"),
        section(say("What it is not fit for"), h.ul[[h.li[each] for each in limits(found)]], anchor="limits"),
        section(say("What its study pinned"), terms(found.pinned), anchor="pinned"),
        section(
            say("To check it by"),
            definitions(
                (
                    (say("root of model and momentum"), h.code[view.root.hex()]),
                    (say("root of its weights"), h.code[view.weights.hex()]),
                    (say("digest of what gives them a meaning"), h.code[view.meaning.hex()]),
                    (say("made in block"), h.a(href=f"/auditor/blocks/{view.height}")[amount(view.height)]),
                )
            ),
            h.p(".quiet")[say("On your machine:"), " ", h.code[f"hmchain audit trace --study {view.study}"]],
            anchor="check",
        ),
    ]


def lineage(found: ModelCard) -> h.Element:
    """Data, decisions, rounds, model, releases: the way of the model, each box a link."""
    view, study = found.model, found.study
    led = Counter(each.master for each in found.rounds if each.outcome == "accepted")
    data = [
        (
            f"{each.organisation}/{each.dataset}",
            say("version {number}, {decision}", number=each.version, decision=standing_words(each.approval)),
            at("requests", study.name),
        )
        for each in study.participants
    ]
    middle = [
        (say("Request {name}", name=study.name), say("by {who}", who=study.proposer), at("requests", study.name)),
        (
            say("{count} rounds", count=amount(study.accepted)),
            say("led by {names}", names=", ".join(sorted(led))),
            at("studies", study.name),
        ),
        (say("Model"), view.root.hex()[:16], at("models", view.study)),
    ]
    left = [(each.release, standing_words(each.status), at("releases", each.release)) for each in found.releases]
    ends = left or [(say("Inside"), say("it has not left its hospitals"), "")]
    label = say(
        "From data of {count} hospitals by a request and rounds to the model, and where it went", count=len(data)
    )
    return drawings.lineage(label, data, middle, ends)


def _releases(card: ModelCard) -> h.Node:
    found, study = card.releases, card.model.study
    if not found:
        words = say("It is inside the hospitals that made it. Whoever wants it outside asks each of them.")
        path = f"/releases-ask?{urlencode({'study': study})}"
        return empty(words, h.p[h.a(href=path)[say("Ask for its release")]] if card.may_ask else None)
    return h.ul[
        [
            h.li[h.a(href=at("releases", each.release))[each.release], ": ", standing_words(each.status)]
            for each in found
        ]
    ]


def limits(found: ModelCard) -> list[h.Node]:
    """What nobody should take it for."""
    view = found.model
    return [
        h.b[theirs(RESEARCH_ONLY)],
        say(
            "It tells {classes} apart and nothing else: of an image of anything else its answer means nothing.",
            classes=", ".join(view.classes),
        ),
        say(
            "It learned from {count} hospitals. At another one, with other devices and patients, it may do worse: "
            "measure it there first.",
            count=len(view.participants),
        ),
        say("Its probabilities are not calibrated for your patients."),
        *([theirs(f"{each.name} {each.text}")] for each in PRIVACY_LIMITS),
    ]
