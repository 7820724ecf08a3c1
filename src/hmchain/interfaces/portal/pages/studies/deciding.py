"""What people do with a study at its page: decide on one that no request asked for, go on with it, end it."""

from __future__ import annotations

from collections.abc import Iterator

import htpy as h

from hmchain.application.access.permissions import allowed
from hmchain.application.governance import studies as services
from hmchain.application.governance.terms import terms as pinned
from hmchain.application.governance.words import Reading, StudyWords, kept_words, read_words
from hmchain.application.pages.markup import definitions
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.api.parameters import Name, Nothing
from hmchain.interfaces.api.routes import studies as routes
from hmchain.interfaces.portal.components import (
    after_field,
    check_field,
    choice_field,
    confirmed,
    form,
    problem,
    section,
    text_field,
)
from hmchain.interfaces.portal.framing import csrf_of
from hmchain.interfaces.portal.pages.bodies import body
from hmchain.interfaces.portal.pages.codes import choices
from hmchain.interfaces.portal.pages.codes.requests import REASONS
from hmchain.interfaces.portal.pages.numbers import whole
from hmchain.interfaces.portal.pages.words import at, may, terms
from hmchain.interfaces.portal.registry import Fields, Next, Pages
from hmchain.interfaces.portal.texts import say
from hmchain.ledger.context import SCIENTIST, STEWARD
from hmchain.ledger.readers.ledger import LedgerReader
from hmchain.ledger.readers.studies import StudyProposal, StudyRequest
from hmchain.ledger.readers.study_status import StudyStatus

DAYS_MAX = 3650

pages = Pages()


def words_of(call: Call, ledger: LedgerReader, found: StudyProposal) -> StudyWords:
    """What a study says of itself, as far as whoever looks may read it."""
    spec = found.specification
    return read_words(call.texts, ledger.genesis.chain_id, spec) if call.own_folder else kept_words(None, spec)


def deeds(call: Call, found: StudyStatus, proposal: StudyProposal, words: StudyWords) -> h.Node:
    """What whoever looks can do with it now; nothing where one only looks."""
    if proposal.asked.is_over or call.site.is_read_only or call.who is None:
        return None
    forms = [*_of_steward(call, proposal.asked, words), *_of_anybody(call, found, proposal.asked)]
    why = problem("paused", _setback(found), say("Go on, or end it."), say("Why it waits:"))
    return section(
        say("What you can do"), why if found.status == "paused" else None, forms, anchor="do"
    ) if forms else None  # fmt: skip


def _setback(found: StudyStatus) -> str:
    return str(found.went_wrong[-1]) if found.went_wrong else found.next


def _of_steward(call: Call, asked: StudyRequest, words: StudyWords) -> Iterator[h.Element]:
    """Decisions on the hospital's own part of a study that no request asked for."""
    if asked.request or not asked.dataset or not may(call, routes.DECIDE):
        return
    csrf, here = csrf_of(call.request), at("studies", asked.study)
    after, data = after_field(here), f"{asked.dataset} v{asked.version}"
    if asked.decision == "approved":
        yield confirmed(
            say("Take the approval back"),
            say("From the next round on nothing of this hospital is used. What went into earlier ones stays."),
            f"{here}/revoke", csrf, say("Take it back"), after,
        )  # fmt: skip
    else:
        yield h.div(".panel")[
            h.h3[say("Decide")],
            form(
                f"{here}/approve", csrf, after,
                h.p[say("You allow the use of {data}, for what is pinned below and nothing else.", data=data)],
                text_field("days", say("For how many days"), "90", kind="number", required=True, min="1",
                           max=str(DAYS_MAX)),
                check_field("unread", say("I decide without what it says of itself, which cannot be read here"))
                if words.is_lost else None,
                label=say("Allow it"), sends=say("Allow it"),
            ),
        ]  # fmt: skip
    yield confirmed(
        say("Say no"),
        say("One that has not begun, or waits, is over then; one that runs goes on without this hospital."),
        f"{here}/refuse", csrf, say("Say no"), after,
        choice_field("reason", say("Why"), choices(REASONS, services.REASONS)),
    )  # fmt: skip


def _of_anybody(call: Call, found: StudyStatus, asked: StudyRequest) -> Iterator[h.Element]:
    """Going on with a study that waits, and the end of one that is not over."""
    csrf, here = csrf_of(call.request), at("studies", found.name)
    after = after_field(here)
    goes_on = any(call.organisation in each.who for each in found.steps if each.command.startswith("study resume "))
    if goes_on and may(call, routes.ASK):
        yield confirmed(
            say("Go on with it"), say("The round is tried again."), f"{here}/resume", csrf, say("Go on with it"), after
        )
    if not allowed(routes.END, call.who, call.organisation) or call.who is None:
        return
    if SCIENTIST in call.who.roles and (asked.proposer == call.organisation or goes_on):
        ends = say("End it"), say("For good, with its last accepted model.")
    elif STEWARD in call.who.roles and asked.dataset:
        ends = say("Vote for its end"), say("More votes than members may be dishonest end it, with its last model.")
    else:
        return
    yield confirmed(ends[0], ends[1], f"{here}/close", csrf, ends[0], after)


def pins(proposal: StudyProposal, words: StudyWords) -> h.Node:
    """All that a decision binds, and what its scientists say of it; a request's page has the same for its study."""
    if proposal.asked.request:
        return None
    title = say("What is pinned, and bound by an approval")
    return section(title, _description(words), terms(pinned(proposal.specification)), anchor="pinned")


def _description(words: StudyWords) -> h.Node:
    if words.is_lost:
        return problem("description_unread", words.reason, "", say("What it says of itself cannot be shown:"))
    found = words.description
    if found is None:
        unsaid = words.reading is Reading.NONE
        return h.p(".quiet")[
            say("It came without a description.") if unsaid else say("Its members have its description, sealed.")
        ]
    return definitions(
        (
            (say("title"), found.title),
            (say("text"), h.pre(".letter")[found.text]),
            (say("contact"), found.contact),
            (say("ethics"), ", ".join(filter(None, (found.ethics_number, found.ethics_committee)))),
            (say("code"), found.code),
            (say("funding"), found.funding),
            (say("ends"), found.ends),
        )
    )


@pages.do("/studies/{name}/approve", routes.DECIDE)
def approve(call: Call, name: Name, fields: Fields) -> Next:
    """Allow a study what it asks of this hospital, for a time."""
    days = whole("days", fields.text("days"), 1, DAYS_MAX)
    routes.approve_study(call, name, body(routes.StudyApproval, days=days, unread=fields.text("unread") == "yes"))
    return Next(at("studies", name), say("You allowed it."))


@pages.do("/studies/{name}/refuse", routes.DECIDE)
def refuse(call: Call, name: Name, fields: Fields) -> Next:
    """Say no to a study."""
    routes.refuse_study(call, name, body(routes.StudyRefusal, reason=fields.text("reason")))
    return Next(at("studies", name), say("You said no."))


@pages.do("/studies/{name}/revoke", routes.DECIDE)
def revoke(call: Call, name: Name, fields: Fields) -> Next:
    """Take an approval back."""
    routes.revoke_study(call, name, Nothing())
    return Next(at("studies", name), say("From the next round on nothing of this hospital is used."))


@pages.do("/studies/{name}/resume", routes.ASK)
def resume(call: Call, name: Name, fields: Fields) -> Next:
    """Go on with a paused study."""
    routes.resume_study(call, name, Nothing())
    return Next(at("studies", name), say("It goes on."))


@pages.do("/studies/{name}/close", routes.END)
def close(call: Call, name: Name, fields: Fields) -> Next:
    """End a study, or vote for its end."""
    done = routes.close_study(call, name, Nothing())
    return Next(at("studies", name), say("It is over.") if done.is_over else say("The vote counts."))
