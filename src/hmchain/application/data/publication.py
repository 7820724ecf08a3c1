"""Fix a version of a dataset, put its root on the ledger, and check records against that root later."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from hmchain.application.consent.usable import Usable, UseKind, usable_now
from hmchain.application.data.labels import LabelState, carry
from hmchain.application.data.preparation import MEDIA_TYPE, form_of
from hmchain.application.data.received import Act, require_own
from hmchain.application.data.registered import ChangedDatasetError, require_as_registered, require_whole
from hmchain.application.data.rows import row_form_of
from hmchain.application.governance.delegate import LedgerUser, open_steward
from hmchain.application.node.reading import open_ledger
from hmchain.application.site.activity import Deed, What, recorded
from hmchain.application.site.hospital import HospitalFolder, Records
from hmchain.application.site.node import NodeFolder
from hmchain.clock import now_ms
from hmchain.errors import InputError
from hmchain.ledger.contracts.data import datasets
from hmchain.ledger.contracts.data.datasets import (
    PublishVersion,
    RecordSchema,
    RegisterDataset,
    Schema,
    WithdrawVersion,
    rounded_count,
)
from hmchain.ledger.state import State
from hmchain.plain import Progress, tell
from hmchain.records.catalogue import Version
from hmchain.records.catalogue.descriptions import about, descriptions
from hmchain.records.prepared_rows import MEDIA_TYPE as ROWS
from hmchain.records.vault import verify_record_proof

TAKEN_OUT_AT_ONCE = 500


class WaitingItemsError(InputError):
    """Items of a version wait in quarantine."""

    code = "items_waiting"


class EmptyVersionError(InputError):
    """A version has no records."""

    code = "empty_version"


class UnlabelledError(InputError):
    """Nothing can be learnt of a version for want of labels, and of the one before something could."""

    code = "unlabelled"


class UnfinishedError(InputError):
    """A command that changed a version was cut short: vault and catalogue differ until it is run again."""

    code = "unfinished"


class NotRegisteredError(InputError):
    """A version is not fixed yet, so there is nothing to check it against."""

    code = "not_registered"


class OutOfStepError(InputError):
    """The ledger's newest version of a dataset is not the one before this."""

    code = "out_of_step"


@dataclass(frozen=True)
class Publication:
    """A version that is fixed, and what the ledger says of it."""

    version: Version
    count: int
    """The number of records that may be shown: a power of two."""
    published: bool
    """True if it is on the ledger."""
    withdrawn: bool = False
    """True if the ledger says that records of it were erased."""


@dataclass(frozen=True)
class VersionCheck:
    """A version that was checked and holds."""

    version: Version
    records: int
    """Records that were read and compared."""
    on_ledger: bool
    """True if the root was compared with the ledger's."""


def fix(
    records: Records,
    dataset: str,
    number: int | None = None,
    *,
    leave_waiting: bool = False,
    unlabelled: bool = False,
) -> Version:
    """Close a version: its records cannot change any more, and its root commits to them. The same each time.

    Records of patients who object, or do not permit it, are taken out first. Others take over the labels that they had
    in the version before.

    Raises `ChangedDatasetError` if it is fixed and something else is said of it now, `UnknownVersionError`,
    `EmptyVersionError`, `UnfinishedError`, `WaitingItemsError` while items of it wait in quarantine (unless
    `leave_waiting`: they then stay out of this version), or `UnlabelledError` (unless `unlabelled`).
    """
    require_own(records, dataset, Act.REGISTER)
    version = records.catalogue.version(dataset, number)
    require_as_registered(records, version)
    if version.closed:
        return version
    version = _taken_out(records, version)
    labels = carry(records, version)
    require_fixable(version, labels, leave_waiting=leave_waiting, unlabelled=unlabelled)
    _require_finished(records, version)
    with recorded(records.folder.activity, Deed(What.REGISTER, dataset=dataset, version=version.number)) as deed:
        source = about(records.catalogue, dataset, version.number)
        said = descriptions(records.catalogue, dataset, version.number)
        root = records.vault.commit(dataset, version.number, said, source).root
        records.catalogue.close_version(dataset, version.number, root, now_ms())
        deed.add(records=version.records)
    return records.catalogue.version(dataset, version.number)


def to_take_out(records: Records, version: Version) -> Usable:
    """What may be used of an open version: nothing else goes into it when it is fixed."""
    return usable_now(records, version.dataset, version.number, UseKind.REGISTER)


def _taken_out(records: Records, version: Version) -> Version:
    """Take out of an open version what its patients do not permit, keys first; other versions keep what they have."""
    name, number = version.dataset, version.number
    of = to_take_out(records, version)
    gone = [record for record in records.vault.owners(name, number) if record not in of.records]
    if not gone:
        return version
    about = Deed(What.CONSENT, dataset=name, version=number, kind="taken out")
    with recorded(records.folder.activity, about) as deed:
        for at in range(0, len(gone), TAKEN_OUT_AT_ONCE):
            some = gone[at : at + TAKEN_OUT_AT_ONCE]
            records.vault.erase_many(name, number, some)
            records.catalogue.take_out(name, number, some)
        deed.add(records=len(gone))
    return records.catalogue.version(name, number)


def require_fixable(version: Version, labels: LabelState, *, leave_waiting: bool, unlabelled: bool) -> None:
    """Raise `EmptyVersionError`, `WaitingItemsError` or `UnlabelledError` for an open version that is not ready."""
    name, number = version.dataset, version.number
    if version.records == 0:
        hint = f"extract records first: `hmchain data extract SOURCE --into {name}`"
        if version.held:
            hint = f"{version.held:,} of what came wait for a decision: `hmchain data quarantine list {name}`"
        raise EmptyVersionError(f"version {number} of dataset {name} is empty", hint)
    if version.held and not leave_waiting:
        hint = "decide about them (`hmchain data quarantine list`), or leave them out with --leave-waiting"
        raise WaitingItemsError(f"{version.held} items of dataset {name} wait in quarantine", hint)
    if labels.lost and not unlabelled:
        hint = f"label them (`hmchain data label {name} labels.csv`), or insist with --unlabelled"
        what = f"{labels.labelled} of {labels.records} records of {name} version {number} are labelled"
        raise UnlabelledError(f"{what}, version {labels.before}'s were: nothing could learn from it", hint)


def _require_finished(records: Records, version: Version) -> None:
    """Raise `UnfinishedError` unless vault and catalogue have the same records."""
    name, number = version.dataset, version.number
    listed = {entry.record for entry in records.catalogue.records(name, number)}
    differing = sorted(listed.symmetric_difference(records.vault.records(name, number)))
    if differing:
        what = f"{len(differing)} records of dataset {name} are half kept or half erased: a command was cut short"
        raise UnfinishedError(what, f"run it again, or: `hmchain data erase {name} --record {differing[0]}`")


def schema_of(records: Records, version: Version) -> Schema | RecordSchema:
    """The schema that the ledger has for the records of a version."""
    entries = records.catalogue.media(version.dataset, version.number)
    if [media_type for _, media_type in entries] == [MEDIA_TYPE]:
        return form_of(records, version).schema()
    if [media_type for _, media_type in entries] == [ROWS]:
        return row_form_of(records, version).schema()
    kinds, types = zip(*entries, strict=True)
    return RecordSchema(tuple(sorted(set(kinds))), tuple(sorted(set(types))))


def publish(steward: LedgerUser, version: Version, schema: Schema | RecordSchema) -> Publication:
    """Put a fixed version on the ledger, after its dataset if that is new; once is enough.

    One whose records were erased meanwhile is withdrawn at once: the next version cannot come before it.

    Raises `OutOfStepError`, or `RefusedTransactionError` if the ledger refuses.
    """
    name, number = version.dataset, version.number
    known = datasets.dataset(steward.state, steward.organisation, name)
    if known is None:
        steward.send(RegisterDataset(name, schema))
    elif known.schema != schema:
        hint = "publish it as a dataset of another name: a dataset's records keep one form"
        raise OutOfStepError(f"dataset {name} is on the ledger with records of another form", hint)
    last = known.version if known else 0
    if last == number - 1:
        steward.send(PublishVersion(name, number, _root(version), rounded_count(version.records)))
    elif last < number:
        hint = f"register version {last + 1} first: `hmchain data register {name} --version {last + 1}`"
        raise OutOfStepError(f"the ledger's newest version of {name} is {last}", hint)
    if version.erased_ms:
        withdraw(steward, [(name, number)])
    return Publication(version, rounded_count(version.records), published=True, withdrawn=version.erased_ms is not None)


def withdraw(steward: LedgerUser, versions: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
    """Have the ledger say of versions that records of them were erased; returns those of which it did not say it yet.

    Versions that were never published are passed over. Raises `RefusedTransactionError` if the ledger refuses.
    """
    unsaid = usable(steward, versions)
    for name, number in unsaid:
        steward.send(WithdrawVersion(name, number))
    return unsaid


def usable(steward: LedgerUser, versions: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
    """Those of the versions that are on the ledger, and not withdrawn there."""
    return unsaid(steward.state, steward.organisation, versions)


def unsaid(state: State, organisation: str, versions: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
    """The same of a hospital by a state of the ledger."""
    found = {each: datasets.version(state, organisation, *each) for each in versions}
    return [each for each, version in found.items() if version is not None and not version.withdrawn]


def check(
    records: Records,
    version: Version,
    ledger_root: bytes | None,
    record: str | None = None,
    progress: Progress | None = None,
) -> VersionCheck:
    """Compare what lies in the vault with the root that a version was registered with.

    Reads and opens every record, or only `record` with its proof. Raises `NotRegisteredError`, `ChangedDatasetError`,
    `ErasedVersionError`, or an error of vault or store that names what is missing or altered.
    """
    root = _root(version)
    require_whole(version)
    if ledger_root is not None and ledger_root != root:
        hint = "the catalogue was changed, or is of another hospital: restore it from a backup"
        raise ChangedDatasetError(f"the catalogue's root of {version.dataset} is not the ledger's", hint)
    require_as_registered(records, version)
    name, number = version.dataset, version.number
    count = 0
    if record is None:
        for count, _ in enumerate(records.vault.read(name, number), 1):
            tell(progress, count, version.records)
    else:
        records.vault.get(name, number, record)
        if not verify_record_proof(records.vault.prove(name, number, record), root):
            what = f"version {number} of dataset {name} is not as it was registered"
            raise ChangedDatasetError(what, "restore vault and objects from a backup, or publish a new version")
        count = 1
    return VersionCheck(version, count, ledger_root is not None)


@contextmanager
def _steward_at(place: HospitalFolder, passphrase: str | None) -> Iterator[LedgerUser | None]:
    """The steward at a hospital's own running node; None of a hospital in no network."""
    node = node_in_network(place)
    if node is None:
        yield None
        return
    with open_steward(node, passphrase) as steward:
        yield steward


def publish_at(
    place: HospitalFolder, version: Version, schema: Schema | RecordSchema, passphrase: str | None = None
) -> Publication:
    """As `publish`, at the hospital's own running node. A hospital in no network publishes nothing."""
    with _steward_at(place, passphrase) as steward:
        if steward is None:
            return Publication(version, rounded_count(version.records), published=False)
        return publish(steward, version, schema)


def withdraw_at(
    place: HospitalFolder, versions: Iterable[tuple[str, int]], passphrase: str | None = None
) -> list[tuple[str, int]]:
    """As `withdraw`, at the hospital's own running node. A hospital in no network has nothing to withdraw."""
    with _steward_at(place, passphrase) as steward:
        return withdraw(steward, versions) if steward else []


def usable_at(
    place: HospitalFolder, versions: Iterable[tuple[str, int]], passphrase: str | None = None
) -> list[tuple[str, int]]:
    """As `usable`, at the hospital's own running node. A hospital in no network has none."""
    with _steward_at(place, passphrase) as steward:
        return usable(steward, versions) if steward else []


def erased_versions(records: Records) -> list[tuple[str, int]]:
    """Datasets and numbers of all registered versions of which records were erased."""
    versions = (each for entry in records.catalogue.datasets() for each in records.catalogue.versions(entry.name))
    return [(each.dataset, each.number) for each in versions if each.erased_ms is not None]


def anchor_at(place: HospitalFolder, version: Version, passphrase: str | None = None) -> bytes | None:
    """The root that a ledger has for a version: that of the hospital's running node, or of its run; None for none."""
    node = node_in_network(place)
    if node is None and place.run is not None:
        with open_ledger(place.run.ledger) as ledger:
            found = datasets.version(ledger.verified.state, place.organisation, version.dataset, version.number)
            return found.root if found else None
    if node is None:
        return None
    with open_steward(node, passphrase) as steward:
        found = datasets.version(steward.state, steward.organisation, version.dataset, version.number)
        return found.root if found else None


def node_in_network(place: HospitalFolder) -> NodeFolder | None:
    """The hospital's node if it has joined a network; None if there is nobody to tell."""
    return place.node if place.node is not None and place.node.network.exists() else None


def _root(version: Version) -> bytes:
    if version.root is None:
        what = f"version {version.number} of dataset {version.dataset} is open"
        raise NotRegisteredError(what, f"register it first: `hmchain data register {version.dataset}`")
    return version.root
