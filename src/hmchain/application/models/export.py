"""Write a study's model at a hospital that took part: from its own folder, whether anything runs there or not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hmchain import files
from hmchain.application.agent.exchange import Exchange
from hmchain.application.agent.store import AgentStore
from hmchain.application.agent.study_keys import StudyKeyStore
from hmchain.application.learning.memory import tune_allocator
from hmchain.application.models import inference
from hmchain.application.site import hospital as hospital_folder
from hmchain.application.site.activity import Deed, What, recorded
from hmchain.application.site.hospital import HospitalFolder
from hmchain.application.site.keyring import local_key
from hmchain.application.site.node import shared_objects
from hmchain.application.site.run import RunFolder
from hmchain.errors import HMChainError, InputError, StudyError
from hmchain.keys import Redacted, SecretKey
from hmchain.ledger import genesis as genesis_file
from hmchain.ledger.contracts.learning import releases
from hmchain.ledger.contracts.members import upgrades
from hmchain.ledger.genesis import Genesis
from hmchain.ledger.state import State
from hmchain.records.objects import ObjectStore

if TYPE_CHECKING:
    from hmchain.application.learning.model_file import Model, Registry


class NoStudyKeyError(StudyError):
    """A hospital has no key for a study's objects."""

    code = "no_study_key"


class InsideError(StudyError):
    """A model was to be written outside the hospitals that made it, and that takes a release."""

    code = "inside"


class ModelThereError(InputError):
    """Something else stands where a model was to be written."""

    code = "model_there"


@dataclass(frozen=True)
class ExportPlace:
    """A hospital's folder, and where ledger and objects of its consortium are."""

    hospital: HospitalFolder
    ledger: Path
    objects: Path
    """Of a store in a folder; a node's settings may name another one."""


@dataclass(frozen=True, repr=False)
class StudyModel(Redacted):
    """A finished study's model, as a hospital that took part can open it."""

    study: str
    state: State
    """Of the hospital's own ledger, which says what the model is."""
    genesis: Genesis
    exchange: Exchange
    key: SecretKey
    """Of the study's objects."""


@dataclass(frozen=True)
class _CachedObjects:
    """Objects as an agent gets them: from its cache, else from the store."""

    exchange: Exchange

    def get(self, address: bytes, *, size: int) -> bytes:
        return self.exchange.fetch(address, size, keep=False)


def locate(directory: Path) -> ExportPlace:
    """The hospital in a folder: a node's, or one of a run (`runs/latest/hospitals/NAME`). Raises `NoHospitalError`."""
    place = hospital_folder.locate(directory)
    if place.node is not None:
        return ExportPlace(place, place.node.ledger, place.node.objects)
    run = RunFolder(directory.resolve().parents[1])
    ledger = run.ledger
    if not (ledger / genesis_file.FILE).exists():
        what = f"the hospital in {directory} belongs to no network and no run"
        raise hospital_folder.NoHospitalError(what, "name a node's folder, or runs/latest/hospitals/NAME")
    return ExportPlace(place, ledger, run.objects)


def require_inside(hospital: HospitalFolder, state: State, study: str, target: Path) -> None:
    """Raise `InsideError` for a place outside the hospital's own folder.

    On chains of before protocol 4 there is no other way to hand a model on, so any place will do.
    """
    whole = (hospital.node or hospital).path.resolve()
    places = whole, hospital.studies.resolve()  # an operator may keep these on another disk
    if any(map(target.resolve().is_relative_to, places)) or not upgrades.has_sharing(state):
        return
    left = [each.name for each in releases.releases_of(state, study) if each.status is releases.Status.RELEASED]
    how = (
        f"`hmchain release file {left[0]} --to FILE` writes it" if left else f"`hmchain release ask {study}` asks them"
    )
    what = f"{target} lies outside {whole}, and a model leaves its hospitals by their release alone"
    raise InsideError(what, f"{how}; inside, the model is in the folder of its study")


def is_there(study: str, target: Path, registry: Registry) -> bool:
    """Tell whether a file is a study's model already. Raises `ModelThereError` if the name is taken otherwise."""
    if not (target.exists() or target.is_symlink()):
        return False
    if target.is_file():
        with suppress(HMChainError):
            found = inference.describe(target, registry)
            if found.ledger == inference.MATCHES and found.origin is not None and found.origin.study == study:
                return True
    what = "is a folder" if target.is_dir() else "exists, and is not this model"
    raise ModelThereError(f"{target} {what}", "nothing is overwritten: name another file by --output")


def export(place: ExportPlace, state: State, study: str, target: Path, passphrase: str | None = None) -> Model:
    """Write a finished study's model inside a hospital that took part, held against the ledger's state.

    Raises `InsideError`, `NoModelError`, `NoStudyKeyError` at a hospital that took no part, `StorageError` if the
    object is nowhere, and what keys complain of.
    """
    hospital, made = place.hospital, study_model(place, state, study, passphrase)
    with recorded(hospital.activity, Deed(What.MODEL_EXPORT, study=study, where="file")) as deed:
        model = write_inside(hospital, made, target)
        deed.add(bytes=target.stat().st_size)
    return model


def study_model(place: ExportPlace, state: State, study: str, passphrase: str | None = None) -> StudyModel:
    """A study's model from a hospital's folder. Raises `NoStudyKeyError`, and what keys and genesis complain of."""
    key = study_key(place.hospital, study, passphrase)
    genesis = genesis_file.load(place.ledger / genesis_file.FILE)
    return StudyModel(study, state, genesis, objects_of(place, study), key)


def write_inside(hospital: HospitalFolder, made: StudyModel, target: Path) -> Model:
    """Write a model where it stays inside. Raises as `export`."""
    require_inside(hospital, made.state, made.study, target)
    return _write(made, target, None)


def write_released(made: StudyModel, target: Path, release: dict[str, Any]) -> Model:
    """Write a model anywhere, with the proof that it was released. Raises as `export`."""
    return _write(made, target, release)


def _write(made: StudyModel, target: Path, release: dict[str, Any] | None) -> Model:
    tune_allocator()
    from hmchain.application.models import registry  # torch takes seconds

    files.make_folder(target.parent, mode=0o700)
    objects = _CachedObjects(made.exchange)
    return registry.export(made.state, objects, made.key, made.study, target, made.genesis, release)


@contextmanager
def opened_store(hospital: HospitalFolder, passphrase: str | None) -> Iterator[AgentStore | None]:
    """What a hospital's agent keeps, which may run meanwhile; None if it never did. Raises what keys complain of."""
    local = local_key(hospital.keys, passphrase)
    if not hospital.agent_store.exists():
        yield None
        return
    with closing(AgentStore(hospital.agent_store, local)) as store:
        yield store


def objects_of(place: ExportPlace, study: str) -> Exchange:
    """The objects of a study as a hospital has them: from its agent's cache, else from the store."""
    shared = shared_objects(place.hospital.node) if place.hospital.node else None
    return Exchange(shared or ObjectStore.directory(place.objects), place.hospital.cache / study)


def study_key(hospital: HospitalFolder, study: str, passphrase: str | None) -> SecretKey:
    """The key of a study's objects. Raises `NoStudyKeyError` at a hospital that took no part, or lost it since."""
    with opened_store(hospital, passphrase) as store:
        found = StudyKeyStore(store).object_key(study) if store is not None else None
    if found is None:
        raise NoStudyKeyError(
            f"{hospital.organisation} has no key for the objects of study {study}",
            "only hospitals that took part can open what it made: ask one of them",
        )
    return found
