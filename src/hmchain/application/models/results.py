"""What studies left at a hospital: models, and its own scores, found by the name of the study."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hmchain.application.models import scores
from hmchain.application.models.scores import StudyScores
from hmchain.application.site.hospital import HospitalFolder, StudyFolder, locate
from hmchain.errors import InputError, StudyError


class NoResultsError(StudyError):
    """No study, or not the one that is asked for, has left anything at a hospital."""

    code = "no_results"


class SeveralStudiesError(InputError):
    """Several studies left something, and none was named."""

    code = "several_studies"


@dataclass(frozen=True)
class StudyResults:
    """What one study left at one hospital."""

    study: str
    model: Path | None
    """Its model file, if it made one."""
    scores: StudyScores | None
    """The hospital's own, if it measured any."""


def own_scores(hospital: HospitalFolder, study: str) -> StudyScores | None:
    """A hospital's own scores of a study; None if there are none yet. Raises `ScoresFileError`."""
    place = hospital.study(study).scores
    return scores.load(place) if place.exists() else None


def study_results(folder: Path | str, study: str | None = None) -> StudyResults:
    """What a study left at the hospital in `folder`: a node's, or one of a run (`runs/latest/hospitals/NAME`).

    Without a name the only study that left anything is meant. Raises `NoHospitalError`, `NoResultsError`,
    `SeveralStudiesError` or `ScoresFileError`.
    """
    hospital = locate(Path(folder))
    place = _chosen(hospital, [each for each in _left(hospital) if each.model.exists() or each.scores.exists()], study)
    model = place.model if place.model.exists() else None
    return StudyResults(place.name, model, own_scores(hospital, place.name))


def model_file(folder: Path, study: str | None = None) -> Path:
    """The model that a study left at the hospital in `folder`. Raises as `study_results`."""
    hospital = locate(folder)
    return _chosen(hospital, [each for each in _left(hospital) if each.model.exists()], study).model


def _left(hospital: HospitalFolder) -> list[StudyFolder]:
    return [hospital.study(path.name) for path in sorted(hospital.studies.glob("*"))]


def _chosen(hospital: HospitalFolder, found: list[StudyFolder], study: str | None) -> StudyFolder:
    names = [each.name for each in found]
    wanted = [each for each in found if study in (None, each.name)]
    if not wanted:
        what = f"study {study} has left nothing" if study else "no study has left anything"
        where = hospital.node.path if hospital.node else hospital.path
        there = f"here are: {', '.join(names)}; " if names else ""
        raise NoResultsError(
            f"{what} in {hospital.studies}",
            f"{there}the agent leaves it when the study ends, `hmchain study status --dir {where}` says how far it is",
        )
    if len(wanted) > 1:
        raise SeveralStudiesError(f"several studies left something in {hospital.studies}", _name_one(names))
    return wanted[0]


def _name_one(names: list[str]) -> str:
    return f"name one with --study: {', '.join(names)}"
