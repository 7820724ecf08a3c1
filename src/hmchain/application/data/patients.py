"""Whom a patient's number means: learnt from a source before its items are de-identified, told, and corrected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from hmchain.application.site.activity import Deed, What, recorded
from hmchain.application.site.hospital import Records
from hmchain.clock import now_ms
from hmchain.errors import InputError
from hmchain.records.catalogue import Dataset
from hmchain.records.deidentification.patients import Patient, PatientRule
from hmchain.records.deidentification.profile import Profile
from hmchain.records.pipeline import patient_numbers
from hmchain.records.pipeline.rules import deidentifiers
from hmchain.records.sources.item import Source
from hmchain.records.sources.open_source import OpenSource


class NotMergedError(InputError):
    """A number is no other patient's, and no other number is its patient's."""

    code = "not_merged"


@dataclass(frozen=True)
class PatientsKnown:
    """What the hospital's records know of whom numbers mean."""

    rule: PatientRule
    own_issuers: Mapping[str, str]
    """Seen, and taken for the hospital's own, by kind of data; the rule comes before it."""
    merged: int
    """Numbers that turned out to be another patient's."""
    kept: int
    """Patients whose numbers are kept, sealed."""


def get_acquainted(records: Records, opened: OpenSource, profile: Profile) -> Source:
    """Learn from a source whose numbers are the hospital's own, and who turned out to be another patient.

    To be called before the pseudonyms are made that its items get. Returns the source to extract, which has at least
    one item: of a live one it is learnt while it sends. Raises as `OpenSource.filled`.
    """
    patients, kind = records.catalogue.patients, opened.kind
    learn = partial(patients.learn_own_issuer, kind)
    if opened.live:
        return patient_numbers.Acquainted(opened.source, learn)
    if not patients.knows_own_issuer(kind):
        learn(patient_numbers.own_issuer(opened.source, kind))
    rules = deidentifiers(Dataset("", "", "", profile, now_ms()), patients.pseudonyms(), [kind])
    if kind in rules:
        every = not patients.rule.fhir_ids
        patients.merge(list(patient_numbers.merges(opened.source, kind, rules[kind], all_patients=every)))
    return opened.filled()


def known(records: Records) -> PatientsKnown:
    """Sum up what is known of whom numbers mean."""
    patients = records.catalogue.patients
    merged, kept = len({prior for prior, _ in patients.people().merged}), sum(1 for _ in patients.persons())
    return PatientsKnown(patients.rule, dict(patients.own_issuers), merged, kept)


def merge(records: Records, one: Patient, other: Patient) -> None:
    """Let a patient's number be another patient's from the next extraction on.

    Raises `InputError` if the two are one already.
    """
    patients = records.catalogue.patients
    prior, lasting = patients.persons_of(one), patients.persons_of(other)
    if prior[0] in lasting:
        raise InputError("the two numbers are one patient's already", "nothing was changed")
    with recorded(records.folder.activity, Deed(What.MERGE, kind="merged")):
        patients.merge([(patients.people().lasting(prior[0]), lasting[0])])


def part(records: Records, patient: Patient) -> int:
    """Undo what was said of a number: it is no other's any more, and no other is it; returns how many it was.

    It holds from the next extraction on. Raises `NotMergedError` if nothing was said of it.
    """
    patients = records.catalogue.patients
    with recorded(records.folder.activity, Deed(What.MERGE, kind="parted")) as deed:
        count = patients.part(patients.persons_of(patient)[0])
        if not count:
            raise NotMergedError("this number is no other patient's, nor another this one's", "nothing was changed")
        deed.add(records=count)
    return count
