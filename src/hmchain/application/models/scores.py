"""A hospital's own scores of a study, round by round: typed, and kept as `scores.json` in the hospital's own folder.

They are measured by its agent on its own validation images, to vote with; nothing of them stands on the ledger, and no
other hospital learns them. Votes and outcomes beside them are those of the ledger, whatever the file says.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from hmchain import decoding, files
from hmchain.application.agent.kept import UNDEFINED, Score
from hmchain.application.learning.trainer_study import pins_own_trainer
from hmchain.errors import InputError
from hmchain.ledger.contracts.learning import rounds
from hmchain.ledger.contracts.learning.rounds import Verdict
from hmchain.ledger.contracts.learning.studies import OVER, Study
from hmchain.ledger.genesis import Genesis
from hmchain.ledger.state import State

SCHEMA = 1
AGAIN = "delete it: the hospital's agent writes it again when it starts"
AUC, SCORE = "AUC", "score"


class ScoresFileError(InputError):
    """A file of scores cannot be read, or is not of the study that it lies with."""

    code = "scores_file"


@dataclass(frozen=True, kw_only=True)
class RoundScore:
    """One hospital's view of the model that a round made, and what became of it."""

    round: int
    auc: float | None
    """None where a class is missing from the hospital's validation images; of a trainer of one's own its score."""
    acc: float | None
    best_before: float | None
    """The best AUC of the models accepted before, which the vote compared with."""
    vote: str
    """`accepted` or `rejected`: this hospital's."""
    outcome: str
    """`accepted` or `rejected` by all together; empty while the round is open."""


@dataclass(frozen=True, kw_only=True)
class StudyScores:
    """One hospital's own scores of a study, up to a height of the ledger."""

    schema: int = SCHEMA
    measure: str = AUC
    """In words, of what `auc` and `best_before` are: `AUC`, or `score` of a trainer of one's own."""
    study: str
    organisation: str
    chain_id: str
    genesis: str
    specification: str
    """Digest of all that the study pins."""
    status: str
    reason: str
    """The reason why the study is over; empty while it is not."""
    height: int
    images: int
    """Of validation, that all of this was measured on: few images tell little."""
    tolerance: float
    """So much lower than the best before may a model's AUC be until this hospital votes against it."""
    best: RoundScore | None
    """The accepted round with the highest AUC."""
    rounds: tuple[RoundScore, ...]

    def __str__(self) -> str:
        best = (
            f"best accepted {self.measure} {self.best.auc:.3f} in round {self.best.round}"
            if self.best
            else "none accepted"
        )
        return f"{self.study} at {self.organisation}: {len(self.rounds)} rounds on {self.images} images, {best}"

    @property
    def last(self) -> RoundScore | None:
        """The newest round that this hospital measured."""
        return self.rounds[-1] if self.rounds else None


def collect(state: State, study: Study, organisation: str, genesis: Genesis, kept: Iterable[Score]) -> StudyScores:
    """What a hospital measured in a study, with what the ledger says of each round."""
    measured = list(kept)
    found = tuple(_round_score(state, study, score) for score in measured)
    return StudyScores(
        measure=SCORE if pins_own_trainer(study.spec) else AUC,
        study=study.spec.name,
        organisation=organisation,
        chain_id=genesis.chain_id,
        genesis=genesis.digest.hex(),
        specification=study.progress.specification.hex(),
        status=study.status.value,
        reason=study.progress.reason,
        height=state.height,
        images=measured[-1].images if measured else 0,
        tolerance=study.spec.gate_tolerance_permyriad / 10_000,
        best=_best(found),
        rounds=found,
    )


def held(found: StudyScores, state: State, study: Study, organisation: str, genesis: Genesis) -> StudyScores:
    """The scores of a file with all that the ledger says of them as the ledger says it.

    What was measured is the hospital's own, and nobody can check it. Raises `ScoresFileError` for the scores of
    another study, hospital or ledger, and for rounds that there were not.
    """
    now = collect(state, study, organisation, genesis, ())
    for name in ("schema", "study", "organisation", "specification"):
        if getattr(found, name) != getattr(now, name):
            raise _other(study, f"its {name.replace('_', ' ')} is {getattr(found, name)!r}, not {getattr(now, name)!r}")
    if (found.genesis, found.chain_id) not in [(past.genesis.hex(), past.chain_id) for past in genesis.chains]:
        raise _other(study, f"its chain id is {found.chain_id!r}, not {now.chain_id!r}")
    numbers = [each.round for each in found.rounds]
    if numbers != sorted(set(numbers)) or any(number < 1 for number in numbers) or found.images < 0:
        raise _other(study, "its rounds are none that a study has")
    rounds_ = tuple(_held_round(state, study, organisation, each) for each in found.rounds)
    return replace(now, images=found.images, best=_best(rounds_), rounds=rounds_)


def _held_round(state: State, study: Study, organisation: str, found: RoundScore) -> RoundScore:
    entry = rounds.round_(state, study.spec.name, found.round)
    if entry is None:
        raise _other(study, f"the ledger has no round {found.round}")
    if any(value is not None and not 0 <= value <= 1 for value in (found.auc, found.acc, found.best_before)):
        raise _other(study, f"round {found.round} has a score that is none")
    opened = {each.organisation: each.verdict for each in rounds.gate_ballots(state, entry)}
    vote = opened.get(organisation, Verdict.OPEN).value or found.vote
    if vote not in (Verdict.ACCEPTED, Verdict.REJECTED):
        raise _other(study, f"round {found.round} has a vote that is none")
    return replace(found, vote=vote, outcome=entry.outcome.value)


def _best(found: Iterable[RoundScore]) -> RoundScore | None:
    accepted = [each for each in found if each.outcome == Verdict.ACCEPTED and each.auc is not None]
    return max(accepted, key=lambda each: each.auc or 0.0, default=None)


def _other(study: Study, why: str) -> ScoresFileError:
    what = f"the file of scores that lies with study {study.spec.name} is not what its agent wrote: {why}"
    return ScoresFileError(what, AGAIN)


def _round_score(state: State, study: Study, score: Score) -> RoundScore:
    entry = rounds.round_(state, study.spec.name, score.round)
    return RoundScore(
        round=score.round,
        auc=_fraction(score.auc_permyriad),
        acc=_fraction(score.acc_permyriad),
        best_before=_fraction(score.best_permyriad),
        vote=(Verdict.ACCEPTED if score.accept else Verdict.REJECTED).value,
        outcome=entry.outcome.value if entry else "",
    )


def _fraction(permyriad: int) -> float | None:
    return None if permyriad == UNDEFINED else permyriad / 10_000


def save(path: Path, scores: StudyScores) -> None:
    """Write a hospital's scores, for its own people alone. Raises `OSError`."""
    files.make_folder(path.parent, mode=0o700)
    text = msgspec.json.format(msgspec.json.encode(scores), indent=1) + b"\n"
    files.write_whole(path, text, durable=scores.status in OVER, mode=files.PRIVATE)


def load(path: Path) -> StudyScores:
    """Read a hospital's scores. Raises `ScoresFileError`."""
    try:
        return decoding.from_json(files.read(path), StudyScores)
    except (*files.UNREADABLE, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ScoresFileError(f"{path} holds no scores that can be read", AGAIN) from error
