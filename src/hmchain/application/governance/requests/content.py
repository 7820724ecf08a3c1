"""What hospitals decide on, made of a file: names and versions held against the ledger, the plan worked out."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from hmchain.application.governance.proposals import specification
from hmchain.application.governance.requests.file import RequestFile, RequestFileError
from hmchain.canonical import encode
from hmchain.ledger.contracts.data import datasets
from hmchain.ledger.contracts.data.requests import Content, DatasetVersion, DocumentRef, Kind, Resources
from hmchain.ledger.contracts.learning.studies import StudySpec, plan_of
from hmchain.ledger.contracts.members import membership
from hmchain.ledger.readers.rules import require_sharing
from hmchain.ledger.reputation import faults_tolerated
from hmchain.ledger.state import State

_GIB_MIB = 1024


def require_to_come(asked: RequestFile, now_ms: int) -> None:
    """Raise `RequestFileError` for a last day that is over."""
    if asked.until_ms <= now_ms:
        raise RequestFileError(f"until = {asked.until} is over", "name a day to come")


def content_of(state: State, asked: RequestFile, now_ms: int, references: Iterable[DocumentRef] = ()) -> Content:
    """The content of a request, with references to its documents; a study's model is worked out for it.

    Raises `RequestFileError` for what the ledger does not have, `OldRulesError` for a transfer before there were any,
    and `StudyFileError` or what a trainer raises of a study.
    """
    require_to_come(asked, now_ms)
    named, kind = tuple(_named(state, *each) for each in asked.wanted), Kind(asked.kind)
    if kind is Kind.TRANSFER:
        require_sharing(state, "a request for a transfer needs")
    spec = specification(state, asked.proposal()) if kind is Kind.TRAIN else None
    return Content(
        kind=kind,
        purposes=asked.codes,
        diseases=_in_order(asked.diseases),
        datasets=named,
        fields=_in_order(asked.fields),
        labels=_in_order(asked.labels),
        plan=_plan(asked, spec),
        code=spec.code if spec is not None else b"",
        colluders=spec.colluders if spec is not None else _colluders(state, asked),
        resources=_resources(asked, spec),
        regions=_in_order(asked.regions),
        commercial=asked.commercial,
        publishes=asked.publishes,
        until_ms=asked.until_ms,
        documents=tuple(references),
    )


def _plan(asked: RequestFile, spec: StudySpec | None) -> bytes:
    if spec is not None:
        return plan_of(spec)
    if asked.kind == Kind.TRANSFER:
        return encode(asked.given())
    return encode(asked.count()) if asked.kind == Kind.COUNT else b""


def _resources(asked: RequestFile, spec: StudySpec | None) -> Resources:
    given = asked.resources
    rounds = given.rounds if given.rounds is not None else spec.rounds if spec is not None else 0
    if spec is not None and rounds < spec.rounds:
        what = f"resources.rounds = {rounds} is less than study.rounds = {spec.rounds}"
        raise RequestFileError(what, "leave resources.rounds out, or ask for fewer rounds in [study]")
    return Resources(rounds, given.hours, round(given.memory_gib * _GIB_MIB))


def _colluders(state: State, asked: RequestFile) -> int:
    most = faults_tolerated(len(membership.active_members(state)))
    colluders = most if asked.colluders is None else asked.colluders
    if not 0 <= colluders <= most:
        raise RequestFileError(f"colluders = {colluders} is out of range", f"this consortium withstands 0 to {most}")
    return colluders


def _in_order(codes: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(codes)))


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
