"""A request's file as its author looks at it before it goes anywhere; and the catalogue to choose from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hmchain.application.governance.purposes import purpose_words
from hmchain.application.governance.requests.content import content_of, require_to_come
from hmchain.application.governance.requests.documents import file_document
from hmchain.application.governance.requests.file import RequestFile, load_request
from hmchain.application.governance.requests.form import unanswered
from hmchain.application.node.reading import verified_state
from hmchain.application.site.node import NodeFolder
from hmchain.ledger.context import SCIENTIST
from hmchain.ledger.contracts.data import datasets, judging, policies
from hmchain.ledger.contracts.data.requests import (
    Content,
    DatasetVersion,
    DocumentKind,
    DocumentRef,
    Submission,
)
from hmchain.ledger.contracts.members.people import PersonRef
from hmchain.ledger.state import State

_UNSEALED = bytes(32)
"""In the place of a document's digest: nothing was put anywhere yet."""


@dataclass(frozen=True)
class Attachment:
    """A file that will be attached."""

    kind: str
    file: str
    media: str
    size: int


@dataclass(frozen=True)
class PolicyAnswer:
    """What a hospital's policy would say now."""

    organisation: str
    dataset: str
    answer: str
    """`yes`, `no` or `look`, which a person must."""
    reasons: tuple[str, ...]
    """Codes of what made it say so."""
    policy: int
    """Its version."""


@dataclass(frozen=True)
class CheckedRequest:
    """What a request's file asks for, and what it leaves open."""

    name: str
    kind: str
    title: str
    purposes: tuple[str, ...]
    """With their names."""
    datasets: tuple[DatasetVersion, ...]
    """As the ledger has them; version 0 where no node was there to ask."""
    answers: tuple[PolicyAnswer, ...]
    """Of the hospitals' policies as they are now, to this hospital's scientist; none where no node was there to ask."""
    until_ms: int
    attachments: tuple[Attachment, ...]
    unanswered: tuple[str, ...]
    """Keys of the form that a permit application asks for and this one does not answer."""


def check(path: Path, node: NodeFolder, now_ms: int) -> CheckedRequest:
    """Read a request's file and all that it names; the ledger is asked where there is a node.

    Raises what `load_request` raises, and `RequestFileError` or `DocumentError` for what it names.
    """
    asked = load_request(path)
    require_to_come(asked, now_ms)
    found = [(kind, file, file_document(file)) for kind, file in asked.files]
    named, answers = _asked_of(asked, node, now_ms)
    attached = tuple(Attachment(kind, file.name, each.media, len(each.data)) for kind, file, each in found)
    return _checked(asked, named, answers, attached)


def against(state: State, asked: RequestFile, now_ms: int, organisation: str, person: str) -> CheckedRequest:
    """A person's request that names no file, and what policies would say to it now. Raises as `content_of`."""
    content, answers = expected(state, asked, now_ms, organisation, person)
    return _checked(asked, content.datasets, answers)


def _checked(
    asked: RequestFile,
    named: tuple[DatasetVersion, ...],
    answers: tuple[PolicyAnswer, ...],
    attached: tuple[Attachment, ...] = (),
) -> CheckedRequest:
    return CheckedRequest(
        name=asked.name,
        kind=asked.kind,
        title=asked.described().title,
        purposes=tuple(map(purpose_words, asked.codes)),
        datasets=named,
        answers=answers,
        until_ms=asked.until_ms,
        attachments=attached,
        unanswered=tuple(field.name for field in unanswered(asked.described())),
    )


def _asked_of(
    asked: RequestFile, node: NodeFolder, now_ms: int
) -> tuple[tuple[DatasetVersion, ...], tuple[PolicyAnswer, ...]]:
    """The datasets that a request names, and what their hospitals' policies would say."""
    if not node.state.is_file():
        return tuple(DatasetVersion(organisation, name, number or 0) for organisation, name, number in asked.wanted), ()
    with verified_state(node.ledger) as found:
        person = node.settings().acts_as or SCIENTIST
        content, answers = expected(found.state, asked, now_ms, node.settings().organisation, person)
        return content.datasets, answers


def expected(
    state: State, asked: RequestFile, now_ms: int, organisation: str, person: str
) -> tuple[Content, tuple[PolicyAnswer, ...]]:
    """What a person's request would put on the ledger, its documents not sealed yet, and what policies would say now.

    Raises as `content_of`.
    """
    kinds = [DocumentKind.FORM, *(kind for kind, _ in asked.files)]
    content = content_of(state, asked, now_ms, (DocumentRef(kind, _UNSEALED) for kind in kinds))
    return content, answers_to(state, content, PersonRef(organisation, person), now_ms)


def answers_to(state: State, content: Content, applicant: PersonRef, now_ms: int) -> tuple[PolicyAnswer, ...]:
    """What policies would say now to a request of this applicant, of each dataset in order."""
    made = Submission("", 0, content.digest, applicant, (), now_ms, state.height)
    answers = []
    for use in content.datasets:
        policy = policies.current(state, use.organisation, use.dataset)
        said = judging.judge(state, policy, made, content, use)
        answers.append(PolicyAnswer(use.organisation, use.dataset, str(said.answer), said.reasons, policy.version))
    return tuple(answers)


def catalogue(node: NodeFolder) -> tuple[tuple[str, str], ...]:
    """All datasets that members have published, by hospital and name, in order; none where there is no node."""
    if not node.state.is_file():
        return ()
    with verified_state(node.ledger) as found:
        return published(found.state)


def published(state: State) -> tuple[tuple[str, str], ...]:
    """All datasets with a version, by hospital and name, in order."""
    return tuple((each.organisation, each.name) for each in datasets.datasets(state) if each.version)
