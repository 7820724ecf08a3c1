"""When a study moves on, its agent leaves what the hospital's people may have of it in the hospital's own folder.

The scores while it runs and once it waits or is over; the model when there is one. What is there already stays, so it
may be done again at any time: also by an agent that was started a moment ago, after a crash that came between a study's
end and the writing.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, field

from hmchain.application.agent.agent import Agent
from hmchain.application.agent.kept import Score, scores_prefix
from hmchain.application.learning.trainers.allowance import NOTHING, Used
from hmchain.application.models import counts, export, machine, scores
from hmchain.application.models.scores import ScoresFileError
from hmchain.application.site.hospital import HospitalFolder
from hmchain.errors import HMChainError
from hmchain.ledger.contracts.learning import models, studies
from hmchain.ledger.contracts.learning.studies import OVER, Status, Study
from hmchain.ledger.genesis import Genesis
from hmchain.ledger.state import State
from hmchain.plain import Say

_BETWEEN_SECONDS = 5.0
"""Between two times that the scores of a study that runs are written."""
_AGAIN_SECONDS = 30.0
"""Until what failed is tried again."""
_BEGUN = (Status.RUNNING, Status.PAUSED, *OVER)

Stage = tuple[Status, int, int]
"""Status, round and setbacks of a study: where none of them changes there is nothing new to write."""


@dataclass
class Leaver:
    """Leaves what one agent's studies gave in its hospital's folder."""

    folder: HospitalFolder
    agent: Agent
    genesis: Genesis
    say: Say
    _left: dict[str, Stage] = field(default_factory=dict)
    _next: dict[str, float] = field(default_factory=dict)
    """When a study may be looked at again."""
    _failed: dict[str, str] = field(default_factory=dict)
    _used: dict[str, Used] = field(default_factory=dict)
    """What was written of a study's use of the machine."""
    _height: int = -1

    def leave(self, state: State) -> None:
        """Write what is new since the last time; what cannot be written now is said, and tried again later."""
        self._leave_used()
        if state.height == self._height and not self._next:
            return
        self._height = state.height
        for study in studies.studies(state):
            name = study.spec.name
            if self.folder.organisation in study.spec.participants and self._is_due(study):
                self._try(state, study)
            elif study.status in OVER and name not in self._failed:
                self._next.pop(name, None)

    def _leave_used(self) -> None:
        """What studies took of the machine; where a disk is full the next step writes it."""
        for name, allowance in list(self.agent.allowances.items()):
            if allowance.used not in (NOTHING, self._used.get(name)):
                with suppress(OSError):
                    found = allowance.used
                    machine.save(self.folder.study(name).used, machine.of(name, allowance))
                    self._used[name] = found

    def _is_due(self, study: Study) -> bool:
        name = study.spec.name
        waits = time.monotonic() < self._next.get(name, 0.0) and (
            study.status is Status.RUNNING or name in self._failed
        )
        return study.status in _BEGUN and self._left.get(name) != _stage(study) and not waits

    def _try(self, state: State, study: Study) -> None:
        name = study.spec.name
        try:
            self._write(state, study)
        except (HMChainError, OSError) as error:  # an object out of reach, a full disk
            said, self._next[name] = f"study {name}: its results cannot be left here: {error}", _in(_AGAIN_SECONDS)
            if self._failed.get(name) != said:
                self.say(said)
            self._failed[name] = said
            return
        self._left[name] = _stage(study)
        self._failed.pop(name, None)
        if study.status is Status.RUNNING:
            self._next[name] = _in(_BETWEEN_SECONDS)

    def _write(self, state: State, study: Study) -> None:
        name = study.spec.name
        place, kept = self.folder.study(name), list(self.agent.store.all(scores_prefix(name), Score))
        is_over = study.status in OVER
        if kept and not (is_over and self._has_last_scores(state, study)):
            found = scores.collect(state, study, self.folder.organisation, self.genesis, (each for _, each in kept))
            scores.save(place.scores, found)
        if study.status is Status.PAUSED:
            self.say(f"study {name} is paused: `hmchain study status --study {name} --dir {self._where}` says why")
        key, made = self.agent.study_key(name), models.model(state, name)
        if study.spec.is_count:
            if study.status is Status.FINISHED and key is not None and not place.count.exists():
                counts.leave(state, study, self.agent.exchange(name), key, place.count)
                self.say(f"count {name} is over: `hmchain cohort result {name} --dir {self._where}` shows its sum")
            return
        if made is None or made.round == 0 or key is None or place.model.exists():
            return
        model = export.StudyModel(name, state, self.genesis, self.agent.exchange(name), key)
        export.write_inside(self.folder, model, place.model)
        self.say(f"study {name} is over: its model, and this hospital's own scores by round, are in {place.path}")

    def _has_last_scores(self, state: State, study: Study) -> bool:
        """Whether the file of scores is there as it was left when the study was over."""
        try:
            found = scores.load(self.folder.study(study.spec.name).scores)
            scores.held(found, state, study, self.folder.organisation, self.genesis)
        except ScoresFileError:  # nor is it if it is damaged, or of another study
            return False
        return bool(found.reason)

    @property
    def _where(self) -> str:
        return str(self.folder.node.path if self.folder.node else self.folder.path)


def _stage(study: Study) -> Stage:
    return study.status, study.progress.round, study.progress.setbacks


def _in(seconds: float) -> float:
    return time.monotonic() + seconds
