"""Same block inputs, same commitment on both engines (attack 20), and the node's own log plays again."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hmchain.application.agent.faults import AgentBehaviour
from hmchain.canonical import digest
from hmchain.keys import SigningKey
from hmchain.ledger import genesis as genesis_file
from hmchain.ledger import proposer
from hmchain.ledger.blocks import Block, DoubleSign, EngineReport
from hmchain.ledger.chain import well_formed
from hmchain.ledger.contracts.data.datasets import PublishVersion, RegisterDataset
from hmchain.ledger.contracts.learning.opening import ResumeStudy
from hmchain.ledger.contracts.learning.studies import Status
from hmchain.ledger.contracts.members import membership, standings
from hmchain.ledger.contracts.members.maintenance import AnnounceMaintenance
from hmchain.ledger.contracts.members.membership import ProposeAction, Remove, VoteAction
from hmchain.ledger.contracts.members.parameters import Parameters
from hmchain.ledger.contracts.members.rotation import RotateKey, rotation_bytes
from hmchain.ledger.contracts.members.standings import Unjail
from hmchain.ledger.engines.cometbft import abci_pb2 as abci
from hmchain.ledger.engines.cometbft.application import Application
from hmchain.ledger.engines.embedded import Behaviour
from hmchain.ledger.genesis import Genesis
from hmchain.ledger.state import State
from hmchain.ledger.transition import Machine
from support.abci_chain import Chain, address, init_request, misbehaviour, timestamp
from support.ledger_network import Network, admission, genesis, member, signing_key
from support.study_bed import SCHEMA, STUDY, Bed

DAY_MS = 86_400_000
QUIET_FAULTS = (Behaviour.SILENT, Behaviour.WITHHOLD_VOTES, Behaviour.HONEST)
"""Those that leave no evidence; that of an invalid proposal is the embedded engine's alone."""
RULES = Parameters(epoch_blocks_min=20, epoch_ms=1, jail_blocks_per_member=2, jail_ms=2000)


def long_log(directory: Path, blocks: int, seed: int) -> tuple[Genesis, list[Block]]:
    """A random history on the embedded engine: faults, jail, a double sign, members that come and go, refusals."""
    chance = random.Random(seed)
    network = Network.found(directory, parameters=RULES)
    for number in range(blocks):
        silent = number // 15 % 2 == 1 and number < 70
        network.ledger.set_behaviour("c", Behaviour.SILENT if silent else Behaviour.HONEST)
        network.ledger.set_behaviour("a", chance.choice((Behaviour.WITHHOLD_VOTES, Behaviour.HONEST)))
        wires = [network.send.dataset(chance.choice("abcd"), f"d{chance.randrange(blocks)}") for _ in range(3)]
        wires.append(network.send("a" if silent else "c", Unjail()))
        wires.append(network.send("a", PublishVersion(f"d{chance.randrange(blocks)}", 1, bytes(32), 128)))
        if number % 40 == 20:
            wires.append(network.send("b", AnnounceMaintenance(0, chance.choice((2_000, 60_000, DAY_MS)))))
        if number % 40 == 25:
            wires.append(network.send("b", Unjail()))
        if number in (10, 70):
            wires.append(
                network.send(
                    "a", admission(member("e"), network.ledger.chain_id) if number == 10 else ProposeAction(Remove("e"))
                )
            )
        wires += [
            network.send(name, VoteAction(ballot))
            for ballot, entry in membership.ballots(network.ledger.state)
            if not entry.closed
            for name in "bcd"
        ]
        if number == 90:
            wires.append(network.send("b", rotation("b", network)))
        if number == 50:
            network.ledger.set_behaviour("d", Behaviour.EQUIVOCATE)
        network.block(*wires, step_ms=chance.choice((1, 400, 5000)))
    found = [stored.block for stored in network.ledger.store.blocks()]
    founding = network.ledger.genesis
    network.ledger.close()
    return founding, found


def study_log(directory: Path, seed: int) -> tuple[Genesis, list[Block]]:
    """A study with a forging master, dropouts and garbage, between random transactions and silent validators."""
    chance = random.Random(seed)
    bed = Bed.found(directory)
    bed.prepare(rounds_=10)
    bed.approve()
    for number in range(2_000):
        if bed.study.status == Status.FINISHED:
            break
        if bed.study.status == Status.PAUSED:
            bed.submit(bed.names[0], "scientist", ResumeStudy(STUDY))
        if number % 50 == 0:
            for name in bed.names:
                bed.behave(name, AgentBehaviour.HONEST)
                bed.consortium.ledger.set_behaviour(name, Behaviour.HONEST)
            bed.behave(chance.choice(bed.names), chance.choice(list(AgentBehaviour)))
            bed.consortium.ledger.set_behaviour(chance.choice(bed.names), chance.choice(QUIET_FAULTS))
        if number % 10 == 0:
            bodies = (
                RegisterDataset(f"d{chance.randrange(50)}", SCHEMA),
                PublishVersion(f"d{chance.randrange(50)}", chance.randrange(1, 4), bytes(32), 128),
                AnnounceMaintenance(0, chance.randrange(1, 10_000)),
                Unjail(),
            )
            bed.submit(chance.choice(bed.names), "steward", chance.choice(bodies))
        bed.step()
    found = [stored.block for stored in bed.consortium.ledger.store.blocks()]
    founding = bed.consortium.ledger.genesis
    bed.close()
    return founding, found


def rotation(name: str, network: Network) -> RotateKey:
    """Another validator key, which the embedded engine has ready."""
    key = SigningKey(digest("another key", name.encode()))
    network.ledger.hold_key(name, key)
    old = signing_key(name, "validator").public.raw
    proven = rotation_bytes(network.ledger.chain_id, name, "validator", old, key.public.raw)
    return RotateKey("validator", key.public.raw, key.sign(proven))


def as_request(block: Block, state: State) -> abci.RequestFinalizeBlock:
    """The same block as CometBFT would hand it over; `state` is the one before it."""
    header = block.header
    voters = {entry.id: entry.address for entry in standings.validators_at(state, header.height - 1)}
    places = voters | {entry.id: entry.address for entry in standings.validators_at(state, header.height)}
    votes = [
        abci.VoteInfo(validator=abci.Validator(address=voters[vote.validator]), block_id_flag=vote.flag)
        for vote in sorted(block.last_votes, key=lambda vote: voters[vote.validator])
    ]
    return abci.RequestFinalizeBlock(
        txs=block.transactions,
        decided_last_commit=abci.CommitInfo(round=block.last_round, votes=votes),
        misbehavior=[misbehaviour(item.validator) for item in block.evidence if isinstance(item, DoubleSign)],
        height=header.height,
        time=timestamp(header.time_ms, 123_456),
        proposer_address=places[header.proposer],
    )


@dataclass
class Played:
    """What an application told CometBFT while it played blocks."""

    app: Application
    powers: set[int] = field(default_factory=set)
    kinds: set[str] = field(default_factory=set)


@contextmanager
def played(directory: Path, founding: Genesis, blocks: list[Block]) -> Iterator[Played]:
    """CometBFT's engine after the embedded one's blocks, each of which gave the same commitment."""
    found = Played(Application(directory, founding, threads=1))
    found.app.init_chain(init_request(founding))
    for block in blocks:
        answer = found.app.finalize_block(as_request(block, found.app.state))
        found.app.commit(abci.RequestCommit())
        assert answer.app_hash == block.header.state_commitment, f"block {block.header.height}"
        found.powers |= {update.power for update in answer.validator_updates}
        events = [*answer.events, *(event for result in answer.tx_results for event in result.events)]
        found.kinds |= {event.type for event in events}
    yield found
    found.app.close()


@pytest.mark.parametrize("seed", [4, 5, *(pytest.param(n, marks=pytest.mark.network) for n in (6, 7))])
def test_20_same_block_inputs_same_commitment_on_both_engines(tmp_path: Path, seed: int) -> None:
    founding, blocks = long_log(tmp_path / "embedded", 240, seed)
    assert max(block.last_round for block in blocks) >= 1
    assert {vote.flag for block in blocks for vote in block.last_votes} >= {1, 2}
    assert any(block.evidence for block in blocks)
    with played(tmp_path / "node", founding, blocks) as found:
        assert found.kinds >= {
            "validator.joined", "validator.left", "validator.jailed", "validator.paused", "standing.double_sign",
            "epoch.closed",
        }  # fmt: skip
        assert {0, 1, 1000} <= found.powers  # out, jailed, and back
        assert list(standings.former_owners(found.app.state).values()) == ["b"]
    assert any(block.header.proposer == "b" for block in blocks[95:])  # by its new key


@pytest.mark.network
@pytest.mark.parametrize("seed", range(2))
def test_20_a_study_gives_the_same_commitment_on_both_engines(tmp_path: Path, seed: int) -> None:
    founding, blocks = study_log(tmp_path / "embedded", seed)
    with played(tmp_path / "node", founding, blocks) as found:
        assert found.kinds >= {
            "study.finished", "round.accepted", "round.committed", "round.posted", "round.verified", "model.registered",
            "dataset.registered", "dataset.published", "validator.paused",
        }  # fmt: skip


def test_the_log_of_a_node_plays_again_on_a_bare_machine(tmp_path: Path) -> None:
    chance = random.Random(5)
    chain = Chain.found(tmp_path / "node", parameters=RULES)
    for number in range(60):
        votes = {name: chance.choice((1, 2, 2, 2, 3)) for name in "abcd"}
        wires = [chain.send.dataset(chance.choice("abcd"), f"d{number % 40}")] * chance.randrange(3)
        evidence = [misbehaviour("c", number)] if number == 30 else []
        chain.decide(
            chain.request(
                *dict.fromkeys(wires),
                votes={name: flag for name, flag in votes.items() if number < 31 or name != "c"},
                proposer_name=chance.choice("abd"),
                round_=chance.randrange(3),
                evidence=evidence,
            )
        )
    state = State()
    genesis_file.initialise(state, chain.founding)
    machine = Machine(state, chain.founding.chain_id)
    machine.commit(0)
    stored = list(chain.app.storage.blocks.blocks())
    assert len(stored) < chain.height
    for item in stored:
        result = machine.execute(item.block.input)
        assert result == item.result
        assert state.commitment() == item.block.header.state_commitment
        machine.commit(item.height)
    assert state.commitment() == chain.app.state.commitment()


def test_the_embedded_engine_takes_no_accusation_without_proof(tmp_path: Path) -> None:
    network = Network.found(tmp_path)
    network.block(network.send.dataset("a", "d0"))
    stored = network.ledger.store.get(1)
    assert stored is not None
    block = stored.block
    assert well_formed(block)
    framed = Block(block.header, 0, (), (EngineReport("b", 1, 5),), block.transactions)
    assert not well_formed(framed)
    assert genesis().digest == network.ledger.genesis.digest


def test_ties_are_broken_by_address_as_in_cometbft() -> None:
    state = State()
    genesis_file.initialise(state, genesis())
    validators = standings.validators_at(state, 1)
    assert [validator.address for validator in validators] == [address(name) for name in "abcd"]
    assert {validator.priority for validator in validators} == {0}
    by_address = sorted("abcd", key=address)
    assert by_address != list("abcd")
    assert proposer.proposers_of_rounds(validators, 3) == by_address


def test_a_newcomer_s_ties_are_broken_by_its_address(tmp_path: Path) -> None:
    network = Network.found(tmp_path)
    network.block(network.send("a", admission(member("e"))))
    ballot = membership.ballots(network.ledger.state)[0][0]
    network.block(*[network.send(name, VoteAction(ballot)) for name in "bc"])
    validators = standings.validators_at(network.ledger.state, network.ledger.height + 2)
    assert [(entry.id, entry.address) for entry in validators] == [(name, address(name)) for name in "abcde"]
