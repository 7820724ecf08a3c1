"""What a run begins with: a set of images, the hospitals it is divided among, and the plan of their study."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hmchain.application.learning.schedule import TrainingPlan, default_plan
from hmchain.application.learning.study import PASSES_MAX, repeats_itself
from hmchain.application.learning.trainers.architecture import Architecture
from hmchain.application.site.run import RunFolder
from hmchain.canonical import digest
from hmchain.errors import InputError
from hmchain.interfaces.demo.settings import DemoSettings
from hmchain.ledger.contracts.data.datasets import Schema
from hmchain.ledger.genesis import NAME_CHARACTERS_MAX
from hmchain.plain import Progress
from hmchain.records.pictures.imageset import ImageSet, Original
from hmchain.records.pictures.named_sets import load_images
from hmchain.records.pictures.partition import HospitalShare, Partition, partition

DATASET = "images"
"""What hospitals learn from."""
PLANTED = "half of a picture that came whole too"
"""What no hospital takes in: without it the quarantine might hold nothing."""
PATIENT = "17"
"""The number of a patient whom the demo makes up."""

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
    def whose(self) -> str:
        """The hospital one of whose patients withdraws."""
        return self.names[1]

    @property
    def patients(self) -> dict[str, str]:
        """A picture of that hospital, by name, that is made out to be a patient's: of all others nobody says whose."""
        return {self.images.originals[min(self.shares[self.whose].train)].name: PATIENT}

    @property
    def shares(self) -> dict[str, HospitalShare]:
        """Who holds which images."""
        return dict(zip(self.names, self.split.hospitals, strict=True))

    @property
    def schema(self) -> Schema:
        """What the images are that the study trains on."""
        height, width, channels = self.images.shape
        return Schema("image", channels, height, width, self.images.classes)

    def pictures(self, name: str) -> tuple[Original, ...]:
        """The files that a hospital is given, with its turn of those that are no images."""
        place, unreadable = self.names.index(name), self.images.unreadable
        share = self.split.hospitals[place]
        files = [self.images.originals[at] for at in np.sort(np.concatenate([share.train, share.validation]))]
        files += unreadable[place :: len(self.names)]
        return (*files, cut_short(files[0])) if place == 0 else tuple(files)


def cut_short(picture: Original) -> Original:
    """What the demo plants (`PLANTED`)."""
    return Original(f"cut short/{picture.name}", picture.label, lambda: _half(picture.read()))


def _half(data: bytes) -> bytes:
    return data[: len(data) // 2]


def hospital_names(count: int) -> tuple[str, ...]:
    """Names of simulated hospitals, in alphabetical order: trees, so that nobody takes them for real ones."""
    spread = [_TREES[place * len(_TREES) // count] for place in range(count)]
    return tuple(spread)


def load(settings: DemoSettings, folder: RunFolder, progress: Progress) -> Prepared:
    """Read the images and divide them; the split depends on the settings alone and is fixed before any training."""
    data_dir = Path(settings.data_dir) if settings.data_dir else None
    images = load_images(settings.dataset, data_dir=data_dir, size=settings.image_size, progress=progress)
    height, width, channels = images.shape
    if height != width:  # hospitals prepare squares
        side = max(height, width)
        images = load_images(settings.dataset, data_dir=data_dir, size=side, progress=progress)
        height = width = side
    split = partition(images, settings.hospitals, settings.alpha, settings.seed)
    arch = Architecture.for_images(height, width, channels, len(images.classes))
    plan = default_plan(settings.rounds, settings.steps)
    require_enough(plan, min(len(share.train) for share in split.hospitals))
    return Prepared(settings, folder, images, split, arch, plan)


def require_enough(plan: TrainingPlan, fewest: int) -> None:
    """Raise `InputError` if a round would draw too many of a hospital's training images."""
    if repeats_itself(plan, fewest):
        what = f"{plan.steps} steps of {plan.batch_size} images are too many for a hospital of {fewest}"
        most = PASSES_MAX * fewest // plan.batch_size
        raise InputError(what, f"give at most {most} steps, and more rounds")


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
