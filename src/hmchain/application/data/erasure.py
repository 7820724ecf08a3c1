"""Erase records and patients, and have later extractions pass over them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hmchain.application.data import publication, reidentification
from hmchain.application.data.derivation import copies, way_on
from hmchain.application.data.uses import VersionUses, uses_of
from hmchain.application.site.activity import Deed, What, recorded
from hmchain.application.site.hospital import HospitalFolder, Records, open_records, read_records
from hmchain.clock import now_ms
from hmchain.errors import HMChainError, InputError
from hmchain.records.catalogue import HeldItem
from hmchain.records.catalogue.optouts import PATIENT, OptOut
from hmchain.records.deidentification.patients import Patient
from hmchain.records.pipeline import review
from hmchain.records.pipeline.extraction import is_quarantine


class NothingToEraseError(InputError):
    """No record is of what was given."""

    code = "nothing_to_erase"


class NoSuchDatasetError(InputError):
    """The catalogue has no dataset of that name."""

    code = "no_such_dataset"


@dataclass(frozen=True)
class ErasedRecords:
    """Records that were destroyed."""

    records: int
    versions: tuple[tuple[str, int], ...]
    """Datasets and versions that had some."""
    quarantined: int = 0
    """Items in quarantine that were about the patient."""
    cards: tuple[Path, ...] = ()
    """Dataset cards that told of them, and were deleted."""
    waiting: int = 0
    """Items in quarantine whose patients cannot be told: a person must reject those of the patient."""
    fixed: tuple[tuple[str, int], ...] = ()
    """Those of the versions that were registered: their roots can no longer be checked."""
    next: Mapping[str, str] = field(default_factory=dict)
    """For each dataset of these, the command that puts what is left into its next version."""


@dataclass(frozen=True)
class ErasureOutcome:
    """The end of an erasure: what was destroyed, and what the ledger says of it."""

    done: ErasedRecords
    withdrawn: tuple[tuple[str, int], ...]
    """Datasets and versions that the ledger calls withdrawn now, and did not before."""
    pending: HMChainError | None = None
    """The reason why the ledger could not be told; `publication.withdraw_at` tells it later."""


@dataclass(frozen=True)
class VersionLoss:
    """The part of a version that an erasure would destroy."""

    dataset: str
    version: int
    records: Mapping[str, int]
    """Counts by kind of data."""
    of: int
    """All records of the version."""
    registered: bool
    prepared: bool
    """True for what was made to learn from."""


@dataclass(frozen=True)
class ErasurePreview:
    """All that an erasure would destroy, and what it cannot reach."""

    losses: tuple[VersionLoss, ...]
    quarantined: int
    """Items in quarantine that are about the patient."""
    waiting: int
    """Items in quarantine whose patients cannot be told: they would stay."""
    uses: VersionUses
    """Studies that were allowed to use these versions; models that they made stay as they are."""

    @property
    def records(self) -> int:
        """The number of records."""
        return sum(sum(loss.records.values()) for loss in self.losses)


@dataclass(frozen=True)
class OptOutChange:
    """The end of an opt-out, or of its lifting."""

    opted_out: bool
    """True if later extractions pass over what was named."""
    lifted: int
    """Entries of the list that were taken back."""
    has_records: bool = True
    """False if no record of what was named is here: another number may have been meant."""


@dataclass(frozen=True)
class Target:
    """A patient or a record, by exactly one of its names. Raises `InputError` for none, or for more."""

    patient: str | None = None
    """The patient's number: for all projects, those to come too."""
    subject: str | None = None
    """A pseudonym: for its project alone."""
    record: str | None = None
    issuer: str = ""
    """Whoever issued the patient's number; nothing for the hospital itself."""

    def __post_init__(self) -> None:
        given = [name for name in (self.patient, self.subject, self.record) if name is not None]
        if len(given) != 1 or not given[0]:
            hint = "give one of --record, --subject and --patient"
            raise InputError("nothing, or more than one thing, is named", hint)
        if self.issuer and self.patient is None:
            raise InputError("an issuer is named, and no patient's number", "give --patient with it")

    @property
    def kind(self) -> str:
        """What it is named by: never the name itself."""
        return "patient" if self.patient is not None else "subject" if self.subject is not None else "record"


def preview(
    place: HospitalFolder, dataset: str | None, target: Target, passphrase: str | None = None
) -> ErasurePreview:
    """Count what `erase` would destroy, and destroy nothing. Raises as `destroy` and `read_records`."""
    with read_records(place, passphrase) as records:
        held = _require_something(records, dataset, target)
        losses = _losses(records, dataset, target)
        waiting = len(records.catalogue.quarantine.of("")) if target.record is None else 0
    return ErasurePreview(losses, len(held), waiting, uses_of(place, {(loss.dataset, loss.version) for loss in losses}))


def erase(place: HospitalFolder, dataset: str | None, target: Target, passphrase: str | None = None) -> ErasureOutcome:
    """Destroy what is named, as `destroy` does, and withdraw on the ledger the versions that had it.

    What is destroyed is gone, whatever the hospital's node says then. Raises as `destroy` and `open_records`.
    """
    done, erased = _erased(place, dataset, target, passphrase)
    try:
        return ErasureOutcome(done, tuple(publication.withdraw_at(place, erased, passphrase)))
    except HMChainError as error:
        return ErasureOutcome(done, (), error)


def erase_here(
    place: HospitalFolder, dataset: str | None, target: Target, passphrase: str | None = None
) -> ErasedRecords:
    """Destroy what is named, and tell the ledger nothing: whoever signs for that does so then. Raises as `erase`."""
    return _erased(place, dataset, target, passphrase)[0]


def _erased(
    place: HospitalFolder, dataset: str | None, target: Target, passphrase: str | None
) -> tuple[ErasedRecords, tuple[tuple[str, int], ...]]:
    """What was destroyed, and all versions of which records were erased."""
    with open_records(place, passphrase) as records:
        known = dataset if dataset in _dataset_names(records) else None  # lines stay: no slip of the pen goes there
        with recorded(place.activity, Deed(What.ERASE, dataset=known or "", kind=target.kind)) as deed:
            done = destroy(records, dataset, target)
            deed.add(records=done.records, held=done.quarantined)
        return done, tuple(publication.erased_versions(records))


def destroy(records: Records, dataset: str | None, target: Target) -> ErasedRecords:
    """Destroy the keys of what is named, then the ciphertext, then what the catalogue says of it, and opt it out.

    A record is erased from all versions of `dataset`, and with it what was made of it in other datasets; a patient
    from every dataset, whichever is named. Opting out comes first, so that no extraction brings back what an erasure
    that was cut short has destroyed. Raises `NothingToEraseError` or `NoSuchDatasetError`; nothing is changed then.
    """
    held = _require_something(records, dataset, target)
    _opt_out(records, target)
    if target.record is not None:
        assert dataset is not None
        return _erase_record(records, dataset, target.record)
    named = subjects(records, target)
    persons = _persons(records, target) or reidentification.persons(records, named)
    records.catalogue.patients.forget(persons)
    records.catalogue.consents.forget(persons)
    return _erase_subjects(records, named, held)


def _require_something(records: Records, dataset: str | None, target: Target) -> list[HeldItem]:
    """Raise `NothingToEraseError` or `NoSuchDatasetError` unless something is of the target; returns what is held."""
    if dataset is not None and dataset not in (known := _dataset_names(records)):
        hint = f"the datasets are: {', '.join(known) or 'none yet'}"
        raise NoSuchDatasetError(f"there is no dataset {dataset}", hint)
    if target.record is not None:
        if dataset is None:
            raise NoSuchDatasetError("it is not said of which dataset the record is", "name the dataset")
        if not _versions_of(records, copies(records, dataset, target.record)):
            raise NothingToEraseError(
                f"dataset {dataset} has no such record", f"list them: `hmchain data show {dataset}`"
            )
        return []
    named, catalogue = subjects(records, target), records.catalogue
    held = [item for subject in named for item in catalogue.quarantine.of(subject)]
    if not held and not any(records.vault.holds_subject(each) or catalogue.has_subject(each) for each in named):
        hint = "compare the number, and say --issuer NAME if it is not yours; to keep out whom no record is of yet: "
        hint += "`hmchain data opt-out --patient -`"
        if target.subject is not None:
            hint = f"give the pseudonym {reidentification.WHOLE}"
        raise NothingToEraseError("no record is of this patient", hint)
    return held


def _losses(records: Records, dataset: str | None, target: Target) -> tuple[VersionLoss, ...]:
    """What each version would lose, by the catalogue; of records that only the vault has, the versions."""
    catalogue = records.catalogue
    if target.record is not None:
        assert dataset is not None
        made = copies(records, dataset, target.record)
        found = [row for name, each in made for row in catalogue.holding(name, record=each)]
    else:
        found = [row for subject in subjects(records, target) for row in catalogue.holding(None, subject=subject)]
    counts: dict[tuple[str, int], Counter[str]] = defaultdict(Counter)
    for name, number, kind, count in found:
        counts[name, number][kind] += count
    if target.record is not None and dataset is not None:
        for name, number in _versions_of(records, made):
            counts[name, number] = counts[name, number] or Counter({"record": 1})
    return tuple(_loss(records, name, number, counts[name, number]) for name, number in sorted(counts))


def _loss(records: Records, name: str, number: int, counts: Counter[str]) -> VersionLoss:
    known = next((each for each in records.catalogue.versions(name) if each.number == number), None)
    entry = records.catalogue.dataset(name)
    of = known.records if known else len(records.vault.records(name, number))
    registered = known.closed if known else records.vault.is_closed(name, number)
    return VersionLoss(name, number, dict(counts), of, registered, bool(entry and entry.form))


def opt_out(records: Records, target: Target) -> OptOutChange:
    """Have later extractions pass over what is named; what is extracted already stays."""
    with recorded(records.folder.activity, Deed(What.OPT_OUT, kind=target.kind)):
        return _opt_out(records, target)


def _opt_out(records: Records, target: Target) -> OptOutChange:
    records.catalogue.opt_outs.add(_listed(records, target)[:1], now_ms())
    here = (records.catalogue.holding(None, subject=name) for name in subjects(records, target))
    return OptOutChange(True, 0, target.record is not None or any(map(any, here)))


def lift_opt_out(records: Records, target: Target) -> OptOutChange:
    """Let later extractions take again what is named, however it was opted out."""
    with recorded(records.folder.activity, Deed(What.OPT_IN, kind=target.kind)) as deed:
        lifted = records.catalogue.opt_outs.lift(_listed(records, target))
        deed.add(records=lifted)
    return OptOutChange(False, lifted)


def _persons(records: Records, target: Target) -> list[bytes]:
    """All that a patient is known by who is named by a number: that one first, then those found to be the same."""
    if target.patient is None:
        return []
    return records.catalogue.patients.persons_of(Patient(target.patient, target.issuer))


def subjects(records: Records, target: Target) -> list[str]:
    """The pseudonyms of a patient: that which is given, or those of all projects, also from before a merge."""
    if target.patient is None:
        return [target.subject] if target.subject else []
    persons = _persons(records, target)
    return [made.alone(each) for made in records.catalogue.projects.all_pseudonyms().values() for each in persons]


def _listed(records: Records, target: Target) -> list[OptOut]:
    """The entries that stand for a target in the list of those who opted out, the entry that is made of it first."""
    catalogue = records.catalogue
    if target.record is not None:
        return [catalogue.opt_outs.of_record(target.record)]
    by_number = [OptOut(PATIENT, person) for person in _persons(records, target)]
    return [*by_number, *(catalogue.opt_outs.of_subject(subject) for subject in subjects(records, target))]


def _erase_subjects(records: Records, subjects: list[str], held: list[HeldItem]) -> ErasedRecords:
    vault, catalogue = records.vault, records.catalogue
    for item in held:
        review.forget(catalogue, vault, item)
    done = [vault.erase_subject(subject) for subject in subjects]
    versions = [version for subject in subjects for version in catalogue.forget(None, now_ms(), subject=subject)]
    cards = _drop_cards(records.folder, versions)
    waiting, fixed = len(catalogue.quarantine.of("")), _fixed(records, versions)
    count = sum(each.records for each in done)
    return ErasedRecords(
        count, tuple(sorted(versions)), len(held), cards, waiting, fixed, next=_ways_on(records, fixed)
    )


def _erase_record(records: Records, dataset: str, record: str) -> ErasedRecords:
    made = copies(records, dataset, record)
    versions, count = _versions_of(records, made), 0
    for name, each in made:  # the record that was named last: until then a run that was cut short finds the others
        count += records.vault.erase(name, each)
        records.catalogue.forget(name, now_ms(), record=each)
    cards, fixed = _drop_cards(records.folder, versions), _fixed(records, versions)
    return ErasedRecords(count, tuple(sorted(versions)), cards=cards, fixed=fixed, next=_ways_on(records, fixed))


def _ways_on(records: Records, fixed: Iterable[tuple[str, int]]) -> dict[str, str]:
    found = [version for name, _ in fixed for version in records.catalogue.versions(name)]
    return {version.dataset: way_on(version) for version in found}


def _fixed(records: Records, versions: Iterable[tuple[str, int]]) -> tuple[tuple[str, int], ...]:
    return tuple(version for version in sorted(versions) if records.vault.is_closed(*version))


def _versions_of(records: Records, made: Iterable[tuple[str, str]]) -> set[tuple[str, int]]:
    """The versions that hold one of these datasets' records, by the vault or by the catalogue."""
    found: set[tuple[str, int]] = set()
    kept = list(records.vault.versions())
    for dataset, record in made:
        found |= {(name, at) for name, at in kept if name == dataset and records.vault.has(name, at, record)}
        found |= {(name, at) for name, at, _, _ in records.catalogue.holding(dataset, record=record)}
    return found


def _dataset_names(records: Records) -> list[str]:
    """All datasets, in order; also those that a program put into the vault without a catalogue."""
    named = {entry.name for entry in records.catalogue.datasets()}
    return sorted(named | {name for name, _ in records.vault.versions() if not is_quarantine(name)})


def _drop_cards(place: HospitalFolder, versions: Iterable[tuple[str, int]]) -> tuple[Path, ...]:
    """Delete the cards of versions: they show labels and counts of what was erased. Returns those that there were.

    The Provenance beside them stays: it says what was done to the records, and names none of them.
    """
    dropped = []
    for name, number in sorted(versions):
        place.card_data(name, number).unlink(missing_ok=True)
        page = place.card(name, number)
        if page.exists():
            page.unlink()
            dropped.append(page)
    return tuple(dropped)
