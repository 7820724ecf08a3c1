"""Patients' consents at the hospital: taken in, withdrawn, looked at, and what they mean for the use of a dataset."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from hmchain.application.consent.taking import AddedConsents, take
from hmchain.application.consent.usable import Usable, Use, UseKind, basis_of, usable
from hmchain.application.data.derivation import way_on
from hmchain.application.data.erasure import NoSuchDatasetError, Target, subjects
from hmchain.application.site.activity import Deed, What, recorded
from hmchain.application.site.hospital import Records
from hmchain.clock import now_ms
from hmchain.errors import InputError
from hmchain.files import open_regular
from hmchain.records.consents.consent import Consent
from hmchain.records.consents.optout_lists import OptOutList
from hmchain.records.consents.purposes import RESEARCH, require_known
from hmchain.records.consents.reading import Given, consents_in, moment
from hmchain.records.consents.register import Basis, DatasetBasis, Entry
from hmchain.records.consents.words import in_words
from hmchain.records.deidentification.patients import Patient, PatientRule

_NO_NUMBER = re.compile(r'[,;|<>"\t]')
"""Stands between columns, or in a page that came in place of a list."""
ID_LETTERS = 12
"""So many letters of a consent's digest name it to people."""


class NoConsentError(InputError):
    """There is no consent of this patient, or of this name."""

    code = "no_consent"


class ListFileError(InputError):
    """A list of patients who opted out cannot be read."""

    code = "list_file"


@dataclass(frozen=True)
class ConsentLine:
    """One consent as the hospital's people see it; the patient is not named."""

    id: str
    """The first letters of its keyed digest."""
    status: str
    is_withdrawn: bool
    given_ms: int | None
    policies: tuple[str, ...]
    rule: str
    """Its first rule: permit, deny, or nothing."""
    purposes: tuple[str, ...]
    exceptions: int
    until_ms: int | None
    doubts: tuple[str, ...]


@dataclass(frozen=True)
class Withdrawn:
    """What came of a withdrawal."""

    withdrawn: int
    """Consents that were not withdrawn yet."""
    next: dict[str, str]
    """Datasets whose newest registered version has records of the patient: the command that makes the next one."""


@dataclass(frozen=True)
class ConsentShown:
    """One consent, with its rules in words."""

    line: ConsentLine
    rules: tuple[str, ...]


@dataclass(frozen=True)
class ConsentCheck:
    """What a use may have of a version."""

    dataset: str
    version: int
    basis: str
    kept_for: tuple[str, ...]
    use: str
    purposes: tuple[str, ...]
    recipients: tuple[str, ...]
    records: int
    of: int
    patients: int
    left_out: dict[str, int] = field(default_factory=dict)
    """By reason; these numbers stay at the hospital."""


def add(records: Records, files: Iterable[Path]) -> AddedConsents:
    """Take in the FHIR R4 Consents of files: single resources, bundles or NDJSON; other resources are passed over.

    All or none. Raises `ConsentFileError` for what is none, or says not whose it is.
    """
    rule = records.catalogue.patients.rule
    given = [each for file in files for each in _read(file, rule)]
    if not given:
        raise NoConsentError("there is no consent in what was given", "give FHIR R4 resources of type Consent")
    with recorded(records.folder.activity, Deed(What.CONSENT, kind="added")) as deed:
        done = take(records.catalogue, given)
        deed.add(records=done.new + done.changed)
    return replace(done, strangers=_strangers(records, given))


def _strangers(records: Records, given: Iterable[Given]) -> int:
    """How many of some consents are of patients by whose numbers nobody is known here."""
    patients = records.catalogue.patients
    known = frozenset(patients.persons())
    return sum(known.isdisjoint(patients.persons_of(each.patient)) for each in given) if known else 0


def of_patient(records: Records, patient: Patient) -> tuple[ConsentLine, ...]:
    """The consents of a patient, by the number or any other that is the same person's. Raises `NoConsentError`."""
    return tuple(map(_line, _entries(records, patient)))


def all_of(records: Records) -> tuple[ConsentLine, ...]:
    """All consents, in no order that says anything of patients."""
    return tuple(map(_line, records.catalogue.consents.entries()))


def one(records: Records, name: str) -> ConsentShown:
    """The consent whose id begins so. Raises `NoConsentError` unless there is exactly one."""
    wanted = name.lower()
    found = [each for each in records.catalogue.consents.entries() if wanted and each.name.hex().startswith(wanted)]
    if len(found) != 1:
        what = f"{len(found) or 'no'} consents have an id that begins with this"
        raise NoConsentError(what, "give more of its letters: `hmchain consent list` shows them")
    rule = found[0].consent.rule
    return ConsentShown(_line(found[0]), tuple(in_words(rule)) if rule else ())


def withdraw(records: Records, patient: Patient, consent: str = "") -> Withdrawn:
    """Note that a patient withdraws: all consents, or the one whose id begins so. It holds from the next use on.

    Raises `NoConsentError`.
    """
    found = [each for each in _entries(records, patient) if each.name.hex().startswith(consent.lower())]
    if not found:
        raise NoConsentError("the patient has no consent that begins like this", "`hmchain consent list --patient -`")
    with recorded(records.folder.activity, Deed(What.CONSENT, kind="withdrawn")) as deed:
        count = records.catalogue.consents.withdraw(found, now_ms())
        deed.add(records=count)
    return Withdrawn(count, _ways_on(records, patient))


def _ways_on(records: Records, patient: Patient) -> dict[str, str]:
    """The command that makes the next version of each dataset whose last registered one has records of a patient."""
    found = {}
    for name in dict.fromkeys(subjects(records, Target(patient=patient.number, issuer=patient.issuer))):
        for dataset, number, *_ in records.catalogue.holding(None, subject=name):
            last = records.catalogue.versions(dataset)[-1]
            if last.number == number and last.closed:
                found[dataset] = way_on(last)
    return dict(sorted(found.items()))


def basis(records: Records, dataset: str) -> DatasetBasis:
    """By what a dataset is used, with what was said of those that it was made of. Raises `NoSuchDatasetError`."""
    _require_dataset(records, dataset)
    return basis_of(records, dataset)


def set_basis(records: Records, dataset: str, said: DatasetBasis) -> None:
    """Say by what a dataset is used from now on, and what it is kept for.

    Raises `NoSuchDatasetError` or `PurposeError`.
    """
    _require_dataset(records, dataset)
    require_known(said.purposes)
    with recorded(records.folder.activity, Deed(What.CONSENT, dataset=dataset, kind=f"basis {said.basis.value}")):
        records.catalogue.consents.set_basis(dataset, said)


def check(records: Records, dataset: str, number: int | None, use: Use, at_ms: int | None = None) -> ConsentCheck:
    """Which records of a version, the newest unless one is named, a use may have.

    An export is the hospital's own, unless others are named. Raises `PurposeError`, and as `usable`.
    """
    require_known(use.purposes)
    if use.kind is UseKind.EXPORT and not use.recipients:
        use = replace(use, recipients=(records.folder.organisation,))
    version = records.catalogue.version(dataset, number)
    found: Usable = usable(records, dataset, version.number, use, now_ms() if at_ms is None else at_ms)
    said = basis_of(records, dataset)
    return ConsentCheck(
        dataset=dataset,
        version=version.number,
        basis=found.basis.value,
        kept_for=said.purposes,
        use=use.kind.value,
        purposes=use.purposes,
        recipients=use.recipients,
        records=len(found.records),
        of=found.of,
        patients=len(found.subjects),
        left_out=dict(found.reasons),
    )


def checked(records: Records, dataset: str, use: str, purposes: str = "") -> ConsentCheck:
    """The same of the newest version, as a person asks: codes with commas between them, none for research.

    Raises `InputError` for what is no use, and as `check`.
    """
    if use not in (known := [each.value for each in UseKind]):
        raise InputError(f"{use!r} is no use", f"give one of {', '.join(known)}")
    return check(records, dataset, None, Use(UseKind(use), codes(purposes) or (RESEARCH,)))


def say_basis(records: Records, dataset: str, basis: str, purposes: str = "") -> None:
    """Say by what a dataset is used from now on, as a person says it. Raises as `set_basis`."""
    if basis not in (known := [each.value for each in Basis]):
        raise InputError(f"{basis!r} is no basis", f"give one of {', '.join(known)}")
    set_basis(records, dataset, DatasetBasis(Basis(basis), codes(purposes)))


def codes(text: str) -> tuple[str, ...]:
    """Codes that somebody typed with commas between them."""
    return tuple(filter(None, (each.strip() for each in text.split(","))))


def reconcile(records: Records, name: str, file: Path, issuer: str, as_of: str) -> OptOutList:
    """Put the numbers of a file, a line each, in the place of a list that others keep; `as_of` is its day.

    Raises `ListFileError`, or `OlderListError` if a later list is known: nothing is changed then.
    """
    if not name.strip():
        raise ListFileError("the list has no name", "name it, as `national`")
    day = moment(as_of)
    if day is None or day.first_ms is None or day.first_ms > now_ms():
        raise ListFileError(f"{as_of!r} is no day on which a list can have been made", "give it as 2026-11-28")
    patients = records.catalogue.patients
    numbers = _numbers(file)
    persons = (patients.persons_of(Patient(number, issuer))[0] for number in numbers)
    with recorded(records.folder.activity, Deed(What.CONSENT, kind="list")) as deed:
        done = records.catalogue.optout_lists.reconcile(name, issuer, day.first_ms, persons, now_ms())
        deed.add(records=done.numbers)
    return done


def drop_list(records: Records, name: str) -> None:
    """Forget a list: who is on no other may be used again. Raises `ListFileError` if there is none of the name."""
    with recorded(records.folder.activity, Deed(What.CONSENT, kind="list dropped")):
        if not records.catalogue.optout_lists.drop(name):
            known = ", ".join(each.name for each in records.catalogue.optout_lists.lists()) or "none yet"
            raise ListFileError(f"there is no list {name}", f"the lists are: {known}")


def lists(records: Records) -> tuple[OptOutList, ...]:
    """The lists that others keep, as they were reconciled last."""
    return tuple(records.catalogue.optout_lists.lists())


def _read(file: Path, rule: PatientRule) -> Iterator[Given]:
    try:
        data = file.read_bytes()
    except OSError as error:
        raise InputError(f"{file} cannot be read", "name a file of FHIR resources in JSON") from error
    yield from consents_in(data, rule)


def _numbers(file: Path) -> list[str]:
    """The numbers of a list; a line that has more than one says whose they are to nobody, so the list is refused."""
    try:
        with open_regular(file) as opened:
            lines = io.TextIOWrapper(opened, "utf-8-sig")
            found = [number for line in lines if (number := line.strip().strip('"').strip())]
    except (OSError, UnicodeDecodeError) as error:
        raise ListFileError(f"{file} cannot be read as text", "give a file with one number a line, in UTF-8") from error
    if any(map(_NO_NUMBER.search, found)):
        raise ListFileError(f"{file} has lines with more than a number", "leave one number a line, and no other column")
    if not found:
        raise ListFileError(f"{file} is empty: all who are on the list would be used", "to drop a list: --forget")
    return found


def _entries(records: Records, patient: Patient) -> list[Entry]:
    found = records.catalogue.consents.of(records.catalogue.patients.persons_of(patient))
    if not found:
        hint = "compare the number, and say --issuer NAME if it is not yours; who objects to all use: "
        hint += "`hmchain data opt-out --patient -`"
        raise NoConsentError("there is no consent of this patient", hint)
    return found


def _require_dataset(records: Records, dataset: str) -> None:
    if records.catalogue.dataset(dataset) is None:
        known = ", ".join(each.name for each in records.catalogue.datasets()) or "none yet"
        raise NoSuchDatasetError(f"there is no dataset {dataset}", f"the datasets are: {known}")


def _line(entry: Entry) -> ConsentLine:
    consent: Consent = entry.consent
    rule = consent.rule
    permits = None if rule is None else rule.permits
    return ConsentLine(
        id=entry.name.hex()[:ID_LETTERS],
        status=consent.status.value,
        is_withdrawn=consent.withdrawn_ms is not None,
        given_ms=consent.at_ms,
        policies=consent.policies,
        rule="" if permits is None else "permit" if permits else "deny",
        purposes=tuple(each.code for each in rule.purposes) if rule else (),
        exceptions=sum(1 for _ in rule.every()) - 1 if rule else 0,
        until_ms=rule.period.last_ms if rule and rule.period else None,
        doubts=consent.doubts,
    )
