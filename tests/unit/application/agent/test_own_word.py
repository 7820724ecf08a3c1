"""What the others can take of a hospital by a vote: its word on the ledger, and never its data."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hmchain.canonical import digest
from hmchain.keys import SigningKey
from hmchain.ledger.contracts.learning import opening
from hmchain.ledger.contracts.learning.studies import Status
from hmchain.ledger.contracts.members import membership
from hmchain.ledger.contracts.members.enrolment import AcceptInvitation, InvitePerson, possession_bytes
from hmchain.ledger.contracts.members.membership import ProposeAction, VoteAction
from hmchain.ledger.contracts.members.office_keys import CompleteRecovery
from hmchain.ledger.contracts.members.recovery import Recover, recovery_bytes
from hmchain.ledger.engines.ledger import signed
from support.study_bed import STUDY, Bed

THIEVES = SigningKey(digest("the coalition's key"))
EAST = "east"


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[Bed]:
    bed = Bed.found(tmp_path / "run", notice_ms=1)
    yield bed
    bed.close()


def recover_east(bed: Bed) -> None:
    """North, South and West vote a key of their own for East, which does not object."""
    lost, key = bed.consortium.hospitals[EAST].keys.steward.public.raw, THIEVES.public.raw
    chain = bed.consortium.ledger.chain_id
    action = Recover(EAST, lost, key, 7, THIEVES.sign(recovery_bytes(chain, EAST, lost, key)))
    others = [name for name in bed.names if name != EAST]
    bed.require(others[0], "steward", ProposeAction(action))
    ballot = membership.open_ballot(bed.state, action, bed.now_ms)
    assert ballot is not None
    for name in others[1:]:
        bed.require(name, "steward", VoteAction(ballot))
    bed.now_ms += 1000
    bed.require(others[0], "steward", CompleteRecovery(EAST))


def act_as_east(bed: Bed) -> None:
    """From now on the coalition signs for East's steward."""
    keys = bed.consortium.hospitals[EAST].keys
    object.__setattr__(keys, "steward", THIEVES)


def test_a_recovered_key_decides_nothing_at_the_hospital_until_confirmed(bed: Bed) -> None:
    bed.prepare(2)
    recover_east(bed)
    act_as_east(bed)
    bed.approve()
    for _ in range(20):
        bed.step()
    assert bed.study.status is Status.PROPOSED, "the ledger takes the coalition's word for East's"
    joined = [join.organisation for join in opening.joins(bed.state, STUDY)]
    assert joined == [name for name in bed.names if name != EAST], "and East's own machine does not"
    assert [said for said in bed.agent(EAST).news if "hmchain people recover trust" in said]

    second_self = SigningKey(digest("a person that the coalition lets in"))
    proof = second_self.sign(possession_bytes(bed.consortium.ledger.chain_id, EAST, "s1", second_self.public.raw))
    bed.require(EAST, "steward", InvitePerson("s1", ("steward",), second_self.public.raw, proof))
    accepted = signed(second_self, bed.consortium.hospitals[EAST].node, AcceptInvitation(("steward",)))
    assert bed.consortium.submit(accepted) == ["ok"]
    assert not bed.agent(EAST).hears_its_own, "nor do people that the key let in"

    bed.agent(EAST).confirmed = frozenset({THIEVES.public.raw})
    bed.run()
    assert bed.study.progress.reason == "completed", "East's operator says that the key is the hospital's"


def test_a_running_study_goes_on_without_a_hospital_whose_key_the_others_replaced(bed: Bed) -> None:
    bed.prepare(3)
    bed.approve()
    bed.run(lambda: bed.study.status is Status.RUNNING)
    recover_east(bed)
    bed.run()
    assert bed.study.progress.reason == "completed"
    assert EAST not in bed.at(3).frozen
