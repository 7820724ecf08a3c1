"""What hospitals exchange before there is a network."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from hmchain.application.site import exchanged, network
from hmchain.application.site.exchanged import Answered
from hmchain.application.site.network import BadAddressError, Introduction, NetworkFileError
from hmchain.ledger.contracts.members.admission import Possession
from hmchain.ledger.genesis import GenesisError
from support.ledger_network import SALT, member


def introduction(name: str) -> Introduction:
    return Introduction(member(name), name * 40, f"{name}.example.org:26656")


def founders(names: str = "abcd") -> list[Introduction]:
    return [introduction(name) for name in names]


def test_the_order_of_the_files_does_not_matter() -> None:
    assert network.found(founders(), "net", 5, salt=SALT) == network.found(founders()[::-1], "net", 5, salt=SALT)


def test_the_digest_binds_members_and_not_addresses() -> None:
    made = network.found(founders(), "net", 5, salt=SALT)
    elsewhere = replace(introduction("a"), address="new.example.org:1")
    moved = network.found([*founders("bcd"), elsewhere], "net", 5, salt=SALT)
    assert moved.genesis.digest == made.genesis.digest
    other = replace(introduction("a"), member=replace(member("a"), agent=bytes(32)))
    assert network.found([other, *founders("bcd")], "net", 5, salt=SALT).genesis.digest != made.genesis.digest


def test_a_fingerprint_shows_any_change_of_name_title_or_key_and_no_address() -> None:
    own = introduction("a")
    changed = [{"title": "Another"}, {"steward": bytes(32)}, {"validator": bytes(32)}, {"organisation": "b"}]
    prints = {replace(own.member, **change).fingerprint for change in changed} | {own.fingerprint}
    assert len(prints) == 5 and all(len(text.split()) == 8 for text in prints)
    assert replace(own, address="b.example.org:1").fingerprint == own.fingerprint


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"member": member("b")}, "the name b"),
        ({"node_id": "b" * 40}, "the node key"),
        ({"address": "b.example.org:26656"}, "the address b.example.org"),
    ],
)
def test_two_members_cannot_share_a_name_a_node_or_an_address(change: dict[str, object], what: str) -> None:
    with pytest.raises(NetworkFileError, match=what):
        network.found([introduction("b"), replace(introduction("a"), **change)], "net", 5)


def test_members_with_one_key_found_nothing() -> None:
    twin = replace(introduction("a"), member=replace(member("a"), agent=member("b").agent))
    with pytest.raises(GenesisError, match="key_taken"):
        network.found([twin, introduction("b")], "net", 5)
    with pytest.raises(GenesisError, match="not in order"):
        network.found([], "net", 5)
    with pytest.raises(GenesisError, match="bad_name"):
        network.found(founders(), "Not A Name", 5)


def test_files_come_back_as_they_were_and_hold_no_secret(tmp_path: Path) -> None:
    own, made = introduction("a"), network.found(founders(), "net", 5)
    network.save(own, tmp_path / "member.json")
    network.save(made, tmp_path / "network.json")
    assert network.load_introduction(tmp_path / "member.json") == own
    assert network.load(tmp_path / "network.json") == made


def test_a_member_file_can_be_read_by_people_and_one_of_an_earlier_version_by_us(tmp_path: Path) -> None:
    own, path = introduction("a"), tmp_path / "member.json"
    network.save(own, path)
    shown = json.loads(path.read_text())
    assert (shown["member"]["organisation"], shown["address"]) == ("a", "a.example.org:26656")
    path.write_bytes(msgspec.json.encode(own))
    assert path.read_bytes().startswith(b"[") and network.load_introduction(path) == own


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b"[1, 2]", b"[", b"[" * 5000], ids=len)
def test_what_is_no_file_of_ours_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(content)
    with pytest.raises(NetworkFileError, match="is no member file"):
        network.load_introduction(path)
    with pytest.raises(NetworkFileError, match="is no network file"):
        network.load(path)
    with pytest.raises(NetworkFileError, match="cannot be read"):
        network.load(tmp_path / "nowhere")


def test_a_file_that_names_strange_nodes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    network.save(replace(introduction("a"), node_id="../../etc"), path)
    with pytest.raises(NetworkFileError, match="names no node"):
        network.load_introduction(path)
    made = network.found(founders(), "net", 5)
    network.save(replace(made, peers=made.peers[1:]), path)
    with pytest.raises(NetworkFileError, match="other nodes than members"):
        network.load(path)


@pytest.mark.parametrize("name", ["../keys/steward.key", "/srv/steward.key", "..", "", "a\0b", "x" * 300])
def test_a_candidate_is_not_named_by_a_path_to_one_s_own_files(tmp_path: Path, name: str) -> None:
    """A challenge is kept under its candidate's name: a name that is a path would be written over what lies there."""
    path, named = tmp_path / "file.json", replace(member("a"), organisation=name)
    network.save(replace(introduction("a"), member=named), path)
    with pytest.raises(NetworkFileError, match="names no hospital"):
        network.load_introduction(path)
    answered = Answered("test", replace(introduction("a"), member=named), b"", Possession(*[bytes(64)] * 4, bytes(32)))
    exchanged.save(answered, path)
    with pytest.raises(NetworkFileError, match="names no hospital"):
        exchanged.load_answer(path)


@pytest.mark.parametrize("text", ["", "host", "host:", "host:0", "host:65536", "a b:1", "host:1,evil:2", "[::1]", ":1"])
def test_an_address_is_a_host_and_a_port(text: str) -> None:
    with pytest.raises(BadAddressError):
        network.check_address(text)
    assert network.check_address("[::1]:26656") and network.check_address("10.0.0.1:1")
