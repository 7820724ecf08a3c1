"""A chain is founded again by those that are left, from the state that all of them have, and from no other."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace

from hmchain.canonical import decode, encode
from hmchain.errors import HMChainError
from hmchain.keys import SigningKey
from hmchain.ledger import genesis as genesis_file
from hmchain.ledger import refounding
from hmchain.ledger.blocks import InvalidProposal, proposal_bytes
from hmchain.ledger.contracts.data import datasets
from hmchain.ledger.contracts.data.datasets import RegisterDataset
from hmchain.ledger.contracts.members import membership, parameters, refounded, standings, upgrades
from hmchain.ledger.contracts.members.enrolment import SuspendPerson
from hmchain.ledger.contracts.members.membership import ProposeAction, Remove, VoteAction
from hmchain.ledger.engines.embedded import Behaviour, EmbeddedLedger
from hmchain.ledger.engines.ledger import RefusedError
from hmchain.ledger.genesis import Before, Deciders, Genesis, GenesisError
from hmchain.ledger.protocols import ProtocolError
from hmchain.ledger.readers import replay
from hmchain.ledger.refounding import RefoundingError
from hmchain.ledger.state import SnapshotError, State
from support.ledger_network import SCHEMA, Network, signing_key, validator_keys
from support.one_machine import OneMachine, person_key
from support.refounded_chain import LOST, carried_from, proposed, refound, salt_after, signatures, signed


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    network = Network.found(tmp_path / "before")
    network.fill(5)
    yield network
    network.ledger.close()


@pytest.fixture
def again(network: Network, tmp_path: Path) -> Iterator[Network]:
    again = refound(network, tmp_path / "again")
    yield again
    again.ledger.close()


def before_of(genesis: Genesis) -> Before:
    assert genesis.before is not None
    return genesis.before


# -- what goes on ------------------------------------------------------------------------------------------------------


def test_the_state_goes_on_without_those_that_are_lost(network: Network, again: Network) -> None:
    genesis, state = again.ledger.genesis, again.ledger.state
    assert genesis.chain_id != network.ledger.chain_id and genesis.name == network.ledger.genesis.name
    assert again.ledger.height == network.ledger.height + 1 == 6
    assert [member.organisation for member in membership.active_members(state)] == ["a", "b"]
    assert [entry.id for entry in standings.validators_at(state, 7)] == ["a", "b"]
    assert datasets.dataset(state, "a", "d0") is not None and datasets.dataset(state, "c", "d2") is not None
    assert parameters.founding(state).salt == salt_after(5)
    receipts = again.block(again.send.dataset("a", "new"), again.send.dataset("b", "new")).receipts
    assert [receipt.code for receipt in receipts] == ["ok", "ok"] and again.ledger.height == 7
    again.block(*(again.send.dataset(name, f"again-{name}") for name in "ab"))
    again.ledger.close()
    again.ledger = EmbeddedLedger(again.directory, validator_keys("ab"), clock_ms=again.send.clock)
    assert len(again.commitments()) == 1
    report = replay.verify(again.directory, genesis.digest)
    assert (report.height, report.transactions) == (8, 4)


def test_who_is_left_out_does_nothing_and_comes_back_under_no_old_name(again: Network) -> None:
    with pytest.raises(RefusedError, match="unknown_sender"):
        again.ledger.submit(again.send.dataset("c", "mine"))
    assert standings.standing(again.ledger.state, "c").tombstoned


def test_what_was_signed_for_the_chain_before_means_nothing(network: Network, again: Network) -> None:
    network.send.clock.ms = again.send.clock.ms
    old = network.send("a", RegisterDataset("replayed", SCHEMA))
    with pytest.raises(RefusedError, match="wrong_chain"):
        again.ledger.submit(old)


def test_a_damaged_state_of_a_chain_founded_again_is_executed_anew(again: Network) -> None:
    again.block(again.send.dataset("a", "new"))
    again.ledger.close()
    (again.directory / "validators" / "a.db").write_bytes(b"no state")
    again.ledger = EmbeddedLedger(again.directory, validator_keys("ab"), clock_ms=again.send.clock)
    assert len(again.ledger.recoveries) == 1 and len(again.commitments()) == 1


def test_it_can_be_founded_again_more_than_once(again: Network, tmp_path: Path) -> None:
    again.block(again.send.dataset("a", "new"))
    third = refound(again, tmp_path / "third", "b")
    third.block(third.send.dataset("a", "newer"))
    genesis = third.ledger.genesis
    assert [past.height for past in before_of(genesis).past] == [5, 7]
    assert len({past.chain_id for past in genesis.chains}) == 3
    assert [genesis.chain_at(height).chain_id for height in (1, 6, 7, 8, 9)] == [
        genesis.chains[place].chain_id for place in (2, 2, 1, 1, 0)
    ]
    assert [entry.left_out for entry in refounded.foundings(third.ledger.state)] == [("c", "d"), ("b",)]
    assert replay.verify(tmp_path / "third", genesis.digest).height == 9
    third.ledger.close()


def test_open_ballots_lapse_and_all_that_are_left_vote_anew(network: Network, tmp_path: Path) -> None:
    network.block(network.send("c", ProposeAction(Remove("a"))))
    ballot = membership.ballots(network.ledger.state)[0][0]
    again = refound(network, tmp_path / "again")
    vote = again.block(again.send("b", VoteAction(ballot))).receipts
    assert [receipt.code for receipt in vote] == ["ballot_lapsed"], "with b's yes beside that of c, who is lost"
    assert membership.is_active(again.ledger.state, "a")
    assert [each.code for each in again.block(again.send("b", ProposeAction(Remove("a")))).receipts] == ["ok"]
    again.ledger.close()


def test_who_was_jailed_is_back_and_who_signed_twice_is_not(tmp_path: Path) -> None:
    network = Network.found(tmp_path / "before", "abcdefg")
    network.ledger.set_behaviour("b", Behaviour.EQUIVOCATE)
    network.fill(3)
    assert standings.standing(network.ledger.state, "b").tombstoned
    genesis = proposed(network.ledger.state, network.ledger.genesis, "defg", network.send.clock.ms + 1)
    assert dict(zip("abc", before_of(genesis).powers, strict=True))["b"] == 0
    with carried_from(network.ledger.state, signed(genesis)) as carried:
        assert [entry.id for entry in standings.validators_at(carried, genesis.height + 1)] == ["a", "c"]
    network.ledger.close()


@pytest.mark.parametrize(("protocol", "follows"), [(2, 4), (3, 4), (4, 4)])
def test_it_goes_on_by_protocol_4_at_least(tmp_path: Path, protocol: int, follows: int) -> None:
    network = Network.found(tmp_path / "before", protocol=protocol)
    network.fill(1)
    again = refound(network, tmp_path / "again")
    assert again.ledger.genesis.protocol == follows
    state = again.ledger.state
    assert (upgrades.at(state, 1), upgrades.at(state, again.ledger.height + 1)) == (protocol, follows)
    for each in (network, again):
        each.ledger.close()


def test_it_goes_on_by_the_rules_of_the_very_next_block(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those may be of an upgrade that was to begin there; a program that does not know them founds nothing."""
    monkeypatch.setattr(upgrades, "at", lambda _, height: 9 if height == network.ledger.height + 1 else 4)
    with pytest.raises(ProtocolError, match="protocol 9"):
        proposed(network.ledger.state, network.ledger.genesis, LOST, network.send.clock.ms + 1)


# -- what is no founding again -----------------------------------------------------------------------------------------


def test_the_chain_that_can_go_on_is_not_founded_again(network: Network) -> None:
    with pytest.raises(RefoundingError, match="the chain goes on as it is"):
        proposed(network.ledger.state, network.ledger.genesis, "d", network.send.clock.ms + 1)
    with pytest.raises(RefoundingError, match="the chain goes on as it is"):
        proposed(network.ledger.state, network.ledger.genesis, "", network.send.clock.ms + 1)


def test_two_thirds_are_not_more_than_two_thirds(tmp_path: Path) -> None:
    network = Network.found(tmp_path / "three", "abc")
    state, now_ms = network.ledger.state, network.send.clock.ms + 1
    assert len({entry.power for entry in standings.validators_at(state, 1)}) == 1
    assert before_of(proposed(state, network.ledger.genesis, "c", now_ms)).left_out == ("c",)
    network.ledger.close()


def test_fewer_than_may_all_be_dishonest_found_nothing(network: Network) -> None:
    with pytest.raises(RefoundingError, match="1 of 4 members are left, and 2 are needed"):
        proposed(network.ledger.state, network.ledger.genesis, "bcd", network.send.clock.ms + 1)


def test_who_is_no_member_is_not_left_out(network: Network) -> None:
    with pytest.raises(RefoundingError, match="nobody is no member"):
        proposed(network.ledger.state, network.ledger.genesis, ("c", "nobody"), network.send.clock.ms + 1)


def another_state(state: State) -> None:
    datasets_of_a = next(key for key, _ in state.scan(b"datasets\0"))
    state.put(datasets_of_a, None)


ATTACKS: dict[str, Callable[[Genesis], Genesis]] = {
    "another commitment": lambda told: replace(told, origin=replace(before_of(told), commitment=bytes(32))),
    "another founding": lambda told: replace(told, origin=replace(before_of(told), founding=bytes(32))),
    "another powers": lambda told: replace(told, origin=replace(before_of(told), powers=(1000, 1))),
    "another members": lambda told: replace(
        told, members=(told.members[0], replace(told.members[1], steward=signing_key("z", "steward").public.raw))
    ),
    "another deciders": lambda told: replace(
        told, origin=replace(before_of(told), deciders=(Deciders((bytes(32),), 1), before_of(told).deciders[1]))
    ),
    "another parameters": lambda told: replace(told, parameters=replace(told.parameters, jail_ms=5_000)),
    "another notice_ms": lambda told: replace(told, notice_ms=1),
    "another name": lambda told: replace(told, name="other"),
    "another protocol": lambda told: replace(told, protocol=5),
}


@pytest.mark.parametrize("what", ATTACKS)
def test_each_that_is_left_signs_what_its_own_state_gives_and_nothing_else(network: Network, what: str) -> None:
    state, former = network.ledger.state, network.ledger.genesis
    told = proposed(state, former, LOST, network.send.clock.ms + 1)
    with closing(state.copied()) as copy:
        refounding.require_successor(copy, former, told)
    with closing(state.copied()) as copy, pytest.raises(RefoundingError, match=what):
        refounding.require_successor(copy, former, ATTACKS[what](told))


def test_a_state_that_was_changed_is_no_other_members_state(network: Network) -> None:
    state, former = network.ledger.state, network.ledger.genesis
    with closing(state.copied()) as copy:
        another_state(copy)
        told = refounding.propose(copy, former, LOST, salt_after(5), network.send.clock.ms + 1)
    with closing(state.copied()) as copy, pytest.raises(RefoundingError, match="another commitment"):
        refounding.require_successor(copy, former, told)


def test_a_height_below_one_s_own_undoes_no_revocation(network: Network) -> None:
    """Whoever proposes the state of before a block that others have is refused by each of these."""
    older = network.ledger.state.copied()
    network.block(network.send.dataset("b", "what is to be undone"[:4]))
    told = refounding.propose(older, network.ledger.genesis, LOST, salt_after(5), network.send.clock.ms + 1)
    older.close()
    with closing(network.ledger.state.copied()) as copy, pytest.raises(RefoundingError, match="from block 5, and this"):
        refounding.require_successor(copy, network.ledger.genesis, told)


def test_the_salt_of_before_and_a_time_of_before_found_nothing(network: Network) -> None:
    state, former = network.ledger.state, network.ledger.genesis
    now_ms = network.send.clock.ms + 1
    for salt, ms in ((former.salt, now_ms), (b"short", now_ms), (salt_after(5), 1)):
        with closing(state.copied()) as copy, pytest.raises(RefoundingError):
            refounding.propose(copy, former, LOST, salt, ms)


def test_another_chain_s_founding_again_is_not_this_one_s(network: Network, again: Network) -> None:
    genesis = again.ledger.genesis
    with (
        closing(again.ledger.state.copied()) as copy,
        pytest.raises(RefoundingError, match="goes on from another chain"),
    ):
        refounding.require_successor(copy, genesis, genesis)
    with closing(network.ledger.state.copied()) as copy, pytest.raises(RefoundingError, match="was not founded again"):
        refounding.require_successor(copy, network.ledger.genesis, network.ledger.genesis)


# -- signatures --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("signers", ["", "a", "b"])
def test_nothing_begins_before_each_that_is_left_has_signed(network: Network, tmp_path: Path, signers: str) -> None:
    genesis = signed(proposed(network.ledger.state, network.ledger.genesis, LOST, network.send.clock.ms + 1), signers)
    with (
        carried_from(network.ledger.state, genesis) as carried,
        pytest.raises(RefoundingError, match="not signed it"),
    ):
        EmbeddedLedger.create(tmp_path / "again", genesis, validator_keys("ab"), carried=carried)


def test_signatures_are_no_part_of_the_digest_and_are_of_no_other_genesis(network: Network) -> None:
    told = proposed(network.ledger.state, network.ledger.genesis, LOST, network.send.clock.ms + 1)
    done = signed(told)
    assert (done.digest, done.chain_id, done.unsigned) == (told.digest, told.chain_id, ())
    assert decode(encode(done), Genesis) == done
    later = replace(done, time_ms=done.time_ms + 1)
    assert later.unsigned == ("a", "b") and later.digest != done.digest
    first, second = before_of(done).signatures
    swapped = (replace(first, key=second.key), replace(second, key=first.key))
    assert replace(done, origin=replace(before_of(done), signatures=swapped)).unsigned == ("a", "b")
    twice = replace(done, origin=replace(before_of(done), signatures=(first, first)))
    assert len(twice.unsigned) == 1
    stranger = signatures(told, [signing_key("c", "steward"), signing_key("a", "validator")])
    assert replace(done, origin=replace(before_of(done), signatures=stranger)).unsigned == ("a", "b")


def test_where_there_are_two_officers_both_sign() -> None:
    bed = OneMachine()
    bed.enrol("a", "o1", "officer")
    bed.enrol("b", "s1", "steward")
    told = proposed(bed.state, bed.founding, LOST, bed.now_ms + 1)
    assert [(len(each.keys), each.needed) for each in before_of(told).deciders] == [(2, 2), (1, 1)]

    def unsigned(*keys: SigningKey) -> tuple[str, ...]:
        return replace(told, origin=replace(before_of(told), signatures=signatures(told, keys))).unsigned

    office, other, b = signing_key("a", "steward"), person_key("a", "o1"), signing_key("b", "steward")
    assert unsigned(office, b) == unsigned(other, b) == ("a",)
    assert unsigned(office, other) == ("b",) and unsigned(office, other, b) == ()
    assert unsigned(office, other, person_key("b", "s1")) == ("b",), "a steward is no officer"


def test_a_key_that_was_cut_off_agrees_to_nothing() -> None:
    bed = OneMachine()
    bed.enrol("a", "o1", "officer")
    bed.enrol("b", "o1", "officer")
    assert bed.person("b", "o1", SuspendPerson("steward")) == "ok"
    with pytest.raises(RefoundingError, match="b has 1 officers whose keys count, and 2 must sign"):
        proposed(bed.state, bed.founding, LOST, bed.now_ms + 1)


# -- what begins it ----------------------------------------------------------------------------------------------------


def test_its_state_is_the_one_that_its_genesis_names(network: Network, again: Network, tmp_path: Path) -> None:
    genesis, place = again.ledger.genesis, tmp_path / "copy"
    with pytest.raises(GenesisError, match="begins with the state of another chain"):
        genesis_file.initialise(State(), genesis)
    shutil.copytree(again.directory, place)
    shutil.rmtree(place / "validators")
    chunk = place / "founding" / "6" / "0"
    chunk.write_bytes(chunk.read_bytes().replace(b"A", b"B", 1))
    with pytest.raises(HMChainError):
        replay.verify(place)
    shutil.rmtree(place / "founding")
    with pytest.raises(SnapshotError, match="does not hold the state"):
        replay.verify(place)


def test_an_honest_proposer_of_the_first_block_is_no_offender(again: Network) -> None:
    """Where no votes were shown, there were none: the block before it is nobody's."""
    again.block(again.send.dataset("a", "new"))
    first = again.ledger.store.get(7)
    assert first is not None
    header = first.block.header
    signature = signing_key(header.proposer, "validator").sign(proposal_bytes(header))
    accused = InvalidProposal(encode(first.block), signature)
    again.ledger.close()
    for name in ("blocks.db", "validators"):
        shutil.rmtree(again.directory / name) if name == "validators" else (again.directory / name).unlink()
    again.ledger = EmbeddedLedger(again.directory, validator_keys("ab"), clock_ms=again.send.clock)
    again.ledger.evidence.append(accused)
    result = again.block(again.send.dataset("b", "other"))
    assert not [event for event in result.events if event.kind.startswith("validator.")], result.events
