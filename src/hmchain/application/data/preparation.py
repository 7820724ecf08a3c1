"""Make a dataset of uniform images, as a federated CNN learns from, of de-identified DICOM objects or pictures.

Images of one patient, and near-duplicates, stay on one side of the split between training and validation: otherwise
validation would measure memory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt

from hmchain import decoding
from hmchain.application.consent.usable import Usable, UseKind, usable_now
from hmchain.application.data.extraction import require_name
from hmchain.application.data.labels import CLASS_IMAGES_MIN, CLASSES_MIN
from hmchain.application.data.received import Act, require_allowed
from hmchain.application.data.registered import require_as_registered
from hmchain.application.site.activity import Deed, What, recorded
from hmchain.application.site.hospital import Records
from hmchain.canonical import digest
from hmchain.clock import now_ms
from hmchain.errors import DataError, InputError
from hmchain.ledger.contracts.data.datasets import Schema
from hmchain.plain import Progress, tell
from hmchain.records.catalogue import Dataset, ItemDone, RecordEntry, Version
from hmchain.records.catalogue.entries import origin_of
from hmchain.records.pictures.duplicates import joined_groups, near_duplicate_groups
from hmchain.records.pictures.pixels import to_pixels
from hmchain.records.pictures.prepared import TRAIN, VALIDATION, encode_image
from hmchain.records.sources.item import FHIR, IMAGE, TABLE

MEDIA_TYPE = "application/x-hmchain-image"
VALIDATION_SHARE = 0.15
CLASSES_SHOWN = 10
CHANNELS = (1, 3)


class UnfitForLearningError(DataError):
    """A dataset has too few images, labels or classes to learn from."""

    code = "unfit_for_learning"


class ImageForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The form of images; all participants of a study must agree on it."""

    size: int
    channels: int
    modality: str
    classes: tuple[str, ...]

    def schema(self) -> Schema:
        """The same, as the ledger says it."""
        return Schema(self.modality, self.channels, self.size, self.size, self.classes)


class OtherFormError(InputError):
    """A dataset holds images of another form, or is no dataset of images for learning."""

    code = "other_form"


@dataclass(frozen=True)
class PreparedImages:
    """The dataset that was made."""

    version: Version
    form: ImageForm
    images: int
    train: int
    validation: int
    groups: int
    """Groups of images of one patient or of near-duplicates."""
    left_out: Counter[str]
    """Records that gave no image, by reason."""


def prepare(
    records: Records,
    source: Version,
    name: str,
    *,
    size: int,
    channels: int = 1,
    classes: Sequence[str] = (),
    seed: int = 0,
    every_class: bool = True,
    progress: Progress | None = None,
) -> PreparedImages:
    """Make the open version of dataset `name` of the labelled images of `source`.

    `classes` names the labels to learn, in an order that all participants share; without it they are the labels there
    are, sorted. Images are `size` x `size` with `channels` 1 (grey) or 3 (RGB). The split follows from the images and
    `seed`. Unless `every_class` must be here, others may have the images of some. `progress` is called with images
    done and all records. Raises `UnfitForLearningError`, `ChangedDatasetError` if `source` is not what it was
    registered as, or an error of vault or catalogue.
    """
    if channels not in CHANNELS:
        raise InputError(f"no image has {channels} channels", "give --channels 1 for grey, or 3 for colour")
    require_name(name)
    require_allowed(records, source.dataset, Act.PREPARE)
    require_as_registered(records, source)
    entries, of = permitted_of(records, source)
    if entries and {entry.kind for entry in entries} <= {FHIR, TABLE}:
        hint = "make rows of them: `--rows FILE`, see docs/how-to/own-trainer.md"
        raise UnfitForLearningError(f"dataset {source.dataset} holds tables or FHIR resources, and no images", hint)
    there = tuple(sorted({entry.label for entry in entries if entry.label}))
    wanted, unlabelled = tuple(classes) or there, sum(not entry.label for entry in entries)
    if every_class and not unlabelled and (unknown := [label for label in wanted if label not in there]):
        what = f"version {source.number} of dataset {source.dataset} has no images of class {unknown[0]}"
        more = ", ..." if len(there) > CLASSES_SHOWN else ""
        raise UnfitForLearningError(what, f"its labels are: {', '.join(there[:CLASSES_SHOWN])}{more}")
    if len(wanted) < CLASSES_MIN:
        raise _too_little(source, f"has {_counted(len(wanted), 'class', 'classes')}", unlabelled)
    kept, pixels, left_out = _pictures(records, source, entries, wanted, size, channels, progress)
    left_out += of.reasons
    labels = np.array([wanted.index(entry.label) for entry in kept], np.int64)
    _require_enough(source, wanted, labels, unlabelled, CLASS_IMAGES_MIN if every_class else 0)
    images = np.stack(pixels)
    groups = joined_groups(near_duplicate_groups(images), [entry.subject for entry in kept])
    validation = validating(groups, labels, seed)
    if not validation.any():
        hint = "add images of other patients: one group cannot train and validate"
        raise UnfitForLearningError(f"the images of each class of {source.dataset} all belong together", hint)
    modality = Counter(entry.attributes.get("modality", "image") for entry in kept).most_common(1)[0][0]
    form = ImageForm(size, channels, modality, wanted)
    with recorded(records.folder.activity, Deed(What.PREPARE, dataset=name)) as deed:
        version = open_prepared(records, source, name, form, "images")
        _store(records, source, version, kept, images, labels, validation)
        version = records.catalogue.version(name, version.number)
        deed.add(version=version.number, records=len(kept), bytes=version.size)
    held = int(validation.sum())
    return PreparedImages(version, form, len(kept), len(kept) - held, held, int(groups.max()) + 1, left_out)


def permitted_of(records: Records, source: Version) -> tuple[list[RecordEntry], Usable]:
    """The records of a version that something to learn from may be made of."""
    of = usable_now(records, source.dataset, source.number, UseKind.PREPARE)
    found = records.catalogue.records(source.dataset, source.number)
    return [each for each in found if each.record in of.records], of


def _pictures(
    records: Records,
    source: Version,
    entries: Sequence[RecordEntry],
    wanted: Sequence[str],
    size: int,
    channels: int,
    progress: Progress | None,
) -> tuple[list[RecordEntry], list[npt.NDArray[np.uint8]], Counter[str]]:
    """The records to learn from and their pictures, and how many others there are, by reason.

    They come in an order that follows from the pictures: ids are drawn anew with every key, and a split must not be.
    """
    left_out: Counter[str] = Counter()
    found: list[tuple[bytes, RecordEntry, npt.NDArray[np.uint8]]] = []
    for done, entry in enumerate(entries, 1):
        if entry.label not in wanted:
            left_out["label" if entry.label else "no label"] += 1
        elif (image := _image(records, source, entry, size, channels)) is None:
            left_out["no pixels"] += 1
        else:
            found.append((digest("hmchain prepared pixels", entry.label.encode(), image.tobytes()), entry, image))
        tell(progress, done, len(entries))
    found.sort(key=lambda each: each[0])
    return [entry for _, entry, _ in found], [image for _, _, image in found], left_out


def _require_enough(
    source: Version, wanted: Sequence[str], labels: npt.NDArray[np.int64], unlabelled: int, least: int
) -> None:
    for index, label in enumerate(wanted):
        if (count := int((labels == index).sum())) < least:
            raise _too_little(source, f"has {_counted(count, 'image', 'images')} of class {label}", unlabelled)
    if not labels.size:
        raise _too_little(source, "has no images of these classes", unlabelled)


def _too_little(source: Version, what: str, unlabelled: int) -> UnfitForLearningError:
    """An error that says first what is most often missing: the labels."""
    name = f"version {source.number} of dataset {source.dataset}"
    if not unlabelled:
        return UnfitForLearningError(f"{name} {what}", "add images, or leave the class out with --classes")
    label = f"`hmchain data label {source.dataset} labels.csv`"
    if source.closed:  # the next version takes over the labels that there are
        label = f"extract the next version, then {label}, before it is registered"
    missing = f"{unlabelled} of its {source.records} records have no label"
    return UnfitForLearningError(f"{name} {what}: {missing}", f"{label}; pictures also: --labels-from folders")


def _counted(count: int, one: str, many: str) -> str:
    return f"{count or 'no'} {one if count == 1 else many}"


def _image(
    records: Records, source: Version, entry: RecordEntry, size: int, channels: int
) -> npt.NDArray[np.uint8] | None:
    """One record's picture, (size, size, channels); None if it has none."""
    data = records.vault.get(source.dataset, source.number, entry.record)  # what is lost or altered ends the work
    try:
        return to_pixels(data, entry.media_type, size, channels)
    except (DataError, InputError):
        return None


def validating(groups: npt.NDArray[np.int64], labels: npt.NDArray[np.int64], seed: int) -> npt.NDArray[np.bool_]:
    """The records that validate: of each class's groups a share chosen by `seed`, at least one but never all."""
    rng = np.random.Generator(np.random.PCG64(seed))
    chosen: list[int] = []
    for label in range(int(labels.max()) + 1):
        mine = np.unique(groups[labels == label])
        rng.shuffle(mine)
        chosen += mine[: min(max(1, round(len(mine) * VALIDATION_SHARE)), len(mine) - 1)].tolist()
    return np.isin(groups, chosen)


def form_of(records: Records, version: Version) -> ImageForm:
    """The form of the images of a dataset that `prepare` made."""
    dataset = records.catalogue.dataset(version.dataset)
    assert dataset is not None, "a version belongs to a dataset"
    return decoding.from_json(dataset.form, ImageForm)


def open_prepared(records: Records, source: Version, name: str, form: msgspec.Struct, what: str) -> Version:
    """The version of a dataset made of `source`, to fill with `what`. Raises `OtherFormError` if it is another's."""
    origin, known = records.catalogue.dataset(source.dataset), records.catalogue.dataset(name)
    assert origin is not None, "a version belongs to a dataset"
    written = msgspec.json.encode(form).decode()
    if known is None:
        title = f"{origin.title}: {what} for learning"
        records.catalogue.add_dataset(Dataset(name, title, origin.project, origin.profile, now_ms(), form=written))
    elif known.form != written or known.project != origin.project:
        raise OtherFormError(f"dataset {name} holds records of another form", "choose another name with --into")
    return records.catalogue.open_version(name, origin_of(source), now_ms())


def _store(
    records: Records,
    source: Version,
    version: Version,
    entries: Sequence[RecordEntry],
    images: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.int64],
    validation: npt.NDArray[np.bool_],
) -> None:
    """Encrypt and catalogue the images, under the ids and patients of the records that they come from."""
    name, number = version.dataset, version.number
    _check_the_same(records, version, entries, validation)
    done: list[ItemDone] = []
    with records.vault.writer(name, number) as writer:
        for entry, image, label, validates in zip(entries, images, labels, validation, strict=True):
            item = digest("hmchain prepared image", source.dataset.encode(), entry.record.encode())
            if records.catalogue.is_done(name, number, item):
                continue
            split = VALIDATION if validates else TRAIN
            data = encode_image(split, label, image)
            if not records.vault.has(name, number, entry.record):
                writer.put(entry.record, data, entry.subject)
            elif records.vault.get(name, number, entry.record) != data:  # left by a run with another split
                raise _prepared_otherwise(version)
            height, width = (str(side) for side in image.shape[:2])
            attributes = {**entry.attributes, "rows": height, "columns": width, "split": split}
            made = RecordEntry(entry.record, entry.subject, IMAGE, MEDIA_TYPE, len(data), entry.label, attributes)
            done.append(ItemDone(item, (made,)))
    records.catalogue.add_items(name, number, done)


def _check_the_same(
    records: Records,
    version: Version,
    entries: Sequence[RecordEntry],
    validation: npt.NDArray[np.bool_],
) -> None:
    """Raise `OtherFormError` if the version holds images already, and not these: a patient could be on both sides."""
    known = {entry.record: (entry.label, entry.attributes["split"])
             for entry in records.catalogue.records(version.dataset, version.number)}  # fmt: skip
    wanted = {entry.record: (entry.label, VALIDATION if validates else TRAIN)
              for entry, validates in zip(entries, validation.tolist(), strict=True)}  # fmt: skip
    if known and known != wanted:
        raise _prepared_otherwise(version)


def _prepared_otherwise(version: Version) -> OtherFormError:
    what = f"version {version.number} of {version.dataset} was prepared of other images, or split in another way"
    return OtherFormError(what, "register it first, which begins the next version, or choose another name with --into")
