"""The embedded engine: crashes, damage, full disks, and validators that do not do what they should."""

from __future__ import annotations

import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hmchain.errors import LedgerError
from hmchain.ledger import genesis as genesis_file
from hmchain.ledger import proposer
from hmchain.ledger.blocks import DoubleSign, InvalidProposal
from hmchain.ledger.contracts.members import membership, parameters, standings
from hmchain.ledger.contracts.members.membership import ProposeAction, Remove, SetParameters, VoteAction
from hmchain.ledger.contracts.members.parameters import Parameters
from hmchain.ledger.engines.block_store import BlockStoreError, LedgerFullError
from hmchain.ledger.engines.embedded import (
    Behaviour,
    EmbeddedLedger,
    NoQuorumError,
    RefusedError,
    SecondWriterError,
)
from hmchain.ledger.state import State, StateError
from support.full_disk import watched_disk
from support.ledger_network import (
    Clock,
    Network,
    Sender,
    admission,
    genesis,
    member,
    signing_key,
    validator_keys,
)
from support.paths import TESTS


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    made = Network.found(tmp_path / "ledger")
    yield made
    made.ledger.close()


def powers(network: Network, ahead: int = 1) -> dict[str, int]:
    ledger = network.ledger
    return {entry.id: entry.power for entry in standings.validators_at(ledger.state, ledger.height + ahead)}


def proposer_next(network: Network) -> str:
    ledger = network.ledger
    return proposer.proposers_of_rounds(standings.validators_at(ledger.state, ledger.height + 1), 0)[0]


# -- ordinary life -----------------------------------------------------------------------------------------------------


def test_a_block_is_the_same_for_every_validator(network: Network) -> None:
    network.fill(3)
    assert network.ledger.height == 3
    assert len(network.commitments()) == 1


def test_nothing_waits_no_block(network: Network) -> None:
    assert network.ledger.produce_block() is None
    assert network.ledger.height == 0


def test_receipts_and_events_can_be_read(network: Network) -> None:
    digest = network.ledger.submit(network.send.dataset("a", "x"))
    network.ledger.produce_block()
    receipt = network.ledger.receipt(digest)
    assert receipt is not None and receipt.code == "ok"
    assert [event.kind for _, event in network.ledger.events(1)] == ["dataset.registered"]
    assert network.ledger.receipt(bytes(32)) is None


def test_what_cannot_be_applied_is_refused_by_name(network: Network) -> None:
    wire = network.send.dataset("a", "x")
    network.ledger.submit(wire)
    with pytest.raises(RefusedError, match="duplicate"):
        network.ledger.submit(wire)
    with pytest.raises(RefusedError, match="wrong_chain"):
        network.ledger.submit(Sender(network.send.clock, chain="another").dataset("a", "x"))
    with pytest.raises(RefusedError, match="unknown_sender"):
        network.ledger.submit(network.send.dataset("stranger", "x"))
    answers = network.ledger.submit_many([network.send.dataset("a", "y"), b"\x00"])
    assert isinstance(answers[0], bytes)
    assert isinstance(answers[1], RefusedError) and answers[1].refusal == "malformed"


def test_founding_twice_and_opening_nothing(network: Network, tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="there is a ledger"):
        EmbeddedLedger.create(network.directory, genesis(), validator_keys())
    with pytest.raises(LedgerError, match="there is no ledger"):
        EmbeddedLedger(tmp_path / "nowhere", validator_keys())


def test_a_second_writer_is_turned_away(network: Network) -> None:
    with pytest.raises(SecondWriterError, match=f"process {os.getpid()} writes"):
        EmbeddedLedger(network.directory, validator_keys())
    network.fill(1)


# -- crashes and damage ------------------------------------------------------------------------------------------------

_WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, {here!r})
from support.ledger_network import Network, admission, possession
network = Network.found(Path(sys.argv[1]))
for number in range(100_000):
    digest = network.ledger.submit(network.send.dataset("abcd"[number % 4], f"d{{number}}"))
    network.send.clock.ms += 1000
    network.ledger.produce_block()
    print(digest.hex(), flush=True)
"""


@pytest.mark.process
@pytest.mark.parametrize("seed", range(4))
def test_kill_at_any_moment_loses_nothing_that_was_acknowledged(tmp_path: Path, seed: int) -> None:
    directory = tmp_path / "ledger"
    script = _WRITER.format(here=str(TESTS))
    process = subprocess.Popen([sys.executable, "-c", script, str(directory)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    acknowledged = [process.stdout.readline().strip()]
    time.sleep(random.Random(seed).uniform(0.0, 0.25))
    process.send_signal(signal.SIGKILL)
    acknowledged += [line.strip() for line in process.stdout.read().splitlines() if len(line.strip()) == 64]
    process.wait()
    with EmbeddedLedger(directory, validator_keys(), clock_ms=Clock()) as ledger:
        assert ledger.height >= len(acknowledged)
        for digest in acknowledged:
            receipt = ledger.receipt(bytes.fromhex(digest))
            assert receipt is not None and receipt.code == "ok"
        last = ledger.store.get(ledger.height)
        assert last is not None
        expected = {last.block.header.state_commitment}
        assert {validator.state.commitment() for validator in ledger.validators.values()} == expected
        assert ledger.recoveries == []


def test_a_crash_between_the_block_and_the_states_is_made_good(network: Network) -> None:
    network.fill(2)
    before = network.commitments()
    network.ledger.close()
    # Validator b never got to commit block 2, and c none at all.
    (network.directory / "validators" / "c.db").unlink()
    _roll_back_to_genesis(network.directory / "validators" / "b.db")
    ledger = EmbeddedLedger(network.directory, validator_keys(), clock_ms=network.send.clock)
    network.ledger = ledger
    assert network.commitments() == before
    assert ledger.recoveries == []


def _roll_back_to_genesis(path: Path) -> None:
    path.unlink()
    state = State(path)
    genesis_file.initialise(state, genesis())
    state.commit(0)
    state.close()


@pytest.mark.parametrize("damage", ["truncated", "garbage", "flipped", "emptied", "record", "foreign"])
def test_a_damaged_state_is_put_aside_and_rebuilt(network: Network, damage: str) -> None:
    network.fill(5)
    before = network.commitments()
    network.ledger.close()
    path = network.directory / "validators" / "b.db"
    _damage(path, damage)
    ledger = network.ledger = EmbeddedLedger(network.directory, validator_keys(), clock_ms=network.send.clock)
    assert network.commitments() == before
    assert [recovery.validator for recovery in ledger.recoveries] == ["b"]
    assert ledger.recoveries[0].kept_at.exists()
    network.fill(1, first=5)
    assert len(network.commitments()) == 1


def _damage(path: Path, kind: str) -> None:
    data = bytearray(path.read_bytes())
    if kind == "truncated":
        path.write_bytes(data[: len(data) // 2])
    elif kind == "garbage":
        path.write_bytes(os.urandom(len(data)))
    elif kind == "flipped":
        for found in re.finditer(rb"standings\0a", bytes(data)):  # the pages of SQLite keep old copies as well
            data[found.start() + 14] ^= 1
        path.write_bytes(data)
    elif kind == "emptied":
        _sql(path, "DELETE FROM state")
    elif kind == "record":
        _sql(path, "UPDATE state SET value = x'00' WHERE key = (SELECT max(key) FROM state)")
    else:
        path.unlink()
        state = State(path)
        state.put(b"another", b"ledger")
        state.commit(3)
        state.close()


def _sql(path: Path, statement: str) -> None:
    database = sqlite3.connect(path)
    database.execute(statement)
    database.commit()
    database.close()


def test_lost_blocks_are_named_and_not_built_upon(network: Network) -> None:
    network.fill(3)
    network.ledger.close()
    _sql(network.directory / "blocks.db", "DELETE FROM blocks WHERE height = 3")
    with pytest.raises(BlockStoreError, match="ends at height 2, and a has executed 3"):
        EmbeddedLedger(network.directory, validator_keys())


def test_a_torn_log_of_blocks_is_named(network: Network) -> None:
    network.fill(3)
    network.ledger.close()
    path = network.directory / "blocks.db"
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(LedgerError, match=r"blocks\.db"):
        EmbeddedLedger(network.directory, validator_keys())


def test_a_full_disk_stops_deciding_and_loses_nothing(network: Network) -> None:
    network.fill(2)
    before = network.commitments()
    with watched_disk() as disk:
        network.reopen()
    disk.fill(network.directory / "blocks.db")
    many = [network.send.dataset("a", f"full{number}") for number in range(100)]
    for wire in many:
        network.ledger.submit(wire)
    with pytest.raises(LedgerFullError, match="the disk is full"):
        network.ledger.produce_block()
    assert network.ledger.height == 2 and network.commitments() == before
    disk.free(network.directory / "blocks.db")
    assert network.ledger.produce_block() is not None
    assert network.ledger.height == 3 and len(network.commitments()) == 1


def test_a_state_that_could_not_be_written_follows_later(network: Network) -> None:
    network.fill(2)
    with watched_disk() as disk:
        network.reopen()
    state = network.directory / "validators" / "b.db"
    disk.fill(state)
    for number in range(200):
        network.ledger.submit(network.send.dataset("a", f"full{number}"))
    with pytest.raises(StateError, match=r"b\.db cannot be written"):
        network.ledger.produce_block()
    assert network.ledger.height == 3  # the block itself is decided and on disk
    disk.free(state)
    network.fill(1, first=500)
    assert network.ledger.height == 4 and len(network.commitments()) == 1
    assert network.ledger.recoveries == []  # it followed, and was not rebuilt


def test_another_chain_s_states_are_replaced(network: Network, tmp_path: Path) -> None:
    other = Network.found(tmp_path / "other", parameters=Parameters(epoch_blocks_min=50, epoch_ms=1))
    other.fill(2)
    other.ledger.close()
    network.fill(2)
    before = network.commitments()
    network.ledger.close()
    (network.directory / "validators" / "a.db").write_bytes((tmp_path / "other/validators/a.db").read_bytes())
    network.ledger = EmbeddedLedger(network.directory, validator_keys(), clock_ms=network.send.clock)
    assert network.commitments() == before
    assert [recovery.validator for recovery in network.ledger.recoveries] == ["a"]


# -- validators that do not do what they should ----------------------------------------------------------------------


def test_one_silent_validator_costs_rounds_but_no_block(network: Network) -> None:
    network.ledger.set_behaviour("b", Behaviour.SILENT)
    network.fill(8)
    assert network.ledger.height == 8 and len(network.commitments()) == 1
    rounds = [stored.block.header.round for stored in network.ledger.store.blocks()]
    assert sorted(set(rounds)) == [0, 1]  # b's turns fail, the next in line proposes


def test_two_silent_validators_of_four_stop_the_ledger_and_nothing_grows(network: Network) -> None:
    network.ledger.set_behaviour("b", Behaviour.SILENT)
    network.ledger.set_behaviour("c", Behaviour.SILENT)
    network.ledger.submit(network.send.dataset("a", "x"))
    with pytest.raises(NoQuorumError):
        network.ledger.produce_block()
    network.ledger.set_behaviour("b", Behaviour.HONEST)
    decided = network.ledger.produce_block()
    assert decided is not None and decided[0].evidence == ()  # a lack of votes accuses nobody


def test_a_silent_validator_is_jailed_and_comes_back(tmp_path: Path) -> None:
    rules = Parameters(jail_blocks_per_member=1, jail_ms=5_000)
    network = Network.found(tmp_path / "ledger", parameters=rules)
    network.ledger.set_behaviour("b", Behaviour.SILENT)
    jailed_at = 0
    for number in range(12):
        result = network.block(network.send.dataset("a", f"j{number}"))
        if any(event.kind == "validator.jailed" for event in result.events):
            jailed_at = network.ledger.height
            break
    assert jailed_at and standings.standing(network.ledger.state, "b").jailed
    assert powers(network)["b"] > 1 and powers(network, 2)["b"] == 1  # acts two blocks later
    network.ledger.set_behaviour("b", Behaviour.HONEST)
    network.block(network.send("b", standings.Unjail()))
    network.fill(3, first=100)
    assert not standings.standing(network.ledger.state, "b").jailed
    assert powers(network)["b"] > 1
    network.ledger.close()


def test_an_invalid_block_is_voted_down_proven_and_costs_its_proposer(network: Network) -> None:
    offender = proposer_next(network)
    network.ledger.set_behaviour(offender, Behaviour.INVALID_BLOCK)
    network.block(network.send.dataset("a", "x"))
    stored = network.ledger.store.get(1)
    assert stored is not None and stored.block.header.round == 1
    assert [type(item) for item in stored.block.evidence] == [InvalidProposal]
    assert standings.standing(network.ledger.state, offender).consensus == 2500
    assert len(network.commitments()) == 1
    others = [name for name in "abcd" if name != offender]
    assert {standings.standing(network.ledger.state, name).consensus for name in others} == {5000}


def test_a_double_sign_ends_the_validator_two_blocks_later(network: Network) -> None:
    network.ledger.set_behaviour("c", Behaviour.EQUIVOCATE)
    network.block(network.send.dataset("a", "x"))
    result = network.block(network.send.dataset("a", "y"))
    assert [event.kind for event in result.events] == ["standing.double_sign"]
    evidence = network.ledger.store.get(2)
    assert evidence is not None and isinstance(evidence.block.evidence[0], DoubleSign)
    assert standings.standing(network.ledger.state, "c").tombstoned
    assert "c" in powers(network, 1) and "c" not in powers(network, 2)
    network.fill(3)
    assert len(network.commitments()) == 1


def test_withheld_votes_do_not_hurt_the_median_over_proposers(tmp_path: Path) -> None:
    network = Network.found(tmp_path / "ledger", parameters=Parameters(epoch_blocks_min=1, epoch_ms=1))
    network.ledger.set_behaviour("d", Behaviour.WITHHOLD_VOTES)
    network.fill(41)  # one epoch of 10 n
    scores = {name: standings.standing(network.ledger.state, name).consensus for name in "abcd"}
    assert all(score > 5000 for score in scores.values()), scores
    network.ledger.close()


def test_members_come_and_go_while_blocks_are_decided(network: Network) -> None:
    ledger = network.ledger
    network.block(network.send("a", admission(member("e"))))
    ballot = membership.ballots(ledger.state)[0][0]
    network.block(network.send("b", VoteAction(ballot)))
    assert not membership.is_active(ledger.state, "e")  # two of four are not two thirds
    network.block(network.send("c", VoteAction(ballot)))
    assert membership.is_active(ledger.state, "e")
    network.fill(2)
    assert "e" in powers(network)
    network.fill(4, first=10)
    assert len(network.commitments()) == 1 and len(ledger.validators) == 5
    network.block(network.send.dataset("e", "of-e"))

    network.block(network.send("a", ProposeAction(Remove("d"))))
    removal = next(key for key, entry in membership.ballots(ledger.state) if entry.action == Remove("d"))
    for name in "bce":
        network.block(network.send(name, VoteAction(removal)))
    assert not membership.is_active(ledger.state, "d")
    with pytest.raises(RefusedError, match="unknown_sender"):
        ledger.submit(network.send.dataset("d", "too-late"))
    for number in range(3):
        network.block(network.send.dataset("a", f"z{number}"))
    assert "d" not in powers(network)
    network.reopen()
    assert len(network.commitments()) == 1


def test_whose_clock_is_wrong_is_told_so() -> None:
    assert "clock is ahead" in RefusedError("expiry_too_far").hint
    assert "clock is behind" in RefusedError("expired").hint
    assert "its nonce was used" in RefusedError("replayed").what


def test_parameters_change_by_vote_alone(network: Network) -> None:
    rules = Parameters(jail_ms=60_000)
    network.block(network.send("a", ProposeAction(SetParameters(rules))))
    ballot = membership.ballots(network.ledger.state)[0][0]
    again = network.block(network.send("a", VoteAction(ballot)))
    assert again.receipts[0].code == "already_voted"
    network.block(network.send("b", VoteAction(ballot)), network.send("c", VoteAction(ballot)))
    assert parameters.current(network.ledger.state) == rules
    closed = network.block(network.send("d", VoteAction(ballot)))
    assert closed.receipts[0].code == "no_such_ballot"
    bad = network.block(network.send("a", ProposeAction(SetParameters(Parameters(deadline_blocks_min=0)))))
    assert bad.receipts[0].code == "bad_parameters"


def test_a_validator_whose_key_is_elsewhere_only_follows(tmp_path: Path) -> None:
    send = Sender()
    keys = {name: signing_key(name, "validator") for name in "abc"}
    with EmbeddedLedger.create(tmp_path / "ledger", genesis(), keys, clock_ms=send.clock) as ledger:
        for number in range(5):
            send.clock.ms += 1000
            ledger.submit(send.dataset("a", f"x{number}"))
            ledger.produce_block()
        assert ledger.height == 5
        assert len({validator.state.commitment() for validator in ledger.validators.values()}) == 1
