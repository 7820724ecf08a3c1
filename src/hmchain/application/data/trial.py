"""De-identify without keeping: to see what a source holds and what would become of it, or to write clean files."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from hmchain.application.data.extraction import DEFAULT_PROFILE, read_schema, require_name
from hmchain.application.site.hospital import Records
from hmchain.clock import now_ms
from hmchain.keys import SecretKey
from hmchain.plain import Progress, tell
from hmchain.records.catalogue import Dataset
from hmchain.records.catalogue.optouts import LeftOut
from hmchain.records.deidentification.outcome import Clean, Held, Outcome
from hmchain.records.deidentification.profile import Profile, load_profile
from hmchain.records.deidentification.pseudonyms import Pseudonyms
from hmchain.records.deidentification.report import count_actions, listed
from hmchain.records.pipeline import clean_files as files
from hmchain.records.pipeline.rules import deidentifiers
from hmchain.records.pipeline.workers import Deidentifiers, SealedRecord, deidentified
from hmchain.records.sources.item import ItemUnavailableError, Source

REPORT, PROVENANCE = "report.json", "provenance.json"
OWN_FILES = (REPORT, PROVENANCE)
"""Beside clean files."""

Take = Callable[[Clean], None]


@dataclass
class Trial:
    """Counts of what became of the items of a source."""

    items: int = 0
    unavailable: int = 0
    opted_out: int = 0
    """Records and held items that were passed over: they or their patients opted out."""
    records: Counter[str] = field(default_factory=Counter)
    """By media type."""
    labels: Counter[str] = field(default_factory=Counter)
    subjects: set[str] = field(default_factory=set)
    held: Counter[tuple[str, str, bool]] = field(default_factory=Counter)
    """By code, reason, and whether a reviewer may let it through."""
    actions: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By element and what was done."""

    def add(self, outcome: Outcome, label: str) -> None:
        """Count one outcome."""
        if isinstance(outcome, Held):
            self.held[outcome.code, outcome.reason, outcome.releasable] += 1
            return
        self.records[outcome.media_type] += 1
        self.labels[outcome.attributes.get("label", label)] += 1
        self.subjects.update(filter(None, [outcome.subject]))
        count_actions(self.actions, outcome.actions)


def run(
    source: Source,
    rules: Deidentifiers,
    *,
    limit: int | None = None,
    workers: int = 1,
    left_out: LeftOut | None = None,
    take: Take = lambda clean: None,
    progress: Progress | None = None,
) -> Trial:
    """De-identify the items of a source, `limit` of them at most, and hand each record to `take`."""
    trial = Trial()
    total = source.count()
    expected = min(total, limit) if total is not None and limit is not None else total
    items = islice(source.items(lambda name: False), limit)
    for handled in deidentified(items, rules, workers):
        trial.items += 1
        try:
            for outcome in handled.results:
                assert not isinstance(outcome, SealedRecord), "nothing is sealed without a sealer"
                if left_out is not None and _is_left_out(outcome, left_out):
                    trial.opted_out += 1
                    continue
                trial.add(outcome, handled.item.label)
                if isinstance(outcome, Clean):
                    take(outcome)
        except ItemUnavailableError:
            trial.unavailable += 1
        tell(progress, trial.items, expected)
    return trial


def _is_left_out(outcome: Outcome, left_out: LeftOut) -> bool:
    if isinstance(outcome, Clean):
        return left_out.record(outcome.record, outcome.subject)
    return any(left_out.patient(subject) for subject in outcome.subjects)


def passing_rules(kind: str, profile: str | None, schema: str) -> Deidentifiers:
    """Rules with a key that is forgotten at once: pseudonyms that nobody can link to any other.

    Raises `ProfileError` or `TableSchemaError`.
    """
    return _rules("trial", Pseudonyms(SecretKey.generate(), "trial"), kind, profile, schema)


def project_rules(records: Records, project: str, kind: str, profile: str | None, schema: str) -> Deidentifiers:
    """Rules with a project's own key: its pseudonyms are those of its datasets.

    Raises `DatasetNameError`, `ProfileError` or `TableSchemaError`.
    """
    require_name(project)
    return _rules(project, records.catalogue.projects.pseudonyms(project), kind, profile, schema)


def rules_of(profile: str | None) -> Profile:
    """The profile that is meant. Raises `ProfileError`."""
    return load_profile(profile or DEFAULT_PROFILE)


def _rules(project: str, pseudonyms: Pseudonyms, kind: str, profile: str | None, schema: str) -> Deidentifiers:
    rules = rules_of(profile)
    return deidentifiers(Dataset(project, project, project, rules, now_ms(), read_schema(schema)), pseudonyms, [kind])


def as_report(trial: Trial) -> dict[str, Any]:
    """The counts as plain JSON."""
    return {
        "items": trial.items,
        "unavailable": trial.unavailable,
        "opted_out": trial.opted_out,
        "records": dict(trial.records),
        "patients": len(trial.subjects),
        "labels": {label: count for label, count in sorted(trial.labels.items()) if label},
        "held": [
            {"code": code, "reason": reason, "releasable": releasable, "count": count}
            for (code, reason, releasable), count in trial.held.most_common()
        ],
        "actions": listed(trial.actions),
    }


def write_report(trial: Trial, folder: Path) -> None:
    """Write `as_report` beside the clean files."""
    files.write(folder / REPORT, [json.dumps(as_report(trial), indent=2).encode(), b"\n"])


@contextmanager
def clean_files(folder: Path, rules: str, source: str) -> Iterator[Take]:
    """A function that writes records as files into a folder; the same rules and source go on where they were cut short.

    A record that comes twice is written once. Raises `FolderInUseError` or `DiskFullError`.
    """
    written: set[str] = set()

    def take(clean: Clean) -> None:
        name = files.file_name(clean.record, clean.media_type)
        if name not in written:
            files.write(folder / name, clean.pieces())
            written.add(name)

    with files.filled(folder, f"clean files of {rules}, from {source}"):
        yield take
        files.drop_others(folder, {*written, *OWN_FILES})
