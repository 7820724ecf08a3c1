"""The datasets that a request's file names, held against the ledger."""

from __future__ import annotations

import difflib

from hmchain.application.governance.request_file import RequestFile, RequestFileError
from hmchain.ledger.contracts.data import datasets
from hmchain.ledger.contracts.data.requests import DatasetVersion
from hmchain.ledger.contracts.members import membership
from hmchain.ledger.state import State


def named_versions(state: State, asked: RequestFile) -> tuple[DatasetVersion, ...]:
    """The versions that a request asks for, in order. Raises `RequestFileError` for those that nobody has."""
    return tuple(_named(state, *each) for each in asked.wanted)


def _named(state: State, organisation: str, dataset: str, number: int | None) -> DatasetVersion:
    if not membership.is_active(state, organisation):
        members = [member.organisation for member in membership.active_members(state)]
        what = f"datasets.{organisation}: there is no member {organisation!r}"
        raise RequestFileError(what, _meant(organisation, members, "members are"))
    found = datasets.dataset(state, organisation, dataset)
    if found is None or not found.version:
        known = [each.name for each in datasets.datasets(state) if each.organisation == organisation and each.version]
        what = f"datasets.{organisation} = {dataset!r}: {organisation} has published no such dataset"
        raise RequestFileError(what, _meant(dataset, known, f"{organisation} has"))
    version = datasets.version(state, organisation, dataset, number or found.version)
    if version is None:
        what = f"datasets.{organisation}: {dataset} has no version {number}"
        raise RequestFileError(what, f"its newest is {found.version}: {dataset}@{found.version}, or no number at all")
    if version.withdrawn:
        what = f"datasets.{organisation}: version {version.version} of {dataset} was withdrawn"
        raise RequestFileError(what, "records of it were erased: ask for a newer one, once there is one")
    return DatasetVersion(organisation, dataset, version.version)


def _meant(given: str, known: list[str], who: str) -> str:
    near = difflib.get_close_matches(given, known, n=1)
    return f"{f'did you mean {near[0]!r}? ' if near else ''}{who} {', '.join(known) or 'none'}"
