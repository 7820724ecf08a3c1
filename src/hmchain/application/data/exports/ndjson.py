"""FHIR resources in the layout of a bulk export: a file of lines for each type, and a manifest.

The manifest is that of HL7's Bulk Data Access (the answer to a finished export), with names of files for URLs. Its
`extension` says how many references point to resources that are not among the files.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from hmchain.application.data.exports.job import ExportForm, ExportJob, Written, only
from hmchain.records.catalogue import RecordEntry
from hmchain.records.deidentification.fhir.deidentifier import MEDIA_TYPE

MANIFEST = "manifest.json"
_NAMED = 4
"""So many types are named of resources that references miss."""


def write(job: ExportJob) -> Written:
    """Write `Patient.ndjson`, `Observation.ndjson` and so on, then the manifest."""
    kinds: defaultdict[str, list[RecordEntry]] = defaultdict(list)
    for entry in job.entries:
        kinds[entry.attributes["resource"]].append(entry)
    for left in job.folder.glob("*.ndjson"):  # of an earlier run: records may have been erased since
        left.unlink()
    lines = _Lines(job)
    for kind, entries in sorted(kinds.items()):
        job.write(f"{kind}.ndjson", lines.of(entries))
    missing = lines.missing()
    job.write(MANIFEST, [_manifest(job, kinds, lines, missing)])
    return Written(MANIFEST, tuple(_notes(missing)))


FORM = ExportForm(write, only(MEDIA_TYPE, "FHIR resources"))


class _Lines:
    """Reads resources, and remembers who they are and to whom they point."""

    def __init__(self, job: ExportJob) -> None:
        self._job, self._done = job, 0
        self._there: set[str] = set()
        self._pointed: Counter[str] = Counter()

    def of(self, entries: Sequence[RecordEntry]) -> Iterator[bytes]:
        """The resources, a line each."""
        for entry in entries:
            data = self._job.content(entry)
            resource = msgspec.json.decode(data)
            self._there.add(f"{resource['resourceType']}/{resource['id']}")
            self._pointed.update(_references(resource))
            yield data + b"\n"
            self._done += 1
            self._job.tell(self._done)

    @property
    def references(self) -> int:
        """How many references there are."""
        return self._pointed.total()

    def missing(self) -> Counter[str]:
        """Count the references to what is not there, by the type of that."""
        found: Counter[str] = Counter()
        for reference, count in self._pointed.items():
            if reference not in self._there:
                found[reference.split("/")[0]] += count
        return found


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        reference = value.get("reference")
        if isinstance(reference, str) and not reference.startswith("#"):
            yield reference
        for inner in value.values():
            yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)


def _manifest(job: ExportJob, kinds: dict[str, list[RecordEntry]], lines: _Lines, missing: Counter[str]) -> bytes:
    made = datetime.fromtimestamp((job.version.closed_ms or job.version.created_ms) / 1000, UTC)
    said = {
        "transactionTime": made.isoformat(timespec="milliseconds"),
        "request": f"hmchain data export {job.version.dataset} --version {job.version.number} --as ndjson --output DIR",
        "requiresAccessToken": False,
        "output": [
            {"type": kind, "url": f"{kind}.ndjson", "count": len(entries)} for kind, entries in sorted(kinds.items())
        ],
        "error": [],
        "extension": {"references": lines.references, "referencesToOthers": dict(sorted(missing.items()))},
    }
    return msgspec.json.format(msgspec.json.encode(said), indent=2) + b"\n"


def _notes(missing: Counter[str]) -> Iterator[str]:
    if missing:
        most = ", ".join(f"{count} to {kind}" for kind, count in missing.most_common(_NAMED))
        more = ", ..." if len(missing) > _NAMED else ""
        yield f"References to resources that are not in this version: {most}{more}."
