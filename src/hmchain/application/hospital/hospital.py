"""One hospital: its records, its keys, its agent, and the decisions of its people.

Everything of a hospital lives in its own folder; it shares the ledger and the object store with the others, nothing
else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
from blake3 import blake3

from hmchain.application.agent.agent import Agent, Learner, UnpinnedError
from hmchain.application.agent.store import AgentStore
from hmchain.application.hospital.published_data import require_published
from hmchain.application.learning.schedule import TrainingPlan
from hmchain.application.site.hospital import HospitalFolder
from hmchain.application.site.keyring import Keyring
from hmchain.canonical import Record, decode, decode_trusted, encode
from hmchain.errors import HMChainError, InputError
from hmchain.ledger import contracts
from hmchain.ledger.contracts.data.datasets import PublishVersion, RegisterDataset, Schema, rounded_count
from hmchain.ledger.contracts.learning.studies import StudySpec
from hmchain.ledger.contracts.members import parameters
from hmchain.ledger.engines.ledger import Node, signed
from hmchain.plain import Progress
from hmchain.records.objects import ObjectStore
from hmchain.records.vault import Vault

if TYPE_CHECKING:
    from hmchain.application.learning.trainers.cnn_trainer import CNNTrainer, Cohort

TRAIN, VALIDATION = "train", "validation"


class ImageRecord(Record, frozen=True):
    """One image as the vault keeps it: pixels and label, nothing else."""

    split: str
    label: int
    shape: tuple[int, int, int]
    """Height, width, channels."""
    pixels: bytes


@dataclass(frozen=True)
class Images:
    """Images of one split: (n, h, w, c) uint8 and labels (n,)."""

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]


class Hospital:
    """A member of the consortium, as its own people and machines see it."""

    def __init__(
        self,
        organisation: str,
        directory: Path,
        keys: Keyring,
        objects: ObjectStore,
        node: Node,
        learn: Learn | None = None,
        relay: ObjectStore | None = None,
    ) -> None:
        """`learn` is `cnn_learner` if not given; for `relay` see `Agent`."""
        self.organisation = organisation
        self.directory = directory
        self.keys = keys
        self.node = node
        folder = HospitalFolder(organisation, directory)
        self._records, vault = folder.store(), folder.vault
        self.vault = (
            Vault.open(vault, self._records, keys.wrapping)
            if vault.exists()
            else Vault.create(vault, self._records, keys.wrapping)
        )
        self.store = AgentStore(folder.agent_store, keys.local)
        self.agent = Agent(
            organisation, keys.agent, node, objects, self.store, partial(learn or cnn_learner, self),
            cache=folder.cache, relay=relay,
        )  # fmt: skip

    # Records

    def store_images(self, dataset: str, splits: Mapping[str, Images], progress: Progress | None = None) -> None:
        """Encrypt images into the vault as the next version of a dataset."""
        records: dict[str, bytes] = {}
        for split, held in splits.items():
            for image, label in zip(held.images, held.labels, strict=True):
                shape = (image.shape[0], image.shape[1], image.shape[2])
                records[f"{len(records):06d}"] = encode(ImageRecord(split, int(label), shape, image.tobytes()))
        self.vault.put_many(dataset, 1, records, progress)

    def images(self, dataset: str, version: int, split: str) -> Images:
        """Decrypt the images of one split; they stay in memory and in this process."""
        return self._splits(dataset, version, split)[0]

    def _splits(self, dataset: str, version: int, *splits: str) -> list[Images]:
        """The images of splits, in their order, from one reading of the version."""
        held: dict[str, list[ImageRecord]] = {split: [] for split in splits}
        for _, data in self.vault.read(dataset, version):
            record = decode_trusted(data, ImageRecord)
            if record.split in held:
                held[record.split].append(record)
        for split, records in held.items():
            if not records:
                raise InputError(f"{dataset} version {version} has no {split} images", "store some before a study")
        return [_images(records) for records in held.values()]

    def cohort(self, dataset: str, version: int) -> Cohort:
        """Training and validation images, decrypted, once they were found to be those that were published.

        Their order follows from what they are, and not from their records' ids, which no two keys give alike: who
        trains on the same images trains the same model. Raises `UnpublishedDataError`.
        """
        from hmchain.application.learning.trainers.cnn_trainer import Cohort

        require_published(self.vault, self.store, self.node.state, self.organisation, dataset, version)
        train, validation = map(_by_content, self._splits(dataset, version, TRAIN, VALIDATION))
        return Cohort(train.images, train.labels, validation.images, validation.labels)

    # What its people decide

    def register(self, dataset: str, schema: Schema) -> bytes:
        """Steward: announce a dataset."""
        return self.as_steward(RegisterDataset(dataset, schema))

    def publish(self, dataset: str, version: int) -> bytes:
        """Steward: publish a version by its keyed root and rounded count."""
        commitment = self.vault.commit(dataset, version)
        return self.as_steward(PublishVersion(dataset, version, commitment.root, rounded_count(len(commitment.leaves))))

    def as_steward(self, body: contracts.Body) -> bytes:
        """A transaction signed with the steward's key."""
        return signed(self.keys.steward, self.node, body)

    def as_scientist(self, body: contracts.Body) -> bytes:
        """A transaction signed with the scientist's key."""
        return signed(self.keys.scientist, self.node, body)

    def close(self) -> None:
        """Close the hospital's files."""
        self.vault.close()
        self.store.close()


def _images(records: Sequence[ImageRecord]) -> Images:
    pixels = [np.frombuffer(record.pixels, np.uint8).reshape(record.shape) for record in records]
    return Images(np.stack(pixels), np.array([record.label for record in records], np.int64))


def _by_content(found: Images) -> Images:
    digests = [blake3(image.tobytes()).digest() for image in found.images]
    order = sorted(range(len(digests)), key=lambda at: (digests[at], found.labels[at]))
    return Images(found.images[order], found.labels[order])


Learn = Callable[[Hospital, StudySpec], Learner]
"""Makes a hospital's learner for a study, or raises `UnpinnedError`."""


def cnn_learner(hospital: Hospital, spec: StudySpec) -> Learner:
    """The FL-CNN of a study on a hospital's images. Raises `UnpinnedError` for a model or code that is not ours."""
    # torch takes seconds to import, and only those who train need it.
    from hmchain.application.learning.study import differences, repeats_itself
    from hmchain.application.learning.trainers.cnn import (
        Architecture,
        code_digest,
        dimension,
        first_model_seed,
        initial_vector,
    )
    from hmchain.application.learning.trainers.cnn_trainer import CNNTrainer

    if spec.code != code_digest():
        raise UnpinnedError(f"study {spec.name} pins other training code than is installed", "install that version")
    try:
        arch, plan = decode(spec.architecture, Architecture), decode(spec.training, TrainingPlan)
    except HMChainError as error:
        raise UnpinnedError(f"study {spec.name} pins a model that this version cannot build") from error
    schema, salt = spec.schema, parameters.founding(hospital.node.state).salt
    images = (schema.channels, schema.height, schema.width, len(schema.classes))
    if (arch.channels, arch.height, arch.width, arch.classes) != images:
        raise UnpinnedError(f"study {spec.name} pins a model and a schema that do not fit each other")
    try:
        fits = dimension(arch) == spec.rule.size  # nothing is built for it
    except RuntimeError:  # torch cannot count so many weights
        fits = False
    if not fits:
        raise UnpinnedError(f"study {spec.name} pins a model and a rule that do not fit each other")
    if others := differences(spec, arch, plan, salt):
        what = f"study {spec.name} pins what does not follow from its plan: {', '.join(others)}"
        raise UnpinnedError(what, "have it proposed again, by `hmchain study propose`")
    use = spec.uses[spec.participants.index(hospital.organisation)]

    def opened() -> Opened:
        cohort = hospital.cohort(use.dataset, use.version)
        if len(cohort.train_labels) <= plan.batch_size:
            what = f"study {spec.name} trains on batches of {plan.batch_size}, which is all that {use.dataset} has"
            raise UnpinnedError(what, "batches must be smaller: what a hospital sends must differ from round to round")
        if repeats_itself(plan, len(cohort.train_labels)):
            what = f"study {spec.name} draws too many of the images of {use.dataset} in a round"
            raise UnpinnedError(what, "fewer steps, and augmentation: what is sent must differ from round to round")
        secret = hospital.agent.coins.derive("training", spec.name.encode())
        return Opened(CNNTrainer(cohort, plan, arch, secret.raw), cohort.class_counts(arch.classes), _digest(cohort))

    return CNNLearner(initial_vector(arch, first_model_seed(salt, spec.name)), opened)


def _digest(cohort: Cohort) -> bytes:
    """Of what is trained on: other records, another digest."""
    images, labels = np.ascontiguousarray(cohort.train_images), np.ascontiguousarray(cohort.train_labels, np.int64)
    return blake3(images.reshape(-1).data).update(labels.view(np.uint8).data).digest()


class Opened(NamedTuple):
    """What a learner has once it has read its data."""

    trainer: CNNTrainer
    class_counts: npt.NDArray[np.int64]
    data: bytes


class CNNLearner:
    """The FL-CNN of one study; a `Learner` that decrypts the images when it is first asked to use them.

    An agent may be started in a study whose approval was taken back: it still owes the others the seeds of its last
    update, and for those no image is needed.
    """

    def __init__(self, initial: npt.NDArray[np.float32], opened: Callable[[], Opened]) -> None:
        """`opened` reads the data."""
        self.initial = initial
        self._open = opened
        self._opened: Opened | None = None
        self._counts: npt.NDArray[np.int64] | None = None

    @property
    def trainer(self) -> CNNTrainer:
        """Trains and evaluates, with the prior that `use_counts` was given."""
        return self._data().trainer

    @property
    def class_counts(self) -> npt.NDArray[np.int64]:
        """Training images of each class."""
        return self._data().class_counts

    @property
    def data(self) -> bytes:
        """Digest of the training images and their labels."""
        return self._data().data

    def use_counts(self, counts: npt.NDArray[np.int64]) -> None:
        """Predict with the class shares of all participants together."""
        self._counts = counts
        self._set_prior()

    def read(self) -> None:
        """Decrypt the images now. Raises what `Hospital.cohort` raises."""
        self._data()

    @property
    def has_read(self) -> bool:
        """Whether the images are in memory, decrypted."""
        return self._opened is not None

    def _data(self) -> Opened:
        if self._opened is None:
            self._opened = self._open()
            self._set_prior()
        return self._opened

    def _set_prior(self) -> None:
        from hmchain.application.learning.trainers.cnn import prediction_prior

        if self._opened is not None and self._counts is not None:
            trainer = self._opened.trainer
            trainer.prior = prediction_prior(trainer.plan, self._counts)
