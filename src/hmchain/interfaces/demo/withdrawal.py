"""A patient who agreed, and wants no more while the study runs: the register of consents is the hospital's own.

Who the patient is, and the pictures' being of one patient, is made up; what follows from it is not.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import msgspec

from hmchain.application.consent.study_cohorts import rounds_used
from hmchain.application.data import consents
from hmchain.application.hospital.consortium import Consortium
from hmchain.application.site.hospital import Records, locate, open_records, read_records
from hmchain.clock import utc
from hmchain.interfaces.demo.preparation import DATASET, PATIENT, Prepared
from hmchain.interfaces.report.parts import Withdrawal
from hmchain.ledger.contracts.learning import studies
from hmchain.ledger.contracts.learning.studies import Status
from hmchain.records.deidentification.patients import Patient

_PATIENT = Patient(PATIENT)


class WithdrawnConsent:
    """Has one patient agree before the study, and withdraw when a round opens, before anybody acts in it."""

    def __init__(self, prepared: Prepared, consortium: Consortium, passphrase: str | None) -> None:
        self._prepared, self._consortium, self._passphrase = prepared, consortium, passphrase
        self._folder = prepared.folder.hospitals / prepared.whose
        self._round = max(1, prepared.settings.rounds // 2)
        self._done = False

    def agree(self) -> None:
        """Put the patient's consent into the register, as the hospital's system would give it."""
        with open_records(locate(self._folder), self._passphrase) as records, tempfile.TemporaryDirectory() as place:
            file = Path(place) / "consent.json"
            file.write_bytes(msgspec.json.encode(_consent(utc(self._consortium.ledger.now_ms())[:10])))
            consents.add(records, [file])

    def before_step(self) -> Withdrawal | None:
        """Withdraw if it is time; tells of it once."""
        found = studies.study(self._consortium.ledger.state, self._prepared.study)
        running = found is not None and found.status == Status.RUNNING and found.progress.round >= self._round
        if self._done or not running:
            return None
        with open_records(locate(self._folder), self._passphrase) as records:
            consents.withdraw(records, _PATIENT)
        self._done = True
        return self.told()

    def told(self) -> Withdrawal | None:
        """What the hospital wrote down of it: the rounds that used the patient's images; None before any did."""
        place = locate(self._folder)
        with read_records(place, self._passphrase) as records:
            subjects = _pseudonyms(records)
            persons = [records.catalogue.opt_outs.of_subject(each).digest for each in subjects]
            images = sum(subject in subjects for subject in records.vault.owners(DATASET, 1).values())
        used = [each for each in rounds_used(place, persons) if each.study == self._prepared.study]
        if not used:
            return None
        return Withdrawal(
            hospital=self._prepared.whose,
            images=images,
            last_round=max(each.last for each in used),
            rounds=self._prepared.settings.rounds,
        )


def _pseudonyms(records: Records) -> frozenset[str]:
    """The patient's: of pictures that are in everybody's hands no number is kept."""
    found, projects = records.catalogue.patients.persons_of(_PATIENT), records.catalogue.projects
    return frozenset(made.alone(each) for made in projects.all_pseudonyms().values() for each in found)


def _consent(day: str) -> dict[str, object]:
    """A FHIR R4 Consent to research."""
    return {
        "resourceType": "Consent",
        "id": "research",
        "status": "active",
        "scope": _coded("http://terminology.hl7.org/CodeSystem/consentscope", "research"),
        "category": [_coded("http://terminology.hl7.org/CodeSystem/v3-ActCode", "RESEARCH")],
        "patient": {"reference": f"Patient/{PATIENT}"},
        "dateTime": day,
        "policyRule": _coded("http://terminology.hl7.org/CodeSystem/v3-ActCode", "OPTIN"),
        "provision": {"type": "permit"},
    }


def _coded(system: str, code: str) -> dict[str, object]:
    return {"coding": [{"system": system, "code": code}]}
