"""What studies left at a hospital: models, and its own scores, found by the name of the study."""

from __future__ import annotations

from pathlib import Path

from hmchain.application.agent.kept import Score, scores_prefix
from hmchain.application.models import scores
from hmchain.application.models.export import opened_store
from hmchain.application.models.scores import StudyScores
from hmchain.application.site.hospital import HospitalFolder, locate
from hmchain.application.site.study_folder import StudyFolder
from hmchain.errors import InputError, StudyError
from hmchain.ledger.contracts.learning import studies
from hmchain.ledger.readers.ledger import LedgerReader


class NoResultsError(StudyError):
    """No study, or not the one that is asked for, has left anything at a hospital."""

    code = "no_results"


class SeveralStudiesError(InputError):
    """Several studies left something, and none was named."""

    code = "several_studies"


def own_scores(hospital: HospitalFolder, ledger: LedgerReader, study: str) -> StudyScores | None:
    """A hospital's own scores of a study, held against the ledger; None if there are none yet.

    Raises `ScoresFileError`.
    """
    place = hospital.study(study).scores
    if not place.exists():
        return None
    state = ledger.verified.state
    entry = studies.require_study(state, study)
    return scores.held(scores.load(place), state, entry, hospital.organisation, ledger.genesis)


def kept_scores(hospital: HospitalFolder, ledger: LedgerReader, study: str, passphrase: str | None) -> StudyScores:
    """A hospital's own scores as its agent has kept them. Raises `NoResultsError`, and what keys complain of."""
    state = ledger.verified.state
    kept: list[Score] = []
    with opened_store(hospital, passphrase) as store:
        if store is not None:
            kept = [score for _, score in store.all(scores_prefix(study), Score)]
    if not kept:
        what = f"{hospital.organisation} has measured nothing in study {study}"
        raise NoResultsError(what, "a hospital that took part has scores once a round has come to its vote")
    entry = studies.require_study(state, study)
    return scores.collect(state, entry, hospital.organisation, ledger.genesis, kept)


def model_file(folder: Path, study: str | None = None) -> Path:
    """The model that a study left at the hospital in `folder`; without a name that of the only study that left one.

    Raises `NoHospitalError`, `NoResultsError` or `SeveralStudiesError`.
    """
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
