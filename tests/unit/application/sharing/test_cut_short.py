"""A transfer that is killed goes on where it was, at either side: nothing that lies there is sent or fetched again."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from hmchain.application.governance.delegate import LedgerUser
from hmchain.application.sharing.giving_book import GivingBook
from hmchain.application.sharing.sending import TransferNameError
from hmchain.application.sharing.warrant import NotPermittedError
from hmchain.clock import DAY_MS
from hmchain.ledger.contracts.data.transfers import KEYS_DESTROYED
from hmchain.records.catalogue import Catalogue
from hmchain.records.objects import ObjectStore
from hmchain.records.vault import Handing
from support.killing import Killed, kill_after
from support.sharing_bed import GIVER, GRANTEE, SharingBed
from support.sharing_bed import sharing as sharing


def writes(monkeypatch: pytest.MonkeyPatch) -> Counter[tuple[int, bytes]]:
    """How often each object is written into which store, from now on."""
    seen: Counter[tuple[int, bytes]] = Counter()
    put, put_many = ObjectStore.put, ObjectStore.put_many

    def one(self: ObjectStore, *given: Any, **more: Any) -> bytes:
        address = put(self, *given, **more)
        seen[place(self), address] += 1
        return address

    def many(self: ObjectStore, *given: Any, **more: Any) -> list[bytes]:
        addresses = put_many(self, *given, **more)
        seen.update((place(self), address) for address in addresses)
        return addresses

    monkeypatch.setattr(ObjectStore, "put", one)
    monkeypatch.setattr(ObjectStore, "put_many", many)
    return seen


def place(store: ObjectStore) -> int:
    return hash(str(getattr(store.backend, "path", store)))


GIVING = [
    (ObjectStore, "put_many", 1), (ObjectStore, "put_many", 2), (GivingBook, "begin", 1), (GivingBook, "send", 1),
    (GivingBook, "keep_page", 1), (GivingBook, "keep_page", 3), (ObjectStore, "put", 1),
    (GivingBook, "keep_envelope", 1), (LedgerUser, "send", 1), (GivingBook, "finish", 1),
]  # fmt: skip


@pytest.mark.parametrize(("owner", "name", "calls"), GIVING)
def test_a_killed_grant_goes_on(
    sharing: SharingBed, monkeypatch: pytest.MonkeyPatch, owner: type, name: str, calls: int
) -> None:
    sharing.fill("image")
    sharing.small_pages(monkeypatch)
    sharing.ask()
    seen = writes(monkeypatch)
    with monkeypatch.context() as cut:
        kill_after(cut, owner, name, calls)
        with pytest.raises(Killed):
            sharing.give()
    given = sharing.give() if name != "finish" else sharing.give(name="relapse-east")
    assert set(seen.values()) == {1}, "no object was written twice"
    received = sharing.receive(given.transfer, into="from-east")
    assert sharing.contents(GRANTEE, "from-east") == sharing.contents(GIVER, "head")
    assert received.version.records == given.records == 5


TAKING = [
    (ObjectStore, "put_many", 1), (Handing, "take", 1), (Catalogue, "add_items", 1), (Catalogue, "add_items", 3),
    (Catalogue, "add_dataset", 1), (Catalogue, "open_version", 1), (Catalogue, "close_version", 1),
    (LedgerUser, "send", 1),
]  # fmt: skip


@pytest.mark.parametrize(("owner", "name", "calls"), TAKING)
def test_a_killed_receipt_goes_on(
    sharing: SharingBed, monkeypatch: pytest.MonkeyPatch, owner: type, name: str, calls: int
) -> None:
    sharing.fill("image")
    sharing.small_pages(monkeypatch)
    sharing.ask()
    given, seen = sharing.give(), writes(monkeypatch)
    with monkeypatch.context() as cut:
        kill_after(cut, owner, name, calls)
        with pytest.raises(Killed):
            sharing.receive(given.transfer, into="from-east")
    sharing.receive(given.transfer, into="from-east")
    assert set(seen.values()) == {1}, "no object was written twice"
    assert sharing.contents(GRANTEE, "from-east") == sharing.contents(GIVER, "head")


@pytest.mark.parametrize(("owner", "name", "calls"), [(GivingBook, "keep_page", 3), (GivingBook, "keep_envelope", 1)])
def test_who_withdraws_while_a_grant_is_cut_short_is_not_in_it(
    sharing: SharingBed, monkeypatch: pytest.MonkeyPatch, owner: type, name: str, calls: int
) -> None:
    sharing.fill("image")
    sharing.small_pages(monkeypatch)
    sharing.ask()
    with monkeypatch.context() as cut:
        kill_after(cut, owner, name, calls)
        with pytest.raises(Killed):
            sharing.give()
    record = sharing.opt_out(GIVER)
    given = sharing.give()
    assert (given.records, given.withheld) == (4, 1)
    sharing.receive(given.transfer, into="from-east")
    assert sharing.contents(GRANTEE, "from-east").keys() == sharing.contents(GIVER, "head").keys() - {record}


def test_a_grant_that_lay_for_longer_than_its_days_begins_anew(
    sharing: SharingBed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ledger was not told of it, and would refuse days that are over; no record is sent again."""
    sharing.fill("image")
    sharing.ask()
    before, seen = set(sharing.objects.list()), writes(monkeypatch)
    with monkeypatch.context() as cut:
        kill_after(cut, GivingBook, "keep_envelope", 1)
        with pytest.raises(Killed):
            sharing.give()
    sharing.bed.now_ms += 91 * DAY_MS
    given = sharing.give()
    assert given.transfer == "relapse-east" and given.sent == 0 and set(seen.values()) == {1}
    sharing.receive(given.transfer, into="from-east")
    assert sharing.contents(GRANTEE, "from-east") == sharing.contents(GIVER, "head")
    sharing.revoke(given.transfer)
    sharing.erase(given.transfer, GIVER)
    assert set(sharing.objects.list()) == before, "what was sent the first time is cleared as well"


def test_another_giver_that_takes_its_name_leaves_no_grant_stuck(
    sharing: SharingBed, monkeypatch: pytest.MonkeyPatch
) -> None:
    for giver in (GIVER, "north"):
        sharing.fill("image", giver)
    sharing.ask()
    with monkeypatch.context() as cut:
        kill_after(cut, GivingBook, "keep_page", 1)
        with pytest.raises(Killed):
            sharing.give()
    sharing.ask(name="other", giver="north")
    sharing.give("other", "north", name="relapse-east")
    with pytest.raises(TransferNameError, match="names something else"):
        sharing.give()
    sharing.erase("relapse-east", GIVER)
    assert sharing.give().transfer == "relapse-east-2"
    assert sharing.receive("relapse-east").version.records == 5, "what the other gave is whole"


def test_the_key_stays_of_a_grant_whose_patient_withdraws_before_it_is_sent(
    sharing: SharingBed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ledger has it, and nobody opens it; given anew, the patient's record is not in it."""
    sharing.fill("image")
    sharing.ask()
    with monkeypatch.context() as cut:
        kill_after(cut, LedgerUser, "send", 1)
        with pytest.raises(Killed):
            sharing.give()
    sharing.opt_out(GIVER)
    with pytest.raises(NotPermittedError, match="may not be given any more"):
        sharing.give()
    (entry,) = sharing.transfers()
    assert not sharing.objects.exists(entry.envelope)
    sharing.revoke(entry.name)
    assert sharing.give(name="anew").records == 4


def test_what_the_store_lost_is_mended(sharing: SharingBed, monkeypatch: pytest.MonkeyPatch) -> None:
    sharing.fill("image")
    sharing.ask()
    given = sharing.give()
    lost, altered, *_ = sharing.files_of_records(GIVER)
    lost.unlink()
    altered.write_bytes(bytes(altered.stat().st_size))
    with pytest.raises(Exception, match="object"):
        sharing.receive(given.transfer)
    again = sharing.give(name=given.transfer)
    assert 0 < again.sent < given.bytes
    received = sharing.receive(given.transfer)
    assert sharing.contents(GRANTEE, received.version.dataset) == sharing.contents(GIVER, "head")


@pytest.mark.parametrize(
    ("by", "owner", "name"),
    [
        (GRANTEE, Handing, "erase"),
        (GRANTEE, LedgerUser, "send"),
        (GIVER, ObjectStore, "delete_many"),
    ],
)
def test_a_killed_erasure_goes_on(
    sharing: SharingBed, monkeypatch: pytest.MonkeyPatch, by: str, owner: type, name: str
) -> None:
    sharing.fill("image")
    sharing.ask()
    before = set(sharing.objects.list())
    given = sharing.give().transfer
    sharing.receive(given, into="from-east")
    sharing.revoke(given)
    with monkeypatch.context() as cut:
        kill_after(cut, owner, name, 1)
        with pytest.raises(Killed):
            sharing.erase(given, by)
    sharing.erase(given, by)
    if by == GIVER:
        assert set(sharing.objects.list()) == before
    else:
        assert not sharing.contents(GRANTEE, "from-east") and not list(sharing.folder(GRANTEE).store().list())
        assert sharing.transfer(given).statement == KEYS_DESTROYED
