"""Records given, received and erased over the API: long work that stops for a signature and goes on after it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.api_bed import ApiBed
from support.sharing_bed import SharingBed

GIVER, GRANTEE = "east/steward", "west/steward"


@pytest.fixture
def sharing(tmp_path: Path) -> Iterator[tuple[SharingBed, ApiBed]]:
    bed = SharingBed.found(tmp_path)
    api = ApiBed(bed.asking, tmp_path / "nodes")
    yield bed, api
    api.close()


def test_records_travel_and_are_erased(sharing: tuple[SharingBed, ApiBed]) -> None:
    bed, api = sharing
    bed.fill("image")
    bed.ask()
    given = api.work(GIVER, "/requests/relapse/grant", {})
    assert (given["records"], given["grantee"]) == (5, "west")
    (offered,) = api.get(GRANTEE, "/transfers")["items"]
    assert (offered["name"], offered["standing"]) == (given["transfer"], "offered")
    received = api.work(GRANTEE, f"/transfers/{offered['name']}/receipt", {"into": "from-east"})
    assert (received["version"]["records"], bed.datasets("west")) == (5, ["from-east"])
    assert bed.contents("west", "from-east") == bed.contents("east", "head")
    api.do(GIVER, f"/transfers/{offered['name']}/revocation", {"reason": "consent"})
    erased = api.work(GRANTEE, f"/transfers/{offered['name']}/erasure", {})
    assert erased["transfer"] == offered["name"]
    shown = api.get(GIVER, f"/transfers/{offered['name']}")
    assert (shown["standing"], shown["statement"]) == ("erased", "keys-destroyed")
