"""A ledger opened for questions: whatever it answers was compared with what members signed, or says that it was not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from msgspec.structs import replace

from hmchain.application.node import questions
from hmchain.ledger.contracts.learning.rounds import Phase
from hmchain.ledger.contracts.members.membership import ProposeAction, SetParameters
from hmchain.ledger.contracts.members.parameters import Parameters
from hmchain.ledger.readers import audit, proof_files
from hmchain.ledger.readers.ledger import BadTraceError, LedgerReader, open_ledger
from hmchain.ledger.readers.lineage import DatasetTrace, StudyTrace
from hmchain.ledger.readers.proof_files import InclusionFile
from hmchain.ledger.readers.proofs import ProofError
from hmchain.ledger.readers.study_status import NoStudyError
from hmchain.plain import plain
from support.ledger_network import Network, genesis
from support.study_bed import STUDY, Bed


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ledger of a study whose first round waits for updates."""
    bed = Bed.found(tmp_path_factory.mktemp("reader"))
    bed.prepare()
    bed.approve()
    bed.until(1, Phase.COMMIT)
    bed.close()
    return bed.directory / "ledger"


@pytest.fixture
def bare(directory: Path, tmp_path: Path) -> Path:
    """Genesis and blocks alone."""
    for name in ("genesis.json", "blocks.db"):
        shutil.copy(directory / name, tmp_path / name)
    return tmp_path


def test_the_questions_that_are_asked_most(directory: Path) -> None:
    (study,) = questions.studies(directory)
    assert (study.name, study.status, study.vouched) == (STUDY, "running", "signed by 4 of 4 founders")
    with open_ledger(directory) as ledger:
        assert ledger.open_studies == [STUDY]
    members = questions.members(directory)
    assert [each.organisation for each in members] == [each.organisation for each in study.participants]
    assert sum(each.share_permyriad for each in members) == 10_000
    with open_ledger(directory) as ledger:
        assert sum(each.proposed for each in members) == ledger.height
    datasets = questions.datasets(directory)
    assert [(each.organisation, len(each.versions)) for each in datasets] == [(m.organisation, 1) for m in members]
    assert isinstance(questions.trace(directory), StudyTrace)
    assert isinstance(questions.trace(directory, dataset="east/brain"), DatasetTrace)


def test_the_rules_and_what_may_change_them(tmp_path: Path) -> None:
    network = Network.found(tmp_path / "ledger")
    wanted = replace(Parameters(), round_trip_ms=160)
    network.block(network.send("a", ProposeAction(SetParameters(wanted))))
    network.ledger.close()
    with open_ledger(network.directory) as ledger:
        view = ledger.parameters()
        (ballot,) = ledger.ballots()
        assert view.ballots == (ballot,) and ballot.action == "set round_trip_ms=160"
        assert view.parameters["round_trip_ms"] != 160
        assert ballot.details == (("round_trip_ms", "50 now, 160 then"),)
        assert ledger.rules().next is None


def test_answers_print_well_and_become_json(directory: Path) -> None:
    with open_ledger(directory) as ledger:
        newest = ledger.blocks(limit=1)[0]
        answers = [
            *ledger.studies(), *ledger.datasets(), *ledger.members(), newest, *newest.transactions,
            ledger.parameters(), ledger.rules(), ledger.proposal("east", STUDY),
            proof_files.proven(ledger.proof(newest.transactions[0].digest.hex())),
            ledger.trace(), ledger.trace(dataset="east/brain"), audit.verify(directory),
            ledger.transaction(newest.transactions[0].digest.hex()), *ledger.requests("east"),
        ]  # fmt: skip
    for answer in answers:
        line = str(answer)
        assert "\n" not in line and "(" + "organisation=" not in line and len(line) < 400
        assert plain(answer)
    assert str(newest).startswith(f"block {newest.height}, ")


def test_blocks_are_the_last_ones_or_from_a_height(directory: Path) -> None:
    with open_ledger(directory) as ledger:
        height = ledger.height
        assert [block.height for block in ledger.blocks(limit=2)] == [height - 1, height]
        assert [block.height for block in ledger.blocks(first=1, limit=3)] == [1, 2, 3]
        assert all(block.vouched == "signed by 4 of 4 founders" for block in ledger.blocks(limit=height))


def test_a_bare_copy_answers_as_the_ledger_does(bare: Path, directory: Path) -> None:
    """Its blocks are executed: who has no state needs none."""
    with open_ledger(bare) as ledger, open_ledger(directory) as whole:
        for ask in (LedgerReader.blocks, LedgerReader.studies, LedgerReader.datasets, LedgerReader.members,
                    LedgerReader.ballots, LedgerReader.models, LedgerReader.trace):  # fmt: skip
            assert ask(ledger) == ask(whole)


def test_what_is_to_be_traced_must_be_clear(directory: Path) -> None:
    with open_ledger(directory) as ledger:
        with pytest.raises(BadTraceError, match="a study and a dataset"):
            ledger.trace(STUDY, "east/brain")
        with pytest.raises(BadTraceError, match="is not a dataset"):
            ledger.trace(dataset="scans")
        with pytest.raises(NoStudyError, match="there is no study other"):
            ledger.study("other")


def test_a_proof_is_checked_by_somebody_who_has_no_ledger(directory: Path, tmp_path: Path) -> None:
    file = tmp_path / "proof.json"
    with open_ledger(directory) as ledger:
        line = ledger.blocks(limit=1)[0].transactions[0]
        made = ledger.proof(line.digest.hex())
        anchor = ledger.genesis.digest
    assert isinstance(made, InclusionFile)
    file.write_bytes(proof_files.to_json(made))
    proven = proof_files.proven(proof_files.check(file, anchor, None))
    assert (proven.transaction.digest, proven.transaction.code) == (line.digest, line.code)
    with pytest.raises(ProofError, match="a proof on the network with genesis"):
        proof_files.check(file, genesis("efgh").digest, None)
