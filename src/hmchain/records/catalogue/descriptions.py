"""Digests of what a catalogue says of a version and its records, which a registered version's root binds."""

from __future__ import annotations

import msgspec

from hmchain.canonical import digest
from hmchain.records.catalogue.catalogue import Catalogue
from hmchain.records.catalogue.entries import RecordEntry


def descriptions(catalogue: Catalogue, dataset: str, version: int) -> dict[str, bytes]:
    """Digest what is said of each of a version's records: 32 bytes, by record id."""
    return {entry.record: description(entry) for entry in catalogue.records(dataset, version)}


def description(entry: RecordEntry) -> bytes:
    """Digest what is said of a record into 32 bytes: its id, patient, kind, type, size, label and attributes."""
    said = [entry.record, entry.subject, entry.kind, entry.media_type, str(entry.size), entry.label]
    said += [text for pair in sorted(entry.attributes.items()) for text in pair]
    return digest("hmchain record description", *(text.encode() for text in said))


def about(catalogue: Catalogue, dataset: str, version: int) -> bytes:
    """Digest what is said of a version itself: where it comes from, and what was done to it by which rules."""
    found, number = catalogue.dataset(dataset), catalogue.version(dataset, version)
    assert found is not None, "a version belongs to a dataset"
    profile = msgspec.json.encode(found.profile, order="deterministic").decode()
    said = [found.title, found.project, profile, str(found.created_ms), found.schema, found.form]
    said += [number.source, str(number.created_ms), str(catalogue.duplicates(dataset, version))]
    for action in catalogue.actions(dataset, version):
        said += [action.element, action.done, str(action.count)]
    return digest("hmchain version description", *(text.encode() for text in said))
