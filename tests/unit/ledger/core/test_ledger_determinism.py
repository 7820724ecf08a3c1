"""The same blocks give the same state everywhere: whatever the hash seed, the process or the engine's accidents."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hmchain.canonical import decode, digest, encode
from hmchain.keys import SigningKey
from hmchain.ledger import genesis as genesis_file
from hmchain.ledger.blocks import BlockInput
from hmchain.ledger.contracts.data.datasets import PublishVersion, WithdrawVersion
from hmchain.ledger.contracts.members import membership
from hmchain.ledger.contracts.members.membership import Admit, ProposeAction, VoteAction
from hmchain.ledger.contracts.members.rotation import RotateKey, rotation_bytes
from hmchain.ledger.contracts.members.standings import Unjail
from hmchain.ledger.engines.embedded import Behaviour
from hmchain.ledger.state import State
from hmchain.ledger.transition import Machine
from support.ledger_network import Network, genesis, member, signing_key
from support.paths import TESTS, VECTORS

VECTOR = VECTORS / "ledger.json"
"""Of protocol 2: what it says stays."""
FOUNDED = genesis(protocol=2)

_REPLAY = """
import sys
sys.path[:0] = {here!r}
from test_ledger_determinism import replayed
print(" ".join(replayed()))
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
    blocks = [
        {"input": encode(stored.block.input).hex(), "commitment": stored.block.header.state_commitment.hex()}
        for stored in network.ledger.store.blocks()
    ]
    network.ledger.close()
    content = {"genesis": encode(FOUNDED).hex(), "genesis_digest": FOUNDED.digest.hex(), "blocks": blocks}
    VECTOR.write_text(json.dumps(content, indent=0) + "\n")


def replayed() -> list[str]:
    """State commitments after each block of the vector, executed here and now."""
    vector = json.loads(VECTOR.read_text())
    state = State()
    genesis_file.initialise(state, decode(bytes.fromhex(vector["genesis"]), genesis_file.Genesis))
    machine = Machine(state, FOUNDED.chain_id)
    machine.commit(0)
    found = []
    for block in vector["blocks"]:
        inputs = decode(bytes.fromhex(block["input"]), BlockInput)
        machine.execute(inputs)
        found.append(state.commitment().hex())
        machine.commit(inputs.height)
    return found


def test_the_vector_s_blocks_give_its_commitments() -> None:
    vector = json.loads(VECTOR.read_text())
    assert decode(bytes.fromhex(vector["genesis"]), genesis_file.Genesis).digest.hex() == vector["genesis_digest"]
    assert replayed() == [block["commitment"] for block in vector["blocks"]]


@pytest.mark.process
@pytest.mark.parametrize("hash_seed", ["0", "1", "12345"])
def test_the_hash_seed_does_not_matter(hash_seed: str) -> None:
    """A library that returns a set in another order in each process would halt the chain here."""
    script = _REPLAY.format(here=[str(TESTS), str(Path(__file__).parent)])
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    answer = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    vector = json.loads(VECTOR.read_text())
    assert answer.stdout.split() == [block["commitment"] for block in vector["blocks"]]


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
        write_vector(Path(scratch))
