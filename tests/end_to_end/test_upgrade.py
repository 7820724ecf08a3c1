"""Four real nodes go from protocol 2 to 3 in the middle of a study, one of them late, and ask by requests then."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from hmchain.application.hospital.consortium import Consortium
from hmchain.application.hospital.founding import founding, validator_keys
from hmchain.ledger.contracts.data import permits
from hmchain.ledger.contracts.data.applying import CreateRequest, SaveDraft, SubmitRequest
from hmchain.ledger.contracts.data.datasets import RegisterDataset
from hmchain.ledger.contracts.data.deciding import ApproveRequest
from hmchain.ledger.contracts.learning.rounds import Phase, Verdict
from hmchain.ledger.contracts.learning.studies import Deadlines
from hmchain.ledger.contracts.members import membership, upgrades
from hmchain.ledger.contracts.members.membership import ProposeAction, VoteAction
from hmchain.ledger.contracts.members.upgrades import Upgrade
from hmchain.ledger.engines.cometbft import archive, audit
from hmchain.ledger.engines.cometbft.ledger import CometLedger, StoredStates
from hmchain.ledger.engines.cometbft.local import LocalNetwork, LocalNode
from hmchain.ledger.engines.cometbft.process import SupervisedProcess
from hmchain.ledger.engines.cometbft.rpc import RpcClient
from hmchain.ledger.state import State
from support.cometbft_network import eventually, needs_cometbft, now_ms, signing_key
from support.paths import APPS
from support.request_bench import REQUEST, content
from support.study_bed import NAMES, SALT, SCHEMA, YEAR_MS, Bed, repeatable_keys

pytestmark = [pytest.mark.network, pytest.mark.timeout(300)]

LATE = "west"
NOTICE_MS = 6_000
DEADLINES = Deadlines(30_000, 15_000, 15_000, 15_000, 15_000, 15_000)


class NetworkBed(Bed):
    """Dummy hospitals, each at a node of its own; time is the clock's."""

    def step(self) -> bool:
        busy = self.consortium.step()
        self.now_ms = now_ms()
        if not busy:
            time.sleep(0.05)
        return busy


def give_version_before(node: LocalNode) -> SupervisedProcess:
    """Its application knows protocol 2 alone; that which knows both is returned."""
    command = node.files.app_command(str(APPS / "protocol_2_app.py"))
    right, node.app = node.app, SupervisedProcess("the application of the version before", command, node.files.log)
    return right


def height(node: LocalNode) -> int:
    if not (node.files.directory / "state.db").exists():
        return 0
    state = State.open_read_only(node.files.directory / "state.db")
    try:
        return state.height
    finally:
        state.close()


@contextmanager
def running(directory: Path) -> Iterator[tuple[NetworkBed, LocalNetwork, SupervisedProcess]]:
    """Four nodes and their hospitals; the late one has a program of before, and the right one is given."""
    needs_cometbft()
    bed = NetworkBed(directory / "run", tuple(sorted(NAMES[:4])), now_ms=now_ms(), protocol=2)
    keys = {name: repeatable_keys(name) for name in bed.names}
    genesis = founding("upgrade", {name: name for name in bed.names}, keys, now_ms(), salt=SALT, protocol=2)
    genesis = replace(genesis, notice_ms=NOTICE_MS)
    nodes = LocalNetwork(directory / "nodes", genesis, validator_keys(keys))
    right = give_version_before(nodes.nodes[LATE])
    with nodes:
        try:
            eventually(lambda: all(height(node) for node in nodes.nodes.values()), "the first block")
            client = RpcClient([node.rpc_url for node in nodes.nodes.values()])
            directories = {name: node.files.directory for name, node in nodes.nodes.items()}
            bed.adopt(
                Consortium(directory / "run", CometLedger(client, genesis, StoredStates(directories)), keys, bed.learn)
            )
            yield bed, nodes, right
            bed.close()
        finally:
            for name, node in nodes.nodes.items():
                print(f"--- {name}\n{node.files.log.read_text()[-3000:]}")


def agree_on_protocol_3(bed: NetworkBed) -> Upgrade:
    action = Upgrade(3, now_ms() + 2 * NOTICE_MS, bed.state.height + 4)
    bed.require("east", "steward", ProposeAction(action))
    ballot = membership.open_ballot(bed.state, action, now_ms())
    assert ballot is not None
    for name in ("north", "south"):
        bed.require(name, "steward", VoteAction(ballot))
    assert upgrades.planned(bed.state) == action
    return action


def test_four_nodes_change_the_rules_in_the_middle_of_a_study_one_of_them_late(tmp_path: Path) -> None:
    with running(tmp_path) as (bed, nodes, right):
        bed.prepare(3, deadlines=DEADLINES)
        bed.approve(expires_ms=now_ms() + YEAR_MS)
        bed.until(1, Phase.COMMIT)
        agreed = agree_on_protocol_3(bed)

        def follows_protocol_3() -> bool:
            """A transaction a look: an idle chain makes a block a minute."""
            bed.require("east", "steward", RegisterDataset(f"at-{bed.state.height}", SCHEMA))
            return upgrades.at(bed.state, bed.state.height + 1) == 3

        eventually(follows_protocol_3, "protocol 3")
        changed = next(at for at, event in bed.events if event.kind == "protocol.changed")
        assert changed >= agreed.after_height and bed.round.number == 1 and not bed.contributions()

        late = nodes.nodes[LATE]
        told = f"block {changed + 1} follows protocol 3, and this program knows 2"
        eventually(lambda: told in late.files.log.read_text(), "the late node says why it stops")
        assert height(late) == changed, "the last block of protocol 2 is committed, and none after it"
        bed.run(lambda: bed.round.number == 2)
        assert bed.at(1).outcome == Verdict.ACCEPTED and len(bed.at(1).frozen) == 3
        assert height(late) == changed

        late.stop()
        late.app = right
        late.start()
        eventually(lambda: height(late) >= bed.state.height, "the late node catches up")
        bed.run()
        assert bed.study.progress.reason == "completed", "by the approvals of protocol 2"
        ask_and_decide(bed)
        observer = nodes.add("observer", signing_key("observer", "validator"))
        observer.start()
        eventually(lambda: height(observer) >= bed.state.height, "a new node plays everything again")
        east = nodes.nodes["east"].files.directory
        with RpcClient([nodes.nodes["east"].rpc_url]) as client:
            kept = archive.keep(
                east, lambda: client.status().sync_info.latest_block_height, client.signed_header, lambda *_: None
            )
        found = audit.verify(east, kept)
        assert found.signed_height >= bed.state.height
        ends = set(map(state_at_the_end, nodes.nodes.values()))
        assert len(ends) == 1, "one commitment, and one permit"
        ((_, protocol, allowed),) = ends
        assert protocol == 3 and allowed == bed.names


def ask_and_decide(bed: NetworkBed) -> None:
    """A request of all hospitals, each of which says yes: what protocol 2 knows nothing of."""
    until_ms = now_ms() + YEAR_MS
    asked = content(*bed.names, until_ms=until_ms)
    for body in (CreateRequest(REQUEST), SaveDraft(REQUEST, asked), SubmitRequest(REQUEST, asked.digest)):
        bed.require("east", "scientist", body)
    for name in bed.names:
        bed.require(name, "steward", ApproveRequest(REQUEST, 1, asked.digest, "brain", until_ms))


def state_at_the_end(node: LocalNode) -> tuple[bytes, int, tuple[str, ...]]:
    """Commitment, protocol, and whose data may be used under the request."""
    state = State.open_read_only(node.files.directory / "state.db")
    try:
        permit = permits.permit(state, REQUEST, now_ms())
        allowed = tuple(use.organisation for use in permit.allowed) if permit else ()
        return state.commitment(), upgrades.at(state, state.height + 1), allowed
    finally:
        state.close()
