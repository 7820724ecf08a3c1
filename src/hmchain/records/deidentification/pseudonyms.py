"""Keyed pseudonyms and date shifts: stable within a project, unlinkable between projects.

Everything derives from one secret of the hospital and the project's name, by HMAC-SHA256: who lacks the secret can
neither make a pseudonym nor test a guess, and the pseudonyms of two projects share nothing. Destroying a project's key
makes its pseudonyms anonymous for good.

A patient's pseudonym is made in two steps: a digest under a key of the whole hospital, then one under the project's.
The first is what can be kept of a patient who opted out: it gives the pseudonym of every project, and no identifier.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from datetime import timedelta

import msgspec

from hmchain import decoding
from hmchain.canonical import digest
from hmchain.keys import SecretKey
from hmchain.records.deidentification.patients import Patient, PatientNote, PatientRule, People
from hmchain.records.envelope import open_envelope, seal

SHIFT_DAYS_MIN, SHIFT_DAYS_MAX = 30, 3650
_NUMBERS = "hmchain patient numbers"
_UID_ROOT = "2.25."  # UIDs made of a UUID: PS3.5 B.2


def person(hospital: SecretKey, value: str) -> bytes:
    """32 bytes for a patient, the same in all projects of the hospital, and nothing to who lacks its key."""
    return hmac.digest(hospital.raw, digest("hmchain patient", value.encode()), "sha256")


def open_number(hospital: SecretKey, digested: bytes, sealed: bytes) -> Patient:
    """Open the number of a `PatientNote`. Raises as `open_envelope`."""
    return decoding.from_msgpack(open_envelope(sealed, hospital.derive(_NUMBERS), digested), Patient)


class Pseudonyms:
    """The pseudonyms of one hospital's project."""

    def __init__(
        self, secret: SecretKey, project: str, hospital: SecretKey | None = None, people: People | None = None
    ) -> None:
        """`secret` is the project's; `hospital` digests patients for all projects (without it, for this one alone).

        `people` says which numbers mean one person; without it every issuer but none counts.
        """
        self._key = secret.derive("hmchain pseudonyms", project.encode())
        self._hospital = hospital or secret.derive("hmchain patients")
        self._people = people or People()
        self._numbers = self._hospital.derive(_NUMBERS)

    def identifier(self, kind: str, value: str) -> str:
        """32 hexadecimal digits for an identifier; `kind` keeps equal values of different kinds apart."""
        return self._code(kind, value)[:16].hex()

    def subject(self, number: str, issuer: str = "") -> str:
        """The pseudonym of a patient, from the patient's number and who issued it."""
        return self.subject_of(self.person(Patient(number, issuer)))

    def subject_of(self, digested: bytes) -> str:
        """The pseudonym of a patient, from what `person` gave: of one who turned out to be another, the other's."""
        return self.alone(self._people.lasting(digested))

    def alone(self, digested: bytes) -> str:
        """The pseudonym that a patient had before turning out to be another."""
        return self.identifier("subject", digested.hex())

    def is_another(self, patient: Patient) -> bool:
        """Tell whether a number turned out to mean a patient who is known by another one."""
        digested = self.person(patient)
        return self._people.lasting(digested) != digested

    def all_of(self, digested: bytes) -> list[bytes]:
        """All persons that are one with this one, itself first."""
        return self._people.all_of(digested)

    def merged_persons(self) -> set[bytes]:
        """All persons who turned out to be another, and those whom they are."""
        return {one for pair in self._people.merged for one in pair}

    @property
    def rule(self) -> PatientRule:
        """The hospital's rule for patients' numbers."""
        return self._people.rule

    def best(self, numbers: Sequence[Patient]) -> Patient:
        """The number to know a patient by among several: one of the hospital's own if its rule names issuers."""
        return self._people.best(numbers)

    def person(self, patient: Patient) -> bytes:
        """32 bytes for a patient, whatever the project."""
        return person(self._hospital, self._people.name(patient))

    def note(self, patient: Patient, numbers: Sequence[Patient] = ()) -> PatientNote:
        """A patient's number, sealed for those of the hospital who may go back to it; `numbers` are all that it has."""
        digested = self.person(patient)
        others = {self.person(each) for each in numbers} - {digested}
        sealed = seal(msgspec.msgpack.encode(patient), self._numbers, digested)
        return PatientNote(digested, sealed, tuple(sorted(others)))

    def uid(self, value: str) -> str:
        """A DICOM UID for a UID, at most 44 characters (PS3.5 B.2: 2.25. and the integer of a version 8 UUID)."""
        code = int.from_bytes(self._code("uid", value)[:16], "big")
        code = code & ~(0xF << 76) | 0x8 << 76  # version 8 and variant of RFC 9562
        code = code & ~(0x3 << 62) | 0x2 << 62
        return f"{_UID_ROOT}{code}"

    def shift(self, subject: str) -> timedelta:
        """By how much all dates of a patient are moved into the past: 30 to 3650 whole days.

        `subject` is the patient's pseudonym, so that all sources shift alike and intervals stay true.
        """
        span = SHIFT_DAYS_MAX - SHIFT_DAYS_MIN + 1
        days = SHIFT_DAYS_MIN + int.from_bytes(self._code("shift", subject)[:8], "big") % span
        return -timedelta(days=days)

    def _code(self, kind: str, value: str) -> bytes:
        return hmac.digest(self._key.raw, digest("hmchain pseudonym", kind.encode(), value.encode()), "sha256")
