"""Studies: what each asks and pins, how it stands, what a hospital's people decide on it."""

from __future__ import annotations

from typing import Annotated

import msgspec

from hmchain.application.access.permissions import Operation, Rule, Scope
from hmchain.application.governance import studies
from hmchain.application.governance import study_file as files
from hmchain.application.governance.study_file import Proposal
from hmchain.application.governance.words import StudyInWords, kept_words, read_words, require_read
from hmchain.application.models.machine import used_here
from hmchain.application.node.health import network_health
from hmchain.application.node.study_here import StudyHere, study_here
from hmchain.clock import DAY_MS
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.api.paging import Page
from hmchain.interfaces.api.parameters import Code, Name, Nothing, one_of
from hmchain.interfaces.api.routing import Routes
from hmchain.ledger.context import SCIENTIST, STEWARD
from hmchain.ledger.readers.studies import StudyRequest, proposal_to
from hmchain.ledger.readers.views import Views

VIEW = Rule(Operation.VIEW, Scope.NETWORK)
"""What every ledger has; the description, scores and the use of the machine are for the hospital's own people."""
DECIDE = Rule(Operation.DECIDE, Scope.HOSPITAL, (STEWARD,))
ASK = Rule(Operation.ASK, Scope.HOSPITAL, (SCIENTIST,))
END = Rule(Operation.DECIDE, Scope.HOSPITAL, (SCIENTIST, STEWARD))
"""A scientist of the proposing hospital ends it; stewards of participants vote for its end."""

routes = Routes("studies")

EXAMPLE = Proposal(name="brain-tumour", datasets={"east": "brain", "north": "brain", "south": "brain"}, rounds=600)


class StudyApproval(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A yes to a study."""

    days: Annotated[int, msgspec.Meta(ge=1, le=3650)] = 90
    """So long it holds."""
    unread: bool = False
    """Also where nobody here can read what the study says of itself."""


class StudyRefusal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A no to a study."""

    reason: Annotated[Code, one_of(studies.REASONS)]


@routes.get("/studies", VIEW, commands=("study list",))
def list_studies(call: Call) -> Page[StudyInWords]:
    """All studies, what each asks of this hospital, and what the hospital has said."""
    texts = call.texts if call.own_folder else None
    with call.ledger() as ledger:

        def view(asked: StudyRequest) -> StudyInWords:
            found = ledger.proposal(call.about, asked.study)
            return StudyInWords(found, kept_words(texts, found.specification))

        return call.page(Views(ledger.requests(call.about), view))


@routes.get("/studies/{name}", VIEW, commands=("study show",))
def show_study(call: Call, name: Name) -> StudyInWords:
    """All that a study pins, in plain words: what a steward approves is this and nothing else."""
    folder = call.own_folder
    with call.ledger() as ledger:
        chain_id, found = ledger.genesis.chain_id, ledger.proposal(call.about, name)
    spec = found.specification
    words = kept_words(None, spec) if folder is None else read_words(call.texts, chain_id, spec)
    return StudyInWords(found, words, used_here(folder, name) if folder is not None else None)


@routes.get("/study-status", VIEW, commands=("study status",))
def list_study_status(call: Call) -> Page[StudyHere]:
    """How all studies stand: phase, round, master, participants, reputation, and what is to be done next."""
    folder, is_run = call.own_folder, call.site.is_read_only
    with call.ledger() as ledger:
        return call.page(Views(ledger.studies(), lambda each: study_here(each, ledger, folder, is_run=is_run)))


@routes.get("/studies/{name}/status", VIEW, commands=("study status",))
def show_study_status(call: Call, name: Name) -> StudyHere:
    """How one study stands; at a node with the hospital's own scores, which no other hospital sees."""
    folder, is_run = call.own_folder, call.site.is_read_only
    with call.ledger() as ledger:
        health = None if folder is None else network_health(call.node, ledger.verified.state)
        return study_here(ledger.study(name), ledger, folder, is_run=is_run, health=health)


@routes.post("/studies", ASK, signs=True, commands=("study propose",), example=EXAMPLE)
def propose_study(call: Call, body: Proposal) -> StudyRequest:
    """Ask for a study of published datasets; asked again once every hospital has decided, it is proposed.

    It begins with the hospitals that allow it. A trainer of one's own is named at the machine where it lies.
    """
    files.require_alone(body)
    with call.user() as user:
        return studies.propose(user, body, call.texts)


@routes.post("/requests/{name}/study", ASK, signs=True, commands=("study propose",), example=Nothing())
def propose_allowed_study(call: Call, name: Name, body: Nothing) -> StudyRequest:
    """Propose the study that a request asked for, of the hospitals that allow it now."""
    with call.user() as user:
        return studies.propose_allowed(user, name)


@routes.post("/studies/{name}/approval", DECIDE, signs=True, commands=("study approve",), example=StudyApproval())
def approve_study(call: Call, name: Name, body: StudyApproval) -> StudyRequest:
    """Allow a study to use the dataset that it asks for, for its purpose and code, for a time."""
    with call.user() as user:
        found = proposal_to(user.state, user.organisation, name)
        if not body.unread:
            require_read(read_words(call.texts, user.ledger.chain_id, found.specification), name)
        return studies.approve(user, found.asked, user.ledger.now_ms() + body.days * DAY_MS)


@routes.post("/studies/{name}/refusal", DECIDE, signs=True, commands=("study refuse",), example=StudyRefusal("ethics"))
def refuse_study(call: Call, name: Name, body: StudyRefusal) -> StudyRequest:
    """Say no. A study that has not begun is over then; one that runs goes on without this hospital."""
    with call.user() as user:
        return studies.refuse(user, name, body.reason)


@routes.post("/studies/{name}/revocation", DECIDE, signs=True, commands=("study revoke",), example=Nothing())
def revoke_study(call: Call, name: Name, body: Nothing) -> StudyRequest:
    """Take an approval back. From the next round on nothing of this hospital is used."""
    with call.user() as user:
        return studies.revoke(user, name)


@routes.post("/studies/{name}/resumption", ASK, signs=True, commands=("study resume",), example=Nothing())
def resume_study(call: Call, name: Name, body: Nothing) -> StudyRequest:
    """Go on with a paused study: of the proposing hospital, or of any participant where that one is gone."""
    with call.user() as user:
        return studies.resume(user, name)


@routes.post("/studies/{name}/end", END, signs=True, commands=("study close",), example=Nothing())
def close_study(call: Call, name: Name, body: Nothing) -> StudyRequest:
    """End a study now, as its scientist; or vote for its end, as a participant's steward.

    The last accepted model is kept, if there is one, and nobody's reputation changes.
    """
    with call.user() as user:
        return studies.close(user, name)
