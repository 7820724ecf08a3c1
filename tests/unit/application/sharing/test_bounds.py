"""Attacks by a grantee: no grant is widened, forwarded or outlived, and what is made of its records is bound alike."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from hmchain.application.data import datasets, export, extraction, preparation, publication, received
from hmchain.application.data.preparation import OtherFormError
from hmchain.application.data.received import GrantOverError, OldViewError, OthersDataError
from hmchain.application.sharing.emergencies import Sought
from hmchain.application.sharing.erasing import NotInVaultError
from hmchain.application.sharing.warrant import NotPermittedError
from hmchain.application.site.hospital import HospitalFolder, Records, open_records
from hmchain.application.site.node import NodeFolder
from hmchain.clock import DAY_MS, now_ms
from hmchain.ledger.contracts.data.transfers import KEYS_DESTROYED, VAULT_LOST, Status
from hmchain.ledger.readers import transfers as reader
from hmchain.ledger.readers.transfers import Standing
from hmchain.records.sources.opening import open_source
from hmchain.records.sources.request import SourceRequest
from support.sharing_bed import GIVER, GRANTEE, SharingBed
from support.sharing_bed import sharing as sharing
from support.ward_bed import Ward
from support.ward_bed import ward as ward

TAKEN, MADE = "from-east", "made"


@pytest.fixture
def taken(sharing: SharingBed) -> SharingBed:
    """West took East's pictures in."""
    sharing.fill("labelled")
    sharing.ask()
    sharing.receive(sharing.give().transfer, into=TAKEN)
    return sharing


def prepared(records: Records) -> None:
    source = records.catalogue.version(TAKEN)
    preparation.prepare(records, source, MADE, size=16)


def register(records: Records, place: Path) -> None:
    publication.fix(records, TAKEN)


def register_what_was_made(records: Records, place: Path) -> None:
    prepared(records)
    publication.fix(records, MADE)


def fill(records: Records, place: Path) -> None:
    with open_source(SourceRequest(place=str(place / "east-head" / "source"), kind="image")) as opened:
        extraction.extract_into(records, TAKEN, opened)


def take_out(records: Records, place: Path) -> None:
    export.export(records, records.catalogue.version(TAKEN), place / "out")


def take_out_what_was_made(records: Records, place: Path) -> None:
    prepared(records)
    export.export(records, records.catalogue.version(MADE), place / "out")


def look_at(records: Records, place: Path) -> None:
    look(records)


@pytest.mark.parametrize("attack", [register, register_what_was_made, fill, take_out, take_out_what_was_made])
def test_nothing_of_it_leaves_or_is_mixed(taken: SharingBed, attack: Callable[[Records, Path], None]) -> None:
    with open_records(taken.folder(GRANTEE)) as records, pytest.raises(OthersDataError, match="of east"):
        attack(records, taken.asking.place)
    assert not (taken.asking.place / "out").exists()


def test_it_is_not_given_on(taken: SharingBed) -> None:
    """Not even where a request asks for it, and the steward says yes: no version of it is ever published."""
    with open_records(taken.folder(GRANTEE)) as records, pytest.raises(OthersDataError):
        received.require_own(records, TAKEN, received.Act.FORWARD)


def look(records: Records) -> None:
    datasets.describe(records, TAKEN, None, 1)


@pytest.mark.parametrize("use", [look, prepared])
@pytest.mark.parametrize("end", ["revoked", "permit", "time"])
def test_a_grant_is_not_outlived(
    taken: SharingBed, monkeypatch: pytest.MonkeyPatch, use: Callable[[Records], None], end: str
) -> None:
    with open_records(taken.folder(GRANTEE)) as records:
        use(records)
    if end == "revoked":
        taken.revoke("relapse-east")
    elif end == "permit":
        taken.end_permit()
    else:
        monkeypatch.setattr(received, "now_ms", lambda: now_ms() + 91 * DAY_MS)
    with open_records(taken.folder(GRANTEE)) as records, pytest.raises(GrantOverError, match="relapse-east"):
        use(records)


def test_nothing_of_it_is_found_once_its_grant_is_over(taken: SharingBed) -> None:
    with open_records(taken.folder(GRANTEE)) as records:
        prepared(records)
        assert {hit.dataset for hit in datasets.search(records, "ill")} == {TAKEN, MADE}
    taken.revoke("relapse-east")
    with open_records(taken.folder(GRANTEE)) as records:
        assert datasets.search(records, "ill") == ()


def test_nothing_is_made_of_it_and_of_one_s_own_together(taken: SharingBed) -> None:
    """What is made of one's own is erased with no grant, however its project is called."""
    taken.fill("labelled", GRANTEE, "own", project="from-relapse-east")
    with open_records(taken.folder(GRANTEE)) as records:
        preparation.prepare(records, records.catalogue.version("own"), MADE, size=16)
        with pytest.raises(OtherFormError):
            prepared(records)
    taken.revoke("relapse-east")
    assert taken.erase("relapse-east").datasets == (TAKEN,)


def test_what_was_made_of_it_is_erased_with_it(taken: SharingBed) -> None:
    with open_records(taken.folder(GRANTEE)) as records:
        prepared(records)
    taken.revoke("relapse-east")
    erased = taken.erase("relapse-east")
    assert erased.datasets == (TAKEN, MADE)
    assert taken.contents(GRANTEE, MADE) == {} == taken.contents(GRANTEE, TAKEN)
    assert taken.transfer("relapse-east").status is Status.ERASED


@pytest.mark.parametrize("attack", [register, register_what_was_made, take_out, look_at])
@pytest.mark.parametrize("edit", [
    "DELETE FROM received",
    "UPDATE received SET body = json_set(body, '$.purpose', 'DUO:0000043', '$.transfer', 'other')",
    "UPDATE received SET body = json_set(body, '$.purpose', 'DUO:0000043')",
    "UPDATE received SET body = json_set(body, '$.emergency', json('true'))",
])  # fmt: skip
def test_who_rewrites_what_the_catalogue_says_of_a_grant_gains_nothing(
    taken: SharingBed, edit: str, attack: Callable[[Records, Path], None]
) -> None:
    """The project says that it came, and by what; the ledger says for what."""
    with closing(sqlite3.connect(taken.folder(GRANTEE).catalogue)) as database, database:
        assert database.execute(edit).rowcount == 1
    with open_records(taken.folder(GRANTEE)) as records, pytest.raises((OthersDataError, GrantOverError)):
        attack(records, taken.asking.place)
    assert not (taken.asking.place / "out").exists()


def put_back(sharing: SharingBed, former: Path) -> None:
    """An old copy of the grantee's folder takes its place."""
    place = sharing.folder(GRANTEE).path
    shutil.rmtree(place)
    shutil.copytree(former, place)


def test_an_older_copy_of_its_folder_gives_no_grantee_a_receipt(sharing: SharingBed) -> None:
    """Keys that are not here were not destroyed here; a vault that is lost is said to be lost."""
    sharing.fill("image")
    sharing.ask()
    with open_records(sharing.folder(GRANTEE)):
        former = Path(shutil.copytree(sharing.folder(GRANTEE).path, sharing.asking.place / "former"))
    sharing.receive(sharing.give().transfer)
    put_back(sharing, former)
    sharing.revoke("relapse-east")
    with pytest.raises(NotInVaultError, match="older copy"):
        sharing.erase("relapse-east")
    assert sharing.transfer("relapse-east").status is Status.REVOKED
    assert sharing.erase("relapse-east", is_lost=True).receipt == VAULT_LOST
    assert reader.transfer(sharing.bed.state, "relapse-east").standing is Standing.LOST


def test_nor_does_a_copy_from_the_middle_of_receiving(sharing: SharingBed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some of its keys are here, and were not destroyed there."""
    sharing.fill("image")
    sharing.small_pages(monkeypatch)
    sharing.ask()
    given, place = sharing.give(), sharing.folder(GRANTEE).path

    def copies(done: int, of: int | None) -> None:
        if not (sharing.asking.place / "former").exists():
            shutil.copytree(place, sharing.asking.place / "former")

    sharing.receive(given.transfer, progress=copies)
    put_back(sharing, sharing.asking.place / "former")
    with pytest.raises(NotInVaultError, match="not all of it"):
        sharing.erase(given.transfer)
    assert sharing.contents(GRANTEE, given.transfer), "nothing was destroyed yet"
    assert sharing.erase(given.transfer, is_lost=True).receipt == VAULT_LOST
    assert not sharing.contents(GRANTEE, given.transfer)


@pytest.mark.parametrize("number", ["MRN-1", "MRN-77"])
def test_nor_of_what_an_emergency_brought(ward: Ward, number: str) -> None:
    """Nothing for a patient who is not known is received too: its receipt looks the same."""
    with open_records(ward.folder(GRANTEE)):
        former = Path(shutil.copytree(ward.folder(GRANTEE).path, ward.asking.place / "former"))
    ward.answer(ward.need(Sought(number, "")))
    ward.taken()
    received = Path(shutil.copytree(ward.folder(GRANTEE).path, ward.asking.place / "received"))
    put_back(ward, former)
    with pytest.raises(NotInVaultError):
        ward.erase("night")
    put_back(ward, received)
    assert ward.erase("night", is_lost=True).receipt == KEYS_DESTROYED, "since it is here"


def test_a_grantee_without_a_ledger_beside_its_records_uses_nothing(taken: SharingBed) -> None:
    place = taken.folder(GRANTEE)
    moved = type(place)(place.organisation, taken.asking.place / "moved")
    place.path.rename(moved.path)
    with open_records(moved) as records, pytest.raises(GrantOverError, match="no ledger"):
        look(records)


def test_a_node_that_stands_still_lets_nothing_be_used(taken: SharingBed, monkeypatch: pytest.MonkeyPatch) -> None:
    """A grant may have been taken back that it has not heard of."""
    place, node = taken.folder(GRANTEE), NodeFolder(taken.asking.place / "node")
    shutil.copytree(taken.bed.directory / "ledger", node.ledger)
    shutil.copytree(place.keys, node.keys)
    with open_records(HospitalFolder(GRANTEE, place.path, node)) as records:
        look(records)
        assert datasets.search(records, "ill")
        monkeypatch.setattr(received, "now_ms", lambda: now_ms() + received.VIEW_MS_MAX + 60_000)
        with pytest.raises(OldViewError, match="nobody here knows whether relapse-east is in force"):
            look(records)
        assert not datasets.search(records, "ill")
        taken.revoke("relapse-east")
        shutil.rmtree(node.ledger)
        shutil.copytree(taken.bed.directory / "ledger", node.ledger)
        with pytest.raises(GrantOverError):
            look(records)


def test_another_network_s_ledger_lets_nothing_be_used(taken: SharingBed, tmp_path: Path) -> None:
    """Not even one that has a transfer of that name in force, for this hospital."""
    other = SharingBed.found(tmp_path / "other")
    try:
        other.fill("image")
        other.ask()
        other.give()
        taken.revoke("relapse-east")
        place = other.folder(GRANTEE)
        shutil.rmtree(place.path)
        shutil.copytree(taken.folder(GRANTEE).path, place.path)
        with open_records(place) as records, pytest.raises(GrantOverError, match="another network's"):
            look(records)
    finally:
        other.asking.close()


@pytest.mark.parametrize("pages", [0, 1])
def test_no_key_leaves_once_the_permit_is_over(
    sharing: SharingBed, monkeypatch: pytest.MonkeyPatch, pages: int
) -> None:
    """It ends in the middle of a grant; what lies in the store by then opens for nobody, and no page follows."""
    sharing.fill("image")
    sharing.small_pages(monkeypatch)
    sharing.ask()
    wanted, done = sharing.asked(), 0

    def ends(count: int, of: int | None) -> None:
        nonlocal done
        done += 1
        if done == pages:
            sharing.end_permit()

    if not pages:
        sharing.end_permit()
    with pytest.raises(NotPermittedError):
        sharing.give(wanted=wanted, progress=ends)
    assert len(sharing.pages_sent(GIVER)) == pages
    assert not sharing.transfers()
