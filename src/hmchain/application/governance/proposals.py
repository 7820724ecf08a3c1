"""A study as its scientist asks for it, and all that follows from that: what stewards are to approve."""

from __future__ import annotations

from pathlib import Path

import msgspec

from hmchain.errors import InputError
from hmchain.files import read_toml
from hmchain.ledger.contracts.data import datasets
from hmchain.ledger.contracts.data.datasets import Schema
from hmchain.ledger.contracts.learning.studies import DatasetUse, StudySpec
from hmchain.ledger.contracts.members import membership, parameters
from hmchain.ledger.reputation import faults_tolerated
from hmchain.ledger.state import State

PURPOSE = "DUO:0000006"
"""Health, medical or biomedical research (GA4GH Data Use Ontology)."""


class StudyFileError(InputError):
    """The file of a proposal cannot be used."""

    code = "study_file"


class Proposal(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A proposal's TOML file; the network follows from the images' size, the schedule is the demo's."""

    name: str
    datasets: dict[str, str]
    """Organisation to its dataset; the newest version is used."""
    rounds: int = 600
    steps: int = 4
    purpose: str = PURPOSE
    colluders: int | None = None
    """How many participants that pool what they know the study withstands; f of the consortium if not given."""


def load_proposal(path: Path) -> Proposal:
    """Read a proposal. Raises `StudyFileError`."""

    def wrong(reason: str) -> StudyFileError:
        return StudyFileError(f"{path}: {reason}", "docs/how-to/scientist.md shows a whole one")

    try:
        return read_toml(path, Proposal, wrong)
    except OSError as error:
        raise StudyFileError(f"{path} cannot be read", "check the path and its owner") from error


def specification(state: State, proposal: Proposal) -> StudySpec:
    """All that a study pins. Raises `StudyFileError` for datasets that are unknown, no images, or unlike each other."""
    # torch takes seconds to import, and only proposals need it here.
    from hmchain.application.learning.schedule import default_plan
    from hmchain.application.learning.study import study_spec
    from hmchain.application.learning.trainers.cnn import Architecture

    uses, schemas = [], []
    for organisation, name in sorted(proposal.datasets.items()):
        held = datasets.dataset(state, organisation, name)
        if held is None or not held.version:
            raise StudyFileError(f"{organisation} has published no dataset {name}", "its steward publishes it first")
        newest = datasets.version(state, organisation, name, held.version)
        if newest is None or newest.withdrawn:
            what = f"{organisation} has withdrawn the newest version of {name}, since records of it were erased"
            raise StudyFileError(what, "its steward registers the next version first")
        uses.append(DatasetUse(organisation, name, held.version))
        schemas.append(held.schema)
    if not schemas or any(schema != schemas[0] for schema in schemas):
        raise StudyFileError("the datasets are not of one schema", "propose a study of datasets that are alike")
    schema = schemas[0]
    if not isinstance(schema, Schema):
        raise StudyFileError("the datasets are no images", "this version trains on images")
    colluders = _colluders(state, proposal)
    architecture = Architecture.for_images(schema.height, schema.width, schema.channels, len(schema.classes))
    plan = default_plan(proposal.rounds, proposal.steps)
    return study_spec(
        proposal.name, schema, tuple(uses), architecture, plan, parameters.founding(state).salt,
        purpose=proposal.purpose, colluders=colluders,
    )  # fmt: skip


def _colluders(state: State, proposal: Proposal) -> int:
    participants, most = len(proposal.datasets), faults_tolerated(len(membership.active_members(state)))
    colluders = most if proposal.colluders is None else proposal.colluders
    if not 0 <= colluders <= most:
        raise StudyFileError(f"colluders = {colluders} is out of range", f"this consortium withstands 0 to {most}")
    if participants < colluders + 2:
        what = f"{participants} hospitals cannot withstand {colluders} of them that pool what they know"
        way_out = f"ask {colluders + 2} or more, or pin less: `colluders = {max(0, participants - 2)}`"
        raise StudyFileError(what, f"{way_out}, which every steward sees")
    return colluders
