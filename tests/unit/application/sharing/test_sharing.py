"""Records that travel: what is given is what comes, and it is bound as the grant says, to its end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hmchain.application.site.hospital import read_records
from hmchain.ledger.contracts.data.transfers import KEYS_DESTROYED, Status
from support.sharing_bed import GIVER, GRANTEE, SOURCES, SharingBed


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[SharingBed]:
    made = SharingBed.found(tmp_path)
    yield made
    made.asking.close()


@pytest.mark.parametrize("kind", SOURCES)
def test_records_of_every_kind_travel_and_are_erased(bed: SharingBed, kind: str) -> None:
    bed.fill(kind)
    bed.ask()
    given = bed.give()
    theirs = bed.contents(GIVER, "head")
    assert (given.records, given.withheld) == (len(theirs), 0)
    received = bed.receive(given.transfer, into="from-east")
    assert bed.contents(GRANTEE, "from-east") == theirs
    assert bed.transfer(given.transfer).status is Status.RECEIVED
    assert (received.version.records, received.withheld) == (len(theirs), 0)
    bed.revoke(given.transfer)
    erased = bed.erase(given.transfer)
    assert (erased.records, erased.receipt) == (len(theirs), KEYS_DESTROYED)
    assert bed.contents(GRANTEE, "from-east") == {} and bed.contents(GIVER, "head") == theirs
    with read_records(bed.folder(GRANTEE)) as records:
        assert not list(records.folder.store().list())
    assert bed.transfer(given.transfer).status is Status.ERASED
    assert bed.erase(given.transfer, GIVER).objects > 0
