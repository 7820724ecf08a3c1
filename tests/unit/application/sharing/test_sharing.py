"""Records that travel: what is given is what comes, of every kind, and both hospitals' logs say so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fhir.resources.R4B.provenance import Provenance

from hmchain.application.data import export, upkeep
from hmchain.application.sharing.receiving import NotOfferedError, OtherDatasetError
from hmchain.application.sharing.sending import NothingToGiveError, TransferNameError
from hmchain.application.sharing.warrant import NotPermittedError
from hmchain.application.site.activity import What, read_lines
from hmchain.application.site.hospital import SharedPlaceError, read_records
from hmchain.ledger.contracts.data.transfers import KEYS_DESTROYED, Status
from support.sharing_bed import GIVER, GRANTEE, REQUEST, SOURCES, SharingBed
from support.sharing_bed import sharing as sharing


@pytest.mark.parametrize("kind", SOURCES)
def test_records_of_every_kind_travel_and_are_erased(sharing: SharingBed, kind: str) -> None:
    sharing.fill(kind)
    sharing.ask()
    given = sharing.give()
    theirs = sharing.contents(GIVER, "head")
    assert (given.records, given.withheld) == (len(theirs), 0)
    received = sharing.receive(given.transfer, into="from-east")
    assert sharing.contents(GRANTEE, "from-east") == theirs
    assert sharing.transfer(given.transfer).status is Status.RECEIVED
    assert (received.version.records, received.withheld) == (len(theirs), 0)
    sharing.revoke(given.transfer)
    erased = sharing.erase(given.transfer)
    assert (erased.records, erased.receipt) == (len(theirs), KEYS_DESTROYED)
    assert sharing.contents(GRANTEE, "from-east") == {} and sharing.contents(GIVER, "head") == theirs
    assert not list(sharing.folder(GRANTEE).store().list())
    assert sharing.transfer(given.transfer).status is Status.ERASED
    before = set(sharing.objects.list())
    assert sharing.erase(given.transfer, GIVER).objects == len(before - set(sharing.objects.list())) > len(theirs)


def test_what_is_said_of_records_comes_with_them(sharing: SharingBed) -> None:
    sharing.fill("dicom")
    sharing.ask()
    received = sharing.receive(sharing.give().transfer)
    with read_records(sharing.folder(GIVER)) as east, read_records(sharing.folder(GRANTEE)) as west:
        theirs = list(east.catalogue.records("head", 1))
        assert list(west.catalogue.records(received.version.dataset, 1)) == theirs and theirs[0].attributes
        assert west.catalogue.actions(received.version.dataset, 1) == east.catalogue.actions("head", 1)
        provenance = json.loads(west.folder.provenance(received.version.dataset, 1).read_text())
    found = Provenance.model_validate(provenance)
    assert [each.who.display for each in found.agent][::2] == [GRANTEE, GIVER]
    assert found.policy[-1].endswith(received.transfer) and found.entity[-1].what.display == "east/head version 1"
    given, taken = (list(read_lines(sharing.folder(name).activity)) for name in (GIVER, GRANTEE))
    assert [line.deed.what for line in given if line.ends is None][-1] is What.GRANT
    assert [line.deed.what for line in taken if line.ends is None][-1] is What.RECEIVE


def test_only_the_kinds_that_were_asked_for_are_given(sharing: SharingBed) -> None:
    sharing.fill("fhir")
    sharing.ask(plan='kinds = ["dicom"]')
    with pytest.raises(NothingToGiveError):
        sharing.give()


def test_a_second_transfer_sends_nothing_again_and_outlives_the_first(sharing: SharingBed) -> None:
    sharing.fill("image")
    sharing.ask()
    sharing.ask(name="other")
    first, second = sharing.give(), sharing.give("other")
    assert first.sent == first.bytes and second.sent == 0
    sharing.revoke(first.transfer)
    sharing.erase(first.transfer, GIVER)
    received = sharing.receive(second.transfer)
    assert sharing.contents(GRANTEE, received.version.dataset) == sharing.contents(GIVER, "head")


def test_no_hospital_keeps_its_records_where_members_exchange_objects(sharing: SharingBed) -> None:
    """A grantee that erased one record, in whatever way, would delete the giver's."""
    sharing.fill("image")
    sharing.ask()
    given = sharing.give()
    sharing.share_store(GRANTEE)
    with pytest.raises(SharedPlaceError, match="no place for records"):
        sharing.receive(given.transfer)
    sharing.share_store(GIVER)
    with pytest.raises(SharedPlaceError):
        sharing.contents(GIVER, "head")
    (sharing.folder(GIVER).path / "records.toml").unlink()
    with read_records(sharing.folder(GIVER)) as records, pytest.raises(SharedPlaceError, match="replica"):
        upkeep.mirror(records, str(sharing.bed.directory / "objects"))
    assert sharing.contents(GIVER, "head")


def test_nothing_is_written_in_clear_where_members_exchange_objects(sharing: SharingBed) -> None:
    """All of them read there, and so does whoever keeps the store."""
    sharing.fill("image")
    shared, link = sharing.bed.directory / "objects" / "out", sharing.asking.place / "link"
    link.symlink_to(shared.parent)
    with read_records(sharing.folder(GIVER)) as records:
        version = records.catalogue.version("head")
        for place in (shared, link / "out"):
            with pytest.raises(SharedPlaceError, match="every member could read"):
                export.export(records, version, place)
        assert not shared.exists()
        assert export.export(records, version, sharing.asking.place / "out").records == 5


def test_nothing_is_put_back_for_a_transfer_that_is_over(sharing: SharingBed) -> None:
    sharing.fill("image")
    sharing.ask()
    given = sharing.give()
    sharing.revoke(given.transfer)
    for path in sharing.files_of_records(GIVER):
        path.unlink()
    with pytest.raises(NotPermittedError, match="is over"):
        sharing.give(name=given.transfer)
    assert sharing.files_of_records(GIVER) == []


def test_what_cannot_be_named_or_is_not_there_is_said(sharing: SharingBed) -> None:
    sharing.fill("image")
    with pytest.raises(NotPermittedError, match="no request"):
        sharing.asked()
    sharing.ask()
    for name in ("Not A Name", "x" * 49):
        with pytest.raises(TransferNameError):
            sharing.give(name=name)
    with pytest.raises(NotOfferedError, match="no transfer"):
        sharing.receive("nothing")
    given = sharing.give(name="scans-of-east")
    assert given.transfer == "scans-of-east"
    sharing.fill("image", GRANTEE, "mine")
    with pytest.raises(OtherDatasetError):
        sharing.receive(given.transfer, into="mine")


def test_the_same_command_again_changes_nothing(sharing: SharingBed) -> None:
    sharing.fill("image")
    sharing.ask()
    given = sharing.give()
    first = sharing.receive(given.transfer)
    again = sharing.receive(given.transfer)
    assert (again.version, again.fetched) == (first.version, 0)
    sharing.revoke(given.transfer)
    sharing.erase(given.transfer)
    assert sharing.erase(given.transfer).receipt == ""
    with pytest.raises(NotOfferedError, match="over"):
        sharing.receive(given.transfer)


def test_a_grant_names_its_request(sharing: SharingBed, tmp_path: Path) -> None:
    sharing.fill("image")
    sharing.ask()
    entry = sharing.transfer(sharing.give().transfer)
    assert (entry.request, entry.grantee, entry.dataset) == (REQUEST, GRANTEE, "head")
