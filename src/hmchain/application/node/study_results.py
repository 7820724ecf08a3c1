"""A study's model and scores in one call, of a node's hospital or one of one's own: public names of `hmchain`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hmchain.application.models import export, inference, results
from hmchain.application.models.scores import StudyScores
from hmchain.application.node import reading

if TYPE_CHECKING:
    from hmchain.application.learning.model_file import Model


def study_model(folder: Path | str, study: str | None = None, *, passphrase: str | None = None) -> Model:
    """The model that a study made, held against the ledger beside it.

    `folder` is a node's, or that of a hospital in a run (`my-run/hospitals/elm`). The file is the one in the folder's
    `studies`; where none is left yet it is written there, for which sealed keys need the passphrase. Without a name
    the only study is meant. Raises `NoStudyError`, `NoModelError`, `NoStudyKeyError`, `ModelDiffersError`, and what
    `open_ledger` raises.
    """
    place = export.locate(Path(folder))
    with reading.open_ledger(place.ledger) as ledger:
        name = ledger.study(study).name
        target = place.hospital.study(name).model
        if not target.exists():
            export.export(place, ledger.verified.state, name, target, passphrase)
        return inference.load(target, ledger)


def study_scores(folder: Path | str, study: str | None = None, *, passphrase: str | None = None) -> StudyScores:
    """A hospital's own scores of a study by round, which no other hospital sees.

    They are those in the folder's `studies`, else what the hospital's agent has kept, which needs the passphrase where
    keys are sealed. Raises `NoStudyError`, `NoResultsError` if the hospital measured nothing, `ScoresFileError`, and
    what `open_ledger` raises.
    """
    place = export.locate(Path(folder))
    with reading.open_ledger(place.ledger) as ledger:
        name = ledger.study(study).name
        found = results.own_scores(place.hospital, ledger, name)
        return found or results.kept_scores(place.hospital, ledger, name, passphrase)
