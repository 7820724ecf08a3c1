"""Transfers over a founding again: what was given is received, taken back and erased on the chain that follows."""

from __future__ import annotations

from hmchain.application.governance.requests import reading
from hmchain.ledger.contracts.data.transfers import Status
from support.refounded_chain import refound_bed
from support.sharing_bed import GIVER, GRANTEE, REQUEST, SharingBed
from support.sharing_bed import sharing as sharing

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
