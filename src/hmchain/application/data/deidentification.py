"""De-identify what a source holds, and catalogue nothing: to see what would become of it, or for clean files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from hmchain.application.data import provenance, trial
from hmchain.application.data.patients import get_acquainted
from hmchain.application.data.trial import Trial
from hmchain.application.site.activity import Deed, What, recorded
from hmchain.application.site.hospital import Records
from hmchain.plain import Progress
from hmchain.records.deidentification.report import profile_digest
from hmchain.records.pipeline import clean_files
from hmchain.records.pipeline.accounting import Told
from hmchain.records.sources.open_source import OpenSource


@dataclass(frozen=True)
class Inspection:
    """A source whose items were de-identified, and what it held besides."""

    trial: Trial
    passed_over: Mapping[str, int]
    """Things that are no data of the source's kind, by reason."""
    unlabelled_folders: int
    """Folders of pictures whose labels nobody asked for."""
    kind: str
    """Of the source's items."""
    limited_to: int | None = None
    """So many items were looked at, and whether there are more is not known; None if all were."""


def inspect(
    source: OpenSource,
    *,
    profile: str | None = None,
    schema: str = "",
    limit: int | None = None,
    progress: Progress | None = None,
    told: Told | None = None,
) -> Inspection:
    """De-identify `limit` items of a source and keep nothing. Raises as `trial.passing_bench` and the source."""
    items = source.filled()
    with trial.passing_bench(profile, schema) as bench:
        found = trial.inspect(bench, items, source.kind, limit=limit, progress=progress, told=told)
    return replace(_inspected(found, source), limited_to=limit if limit is not None and found.items >= limit else None)


def deidentify(
    records: Records,
    source: OpenSource,
    folder: Path,
    project: str,
    *,
    profile: str | None = None,
    schema: str = "",
    workers: int = 1,
    progress: Progress | None = None,
    told: Told | None = None,
) -> Inspection:
    """Write clean files into a folder, with a report and a Provenance; goes on in a folder where it stopped.

    Of a record that comes twice the latest edition is written. Raises as `trial.project_dataset`,
    `require_apart`, `clean_files.filled`, `Extraction.run` and the source.
    """
    records.folder.require_apart(folder)
    dataset = trial.project_dataset(project, profile, schema)
    used = dataset.profile
    items = get_acquainted(records, source, used)
    by = f"clean files of project {project}, profile {used.name} {profile_digest(used)[:12]}, from {source.described}"
    about = Deed(What.DEIDENTIFY, dataset=f"project {project}", kind=source.kind, where="folder")
    with recorded(records.folder.activity, about) as deed, clean_files.filled(folder, by):
        with trial.folder_bench(records, folder, dataset) as bench:
            found = trial.write_clean_files(
                records, bench, folder, items, source.kind, workers=workers, progress=progress, told=told
            )
        trial.write_report(found, folder)
        provenance.write_of_trial(found, folder, used, project, records.folder)
        deed.add(records=found.records.total(), held=found.held.total())
    return _inspected(found, source)


def _inspected(found: Trial, source: OpenSource) -> Inspection:
    return Inspection(found, dict(source.passed_over()), source.unlabelled_folders(), source.kind)
