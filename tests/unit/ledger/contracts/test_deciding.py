"""What hospitals decide: each for itself, on what it read, with as many persons as its policy asks for."""

from __future__ import annotations

from typing import Any

import pytest

from hmchain.canonical import Record
from hmchain.ledger.contracts.data import contents, judging, policies, requests
from hmchain.ledger.contracts.data.applicants import AcceptLicences, AddMember, InviteMember, JoinRequest, RemoveMember
from hmchain.ledger.contracts.data.applying import CopyRequest, CreateRequest, SaveDraft, SubmitRequest, TakeBackRequest
from hmchain.ledger.contracts.data.datasets import PublishVersion, WithdrawVersion
from hmchain.ledger.contracts.data.deciding import (
    AddLicences,
    ApproveRequest,
    RejectRequest,
    ReturnRequest,
    RevokeRequest,
    SetProcessing,
    VoteRequest,
    votes,
)
from hmchain.ledger.contracts.data.policies import ConfirmPolicy, SetPolicy
from hmchain.ledger.contracts.data.requests import DatasetVersion, Decided, Status
from hmchain.ledger.contracts.members import people
from hmchain.ledger.request_events import RequestJudged
from support.policy_bed import ANYTHING, compiled
from support.request_bench import (
    BRAIN,
    CODE,
    DAY_MS,
    MANY_DISEASES,
    REQUEST,
    UNTIL_MS,
    RequestBench,
    content,
    ref,
    terms,
)

APPLICANT = "a/scientist"
AUTOMATIC = compiled(anything=ANYTHING)
NEVER = compiled(anything=ANYTHING, never="forbid(principal, action, resource);")
LICENCE, MORE = bytes([1]) * 32, bytes([2]) * 32


@pytest.fixture
def bench() -> RequestBench:
    return RequestBench()


def approve(bench: RequestBench, name: str = REQUEST, until_ms: int = UNTIL_MS, **changes: Any) -> ApproveRequest:
    return ApproveRequest(**{**bench.about(name), "dataset": BRAIN, "until_ms": until_ms, **changes})


def reject(bench: RequestBench, reason: str = "ethics") -> RejectRequest:
    return RejectRequest(**bench.about(), dataset=BRAIN, reason=reason, document=b"")


def revoke(bench: RequestBench, reason: str = "misuse") -> RevokeRequest:
    return RevokeRequest(**bench.about(), dataset=BRAIN, reason=reason, document=b"")


def returned(bench: RequestBench, reason: str = "incomplete") -> ReturnRequest:
    return ReturnRequest(**bench.about(), reason=reason, document=b"")


# -- side by side ------------------------------------------------------------------------------------------------------


def test_hospitals_decide_side_by_side_and_the_permit_is_what_they_allow(bench: RequestBench) -> None:
    bench.submit("a", "b", "c", "d")
    assert bench.allowed() == []
    bench.approve("a", "b")
    bench.must("c", reject(bench))
    assert bench.allowed() == ["a", "b"]
    assert [bench.authorised(name) for name in "abcd"] == [True, True, False, False]
    bench.must("b", revoke(bench))
    assert bench.allowed() == ["a"]
    stands = [word.status for word in requests.handlings(bench.state, REQUEST, 1)]
    assert stands == [Decided.APPROVED, Decided.REVOKED, Decided.REJECTED, Decided.WAITING]


@pytest.mark.parametrize(
    ("who", "make", "code"),
    [
        ("d", approve, "not_asked"),
        ("b/scientist", approve, "wrong_role"),
        ("b/agent", approve, "wrong_role"),
        ("d", returned, "not_asked"),
        ("b/scientist", returned, "wrong_role"),
        ("b", lambda bench: approve(bench, until_ms=1), "expired"),
        ("b", lambda bench: approve(bench, until_ms=UNTIL_MS + 1), "until_too_late"),
        ("b", lambda bench: approve(bench, dataset="lung"), "not_asked"),
        ("b", lambda bench: approve(bench, request="other"), "no_such_request"),
        ("b", lambda bench: reject(bench, "because"), "bad_reason"),
        ("b", lambda bench: returned(bench, "because"), "bad_reason"),
        ("b", revoke, "not_approved"),
        ("b", lambda bench: VoteRequest(**bench.about(), dataset=BRAIN, vote="maybe"), "bad_vote"),
        ("b", lambda bench: AddLicences(**bench.about(), dataset=BRAIN, licences=()), "bad_list"),
        ("b", lambda bench: AddLicences(**bench.about(), dataset=BRAIN, licences=(b"terms",)), "bad_digest"),
        ("b", lambda bench: SetProcessing(**bench.about(), dataset=BRAIN, processing="resting"), "bad_processing"),
    ],
)
def test_what_is_refused_of_a_decision(bench: RequestBench, who: str, make: Any, code: str) -> None:
    bench.submit("a", "b")
    if who == "b/agent":
        bench.enrol(who, "operator")
    assert bench.do(who, make(bench)) == code


def test_what_was_decided_is_not_decided_again(bench: RequestBench) -> None:
    bench.submit("b", "c")
    bench.approve("b")
    late = [approve(bench), reject(bench), VoteRequest(**bench.about(), dataset=BRAIN, vote="accept"), returned(bench)]
    assert [bench.do("b", body) for body in late] == ["already_decided"] * 4
    bench.must("b", revoke(bench))
    assert bench.do("b", revoke(bench)) == "not_approved"
    assert bench.do("b", revoke(bench, "because")) == "not_approved"
    assert bench.do("b", AddLicences(**bench.about(), dataset=BRAIN, licences=(CODE,))) == "already_decided"
    bench.approve("c")
    assert bench.do("c", revoke(bench, "because")) == "bad_reason"


def test_a_dataset_version_that_was_withdrawn_is_not_approved(bench: RequestBench) -> None:
    bench.submit("b", "c")
    bench.approve("b")
    for name in "bc":
        bench.must(name, WithdrawVersion(BRAIN, 1))
    assert bench.do("c", approve(bench)) == "version_withdrawn"
    assert bench.allowed() == [], "and what was approved before holds no more"


# -- who decides -------------------------------------------------------------------------------------------------------


def test_nobody_decides_on_their_own_request(bench: RequestBench) -> None:
    """Neither the applicant nor a member, nor who was one at any time before."""
    for person in ("b/s1", "b/s2", "b/s3"):
        bench.enrol(person, "scientist", "steward")
    bench.must("b/s1", CreateRequest(REQUEST), AddMember(REQUEST, "s2"), AddMember(REQUEST, "s3"))
    bench.must("b/s1", RemoveMember(REQUEST, ref("b/s3")))
    bench.submit("b", by="b/s1", code=b"")
    vote = VoteRequest(**bench.about(), dataset=BRAIN, vote="accept")
    for who in ("b/s1", "b/s2", "b/s3"):
        for body in (approve(bench), reject(bench), returned(bench), vote):
            assert bench.do(who, body) == "own_request"
    bench.approve("b")
    bench.must("b/s2", revoke(bench))  # whoever speaks for the hospital may end what others allowed


def test_nobody_decides_on_a_copy_of_their_own_request(bench: RequestBench) -> None:
    """A member's copy has the applicant's own content, and the applicant in no place of it."""
    bench.enrol("b/s1", "scientist", "steward")
    bench.must("b/s1", CreateRequest(REQUEST), InviteMember(REQUEST, ref(APPLICANT)))
    bench.must(APPLICANT, JoinRequest(REQUEST))
    bench.submit("b", by="b/s1", code=b"")
    bench.must(APPLICANT, CopyRequest("copy", REQUEST), SubmitRequest("copy", bench.request().content))
    assert bench.do("b/s1", approve(bench, "copy")) == "own_request"
    bench.approve("b", name="copy")


@pytest.mark.parametrize("earlier", [0, 1])
def test_no_one_decides_alone_where_two_are_needed(bench: RequestBench, earlier: int) -> None:
    until_ms = [UNTIL_MS, UNTIL_MS]
    until_ms[earlier] -= DAY_MS
    bench.policy("b", approvers=2)
    bench.enrol("b/s1", "steward")
    bench.submit("b")
    bench.approve("b", until_ms=until_ms[0])
    assert bench.allowed() == [] and bench.word("b").status is Decided.WAITING
    assert bench.do("b", approve(bench)) == "already_approved"
    bench.approve("b/s1", until_ms=until_ms[1])
    assert bench.word("b").approvals == (ref("b"), ref("b/s1"))
    assert bench.word("b").until_ms == UNTIL_MS - DAY_MS, "the earlier of both"
    assert bench.allowed() == ["b"]


def test_a_first_yes_whose_time_is_over_is_none(bench: RequestBench) -> None:
    bench.policy("b", approvers=2)
    bench.enrol("b/s1", "steward")
    bench.submit("b")
    bench.approve("b", until_ms=bench.ms + DAY_MS)
    bench.ms += 2 * DAY_MS
    bench.approve("b/s1")
    assert bench.allowed() == [] and bench.word("b").approvals == (ref("b/s1"),)
    bench.approve("b")
    assert bench.allowed() == ["b"] and bench.word("b").until_ms == UNTIL_MS


@pytest.mark.parametrize("status", [people.Status.SUSPENDED, people.Status.REMOVED])
def test_a_yes_of_somebody_who_counts_no_more_is_no_yes(bench: RequestBench, status: people.Status) -> None:
    bench.policy("b", approvers=2)
    for person in ("b/s1", "b/s2"):
        bench.enrol(person, "steward")
    bench.submit("b")
    bench.approve("b/s1")
    bench.enrol("b/s1", "steward", status=status)
    bench.approve("b/s2")
    assert bench.allowed() == []
    bench.approve("b")
    assert bench.allowed() == ["b"]
    bench.enrol("b/s2", "steward", status=status)
    assert bench.allowed() == ["b"], "what was decided stands, and its persons stay named"
    assert bench.word("b").approvals == (ref("b/s2"), ref("b"))


def test_a_thief_s_yes_does_not_count_with_another_s_once_the_key_was_cut_off(bench: RequestBench) -> None:
    """It is gone, though the person is a steward again, and is given again by the key that is the person's now."""
    bench.policy("b", approvers=2)
    for person in ("b/s1", "b/s2"):
        bench.enrol(person, "steward")
    bench.submit("b")
    bench.approve("b/s1")
    people.cut_off(bench.state, ref("b/s1"), bench.ms)
    bench.must("b", SetProcessing(**bench.about(), dataset=BRAIN, processing="received"))
    bench.approve("b/s2")
    assert bench.allowed() == [] and bench.word("b").approvals == (ref("b/s2"),)
    bench.ms += 1
    bench.approve("b/s1")
    assert bench.allowed() == ["b"]


def test_nobody_decides_about_their_own_code(bench: RequestBench) -> None:
    """Who first named a digest made it known; another's request with it changes nothing of that."""
    bench.enrol("b/s1", "scientist", "steward")
    bench.submit("c", name="first", by="b/s1")
    bench.submit("b", name=REQUEST)
    assert bench.do("b/s1", approve(bench)) == "own_code"
    bench.approve("b")


# -- on what -----------------------------------------------------------------------------------------------------------


def test_a_decision_on_another_version_or_content_is_refused(bench: RequestBench) -> None:
    """Replayed, reordered: what was signed for the first version says nothing of the second."""
    bench.submit("b", "c")
    old = [approve(bench), reject(bench), returned(bench)]
    bench.must("c", returned(bench))
    assert [bench.do("b", body) for body in old] == ["wrong_status"] * 3
    bench.submit("b", "c", publishes=False)
    assert [bench.do("b", body) for body in old] == ["wrong_content"] * 3
    mixed = approve(bench, content=content("b", "c").digest)
    assert bench.do("b", mixed) == "wrong_content"
    assert bench.do("b", approve(bench, version=1)) == "wrong_content"
    assert bench.word("b").status is Decided.WAITING


def test_a_return_undoes_nobody_else_s_yes_and_the_next_submission_does(bench: RequestBench) -> None:
    bench.submit("b", "c")
    bench.approve("b")
    bench.must("c", returned(bench))
    assert bench.request().status is Status.RETURNED and bench.allowed() == ["b"]
    bench.must("b", revoke(bench))
    assert bench.allowed() == []
    bench.submit("b", "c")
    assert bench.word("b").status is Decided.REVOKED, "a yes that ended does not come back"
    assert bench.word("c").status is Decided.WAITING


def test_a_submission_makes_decisions_on_the_version_before_void_and_explained(bench: RequestBench) -> None:
    bench.submit("b", "c")
    bench.approve("b")
    bench.must(APPLICANT, TakeBackRequest(REQUEST))
    bench.submit("b", "c", publishes=False)
    assert bench.allowed() == []
    (first, _) = requests.handlings(bench.state, REQUEST, 1)
    assert (first.status, first.approvals, first.policy) == (Decided.APPROVED, (ref("b"),), 0)
    assert first.content == content("b", "c").digest


def test_a_hospital_that_is_left_out_for_a_version_finds_its_ended_yes_again(bench: RequestBench) -> None:
    bench.submit("b", "c")
    bench.approve("b")
    bench.must("b", revoke(bench))
    for asked in (("c",), ("b", "c")):
        bench.must(APPLICANT, TakeBackRequest(REQUEST))
        bench.submit(*asked)
    assert bench.word("b").status is Decided.REVOKED
    assert bench.do("b", approve(bench)) == "already_decided"
    bench.must(APPLICANT, CopyRequest("again", REQUEST))
    bench.submit("b", "c", name="again")
    bench.approve("b", name="again")


# -- policies ----------------------------------------------------------------------------------------------------------


def test_a_policy_s_yes_decides_by_itself_where_its_hospital_says_so(bench: RequestBench) -> None:
    bench.policy("b", cedar=AUTOMATIC, automatic=True, days_max=400)
    bench.policy("c", cedar=AUTOMATIC)
    bench.submit("b", "c")
    assert (bench.word("b").answer, bench.word("b").approvals, bench.word("b").until_ms) == ("yes", (), UNTIL_MS)
    assert bench.word("c").status is Decided.WAITING, "the other one wants a person all the same"
    assert bench.allowed() == ["b"]
    assert [kind for kind in bench.kinds() if kind == "request.judged"] == ["request.judged"] * 2


@pytest.mark.parametrize("set_by", [("b/s",), ("b/t", "b/s")])
def test_nobody_decides_on_their_own_request_by_a_policy_that_decides_by_itself(set_by: tuple[str, ...]) -> None:
    """Alone, or as the second where two are needed; set before the request, or while it is under way."""
    bench, alone = RequestBench(), terms(cedar=compiled(anything=ANYTHING), automatic=True)
    bench.enrol("b/s", "scientist", "steward")
    bench.enrol("b/t", "steward")
    bench.policy("b", approvers=len(set_by))
    bench.must(set_by[0], SetPolicy(BRAIN, alone))
    for person in set_by[1:]:
        bench.must(person, ConfirmPolicy(BRAIN, alone.digest))
    bench.submit("b", by="b/s")
    assert bench.word("b").status is Decided.WAITING and bench.allowed() == []
    bench.submit("b", by="a/scientist", name="other")
    assert bench.word("b", "other").status is Decided.WAITING, "of code that b/s named first"
    bench.submit("b", by="a/scientist", name="another", code=bytes(32))
    assert bench.word("b", "another").status is Decided.APPROVED


def test_a_yes_that_is_enough_by_now_can_be_completed_by_who_gave_it(bench: RequestBench) -> None:
    """Else a hospital that asks for fewer, since it has fewer stewards left, could say yes to nothing under way."""
    bench.enrol("b/t", "steward")
    bench.policy("b", approvers=2)
    bench.submit("b")
    bench.approve("b")
    bench.must("b", SetPolicy(BRAIN, terms()))
    bench.must("b/t", ConfirmPolicy(BRAIN, terms().digest))
    bench.enrol("b/t", "steward", status=people.Status.REMOVED)
    bench.approve("b")
    assert bench.word("b").approvals == (ref("b"),) and bench.allowed() == ["b"]


def test_nobody_approves_against_the_policy(bench: RequestBench) -> None:
    bench.policy("b", cedar=NEVER)
    bench.submit("b", "c")
    word = bench.word("b")
    assert (word.status, word.answer, word.reasons, word.policy) == (Decided.DENIED, "no", ("never",), 1)
    assert bench.do("b", approve(bench)) == "already_decided"
    bench.must("c", SetPolicy(BRAIN, terms(cedar=NEVER)))
    assert bench.do("c", approve(bench)) == "policy_denies", "the policy of now, whatever that of the submission said"
    bench.must("b", returned(bench))  # a way out: the applicant changes it


@pytest.mark.parametrize(("answer", "code"), [(AUTOMATIC, "ok"), (NEVER, "policy_denies")])
def test_a_flood_of_yeses_has_policies_judge_so_often_in_a_block(bench: RequestBench, answer: bytes, code: str) -> None:
    """Each costs as much as a submission's; those that are refused for what the policy says count too."""
    names = [f"request-{number:02}" for number in range(contents.DATASETS_MAX + 1)]
    for number, name in enumerate(names):
        bench.submit("b", "c", name=name, by=f"{'ad'[number % 2]}/scientist", **MANY_DISEASES)
    bench.policy("b", cedar=answer)
    yeses = [approve(bench, name) for name in names]
    bench.height += 1
    assert [bench.do("b", yes, blocks=0) for yes in yeses] == [code] * (len(names) - 1) + ["too_many_at_once"]
    assert bench.do("c", approve(bench, names[-1]), blocks=0) == "ok", "others have their own share"
    assert bench.do("b", yeses[-1]) == code


def test_a_dataset_of_more_records_than_cedar_counts_is_judged(bench: RequestBench) -> None:
    """A power of two may be published that is no integer of Cedar's: judging it ended the block on every node."""
    bench.must("b", PublishVersion(BRAIN, 2, bytes(32), 1 << 63))
    bench.policy("b", cedar=compiled(large="permit(principal, action, resource) when { context.asked.count > 3 };"))
    bench.submit("b", datasets=(DatasetVersion("b", BRAIN, 2),))
    assert bench.word("b").answer == "yes" and bench.word("b").status is Decided.WAITING


def test_a_policy_is_asked_about_the_whole_request_in_days_begun(bench: RequestBench) -> None:
    """A part of a day more than its longest time is too long."""
    bench.submit("b", "c", until_ms=bench.ms + 10 * DAY_MS + 4)
    made, asked = requests.submission(bench.state, REQUEST, 1), requests.content(bench.state, REQUEST, 1)
    assert made is not None and asked is not None
    found = judging.asked(bench.state, made, asked, asked.datasets[0])
    assert (found.days, found.organisations, found.owner, found.count) == (11, ("b", "c"), "b", 512)


def test_what_the_policy_of_now_says_is_told_and_its_terms_hold(bench: RequestBench) -> None:
    """Whatever that of the submission said and asked for."""
    bench.submit("b")
    bench.policy("b", licences=(LICENCE,))
    bench.approve("b")
    assert (bench.word("b").policy, bench.word("b").licences) == (1, (LICENCE,)) and bench.allowed() == []
    assert [event.policy for event in bench.events if isinstance(event, RequestJudged)] == [0, 1]


def test_a_policy_that_is_replaced_explains_what_it_decided(bench: RequestBench) -> None:
    bench.policy("b", cedar=NEVER)
    bench.submit("b")
    bench.policy("b")
    word = bench.word("b")
    then = policies.at(bench.state, "b", BRAIN, word.policy)
    assert then is not None and then.cedar == NEVER and word.reasons == ("never",)
    assert policies.current(bench.state, "b", BRAIN).version == 2


def test_a_yes_lasts_no_longer_than_the_policy_s_longest(bench: RequestBench) -> None:
    bench.policy("b", days_max=400)
    bench.submit("b", until_ms=UNTIL_MS)
    bench.must("b", SetPolicy(BRAIN, terms(days_max=301)))
    assert bench.do("b", approve(bench, until_ms=UNTIL_MS + DAY_MS)) == "until_too_late"
    bench.approve("b")


# -- terms -------------------------------------------------------------------------------------------------------------


def test_the_permit_holds_when_the_applicant_and_each_member_accepted_the_terms(bench: RequestBench) -> None:
    bench.policy("b", licences=(LICENCE,))
    bench.must(APPLICANT, CreateRequest(REQUEST), InviteMember(REQUEST, ref("c/scientist")))
    bench.must("c/scientist", JoinRequest(REQUEST))
    bench.submit("b")
    bench.approve("b")
    assert bench.allowed() == []
    bench.must(APPLICANT, AcceptLicences(REQUEST, (LICENCE,)))
    assert bench.allowed() == []
    bench.must("c/scientist", AcceptLicences(REQUEST, (LICENCE,)))
    assert bench.allowed() == ["b"]
    bench.must("b", AddLicences(**bench.about(), dataset=BRAIN, licences=(MORE,)))
    assert bench.allowed() == [], "terms may come later"
    for who in (APPLICANT, "c/scientist"):
        bench.must(who, AcceptLicences(REQUEST, (MORE,)))
    assert bench.allowed() == ["b"]


def test_a_flood_of_terms_ends(bench: RequestBench) -> None:
    bench.submit("b")
    many = tuple(bytes([number]) * 32 for number in range(17))
    assert bench.do("b", AddLicences(**bench.about(), dataset=BRAIN, licences=many)) == "too_many_licences"


# -- beside ------------------------------------------------------------------------------------------------------------


def test_votes_and_states_of_processing_are_kept_and_decide_nothing(bench: RequestBench) -> None:
    bench.enrol("b/s1", "steward")
    bench.submit("b")
    for who, vote in (("b", "reject"), ("b/s1", "abstain"), ("b", "accept")):
        bench.must(who, VoteRequest(**bench.about(), dataset=BRAIN, vote=vote))
    assert {str(each.person): each.vote for each in votes(bench.state, bench.word("b"))} == {
        "b/s1": "abstain", "b/steward": "accept",
    }  # fmt: skip
    bench.must("b", SetProcessing(**bench.about(), dataset=BRAIN, processing="in-ethics"))
    assert (bench.word("b").processing, bench.word("b").status) == ("in-ethics", Decided.WAITING)


def test_decisions_on_a_draft_that_was_never_submitted_are_refused(bench: RequestBench) -> None:
    bench.must(APPLICANT, CreateRequest(REQUEST), SaveDraft(REQUEST, content("b")))
    bodies: list[Record] = [approve(bench), reject(bench), returned(bench), revoke(bench)]
    assert [bench.do("b", body) for body in bodies] == ["wrong_status"] * 4
    bench.must(APPLICANT, SubmitRequest(REQUEST, content("b").digest))
