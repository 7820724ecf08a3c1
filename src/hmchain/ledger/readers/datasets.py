"""Datasets as their hospitals published them: what kind of records, which versions, and what was withdrawn."""

from __future__ import annotations

from dataclasses import dataclass

from hmchain.ledger.contracts.data import datasets as contract
from hmchain.ledger.contracts.data.datasets import COUNT_MIN, RecordSchema, Schema, Version
from hmchain.ledger.state import State


@dataclass(frozen=True)
class DatasetView:
    """One dataset of a hospital."""

    organisation: str
    name: str
    schema: Schema | RecordSchema
    versions: tuple[Version, ...]
    """All that were published, the withdrawn ones too."""

    def __str__(self) -> str:
        said = (f"version {each.version} withdrawn" if each.withdrawn else _standing(each) for each in self.versions)
        return f"{self.organisation}/{self.name}: {', '.join(said) or 'no version published'}"


def datasets(state: State) -> list[DatasetView]:
    """All datasets, in order of organisation and name."""
    return [_view(state, entry) for entry in contract.datasets(state)]


def count_words(count: int) -> str:
    """A rounded count in words: published are powers of two, the least of which stands for everything below it too."""
    return f"{count} to {2 * count - 1}" if count > COUNT_MIN else f"under {2 * count}"


def _view(state: State, entry: contract.Dataset) -> DatasetView:
    numbers = range(1, entry.version + 1)
    found = (contract.version(state, entry.organisation, entry.name, number) for number in numbers)
    return DatasetView(entry.organisation, entry.name, entry.schema, tuple(version for version in found if version))


def _standing(version: Version) -> str:
    return f"version {version.version} of {count_words(version.count)} records"
