"""Asking that what a study made may leave the hospitals that made it, and taking that back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from hmchain.application.governance.delegate import LedgerUser
from hmchain.application.releases import table_file
from hmchain.application.releases.table_file import Table
from hmchain.application.site.hospital import HospitalFolder
from hmchain.errors import InputError, StudyError
from hmchain.ledger.context import is_name
from hmchain.ledger.contracts.data import datasets
from hmchain.ledger.contracts.learning import releases, studies
from hmchain.ledger.contracts.learning.releases import AskRelease, Audience, Status, TableOf, WithdrawRelease
from hmchain.ledger.readers import rules
from hmchain.ledger.readers.releases import COUNT, MODEL, TABLE, ReleaseView, release
from hmchain.ledger.state import State

_NAME_ROOM = 40


class ReleaseArgumentError(InputError):
    """A release cannot be asked for, or decided on, like this."""

    code = "release_argument"


class NothingMadeError(StudyError):
    """A study has made nothing that could leave."""

    code = "nothing_to_release"


@dataclass(frozen=True)
class ReleaseQuestion:
    """What somebody wants outside, for whom and where."""

    study: str
    audience: str = Audience.MEMBERS
    regions: tuple[str, ...] = ()
    """ISO 3166-1 alpha-2; none for anywhere."""
    name: str = ""
    """Of the release; made of the study's if it is empty, of a table of the dataset's."""


@dataclass(frozen=True)
class PlannedRelease:
    """What a question would put before hospitals."""

    asked: AskRelease
    kind: str
    hospitals: tuple[str, ...]
    standing: ReleaseView | None = None
    """The release that asks for the same and waits, if there is one."""
    table: Table | None = None
    """What is to leave, of a table."""

    @property
    def what(self) -> str:
        """What is to leave, in words."""
        return f"{self.kind} {self.asked.study}" if self.table is None else f"a table: {self.table}"


def plan(user: LedgerUser, wanted: ReleaseQuestion) -> PlannedRelease:
    """What asking would put on the ledger; nothing is sent.

    Raises `ReleaseArgumentError`, `NothingMadeError` or `OldRulesError`.
    """
    state = user.state
    asked = _question(state, wanted)
    study = studies.require_study(state, asked.study)
    kind = COUNT if study.spec.is_count else MODEL
    return PlannedRelease(asked, kind, releases.contributors(state, study), _standing(state, asked, wanted.name))


def plan_table(
    user: LedgerUser, place: HospitalFolder, path: Path, dataset: str, version: int | None, wanted: ReleaseQuestion
) -> PlannedRelease:
    """What asking for a table of the organisation's own people would put on the ledger; nothing is sent.

    Without a version the newest of the dataset is meant. Where the very table is kept under that name, as by a command
    that was cut short, its nonce is the one that it has. Raises `TableFileError`, `ReleaseArgumentError`, or
    `OldRulesError`.
    """
    state, own = user.state, user.organisation
    rules.require_sharing(state, "releases need")
    known = datasets.dataset(state, own, dataset)
    number = version or (known.version if known is not None else 0)
    if datasets.version(state, own, dataset, number) is None:
        what = f"{own} has not published {f'version {number}' if number else 'a version'} of a dataset {dataset}"
        raise ReleaseArgumentError(what, "`hmchain data list` shows all; `hmchain data register DATASET` publishes one")
    regions = tuple(sorted(set(wanted.regions)))
    name = wanted.name or _free_name(state, f"{dataset[:_NAME_ROOM]}-table")
    if not is_name(name):
        raise ReleaseArgumentError(f"{name!r} cannot name a release", "use up to 48 of a-z, 0-9, '.', '_' and '-'")
    table = table_file.as_kept(table_file.read(path, own, dataset, number), place.table(name).table)
    asked = AskRelease(name, "", TableOf(dataset, number), table.artefact, _audience(wanted.audience), regions)
    return PlannedRelease(asked, TABLE, (own,), table=table)


def ask_table(user: LedgerUser, place: HospitalFolder, planned: PlannedRelease) -> ReleaseView:
    """Scientist: keep a table inside, and put it before the organisation's stewards. Raises what a refusal raises."""
    assert planned.table is not None  # that is what is planned
    name = planned.asked.name
    if releases.release(user.state, name) is not None:
        raise ReleaseArgumentError(f"there is a release {name} already", "give it another name: --name NAME")
    table_file.save(place.table(name).table, planned.table)
    user.send(planned.asked)
    return release(user.state, name)


def _audience(named: str) -> Audience:
    if named not in list(Audience):
        raise ReleaseArgumentError(f"{named} is nobody whom a release can be for", f"one of: {', '.join(Audience)}")
    return Audience(named)


def _question(state: State, asked: ReleaseQuestion) -> AskRelease:
    rules.require_sharing(state, "releases need")
    if studies.study(state, asked.study) is None:
        raise ReleaseArgumentError(f"the ledger has no study {asked.study}", "`hmchain study list` shows all")
    audience = _audience(asked.audience)
    made = releases.artefact_of(state, asked.study)
    if made is None:
        hint = f"wait until it is over: `hmchain study status --study {asked.study}`"
        raise NothingMadeError(f"{asked.study} has made nothing that could leave", hint)
    regions = tuple(sorted(set(asked.regions)))
    name = asked.name or _free_name(state, asked.study)
    return AskRelease(name, asked.study, None, made, audience, regions)


def ask(user: LedgerUser, planned: PlannedRelease) -> ReleaseView:
    """Scientist: put it before the hospitals; what waits already is not asked again. Raises what a refusal raises."""
    if planned.standing is not None:
        return planned.standing
    user.send(planned.asked)
    return release(user.state, planned.asked.name)


def _standing(state: State, asked: AskRelease, name: str) -> ReleaseView | None:
    for each in releases.releases_of(state, asked.study):
        same = (each.asked.artefact, each.asked.audience, each.asked.regions)
        is_same = same == (asked.artefact, asked.audience, asked.regions) and name in ("", each.name)
        if each.status is Status.ASKED and is_same:
            return release(state, each.name)
    return None


def withdraw(user: LedgerUser, name: str) -> ReleaseView:
    """Scientist of the organisation that asked: it is not to leave. Raises `UnknownReleaseError`, or a refusal's."""
    shown = release(user.state, name)
    user.ensure(WithdrawRelease(name), is_so=shown.status == Status.WITHDRAWN)
    return release(user.state, name)


def listed(found: Sequence[ReleaseView], organisation: str) -> list[ReleaseView]:
    """Those that wait for a hospital first, then the others, in order of name."""

    def waits(each: ReleaseView) -> bool:
        return each.status == Status.ASKED and organisation in each.waits_for

    return sorted(found, key=lambda each: (not waits(each), each.release))


def _free_name(state: State, study: str) -> str:
    """The study's own name, or the first with a number, that no release has."""
    others = (f"{study[:_NAME_ROOM]}-{number}" for number in count(2))
    free = (each for each in others if releases.release(state, each) is None)
    return study if releases.release(state, study) is None else next(free)
