"""Four real nodes, two of which are lost for good: the other two found the network again and go on."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from hmchain.ledger.contracts.members import membership
from hmchain.ledger.state import State
from support.sites import Consortium, answer, hmchain, register, until
from support.sites import consortium as consortium

pytestmark = pytest.mark.network

LEFT, LOST = ("east", "north"), ("south", "west")


def folder(consortium: Consortium, name: str) -> str:
    return str(consortium.sites[name].folder.path)


def height(consortium: Consortium, name: str) -> int:
    return consortium.sites[name].status().state_height


def test_two_of_four_found_it_again(consortium: Consortium, tmp_path: Path) -> None:
    for name in ("east", "north", "south", "west"):
        register(consortium.sites[name], f"of-{name}")
    until(consortium.agree, "one state on four nodes")
    former = consortium.sites["east"].folder.joined().genesis
    for name in LOST:
        consortium.sites[name].kill()
        shutil.rmtree(folder(consortium, name))
    until(lambda: height(consortium, "east") == height(consortium, "north"), "one height on both that are left")
    ended = height(consortium, "east")

    file = tmp_path / "refound.json"
    propose = ("network", "refound", "propose", "--dir", folder(consortium, "east"), "--output", str(file))
    assert "chain goes on as it is" in hmchain(*propose, "--without", "west", status=6)
    made = answer(*propose, "--without", "west", "--without", "south")
    assert (made["height"], made["left_out"], made["unsigned"]) == (ended, ["south", "west"], ["north"])
    join = ("network", "refound", "join", str(file), "--dir")
    assert "has not signed" in hmchain(*join, folder(consortium, "east"), status=6)
    signed = answer("network", "refound", "sign", str(file), "--dir", folder(consortium, "north"), "--yes")
    assert signed["unsigned"] == [] and signed["genesis"] == made["genesis"]
    assert "in use by" in hmchain(*join, folder(consortium, "east"), status=2)
    for name in LEFT:
        consortium.sites[name].stop()
        done = answer(*join, folder(consortium, name))
        assert done["genesis"] == made["genesis"]
        assert answer(*join, folder(consortium, name)) == done, "and once more"
    for name in LEFT:
        consortium.sites[name].start()
    for name in LOST:
        del consortium.sites[name]
    until(lambda: all(site.status().running for site in consortium.sites.values()), "two running nodes")
    until(lambda: all(site.status().peers for site in consortium.sites.values()), "connections")
    register(consortium.sites["north"], "of-the-new-chain")
    until(consortium.agree, "one state on both")
    with_state = State.open_read_only(consortium.sites["east"].folder.state)
    assert [member.organisation for member in membership.active_members(with_state)] == list(LEFT)
    assert with_state.height >= ended + 2
    with_state.close()
    audited = answer("node", "audit", "--dir", folder(consortium, "east"), "--genesis", made["genesis"])
    assert audited["anchored"] and audited["blocks"] >= 1 and former.chain_id != audited["chain_id"]
