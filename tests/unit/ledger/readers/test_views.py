"""Long lists are made as they are looked at, and what lists them is made again after a block that changes it."""

from __future__ import annotations

from hmchain.ledger.contracts.data import requests as contract
from hmchain.ledger.contracts.data.applicants import InviteMember
from hmchain.ledger.contracts.data.applying import CloseRequest, CreateRequest
from hmchain.ledger.contracts.data.datasets import Dataset
from hmchain.ledger.readers import requests as reader
from hmchain.ledger.readers.views import Views
from hmchain.ledger.state import State, Table
from hmchain.plain import plain
from support.request_bench import RequestBench
from support.study_bed import SCHEMA

_NOTES, _OTHERS = Table("notes", Dataset), Table("others", Dataset)


def test_a_view_is_made_when_somebody_looks_at_it() -> None:
    made: list[int] = []

    def view(number: int) -> str:
        made.append(number)
        return str(number)

    found = Views(range(1000), view)
    part = found[10:30]
    assert (len(found), len(part), made) == (1000, 20, [])
    assert part[2] == "12" and found[-1] == "999" and made == [12, 999]
    assert part == [str(number) for number in range(10, 30)] and plain(part[:2]) == ["10", "11"]
    assert found[:0] == [] and next(reversed(part)) == "29" and repr(part[:1]) == "['10']"


def test_what_was_made_of_a_table_is_made_again_after_a_block_that_wrote_to_it() -> None:
    state, made = State(), []

    def count() -> int:
        made.append(state.height)
        return len(_NOTES.names(state))

    def asked() -> int:
        return state.made("count", (_NOTES,), count)

    assert (asked(), asked(), made) == (0, 0, [0])
    for height, table, name in ((1, _NOTES, "b"), (2, _OTHERS, "c"), (3, _NOTES, "a")):
        table.put(state, Dataset("north", name, SCHEMA, height), name)
        state.commit(height)
        assert asked() == asked()
    assert (made, _NOTES.names(state)) == ([0, 1, 3], ["a", "b"])


def test_the_list_of_an_organisations_requests_is_that_of_looking_at_all() -> None:
    """The obvious twin: each request there is, and whether it is the organisation's."""
    bench = RequestBench()
    bench.submit("b")
    bench.submit("b", "c", name="heart", by="c/scientist")
    bench.must("c/scientist", CloseRequest("heart", "finished"))
    guest = bench.enrol("d/guest", "scientist")
    bench.must("a/scientist", CreateRequest("draft"), InviteMember("draft", guest))
    for height in (1, 2):
        for hospital in ("", "a", "b", "c", "d", "nobody"):
            everyone = [reader.request(bench.state, each.name) for each in contract.requests(bench.state)]
            mine = [each for each in everyone if not hospital or _is_of(each, hospital)]
            assert reader.requests_of(bench.state, hospital) == mine
            assert reader.requests_of(bench.state, hospital, over=False) == [e for e in mine if e.status != "closed"]
        bench.state.commit(height)
    assert [each.request for each in reader.requests_of(bench.state, "d")] == ["draft"]


def _is_of(view: reader.RequestView, hospital: str) -> bool:
    people = {name.partition("/")[0] for name in (view.applicant, *view.members, *view.invited)}
    return hospital in people or any(word.organisation == hospital for word in view.decisions)
