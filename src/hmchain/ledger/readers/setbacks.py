"""The setbacks of a study since its last accepted round: who voted what, which attempt failed and who was missing.

Votes and absences stand on the ledger. Why a hospital voted against a model does not: its own scores are its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from msgspec.structs import replace

from hmchain.ledger.contracts.learning import rounds
from hmchain.ledger.contracts.learning.rounds import Phase, Round, Verdict
from hmchain.ledger.contracts.learning.studies import Status, Study
from hmchain.ledger.contracts.members import standings
from hmchain.ledger.state import State

REJECTED, VOID, NOT_BEGUN = "rejected", "void", "not begun"


@dataclass(frozen=True)
class Setback:
    """A round that was voted down, an attempt that gave no sum, or one that could not begin."""

    round: int
    attempt: int
    """Counted from 1."""
    kind: str
    """`rejected`, `void` or `not begun`."""
    words: str
    """What happened, in plain words."""
    against: tuple[str, ...] = ()
    """Who voted against the model."""
    in_favour: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    """Whose part did not come in time."""

    def __str__(self) -> str:
        what = f"round {self.round}" if self.round else "the round of class counts"
        again = f", attempt {self.attempt}" if self.kind == VOID else ""
        return f"{what}{again}: {self.words}"


def setbacks(state: State, study: Study) -> tuple[Setback, ...]:
    """What went wrong since the last accepted round, or since the study was resumed, in order.

    Of a paused study the last one is what paused it.
    """
    found = _all(state, study)
    counted = max(study.progress.setbacks, int(bool(found) and found[-1].kind == NOT_BEGUN))
    return tuple(found[-counted:]) if counted else ()


def _all(state: State, study: Study) -> list[Setback]:
    found: list[Setback] = []
    entries = rounds.rounds(state, study.spec.name)
    accepted = max((entry.number for entry in entries if entry.outcome == Verdict.ACCEPTED), default=-1)
    for entry in entries:
        if entry.number <= accepted:
            continue
        for attempt in range(entry.attempt):
            found.append(_void(state, study, replace(entry, attempt=attempt, frozen=_frozen(state, entry, attempt))))
        if entry.outcome == Verdict.REJECTED:
            found.append(_rejected(state, study, entry))
        elif study.status is Status.PAUSED:
            found += _last(state, study, entry, before=len(found))
    return found


def _frozen(state: State, entry: Round, attempt: int) -> tuple[str, ...]:
    kept = rounds.void_attempt(state, entry.study, entry.number, attempt)
    return kept.frozen if kept else ()


def _last(state: State, study: Study, entry: Round, before: int) -> Iterator[Setback]:
    """The attempt in which a study paused: it could not begin, or gave no sum; or the rounds before were rejected."""
    place = (entry.number, entry.attempt + 1, NOT_BEGUN)
    absent = tuple(name for name in study.spec.participants if name not in entry.expected)
    if len(entry.expected) < study.spec.threshold:
        needed = f"{study.spec.threshold} of {len(study.spec.uses)} hospitals are needed"
        yield Setback(*place, f"no approval is in force of {_names(absent)}, and {needed}", missing=absent)
    elif not any(standings.may_lead(state, name) for name in entry.ranking):
        yield Setback(*place, "nobody who may lead a round is left")
    elif entry.attempt or rounds.contributions(state, entry) or before < study.progress.setbacks:
        yield _void(state, study, replace(entry, frozen=entry.frozen or _frozen(state, entry, entry.attempt)))


def _rejected(state: State, study: Study, entry: Round) -> Setback:
    ballots = rounds.gate_ballots(state, entry)
    against = tuple(each.organisation for each in ballots if each.verdict == Verdict.REJECTED)
    in_favour = tuple(each.organisation for each in ballots if each.verdict == Verdict.ACCEPTED)
    silent = tuple(name for name in entry.expected if name not in (*against, *in_favour))
    words = f"{_names(against)} voted against the model, {_names(in_favour)} for it"
    if silent:
        words += f", {_names(silent)} did not vote"
    return Setback(entry.number, entry.attempt + 1, REJECTED, words, against, in_favour, silent)


def _void(state: State, study: Study, entry: Round) -> Setback:
    """An attempt without a sum; how far it came shows in what the ledger has of it."""
    updates = rounds.contributions(state, entry)
    by = {update.organisation: update for update in updates}
    silent = tuple(name for name in entry.expected if name not in by)
    vouched = [update for update in updates if len(update.attested) >= study.spec.witnesses]
    held_back = tuple(name for name in entry.frozen if name not in by or not by[name].self_seed)
    if not entry.frozen and len(updates) < study.spec.threshold:
        words, missing = f"no update came in time from {_names(silent)}", silent
    elif not entry.frozen and len(vouched) >= study.spec.threshold:
        words, missing = "these hospitals beside those that were summed before would give one of them away", silent
    elif not entry.frozen:
        missing = tuple(name for name in entry.expected if not any(name in update.attested for update in updates))
        who = _names(missing) if missing else "others"
        words = f"too few updates were vouched for in time: nothing was heard of {who}"
    elif held_back:
        words, missing = f"{_names(held_back)} did not open its seed in time", held_back
    elif entry.phase == Phase.VERIFY and entry.posted is not None:
        missing = tuple(name for name in entry.expected if name not in (entry.master, *entry.confirmed))
        words = f"the sum of {entry.master} was confirmed by too few: not by {_names(missing)}"
    elif entry.phase in (Phase.AGGREGATE, Phase.VERIFY):
        words, missing = "no master's sum was confirmed in time", ()
    else:
        words, missing = "the sum was out of range, and masks hide whose update it was", ()
    return Setback(entry.number, entry.attempt + 1, VOID, words, missing=missing)


def _names(names: tuple[str, ...]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:]))) or "nobody"
