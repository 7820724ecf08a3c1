"""A policy change never makes a past decision unexplainable."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from hmchain.canonical import Record
from hmchain.ledger.contracts.data import policies, requests
from hmchain.ledger.contracts.data.applying import TakeBackRequest
from hmchain.ledger.contracts.data.deciding import ApproveRequest, RejectRequest, ReturnRequest, RevokeRequest
from hmchain.ledger.contracts.data.requests import Handling
from hmchain.ledger.readers import explanations, uses
from support.request_bench import BRAIN, REQUEST, UNTIL_MS, RequestBench

POLICIES: tuple[dict[str, Any], ...] = (
    {},
    {"colluders_min": 2},
    {"minimum_cohort": 1024},
    {"days_max": 30},
    {"licences": (bytes(32),)},
    {"colluders_min": 1, "minimum_cohort": 4096},
)
HOSPITALS = ("b", "c")


def _on(bench: RequestBench, kind: type[Record], **more: object) -> Record:
    return kind(**bench.about(), **more)


def _reject(bench: RequestBench, hospital: str, number: int) -> None:
    bench.do(hospital, _on(bench, RejectRequest, dataset=BRAIN, reason="ethics", document=b""))


def _revoke(bench: RequestBench, hospital: str, number: int) -> None:
    bench.do(hospital, _on(bench, RevokeRequest, dataset=BRAIN, reason="consent", document=b""))


def _approve(bench: RequestBench, hospital: str, number: int) -> None:
    days = UNTIL_MS if number % 2 else bench.ms + 86_400_000
    bench.do(hospital, _on(bench, ApproveRequest, dataset=BRAIN, until_ms=days))


def _submit_anew(bench: RequestBench, hospital: str, number: int) -> None:
    if number % 2:
        bench.do(hospital, _on(bench, ReturnRequest, reason="incomplete", document=b""))
    else:
        bench.do("a/scientist", TakeBackRequest(REQUEST))
    if bench.request().status is requests.Status.RETURNED and bench.request().version < 8:
        bench.submit(*HOSPITALS, colluders=number % 2, commercial=number % 3 == 0)


def _set_policy(bench: RequestBench, hospital: str, number: int) -> None:
    bench.policy(hospital, **POLICIES[number % len(POLICIES)])


STEPS: tuple[Callable[[RequestBench, str, int], None], ...] = (_approve, _reject, _revoke, _submit_anew, _set_policy)


def _words(bench: RequestBench) -> Iterator[Handling]:
    for version in range(1, bench.request().version + 1):
        yield from requests.handlings(bench.state, REQUEST, version)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(STEPS), st.sampled_from(HOSPITALS), st.integers(0, 11)), max_size=16))
def test_every_decision_of_a_random_history_is_explained_by_the_policy_that_judged(steps: list[Any]) -> None:
    bench = RequestBench()
    bench.submit(*HOSPITALS)
    for step, hospital, number in steps:
        step(bench, hospital, number)
    for hospital in HOSPITALS:  # and what comes after changes nothing of it
        bench.policy(hospital, colluders_min=2, minimum_cohort=4096)
    for word in _words(bench):
        found = explanations.explain(bench.state, word.request, word.version, word.organisation, word.dataset)
        assert found is not None and found.agrees, found
        assert (found.policy, found.answer, found.reasons) == (word.policy, word.answer, word.reasons)
        assert policies.at(bench.state, word.organisation, word.dataset, found.policy) is not None
    told = [use for hospital in HOSPITALS for use in uses.uses(bench.state, bench.ms, hospital)]
    assert {(use.organisation, use.submission) for use in told} == {
        (word.organisation, word.version) for word in _words(bench)
    }


def test_a_word_that_another_policy_would_not_give_is_seen(monkeypatch: Any) -> None:
    """It must be able to fail: a reader that asked the policy of today would disagree."""
    bench = RequestBench()
    bench.submit("b")
    bench.policy("b", colluders_min=2)
    now = policies.current(bench.state, "b", BRAIN)
    monkeypatch.setattr(policies, "at", lambda *_: now)
    found = explanations.explain(bench.state, REQUEST, 1, "b", BRAIN)
    assert found is not None and not found.agrees and found.again == "no"


def test_what_was_not_asked_has_no_explanation() -> None:
    bench = RequestBench()
    bench.submit("b")
    assert explanations.explain(bench.state, REQUEST, 1, "c", BRAIN) is None
    assert explanations.explain(bench.state, REQUEST, 2, "b", BRAIN) is None
