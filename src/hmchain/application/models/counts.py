"""The sum of a count: how many people all hospitals that took part said together, held against the ledger."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from hmchain import decoding, files
from hmchain.application.agent import contents
from hmchain.application.agent.exchange import Exchange
from hmchain.application.models.estimates import estimate, root_of
from hmchain.application.models.export import ExportPlace, objects_of, study_key
from hmchain.errors import AuditError, InputError, StudyError
from hmchain.keys import SecretKey
from hmchain.ledger.contracts.data import queries
from hmchain.ledger.contracts.learning import permitted, releases, rounds, studies
from hmchain.ledger.contracts.learning.releases import Status
from hmchain.ledger.contracts.learning.rounds import Round, Verdict
from hmchain.ledger.contracts.learning.studies import Study
from hmchain.ledger.state import State


class NoCountError(InputError):
    """The ledger has no count of this name."""

    code = "no_count"


class CountNotReadyError(StudyError):
    """A count has no sum: not yet, or it ended without one."""

    code = "count_not_ready"


class CountDiffersError(AuditError):
    """A count's file holds another number than the hospitals summed."""

    code = "count_differs"


class _Left(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an agent leaves of a count for its hospital's people."""

    study: str
    mean: int
    """Of the hospitals that took part, in round 0's fixed point."""


@dataclass(frozen=True)
class CountResult:
    """How many people there are."""

    count: str
    """Its name."""
    request: str
    query: str
    words: str
    people: int
    """Of all hospitals that took part together; noise included, and at least 0."""
    margin: int
    """The noise is at most this 95 times of 100."""
    epsilon: float
    """What each hospital's budget paid, for one person."""
    hospitals: tuple[str, ...]
    """Those that took part, in order. Whoever is asked and not here sat out, or was away."""
    asked: tuple[str, ...]
    releases: tuple[str, ...] = ()
    """By which it has left its hospitals; none of a number that is inside."""

    def __str__(self) -> str:
        return (
            f"about {self.people:,} people (noise ±{self.margin}, 95 %) in {len(self.hospitals)} of {len(self.asked)} "
            "hospitals; an upper bound: people may be counted twice"
        )


def require_count(state: State, name: str) -> Study:
    """A study that is a count. Raises `NoCountError`."""
    study = studies.study(state, name)
    if study is None or not study.spec.is_count:
        raise NoCountError(f"the ledger has no count {name}", "`hmchain cohort list` shows all")
    return study


def result(place: ExportPlace, state: State, name: str, passphrase: str | None = None) -> CountResult:
    """The sum of a count at a hospital that took part in it, as its agent left it or can still open it.

    Raises `NoCountError`, `CountNotReadyError`, `CountDiffersError`, `NoStudyKeyError`, or what keys and objects
    complain of.
    """
    return of_mean(state, require_count(state, name), mean(place, state, name, passphrase))


def mean(place: ExportPlace, state: State, name: str, passphrase: str | None = None) -> int:
    """The mean of what the hospitals said in a count, as its hospital has it. Raises as `result`."""
    study = require_count(state, name)
    entry = _summed(state, study)
    path = place.hospital.study(name).count
    if path.exists():
        found = _load(path, name)
    else:
        found = opened_mean(study, entry, objects_of(place, name), study_key(place.hospital, name, passphrase))
    of_mean(state, study, found)
    return found


def leave(state: State, study: Study, exchange: Exchange, key: SecretKey, path: Path) -> None:
    """Leave the sum of a finished count in the hospital's folder, for its people. Raises as `result`, or `OSError`."""
    mean = opened_mean(study, _summed(state, study), exchange, key)
    files.make_folder(path.parent, mode=0o700)
    text = msgspec.json.format(msgspec.json.encode(_Left(study.spec.name, mean))) + b"\n"
    files.write_whole(path, text, durable=True, mode=files.PRIVATE)


def opened_mean(study: Study, entry: Round, exchange: Exchange, key: SecretKey) -> int:
    """The mean of what the hospitals said, from the object that its master stored. Raises an error of the store."""
    assert entry.posted is not None  # of a round that was accepted
    context = contents.model_context(study.spec.name, 0)
    model, _ = exchange.open_model(entry.objects, key, context, study.rule(0), entry.posted.model_root)
    return int(model[0])


def _summed(state: State, study: Study) -> Round:
    entry = rounds.round_(state, study.spec.name, 0)
    if entry is None or entry.outcome is not Verdict.ACCEPTED or entry.posted is None:
        name, reason = study.spec.name, study.progress.reason
        said = f"count {name} is {study.status.value}" + (f" ({reason})" if reason else "")
        raise CountNotReadyError(f"{said}: there is no number", f"`hmchain study status --study {name}` says more")
    return entry


def _load(path: Path, name: str) -> int:
    try:
        left = decoding.from_json(files.read(path), _Left)
    except (*files.UNREADABLE, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CountDiffersError(f"{path} holds no count that can be read", "remove it: the agent keeps it") from error
    if left.study != name:
        raise CountDiffersError(f"{path} is of another count", "remove it: the agent keeps it")
    return left.mean


def of_mean(state: State, study: Study, mean: int) -> CountResult:
    """The result of a count with this mean. Raises `CountDiffersError` if its hospitals confirmed another."""
    entry = _summed(state, study)
    if entry.posted is None or root_of(mean) != entry.posted.model_root:
        what = f"the number that lies with count {study.spec.name} is not what its hospitals summed"
        raise CountDiffersError(what, "remove the file: the agent keeps the sum")
    plan = queries.plan_of(study.spec.training)
    under = permitted.under(state, study.progress.specification)
    return CountResult(
        count=study.spec.name,
        request=under.request if under else "",
        hospitals=entry.frozen,
        asked=study.spec.participants,
        releases=tuple(
            each.name for each in releases.releases_of(state, study.spec.name) if each.status is Status.RELEASED
        ),
        **estimate(plan, mean, len(entry.frozen)),
    )
