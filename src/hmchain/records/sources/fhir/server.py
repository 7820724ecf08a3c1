"""FHIR servers: by search, page after page, or by bulk export (FHIR Bulk Data Access 2.0, `$export`).

Both give an item a resource, named after its type, id and version. A second run leaves out what is kept, but not what
changed without a new version, nor what another server has under the same id.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import msgspec

from hmchain import decoding
from hmchain.canonical import digest
from hmchain.records.sources.fhir.client import Answer, FhirClient, FhirRequestError, NotServedError
from hmchain.records.sources.finds import Finds
from hmchain.records.sources.item import FHIR, Item, SourceError
from hmchain.records.sources.marks import mark

if TYPE_CHECKING:
    import httpx

DEFAULT_TYPES = (
    "Patient", "Encounter", "Condition", "Observation", "DiagnosticReport", "ImagingStudy", "Procedure",
    "MedicationRequest", "Immunization", "AllergyIntolerance", "Medication", "MedicationStatement",
    "MedicationAdministration", "Specimen", "ServiceRequest", "Device", "EpisodeOfCare", "CarePlan",
    "Consent",
)  # fmt: skip
"""What is asked for where nobody says it: a server need not have all of them."""
EMPTY_PAGES_MAX = 100
"""So many empty pages in a row, each pointing to a next one, are a loop."""
POLL_SECONDS = (2.0, 60.0)
"""Between two looks at an export: doubled from the first to the second, unless the server says how long."""

_PAGING_HINT = "try another page size, or a bulk export; what was extracted is kept"
_NOTE = "OperationOutcome"
_TYPE = re.compile(r"[A-Z][A-Za-z]{2,40}", re.ASCII)
_SINCE = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d))?", re.ASCII)
_Shape = TypeVar("_Shape")


class _Meta(msgspec.Struct):
    versionId: str = ""


class _Identity(msgspec.Struct):
    resourceType: str = ""
    id: str = ""
    meta: _Meta = msgspec.field(default_factory=_Meta)


class _Link(msgspec.Struct):
    relation: str = ""
    url: str = ""


class _Entry(msgspec.Struct):
    resource: msgspec.Raw = msgspec.Raw()


class _Page(msgspec.Struct):
    resourceType: str
    link: list[_Link] = []
    entry: list[_Entry] = []
    total: int | None = None


class _Output(msgspec.Struct):
    url: str


class _Manifest(msgspec.Struct):
    output: list[_Output]
    requiresAccessToken: bool = True


@dataclass(frozen=True)
class _Query:
    """The part that both ways of asking share."""

    client: FhirClient
    types: tuple[str, ...] = DEFAULT_TYPES
    since: str = ""
    """Only what changed since then: a day (`2026-11-01`) or an instant (`2026-11-01T00:00:00Z`)."""
    finds: Finds = field(default_factory=lambda: Finds(answers=True), compare=False, repr=False, kw_only=True)
    """What the last run of `items` came upon."""

    def __post_init__(self) -> None:
        if not self.types or not all(_TYPE.fullmatch(kind) for kind in self.types):
            raise FhirRequestError("these are no FHIR resource types", f"for instance {', '.join(DEFAULT_TYPES[:3])}")
        if self.since and not _SINCE.fullmatch(self.since):
            raise FhirRequestError("`since` is no day or instant", "for instance 2026-11-01 or 2026-11-01T00:00:00Z")


@dataclass(frozen=True)
class FhirSearch(_Query):
    """All resources of some types, by search."""

    page_size: int = 200

    def items(self, done: Callable[[str], bool]) -> Iterator[Item]:
        """Type after type, page after page. After a stop, pages are asked for again and what is kept is left out.

        Raises `SourceError` where the server refuses, does not answer, answers something else, or its pages go round in
        a loop.
        """
        self.finds.clear()
        answered = 0
        for kind in self.types:
            before = answered
            try:
                for resources in self._pages(kind):
                    answered += 1
                    yield from _items(resources, done, self.finds)
            except NotServedError:
                if self.types != DEFAULT_TYPES or not before or answered > before:
                    raise

    def count(self) -> int | None:
        """The server's own count; None if it gives none."""
        total = 0
        try:
            for kind in self.types:
                url = self._search(kind).copy_set_param("_summary", "count")
                page = _read(self.client.get(url).body, _Page)
                if page.total is None:
                    return None
                total += page.total
        except SourceError:
            return None
        return total

    def _pages(self, kind: str) -> Iterator[list[bytes]]:
        url: httpx.URL | None = self._search(kind).copy_set_param("_count", str(self.page_size))
        seen: set[bytes] = set()
        empty = 0
        while url is not None:
            page = _read(self.client.get(url).body, _Page)
            resources = [bytes(entry.resource) for entry in page.entry if bytes(entry.resource)]
            empty = 0 if resources else empty + 1
            marks = [digest("page", *resources)] if resources else []
            marks.append(digest("address", str(url).encode()))
            if empty > EMPTY_PAGES_MAX or not seen.isdisjoint(marks):
                raise SourceError(f"{self.client.base.host}: its pages of {kind} go round in a loop", _PAGING_HINT)
            seen.update(marks)
            yield resources
            url = next((self.client.follow(link.url) for link in page.link if link.relation == "next"), None)

    def _search(self, kind: str) -> httpx.URL:
        return self.client.address(kind, **({"_lastUpdated": f"ge{self.since}"} if self.since else {}))


@dataclass(frozen=True)
class FhirExport(_Query):
    """All resources of some types, by a bulk export that the server makes ready first."""

    wait_seconds_max: float = 6 * 3600.0
    """How long the server may take for it."""

    def items(self, done: Callable[[str], bool]) -> Iterator[Item]:
        """The resources of the export's files; the server is told to delete them at the end.

        Raises as `FhirSearch.items`, and if the export is not ready in time. After a stop a new export is made and what
        is kept is left out.
        """
        self.finds.clear()
        job = self._kick_off()
        manifest = self._ready(job)
        for output in manifest.output:
            url = self.client.base.join(output.url)
            for line in self.client.lines(url, with_credential=manifest.requiresAccessToken):
                yield from _items([line], done, self.finds)
        self.client.delete(job)

    def count(self) -> int | None:
        """Not known before the export is ready."""
        return None

    def _kick_off(self) -> httpx.URL:
        parameters = {"_type": ",".join(self.types)}
        if self.since:  # here an instant is required
            parameters["_since"] = self.since if "T" in self.since else f"{self.since}T00:00:00Z"
        try:
            answer = self._export(parameters)
        except NotServedError:
            if self.types != DEFAULT_TYPES:
                raise
            answer = self._export({name: value for name, value in parameters.items() if name != "_type"})
        status_url = answer.headers.get("Content-Location", "")
        if answer.status != 202 or not status_url:
            raise SourceError(f"{self.client.base.host} makes no bulk export", "extract by search")
        return self.client.follow(status_url)

    def _export(self, parameters: Mapping[str, str]) -> Answer:
        return self.client.get(self.client.address("$export", **parameters), headers={"Prefer": "respond-async"})

    def _ready(self, job: httpx.URL) -> _Manifest:
        waited, (wait, longest) = 0.0, POLL_SECONDS
        while True:
            answer = self.client.get(job, headers={"Accept": "application/json"})
            if answer.status == 200:
                return _read(answer.body, _Manifest)
            asked = answer.headers.get("Retry-After", "")
            pause = min(float(asked), longest) if asked.isascii() and asked.isdigit() else wait
            waited, wait = waited + pause, min(2 * wait, longest)
            if waited > self.wait_seconds_max:
                raise SourceError(f"{self.client.base.host}: the export is not ready in time", "run it again later")
            self.client.pause(pause)


def _items(resources: list[bytes], done: Callable[[str], bool], finds: Finds) -> Iterator[Item]:
    for data in resources:
        name = _item_name(data)
        known = mark(name, data)
        finds.file(name, lambda: known)  # noqa: B023 - asked for before the next resource
        if name.startswith(_NOTE):
            finds.passed("a server's note on what it gave")
        elif finds.wants(done, known):
            yield Item(name, FHIR, partial(io.BytesIO, data), mark=known)


def _item_name(data: bytes) -> str:
    """`Type/id/_history/version`; a digest for what has no id, and for what is about the search itself."""
    try:
        identity = decoding.from_json(data, _Identity)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        identity = _Identity()
    if identity.resourceType == _NOTE or not identity.id:
        own = digest("fhir resource", data).hex()
        return f"{_NOTE}/{own}" if identity.resourceType == _NOTE else own
    version = f"/_history/{identity.meta.versionId}" if identity.meta.versionId else ""
    return f"{identity.resourceType}/{identity.id}{version}"


def _read(body: bytes, shape: type[_Shape]) -> _Shape:
    try:
        return decoding.from_json(body, shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SourceError("a FHIR server's answer is not what was asked for", "check that it speaks FHIR R4") from error
