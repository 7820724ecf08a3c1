"""Documents beside a request: who attached each, and which are not to be read any more.

A document is encrypted to its readers and known here by the digest of its ciphertext. Destroying its key redacts it;
that it was there stays, and so does what was decided on it.
"""

from __future__ import annotations

from msgspec.structs import replace

from hmchain.canonical import Record
from hmchain.ledger import request_events as events
from hmchain.ledger.context import Context, require, require_digest
from hmchain.ledger.contracts.data import requests
from hmchain.ledger.contracts.members import people
from hmchain.ledger.contracts.members.people import PersonRef
from hmchain.ledger.state import State, Table
from hmchain.ledger.transactions import Refusal


class Attachment(Record, frozen=True):
    """A document of a request."""

    kind: str
    """A `DocumentKind`, or what it came with: `remark`, `review`, `decision`, `evidence`."""
    digest: bytes
    by: PersonRef
    height: int
    redacted: int
    """Height at which its redaction was said; 0 while it stands."""


class RedactDocument(Record, frozen=True, tag="redact_document"):
    """Transaction (who attached it, or a steward or officer of that organisation): its key is destroyed."""

    request: str
    document: bytes


Bodies = RedactDocument

_ATTACHMENTS = Table("attachments", Attachment)
"""By request and digest."""


def attachment(state: State, request: str, digest: bytes) -> Attachment | None:
    """A document of a request, or None."""
    return _ATTACHMENTS.get(state, request, digest)


def attachments(state: State, request: str) -> list[Attachment]:
    """All documents that were ever attached to a request, in order of digest."""
    return _ATTACHMENTS.all(state, request)


def attach(context: Context, request: str, kind: str, digest: bytes) -> None:
    """Note who attached a document first; an empty digest is none.

    Refuses `bad_digest`, `redacted` for good, and `not_its_author` of what stands in the applicant's draft: whoever
    read it there would attach it before it is submitted, and could take it back from all.
    """
    if not digest:
        return
    require_digest(digest)
    known = attachment(context.state, request, digest)
    require(known is None or not known.redacted, "redacted")
    if known is None:
        _require_own(context, request, digest)
        made = Attachment(kind, digest, people.sender(context.sender), context.height, 0)
        _ATTACHMENTS.put(context.state, made, request, digest)


def _require_own(context: Context, request: str, digest: bytes) -> None:
    entry = requests.require_request(context.state, request)
    drafted = requests.content(context.state, request, entry.version + 1)
    named = drafted is not None and any(each.digest == digest for each in drafted.documents)
    require(not named or people.sender(context.sender) == entry.applicant, "not_its_author")


def _redact(context: Context, body: RedactDocument) -> None:
    known = attachment(context.state, body.request, body.document)
    if known is None:
        raise Refusal("no_such_document")
    require(not known.redacted, "redacted")
    sender = context.sender
    own = people.sender(sender) == known.by or people.speaks_for(sender, known.by.organisation)
    require(own, "not_its_author")
    redacted = replace(known, redacted=context.height)
    _ATTACHMENTS.put(context.state, redacted, body.request, body.document)
    context.emit(events.DocumentRedacted(body.request, sender.organisation, sender.person, body.document))


HANDLERS = {RedactDocument: _redact}
