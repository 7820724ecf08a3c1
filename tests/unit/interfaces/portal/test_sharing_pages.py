"""Records that travel, on pages: given, taken in, erased with a receipt; and emergencies, from both sides."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from hmchain.application.governance import transfers
from hmchain.interfaces.portal.texts import speaking, theirs
from hmchain.ledger.contracts.data import break_glass
from hmchain.ledger.contracts.data.break_glass import ReviewGlass
from support.portal_bed import PortalBed
from support.sharing_bed import GIVER as EAST
from support.sharing_bed import GRANTEE as WEST
from support.ward_bed import DOCTOR, PATIENT, Ward

GIVER, GRANTEE = "east/steward", "west/steward"
TRANSFER = "/steward/transfers/relapse-east"
EMERGENCIES = "/steward/emergencies"


@dataclass(frozen=True)
class Hospitals:
    """East has records, and West asks for them; both have portals."""

    ward: Ward
    portal: PortalBed


@pytest.fixture
def hospitals(tmp_path: Path) -> Iterator[Hospitals]:
    ward = Ward.found(tmp_path)
    portal = PortalBed(ward.asking, tmp_path / "nodes")
    yield Hospitals(ward, portal)
    portal.close()


def test_what_waits_of_an_emergency_is_said_in_german(hospitals: Hospitals) -> None:
    ward = hospitals.ward
    ward.fill("image")
    ward.open()
    ward.need()
    waiting = [each.words for name in (EAST, WEST) for each in transfers.to_do(ward.bed.state, name)]
    with speaking("de"):
        said = [str(theirs(words)) for words in waiting]
    assert len(said) == 2 and all(each.startswith("NOTFALL night: west/doc hat ") for each in said), said


@pytest.mark.network
def test_records_are_given_taken_in_and_erased(hospitals: Hospitals) -> None:
    ward, portal = hospitals.ward, hospitals.portal
    ward.fill("image")
    ward.ask()
    assert "See what goes, and give it" in portal.page(GIVER, "/requests/relapse")
    asked = portal.page(GIVER, "/requests/relapse/give")
    assert "records of patients who opted out" in asked and "Give the records" in asked
    told = portal.carry_out(GIVER, "/requests/relapse/give", {"dataset": "head", "use": "DUO:0000006"})
    assert "See how it stands" in told

    assert "Take it in" in portal.page(GRANTEE, TRANSFER)
    portal.send(GRANTEE, f"{TRANSFER}/receive", {"into": "No Name"}, status=400)
    portal.carry_out(GRANTEE, f"{TRANSFER}/receive", {"into": "from-east"})
    assert ward.contents("west", "from-east") == ward.contents("east", "head")
    portal.act(GIVER, f"{TRANSFER}/revoke", {"reason": "consent"})
    assert "The receipt is owed by" in portal.page(GRANTEE, TRANSFER)
    portal.carry_out(GRANTEE, f"{TRANSFER}/erase")
    told = portal.page(GIVER, TRANSFER)
    assert "erased, by its receipt" in told and "Clear the store" in told
    portal.carry_out(GIVER, f"{TRANSFER}/erase")


@pytest.mark.network
def test_a_lost_vault_is_said_where_nothing_of_it_is_here(hospitals: Hospitals) -> None:
    ward, portal = hospitals.ward, hospitals.portal
    ward.fill("image")
    ward.ask()
    ward.give()
    ward.receive("relapse-east")
    assert "no key was destroyed" in portal.page(GRANTEE, TRANSFER)
    portal.carry_out(GRANTEE, f"{TRANSFER}/erase", {"lost": "yes"})
    told = portal.page(GRANTEE, TRANSFER)
    assert "erased, by its receipt" in told, "its records were here: that it was lost is not believed"


@pytest.mark.network
def test_a_clinician_asks_is_answered_and_judged(hospitals: Hospitals) -> None:
    ward, portal = hospitals.ward, hospitals.portal
    ward.fill("dicom")
    ward.asking.enrol(DOCTOR, "clinician")
    assert "No hospital's policy lets you ask" in portal.page(DOCTOR, f"{EMERGENCIES}/ask")
    ward.open()
    form = {"name": "night", "where": "east/head", "patient": PATIENT.number, "reason": "danger-to-life"}
    assert "one patient who cannot wait" in portal.page(DOCTOR, f"{EMERGENCIES}/ask")
    portal.send(DOCTOR, f"{EMERGENCIES}/ask", form, status=400)
    portal.send(GRANTEE, f"{EMERGENCIES}/ask", form | {"sure": "yes"}, status=403)
    seen = portal.act(DOCTOR, f"{EMERGENCIES}/ask", form | {"sure": "yes"})
    assert PATIENT.number not in seen
    assert "says when its agent has answered" in portal.page(DOCTOR, f"{EMERGENCIES}/night")

    entry = break_glass.require_emergency(ward.bed.state, "night")
    ward.answer(entry)
    assert "has answered" in portal.page(DOCTOR, f"{EMERGENCIES}/night")
    told = portal.carry_out(DOCTOR, f"{EMERGENCIES}/night/receive")
    assert "2 records" in told and "hmchain data export night" in told
    assert PATIENT.number not in told
    assert PATIENT.number not in str(list(portal.client("west").app.state.site.jobs.all()))
    assert "What you can do" not in portal.page("north/steward", f"{EMERGENCIES}/night")

    assert "It was not justified" in portal.page(GIVER, f"{EMERGENCIES}/night")
    portal.act(GIVER, f"{EMERGENCIES}/night/unjustified")
    assert "not justified" in portal.page(DOCTOR, f"{EMERGENCIES}/night")
    assert "The receipt is owed by" in portal.page(GRANTEE, "/steward/transfers/night")


@pytest.mark.network
def test_whose_clinicians_misused_it_is_let_in_again_by_both(hospitals: Hospitals) -> None:
    ward, portal = hospitals.ward, hospitals.portal
    ward.fill("image")
    ward.open()
    ward.asking.enrol("west/second", "clinician")
    for number, doctor in enumerate((DOCTOR, DOCTOR, "west/second", "west/second")):
        ward.need(name=f"night-{number}", who=doctor)
        ward.steward("east").send(ReviewGlass(f"night-{number}", "unjustified"))
    assert "We looked into it" in portal.page(GIVER, EMERGENCIES)
    assert "We looked into it" not in portal.page("north/steward", EMERGENCIES)
    portal.act(GIVER, f"{EMERGENCIES}/bars/west/lift")
    assert "east has said so" in portal.page(GRANTEE, EMERGENCIES)
    portal.act(GRANTEE, f"{EMERGENCIES}/bars/east/lift")
    assert "Barred" not in portal.page(GRANTEE, EMERGENCIES)
