"""The same blocks give the same state everywhere: whatever the hash seed, the process or the engine's accidents."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hmchain.application.learning.study_request import study_content
from hmchain.canonical import decode, digest, encode
from hmchain.keys import SigningKey
from hmchain.ledger import genesis as genesis_file
from hmchain.ledger.blocks import BlockInput
from hmchain.ledger.contracts.data import break_glass, transfers
from hmchain.ledger.contracts.data.applying import CloseRequest, CreateRequest, SaveDraft, SubmitRequest
from hmchain.ledger.contracts.data.datasets import PublishVersion, RegisterDataset, WithdrawVersion
from hmchain.ledger.contracts.data.deciding import ApproveRequest, RevokeRequest
from hmchain.ledger.contracts.learning import releases
from hmchain.ledger.contracts.learning.opening import JoinStudy
from hmchain.ledger.contracts.learning.participation import Tick
from hmchain.ledger.contracts.learning.permitted import ProposeUnderPermit
from hmchain.ledger.contracts.members import anchors, incidents, membership
from hmchain.ledger.contracts.members.membership import Admit, ProposeAction, VoteAction
from hmchain.ledger.contracts.members.rotation import RotateKey, rotation_bytes
from hmchain.ledger.contracts.members.standings import Unjail
from hmchain.ledger.engines.embedded import Behaviour
from hmchain.ledger.state import State
from hmchain.ledger.transition import Machine
from support import sharing_life, study_bed
from support.ledger_network import Network, genesis, member, signing_key
from support.paths import TESTS, VECTORS
from support.sampling import one_in

VECTOR, VECTOR_3, VECTOR_4 = VECTORS / "ledger.json", VECTORS / "ledger_3.json", VECTORS / "ledger_4.json"
"""Of protocols 2, 3 and 4: what those of 2 and 3 say stays."""
FOUNDED = genesis(protocol=2)
EACH = pytest.mark.parametrize("vector", [VECTOR, VECTOR_3, VECTOR_4], ids=["2", "3", "4"])

_REPLAY = """
import sys
sys.path[:0] = {here!r}
from test_ledger_determinism import replayed
from pathlib import Path
print(" ".join(replayed(Path({vector!r}))))
"""


def write_vector(directory: Path) -> None:
    """Make the vector anew, when the protocol changes on purpose: `PYTHONPATH=tests python` and this file."""
    network = Network.found(directory / "ledger", protocol=2)
    network.fill(3)
    network.block(
        network.send("a", PublishVersion("d0", 1, bytes(32), 128)),
        network.send("b", Unjail()),
    )
    network.block(network.send("a", WithdrawVersion("d0", 1)))
    network.block(network.send("a", ProposeAction(Admit(member("e")))))
    ballot = membership.ballots(network.ledger.state)[0][0]
    network.ledger.set_behaviour("c", Behaviour.EQUIVOCATE)
    network.block(*[network.send(name, VoteAction(ballot)) for name in "bcd"])
    for name in "abd":
        network.ledger.set_behaviour(name, Behaviour.INVALID_BLOCK)
        network.block(network.send.dataset("b", f"of-{name}"))
        network.ledger.set_behaviour(name, Behaviour.HONEST)
    network.ledger.set_behaviour("d", Behaviour.SILENT)
    network.fill(6, first=20)
    key = SigningKey(digest("another key", b"b"))
    former = signing_key("b", "validator").public.raw
    proof = key.sign(rotation_bytes(FOUNDED.chain_id, "b", "validator", former, key.public.raw))
    network.ledger.hold_key("b", key)
    network.block(network.send("b", RotateKey("validator", key.public.raw, proof)))
    network.fill(6, first=40)
    _write(VECTOR, network, FOUNDED)


def write_vector_3(directory: Path) -> None:
    """The same of protocol 3: a request of four hospitals, a study under its permit, a yes that is taken back."""
    network, founded = Network.found(directory / "ledger", protocol=3), genesis(protocol=3)
    for name in "abcd":
        published = PublishVersion("brain", 1, bytes(32), 512)
        network.block(network.send(name, RegisterDataset("brain", study_bed.SCHEMA)), network.send(name, published))
    spec = study_bed.make_spec(tuple("abcd"))
    content = study_content(spec, network.send.clock.ms + 30 * 86_400_000)
    asked = (CreateRequest("scans"), SaveDraft("scans", content), SubmitRequest("scans", content.digest))
    network.block(*(network.send("a", body, "scientist") for body in asked))
    until_ms = network.send.clock.ms + 86_400_000
    yes = ApproveRequest("scans", 1, content.digest, "brain", until_ms)
    network.block(*(network.send(name, yes) for name in "abc"))
    propose = ProposeUnderPermit(spec, "scans")
    network.block(network.send("a", propose, "scientist"))  # too early
    network.block(network.send("d", yes), network.send("a", propose, "scientist"))
    join = JoinStudy(spec.name, member("a").wrapping, bytes(32))
    network.block(network.send("a", join, "agent"))
    network.block(network.send("b", RevokeRequest("scans", 1, content.digest, "brain", "consent", b"")))
    network.block(network.send("c", join, "agent"), network.send("c", Tick(spec.name), "agent"))
    network.block(network.send("a", CloseRequest("scans", "finished"), "scientist"))
    _write(VECTOR_3, network, founded)


def write_vector_4(directory: Path) -> None:
    """The same of protocol 4, chapter by chapter."""
    network, founded = Network.found(directory / "ledger", protocol=4), genesis(protocol=4)
    for chapter in sharing_life.CHAPTERS:
        chapter(network)
    _write(VECTOR_4, network, founded)


def _write(path: Path, network: Network, founded: genesis_file.Genesis) -> None:
    blocks = [
        {"input": encode(stored.block.input).hex(), "commitment": stored.block.header.state_commitment.hex()}
        for stored in network.ledger.store.blocks()
    ]
    network.ledger.close()
    content = {"genesis": encode(founded).hex(), "genesis_digest": founded.digest.hex(), "blocks": blocks}
    path.write_text(json.dumps(content, indent=0) + "\n")


def executed(path: Path) -> Iterator[State]:
    """The state after each block of the vector, executed here and now."""
    vector = json.loads(path.read_text())
    state, founded = State(), decode(bytes.fromhex(vector["genesis"]), genesis_file.Genesis)
    genesis_file.initialise(state, founded)
    machine = Machine(state, founded.chain_id)
    machine.commit(0)
    for block in vector["blocks"]:
        inputs = decode(bytes.fromhex(block["input"]), BlockInput)
        machine.execute(inputs)
        yield state
        machine.commit(inputs.height)


def replayed(path: Path) -> list[str]:
    """State commitments after each block of the vector."""
    return [state.commitment().hex() for state in executed(path)]


def test_the_vector_of_protocol_4_has_records_of_each_family() -> None:
    """What was refused alone would leave nothing whose form the vector holds."""
    *_, state = executed(VECTOR_4)
    assert {each.status for each in transfers.transfers(state)} == {transfers.Status.OFFERED, transfers.Status.ERASED}
    assert [each.status for each in releases.releases(state)] == [releases.Status.RELEASED]
    assert incidents.incidents(state) and break_glass.emergencies(state) and anchors.anchor(state, "a")


@EACH
def test_the_vector_s_blocks_give_its_commitments(vector: Path) -> None:
    told = json.loads(vector.read_text())
    assert decode(bytes.fromhex(told["genesis"]), genesis_file.Genesis).digest.hex() == told["genesis_digest"]
    assert replayed(vector) == [block["commitment"] for block in told["blocks"]]


@pytest.mark.process
@pytest.mark.parametrize(("hash_seed", "vector"), one_in(3, [("0", VECTOR_3), ("1", VECTOR), ("12345", VECTOR_4)]))
def test_the_hash_seed_does_not_matter(hash_seed: str, vector: Path) -> None:
    """A library that returns a set in another order in each process would halt the chain here."""
    script = _REPLAY.format(here=[str(TESTS), str(Path(__file__).parent)], vector=str(vector))
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    answer = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    told = json.loads(vector.read_text())
    assert answer.stdout.split() == [block["commitment"] for block in told["blocks"]]


def test_a_changed_input_changes_the_commitment() -> None:
    vector = json.loads(VECTOR.read_text())
    state = State()
    genesis_file.initialise(state, FOUNDED)
    machine = Machine(state, FOUNDED.chain_id)
    machine.commit(0)
    inputs = decode(bytes.fromhex(vector["blocks"][0]["input"]), BlockInput)
    machine.execute(BlockInput(1, inputs.time_ms + 1, inputs.proposer, 0, (), (), inputs.transactions))
    assert state.commitment().hex() != vector["blocks"][0]["commitment"]


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as scratch:
        write_vector(Path(scratch) / "2")
        write_vector_3(Path(scratch) / "3")
        write_vector_4(Path(scratch) / "4")
