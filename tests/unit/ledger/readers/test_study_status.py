"""How a study is shown to stand, in every phase of its rounds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from hmchain.canonical import encode
from hmchain.ledger.contracts.learning import rounds
from hmchain.ledger.contracts.learning.rounds import Phase, Round
from hmchain.ledger.readers.signers import Endorsement
from hmchain.ledger.readers.states import VerifiedState
from hmchain.ledger.readers.study_status import study_status
from hmchain.ledger.state import Table, UnknownRecordError
from support.study_bed import STUDY, Bed


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[Bed]:
    made = Bed.found(tmp_path)
    yield made
    made.close()


def waits_for(bed: Bed) -> tuple[str, ...]:
    current = study_status(VerifiedState(bed.state, Endorsement(0)), STUDY).current
    assert current is not None
    return current.waits_for


def test_every_phase_says_whom_it_waits_for_and_one_that_nobody_knows_is_an_error(bed: Bed) -> None:
    bed.prepare()
    bed.approve()
    for phase in (Phase.COMMIT, Phase.ATTEST, Phase.REVEAL):
        bed.until(1, phase)
        assert waits_for(bed) == bed.round.expected
    bed.until(1, Phase.AGGREGATE)
    assert waits_for(bed) == (bed.round.master,)
    bed.until(1, Phase.VERIFY)
    assert set(waits_for(bed)) == set(bed.round.expected) - {bed.round.master}
    for phase in (Phase.GATE_COMMIT, Phase.GATE_REVEAL):
        bed.until(1, phase)
        assert waits_for(bed) == bed.round.expected
    rounds.put(bed.state, replace(bed.round, phase=Phase.FINAL))
    assert waits_for(bed) == ()
    key = Table("rounds", Round).key(STUDY, bed.round.number)
    bed.state.put(key, encode(bed.round).replace(encode(Phase.FINAL), encode("interlude")))
    with pytest.raises(UnknownRecordError, match="'interlude' is no word of it, as this version knows it"):
        waits_for(bed)
