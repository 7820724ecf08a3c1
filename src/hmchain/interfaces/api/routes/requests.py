"""Requests for data, as people read them: lists, what waits for whom, documents, terms."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Path, Query
from starlette.responses import Response

from hmchain.application.access.permissions import Operation, Rule, Scope
from hmchain.application.governance.requests import acceptance, checking, file, licences, listing, reading, template
from hmchain.application.governance.requests.acceptance import TermsInWords
from hmchain.application.governance.requests.applying import document_of
from hmchain.application.governance.requests.checking import CheckedRequest
from hmchain.application.governance.requests.documents import SUFFIXES
from hmchain.application.governance.requests.file import RequestFile
from hmchain.application.governance.requests.listing import ListedRequest, Waiting
from hmchain.application.governance.requests.reading import RequestInWords
from hmchain.application.governance.requests.words import KINDS
from hmchain.interfaces.api import answers
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.api.paging import Page
from hmchain.interfaces.api.parameters import NAME_OR_NONE, Digits, Name, words_of
from hmchain.interfaces.api.routing import Routes

VIEW = Rule(Operation.VIEW, Scope.NETWORK)
"""What every ledger has; words that are sealed to the hospital are shown to its own people alone (`Call.sealed`)."""
VIEW_SEALED = Rule(Operation.VIEW, Scope.HOSPITAL)

routes = Routes("requests")

Living = Annotated[bool, Query(description="Leave out what is closed.")]
Someone = Annotated[str, Query(alias="for", pattern=NAME_OR_NONE, description="One person; everybody if left out.")]
Kind = Annotated[
    str, Path(pattern="^[a-z]{1,20}$", description="What is asked for.", json_schema_extra=words_of(KINDS))
]
NewName = Annotated[str, Query(alias="name", max_length=48, description="The request's name, for ever.")]
Terms = Annotated[str, Path(pattern="^[0-9a-f]{64}$", description="Digest of the terms.")]

EXAMPLE = RequestFile(
    name="relapse", kind="transfer", datasets={"east": "brain"}, until=datetime(2027, 6, 30).date(),
    form={
        "title": "Relapse after surgery", "use": "Do early changes in MRI tell who will relapse?",
        "contact": "Dr West, +49 1",
    },
)  # fmt: skip


@routes.get("/requests", VIEW, commands=("request list",))
def list_requests(call: Call, living: Living = False) -> Page[ListedRequest]:
    """The requests that this hospital's people ask or are asked; of a run all."""
    with call.ledger() as ledger:
        return call.page(listing.listed(ledger, call.about, call.sealed, over=not living))


@routes.get("/requests/{name}", VIEW, commands=("request show",))
def show_request(call: Call, name: Name) -> RequestInWords:
    """All that a request asks, in plain words, each hospital's decision, and what is said beside it."""
    with call.ledger() as ledger:
        return reading.shown(ledger, name, call.sealed)


@routes.get("/inbox", VIEW_SEALED, commands=("request inbox",))
def list_inbox(call: Call, person: Someone = "") -> list[Waiting]:
    """What waits for this hospital's people, or for one: what is overdue first."""
    with call.ledger() as ledger:
        return listing.inbox(ledger, call.organisation, call.sealed, person)


@routes.get(
    "/requests/{name}/documents/{digest}", VIEW_SEALED,
    answer="application/octet-stream", commands=("request document",),
)  # fmt: skip
def read_document(call: Call, name: Name, digest: Digits) -> Response:
    """A document that was attached. Its author chose what is in it: open it as you open mail."""
    with call.ledger() as ledger:
        view, chain_id = reading.shown(ledger, name, None).view, ledger.genesis.chain_id
    found = document_of(view, digest)
    document = reading.openable(call.papers, chain_id, name, found)
    return answers.file(document.data, f"{name}-{found.digest.hex()[:12]}{SUFFIXES.get(document.media, '')}")


@routes.get("/requests/{name}/terms", VIEW, commands=("request terms",))
def list_terms(call: Call, name: Name) -> tuple[TermsInWords, ...]:
    """The terms that hospitals ask for: whose they are, what they say, and who has accepted them."""
    with call.ledger() as ledger:
        return acceptance.in_words(ledger.verified.state, call.objects, name)


@routes.get("/terms/{digest}", VIEW, answer="application/octet-stream", commands=("request terms", "policy terms"))
def read_terms(call: Call, digest: Terms) -> Response:
    """The file of terms, held against its digest. A hospital wrote it: open it as you open mail."""
    data, media = licences.read_shown(call.objects, bytes.fromhex(digest))
    return answers.file(data, f"terms-{digest[:12]}{SUFFIXES.get(media, '')}")


@routes.get("/request-templates/{kind}", VIEW, answer="text/plain", commands=("request new",))
def read_template(call: Call, kind: Kind, name: NewName = "my-request") -> Response:
    """A request to fill in, in TOML, with the datasets that members have; its keys are those of a request's JSON."""
    with call.ledger() as ledger:
        published = checking.published(ledger.verified.state)
    text = template.template(name, kind, published, datetime.fromtimestamp(call.now_ms() / 1000, UTC).date())
    return answers.file(text.encode(), f"{name}.toml", "text/plain; charset=utf-8")


@routes.post("/requests/check", VIEW, commands=("request check",), example=EXAMPLE)
def check_request(call: Call, body: RequestFile) -> CheckedRequest:
    """What is wrong with a request, and what the hospitals' policies would answer now; nothing goes anywhere."""
    file.require_alone(body)
    with call.ledger() as ledger:
        return checking.against(
            ledger.verified.state, body, call.now_ms(), call.person.organisation, call.person.person
        )
