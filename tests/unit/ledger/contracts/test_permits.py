"""Permits: what stands behind the one question of ledger, agent and vault, and what ends it."""

from __future__ import annotations

from typing import Any

import pytest

from hmchain.ledger.contracts.data import permits, requests
from hmchain.ledger.contracts.data.applicants import ChangeApplicant, InviteMember, JoinRequest, RemoveMember
from hmchain.ledger.contracts.data.applying import CloseRequest, CopyRequest, CreateRequest, TakeBackRequest
from hmchain.ledger.contracts.data.datasets import PublishVersion, RegisterDataset, WithdrawVersion
from hmchain.ledger.contracts.data.deciding import ApproveRequest, RevokeRequest
from hmchain.ledger.contracts.data.permits import Allowed
from hmchain.ledger.contracts.data.requests import DatasetVersion, Kind
from hmchain.ledger.contracts.members import membership, people
from hmchain.ledger.contracts.members.people import PersonRef
from support.ledger_network import SCHEMA
from support.request_bench import BRAIN, DAY_MS, PLAN, REQUEST, UNTIL_MS, RequestBench, ref

APPLICANT = "a/s1"


@pytest.fixture
def bench() -> RequestBench:
    bench = RequestBench()
    bench.enrol(APPLICANT, "scientist")
    bench.must(APPLICANT, CreateRequest(REQUEST), InviteMember(REQUEST, ref("d/scientist")))
    bench.must("d/scientist", JoinRequest(REQUEST))
    bench.submit("b", "c", by=APPLICANT)
    bench.approve("b", "c")
    return bench


def over(bench: RequestBench, hospital: str = "b", name: str = REQUEST) -> bool:
    return permits.is_over(bench.state, name, hospital, bench.ms)


def revoke(bench: RequestBench) -> RevokeRequest:
    return RevokeRequest(**bench.about(), dataset=BRAIN, reason="misuse", document=b"")


def test_a_permit_says_what_with_which_data_until_when_and_by_whom(bench: RequestBench) -> None:
    found = permits.permit(bench.state, REQUEST, bench.ms)
    assert found == permits.Permit(
        REQUEST, 1, Kind.TRAIN, ("DUO:0000006",), permits.plan_digest(PLAN),
        (Allowed("b", BRAIN, 1, UNTIL_MS), Allowed("c", BRAIN, 1, UNTIL_MS)), (ref(APPLICANT), ref("d/scientist")),
    )  # fmt: skip
    assert permits.permit(bench.state, "other", bench.ms) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": Kind.COUNT}, {"kind": Kind.TRANSFER}, {"plan": b"another"}, {"plan": b""}, {"dataset": "lung"},
        {"version": 2}, {"version": 0}, {"purpose": "DUO:0000007"}, {"purpose": ""},
    ],
)  # fmt: skip
def test_nothing_else_is_authorised(bench: RequestBench, changes: dict[str, Any]) -> None:
    bench.must("b", PublishVersion(BRAIN, 2, bytes(32), 512))
    assert bench.authorised("b") and not bench.authorised("b", **changes)
    assert not bench.authorised("d") and not bench.authorised("b", "other")


def test_its_last_moment_is_its_date(bench: RequestBench) -> None:
    bench.ms = UNTIL_MS
    assert bench.authorised("b") and not over(bench)
    bench.ms += 1
    assert not bench.authorised("b") and bench.allowed() == [] and over(bench)


def test_a_revocation_ends_one_hospital_s_part_for_good(bench: RequestBench) -> None:
    bench.must("b", revoke(bench))
    assert not bench.authorised("b") and bench.authorised("c")
    assert over(bench) and not over(bench, "c")
    bench.must(APPLICANT, TakeBackRequest(REQUEST))
    bench.submit("b", "c", by=APPLICANT)
    assert over(bench) and not over(bench, "c"), "no later version brings it back, so keys may be erased"
    assert bench.word("b").decided_by == (ref("b"),), "who revoked it still did"


def test_what_expired_does_not_come_back_with_a_later_version(bench: RequestBench) -> None:
    bench.ms = UNTIL_MS + 1
    assert over(bench)
    bench.must(APPLICANT, TakeBackRequest(REQUEST))
    bench.submit("b", "c", "d", by=APPLICANT, until_ms=UNTIL_MS + 100 * DAY_MS)
    assert over(bench) and over(bench, "c") and not over(bench, "d")
    word = bench.word("b")
    assert word.approvals == word.decided_by == (), "nobody said yes to this content, and nobody revoked anything"


def test_what_ended_is_over_though_a_later_version_asks_others_alone(bench: RequestBench) -> None:
    bench.must("b", revoke(bench))
    bench.must(APPLICANT, TakeBackRequest(REQUEST))
    bench.submit("c", by=APPLICANT)
    assert over(bench)


def test_closing_ends_all_of_it(bench: RequestBench) -> None:
    bench.must(APPLICANT, CloseRequest(REQUEST, "finished"))
    assert bench.allowed() == [] and over(bench) and over(bench, "c")


def test_a_suspended_applicant_s_permit_rests_and_a_removed_one_s_is_over(bench: RequestBench) -> None:
    bench.enrol(APPLICANT, "scientist", status=people.Status.SUSPENDED)
    assert not bench.authorised("b") and not over(bench)
    bench.enrol(APPLICANT, "scientist")
    assert bench.authorised("b")
    bench.enrol(APPLICANT, "scientist", status=people.Status.REMOVED)
    assert not bench.authorised("b") and over(bench)


@pytest.mark.parametrize("gone", ["a", "b"])
def test_a_removed_organisation_asks_and_gives_nothing_any_more(bench: RequestBench, gone: str) -> None:
    membership.remove(bench.state, gone, bench.height)
    assert bench.allowed() == ([] if gone == "a" else ["c"])
    assert over(bench)


def test_a_member_who_is_gone_neither_counts_nor_stands_in_the_way(bench: RequestBench) -> None:
    membership.remove(bench.state, "d", bench.height)
    found = permits.permit(bench.state, REQUEST, bench.ms)
    assert found is not None and found.persons == (PersonRef("a", "s1"),)


def test_who_leaves_a_request_may_use_nothing_of_it(bench: RequestBench) -> None:
    bench.must("d/scientist", RemoveMember(REQUEST, ref("d/scientist")))
    found = permits.permit(bench.state, REQUEST, bench.ms)
    assert found is not None and found.persons == permits.persons(bench.state, REQUEST) == (ref(APPLICANT),)


def test_of_two_datasets_of_a_hospital_one_ends_for_good_and_the_other_goes_on(bench: RequestBench) -> None:
    bench.must("b", RegisterDataset("lung", SCHEMA), PublishVersion("lung", 1, bytes(32), 512))
    both = {"kind": Kind.TRANSFER, "datasets": (DatasetVersion("b", BRAIN, 1), DatasetVersion("b", "lung", 1))}
    bench.submit(name="two", by=APPLICANT, **both)
    for dataset in (BRAIN, "lung"):
        bench.must("b", ApproveRequest(**bench.about("two"), dataset=dataset, until_ms=UNTIL_MS))
    bench.must("b", RevokeRequest(**bench.about("two"), dataset="lung", reason="consent", document=b""))
    assert not over(bench, name="two") and bench.allowed("two") == ["b"]
    bench.must(APPLICANT, TakeBackRequest("two"))
    bench.submit(name="two", by=APPLICANT, **both)
    stands = [word.status for word in requests.handlings(bench.state, "two", 2)]
    assert stands == [requests.Decided.WAITING, requests.Decided.REVOKED]


def test_who_joined_after_the_submission_was_decided_on_by_nobody(bench: RequestBench) -> None:
    bench.must(APPLICANT, InviteMember(REQUEST, ref("c/scientist")))
    bench.must("c/scientist", JoinRequest(REQUEST))
    found = permits.permit(bench.state, REQUEST, bench.ms)
    assert found is not None and ref("c/scientist") not in found.persons


def test_who_was_suspended_at_the_submission_was_judged_by_nobody(bench: RequestBench) -> None:
    """Reinstated, such a person counts from the next submission on; one suspended later is judged all the same."""
    bench.enrol("d/s2", "scientist")
    bench.must(APPLICANT, InviteMember(REQUEST, ref("d/s2")))
    bench.must("d/s2", JoinRequest(REQUEST))
    bench.enrol("d/s2", "scientist", status=people.Status.SUSPENDED)
    bench.must(APPLICANT, TakeBackRequest(REQUEST))
    bench.submit("b", by=APPLICANT)
    bench.approve("b")
    bench.enrol("d/s2", "scientist")
    found = permits.permit(bench.state, REQUEST, bench.ms)
    assert found is not None and ref("d/s2") not in found.persons


def test_another_applicant_is_decided_on_anew(bench: RequestBench) -> None:
    bench.must(APPLICANT, TakeBackRequest(REQUEST), ChangeApplicant(REQUEST, ref("d/scientist")))
    assert not bench.authorised("b") and not over(bench)


def test_whoever_takes_over_from_somebody_who_is_gone_brings_nothing_back(bench: RequestBench) -> None:
    """Agents erased keys when it was over: approvals of the same request would allow what nobody can do any more."""
    bench.enrol(APPLICANT, "scientist", status=people.Status.REMOVED)
    bench.must("a", TakeBackRequest(REQUEST))
    assert bench.do("a", ChangeApplicant(REQUEST, ref("d/scientist"))) == "applicant_gone" and over(bench)
    bench.must("d/scientist", CopyRequest("again", REQUEST))


def test_a_hospital_s_part_that_is_over_does_not_begin_again_with_another_dataset(bench: RequestBench) -> None:
    bench.must("b", revoke(bench), RegisterDataset("lung", SCHEMA), PublishVersion("lung", 1, bytes(32), 512))
    bench.must(APPLICANT, TakeBackRequest(REQUEST))
    bench.submit("b", by=APPLICANT, datasets=(DatasetVersion("b", "lung", 1),))
    (word,) = requests.handlings(bench.state, REQUEST, 2)
    assert word.status is requests.Decided.REVOKED and over(bench)
    assert bench.do("b", ApproveRequest(**bench.about(), dataset="lung", until_ms=UNTIL_MS)) == "already_decided"


def test_a_condition_is_no_purpose_that_anything_is_used_for(bench: RequestBench) -> None:
    """A policy judges uses: what is named beside them was judged by nothing."""
    bench.must(APPLICANT, TakeBackRequest(REQUEST))
    bench.submit("b", by=APPLICANT, purposes=("DUO:0000006", "DUO:0000018"))
    bench.approve("b")
    assert bench.authorised("b") and not bench.authorised("b", purpose="DUO:0000018")


def test_a_version_that_was_withdrawn_is_not_used(bench: RequestBench) -> None:
    bench.must("b", WithdrawVersion(BRAIN, 1))
    assert bench.allowed() == ["c"]


def test_what_was_never_asked_of_a_hospital_is_not_over_and_an_unknown_request_is(bench: RequestBench) -> None:
    assert not over(bench, "d") and over(bench, name="unknown")
    bench.must(APPLICANT, TakeBackRequest(REQUEST))
    assert requests.draft(bench.state, bench.request()) is not None
