"""Requests as a hospital's people read them: what the ledger has, with the words that are sealed to this hospital."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from hmchain import files
from hmchain.application.cohort.grammar import written
from hmchain.application.governance.requests.applying import document_of
from hmchain.application.governance.requests.documents import (
    TEXT_CHARACTERS_MAX,
    Document,
    DocumentFileError,
    Documents,
    Media,
    NoReaderError,
    RedactedDocumentError,
    require_file,
)
from hmchain.application.governance.requests.form import Form, answered, from_document
from hmchain.application.governance.requests.words import asked_terms, plan_terms, reason_words
from hmchain.application.governance.terms import Term
from hmchain.application.models.machine import MachineUse, used_here
from hmchain.application.site.hospital import HospitalFolder
from hmchain.errors import HMChainError, InputError
from hmchain.ledger.contracts.data import queries
from hmchain.ledger.contracts.data.requests import Kind, ever_asked
from hmchain.ledger.contracts.learning import permitted
from hmchain.ledger.contracts.members import standings
from hmchain.ledger.readers import notices
from hmchain.ledger.readers import requests as reader
from hmchain.ledger.readers.ledger import LedgerReader
from hmchain.ledger.readers.notices import DutyView
from hmchain.ledger.readers.request_steps import next_words, steps
from hmchain.ledger.readers.requests import RequestDocument, RequestView, Word
from hmchain.ledger.state import State
from hmchain.plain import printable
from hmchain.records.objects import MissingObjectError


class Reading(StrEnum):
    """How it stands with a document."""

    READ = "read"
    MEMBERS = "members"
    """Its readers have it, and no ledger does: this is a ledger alone."""
    REDACTED = "redacted"
    OTHERS = "others"
    """It is sealed to others."""
    MISSING = "missing"
    """It cannot be had, or is not what the ledger names."""


@dataclass(frozen=True)
class Paper:
    """A document, as far as this hospital can read it."""

    kind: str
    digest: bytes
    by: str
    reading: Reading
    media: str = ""
    title: str = ""
    """The name of its file."""
    size: int = 0
    text: str = ""
    """Of a text."""
    reason: str = ""
    """Why it cannot be shown."""
    version: int = 0
    """Of the request, with which it came."""


@dataclass(frozen=True)
class SaidInWords:
    """A person's word, with what was written."""

    word: Word
    text: str


@dataclass(frozen=True)
class RequestInWords:
    """A request as a person reads it before deciding."""

    view: RequestView
    title: str
    """In one line: the applicant's, or what is to be said in its place; empty where it has none."""
    form: Form | None
    """What the applicant says; None where it cannot be read."""
    answers: tuple[Term, ...]
    asked: tuple[Term, ...]
    """What the ledger pins, in plain words; the last of it what it could reveal at worst."""
    plan: tuple[Term, ...]
    """All figures of what would be computed."""
    papers: tuple[Paper, ...]
    """What is attached."""
    said: tuple[SaidInWords, ...]
    """What people said, that this hospital may read."""
    duties: tuple[DutyView, ...]
    """What is or was owed for it, to each hospital."""
    reasons: tuple[Term, ...]
    """Of each hospital's policy, in plain words."""
    next: str
    steps: tuple[Term, ...]
    """What this hospital's people can do now, with the commands for it."""
    machine: tuple[MachineUse, ...] = ()
    """What its studies have taken of this hospital's machine."""

    @property
    def is_lost(self) -> bool:
        """Whether what the applicant says of it cannot be shown."""
        return self.form is None


class UnreadRequestError(InputError):
    """What a request says of itself cannot be shown to whoever is to decide on it."""

    code = "request_unread"


def require_read(shown: RequestInWords) -> None:
    """Refuse to go on with a request whose form nobody could be shown. Raises `UnreadRequestError`."""
    if shown.is_lost:
        what = f"what {shown.view.request} says of itself cannot be read: {shown.title}"
        raise UnreadRequestError(what, "add --unread to decide without it")


def titled(papers: Documents | None, chain_id: str, view: RequestView) -> str:
    """A request's title in one line, or what is to be said in its place."""
    return _title(_form(papers, chain_id, view), view)


def shown(ledger: LedgerReader, name: str, papers: Documents | None) -> RequestInWords:
    """One request, with all that this hospital may read. Raises `UnknownRequestError`."""
    state = ledger.verified.state
    return in_words(papers, ledger.genesis.chain_id, state, reader.request(state, name))


def in_words(papers: Documents | None, chain_id: str, state: State, view: RequestView) -> RequestInWords:
    """All of a request that this hospital may read; `papers` is None of a ledger alone."""
    found = _form(papers, chain_id, view)
    form = found if isinstance(found, Form) else None
    read = {
        each.digest: replace(read_paper(papers, chain_id, view.request, each), version=each.version)
        for each in view.documents
    }
    attached = tuple(paper for paper in read.values() if paper.kind not in _BESIDE)
    own = papers.folder.organisation if papers is not None else ""
    said = (word for word in (*view.words, *_letters(view)) if word.public or word.by.startswith(f"{own}/"))
    return RequestInWords(
        view=view,
        title=_title(found, view),
        form=form,
        answers=answered(form) if form is not None else (),
        asked=asked_terms(view.content) if view.content is not None else (),
        plan=plan_terms(view.content) if view.content is not None else (),
        papers=attached,
        said=tuple(SaidInWords(word, paper_text(read.get(word.document))) for word in said),
        duties=tuple(_duties(state, view)),
        reasons=tuple(map(reason_words, view.decisions)),
        next=next_words(state, view.request),
        steps=steps(state, view.request, own),
        machine=() if papers is None else tuple(_used(state, view.request, papers.folder)),
    )


def _used(state: State, request: str, folder: HospitalFolder) -> Iterator[MachineUse]:
    for study in permitted.studies_of(state, request):
        if (found := used_here(folder, study)) is not None:
            yield found


_BESIDE = ("form", "remark", "review", "decide", "decision")
"""Kinds of documents that are shown with what they belong to."""


def _duties(state: State, view: RequestView) -> Iterator[DutyView]:
    time_ms = standings.time_ms(state)
    for hospital in ever_asked(state, view.request):
        yield from notices.duties(state, time_ms, hospital, view.request)


def _letters(view: RequestView) -> Iterator[Word]:
    """What came with decisions, as words of those who decided."""
    for each in view.documents:
        if each.kind == "decision":
            yield Word("letter", each.by, each.by.partition("/")[0], "", True, each.digest, each.height, each.version)


def save(papers: Documents, chain_id: str, view: RequestView, prefix: str, out: Path) -> Paper:
    """Write a document into a new file, whose name is the reader's choice and not its author's.

    Raises what `document_of` and `Documents.read` raise, `RedactedDocumentError`, `OtherDocumentError` for a program or
    letters that steer a terminal, and `DocumentFileError`.
    """
    return save_paper(papers, chain_id, view.request, document_of(view, prefix), out)


def save_paper(papers: Documents, chain_id: str, place: str, found: RequestDocument, out: Path) -> Paper:
    """The same of a document that stands with whatever `place` names. Raises as `save`."""
    document = openable(papers, chain_id, place, found)
    try:
        files.write_whole(out, document.data, durable=False, mode=files.PRIVATE, new=True)
    except FileExistsError as error:
        raise DocumentFileError(f"{out} exists", "choose another place with --output") from error
    return _read(found, document)


def openable(papers: Documents, chain_id: str, place: str, found: RequestDocument) -> Document:
    """A document that stands with whatever `place` names, if a person may open it as a file. Raises as `save`."""
    document = _opened(papers, chain_id, place, found)
    require_file(document)
    if document.media == Media.FORM:
        from_document(document)
    return document


def _form(papers: Documents | None, chain_id: str, view: RequestView) -> Form | Paper:
    """The form, or what became of it."""
    found = next((each for each in view.documents if each.kind == "form"), None)
    if found is None:
        return Paper("form", b"", view.applicant, Reading.MISSING, reason="it has none")
    if papers is None:
        return Paper("form", found.digest, found.by, Reading.MEMBERS)
    try:
        return from_document(_opened(papers, chain_id, view.request, found))
    except Exception as error:  # a stranger wrote what is read here: nothing of it keeps a steward from saying no
        return _unread(found, error)


def _title(found: Form | Paper, view: RequestView) -> str:
    """A request's title, or why it cannot be read; empty where it has none."""
    if isinstance(found, Form):
        return printable(" ".join(found.title.split()))
    if not found.digest and view.content is not None and view.content.kind is Kind.COUNT:
        return written(queries.plan_of(view.content.plan).query)
    return _UNREAD[found.reading] if found.digest else ""


_UNREAD = {
    Reading.MEMBERS: "with the members", Reading.REDACTED: "redacted", Reading.OTHERS: "not for this hospital",
    Reading.MISSING: "CANNOT BE READ",
}  # fmt: skip


def read_paper(papers: Documents | None, chain_id: str, request: str, found: RequestDocument) -> Paper:
    """A document as far as it can be read here, never an error: a stranger wrote it; `papers` as in `in_words`."""
    if papers is None:
        return Paper(found.kind, found.digest, found.by, Reading.REDACTED if found.redacted else Reading.MEMBERS)
    try:
        return _read(found, _opened(papers, chain_id, request, found))
    except Exception as error:  # as above
        return _unread(found, error)


def _opened(papers: Documents, chain_id: str, request: str, found: RequestDocument) -> Document:
    """A document; one that the ledger says is redacted is read no more, and goes if it is still there."""
    if found.redacted:
        papers.destroy(chain_id, request, found.digest)
        raise RedactedDocumentError(
            f"a document of {request} was redacted by {found.by}", "nobody can read it any more"
        )
    return papers.read(chain_id, request, found.digest)


def _read(found: RequestDocument, document: Document) -> Paper:
    size = len(document.data)
    return Paper(
        found.kind, found.digest, found.by, Reading.READ, document.media, document.title, size, document.text
    )  # fmt: skip


def _unread(found: RequestDocument, error: Exception) -> Paper:
    reading = _BECAUSE.get(type(error), Reading.MISSING)
    if isinstance(error, MissingObjectError):
        reason = "it is not in the members' store"
    else:
        reason = str(error) if isinstance(error, HMChainError) else f"it cannot be read ({type(error).__name__})"
    return Paper(found.kind, found.digest, found.by, reading, reason=reason)


_BECAUSE: dict[type[Exception], Reading] = {
    RedactedDocumentError: Reading.REDACTED,
    NoReaderError: Reading.OTHERS,
}


def paper_text(paper: Paper | None) -> str:
    """What a text says, or in brackets why it cannot be shown; empty of what is no text."""
    if paper is None:
        return ""
    if paper.reading is not Reading.READ:
        return f"({_UNREAD[paper.reading]})"
    if len(paper.text) > TEXT_CHARACTERS_MAX:  # of another program: whoever takes part could fill all others' terminals
        return f"({len(paper.text)} characters, too many to show)"
    return paper.text
