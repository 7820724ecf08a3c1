"""The card of a dataset version: what it holds, how good it is, what was done to it, as a page and as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version as installed
from pathlib import Path

import msgspec

from hmchain import files
from hmchain.application.consent.usable import basis_of
from hmchain.application.data.preparation import MEDIA_TYPE
from hmchain.application.data.registered import require_as_registered
from hmchain.application.pages.card import to_html
from hmchain.application.site.hospital import HospitalFolder, Records
from hmchain.clock import utc
from hmchain.plain import Progress
from hmchain.records.card import CardData, QuarantineCount, break_down, from_json, to_json
from hmchain.records.catalogue import RecordEntry, Version
from hmchain.records.catalogue.entries import PENDING, REJECTED, RELEASED
from hmchain.records.consents.optout_lists import OptOutList
from hmchain.records.consents.purposes import RESEARCH
from hmchain.records.pictures.decode import as_png
from hmchain.records.pictures.prepared import decode_image
from hmchain.records.quality import Assessment, Sample, assess

_PNG = "image/png"
_CARD_BYTES_MAX = 4 << 20


def write_card(records: Records, version: Version, progress: Progress | None = None) -> tuple[Path, Assessment]:
    """Assess all records of a version and write its card; returns the page's path and what was found.

    Its data lie beside the page. Raises `ChangedDatasetError` if the version is not what it was registered as, or
    an error of vault or catalogue.
    """
    require_as_registered(records, version)
    samples = (_sample(records, version, entry) for entry in records.catalogue.records(version.dataset, version.number))
    assessment = assess(samples, count=version.records, progress=progress)
    data = _card(records, version, assessment)
    records.folder.cards.mkdir(mode=0o700, exist_ok=True)
    page = records.folder.card(version.dataset, version.number)
    records.folder.card_data(version.dataset, version.number).write_bytes(to_json(data))
    page.write_text(to_html(data), encoding="utf-8")
    return page, assessment


def read_card(folder: HospitalFolder, dataset: str, number: int) -> CardData | None:
    """The card of a version as it was written last; None where there is none, or none that this version reads."""
    path = folder.card_data(dataset, number)
    try:
        return from_json(files.read(path, limit=_CARD_BYTES_MAX))
    except (OSError, files.TooLargeError, ValueError, msgspec.DecodeError):
        return None


def _card(records: Records, version: Version, assessment: Assessment) -> CardData:
    catalogue, name, number = records.catalogue, version.dataset, version.number
    dataset = catalogue.dataset(name)
    assert dataset is not None, "a version belongs to a dataset"
    return CardData(
        title=dataset.title,
        dataset=name,
        version=number,
        made=datetime.now(UTC).date().isoformat(),
        records=version.records,
        subjects=version.subjects,
        size=version.size,
        organisation=records.folder.organisation if records.folder.is_named else "",
        root=version.root.hex() if version.root else "",
        kinds=dict(Counter(entry.kind for entry in catalogue.records(name, number))),
        breakdowns=break_down(entry.attributes for entry in catalogue.records(name, number)),
        assessment=assessment,
        profile=f"{dataset.profile.name}: {dataset.profile.title}",
        actions=tuple(catalogue.actions(name, number)),
        quarantine=tuple(_quarantine(records, version)),
        duplicates=catalogue.duplicates(name, number),
        provenance=(
            ("extracted from", version.source),
            ("begun", datetime.fromtimestamp(version.created_ms / 1000, UTC).date().isoformat()),
            ("with", f"hmchain {installed('hmchain')}"),
            ("project of pseudonyms", dataset.project),
            ("goes by", _basis(records, name)),
            *(("opted out elsewhere", _reconciled(each)) for each in catalogue.optout_lists.lists()),
        ),
    )


def _basis(records: Records, dataset: str) -> str:
    said = basis_of(records, dataset)
    return f"{said.basis.value}, kept for {', '.join(said.purposes or (RESEARCH,))}"


def _reconciled(known: OptOutList) -> str:
    """When a list was compared with last: who joined it since is not known here."""
    return f"list {known.name} of {utc(known.as_of_ms)[:10]}, reconciled {utc(known.reconciled_ms)[:10]}"


def _quarantine(records: Records, version: Version) -> Iterator[QuarantineCount]:
    counts = Counter(
        (held.code, held.reason, held.state)
        for held in records.catalogue.quarantine.items(version.dataset)
        if held.version == version.number
    )
    for code, reason in sorted({(code, reason) for code, reason, _ in counts}):
        yield QuarantineCount(code, reason, *(counts[code, reason, state] for state in (PENDING, RELEASED, REJECTED)))


def _sample(records: Records, version: Version, entry: RecordEntry) -> Sample:
    read = partial(records.vault.get, version.dataset, version.number, entry.record)
    if entry.media_type == MEDIA_TYPE:
        return Sample(entry.record, _PNG, entry.size, lambda: _png(read()), entry.label, entry.attributes)
    return Sample(entry.record, entry.media_type, entry.size, read, entry.label, entry.attributes)


def _png(data: bytes) -> bytes:
    """An image made for learning as a picture file."""
    return as_png(decode_image(data).image)
