"""A request's file as its author looks at it before it goes anywhere; and the catalogue to choose from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hmchain.application.governance.documents import file_document
from hmchain.application.governance.form import unanswered
from hmchain.application.governance.purposes import purpose_words
from hmchain.application.governance.request_content import require_to_come
from hmchain.application.governance.request_file import RequestFile, load_request
from hmchain.application.governance.request_named import named_versions
from hmchain.application.node.reading import verified_state
from hmchain.application.site.node import NodeFolder
from hmchain.ledger.contracts.data import datasets
from hmchain.ledger.contracts.data.requests import DatasetVersion
from hmchain.ledger.state import State


@dataclass(frozen=True)
class Attachment:
    """A file that will be attached."""

    kind: str
    file: str
    media: str
    size: int


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
    return CheckedRequest(
        name=asked.name,
        kind=asked.kind,
        title=asked.described().title,
        purposes=tuple(map(purpose_words, asked.codes)),
        datasets=_datasets(asked, node),
        until_ms=asked.until_ms,
        attachments=tuple(Attachment(kind, file.name, each.media, len(each.data)) for kind, file, each in found),
        unanswered=tuple(field.name for field in unanswered(asked.described())),
    )


def _datasets(asked: RequestFile, node: NodeFolder) -> tuple[DatasetVersion, ...]:
    if not node.state.is_file():
        return tuple(DatasetVersion(organisation, name, number or 0) for organisation, name, number in asked.wanted)
    with verified_state(node.ledger) as found:
        return named_versions(found.state, asked)


def catalogue(node: NodeFolder) -> tuple[tuple[str, str], ...]:
    """All datasets that members have published, by hospital and name, in order; none where there is no node."""
    if not node.state.is_file():
        return ()
    with verified_state(node.ledger) as found:
        return published(found.state)


def published(state: State) -> tuple[tuple[str, str], ...]:
    """All datasets with a version, by hospital and name, in order."""
    return tuple((each.organisation, each.name) for each in datasets.datasets(state) if each.version)
