"""Who used a dataset: every use that was asked for, on whose word, from when until when, and how it ended."""

from __future__ import annotations

import pytest

from hmchain.canonical import Record
from hmchain.ledger.contracts.data.applicants import AddMember
from hmchain.ledger.contracts.data.applying import CloseRequest, CreateRequest, DeleteDraft, TakeBackRequest
from hmchain.ledger.contracts.data.deciding import RejectRequest, RevokeRequest
from hmchain.ledger.contracts.members.people import Status
from hmchain.ledger.readers import powers, uses
from hmchain.ledger.readers.powers import UnknownPersonError
from hmchain.ledger.readers.uses import Standing, UseView
from support.request_bench import BRAIN, REQUEST, UNTIL_MS, RequestBench, content


@pytest.fixture
def bench() -> RequestBench:
    return RequestBench()


def _uses(bench: RequestBench, hospital: str, time_ms: int = 0) -> list[UseView]:
    return uses.uses(bench.state, time_ms or bench.ms, hospital, BRAIN)


def _standing(bench: RequestBench, hospital: str, time_ms: int = 0) -> Standing:
    return _uses(bench, hospital, time_ms)[-1].standing


def _on(bench: RequestBench, kind: type[Record], **more: object) -> Record:
    return kind(**bench.about(), dataset=BRAIN, document=b"", **more)


def test_a_use_says_who_asked_on_whose_word_and_until_when(bench: RequestBench) -> None:
    bench.enrol("a/s2", "scientist")
    bench.submit("a", "b")
    bench.must("a/scientist", AddMember(REQUEST, "s2"), TakeBackRequest(REQUEST))
    bench.submit("a", "b")
    asked_ms = bench.ms
    bench.approve("b")
    before, use = _uses(bench, "b")
    assert (before.standing, before.was_allowed, before.ended_ms) == (Standing.REPLACED, False, asked_ms)
    assert (use.standing, use.said_by, use.applicant, use.members) == (
        "allowed",
        ("b/steward",),
        "a/scientist",
        ("a/s2",),
    )
    assert (use.asked_ms, use.from_ms, use.until_ms, use.ended_ms) == (asked_ms, bench.ms, UNTIL_MS, 0)
    assert (use.policy, use.answer, use.submission, use.version) == (0, "look", 2, 1) and use.reasons
    assert use.content == content("a", "b").digest and use.was_allowed


def test_every_state_of_a_use_is_told_by_its_name(bench: RequestBench) -> None:
    assert _uses(bench, "b") == []
    bench.submit("a", "b", "c", "d")
    assert _standing(bench, "b") is Standing.WAITING
    bench.approve("a", "b", "c")
    bench.must("d", _on(bench, RejectRequest, reason="ethics"))
    bench.must("c", _on(bench, RevokeRequest, reason="consent"))
    (revoked,), (rejected,) = _uses(bench, "c"), _uses(bench, "d")
    assert (revoked.standing, revoked.reason, revoked.ended_ms) == (Standing.REVOKED, "consent", bench.ms)
    assert 0 < revoked.from_ms < revoked.ended_ms and revoked.was_allowed
    assert (rejected.standing, rejected.reason, rejected.from_ms, rejected.was_allowed) == (
        "rejected",
        "ethics",
        0,
        False,
    )
    assert _standing(bench, "b", UNTIL_MS) is Standing.ALLOWED
    assert _standing(bench, "b", UNTIL_MS + 1) is Standing.EXPIRED
    bench.enrol("a/scientist", "scientist", status=Status.SUSPENDED)
    bench.must("a/scientist", CloseRequest(REQUEST, "finished"))
    (closed,) = _uses(bench, "b")
    assert (closed.standing, closed.ended_ms, closed.was_allowed) == (Standing.CLOSED, bench.ms, True)


def test_a_yes_whose_terms_nobody_accepted_is_held_back(bench: RequestBench) -> None:
    bench.policy("b", licences=(bytes(32),))
    bench.submit("b")
    bench.approve("b")
    assert _standing(bench, "b") is Standing.HELD_BACK and bench.allowed() == []


def test_a_denial_names_the_policy_and_the_reason(bench: RequestBench) -> None:
    bench.policy("b", colluders_min=3)
    bench.submit("b")
    (use,) = _uses(bench, "b")
    assert (use.standing, use.policy, use.said_by) == (Standing.DENIED, 1, ()) and use.reasons


def test_uses_of_one_dataset_are_found_under_its_own_prefix(bench: RequestBench) -> None:
    bench.submit("a", "b")
    bench.submit("b", name="hearts", code=b"")
    assert [use.request for use in _uses(bench, "b")] == ["hearts", REQUEST]
    assert [use.request for use in _uses(bench, "a")] == [REQUEST]
    assert uses.uses(bench.state, bench.ms, "b", "bones") == []


# -- what a person may do ----------------------------------------------------------------------------------------------


def test_what_a_person_may_do_follows_at_once_from_what_was_decided(bench: RequestBench) -> None:
    bench.enrol("a/s2", "scientist")
    bench.submit("a", "b")
    found = powers.powers(bench.state, bench.ms, "a", "scientist")
    assert (found.permits, found.roles) == ((), ("scientist",))
    assert [(each.request, each.takes_part, each.waits_for) for each in found.requests] == [
        (REQUEST, "applicant", ("a", "b")),
    ]  # fmt: skip
    bench.approve("b")
    (permit,) = powers.powers(bench.state, bench.ms, "a", "scientist").permits
    assert (permit.allowed, permit.until_ms, permit.kind) == (("b/brain version 1",), UNTIL_MS, "train")
    assert powers.powers(bench.state, UNTIL_MS + 1, "a", "scientist").permits == ()
    bench.must("a/scientist", AddMember(REQUEST, "s2"))
    joined = powers.powers(bench.state, bench.ms, "a", "s2")
    assert joined.permits == (), "who joins later counts from the next submission on"
    assert [each.takes_part for each in joined.requests] == ["member"]
    bench.enrol("a/s2", "scientist", status=Status.SUSPENDED)
    assert powers.powers(bench.state, bench.ms, "a", "s2").roles == ()
    bench.must("a/scientist", CloseRequest(REQUEST, "finished"))
    assert powers.powers(bench.state, bench.ms, "a", "scientist").requests == ()


def test_a_draft_that_was_deleted_is_nobodys(bench: RequestBench) -> None:
    bench.must("a/scientist", CreateRequest("draft"))
    assert len(powers.powers(bench.state, bench.ms, "a", "scientist").requests) == 1
    bench.must("a/scientist", DeleteDraft("draft"))
    assert powers.powers(bench.state, bench.ms, "a", "scientist").requests == ()
    bench.must("c/scientist", CreateRequest("draft"))
    assert powers.powers(bench.state, bench.ms, "a", "scientist").requests == ()


def test_all_people_of_a_member_are_listed_and_a_stranger_is_named(bench: RequestBench) -> None:
    bench.enrol("a/s2", "scientist")
    assert [each.person for each in powers.all_powers(bench.state, bench.ms, "a")] == ["steward", "scientist", "s2"]
    with pytest.raises(UnknownPersonError, match="s9"):
        powers.powers(bench.state, bench.ms, "a", "s9")
