"""One of four is slow, lies or floods; seven see silence, a jail storm, members that come and go: the chain goes on.

CometBFT itself collects the last commit's votes, so no application can leave any out: that attack needs a proposer with
another CometBFT. It is played as a stream of such commits over the real socket in `test_abci_attacks`.
"""

from __future__ import annotations

import base64
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path

import httpx
import pytest

from hmchain.canonical import encode
from hmchain.ledger import proposer, reputation
from hmchain.ledger.blocks import NIL
from hmchain.ledger.contracts.data.datasets import RegisterDataset
from hmchain.ledger.contracts.members import attendance, membership, standings
from hmchain.ledger.contracts.members.membership import ProposeAction, Remove, VoteAction
from hmchain.ledger.contracts.members.parameters import Parameters
from hmchain.ledger.contracts.members.standings import Unjail
from hmchain.ledger.engines.cometbft.answers import TxResult
from hmchain.ledger.engines.cometbft.home import Timing
from hmchain.ledger.engines.cometbft.mempool import MEMPOOL_TRANSACTIONS_MAX
from hmchain.ledger.engines.cometbft.process import SupervisedProcess
from hmchain.ledger.reputation import Standing
from hmchain.ledger.state import State
from hmchain.ledger.transactions import TRANSACTION_BYTES_MAX, sign, transaction_digest
from support.apps.skewed_signer import SkewedSigner
from support.cometbft_network import (
    PATIENCE_SECONDS,
    SCHEMA,
    RunningNetwork,
    eventually,
    member,
    now_ms,
    running,
    signing_key,
)
from support.ledger_network import admission
from support.paths import APPS

pytestmark = [pytest.mark.network, pytest.mark.timeout(180)]

QUICK = Timing(propose=300, vote=150, commit=30)
PATIENT = Timing(propose=3_000, vote=1_500, commit=30)
"""Where no honest node may be late, however busy the machine is."""
RPC_BATCH = 10
"""Calls in one request, at most as CometBFT is configured."""
HEIGHT_SECONDS_MAX = 6.0
"""A height with a failed round costs its timeouts, and no more; the rest is room for a busy machine."""


def conduct(network: RunningNetwork, name: str) -> Standing:
    state = network.state("a")
    try:
        return standings.standing(state, name)
    finally:
        state.close()


def epochs(network: RunningNetwork) -> int:
    state = network.state("a")
    try:
        epoch = attendance.epoch(state)
        return epoch.started if epoch else 0
    finally:
        state.close()


def write_until_the_epoch_closes(network: RunningNetwork) -> float:
    """Keep every block filled until scores were counted; the longest that one height took, in seconds.

    Only turns that a block which is not empty follows are counted, so nobody waits for a transaction here.
    """
    began, longest, height, since = epochs(network), 0.0, 0, time.monotonic()
    for number, name in enumerate(cycle("abc")):
        network.submit(name, RegisterDataset(f"{began}-{number}", SCHEMA))
        now, reached = time.monotonic(), network.height("a")
        if reached > height:
            height, since = reached, now
        longest = max(longest, now - since)
        assert longest < PATIENCE_SECONDS, f"stuck at height {height}"
        if number % 10 == 0 and epochs(network) > began:
            return longest
        time.sleep(0.03)
    raise AssertionError("unreachable")


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNetwork]:
    """Four nodes; d's application does what the file `dishonesty` says."""

    def dishonest(network: RunningNetwork) -> None:
        node = network.node("d")
        command = node.files.app_command(str(APPS / "dishonest_app.py"))
        node.app = SupervisedProcess("the dishonest application", command, node.files.log)

    rules = Parameters(epoch_blocks_min=1, epoch_ms=1)
    with running(tmp_path_factory.mktemp("four"), timing=QUICK, parameters=rules, prepare=dishonest) as network:
        yield network


@pytest.mark.parametrize("dishonesty", ["slow", "invalid"])
def test_4_a_dishonest_proposer_costs_rounds_and_its_own_score(network: RunningNetwork, dishonesty: str) -> None:
    """Its turns fail and are laid to its charge; the chain goes on at a bounded pace; honest scores rise."""
    before = {name: conduct(network, name).consensus for name in "abcd"}
    order = network.node("d").files.directory / "dishonesty"
    order.write_text(dishonesty)
    try:
        longest = write_until_the_epoch_closes(network)
    finally:
        order.unlink()
    assert longest < HEIGHT_SECONDS_MAX
    assert conduct(network, "d").consensus <= before["d"] // 2
    for honest in "abc":
        assert conduct(network, honest).consensus > before[honest], honest
    assert network.register("d").height > 0  # what it says is heard still
    network.agreed(least=network.height("a") - 1)


def test_4_a_validator_that_votes_for_nothing_loses_its_score(tmp_path: Path) -> None:
    """Its CometBFT waits for nothing: it has signed nil before most proposals and others' votes can reach it."""
    rules = Parameters(epoch_blocks_min=1, epoch_ms=1)

    def hasten(network: RunningNetwork) -> None:
        config = network.node("d").files.home / "config" / "config.toml"
        config.write_text(re.sub(r"(timeout_(propose|prevote)(_delta)?) = .*", r'\1 = "0ms"', config.read_text()))

    with running(tmp_path, timing=PATIENT, parameters=rules, prepare=hasten) as network:
        write_until_the_epoch_closes(network)
        height = network.agreed(least=network.height("a") - 1)
        place = proposer.address(signing_key("d", "validator").public.raw).hex().upper()
        flags = [
            vote.block_id_flag
            for number in range(2, height)
            for vote in network.client("a").signed_header(number).commit.signatures
            if vote.validator_address == place
        ]
        assert flags.count(NIL) > len(flags) // 2, "it was seen in the commits, and did not help to decide"
        assert conduct(network, "d").consensus == reputation.SCORE_START // 2
        for honest in "abc":
            assert conduct(network, honest).consensus > reputation.SCORE_START, honest


def test_10_malformed_duplicated_replayed_transactions_and_a_flood(network: RunningNetwork) -> None:
    """Each is refused by name, and what is valid is in a block within a bound although one member floods."""
    client = network.client("a")
    good = network.wire("b", RegisterDataset("once", SCHEMA))
    stranger = sign(signing_key("z", "steward"), network.chain, encode(Unjail()), os.urandom(16), now_ms() + 60_000)
    expired = sign(signing_key("a", "steward"), network.chain, encode(Unjail()), os.urandom(16), now_ms() - 1)
    refused = {
        b"garbage": "malformed",
        good[:-1] + bytes([good[-1] ^ 1]): "bad_signature",
        bytes(TRANSACTION_BYTES_MAX - 1) + b"x": "malformed",
        sign(signing_key("a", "steward"), "other", encode(Unjail()), bytes(16), now_ms() + 60_000): "wrong_chain",
        stranger: "unknown_sender",
        expired: "expired",
    }
    assert {wire: client.broadcast(wire).log for wire in refused} == refused
    assert client.broadcast(good).code == client.broadcast(good).code == 0  # twice in the mempool is once
    flood = [network.wire("d", RegisterDataset(f"flood-{number}", SCHEMA)) for number in range(400)]
    for number, wire in enumerate(flood):
        network.client("d").broadcast(wire)
        client.broadcast(b"garbage" + number.to_bytes(4, "big"))
        if number == len(flood) // 2:
            network.register("c")  # comes into a block in the middle of it
    found = eventually(lambda: client.find(transaction_digest(good)), "the transaction that was sent twice")
    network.agreed()
    again = network.client("b").call("check_tx", TxResult, tx=base64.b64encode(good).decode())  # past CometBFT's cache
    assert (again.code, again.log) == (1, "replayed")
    assert found.tx_result.code == 0
    eventually(lambda: all(network.client(name).waiting() == 0 for name in "abcd"), "the flood is in blocks")
    network.agreed(least=network.height("a") - 1)


def flood(network: RunningNetwork, wires: list[bytes], through: str) -> list[str]:
    """Send all of them in batches, as quickly as one node takes them; what each was refused for, or an empty text."""
    texts, found = [base64.b64encode(wire).decode() for wire in wires], []
    with httpx.Client(timeout=60) as client:
        for start in range(0, len(wires), RPC_BATCH):
            calls = [
                {"jsonrpc": "2.0", "id": number, "method": "broadcast_tx_sync", "params": {"tx": text}}
                for number, text in enumerate(texts[start : start + RPC_BATCH])
            ]
            answers = client.post(network.node(through).rpc_url, json=calls).json()
            found += [answer["result"]["log"] for answer in answers]
    return found


def test_10_a_flood_beyond_one_s_share_leaves_the_others_theirs(tmp_path: Path) -> None:
    """Nothing is decided while two of four are down, so all that one member sends waits: up to its share."""
    share = MEMPOOL_TRANSACTIONS_MAX // 4
    with running(tmp_path) as network:
        network.register("a")
        network.agreed(least=network.height("a"))
        for name in "cd":
            network.node(name).stop()
        wires = [network.wire("d", RegisterDataset(f"flood-{number}", SCHEMA)) for number in range(share + 500)]
        refusals = flood(network, wires, "a")
        assert refusals[:share] == [""] * share and set(refusals[share:]) == {"mempool_share"}
        others = [network.submit(name, RegisterDataset("heard", SCHEMA), through="a") for name in "ab"]
        for name in "cd":
            network.node(name).start()
        for digest in others:
            included = network.client("a").wait_for(digest, seconds=2 * PATIENCE_SECONDS)
            assert included.tx_result.code == 0
        eventually(lambda: network.client("a").waiting() == 0, "the flood is in blocks")
        assert network.register("d", through="a").height > 0  # the flooder has its share again
        network.agreed(least=network.height("a") - 1)


@pytest.mark.parametrize("hours", [2, -2])
def test_5_a_node_whose_clock_is_wrong_harms_itself_alone(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, hours: int
) -> None:
    """Its votes and its mempool have a wrong time; blocks have the median's: it agrees, proposes, is not punished."""
    signers: list[SkewedSigner] = []

    def skew(unstarted: RunningNetwork) -> None:
        node = unstarted.node("d")
        command = node.files.app_command(str(APPS / "skewed_app.py"))
        node.app = SupervisedProcess("the application with a wrong clock", command, node.files.log)
        (node.files.directory / "clock-skew").write_text(str(hours * 3_600_000))
        place = tmp_path_factory.mktemp("signer") / "sock"
        config = node.files.home / "config" / "config.toml"
        config.write_text(f'priv_validator_laddr = "unix://{place}"\n{config.read_text()}')
        chain = unstarted.chain
        signers.append(SkewedSigner(place, signing_key("d", "validator"), chain, hours * 3600))
        signers[0].start()

    rules = Parameters(epoch_blocks_min=1, epoch_ms=1)
    pace = replace(PATIENT, commit=250)  # its votes take a way more, by another process
    with running(tmp_path, timing=pace, parameters=rules, prepare=skew) as network:
        wire = network.wire("d", RegisterDataset("through-a-wrong-clock", SCHEMA))
        told = network.client("d").broadcast(wire)
        assert told.log == ("expired" if hours > 0 else "")
        if hours > 0:  # the way out that everyone has: another node
            assert network.client("a").broadcast(wire).code == 0
        assert network.client("a").wait_for(transaction_digest(wire)).tx_result.code == 0
        write_until_the_epoch_closes(network)  # whoever starts last on a busy machine misses turns in the first one
        before = conduct(network, "d")
        write_until_the_epoch_closes(network)
        assert conduct(network, "d").consensus > before.consensus
        last = network.agreed(least=network.height("a") - 1)
        times = [header.time for header in network.client("a").headers(20)]
        assert times == sorted(times, reverse=True)
        assert abs(seconds_ago(times[0])) < 600  # block time is not the wrong one
        place = proposer.address(signing_key("d", "validator").public.raw).hex().upper()
        votes = network.client("a").signed_header(last).commit.signatures
        told_by_d = [vote.timestamp for vote in votes if vote.validator_address == place]
        assert signers[0].votes > 0 and (not told_by_d or abs(seconds_ago(told_by_d[0]) + hours * 3600) < 600)
    signers[0].stop()


def seconds_ago(time_text: str) -> float:
    """How long ago a time of CometBFT's is; negative for one to come."""
    return (datetime.now(UTC) - datetime.fromisoformat(time_text[:19] + "+00:00")).total_seconds()


def test_11_jail_storm_join_and_leave_at_once(tmp_path: Path) -> None:
    """Two of seven never wake and are jailed in one block; then one of them leaves as another member joins: no halt.

    Every set that CometBFT got is legal, or it would have stopped, and safe: 3 times the f largest below the total.
    """
    rules = Parameters(jail_blocks_per_member=1, jail_ms=1_000)
    with running(tmp_path, "abcdefg", timing=QUICK, parameters=rules, asleep="fg") as network:
        writers = cycle("abcde")

        def told(state_tells: Callable[[State], bool]) -> bool:
            """Write one more block, look at the powers that CometBFT has, and ask the state."""
            network.register(next(writers))
            found = [entry.voting_power for entry in network.client("a").validators()]
            assert reputation.safe(found, len(found))
            state = network.state("a")
            try:
                return state_tells(state)
            finally:
                state.close()

        def jailed_at(state: State, name: str) -> int:
            return standings.standing(state, name).jailed_at_height

        eventually(
            lambda: told(lambda state: jailed_at(state, "f") == jailed_at(state, "g") > 0), "two in jail at once"
        )
        for body in (admission(member("h"), network.chain), ProposeAction(Remove("f"))):
            network.submit("a", body)
        eventually(lambda: told(lambda state: len(membership.ballots(state)) == 2), "two ballots")
        state = network.state("a")
        ids = [ballot for ballot, _ in membership.ballots(state)]
        state.close()
        for name in "bcdeg":  # six votes carry both, whichever comes first, in one block or two in a row
            for ballot in ids:
                network.submit(name, VoteAction(ballot), through="a")

        def is_exchanged(state: State) -> bool:
            return [entry.organisation for entry in membership.active_members(state)] == list("abcdegh")

        eventually(lambda: told(is_exchanged), "one in, one out")
        for _ in range(3):
            told(lambda state: True)
        network.node("g").start()
        network.submit("g", Unjail(), through="a")
        power_given_back = proposer.address(signing_key("g", "validator").public.raw).hex().upper()
        eventually(
            lambda: told(lambda state: standings.standing(state, "g").power > reputation.POWER_JAILED), "its power"
        )
        for _ in range(2):
            told(lambda state: True)
        powers = {entry.address: entry.voting_power for entry in network.client("a").validators()}
        assert powers[power_given_back] > reputation.POWER_JAILED and len(powers) == 7
        network.agreed("abcde", least=network.height("a") - 1)
