"""Requests for data, as the people who ask have them: drafted, submitted, taken back, renewed, ended."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import msgspec
from fastapi import Path, Query

from hmchain.application.access.permissions import Operation, Rule, Scope
from hmchain.application.governance.requests import acceptance, applying, decisions, file
from hmchain.application.governance.requests.applying import Renewed
from hmchain.application.governance.requests.documents import FILE_BYTES_MAX, file_document
from hmchain.application.governance.requests.file import ATTACHED, RequestFile, RequestFileError
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.api.parameters import Code, Digits, LedgerName, Name, Nothing, like, one_of, words_of
from hmchain.interfaces.api.routes.requests import EXAMPLE, routes
from hmchain.interfaces.api.routing import Upload
from hmchain.ledger.context import NAME, SCIENTIST
from hmchain.ledger.readers.requests import RequestView

ASK = Rule(Operation.ASK, Scope.HOSPITAL, (SCIENTIST,))
ANSWER = Rule(Operation.ASK, Scope.HOSPITAL)
"""Of people in any role who take part in a request, which the ledger knows."""

PersonName = Annotated[str, like(f"({NAME}/)?{NAME}")]
"""ORGANISATION/PERSON, or PERSON of one's own organisation."""
Draft = Annotated[bool, Query(description="Keep it as a draft that no hospital is asked yet.")]
Kind = Annotated[
    str, Path(pattern="^[a-z]{1,20}$", description="Kind of document.", json_schema_extra=words_of(ATTACHED))
]


class HandedIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A draft that is to be put before the hospitals as it was kept."""

    again: bool = False
    """Though nothing was changed since it came back."""


class Renewal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A copy to begin."""

    name: LedgerName
    until: date
    """The last day of use."""


class RequestEnd(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why a request ends."""

    reason: Annotated[Code, one_of(decisions.CLOSE_REASONS)] = "finished"


class InvolvedPerson(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody who is to take part, or not."""

    person: PersonName


class AcceptedTerms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """That one keeps to the terms that hospitals ask for."""

    unread: bool = False
    """Also to those that nobody here can read."""


@routes.post("/requests", ASK, signs=True, commands=("request submit",), example=EXAMPLE)
def submit_request(call: Call, body: RequestFile, draft: Draft = False) -> RequestView:
    """Put a request before the hospitals that it names; what was submitted before becomes a new version.

    It names no files: documents are added to the draft.
    """
    file.require_alone(body)
    with call.user() as user:
        return (applying.draft if draft else applying.submit)(user, body, call.papers)


@routes.post("/requests/{name}/submission", ASK, signs=True, commands=("request submit",), example=HandedIn())
def hand_in_draft(call: Call, name: Name, body: HandedIn) -> RequestView:
    """Submit a draft as it was kept."""

    def agreed(version: int) -> None:
        if not body.again:
            what = f"nothing of {name} was changed since version {version}, which came back"
            raise RequestFileError(what, 'change it first; or mean it: "again": true')

    with call.user() as user:
        return applying.hand_in(user, name, agreed)


@routes.post(
    "/requests/{name}/documents/{kind}", ASK, signs=True, commands=("request attach",), bytes_max=FILE_BYTES_MAX
)
def attach_document(call: Call, name: Name, kind: Kind, upload: Upload) -> RequestView:
    """Add a document to what is submitted next: a PDF, a text, a PNG or JPEG; `file` names it for its readers."""
    applying.require_code(kind, ATTACHED, "kind of document")
    with call.user() as user:
        return applying.attach(user, call.papers, name, kind, file_document(upload.path))


@routes.delete("/requests/{name}/documents/{digest}", ANSWER, signs=True, commands=("request redact",))
def redact_document(call: Call, name: Name, digest: Digits) -> RequestView:
    """Destroy the key of a document of one's own, for good; asked again once it is signed, it clears the key away."""
    with call.user() as user:
        return applying.redact(user, call.papers, name, digest)


@routes.post("/requests/{name}/takeback", ASK, signs=True, commands=("request takeback",), example=Nothing())
def take_request_back(call: Call, name: Name, body: Nothing) -> RequestView:
    """Take a submitted request back to change it; what was decided stands until it is submitted anew."""
    with call.user() as user:
        return applying.take_back(user, name)


@routes.post(
    "/requests/{name}/renewal", ASK, signs=True, commands=("request renew",),
    example=Renewal("relapse-2", date(2028, 6, 30)),
)  # fmt: skip
def renew_request(call: Call, name: Name, body: Renewal) -> Renewed:
    """Begin a draft that asks for the same again, of the newest versions, until another day."""
    with call.user() as user:
        return applying.renew(user, call.papers, name, body.name, file.end_of(body.until))


@routes.post("/requests/{name}/end", ANSWER, signs=True, commands=("request close",), example=RequestEnd())
def close_request(call: Call, name: Name, body: RequestEnd) -> RequestView:
    """End a request and all that it allows, for good; what is owed for it stays owed. A draft is forgotten."""
    with call.user() as user:
        shown = applying.view(user, name)
        if shown.status != "draft":
            return applying.close(user, name, body.reason)
        applying.delete(user, name)
        return shown


@routes.post(
    "/requests/{name}/members", ASK, signs=True, commands=("request invite",), example=InvolvedPerson("south/s1")
)
def invite_member(call: Call, name: Name, body: InvolvedPerson) -> RequestView:
    """Ask a person to take part; one of one's own organisation takes part at once."""
    with call.user() as user:
        return applying.invite(user, name, applying.person_named(body.person, user.organisation))


@routes.post(
    "/requests/{name}/members/end", ANSWER, signs=True, commands=("request uninvite",),
    example=InvolvedPerson("south/s1"),
)  # fmt: skip
def end_membership(call: Call, name: Name, body: InvolvedPerson) -> RequestView:
    """Take an invitation back, or end a person's part: it counts no more at once."""
    with call.user() as user:
        return applying.uninvite(user, name, applying.person_named(body.person, user.organisation))


@routes.post("/requests/{name}/members/own", ASK, signs=True, commands=("request join",), example=Nothing())
def join_request(call: Call, name: Name, body: Nothing) -> RequestView:
    """Take part, as one was invited to. Who takes part never decides on it."""
    with call.user() as user:
        return applying.join(user, name)


@routes.post(
    "/requests/{name}/applicant", ASK, signs=True, commands=("request handover",), example=InvolvedPerson("south/s1")
)
def change_applicant(call: Call, name: Name, body: InvolvedPerson) -> RequestView:
    """Let a member answer for a request that is not submitted, in the applicant's place."""
    with call.user() as user:
        return applying.change_applicant(user, name, applying.person_named(body.person, user.organisation))


@routes.post("/requests/{name}/acceptance", ASK, signs=True, commands=("request accept",), example=AcceptedTerms())
def accept_terms(call: Call, name: Name, body: AcceptedTerms) -> RequestView:
    """Keep to the terms that hospitals ask for; before all who take part do, nothing is allowed."""
    with call.user() as user:
        left = acceptance.left(user, call.objects, name)
        if not body.unread:
            acceptance.require_read(left, name)
        return acceptance.accept(user, name, left)
