"""The way back from a pseudonym to a patient, for an incidental finding, say: two people sign for it, and it is logged.

The numbers lie sealed in the catalogue, so a hospital that destroys its keys, or erases a patient, closes this way.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from hmchain.application.site import persons as people
from hmchain.application.site.activity import Deed, What, recorded
from hmchain.application.site.hospital import HospitalFolder, Records
from hmchain.application.site.persons import MadeElsewhere, Signers
from hmchain.clock import now_ms
from hmchain.errors import InputError
from hmchain.records.deidentification.patients import Patient
from hmchain.records.deidentification.pseudonyms import Pseudonyms

PERSONS = 2
REASON_LETTERS_MAX = 500
SIGNED_MS_MAX = 600_000
"""So long ago people may have signed elsewhere."""


class NoReasonError(InputError):
    """Nobody says why a pseudonym is to be turned back into a patient."""

    code = "no_reason"


class UnknownPseudonymError(InputError):
    """No patient whose number is kept has this pseudonym."""

    code = "unknown_pseudonym"


WHOLE = "as a whole, 32 letters and digits: exports list it, and `hmchain data show DATASET --wide`"
"""How a pseudonym is given that must not be anybody else's."""
_WHOLE = re.compile("[0-9a-f]{32}")


@dataclass(frozen=True)
class Reidentified:
    """Who a pseudonym is: for the eyes of those who asked, and of nobody else."""

    pseudonym: str
    projects: tuple[str, ...]
    """The projects in which the patient is called so."""
    patients: tuple[Patient, ...]
    """The patient's number; several if some turned out to be the same person's."""
    approved_by: tuple[str, ...]


def reidentify(
    records: Records, pseudonym: str, reason: str, signers: Signers, passphrase: str | None = None
) -> Reidentified:
    """Find whom a pseudonym stands for, once two people have signed for it.

    It is written down who asked, for which pseudonym and why, before anything is shown. Raises `NoReasonError`,
    `UnknownPseudonymError`, or as `persons.approve`.
    """
    pseudonym = pseudonym.strip().lower()
    if not is_whole(pseudonym):
        raise UnknownPseudonymError(f"{pseudonym or 'nothing'} is no whole pseudonym", f"give it {WHOLE}")
    deed, names = signed(records.folder, What.REIDENTIFY, pseudonym, reason, signers, passphrase)
    with recorded(records.folder.activity, deed):
        return _found(records, pseudonym, names)


def is_whole(pseudonym: str) -> bool:
    """Whether a text is a pseudonym that cannot be the beginning of another one."""
    return _WHOLE.fullmatch(pseudonym) is not None


def signed(
    place: HospitalFolder, what: What, subject: str, reason: str, signers: Signers, passphrase: str | None
) -> tuple[Deed, tuple[str, ...]]:
    """A deed about a pseudonym that enough people signed, for the log, and their names.

    What was signed elsewhere was signed within the last minutes. Raises `NoReasonError`, or as `persons.approve`.
    """
    reason, at_ms = _reason(reason), now_ms()
    if isinstance(signers, MadeElsewhere):
        if not 0 <= at_ms - signers.signed_ms <= SIGNED_MS_MAX:
            raise people.PersonsMissingError("this was signed too long ago", "have it signed anew")
        at_ms = signers.signed_ms
    words = _words(what, subject, reason, at_ms)
    approvals = people.approve(place, signers, words, needed=PERSONS, passphrase=passphrase)
    names = tuple(approval.name for approval in approvals)
    signatures = tuple(approval.logged() for approval in approvals)
    deed = Deed(
        what, person=" and ".join(names), subject=subject, reason=reason, signed_ms=at_ms, signatures=signatures
    )
    return deed, names


def to_sign(what: What, subject: str, reason: str, at_ms: int) -> bytes:
    """What people sign elsewhere, for `signed`. Raises `NoReasonError`."""
    return people.statement_of(_words(what, subject, _reason(reason), at_ms))


def _reason(text: str) -> str:
    reason = " ".join(text.split())
    if not reason or len(reason) > REASON_LETTERS_MAX:
        raise NoReasonError(f"a reason has 1 to {REASON_LETTERS_MAX} letters", "say why: --reason TEXT")
    return reason


def is_signed(deed: Deed) -> bool:
    """Tell whether enough people signed what a line of the log says, each with a key of their own."""
    assert deed.what is not None, "a line that begins something says what"
    words = _words(deed.what, deed.subject, deed.reason, deed.signed_ms)
    held = {signature.public for signature in deed.signatures if people.holds(signature, words)}
    return len(held) == len(deed.signatures) >= PERSONS


def _words(what: What, pseudonym: str, reason: str, at_ms: int) -> tuple[str, ...]:
    """What people sign for: once, at this time."""
    return (what.value, pseudonym, reason, str(at_ms))


def everywhere(records: Records, pseudonym: str) -> list[str]:
    """All pseudonyms of the patient who has this one, in order; this one alone where no number is kept."""
    found, makers = persons(records, [pseudonym]), records.catalogue.projects.all_pseudonyms().values()
    return sorted({pseudonym, *(name for maker in makers for one in found for name in _names(maker, one))})


def persons(records: Records, pseudonyms: Iterable[str]) -> set[bytes]:
    """The persons whose numbers are kept and who have one of these pseudonyms in any project."""
    wanted = set(pseudonyms)
    makers = records.catalogue.projects.all_pseudonyms().values() if wanted else ()
    kept = records.catalogue.patients.persons() if makers else ()
    return {one for one in kept if any(_names(maker, one) & wanted for maker in makers)}


def _found(records: Records, pseudonym: str, names: tuple[str, ...]) -> Reidentified:
    patients, makers = records.catalogue.patients, records.catalogue.projects.all_pseudonyms()
    found = sorted(persons(records, [pseudonym]))
    numbers = [number for one in found if (number := patients.number(one)) is not None]
    if not numbers:
        hint = "see `hmchain data show DATASET --wide`, which lists pseudonyms; of an erased patient nothing is kept"
        raise UnknownPseudonymError("no patient whose number is kept has this pseudonym", hint)
    used = [name for name, maker in makers.items() if any(pseudonym in _names(maker, one) for one in found)]
    return Reidentified(pseudonym, tuple(used), tuple(dict.fromkeys(numbers)), names)


def _names(maker: Pseudonyms, one: bytes) -> set[str]:
    """The pseudonyms that a project has had for a person: now, and before a merge."""
    return {maker.alone(one), maker.subject_of(one)}
