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
from hmchain.records.deidentification.fhir.patient import MERGED, PRIOR_NUMBER, REPLACED

PATIENT = "Patient"
MANIFEST = "manifest.json"
_RANKS = ("", PRIOR_NUMBER, REPLACED)
"""Of several resources of a patient the first of these is the lasting one."""
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
        job.write(f"{kind}.ndjson", lines.patients(entries) if kind == PATIENT else lines.of(entries))
    missing = lines.missing()
    job.write(MANIFEST, [_manifest(job, lines, missing)])
    return Written(MANIFEST, tuple(_notes(missing, lines.joined)))


FORM = ExportForm(write, only(MEDIA_TYPE, "FHIR resources"))


class _Lines:
    """Reads resources, and remembers who they are and to whom they point."""

    def __init__(self, job: ExportJob) -> None:
        self._job, self._done = job, 0
        self.counts: Counter[str] = Counter()
        self.joined = 0
        """Patient resources that went into another one: of numbers that turned out to mean one person."""
        self._there: set[str] = set()
        self._pointed: Counter[str] = Counter()

    def of(self, entries: Sequence[RecordEntry]) -> Iterator[bytes]:
        """The resources, a line each."""
        for entry in entries:
            data = self._read(entry)
            yield self._line(data, msgspec.json.decode(data))

    def patients(self, entries: Sequence[RecordEntry]) -> Iterator[bytes]:
        """Patient resources, a line a patient: what the lasting one does not say, those before it say."""
        of: defaultdict[str, list[RecordEntry]] = defaultdict(list)
        for entry in entries:
            of[entry.subject].append(entry)
        for same in of.values():
            if len(same) == 1:
                yield from self.of(same)
                continue
            found = [(entry, self._read(entry)) for entry in same]
            for data, resource in _one_each(found):
                self.joined -= 1
                yield self._line(data, resource)
            self.joined += len(found)

    def _read(self, entry: RecordEntry) -> bytes:
        self._done += 1
        self._job.tell(self._done)
        return self._job.content(entry)

    def _line(self, data: bytes, resource: dict[str, Any]) -> bytes:
        self._there.add(f"{resource['resourceType']}/{resource['id']}")
        self._pointed.update(_references(resource))
        self.counts[resource["resourceType"]] += 1
        return data + b"\n"

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


def _one_each(found: Sequence[tuple[RecordEntry, bytes]]) -> Iterator[tuple[bytes, dict[str, Any]]]:
    """One resource for each id."""
    of: defaultdict[str, list[tuple[tuple[object, ...], bytes, dict[str, Any]]]] = defaultdict(list)
    for entry, data in found:
        resource = msgspec.json.decode(data)
        rank = (resource.get("active") is False, _RANKS.index(entry.attributes.get(MERGED, "")), entry.record)
        of[resource["id"]].append((rank, data, resource))
    for same in of.values():
        (_, data, lasting), *others = sorted(same, key=lambda each: each[0])
        joined = dict(lasting)
        for _, _, other in others:
            known = {_element(name) for name in joined}
            joined |= {name: value for name, value in other.items() if _element(name) not in known}
        yield (data if joined == lasting else msgspec.json.encode(joined, order="deterministic")), joined


def _element(name: str) -> str:
    """The name of an element, whatever the type of its value."""
    return "deceased" if name.startswith("deceased") else name


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


def _manifest(job: ExportJob, lines: _Lines, missing: Counter[str]) -> bytes:
    made = datetime.fromtimestamp((job.version.closed_ms or job.version.created_ms) / 1000, UTC)
    said = {
        "transactionTime": made.isoformat(timespec="milliseconds"),
        "request": f"hmchain data export {job.version.dataset} --version {job.version.number} --as ndjson --output DIR",
        "requiresAccessToken": False,
        "output": [
            {"type": kind, "url": f"{kind}.ndjson", "count": count} for kind, count in sorted(lines.counts.items())
        ],
        "error": [],
        "extension": {"references": lines.references, "referencesToOthers": dict(sorted(missing.items()))},
    }
    return msgspec.json.format(msgspec.json.encode(said), indent=2) + b"\n"


def _notes(missing: Counter[str], joined: int) -> Iterator[str]:
    if joined:
        yield f"Resources of patients who turned out to be another, joined with the other's: {joined}."
    if missing:
        most = ", ".join(f"{count} to {kind}" for kind, count in missing.most_common(_NAMED))
        more = ", ..." if len(missing) > _NAMED else ""
        yield f"References to resources that are not in this version: {most}{more}."
