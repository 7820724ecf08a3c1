"""One run of the path of an extraction that ends elsewhere: in nothing, to see what would come of it, or in files."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hmchain.application.consent.usable import Use, UseKind, denied
from hmchain.application.data.extraction import DEFAULT_PROFILE, read_schema, require_name, rules_of
from hmchain.application.site.hospital import Records
from hmchain.clock import now_ms
from hmchain.keys import SecretKey
from hmchain.plain import Progress
from hmchain.records.catalogue import Catalogue, Dataset
from hmchain.records.catalogue.accounts import Account
from hmchain.records.catalogue.catalogue import CatalogueError
from hmchain.records.catalogue.entries import PENDING
from hmchain.records.catalogue.optouts import LeftOut
from hmchain.records.deidentification.profile import load_profile
from hmchain.records.deidentification.report import listed
from hmchain.records.pipeline import clean_files as files
from hmchain.records.pipeline.accounting import Told
from hmchain.records.pipeline.extraction import Extraction
from hmchain.records.pipeline.rules import deidentifiers
from hmchain.records.pipeline.storing import DigestStore
from hmchain.records.pipeline.tally import ExtractionTally
from hmchain.records.sources.finds import Finds
from hmchain.records.sources.item import Item, Source

REPORT, PROVENANCE = "report.json", "provenance.json"
"""Beside clean files."""

_CATALOGUE = "bench.db"
_VERSION = 1


@dataclass(frozen=True)
class Trial:
    """The results of a run over all items of a source."""

    tally: ExtractionTally
    account: Account
    records: Counter[str]
    """By media type."""
    labels: Mapping[str, int]
    patients: int
    held: Counter[tuple[str, str, bool]]
    """By code, reason, and whether a reviewer may let it through."""
    actions: Counter[tuple[str, str]]
    """By element and what was done."""

    @property
    def items(self) -> int:
        """Items, those included that an earlier run had done."""
        return self.tally.items + self.tally.resumed + self.tally.unavailable


@dataclass(frozen=True)
class Bench:
    """A catalogue of one run alone, and the dataset in it."""

    catalogue: Catalogue
    dataset: Dataset


@contextmanager
def passing_bench(profile: str | None, schema: str) -> Iterator[Bench]:
    """A bench that is gone afterwards, its keys too: pseudonyms that nobody can link to any other.

    Raises `ProfileError` or `TableSchemaError`.
    """
    dataset = _dataset("trial", profile, schema)
    with TemporaryDirectory() as folder, _bench(Path(folder), SecretKey.generate(), dataset) as bench:
        yield bench


@contextmanager
def folder_bench(records: Records, folder: Path, dataset: Dataset) -> Iterator[Bench]:
    """A bench in a folder of clean files, of what is done there already.

    What is done begins anew if somebody opted out since, or if the bench is damaged; on a disk that no database can lie
    on, a share of another machine say, it lies elsewhere and is gone when the run ends, however it does.
    """
    key = records.catalogue.projects.key(dataset.project).derive("hmchain clean files")
    left_out = _left_out(records, dataset.project)
    work = folder / files.WORK
    with ExitStack() as stack:
        try:
            bench = stack.enter_context(_bench(work, key, dataset))
            usable = not _holds_left_out(bench, left_out)
        except CatalogueError:
            usable = False
        if not usable:
            stack.close()
            shutil.rmtree(work, ignore_errors=True)
            try:
                bench = stack.enter_context(_bench(work, key, dataset))
            except CatalogueError:
                bench = stack.enter_context(_bench(Path(stack.enter_context(TemporaryDirectory())), key, dataset))
        bench.catalogue.quarantine.decisions = records.catalogue.quarantine.decisions
        yield bench


def _left_out(records: Records, project: str) -> LeftOut:
    """What clean files pass over: who opted out, and who does not permit that records leave for research."""
    found = records.catalogue.left_out(project)
    use = Use(UseKind.EXPORT, recipients=(records.folder.organisation,))
    return replace(found, subjects=found.subjects | denied(records, project, use, now_ms()))


def project_dataset(project: str, profile: str | None, schema: str) -> Dataset:
    """A dataset of a project that no catalogue has. Raises `DatasetNameError`, `ProfileError`, `TableSchemaError`."""
    require_name(project)
    return _dataset(project, profile, schema)


def inspect(
    bench: Bench, source: Source, kind: str, *, limit: int | None, progress: Progress | None, told: Told | None
) -> Trial:
    """Run the items of a source, `limit` of them at most, and keep nothing."""
    rules = deidentifiers(bench.dataset, bench.catalogue.projects.pseudonyms(bench.dataset.project), [kind])
    run = Extraction(bench.catalogue, DigestStore(), bench.dataset, _VERSION, rules)
    tally = run.run(source if limit is None else _Some(source, limit), progress=progress, told=told)
    return _result(bench, tally, run.account())


def write_clean_files(
    records: Records,
    bench: Bench,
    folder: Path,
    source: Source,
    kind: str,
    *,
    workers: int,
    progress: Progress | None,
    told: Told | None,
) -> Trial:
    """Run the items of a source that are not done yet, and write their records into a folder."""
    rules = rules_of(records, bench.dataset, kind)
    left_out = _left_out(records, bench.dataset.project)
    store = files.FolderStore(folder)
    run = Extraction(bench.catalogue, store, bench.dataset, _VERSION, rules, left_out=left_out)
    tally = run.run(source, workers=workers, progress=progress, told=told)
    files.drop_others(folder, _Names(bench))
    return _result(bench, tally, run.account())


def as_report(trial: Trial) -> dict[str, Any]:
    """The counts as plain JSON."""
    return {
        "items": trial.items,
        "unavailable": trial.tally.unavailable,
        "opted_out": trial.tally.opted_out,
        "records": dict(trial.records),
        "patients": trial.patients,
        "labels": {label: count for label, count in sorted(trial.labels.items()) if label},
        "account": trial.account.as_json(),
        "held": [
            {"code": code, "reason": reason, "releasable": releasable, "count": count}
            for (code, reason, releasable), count in trial.held.most_common()
        ],
        "actions": listed(trial.actions),
    }


def write_report(trial: Trial, folder: Path) -> None:
    """Write `as_report` beside the clean files."""
    files.write(folder / REPORT, [json.dumps(as_report(trial), indent=2).encode(), b"\n"])


def _dataset(project: str, profile: str | None, schema: str) -> Dataset:
    rules = load_profile(profile or DEFAULT_PROFILE)
    return Dataset(project, project, project, rules, now_ms(), read_schema(schema))


@contextmanager
def _bench(folder: Path, key: SecretKey, dataset: Dataset) -> Iterator[Bench]:
    with Catalogue(folder / _CATALOGUE, key) as catalogue:
        known = catalogue.dataset(dataset.name)
        if known is None:
            catalogue.add_dataset(dataset)
        catalogue.open_version(dataset.name, "", now_ms())
        yield Bench(catalogue, known or dataset)  # ages are counted at the day on which it was begun


def _holds_left_out(bench: Bench, left_out: LeftOut) -> bool:
    entries = bench.catalogue.records(bench.dataset.name, _VERSION)
    return any(left_out.record(entry.record, entry.subject) for entry in entries)


def _result(bench: Bench, tally: ExtractionTally, account: Account) -> Trial:
    catalogue, name = bench.catalogue, bench.dataset.name
    waiting = (each for each in catalogue.quarantine.items(name) if each.state == PENDING)
    counted = Counter((each.code, each.reason, each.releasable) for each in waiting)
    held = Counter(dict(sorted(counted.items())))  # of equal counts the first by name comes first, in every report
    media = Counter(entry.media_type for entry in catalogue.records(name, _VERSION))
    actions = Counter({(each.element, each.done): each.count for each in catalogue.actions(name, _VERSION)})
    patients = catalogue.version(name, _VERSION).subjects
    return Trial(tally, account, media, catalogue.labels(name, _VERSION), patients, held, actions)


@dataclass(frozen=True)
class _Some:
    """The first items of a source (a `Source`)."""

    source: Source
    limit: int

    @property
    def finds(self) -> Finds | None:
        """As the source's, as far as it is read."""
        found = getattr(self.source, "finds", None)
        return found if isinstance(found, Finds) else None

    def items(self, done: Callable[[str], bool]) -> Iterator[Item]:
        """So many."""
        yield from islice(self.source.items(done), self.limit)

    def count(self) -> int | None:
        """At most so many."""
        total = self.source.count()
        return None if total is None else min(total, self.limit)


@dataclass(frozen=True)
class _Names:
    """The names of the files of a bench's records (a `Container`), however many."""

    bench: Bench

    def __contains__(self, name: object) -> bool:
        record = str(name).split(".")[0]
        entry = self.bench.catalogue.record(self.bench.dataset.name, _VERSION, record)
        return entry is not None and files.file_name(record, entry.media_type) == name
