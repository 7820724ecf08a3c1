"""Two of four members are Byzantine, one more than any protocol can outvote: the ledger halts or the fraud is proven,
and no honest node ever commits what does not follow from the rules."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from hmchain.ledger import genesis as genesis_file
from hmchain.ledger.contracts.data.datasets import RegisterDataset
from hmchain.ledger.engines.block_store import BlockStore
from hmchain.ledger.engines.cometbft import light
from hmchain.ledger.engines.cometbft.damage import DATA, SIGNED
from hmchain.ledger.engines.cometbft.local import LocalNode
from hmchain.ledger.engines.cometbft.process import SupervisedProcess
from hmchain.ledger.state import State
from hmchain.ledger.transition import Machine
from support.apps.lying_app import lie
from support.cometbft_network import SCHEMA, RunningNetwork, eventually, running, signing_key
from support.paths import APPS

pytestmark = [pytest.mark.network, pytest.mark.timeout(180)]

HALT_SECONDS = 5.0


def test_18_two_of_four_that_claim_another_state_halt_the_ledger(tmp_path: Path) -> None:
    orders: list[Path] = []
    with running(tmp_path, prepare=lambda network: orders.extend(use_lying_apps(network, "cd"))) as network:
        for name in "abcd":
            network.register(name)
        last = network.agreed() + 2
        for order in orders:
            order.write_text(str(last))
        for number in range(6):  # all that is sent from now on
            network.submit("a", RegisterDataset(f"truth-{number}", SCHEMA))
            time.sleep(0.3)
        eventually(lambda: network.height("a") == network.height("b") == last, "the last block on which all agree")
        time.sleep(HALT_SECONDS)
        assert [network.height(name) for name in "ab"] == [last, last]
        assert network.client("a").waiting() > 0
        for name in "ab":
            claims = {network.app_hash(name, height) for height in range(1, last + 1)}
            assert not claims & {lie(height).hex().upper() for height in range(last + 1)}
            assert network.commitment(name) == executed(network, name, last)
        # The liars are replaced: they take the others' blocks and execute them.
        for name, order in zip("cd", orders, strict=True):
            order.unlink()
            begin_anew(network.node(name))
        network.register("b")
        network.agreed(least=last + 1)


def test_9_one_liar_and_one_crash_halt_the_ledger_until_the_crashed_is_back(tmp_path: Path) -> None:
    """f Byzantine and one more that is down: too few are left to decide, and nothing false is decided either."""
    orders: list[Path] = []
    with running(tmp_path, prepare=lambda network: orders.extend(use_lying_apps(network, "d"))) as network:
        for name in "abcd":
            network.register(name)
        last = network.agreed()
        orders[0].write_text("1")
        network.register("a")  # the three others outvote the liar, whose own node stops
        network.agreed("abc", least=last + 1)
        network.node("c").kill()
        halted = network.height("a")
        waiting = network.submit("a", RegisterDataset("halted", SCHEMA))
        time.sleep(HALT_SECONDS)
        assert network.height("a") == network.height("b") <= halted + 1
        assert network.client("a").find(waiting) is None
        for name in "ab":
            assert network.commitment(name) == executed(network, name, network.commitment(name)[0])
        network.node("c").start()
        assert network.client("a").wait_for(waiting).tx_result.code == 0
        network.agreed("abc", least=halted + 1)
        for name in "abc":
            assert network.commitment(name) == executed(network, name, network.commitment(name)[0])


def test_18_two_of_four_that_sign_both_sides_of_a_fork_are_proven_guilty(tmp_path: Path) -> None:
    """They run twice: once with a, once with b, who cannot reach each other. Both sides decide, so the ledger forks."""
    with running(tmp_path, prepare=lambda network: separate(network, ("acd", ("b", "c twin", "d twin")))) as network:
        for _ in range(3):
            network.register("a")
            network.register("b")
        height = min(network.height("a"), network.height("b"))
        first, second = (network.client(name).signed_header(height) for name in "ab")
        validators = {member.organisation: member.validator for member in network.nodes.genesis.members}
        chain = network.nodes.genesis.chain_id
        assert light.header_hash(first.header) != light.header_hash(second.header)
        assert light.double_signers(first, second, chain, validators) == ("c", "d")
        assert light.double_signers(first, first, chain, validators) == ()
        for name in "ab":  # each side is what the rules give from what was decided there
            assert network.commitment(name) == executed(network, name, network.commitment(name)[0])


def use_lying_apps(network: RunningNetwork, liars: str) -> list[Path]:
    """Give nodes, not started yet, applications that lie from the height that is written into the returned files on."""
    orders = []
    for name in liars:
        node = network.node(name)
        command = node.files.app_command(str(APPS / "lying_app.py"))
        node.app = SupervisedProcess("the lying application", command, node.files.log)
        orders.append(node.files.directory / "lie-from")
    return orders


def separate(network: RunningNetwork, sides: tuple[tuple[str, ...] | str, ...]) -> None:
    """Let each side dial its own alone, and start the twins: second nodes with the keys of their namesakes."""
    twins = [name for side in sides for name in side if name.endswith(" twin")]
    for twin in twins:
        network.nodes.add(twin, signing_key(twin[0], "validator"))
    for side in sides:
        for name in side:
            network.nodes.write_home(name, peers=[other for other in side if other != name])
    for twin in twins:
        network.node(twin).start()


def executed(network: RunningNetwork, name: str, height: int) -> tuple[int, bytes]:
    """Height and commitment of a bare state machine after a node's decided blocks."""
    state = State()
    genesis_file.initialise(state, network.nodes.genesis)
    machine = Machine(state, network.nodes.genesis.chain_id)
    machine.commit(0)
    store = BlockStore(network.node(name).files.directory / "blocks.db", read_only=True)
    store.check()
    for stored in store.blocks(1, height):
        assert machine.execute(stored.block.input) == stored.result
        machine.commit(stored.height)
    store.close()
    return height, state.commitment()


def begin_anew(node: LocalNode) -> None:
    """What `hmchain node recover` does: all goes but keys and the record of what was signed."""
    node.stop()
    data = node.files.home / DATA
    signed = (data / SIGNED).read_bytes()
    shutil.rmtree(data)
    data.mkdir()
    (data / SIGNED).write_bytes(signed)
    for path in node.files.directory.glob("*.db*"):
        path.unlink()
    node.start()
