"""The auditor's pages of a finished run: what is in the ledger, on whose word, and what checks it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from hmchain.ledger.readers import proof_files

__all__ = ["run_directory"]
from support.finished_run import REFUSED_STUDY, STUDY, run_directory
from support.portal_client import Links, main_of, portal_of


@pytest.fixture(scope="module")
def portal(run_directory: Path) -> Iterator[TestClient]:
    with portal_of(run_directory) as found:
        yield found


def seen(portal: TestClient, path: str, status: int = 200) -> str:
    found = portal.get(path)
    assert found.status_code == status, main_of(found.text)
    return main_of(found.text)


def test_blocks_lead_back_to_the_first(portal: TestClient) -> None:
    pages, path = 0, "/auditor/blocks"
    while path:
        page, pages = portal.get(path), pages + 1
        assert page.status_code == 200
        path = next((link for link in Links(page.text).found if "?to=" in link and _is_older(page.text, link)), "")
    assert pages > 1
    assert "/auditor/blocks/1" in Links(page.text).found


def _is_older(page: str, link: str) -> bool:
    return f'href="{link}" rel="next"' in page


def test_a_block_and_its_transactions_are_told_with_who_vouches_for_them(portal: TestClient) -> None:
    page = portal.get("/auditor/blocks/2")
    assert "signed by 4 of 4 founders" in main_of(page.text)
    (transaction, *_) = sorted(link for link in Links(page.text).found if "/transactions/" in link)
    told = seen(portal, transaction)
    assert "done" in told and "signed by 4 of 4 founders" in told and "could be sent until" in told
    assert "is not in this log" in seen(portal, "/auditor/blocks/999999", status=404)


def test_a_proof_can_be_taken_along_and_holds(portal: TestClient, tmp_path: Path) -> None:
    page = portal.get("/auditor/blocks/2")
    (transaction, *_) = sorted(link for link in Links(page.text).found if "/transactions/" in link)
    file = tmp_path / "proof.json"
    file.write_bytes(portal.get(f"{transaction}/proof.json").content)
    told = portal.get(transaction).text
    genesis = bytes.fromhex(told.split("--genesis ")[1][:64])
    proven = proof_files.proven(proof_files.check(file, genesis, None))
    assert transaction.endswith(proven.transaction.digest.hex())


def test_decisions_are_told_with_their_reasons(portal: TestClient) -> None:
    told = seen(portal, "/auditor/decisions")
    assert STUDY in told and REFUSED_STUDY in told and "rejected" in told
    one = seen(portal, f"/auditor/decisions/{REFUSED_STUDY}")
    assert "ethics" in one and "at worst" in one and "Why each policy said so" in one
    assert "There is no such thing" in seen(portal, "/auditor/decisions/nothing", status=404)


def test_security_events_are_checked_and_chosen(portal: TestClient) -> None:
    assert "each following from the one before" in seen(portal, "/auditor/events")
    assert "There is no such event" in seen(portal, "/auditor/events?kind=identity.revealed")
    assert portal.get("/auditor/events?kind=nonsense").status_code == 404


def test_no_incident_is_told_as_none(portal: TestClient) -> None:
    assert "No member has opened an incident." in seen(portal, "/auditor/incidents")
    assert portal.get("/auditor/incidents/nothing").status_code == 404
