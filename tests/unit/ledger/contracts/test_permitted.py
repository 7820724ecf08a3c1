"""Studies under permits: no step is taken without one at that height, and what ends leaves nothing behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from hmchain.application.agent.protocols import ReadyLearner
from hmchain.application.agent.study_keys import StudyKeyStore
from hmchain.application.site.activity import What, read_lines
from hmchain.canonical import encode
from hmchain.keys import WrappingKey
from hmchain.ledger.contracts.data import requests
from hmchain.ledger.contracts.data.applicants import InviteMember, JoinRequest
from hmchain.ledger.contracts.data.applying import SubmitRequest, TakeBackRequest
from hmchain.ledger.contracts.learning import approvals, models, permitted, rounds, studies
from hmchain.ledger.contracts.learning.approvals import ApproveStudy, RefuseStudy, RevokeApproval
from hmchain.ledger.contracts.learning.closing import CloseStudy
from hmchain.ledger.contracts.learning.counting import SitOut
from hmchain.ledger.contracts.learning.opening import JoinStudy, ResumeStudy
from hmchain.ledger.contracts.learning.participation import Tick
from hmchain.ledger.contracts.learning.permitted import ProposeUnderPermit
from hmchain.ledger.contracts.learning.rounds import Phase
from hmchain.ledger.contracts.learning.studies import DatasetUse, ProposeStudy, Status, StudySpec
from hmchain.ledger.contracts.members.people import PersonRef
from hmchain.ledger.engines.ledger import OwnNode
from hmchain.records.objects import ObjectStore, StoreUnavailableError
from support.study_bed import DEADLINES, START_MS, STUDY, YEAR_MS, Bed, another, make_spec


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[Bed]:
    bed = Bed.found(tmp_path, protocol=3)
    bed.prepare()
    yield bed
    bed.close()


@pytest.fixture(scope="module")
def allowed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    """A request that all hospitals allowed, and no study yet."""
    bed = Bed.found(tmp_path_factory.mktemp("allowed"), protocol=3)
    bed.prepare()
    for name in bed.names:
        bed.allow(name)
    yield bed
    bed.close()


def test_a_study_runs_under_its_permit(bed: Bed) -> None:
    bed.approve()
    bed.run(lambda: bed.study.status is Status.RUNNING)
    assert bed.submit("east", "agent", SitOut(STUDY)) == "not_a_count"
    bed.run()
    assert bed.study.status == Status.FINISHED
    assert permitted.studies_of(bed.state, STUDY) == [STUDY]


# Proposing


def propose(bed: Bed, spec: StudySpec, name: str = "east", request: str = STUDY, role: str = "scientist") -> str:
    return bed.submit(name, role, ProposeUnderPermit(spec, request))


def test_a_study_without_a_request_is_no_more_proposed(allowed: Bed) -> None:
    spec = make_spec(allowed.names, name="other")
    assert allowed.submit("east", "scientist", ProposeStudy(spec)) == "permit_needed"
    assert propose(allowed, spec, request="no-such") == "no_such_request"


OTHERS: dict[str, dict[str, object]] = {
    "another plan": {"training": b"other"},
    "other code": {"code": bytes([1]) * 32},
    "another purpose": {"purpose": "DUO:0000042"},
    "other colluders": {"colluders": 0},
    "more rounds": {"rounds": 4, "rule": replace(make_spec(("a", "b", "c", "d"), 4).rule)},
    "fewer rounds": {"rounds": 2},
    "another server rate": {"rule": replace(make_spec(("a", "b", "c", "d")).rule, learning_rate=1 << 15)},
    "other deadlines": {"deadlines": replace(make_spec(("a", "b", "c", "d")).deadlines, gate_ms=20_000)},
    "a laxer gate": {"gate_tolerance_permyriad": 9_000},
}


@pytest.mark.parametrize("case", OTHERS)
def test_what_differs_from_what_was_allowed_is_refused(allowed: Bed, case: str) -> None:
    spec = replace(make_spec(allowed.names), **OTHERS[case])
    assert propose(allowed, spec) == "not_permitted"


def test_another_version_dataset_or_hospital_is_refused(allowed: Bed) -> None:
    """What the permit names, and no more: a hospital that was not asked is not in it."""
    for dataset, version in (("brain", 2), ("spine", 1)):
        spec = make_spec(allowed.names)
        spec = replace(spec, uses=(DatasetUse("east", dataset, version), *spec.uses[1:]))
        assert propose(allowed, spec) in ("not_permitted", "no_such_version")
    assert propose(allowed, make_spec((*allowed.names[:3], "wast"))) == "not_a_member"


def test_only_scientists_of_the_applicant_or_members_propose(allowed: Bed) -> None:
    spec = make_spec(allowed.names)
    assert propose(allowed, spec, "north") == "not_the_applicant"
    assert propose(allowed, spec, role="steward") == "wrong_role"
    assert propose(allowed, spec, role="agent") == "wrong_role"


def test_who_joined_after_the_decision_makes_no_use_of_it(bed: Bed) -> None:
    """Hospitals judged the people of the submission; a later member was judged by nobody, and accepted no terms."""
    for name in bed.names:
        bed.allow(name)
    bed.require("east", "scientist", InviteMember(STUDY, PersonRef("west", "scientist")))
    bed.require("west", "scientist", JoinRequest(STUDY))
    assert propose(bed, make_spec(bed.names), "west") == "not_the_applicant"
    assert propose(bed, make_spec(bed.names)) == "ok"


def test_a_permit_of_one_request_does_not_serve_another(allowed: Bed) -> None:
    """A request with the same content that nobody allowed, and one that was allowed for something else."""
    spec = another(make_spec(allowed.names), "second")
    allowed.ask(spec)
    assert propose(allowed, spec, request="second") == "not_permitted"
    third = another(make_spec(allowed.names), "third", training=encode(3))
    allowed.ask(third)
    for name in allowed.names:
        allowed.allow(name, study="third")
    assert propose(allowed, spec, request="third") == "not_permitted"


def test_while_one_hospital_has_not_allowed_it_nothing_is_proposed_of_all(bed: Bed) -> None:
    for name in bed.names[:3]:
        bed.allow(name)
    assert propose(bed, make_spec(bed.names)) == "not_permitted"
    smaller = make_spec(bed.names[:3], colluders=1)
    assert propose(bed, smaller) == "ok", "the same plan, of those who allowed it"


@pytest.mark.parametrize("end", ["revoked", "expired", "closed"])
def test_after_its_end_a_permit_allows_nothing(bed: Bed, end: str) -> None:
    for name in bed.names:
        bed.allow(name, START_MS + 50_000)
    end_it(bed, end)
    assert propose(bed, make_spec(bed.names)) == "not_permitted"


def test_a_permit_opens_one_study(bed: Bed) -> None:
    """One that was closed before it opened used nothing, and counts for nothing."""
    bed.approve()
    second = another(make_spec(bed.names), "second")
    assert propose(bed, second) == "permit_used", "one is under way"
    bed.require("east", "scientist", CloseStudy(STUDY))
    assert propose(bed, second) == "ok"
    bed.run(lambda: studies.require_study(bed.state, "second").status == Status.RUNNING)
    bed.require("east", "scientist", CloseStudy("second"))
    assert propose(bed, another(second, "third")) == "permit_used"
    assert permitted.studies_of(bed.state, STUDY) == ["second", STUDY]


def test_people_decide_on_the_request_and_not_on_the_study(bed: Bed) -> None:
    bed.approve()
    approve = ApproveStudy(STUDY, bed.study.spec.digest, START_MS + YEAR_MS)
    for body in (approve, RefuseStudy(STUDY, "ethics"), RevokeApproval(STUDY)):
        assert bed.submit("west", "steward", body) == "under_permit"
    assert not approvals.approvals(bed.state, bed.study.spec.digest)


# While it opens, and while it runs


def join_of(bed: Bed, name: str) -> str:
    return bed.submit(name, "agent", JoinStudy(STUDY, WrappingKey.generate().public, bytes(32)))


@pytest.mark.parametrize("end", ["revoked", "expired", "closed"])
def test_no_agent_joins_without_a_permit_and_the_study_ends_at_the_next_tick(bed: Bed, end: str) -> None:
    bed.approve(expires_ms=START_MS + 50_000)
    end_it(bed, end)
    assert join_of(bed, "west") == "not_approved"
    bed.step()
    assert (bed.study.status, bed.study.progress.reason) == (Status.CLOSED, permitted.PERMIT_OVER)
    bed.step()
    assert not any(bed.agent(name).store.names() for name in bed.names), "no secret is left"


@pytest.mark.parametrize("step", [Status.AGREEING, Status.CONFIRMING])
def test_a_permit_that_goes_while_keys_are_agreed_ends_the_study(bed: Bed, step: Status) -> None:
    bed.approve()
    bed.run(lambda: bed.study.status == step)
    bed.revoke("south")
    bed.step()
    assert (bed.study.status, bed.study.progress.reason) == (Status.CLOSED, permitted.PERMIT_OVER)
    bed.step()
    assert all(bed.agent(name).study_key(STUDY) is None for name in bed.names)
    assert not any(bed.agent(name).store.names() for name in bed.names)


def end_it(bed: Bed, end: str) -> None:
    match end:
        case "revoked":
            bed.revoke("west")
        case "expired":
            bed.now_ms = START_MS + 50_001
        case "closed":
            bed.close_request()


def test_a_revocation_bites_at_the_next_round_and_the_study_goes_on(bed: Bed) -> None:
    bed.approve()
    bed.until(1, Phase.REVEAL)
    bed.revoke("west")
    bed.run()
    assert bed.study.status == Status.FINISHED
    assert bed.at(1).frozen == bed.names and bed.at(2).expected == bed.names[:3]


def test_an_update_is_not_taken_after_the_permit_went_in_the_same_round(bed: Bed) -> None:
    """Asked for when the attempt began, and not allowed any more: neither bound nor voted with."""
    bed.approve()
    bed.until(2, Phase.COMMIT)
    (wire,) = bed.agent("west").step()
    bed.revoke("west")
    assert bed.consortium.submit(wire) == ["not_approved"]
    bed.run()
    assert bed.at(2).frozen == bed.names[:3] and bed.study.status == Status.FINISHED


def test_an_update_that_was_bound_does_not_leave_after_the_permit_went(bed: Bed) -> None:
    """Its digest is on the ledger, its bytes are not in the store yet; the study goes on without it."""
    bed.approve()
    bed.until(2, Phase.COMMIT)
    (wire,) = bed.agent("west").step()
    assert bed.consortium.submit(wire) == ["ok"]
    own = rounds.contribution(bed.state, bed.at(2), "west")
    assert own is not None
    bed.revoke("west")
    bed.run()
    assert bed.study.status == Status.FINISHED and bed.at(2).frozen == bed.names[:3]
    assert own.object not in list(bed.consortium.objects.list())
    sent = [line.deed for line in read_lines(bed.everyone["west"].folder.activity)]
    assert not [deed for deed in sent if deed.round == 2 and deed.what is What.UPDATE]


@pytest.mark.parametrize("step", [Status.AGREEING, Status.CONFIRMING])
def test_no_key_is_agreed_while_the_permit_rests(bed: Bed, step: Status) -> None:
    """What was submitted again waits for its hospitals, and agents wait, silent, until the study's time is over."""
    bed.approve()
    bed.run(lambda: bed.study.status == step)
    bed.require("east", "scientist", TakeBackRequest(STUDY))
    bed.require("east", "scientist", SubmitRequest(STUDY, requests.require_request(bed.state, STUDY).content))
    assert not any(bed.agent(name).step() for name in bed.names)
    bed.now_ms = bed.study.progress.deadline_ms
    bed.run()
    assert bed.study.status == Status.CLOSED and bed.study.progress.reason.startswith("not_")


def test_a_hospital_whose_permit_went_holds_no_records_for_the_study(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its agent goes on: others are owed seeds, and for those no record is needed."""
    gone: list[object] = []
    monkeypatch.setattr(ReadyLearner, "let_go", lambda self: gone.append(self.trainer))
    bed.approve()
    bed.until(1, Phase.REVEAL)
    assert not gone
    bed.revoke("west")
    bed.step()
    assert gone and all(each is bed.trainers["west"] for each in gone)
    bed.run(lambda: bed.round.number == 2)
    assert bed.at(1).frozen == bed.names


def test_a_hospital_whose_permit_went_votes_on_no_model(bed: Bed) -> None:
    """Its vote would be made of its validation records."""
    bed.approve()
    bed.until(2, Phase.GATE_COMMIT)
    (wire,) = bed.agent("west").step()
    bed.revoke("west")
    assert bed.consortium.submit(wire) == ["not_approved"]
    bed.run()
    assert bed.study.status == Status.FINISHED


def test_a_study_that_cannot_go_on_ends_and_does_not_pause(bed: Bed) -> None:
    bed.approve()
    bed.until(2, Phase.COMMIT)
    for name in ("south", "west"):
        bed.revoke(name)
    bed.step()
    assert (bed.study.status, bed.study.progress.reason) == (Status.FINISHED, permitted.PERMIT_OVER)


def test_while_a_sum_is_on_its_way_a_tick_ends_nothing(bed: Bed) -> None:
    """What went into a frozen set was allowed; its seeds are owed."""
    bed.approve()
    bed.until(2, Phase.REVEAL)
    for name in bed.names[:2]:
        bed.revoke(name)
    assert bed.submit("west", "agent", Tick(STUDY)) == "not_due"
    bed.run()
    assert (bed.study.status, bed.study.progress.reason) == (Status.FINISHED, permitted.PERMIT_OVER)
    assert bed.at(2).frozen == bed.names


@pytest.mark.parametrize("phase", [Phase.GATE_COMMIT, Phase.GATE_REVEAL])
def test_nobody_waits_for_the_votes_of_those_whose_permits_went(bed: Bed, phase: Phase) -> None:
    """A model that too few may vote on is rejected before the vote is due: the last one that was accepted stays."""
    bed.approve()
    bed.until(2, phase)
    before, accepted = bed.now_ms, bed.at(2).base_root
    for name in ("south", "west"):
        bed.revoke(name)
    bed.run()
    assert (bed.study.status, bed.study.progress.reason) == (Status.FINISHED, permitted.PERMIT_OVER)
    model = models.model(bed.state, STUDY)
    assert model is not None and model.root == accepted
    assert bed.now_ms - before < DEADLINES.gate_ms


def test_a_paused_study_ends_when_its_permits_are_over(bed: Bed) -> None:
    bed.approve(expires_ms=START_MS + 10_000_000)
    bed.until(2, Phase.COMMIT)
    with bed.asleep("south", "west"):
        bed.run()
    assert bed.study.status == Status.PAUSED
    bed.now_ms = START_MS + 10_000_001
    bed.step()
    assert (bed.study.status, bed.study.progress.reason) == (Status.FINISHED, permitted.PERMIT_OVER)


@pytest.mark.parametrize("phase", [Phase.COMMIT, Phase.GATE_COMMIT])
def test_a_permit_that_rests_pauses_a_study_and_does_not_end_it(bed: Bed, phase: Phase) -> None:
    """Its hospitals decide again: over weights that were summed over too, since they may come back."""
    bed.approve()
    bed.until(2, phase)
    bed.require("east", "scientist", TakeBackRequest(STUDY))
    bed.require("east", "scientist", SubmitRequest(STUDY, requests.require_request(bed.state, STUDY).content))
    bed.run()
    assert bed.study.status == Status.PAUSED
    for name in bed.names:
        bed.allow(name)
    bed.require("east", "scientist", ResumeStudy(STUDY))
    bed.run()
    assert bed.study.status == Status.FINISHED and bed.study.progress.reason == studies.COMPLETED


# What is left


def test_the_keys_of_a_finished_study_go_when_its_request_ends(bed: Bed) -> None:
    bed.approve()
    bed.run()
    bed.step()
    assert all(bed.agent(name).study_key(STUDY) is not None for name in bed.names)
    bed.reopen()
    bed.step()
    bed.close_request()
    bed.step()
    for name in bed.names:
        assert bed.agent(name).study_key(STUDY) is None
        left = [name.split("/")[1] for name in bed.agent(name).store.names() if name.startswith(f"{STUDY}/")]
        assert set(left) == {"acts", "score"}, "what it did, and its own scores"
    assert not list(bed.consortium.objects.list())


def test_a_store_that_lets_nobody_delete_keeps_no_key_of_what_is_over(
    bed: Bed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others run it: the agents go on, the keys go, and the objects go once they can, whoever is started again."""

    def refuse(store: ObjectStore, digest: bytes) -> None:
        raise StoreUnavailableError("the object store refuses our credentials", "check what they may do")

    bed.approve()
    bed.until(1, Phase.GATE_COMMIT)
    with monkeypatch.context() as locked:
        locked.setattr(ObjectStore, "delete", refuse)
        bed.run(lambda: bed.round.number == 2)
        bed.step()
        kept = [StudyKeyStore(bed.agent(name).store).require(STUDY) for name in bed.names]
        assert all(keys.own.round == 2 for keys in kept), "no seed of the round before can be made again"
    bed.run()
    bed.step()
    with monkeypatch.context() as locked:
        locked.setattr(ObjectStore, "delete", refuse)
        bed.close_request()
        bed.step()
        assert all(bed.agent(name).study_key(STUDY) is None for name in bed.names)
        assert any(STUDY in bed.agent(name).troubles for name in bed.names)
    bed.reopen()
    bed.step()
    assert not list(bed.consortium.objects.list())


def test_a_clock_that_is_ahead_for_a_moment_destroys_no_key(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    bed.approve()
    bed.run()
    bed.step()
    bed.revoke("west")
    with monkeypatch.context() as wrong:
        wrong.setattr(OwnNode, "now_ms", lambda node: START_MS + 9 * YEAR_MS)
        assert bed.agent("east").step() == []
    bed.step()
    assert bed.agent("east").study_key(STUDY) is not None


def test_one_hospital_that_leaves_takes_no_keys_from_the_others(bed: Bed) -> None:
    bed.approve()
    bed.run()
    bed.revoke("west")
    bed.step()
    bed.step()
    assert all(bed.agent(name).study_key(STUDY) is not None for name in bed.names)
