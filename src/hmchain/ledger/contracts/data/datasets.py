"""Datasets: who holds what. Only keyed roots and rounded counts are on the ledger, nothing of a patient.

Case counts are powers of two, at least 64: an exact count would show one patient's withdrawal (design section 3).

A version whose records were erased is withdrawn: the ledger says that it was, never how many records it was about.
"""

from __future__ import annotations

from msgspec.structs import replace

from hmchain.canonical import Record
from hmchain.ledger import events
from hmchain.ledger.context import STEWARD, Context, require, require_digest, require_name
from hmchain.ledger.state import State, Table
from hmchain.ledger.transactions import Refusal

COUNT_MIN = 64
KINDS = ("dicom", "fhir", "hl7", "image", "table")


class Schema(Record, frozen=True, tag="images"):
    """What every image of a dataset looks like; participants of one study must share it."""

    modality: str
    channels: int
    height: int
    width: int
    classes: tuple[str, ...]


class RecordSchema(Record, frozen=True, tag="records"):
    """A dataset of records that are no uniform images: DICOM objects, FHIR resources, messages, tables."""

    kinds: tuple[str, ...]
    """Kinds of source, in order: a subset of `KINDS`."""
    media_types: tuple[str, ...]
    """Media types of the records, in order."""


class Dataset(Record, frozen=True):
    """A dataset and its newest version."""

    organisation: str
    name: str
    schema: Schema | RecordSchema
    version: int
    """0 until one is published."""


class Version(Record, frozen=True):
    """One published version."""

    organisation: str
    dataset: str
    version: int
    root: bytes
    """Keyed Merkle root over ciphertext digests; destroying its key erases the link to the records."""
    count: int
    """Number of records, rounded to a power of two, at least 64."""
    height: int
    withdrawn: int
    """Height at which it was withdrawn, since records of it were erased; 0 while it stands."""


class RegisterDataset(Record, frozen=True, tag="register_dataset"):
    """Transaction (steward): announce a dataset of one's own organisation."""

    name: str
    schema: Schema | RecordSchema


class PublishVersion(Record, frozen=True, tag="publish_version"):
    """Transaction (steward): publish the next version of a dataset."""

    dataset: str
    version: int
    root: bytes
    count: int


class WithdrawVersion(Record, frozen=True, tag="withdraw_version"):
    """Transaction (steward): say that records of a version were erased, and the key of its root with them.

    No new study may use it. How many records, and whose, is not said.
    """

    dataset: str
    version: int


Bodies = RegisterDataset | PublishVersion | WithdrawVersion

_DATASETS = Table("datasets", Dataset)
_VERSIONS = Table("versions", Version)


def rounded_count(count: int) -> int:
    """The count that may go on the ledger: the power of two at or below `count`, at least 64."""
    return max(COUNT_MIN, 1 << (max(count, 1).bit_length() - 1))


def dataset(state: State, organisation: str, name: str) -> Dataset | None:
    """A dataset, or None."""
    return _DATASETS.get(state, organisation, name)


def datasets(state: State) -> list[Dataset]:
    """All datasets in order of organisation and name."""
    return _DATASETS.all(state)


def version(state: State, organisation: str, name: str, number: int) -> Version | None:
    """A published version, or None."""
    return _VERSIONS.get(state, organisation, name, number)


def standing_version(state: State, organisation: str, name: str, number: int) -> Version:
    """A published version that studies may use. Refuses one that is unknown or withdrawn."""
    found = version(state, organisation, name, number)
    if found is None:
        raise Refusal("no_such_version")
    require(not found.withdrawn, "version_withdrawn")
    return found


def register(context: Context, body: RegisterDataset) -> None:
    """Take a dataset that a steward announces."""
    context.require_role(STEWARD)
    require_name(body.name)
    require(is_sound(body.schema), "bad_schema")
    organisation = context.sender.organisation
    require(_DATASETS.get(context.state, organisation, body.name) is None, "dataset_exists")
    _DATASETS.put(context.state, Dataset(organisation, body.name, body.schema, 0), organisation, body.name)
    context.emit(events.DatasetRegistered(organisation, body.name))


def is_sound(schema: Schema | RecordSchema) -> bool:
    """Whether a schema is within its bounds."""
    if isinstance(schema, RecordSchema):
        words = (schema.kinds, schema.media_types)
        in_order = all(list(named) == sorted(set(named)) and 1 <= len(named) <= 16 for named in words)
        return in_order and set(schema.kinds) <= set(KINDS) and all(1 <= len(name) <= 80 for name in schema.media_types)
    named = (schema.modality, *schema.classes)
    return (
        1 <= schema.channels <= 4
        and 1 <= schema.height <= 4096
        and 1 <= schema.width <= 4096
        and 2 <= len(schema.classes) <= 1000
        and len(set(schema.classes)) == len(schema.classes)
        and all(1 <= len(name) <= 80 for name in named)
    )


def _publish(context: Context, body: PublishVersion) -> None:
    context.require_role(STEWARD)
    organisation = context.sender.organisation
    entry = _DATASETS.get(context.state, organisation, body.dataset)
    if entry is None:
        raise Refusal("no_such_dataset")
    require(body.version == entry.version + 1, "wrong_version")
    require_digest(body.root)
    require(body.count >= COUNT_MIN and body.count & (body.count - 1) == 0, "exact_count")
    published = Version(organisation, body.dataset, body.version, body.root, body.count, context.height, 0)
    _VERSIONS.put(context.state, published, organisation, body.dataset, body.version)
    renewed = Dataset(organisation, body.dataset, entry.schema, body.version)
    _DATASETS.put(context.state, renewed, organisation, body.dataset)
    context.emit(events.VersionPublished(organisation, body.dataset, body.version))


def _withdraw(context: Context, body: WithdrawVersion) -> None:
    context.require_role(STEWARD)
    organisation = context.sender.organisation
    entry = standing_version(context.state, organisation, body.dataset, body.version)
    withdrawn = replace(entry, withdrawn=context.height)
    _VERSIONS.put(context.state, withdrawn, organisation, body.dataset, body.version)
    context.emit(events.VersionWithdrawn(organisation, body.dataset, body.version))


HANDLERS = {RegisterDataset: register, PublishVersion: _publish, WithdrawVersion: _withdraw}
