"""De-identify what a source holds, and catalogue nothing: to see what would become of it, or for clean files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hmchain.application.data import provenance, trial
from hmchain.application.data.patients import get_acquainted
from hmchain.application.data.trial import Trial
from hmchain.application.site.activity import Deed, What, recorded
from hmchain.application.site.hospital import Records
from hmchain.plain import Progress
from hmchain.records.deidentification.report import profile_digest
from hmchain.records.sources.open_source import OpenSource


@dataclass(frozen=True)
class Inspection:
    """A source whose items were de-identified, and what it held besides."""

    trial: Trial
    passed_over: Mapping[str, int]
    """Things that are no data of the source's kind, by reason."""
    unlabelled_folders: int
    """Folders of pictures whose labels nobody asked for."""


def inspect(
    source: OpenSource,
    *,
    profile: str | None = None,
    schema: str = "",
    limit: int | None = None,
    progress: Progress | None = None,
) -> Inspection:
    """De-identify `limit` items of a source and keep nothing. Raises as `trial.passing_rules` and the source."""
    items = source.filled()
    rules = trial.passing_rules(source.kind, profile, schema)
    return _inspected(trial.run(items, rules, limit=limit, progress=progress), source)


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
) -> Inspection:
    """Write clean files into a folder, with a report and a Provenance; goes on in a folder where it stopped.

    Raises as `trial.project_rules`, `trial.clean_files` and the source.
    """
    used = trial.rules_of(profile)
    acquainted = get_acquainted(records, source, used)
    rules = trial.project_rules(records, project, source.kind, profile, schema)
    items = acquainted if source.live else source.filled()
    by = f"project {project}, profile {used.name} {profile_digest(used)[:12]}"
    about = Deed(What.DEIDENTIFY, dataset=f"project {project}", kind=source.kind, where="folder")
    with recorded(records.folder.activity, about) as deed, trial.clean_files(folder, by, source.described) as take:
        found = trial.run(
            items, rules, workers=workers, left_out=records.catalogue.left_out(project), take=take, progress=progress
        )
        trial.write_report(found, folder)
        provenance.write_of_trial(found, folder, used, project, records.folder)
        deed.add(records=found.records.total(), held=found.held.total())
    return _inspected(found, source)


def _inspected(found: Trial, source: OpenSource) -> Inspection:
    return Inspection(found, dict(source.passed_over()), source.unlabelled_folders())
