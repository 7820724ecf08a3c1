"""All that a key did, for whoever lost it: in order, what was refused too, and of no other key."""

from __future__ import annotations

from pathlib import Path

import pytest

from hmchain.ledger.readers.ledger import open_ledger
from support.ledger_network import Network, signing_key
from support.request_bed import RequestBed


def _key(name: str) -> bytes:
    return signing_key(name, "steward").public.raw


@pytest.fixture
def network(tmp_path: Path) -> Network:
    network = Network.found(tmp_path / "ledger")
    network.block(network.send.dataset("a", "mri"), network.send.dataset("b", "mri"))
    network.block(network.send.dataset("a", "mri"))  # it is there already
    network.block(network.send.dataset("b", "ct"))
    network.block(network.send.dataset("a", "ct"))
    network.ledger.close()
    return network


def test_all_that_a_stolen_key_did_is_listed(network: Network) -> None:
    with open_ledger(network.directory) as ledger:
        found = ledger.deeds([_key("a")])
        assert [(each.height, each.kind, each.code) for each in found] == [
            (1, "register_dataset", "ok"), (2, "register_dataset", "dataset_exists"), (4, "register_dataset", "ok"),
        ]  # fmt: skip
        assert {each.key for each in found} == {_key("a")}
        assert [each.height for each in ledger.deeds([_key("a")], since=2)] == [2, 4]
        assert [each.height for each in ledger.deeds([_key("a"), _key("b")], since=3)] == [3, 4]
        assert ledger.deeds([_key("c")]) == []
        assert [ledger.transaction(each.digest.hex()).height for each in found] == [1, 2, 4]


def test_a_person_s_own_key_is_known_to_whoever_reads_blocks(tmp_path: Path) -> None:
    bed = RequestBed.found(tmp_path)
    bed.enrol("east/eve", "steward")
    bed.submit()
    bed.approve("east/eve")
    bed.close()
    with open_ledger(bed.bed.directory / "ledger") as ledger:
        found = ledger.deeds([bed.keys["east/eve"].public.raw])
        assert [each.kind for each in found] == ["accept_invitation", "approve_request"]
        shown = ledger.transaction(found[-1].digest.hex())
        assert (shown.organisation, shown.role) == ("east", "eve")
        assert ledger.trace(dataset="east/brain").registered.organisation == "east"
