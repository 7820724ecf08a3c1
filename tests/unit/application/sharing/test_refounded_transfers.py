"""Transfers over a founding again: what was given is received, taken back and erased on the chain that follows."""

from __future__ import annotations

import pytest

from hmchain.application.governance.requests import reading
from hmchain.application.hospital.node_hospital import NodeHospital
from hmchain.application.node.agent_log import AgentLog
from hmchain.application.sharing.on_duty import OnDuty
from hmchain.ledger.contracts.data.transfers import Status
from support.refounded_chain import refound_bed
from support.sharing_bed import GIVER, GRANTEE, REQUEST, SharingBed
from support.sharing_bed import sharing as sharing
from support.ward_bed import Ward
from support.ward_bed import ward as ward

LOST = ("north", "south")


def test_a_grant_does_not_outlive_a_founding_again(sharing: SharingBed) -> None:
    sharing.fill("table")
    sharing.ask()
    given = sharing.give()
    sharing.receive(given.transfer)
    theirs = sharing.contents(GIVER, "head")
    refound_bed(sharing.bed, LOST)
    assert sharing.transfer(given.transfer).status is Status.RECEIVED
    sharing.revoke(given.transfer)
    erased = sharing.erase(given.transfer)
    assert (erased.datasets, erased.records) == ((given.transfer,), len(theirs))
    assert sharing.transfer(given.transfer).status is Status.ERASED
    assert sharing.erase(given.transfer, GIVER).objects > 0


def test_an_agent_erases_what_came_before_a_founding_again(sharing: SharingBed) -> None:
    sharing.fill("table")
    sharing.ask()
    given = sharing.give()
    sharing.receive(given.transfer)
    refound_bed(sharing.bed, LOST)
    sharing.revoke(given.transfer)
    consortium = sharing.bed.consortium
    at_node = NodeHospital(consortium.hospitals[GRANTEE], consortium.ledger)
    OnDuty(at_node, AgentLog(sharing.asking.place / "agent.log", print))(sharing.bed.state)
    assert sharing.contents(GRANTEE, given.transfer) == {}


@pytest.mark.parametrize("asked", ["before", "after"])
def test_an_emergency_is_answered_after_a_founding_again(ward: Ward, asked: str) -> None:
    entry = ward.need() if asked == "before" else None
    refound_bed(ward.bed, LOST)
    ward.answer(entry or ward.need())
    found = ward.taken()
    assert found.received is not None and found.received.version.records == 2


def test_what_was_offered_before_is_received_and_read_after(sharing: SharingBed) -> None:
    sharing.fill("table")
    sharing.ask()
    given = sharing.give()
    refound_bed(sharing.bed, LOST)
    sharing.receive(given.transfer)
    theirs = sharing.contents(GIVER, "head")
    assert sorted(sharing.contents(GRANTEE, given.transfer).values()) == sorted(theirs.values())
    papers, seen = sharing.asking.papers(f"{GIVER}/steward"), sharing.asking.seen(REQUEST)
    assert reading.titled(papers, sharing.bed.consortium.ledger.chain_id, seen) == "Relapse after surgery"
