"""A clinician of West in an emergency, and what East's agent answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hmchain.application.data.received import Act, require_allowed
from hmchain.application.governance.delegate import LedgerUser
from hmchain.application.sharing import emergencies
from hmchain.application.sharing.emergencies import Answered, Sought
from hmchain.application.site.hospital import read_records
from hmchain.ledger.contracts.data.break_glass import Emergency
from hmchain.ledger.contracts.data.policies import SetPolicy
from support.policy_bed import compiled
from support.request_bench import terms
from support.sharing_bed import GIVER, GRANTEE, SharingBed

DOCTOR = f"{GRANTEE}/doc"
OPENS = f'permit(principal in Organisation::"{GRANTEE}", action == Action::"breakglass", resource);'
PATIENT = Sought("MRN-1", "")


class Ward(SharingBed):
    """West's clinician, and what East answers."""

    def open(self) -> None:
        if DOCTOR not in self.asking.keys:
            self.asking.enrol(DOCTOR, "clinician")
        self.allow(OPENS)

    def allow(self, rule: str) -> None:
        self.steward(GIVER).send(SetPolicy("head", terms(cedar=compiled(break_glass=rule))))

    def need(
        self, sought: Sought = PATIENT, name: str = "night", where: str = f"{GIVER}/head", who: str = DOCTOR
    ) -> Emergency:
        place, user = self.folder(GRANTEE), self.asking.user(who)
        return emergencies.ask(place, user, self.objects, where, sought, "danger-to-life", name)

    def agent(self, name: str) -> LedgerUser:
        consortium = self.bed.consortium
        return LedgerUser(name, consortium.hospitals[name].keys.agent, consortium.ledger)

    def answer(self, entry: Emergency, by: str = GIVER) -> None:
        keys = self.bed.consortium.hospitals[by].keys
        emergencies.answer(self.folder(by), self.agent(by), self.objects, entry, keys.opening)

    def taken(self, name: str = "night") -> Answered:
        return emergencies.receive(self.folder(GRANTEE), self.asking.user(DOCTOR), self.objects, name)

    def require(self, act: Act, dataset: str = "night") -> None:
        with read_records(self.folder(GRANTEE)) as records:
            require_allowed(records, dataset, act)


@pytest.fixture
def ward(tmp_path: Path) -> Iterator[Ward]:
    """East has six DICOM objects, and lets West's clinician break the glass."""
    made = Ward.found(tmp_path)
    made.fill("dicom")
    made.open()
    yield made
    made.asking.close()
