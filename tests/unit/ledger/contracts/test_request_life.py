"""A request from draft to its end, as one would live it."""

from __future__ import annotations

from hmchain.ledger.contracts.data.applying import CloseRequest
from support.request_bench import RequestBench


def test_hospitals_decide_side_by_side_and_the_permit_is_what_they_allow() -> None:
    bench = RequestBench()
    bench.submit("a", "b", "c")
    assert bench.allowed() == []
    bench.approve("a", "b")
    assert bench.allowed() == ["a", "b"]
    assert bench.authorised("a") and not bench.authorised("c")
    bench.must("a/scientist", CloseRequest("lungs", "finished"))
    assert bench.allowed() == []
