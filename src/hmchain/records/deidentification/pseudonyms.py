"""Keyed pseudonyms and date shifts: stable within a project, unlinkable between projects.

Everything derives from one secret of the hospital and the project's name, by HMAC-SHA256: who lacks the secret can
neither make a pseudonym nor test a guess, and the pseudonyms of two projects share nothing. Destroying a project's key
makes its pseudonyms anonymous for good.

A patient's pseudonym is made in two steps: a digest under a key of the whole hospital, then one under the project's.
The first is what can be kept of a patient who opted out: it gives the pseudonym of every project, and no identifier.
"""

from __future__ import annotations

import hmac
from datetime import timedelta

from hmchain.canonical import digest
from hmchain.keys import SecretKey

SHIFT_DAYS_MIN, SHIFT_DAYS_MAX = 30, 3650
_UID_ROOT = "2.25."  # UIDs made of a UUID: PS3.5 B.2


def person(hospital: SecretKey, value: str) -> bytes:
    """32 bytes for a patient, the same in all projects of the hospital, and nothing to who lacks its key."""
    return hmac.digest(hospital.raw, digest("hmchain patient", value.encode()), "sha256")


class Pseudonyms:
    """The pseudonyms of one hospital's project."""

    def __init__(self, secret: SecretKey, project: str, hospital: SecretKey | None = None) -> None:
        """`secret` is the project's; `hospital` digests patients for all projects (without it, for this one alone)."""
        self._key = secret.derive("hmchain pseudonyms", project.encode())
        self._hospital = hospital or secret.derive("hmchain patients")

    def identifier(self, kind: str, value: str) -> str:
        """32 hexadecimal digits for an identifier; `kind` keeps equal values of different kinds apart."""
        return self._code(kind, value)[:16].hex()

    def subject(self, value: str) -> str:
        """The pseudonym of a patient, from the patient's identifier at this hospital."""
        return self.subject_of(person(self._hospital, value))

    def subject_of(self, digested: bytes) -> str:
        """The pseudonym of a patient, from what `person` gave."""
        return self.identifier("subject", digested.hex())

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
