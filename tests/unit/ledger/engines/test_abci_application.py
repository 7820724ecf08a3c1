"""The state machine behind ABCI: the chain's beginning, mempool, proposals, decided blocks, queries."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from hmchain.canonical import decode
from hmchain.ledger import genesis as genesis_file
from hmchain.ledger import proposer, protocols
from hmchain.ledger.blocks import OK, Receipt
from hmchain.ledger.chain import BLOCK_BYTES_MAX, BLOCK_TRANSACTIONS_MAX
from hmchain.ledger.contracts.members import standings
from hmchain.ledger.contracts.members.validator_set import Change
from hmchain.ledger.engines.cometbft import abci_pb2 as abci
from hmchain.ledger.engines.cometbft import mempool
from hmchain.ledger.engines.cometbft.application import WrongChainError
from hmchain.ledger.engines.cometbft.blocks import lawful, validator_updates
from hmchain.ledger.protocols import FOUNDING, ProtocolError, Rules
from hmchain.ledger.state import State
from hmchain.ledger.transactions import TRANSACTION_BYTES_MAX, sign, transaction_digest
from hmchain.ledger.transition import Machine
from support.abci_chain import Chain, address, founding_commitment, init_request, misbehaviour
from support.ledger_network import CHAIN, genesis, signing_key


@pytest.fixture
def chain(tmp_path: Path) -> Chain:
    return Chain.found(tmp_path / "node")


def info(chain: Chain) -> abci.ResponseInfo:
    return chain.app.info(abci.RequestInfo())


# -- the chain's beginning ---------------------------------------------------------------------------------------------


def test_the_genesis_gives_its_commitment_and_can_be_told_twice(tmp_path: Path) -> None:
    chain = Chain(tmp_path, genesis())
    assert (info(chain).last_block_height, info(chain).last_block_app_hash) == (0, b"")
    first = chain.app.init_chain(init_request(chain.founding))
    assert first.app_hash == founding_commitment(chain.founding) and not first.validators
    chain.reopen()
    assert info(chain).last_block_height == 0
    assert chain.app.init_chain(init_request(chain.founding)) == first


def test_14_a_chain_of_another_protocol_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a state of before as without one: a newer program would come to another state at some block."""
    chain = Chain.found(tmp_path / "node")
    chain.fill(2)
    assert info(chain).app_version == chain.founding.protocol == FOUNDING
    genesis_file.save(chain.founding, tmp_path / "genesis.json")
    chain.app.close()
    monkeypatch.setattr(protocols, "KNOWN", {9: Rules(9)})
    with pytest.raises(ProtocolError, match=f"test follows protocol {FOUNDING}, and this program knows 9"):
        chain.opened()
    with pytest.raises(ProtocolError):
        genesis_file.load(tmp_path / "genesis.json")
    with pytest.raises(ProtocolError):
        genesis_file.initialise(State(), chain.founding)


def test_another_genesis_is_refused(tmp_path: Path) -> None:
    chain = Chain(tmp_path, genesis())
    requests = [init_request(genesis("abc")), *(init_request(chain.founding) for _ in range(5))]
    requests[1].chain_id = "other"
    requests[2].validators[0].power = 999
    del requests[3].validators[0]
    requests[4].app_state_bytes = b"{}"
    requests[5].initial_height = 7
    for request in requests:
        with pytest.raises(WrongChainError):
            chain.app.init_chain(request)
    assert chain.app.state.is_new


# -- mempool -----------------------------------------------------------------------------------------------------------


def test_10_malformed_duplicate_replayed_transactions_stay_out(chain: Chain) -> None:
    good = chain.send.dataset("a", "d0")
    stranger = sign(signing_key("z", "steward"), CHAIN, b"", bytes(16), chain.clock.ms + 1000)
    wires = [
        good,
        b"",
        good[:-1] + bytes([good[-1] ^ 1]),
        bytes(TRANSACTION_BYTES_MAX + 1),
        sign(signing_key("a", "steward"), "other", b"", bytes(16), chain.clock.ms + 1000),
        sign(signing_key("a", "steward"), CHAIN, b"", bytes(16), chain.clock.ms),
        sign(signing_key("a", "steward"), CHAIN, b"", bytes(16), chain.clock.ms + 10**9),
        stranger,
    ]
    expected = [
        "", "malformed", "bad_signature", "oversized", "wrong_chain", "expired", "expiry_too_far", "unknown_sender",
    ]  # fmt: skip
    assert chain.check(wires) == expected
    assert chain.check(wires) == expected  # what is remembered answers alike
    chain.block(good)
    assert chain.check([good]) == ["replayed"]


def test_a_recheck_sees_what_the_last_block_did(chain: Chain) -> None:
    used, short, fresh = chain.send.dataset("a", "x"), chain.send("b", standings.Unjail(), life_ms=1500), b""
    fresh = chain.send.dataset("a", "y")
    assert chain.check([used, short, fresh]) == ["", "", ""]
    chain.block(used)
    chain.block()
    assert chain.check([used, short, fresh], abci.RECHECK) == ["replayed", "expired", ""]


def test_10_a_flood_does_not_fill_the_memory(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    wires = [chain.send.dataset("a", f"d{number}") for number in range(50)]
    size = sum(map(len, wires[:10]))
    monkeypatch.setattr(mempool, "KNOWN_BYTES_MAX", size)
    assert chain.check(wires) == [""] * 50
    assert sum(map(len, chain.app.known)) <= size
    assert chain.check(wires[:1]) == [""] and chain.accepts(*wires)
    strangers = [
        sign(signing_key("z", "steward"), CHAIN, b"", number.to_bytes(16, "big"), chain.clock.ms + 1000)
        for number in range(50)
    ]
    known = list(chain.app.known)
    assert set(chain.check(strangers)) == {"unknown_sender"}
    assert list(chain.app.known) == known and len(known) >= 9


def test_10_a_member_s_flood_leaves_the_others_their_share(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mempool, "MEMPOOL_TRANSACTIONS_MAX", 20)
    flood = [chain.send.dataset("a", f"d{number}") for number in range(8)]
    assert chain.check(flood) == [""] * 5 + ["mempool_share"] * 3  # a quarter of 20
    assert chain.check(flood[:5], abci.RECHECK) == [""] * 5  # who waits goes on waiting
    assert chain.check([chain.send("a", standings.Unjail(), role="validator")]) == ["mempool_share"]  # any of its keys
    assert chain.check([chain.send.dataset("b", "x")]) == [""]
    chain.block(*flood[:2])
    assert chain.check(flood[5:]) == ["", "", "mempool_share"]
    monkeypatch.setattr(mempool, "MEMPOOL_BYTES_MAX", 4 * len(flood[0]))
    assert chain.check([chain.send.dataset("c", f"e{number}") for number in range(2)]) == ["", "mempool_share"]
    chain.clock.ms += 700_000
    chain.block()
    assert set(chain.check(flood[2:7], abci.RECHECK)) == {"expired"}
    assert chain.app.shares.count("a") == 0  # what has expired gives its place back


def test_10_what_cometbft_no_longer_holds_gives_its_place_back(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    """CometBFT started again with an empty mempool; after a block it checks again all that waits, so what it no longer
    asks about is gone."""
    monkeypatch.setattr(mempool, "MEMPOOL_TRANSACTIONS_MAX", 20)
    lost = [chain.send.dataset("a", f"d{number}") for number in range(5)]
    kept = chain.send.dataset("b", "kept")
    assert chain.check([*lost, kept]) == [""] * 6
    later = chain.send.dataset("a", "later")
    assert chain.check([later]) == ["mempool_share"]
    chain.block()
    assert chain.check([kept], abci.RECHECK) == [""]
    assert chain.check([later]) == ["mempool_share"]  # its recheck may be under way
    chain.block()
    assert chain.check([kept], abci.RECHECK) == [""]
    assert chain.check([later]) == [""]
    assert chain.app.shares.count("b") == 1


# -- proposals ---------------------------------------------------------------------------------------------------------


def test_a_proposal_holds_what_can_be_applied_once_and_in_order(chain: Chain) -> None:
    old = chain.send.dataset("a", "old")
    chain.block(old)
    first, second = chain.send.dataset("a", "d1"), chain.send.dataset("b", "d2")
    chosen = chain.prepare(first, b"garbage", old, second, first)
    assert chosen == [first, second] and chain.accepts(*chosen)


def test_a_proposal_keeps_within_the_room_it_is_given(chain: Chain) -> None:
    wires = [chain.send.dataset("a", f"d{number}") for number in range(20)]
    room = sum(len(wire) + 2 + (len(wire) > 127) for wire in wires[:7])  # CometBFT: tag, length, bytes
    chosen = chain.prepare(*wires, max_tx_bytes=room)
    assert chosen == wires[: len(chosen)] and 6 <= len(chosen) <= 7
    assert chain.prepare(*wires, max_tx_bytes=0) == []


def test_blocks_against_the_rules_are_refused(chain: Chain) -> None:
    good = chain.send.dataset("a", "d0")
    assert chain.accepts() and chain.accepts(good)
    assert not chain.accepts(good, good)
    assert not chain.accepts(good, b"garbage")
    assert not chain.accepts(good[:-1] + bytes([good[-1] ^ 1]))
    assert not chain.accepts(*(number.to_bytes(4, "big") for number in range(BLOCK_TRANSACTIONS_MAX + 1)))
    assert not chain.accepts(*(bytes([n]) + bytes(60_000) for n in range(BLOCK_BYTES_MAX // 60_000 + 1)))
    expired = sign(signing_key("a", "steward"), CHAIN, b"", bytes(16), 1)
    assert chain.accepts(expired)  # it depends on more than bytes; its receipt says so


# -- decided blocks ----------------------------------------------------------------------------------------------------


def test_a_decided_block_is_answered_with_receipts_events_and_the_commitment(chain: Chain) -> None:
    good, twice = chain.send.dataset("a", "d0"), chain.send.dataset("a", "d0")
    answer = chain.block(good, twice, b"garbage")
    receipts = [decode(result.data, Receipt) for result in answer.tx_results]
    assert [receipt.code for receipt in receipts] == [OK, "dataset_exists", "malformed"]
    assert [receipt.transaction for receipt in receipts] == [transaction_digest(w) for w in (good, twice, b"garbage")]
    assert [(r.code, r.log, r.codespace) for r in answer.tx_results] == [
        (0, "", ""), (1, "dataset_exists", "hmchain"), (1, "malformed", "hmchain"),
    ]  # fmt: skip
    (event,) = answer.tx_results[0].events
    assert event.type == "dataset.registered"
    assert [(item.key, item.value, item.index) for item in event.attributes] == [
        ("key0", "a", True),
        ("key1", "d0", True),
    ]
    assert answer.app_hash == chain.app.state.commitment() == info(chain).last_block_app_hash


def test_empty_blocks_change_nothing_but_the_height(chain: Chain) -> None:
    chain.fill(2)
    before = chain.app.state.commitment()
    for _ in range(30):
        assert chain.block().app_hash == before
    assert chain.height == 32 and chain.app.storage.blocks.height == 2
    chain.fill(1, first=2)
    assert chain.app.state.commitment() != before


def test_an_empty_block_that_tells_of_failed_turns_is_logged_once(chain: Chain) -> None:
    chain.block(chain.send.dataset("a", "x"))
    commitments = []
    for _ in range(3):
        chain.decide(chain.request(round_=2))
        commitments.append(chain.app.state.commitment())
    assert len(set(commitments)) == 1 and chain.app.storage.blocks.height == 2 and chain.height == 4
    founding = chain.founding
    state = State()
    genesis_file.initialise(state, founding)
    machine = Machine(state, founding.chain_id)
    machine.commit(0)
    for stored in chain.app.storage.blocks.blocks():
        machine.execute(stored.block.input)
        machine.commit(stored.height)
    assert state.commitment() == commitments[-1]  # the log alone gives it


def test_a_block_out_of_turn_is_an_error(chain: Chain) -> None:
    request = chain.request()
    request.height = 5
    with pytest.raises(WrongChainError, match="cannot follow"):
        chain.app.finalize_block(request)
    with pytest.raises(WrongChainError, match="no executed block"):
        chain.app.commit(abci.RequestCommit())


def test_6_a_double_sign_ends_the_validator_once(chain: Chain) -> None:
    chain.fill(3)
    answer = chain.block(evidence=[misbehaviour("b", 2), misbehaviour("b", 2, 5), misbehaviour("b", 2)])
    assert [event.type for event in answer.events].count("standing.double_sign") == 1
    updates = {update.pub_key.ed25519: update.power for update in answer.validator_updates}
    assert updates[signing_key("b", "validator").public.raw] == 0
    height = chain.height
    assert [entry.id for entry in standings.validators_at(chain.app.state, height + 1)] == list("abcd")
    assert [entry.id for entry in standings.validators_at(chain.app.state, height + 2)] == list("acd")
    assert not chain.block(evidence=[misbehaviour("b", 2)]).validator_updates
    chain.fill(4, first=10)


def test_evidence_against_strangers_is_passed_over(chain: Chain) -> None:
    before = chain.app.state.commitment()
    chain.block(evidence=[misbehaviour("z")])
    assert chain.app.state.commitment() == before and chain.app.storage.blocks.height == 0


def test_11_illegal_updates_never_reach_cometbft() -> None:
    validators = proposer.update((), [("a", 10), ("b", 10)])
    assert kept(validators, [("c", 0)]) == []
    assert kept(validators, [("a", -1)]) == []
    assert kept(validators, [("a", 5), ("a", 7)]) == [("a", 7)]
    assert kept(validators, [("b", 0), ("a", 0)]) == []
    assert kept(validators, [("b", 0), ("a", 0), ("c", 3)]) == [("a", 0), ("b", 0), ("c", 3)]


def kept(validators: proposer.Validators, changes: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
    found = lawful(validators, [Change(name, power, name.encode(), b"") for name, power in changes])
    return [(change.organisation, change.power) for change in found]


def test_11_a_key_that_is_in_no_set_is_not_removed() -> None:
    validators = proposer.update((), [("a", 10), ("b", 10)], {"a": proposer.address(b"a"), "b": proposer.address(b"b")})
    move = Change("a", 10, b"fresh", b"a")
    assert lawful(validators, [move]) == [move]
    assert lawful(validators, [replace(move, former=b"stranger's")]) == [replace(move, former=b"")]
    assert [(bytes(u.pub_key.ed25519), u.power) for u in validator_updates([move])] == [(b"fresh", 10), (b"a", 0)]


@settings(derandomize=True, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(-1, 3)), max_size=12))
def test_11_what_the_filter_lets_through_is_applicable(changes: list[tuple[str, int]]) -> None:
    validators = proposer.update((), [("a", 1), ("b", 2), ("c", 3)])
    applicable = kept(validators, changes)
    assert proposer.update(validators, applicable)  # raises what CometBFT would halt on
    assert set(applicable) <= set(changes)


# -- queries -----------------------------------------------------------------------------------------------------------


def test_queries_read_what_is_committed(chain: Chain) -> None:
    def query(path: str, data: bytes) -> abci.ResponseQuery:
        return chain.app.query(abci.RequestQuery(path=path, data=data))

    wire = chain.send.dataset("a", "d0")
    chain.block(wire)
    answer = query("receipt", transaction_digest(wire))
    assert (answer.height, decode(answer.value, Receipt).code) == (1, OK)
    key, value = next(iter(chain.app.state.snapshot()))
    assert (query("state", key).value, query("state", key).height) == (value, 1)
    late = chain.send.dataset("b", "late")
    chain.app.finalize_block(chain.request(late))
    assert query("receipt", transaction_digest(late)).log == "no_such_transaction"
    assert query("state", key).height == 1
    chain.app.commit(abci.RequestCommit())
    assert query("state", key).height == 2
    assert query("state", b"nothing").log == "no_such_key"
    assert query("elsewhere", b"").log == "no_such_path"


def test_addresses_are_those_of_cometbft() -> None:
    assert len(address("a")) == 20 and address("a") != address("b")
