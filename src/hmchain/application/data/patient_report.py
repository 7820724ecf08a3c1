"""A patient's question: which uses were there of my data, and which models came of them?

To answer it the hospital goes from a person to pseudonyms and records, so it takes the two people that going back
takes, and is written down. What is answered names nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hmchain import files
from hmchain.application.consent.study_cohorts import rounds_used
from hmchain.application.data import erasure, reidentification
from hmchain.application.data.erasure import Target
from hmchain.application.data.uses import uses_of
from hmchain.application.governance.purposes import purpose_words
from hmchain.application.pages import patient as page
from hmchain.application.pages.patient import HeldVersion, PatientReport, RoundsOfYours
from hmchain.application.site.activity import What, recorded
from hmchain.application.site.hospital import HospitalFolder, Records, read_records
from hmchain.application.site.persons import Signers
from hmchain.clock import now_ms
from hmchain.errors import InputError
from hmchain.records.deidentification.patients import Patient

ASKED_BY_PATIENT = "the patient asked"


class ReportThereError(InputError):
    """Something stands where a report was to be written."""

    code = "report_there"


def named(who: str, issuer: str = "") -> Target:
    """The patient who is meant: by a whole pseudonym, or else by a number. Raises `InputError` for nobody."""
    text = who.strip()
    if reidentification.is_whole(text.lower()) and not issuer:
        return Target(subject=text.lower())
    return Target(patient=text, issuer=issuer)


def report(
    place: HospitalFolder, target: Target, reason: str, signers: Signers, passphrase: str | None = None
) -> PatientReport:
    """What is held of a patient, and all that was asked of it, once two people have signed for the question.

    Raises as `reidentification.signed`; nothing is looked up then.
    """
    with read_records(place, passphrase) as records:
        names = _names(records, target)
        deed, signed_by = reidentification.signed(
            place, What.TELL, names[0] if names else "", reason, signers, passphrase
        )
        with recorded(place.activity, deed):
            held = _held(records, names)
            rounds = _rounds(records, target, names)
    found = uses_of(place, {(each.dataset, each.version) for each in held}, refused=True)
    words = {code: purpose_words(code).partition(", ")[2] for use in found.uses for code in use.purposes}
    return PatientReport(place.organisation, now_ms(), held, found.uses, found.unknown, signed_by, words, rounds)


def to_sign(place: HospitalFolder, target: Target, reason: str, at_ms: int, passphrase: str | None = None) -> bytes:
    """What two people sign elsewhere for such a report at this time. Raises `NoReasonError`."""
    with read_records(place, passphrase) as records:
        names = _names(records, target)
    return reidentification.to_sign(What.TELL, names[0] if names else "", reason, at_ms)


def write_page(found: PatientReport, path: Path) -> None:
    """Write the report as a page into a new file that nobody else reads. Raises `ReportThereError`."""
    try:
        files.write_whole(path, page.to_html(found).encode(), durable=False, mode=files.PRIVATE, new=True)
    except FileExistsError:
        raise ReportThereError(f"{path} is there already", "name a new file") from None


def _names(records: Records, target: Target) -> list[str]:
    if target.subject is not None:
        return reidentification.everywhere(records, target.subject)
    return sorted(erasure.subjects(records, target))


def _rounds(records: Records, target: Target, names: Sequence[str]) -> tuple[RoundsOfYours, ...]:
    """In which rounds of which studies records of a patient were used, by all digests that stand for the person."""
    catalogue = records.catalogue
    digests = {catalogue.opt_outs.of_subject(name).digest for name in names}
    if target.patient is not None:
        digests |= set(catalogue.patients.persons_of(Patient(target.patient, target.issuer)))
    digests |= set(reidentification.persons(records, names))
    return tuple(RoundsOfYours(**vars(each)) for each in rounds_used(records.folder, digests))


def _held(records: Records, names: Sequence[str]) -> tuple[HeldVersion, ...]:
    counts: dict[tuple[str, int], dict[str, int]] = {}
    for name in names:
        for dataset, version, kind, count in records.catalogue.holding(None, subject=name):
            found = counts.setdefault((dataset, version), {})
            found[kind] = found.get(kind, 0) + count
    return tuple(_version(records, *place, found) for place, found in sorted(counts.items()))


def _version(records: Records, dataset: str, version: int, counts: dict[str, int]) -> HeldVersion:
    entry = records.catalogue.dataset(dataset)
    return HeldVersion(dataset, entry.title if entry else "", version, counts)
