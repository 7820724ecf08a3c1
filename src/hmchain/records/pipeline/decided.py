"""Held items, and what was decided about the same content in another version or project."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hmchain.canonical import digest
from hmchain.records.catalogue import Catalogue, Dataset, HeldItem
from hmchain.records.catalogue.decisions import Decision
from hmchain.records.catalogue.entries import RELEASED
from hmchain.records.deidentification.outcome import Held
from hmchain.records.sources.item import DICOM, HL7, Item

CONFLICT = "conflicting_identifier"


def known_decision(
    catalogue: Catalogue, dataset: Dataset, version: int, item: Item, held: Sequence[Held], content: bytes
) -> tuple[HeldItem, Decision] | None:
    """The item as somebody decided about it before, and how; None if a person is to be asked.

    `content` is the SHA-256 of its bytes.

    Asked anew is about a content that changed, and after a release also about one that is held for another reason, of
    which another object has the identifier, or that fewer people released than the profile wants.
    """
    found = held_item(catalogue, dataset, version, item, held, content)
    if catalogue.quarantine.item(dataset.name, version, found.item) is not None:
        return None
    decision = catalogue.quarantine.decisions.of(found.content, found.reason)
    if decision is None:
        return None
    if decision.state == RELEASED:
        conflicts = any(each.code == CONFLICT for each in held)
        if not found.releasable or conflicts or decision.persons < persons_of(dataset):
            return None
    return _as_decided(found, decision), decision


def held_item(
    catalogue: Catalogue, dataset: Dataset, version: int, item: Item, held: Sequence[Held], content: bytes
) -> HeldItem:
    """Describe an item that is held; `content` is the SHA-256 of its bytes."""
    origin = held[0].origin
    return HeldItem(
        quarantine_id(catalogue, dataset, version, item, content),
        dataset.name,
        version,
        item.kind,
        item.label,
        held[0].code,
        "; ".join(dict.fromkeys(entry.reason for entry in held)),
        all(entry.releasable for entry in held),
        series=origin.series,
        modality=origin.modality,
        device=origin.device,
        regions=tuple(dict.fromkeys(region for entry in held for region in entry.regions)),
        content=catalogue.quarantine.decisions.content(item.kind, content),
    )


def quarantine_id(catalogue: Catalogue, dataset: Dataset, version: int, item: Item, content: bytes) -> bytes:
    """Name an item by its content, wherever it lay; it waits anew in every dataset and version.

    What is in a file says of an object or a message all that there is to say; of others the name says something too (a
    table's which one it is, a picture's whose), so that the same content under two names is two items.
    """
    called = "" if item.kind in (DICOM, HL7) else item.name
    named = digest("held item", dataset.name.encode(), str(version).encode(), called.encode(), content)
    return catalogue.projects.item_digest(dataset.project, named.hex())


def persons_of(dataset: Dataset) -> int:
    """Tell how many people it takes to release an item of a dataset."""
    return dataset.profile.review.persons


def _as_decided(held: HeldItem, decision: Decision) -> HeldItem:
    return replace(
        held,
        state=decision.state,
        reviewer=decision.reviewer,
        reviewed_ms=decision.decided_ms,
        series="",
        patient="",
    )
