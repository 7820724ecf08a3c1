"""What the people of a request have done with it: draft, submit, take back, go on from a copy, end."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from msgspec.structs import replace

from hmchain.application.governance.delegate import LedgerUser
from hmchain.application.governance.requests.content import content_of
from hmchain.application.governance.requests.documents import (
    Document,
    Documents,
    file_document,
    readers_of,
)
from hmchain.application.governance.requests.file import RequestFile, RequestFileError
from hmchain.application.governance.requests.form import as_document
from hmchain.application.node.reading import verified_state
from hmchain.application.site.node import NodeFolder
from hmchain.application.site.persons import PersonNameError
from hmchain.errors import InputError, StorageError
from hmchain.keys import UnwrapError
from hmchain.ledger.context import SCIENTIST, STEWARD, is_name
from hmchain.ledger.contracts import Body
from hmchain.ledger.contracts.data import datasets, requests
from hmchain.ledger.contracts.data.applicants import (
    AddMember,
    ChangeApplicant,
    InviteMember,
    JoinRequest,
    RemoveMember,
    UninviteMember,
)
from hmchain.ledger.contracts.data.applying import (
    CLOSE_REASONS,
    CloseRequest,
    CopyRequest,
    CreateRequest,
    DeleteDraft,
    SaveDraft,
    SubmitRequest,
    TakeBackRequest,
)
from hmchain.ledger.contracts.data.attachments import RedactDocument
from hmchain.ledger.contracts.data.requests import Content, DatasetVersion, DocumentKind, DocumentRef, Request, Status
from hmchain.ledger.contracts.learning import studies
from hmchain.ledger.contracts.members import people
from hmchain.ledger.contracts.members.people import PersonRef
from hmchain.ledger.readers import requests as reader
from hmchain.ledger.readers.requests import RequestView
from hmchain.ledger.state import State
from hmchain.plain import is_meant
from hmchain.records.envelope import EnvelopeKeyError


class RequestTakenError(InputError):
    """A request of this name is somebody else's, or is over, or a study has the name."""

    code = "request_taken"


class NoSuchDocumentError(InputError):
    """A request has no document whose digest begins like this."""

    code = "no_document"


class RequestReasonError(InputError):
    """A reason, an answer or a state is none of the codes that a ledger has."""

    code = "request_reason"


def me(user: LedgerUser) -> PersonRef:
    """The person whose key signs. Raises `Refusal` if it is nobody's whose word counts."""
    return people.sender(people.require_sender(user.state, user.signer.public.raw))


@dataclass(frozen=True)
class Renewed:
    """A copy of a request, as a draft."""

    view: RequestView
    left_out: tuple[str, ...]
    """Kinds of documents that could not be copied."""


def person_named(text: str, organisation: str) -> PersonRef:
    """The person that `east/rita` names, or `rita` in one's own organisation. Raises `PersonNameError`."""
    of, _, person = text.rpartition("/")
    named = PersonRef(of or organisation, person)
    if not (is_name(named.organisation) and is_name(named.person)):
        raise PersonNameError(f"{text!r} names no person", "name one as ORGANISATION/PERSON; offices are persons too")
    return named


def office_for(folder: NodeFolder, name: str) -> str:
    """The office that speaks on a request at this node: the scientist's on one's own, the steward's on others'.

    Raises `UnknownRequestError`, and what `verified_state` raises.
    """
    with verified_state(folder.ledger) as found:
        entry = reader.require_request(found.state, name)
    own = {person.organisation for person in (entry.applicant, *entry.members, *entry.invited)}
    return SCIENTIST if folder.settings().organisation in own else STEWARD


def view(user: LedgerUser, name: str) -> RequestView:
    """A request as this hospital's node has it. Raises `UnknownRequestError`."""
    return reader.request(user.state, name)


def require_code(code: str, known: Iterable[str], what: str) -> None:
    """Raise `RequestReasonError` unless a ledger has this word."""
    if code not in (names := list(known)):
        raise RequestReasonError(f"{code!r} is no {what} on a ledger", f"give one of {', '.join(filter(None, names))}")


# -- asking ------------------------------------------------------------------------------------------------------------


def draft(user: LedgerUser, asked: RequestFile, papers: Documents) -> RequestView:
    """Keep what a file asks for as a draft, its documents sealed; hospitals see nothing of it yet.

    Raises what the file, its documents and the ledger complain of, and `RequestTakenError`.
    """
    user.send(*_saved(user, asked.name, _prepared(user, asked, papers)))
    return view(user, asked.name)


Agreed = Callable[[int], None]
"""Told, before anything is sent, of which version the next one would be the same; raises where nobody means it."""


def _whatever(version: int) -> None: ...


def submit(user: LedgerUser, asked: RequestFile, papers: Documents, agreed: Agreed = _whatever) -> RequestView:
    """Put what a file asks for before the hospitals that it names; of what was submitted before a new version.

    What is before them just so already is left alone; what came back to be changed, and was not, is `agreed` to first.
    Raises as `draft`, and what `agreed` raises.
    """
    content = _prepared(user, asked, papers)
    entry = requests.request(user.state, asked.name)
    if entry is not None and (entry.status, entry.content) == (Status.SUBMITTED, content.digest):
        return view(user, asked.name)
    _agree(entry, content, agreed)
    taken_back = _taken_back(entry)
    user.send(*taken_back, *_saved(user, asked.name, content), SubmitRequest(asked.name, content.digest))
    return view(user, asked.name)


def _taken_back(entry: Request | None) -> tuple[TakeBackRequest, ...]:
    return (TakeBackRequest(entry.name),) if entry is not None and entry.status is Status.SUBMITTED else ()


def _agree(entry: Request | None, content: Content | None, agreed: Agreed) -> None:
    if entry is not None and entry.version and content is not None and entry.content == content.digest:
        agreed(entry.version)


def put_before(user: LedgerUser, name: str, content: Content) -> None:
    """Put a content before the hospitals that it names; what was cut short goes on. Raises what a refusal raises."""
    user.send(*_saved(user, name, content), SubmitRequest(name, content.digest))


def hand_in(user: LedgerUser, name: str, agreed: Agreed = _whatever) -> RequestView:
    """Submit a draft as it was kept. Raises `UnknownRequestError`, what `agreed` raises, or what a refusal raises."""
    entry = reader.require_request(user.state, name)
    content = requests.draft(user.state, entry)
    if entry.status is Status.RETURNED:
        _agree(entry, content, agreed)
    user.send(SubmitRequest(name, content.digest if content is not None else bytes(32)))
    return view(user, name)


def take_back(user: LedgerUser, name: str) -> RequestView:
    """Go over a submitted request again; what was decided stands until it is submitted anew."""
    reader.require_request(user.state, name)
    user.send(TakeBackRequest(name))
    return view(user, name)


def close(user: LedgerUser, name: str, reason: str) -> RequestView:
    """End a request and all that it allows, for good. Raises `RequestReasonError` too."""
    require_code(reason, CLOSE_REASONS, "reason to close a request")
    reader.require_request(user.state, name)
    user.send(CloseRequest(name, reason))
    return view(user, name)


def delete(user: LedgerUser, name: str) -> None:
    """Forget a draft that was never submitted, and destroy nothing: its documents were sealed to its readers."""
    reader.require_request(user.state, name)
    user.send(DeleteDraft(name))


def renew(user: LedgerUser, papers: Documents, source: str, name: str, until_ms: int) -> Renewed:
    """Begin a draft with the content of another request: its newest dataset versions, its documents sealed anew.

    What cannot be read here is left out: redacted, or sealed before one's organisation took part. Raises
    `RequestFileError` for an end that is over.
    """
    if until_ms <= user.ledger.now_ms():
        raise RequestFileError("the last day of the copy is over", "name a day to come")
    old = reader.require_request(user.state, source)
    content = requests.draft(user.state, old)
    own, chain, copied = requests.request(user.state, name), user.ledger.chain_id, list[Body]()
    if own is None:
        _require_free(user, name)
        copied.append(CopyRequest(name, source))
    if content is None:
        user.send(*copied)
        return Renewed(view(user, name), ())
    readers = readers_of(user.state, _circle(user.state, own, content, user.organisation))
    kept, left = [], []
    for each in content.documents:
        try:
            document = papers.read(chain, source, each.digest)
            kept.append(DocumentRef(each.kind, papers.put(chain, name, document, readers)))
        except (StorageError, UnwrapError, EnvelopeKeyError):
            left.append(each.kind.value)
    wanted = replace(content, datasets=_newest(user, content), documents=tuple(kept), until_ms=until_ms)
    is_kept = own is not None and requests.draft(user.state, own) == wanted
    user.send(*copied, *(() if is_kept else (SaveDraft(name, wanted),)))
    return Renewed(view(user, name), tuple(left))


def _newest(user: LedgerUser, content: Content) -> tuple[DatasetVersion, ...]:
    found = [(use, datasets.dataset(user.state, use.organisation, use.dataset)) for use in content.datasets]
    return tuple(replace(use, version=known.version) if known is not None else use for use, known in found)


def _prepared(user: LedgerUser, asked: RequestFile, papers: Documents) -> Content:
    """All that a file asks for, its documents in the store. Nothing is put there of what cannot be asked."""
    _require_own(user, asked.name)
    content = content_of(user.state, asked, user.ledger.now_ms())
    attached = [(kind, file_document(path)) for kind, path in asked.files]
    documents = [(DocumentKind.FORM, as_document(asked.described())), *attached]
    entry = requests.request(user.state, asked.name)
    readers = readers_of(user.state, _circle(user.state, entry, content, user.organisation))
    chain = user.ledger.chain_id
    references = [DocumentRef(kind, papers.put(chain, asked.name, each, readers)) for kind, each in documents]
    return replace(content, documents=tuple(references))


def _require_own(user: LedgerUser, name: str) -> None:
    entry = requests.request(user.state, name)
    if entry is None:
        _require_free(user, name)
        return
    if entry.status is Status.CLOSED:
        hint = f"begin another one of it: `hmchain request renew {name} NEW --until DAY`"
        raise RequestTakenError(f"request {name} is closed", hint)
    if entry.applicant != me(user):
        what = f"request {name} is {entry.applicant}'s"
        raise RequestTakenError(what, "choose another name; a member's people ask its applicant to submit it")


def _require_free(user: LedgerUser, name: str) -> None:
    """No study has the name: one that is allowed bears its request's, and a name is given once."""
    if studies.study(user.state, name) is not None:
        what = f"there is a study {name} already, which this request did not ask for"
        raise RequestTakenError(what, "choose another name: what is asked for and its study have one")


def _saved(user: LedgerUser, name: str, content: Content) -> tuple[Body, ...]:
    """What has to be sent for a draft to have this content."""
    entry = requests.request(user.state, name)
    created = user.due(CreateRequest(name), is_so=entry is not None)
    is_kept = entry is not None and requests.draft(user.state, entry) == content
    return created if is_kept else (*created, SaveDraft(name, content))


def circle(state: State, entry: Request, content: Content | None) -> set[str]:
    """The organisations that read what stands with a request: the applicant's, members', and the hospitals asked.

    Who is only invited reads nothing yet, and nothing new comes to the organisation of a member who was removed.
    """
    members = (person for person in entry.members if not people.is_gone(state, person))
    own = {person.organisation for person in (entry.applicant, *members)}
    return own | {use.organisation for use in (content.datasets if content is not None else ())}


def _circle(state: State, entry: Request | None, content: Content, own: str = "") -> set[str]:
    asked = {use.organisation for use in content.datasets} | ({own} if own else set())
    return asked if entry is None else asked | circle(state, entry, content)


# -- its documents -----------------------------------------------------------------------------------------------------


def attach(user: LedgerUser, papers: Documents, name: str, kind: str, document: Document) -> RequestView:
    """Add a document to what the next submission asks with. A submitted request is taken back first."""
    entry = reader.require_request(user.state, name)
    content = requests.draft(user.state, entry)
    if content is None:
        raise RequestTakenError(f"request {name} has no content yet", "`hmchain request submit FILE` gives it one")
    readers = readers_of(user.state, _circle(user.state, entry, content))
    digest = papers.put(user.ledger.chain_id, name, document, readers)
    if digest not in (each.digest for each in content.documents):
        attached = replace(content, documents=(*content.documents, DocumentRef(DocumentKind(kind), digest)))
        user.send(*_taken_back(entry), SaveDraft(name, attached))
    return view(user, name)


def redact(user: LedgerUser, papers: Documents, name: str, prefix: str) -> RequestView:
    """Destroy the key of a document, whose digest begins with `prefix`; the same command again does what was cut short.

    Raises `NoSuchDocumentError`, or what a refusal raises.
    """
    found = document_of(view(user, name), prefix)
    if not found.redacted:
        user.send(RedactDocument(name, found.digest))
    papers.destroy(user.ledger.chain_id, name, found.digest)
    return view(user, name)


def document_of(shown: RequestView, prefix: str) -> reader.RequestDocument:
    """The one document whose digest begins like this, in 4 digits or more. Raises `NoSuchDocumentError`."""
    found = [each for each in shown.documents if is_meant(each.digest, prefix)]
    if len(found) != 1:
        what = f"request {shown.request} has {'no' if not found else 'more than one'} document {prefix!r}"
        raise NoSuchDocumentError(what, f"`hmchain request show {shown.request}` has their digests")
    return found[0]


# -- its people --------------------------------------------------------------------------------------------------------


def invite(user: LedgerUser, name: str, person: PersonRef) -> RequestView:
    """Ask a person to take part; one of the applicant's own organisation takes part at once."""
    reader.require_request(user.state, name)
    own = person.organisation == user.organisation
    user.send(AddMember(name, person.person) if own else InviteMember(name, person))
    return view(user, name)


def uninvite(user: LedgerUser, name: str, person: PersonRef) -> RequestView:
    """Take an invitation back, or end a membership."""
    entry = reader.require_request(user.state, name)
    user.send(UninviteMember(name, person) if person in entry.invited else RemoveMember(name, person))
    return view(user, name)


def join(user: LedgerUser, name: str) -> RequestView:
    """Take part, as one was invited to."""
    reader.require_request(user.state, name)
    user.send(JoinRequest(name))
    return view(user, name)


def change_applicant(user: LedgerUser, name: str, person: PersonRef) -> RequestView:
    """Let a member answer for the request from now on."""
    reader.require_request(user.state, name)
    user.send(ChangeApplicant(name, person))
    return view(user, name)
