"""Before the first round: images, hospitals, records, datasets, and a study that everyone approved."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from hmchain.application.agent.kept import RoundingSecret
from hmchain.application.agent.store import AgentStore
from hmchain.application.hospital.consortium import Consortium
from hmchain.application.hospital.hospital import Hospital
from hmchain.application.learning.schedule import TrainingPlan, default_plan
from hmchain.application.learning.study import DEADLINES, HEALTH_RESEARCH, PASSES_MAX, repeats_itself, study_spec
from hmchain.application.learning.trainers.baselines import cohorts_of
from hmchain.application.learning.trainers.cnn import Architecture
from hmchain.application.learning.trainers.cnn_trainer import Cohort
from hmchain.application.site.run import RunFolder
from hmchain.canonical import digest
from hmchain.errors import InputError
from hmchain.interfaces.demo.settings import DemoSettings
from hmchain.keys import WrappingKey
from hmchain.ledger.contracts.data import datasets
from hmchain.ledger.contracts.data.datasets import Schema
from hmchain.ledger.contracts.learning import approvals, studies
from hmchain.ledger.contracts.learning.approvals import ApproveStudy, RefuseStudy
from hmchain.ledger.contracts.learning.opening import JoinStudy
from hmchain.ledger.contracts.learning.studies import DatasetUse, Deadlines, ProposeStudy, StudySpec
from hmchain.ledger.contracts.members import parameters
from hmchain.ledger.engines.ledger import signed
from hmchain.ledger.genesis import NAME_CHARACTERS_MAX
from hmchain.ledger.state import State
from hmchain.plain import Progress
from hmchain.records.pictures.imageset import ImageSet
from hmchain.records.pictures.named_sets import load_images
from hmchain.records.pictures.partition import HospitalShare, Partition, partition
from hmchain.records.pictures.prepared import TRAIN, VALIDATION, Images

DATASET = "images"
UNWANTED_PURPOSE = "DUO:0000042"
"""General research use: wider than what the steward's patients agreed to."""
APPROVAL_MS = 7 * 86_400_000

# fmt: off
_TREES = (
    "alder", "ash", "aspen", "beech", "birch", "cedar", "cherry", "chestnut", "cypress", "elm", "fir", "hawthorn",
    "hazel", "hemlock", "hickory", "holly", "juniper", "larch", "laurel", "linden", "magnolia", "maple", "oak", "olive",
    "pine", "plane", "poplar", "rowan", "spruce", "sycamore", "walnut", "willow",
)
# fmt: on


@dataclass(frozen=True)
class Prepared:
    """What the stages of a run share."""

    settings: DemoSettings
    folder: RunFolder
    images: ImageSet
    split: Partition
    arch: Architecture
    plan: TrainingPlan

    @property
    def study(self) -> str:
        """The name of the study."""
        return f"{self.settings.label}-study"

    @property
    def unwanted_study(self) -> str:
        """The name of the study that a steward refuses."""
        return f"{self.settings.label}-resale"

    @property
    def names(self) -> tuple[str, ...]:
        """The hospitals, in order."""
        return hospital_names(self.settings.hospitals)

    @property
    def shares(self) -> dict[str, HospitalShare]:
        """Who holds which images."""
        return dict(zip(self.names, self.split.hospitals, strict=True))

    def cohorts(self) -> list[Cohort]:
        """Every hospital's images, for the baselines that no consortium could train."""
        return cohorts_of(self.images, self.split)


def hospital_names(count: int) -> tuple[str, ...]:
    """Names of simulated hospitals, in alphabetical order: trees, so that nobody takes them for real ones."""
    spread = [_TREES[place * len(_TREES) // count] for place in range(count)]
    return tuple(spread)


def load(settings: DemoSettings, folder: RunFolder, progress: Progress) -> Prepared:
    """Read the images and divide them; the split depends on the settings alone and is fixed before any training."""
    data_dir = Path(settings.data_dir) if settings.data_dir else None
    images = load_images(settings.dataset, data_dir=data_dir, size=settings.image_size, progress=progress)
    split = partition(images, settings.hospitals, settings.alpha, settings.seed)
    height, width, channels = images.shape
    arch = Architecture.for_images(height, width, channels, len(images.classes))
    plan = default_plan(settings.rounds, settings.steps)
    fewest = min(len(share.train) for share in split.hospitals)
    if repeats_itself(plan, fewest):
        what = f"{plan.steps} steps of {plan.batch_size} images are too many for a hospital of {fewest}"
        most = PASSES_MAX * fewest // plan.batch_size
        raise InputError(what, f"give at most {most} steps, and more rounds")
    return Prepared(settings, folder, images, split, arch, plan)


def chain_name(prepared: Prepared) -> str:
    """The name of the consortium's chain."""
    label, seed = prepared.settings.label, f"-{prepared.settings.seed}"
    return label[: NAME_CHARACTERS_MAX - len(seed)] + seed


def salt(prepared: Prepared) -> bytes:
    """What its genesis draws at random elsewhere: of one seed comes one model."""
    return digest("hmchain demo", str(prepared.settings.seed).encode())


def titles(prepared: Prepared) -> dict[str, str]:
    """The hospitals' names with their titles."""
    return {name: f"{name.capitalize()} Hospital (simulated)" for name in prepared.names}


def seed_rounding(hospital_store: AgentStore, seed: int, organisation: str) -> None:
    """Draw the coins of stochastic rounding from the run's seed, so that a run can be repeated bit by bit."""
    if hospital_store.get("rounding", RoundingSecret) is None:
        raw = digest("hmchain demo rounding", seed.to_bytes(8, "big"), organisation.encode())
        hospital_store.put("rounding", RoundingSecret(raw))


def store_records(prepared: Prepared, consortium: Consortium) -> None:
    """Encrypt every hospital's images into its own vault, side by side."""

    def store(name: str) -> None:
        hospital, share = consortium.hospitals[name], prepared.shares[name]
        seed_rounding(hospital.store, prepared.settings.seed, name)
        if len(hospital.vault.records(DATASET, 1)) != len(share):
            images, labels = prepared.images.images, prepared.images.labels
            splits = {TRAIN: share.train, VALIDATION: share.validation}
            hospital.store_images(DATASET, {kind: Images(images[at], labels[at]) for kind, at in splits.items()})

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(store, prepared.names))


def register_datasets(prepared: Prepared, consortium: Consortium) -> None:
    """Every steward announces its dataset and publishes its first version."""
    ledger, schema = consortium.ledger, schema_of(prepared)
    for name, hospital in consortium.hospitals.items():
        if datasets.dataset(ledger.state, name, DATASET) is None:
            consortium.require(hospital.register(DATASET, schema))
        if datasets.version(ledger.state, name, DATASET, 1) is None:
            consortium.require(hospital.publish(DATASET, 1))


def schema_of(prepared: Prepared) -> Schema:
    """What the records look like."""
    height, width, channels = prepared.images.shape
    return Schema("image", channels, height, width, prepared.images.classes)


@dataclass(frozen=True)
class Refused:
    """A study that a steward refused, and what an agent that tried anyway was told."""

    study: str
    steward: str
    reason: str
    agent: str
    answer: str


def refuse_unwanted_study(prepared: Prepared, consortium: Consortium) -> Refused:
    """Propose a study for a wider purpose; an agent tries to join without approval, and a steward refuses."""
    name, (first, *_, last) = prepared.unwanted_study, prepared.names
    answer = "not_approved"
    if studies.study(consortium.ledger.state, name) is None:
        spec = _spec(prepared, consortium.ledger.state, name, purpose=UNWANTED_PURPOSE)
        consortium.require(consortium.hospitals[first].as_scientist(ProposeStudy(spec)))
        answer = consortium.submit(_join(consortium.hospitals[last], name))[0]
    unwanted = studies.require_study(consortium.ledger.state, name).progress.specification
    if approvals.approval(consortium.ledger.state, unwanted, last) is None:
        consortium.require(consortium.hospitals[last].as_steward(RefuseStudy(name, "purpose")))
    return Refused(name, last, "purpose", last, answer)


def _join(hospital: Hospital, study: str) -> bytes:
    body = JoinStudy(study, WrappingKey.generate().public, bytes(32))
    return signed(hospital.keys.agent, hospital.node, body)


def approve_study(prepared: Prepared, consortium: Consortium, deadlines: Deadlines) -> StudySpec:
    """Propose the study; every steward approves its own dataset for it."""
    name, first = prepared.study, prepared.names[0]
    spec = _spec(prepared, consortium.ledger.state, name, deadlines=deadlines)
    if studies.study(consortium.ledger.state, name) is None:
        consortium.require(consortium.hospitals[first].as_scientist(ProposeStudy(spec)))
    specification = spec.digest
    for organisation, hospital in consortium.hospitals.items():
        if approvals.approval(consortium.ledger.state, specification, organisation) is None:
            expires_ms = consortium.ledger.now_ms() + APPROVAL_MS
            consortium.require(hospital.as_steward(ApproveStudy(name, specification, expires_ms)))
    return spec


def _spec(
    prepared: Prepared, state: State, name: str, *, purpose: str = HEALTH_RESEARCH, deadlines: Deadlines = DEADLINES
) -> StudySpec:
    uses = tuple(DatasetUse(organisation, DATASET, 1) for organisation in prepared.names)
    schema, founding = schema_of(prepared), parameters.founding(state)
    return study_spec(
        name, schema, uses, prepared.arch, prepared.plan, founding.salt, purpose=purpose, deadlines=deadlines
    )
