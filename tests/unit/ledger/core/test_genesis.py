"""What a chain starts from: its name, its digest, and what belongs to another chain or to other rules."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from msgspec.structs import replace

from hmchain.application.node import joining
from hmchain.application.site import network as network_file
from hmchain.application.site.network import Introduction
from hmchain.application.site.node import NodeFolder
from hmchain.application.site.settings import NodeSettings
from hmchain.errors import HMChainError
from hmchain.ledger import genesis as genesis_file
from hmchain.ledger.blocks import DoubleSign, SignedVote
from hmchain.ledger.contracts.members import parameters, standings
from hmchain.ledger.engines.embedded import EmbeddedLedger, RefusedError
from hmchain.ledger.genesis import Genesis, GenesisError
from hmchain.ledger.protocols import FOUNDING, ProtocolError
from hmchain.ledger.readers import audit as auditing
from hmchain.ledger.readers import replay
from hmchain.ledger.readers.ledger import open_ledger
from hmchain.ledger.state import State
from support.ledger_network import CHAIN, NAME, SALT, START_MS, Network, genesis, member, validator_keys

COMETBFT_ID_MAX = 50


def contents(directory: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file()}


def of_protocol_1(founding: Genesis) -> list[object]:
    """The JSON of a genesis as protocol 1 wrote it: chain id, time, members, parameters, protocol."""
    _, name, time_ms, members, rules, *_ = json.loads(genesis_file.to_json(founding))
    return [name, time_ms, members, rules, 1]


# -- the chain's name --------------------------------------------------------------------------------------------------


def test_s11_the_chain_id_is_derived_from_the_whole_genesis() -> None:
    assert re.fullmatch(r"test-[a-z2-7]{16}", CHAIN)
    others = [
        replace(genesis(), time_ms=START_MS + 1),
        replace(genesis(), origin=bytes(32)),
        genesis("abc"),
        replace(genesis(), protocol=2),
    ]
    assert len({CHAIN, *(other.chain_id for other in others)}) == 5
    longest = replace(genesis(), name="n" * genesis_file.NAME_CHARACTERS_MAX)
    assert len(longest.chain_id) <= COMETBFT_ID_MAX


def test_s11_what_was_signed_for_a_pilot_does_nothing_on_the_ledger_after_it(tmp_path: Path) -> None:
    """Founded again under one name with the same keys: neither transactions nor votes of the first ledger count."""
    pilot = Network.found(tmp_path / "pilot")
    wire = pilot.send.dataset("a", "pilot-data")
    pilot.block(wire)
    again = replace(genesis(), time_ms=START_MS + 60_000)
    clock = pilot.send.clock
    clock.ms = again.time_ms
    ledger = EmbeddedLedger.create(tmp_path / "production", again, validator_keys(), clock_ms=clock)
    with pytest.raises(RefusedError, match="wrong_chain"):
        ledger.submit(wire)

    clock.ms += 1000
    pilot.send.chain = ledger.chain_id
    ledger.submit(pilot.send.dataset("a", "its-own"))
    ledger.produce_block()
    votes = []
    for store in (pilot.ledger.store, ledger.store):
        stored = store.get(1)
        assert stored is not None
        commit = stored.commit
        position = [vote.validator for vote in commit.votes].index("b")
        votes.append(SignedVote(commit.height, commit.round, commit.block_hash, commit.signatures[position]))
    clock.ms += 1000
    ledger.evidence.append(DoubleSign("b", votes[0], votes[1]))
    decided = ledger.produce_block()
    assert decided is not None and not decided[1].events
    assert not standings.standing(ledger.state, "b").tombstoned
    pilot.ledger.close()
    ledger.close()


def test_contracts_and_agents_read_the_salt_from_a_record() -> None:
    state = State()
    genesis_file.initialise(state, genesis())
    assert parameters.founding(state).salt == SALT


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"name": "n" * 29}, "29 characters"),
        ({"name": "Not A Name"}, "bad_name"),
        ({"origin": bytes(31)}, "31 bytes"),
        ({"origin": b""}, "0 bytes"),
    ],
)
def test_a_name_or_salt_that_fits_no_chain_founds_none(changes: dict[str, object], what: str) -> None:
    with pytest.raises(GenesisError, match=what):
        genesis_file.initialise(State(), replace(genesis(), **changes))


def test_the_file_gives_the_same_genesis_again(tmp_path: Path) -> None:
    genesis_file.save(genesis(), tmp_path / "genesis.json")
    assert genesis_file.load(tmp_path / "genesis.json") == genesis()


# -- other rules -------------------------------------------------------------------------------------------------------


def test_a_ledger_of_protocol_1_is_refused_and_stays_as_it_is(tmp_path: Path) -> None:
    network = Network.found(tmp_path / "ledger")
    network.fill(2)
    network.ledger.close()
    (tmp_path / "ledger" / "genesis.json").write_text(json.dumps(of_protocol_1(genesis())))
    before = contents(tmp_path)

    def read() -> None:
        with open_ledger(tmp_path / "ledger"):
            pass

    attempts = [
        lambda: EmbeddedLedger(tmp_path / "ledger", validator_keys()),
        lambda: replay.verify(tmp_path / "ledger"),
        lambda: auditing.verify(tmp_path / "ledger"),
        read,
    ]
    for attempt in attempts:
        with pytest.raises(HMChainError, match=f"{NAME} follows protocol 1, and this program knows 2, 3, 4") as refused:
            attempt()
        assert "nothing was changed" in refused.value.hint
    assert contents(tmp_path) == before


def test_a_node_s_folder_of_protocol_1_is_refused_and_stays_as_it_is(tmp_path: Path) -> None:
    folder = NodeFolder(tmp_path / "node")
    own = joining.init(folder, NodeSettings(organisation="north", title="North", address="north:1"))
    made = network_file.found([own, Introduction(member("a"), "a" * 40, "a:1")], NAME, START_MS)
    joining.adopt(folder, made)
    founding, peers = json.loads(folder.network.read_bytes())
    assert founding[0] == FOUNDING
    folder.network.write_text(json.dumps([of_protocol_1(made.genesis), peers]))
    before = contents(tmp_path)
    with pytest.raises(ProtocolError, match="follows protocol 1"):
        folder.joined()
    with pytest.raises(ProtocolError, match="follows protocol 1"):
        network_file.load(folder.network)
    assert contents(tmp_path) == before


def test_a_genesis_of_later_rules_is_named_although_its_fields_are_others(tmp_path: Path) -> None:
    path = tmp_path / "genesis.json"
    path.write_text(json.dumps([7, "later", {"whatever": "it holds"}]))
    with pytest.raises(ProtocolError, match="later follows protocol 7, and this program knows 2, 3, 4"):
        genesis_file.load(path)


def test_what_is_too_large_for_a_genesis_is_told_as_that_and_not_as_a_matter_of_rights(tmp_path: Path) -> None:
    path = tmp_path / "genesis.json"
    path.touch()
    os.truncate(path, 1 << 30)
    with pytest.raises(GenesisError, match="has more than 4 MiB") as refused:
        genesis_file.load(path)
    assert refused.value.code == "genesis"


def test_a_number_that_fits_into_no_genesis_is_refused(tmp_path: Path) -> None:
    """It decoded, and the first digest of it ended as unexpected."""
    fields = json.loads(genesis_file.to_json(genesis()))
    fields[4][0] = 1 << 80
    (tmp_path / "genesis.json").write_text(json.dumps(fields))
    with pytest.raises(GenesisError, match="a number that no chain has"):
        genesis_file.load(tmp_path / "genesis.json")


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"[2]", b'[true, "test"]', b'[2, "test", 5]', b"\xff"])
def test_what_is_no_genesis_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "genesis.json"
    path.write_bytes(content)
    with pytest.raises(HMChainError) as refused:
        genesis_file.load(path)
    assert refused.value.code in ("genesis", "protocol")


def test_a_file_that_is_nested_without_end_is_no_genesis(tmp_path: Path) -> None:
    (tmp_path / "genesis.json").write_text("[" * 5000)
    with pytest.raises(genesis_file.GenesisError, match="not a genesis"):
        genesis_file.load(tmp_path / "genesis.json")
