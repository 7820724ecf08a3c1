"""A hospital at its own node acts alone, and needs nothing of the others but the ledger and the store."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from hmchain.application.hospital.node_hospital import NodeHospital
from hmchain.application.hospital.study_end import StudyPausedError, is_finished
from hmchain.ledger.contracts.data.datasets import PublishVersion
from hmchain.ledger.engines.ledger import RefusedTransactionError
from support.study_bed import STUDY, Bed


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[Bed]:
    bed = Bed.found(tmp_path / "run")
    yield bed
    bed.close()


def test_hospitals_that_act_one_by_one_end_a_study_together(bed: Bed) -> None:
    before = set(threading.enumerate())
    bed.prepare(rounds_=1)
    bed.approve()
    each = [NodeHospital(hospital, bed.consortium.ledger) for hospital in bed.consortium.hospitals.values()]
    for _ in range(200):
        if is_finished(bed.state, STUDY):
            break
        busy = [one.step() for one in each]
        bed.now_ms += 10 if any(busy) else 500
    assert is_finished(bed.state, STUDY)
    each[0].run(STUDY)
    assert bed.agent(bed.names[0]).keys.require(STUDY).own.round == 2
    started = {thread.name for thread in threading.enumerate() if thread not in before}
    assert not [name for name in started if name.startswith("agent")], "the consortium's own threads ran no hospital"


def test_it_acts_on_all_that_its_node_has(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent that trained long is blocks behind: what was taken back in the last of them is no more allowed."""
    coming, seen = ["allowed", "allowed still", "taken back"], []
    ledger, hospital = bed.consortium.ledger, bed.consortium.hospitals["east"]
    monkeypatch.setattr(ledger, "produce_block", lambda: seen.append(coming.pop(0)) or seen if coming else None)
    monkeypatch.setattr(hospital.agent, "publish", lambda: seen.append("publishes"))
    assert NodeHospital(hospital, ledger).step() is True
    assert seen == ["allowed", "allowed still", "taken back", "publishes"]


def test_it_says_why_it_stops(bed: Bed) -> None:
    alone = NodeHospital(bed.consortium.hospitals["east"], bed.consortium.ledger)
    assert alone.step() is False
    with pytest.raises(StudyPausedError, match="unknown"):
        alone.run(STUDY)
    with pytest.raises(RefusedTransactionError, match="no_such_dataset"):
        alone.require(alone.hospital.as_steward(PublishVersion("brain", 1, bytes(32), 64)))
