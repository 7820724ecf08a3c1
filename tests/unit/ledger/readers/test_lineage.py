"""Lineage: what made a model, and who touched a dataset, each finding with the transaction that proves it."""

from __future__ import annotations

from pathlib import Path

import pytest

from hmchain.application.agent.faults import AgentBehaviour
from hmchain.ledger.contracts.data import requests
from hmchain.ledger.contracts.data.datasets import PublishVersion, WithdrawVersion
from hmchain.ledger.contracts.learning.approvals import RefuseStudy
from hmchain.ledger.contracts.learning.rounds import Phase
from hmchain.ledger.engines.block_store import BlockStore
from hmchain.ledger.readers.lineage import NothingToTraceError, TracedTransaction, trace_dataset, trace_study
from hmchain.ledger.readers.replay import verify
from support.ledger_network import Network
from support.study_bed import START_MS, STUDY, YEAR_MS, Bed


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Bed:
    """A finished study of two rounds, in the first of which the master is proven a liar and replaced."""
    made = Bed.found(tmp_path_factory.mktemp("lineage"))
    made.prepare(rounds_=2)
    made.approve()
    made.until(1, Phase.REVEAL)
    made.behave(made.round.master, AgentBehaviour.FORGE_SUM)
    made.run()
    made.revoke(made.names[0])
    made.close()
    return made


@pytest.fixture(scope="module")
def ledger(bed: Bed) -> Path:
    return bed.directory / "ledger"


def holds(ledger: Path, entry: TracedTransaction) -> bool:
    """Whether the transaction is where the entry says."""
    store = BlockStore(ledger / "blocks.db", read_only=True)
    place = store.find(entry.transaction)
    store.close()
    return place is not None and place[0] == entry.height


def test_a_model_s_data_approvals_and_code(bed: Bed, ledger: Path) -> None:
    trace = trace_study(ledger, STUDY)
    assert [(version.organisation, version.version, version.count) for version in trace.data] == [
        (name, 1, 512) for name in bed.names
    ]
    approved = [decision for decision in trace.decisions if decision.status == "approved"]
    assert [decision.organisation for decision in approved] == list(bed.names)
    assert {decision.code for decision in approved} == {trace.spec.code}
    assert trace.proposal.organisation == bed.names[0]
    entries = [trace.proposal, *(v.entry for v in trace.data), *(d.entry for d in trace.decisions)]
    assert all(holds(ledger, entry) for entry in entries)


def test_a_model_s_updates_and_masters(bed: Bed, ledger: Path) -> None:
    trace = trace_study(ledger, STUDY)
    assert [round_.number for round_ in trace.rounds] == [0, 1, 2]
    for round_ in trace.rounds:
        assert round_.outcome == "accepted"
        assert {update.organisation for update in round_.updates if update.summed} == set(bed.names)
        assert all(holds(ledger, update.entry) for update in round_.updates)
        assert len(round_.aggregates[-1].confirmed_by) >= 2
    liar, successor = trace.rounds[1].aggregates
    assert liar.fraud and not successor.fraud and liar.master != successor.master
    assert trace.model_root == trace.rounds[2].aggregates[-1].model_root
    registered = {(model.root, model.weights, model.meaning) for model in verify(ledger).models}
    assert (trace.model_root, trace.weights_root, trace.meaning) in registered


def test_who_touched_a_dataset_and_on_which_approval(bed: Bed, ledger: Path) -> None:
    name = bed.names[0]
    trace = trace_dataset(ledger, name, "brain")
    assert (trace.organisation, len(trace.versions), len(trace.studies)) == (name, 1, 1)
    study = trace.studies[0]
    assert [(decision.organisation, decision.status) for decision in study.decisions] == [
        (name, "approved"),
        (name, "revoked"),
    ]
    assert {update.organisation for round_ in study.rounds for update in round_.updates} == {name}
    assert holds(ledger, trace.registered)


def test_a_decision_under_a_permit_names_who_decided_until_when_and_on_what(bed: Bed, ledger: Path) -> None:
    first, *others = trace_study(ledger, STUDY).decisions
    request = requests.require_request(bed.state, STUDY)
    assert (first.request, first.content, first.expires_ms) == (STUDY, request.content, START_MS + YEAR_MS)
    assert first.persons == (f"{first.organisation}/steward",)
    assert (others[-1].status, others[-1].organisation) == ("revoked", bed.names[0])


def test_a_refused_study_has_decisions_and_no_rounds(tmp_path: Path) -> None:
    bed = Bed.found(tmp_path, protocol=2)
    bed.prepare()
    bed.require(bed.names[2], "steward", RefuseStudy(STUDY, "ethics"))
    bed.close()
    trace = trace_study(tmp_path / "ledger", STUDY)
    assert [(d.organisation, d.status, d.reason) for d in trace.decisions] == [(bed.names[2], "refused", "ethics")]
    assert trace.rounds == () and trace.model_root == trace.weights_root == trace.meaning == b""


def test_the_withdrawal_of_a_version_is_traced(tmp_path: Path) -> None:
    network = Network.found(tmp_path / "ledger")
    network.fill(1)
    network.block(network.send("a", PublishVersion("d0", 1, bytes(32), 64)))
    network.block(
        network.send("a", PublishVersion("d0", 2, bytes(32), 64)), network.send("a", WithdrawVersion("d0", 1))
    )
    network.ledger.close()
    first, second = trace_dataset(tmp_path / "ledger", "a", "d0").versions
    assert first.withdrawn is not None and (first.withdrawn.height, first.withdrawn.organisation) == (3, "a")
    assert second.withdrawn is None


def test_a_dataset_nobody_asked_for_and_what_is_not_there(tmp_path: Path) -> None:
    network = Network.found(tmp_path / "ledger")
    network.fill(1)
    network.ledger.close()
    trace = trace_dataset(tmp_path / "ledger", "a", "d0")
    assert (trace.registered.height, trace.versions, trace.studies) == (1, (), ())
    with pytest.raises(NothingToTraceError, match="no dataset a/nothing"):
        trace_dataset(tmp_path / "ledger", "a", "nothing")
    with pytest.raises(NothingToTraceError, match="no study nothing"):
        trace_study(tmp_path / "ledger", "nothing")
