"""Sharing terms: no until the hospital says otherwise, widened by as many persons as its policy asks for."""

from __future__ import annotations

from hmchain.ledger.contracts.data import sharing_terms
from hmchain.ledger.contracts.data.sharing_terms import SetSharingTerms, SharingTerms
from hmchain.ledger.contracts.members import people
from support.request_bench import BRAIN, RequestBench, ref

NOTHING, COUNTS, ALL = SharingTerms(), SharingTerms(counts_released=True), SharingTerms(True, True)


def let(terms: SharingTerms, dataset: str = BRAIN) -> SetSharingTerms:
    return SetSharingTerms(dataset, terms)


def test_nothing_is_let_happen_until_a_steward_says_so() -> None:
    bench = RequestBench()
    assert sharing_terms.current(bench.state, "a", BRAIN) == NOTHING
    assert bench.do("a/scientist", let(ALL)) == "wrong_role"
    assert bench.do("a", let(ALL, "other")) == "no_such_dataset"
    assert bench.do("a", let(NOTHING)) == "no_change"
    bench.must("a", let(COUNTS))
    assert sharing_terms.current(bench.state, "a", BRAIN) == COUNTS
    assert sharing_terms.current(bench.state, "b", BRAIN) == NOTHING


def test_as_many_widen_them_as_the_policy_asks_for_and_one_narrows_them() -> None:
    bench = RequestBench()
    bench.policy("a", approvers=2)
    bench.enrol("a/ann", "steward")
    bench.must("a", let(COUNTS))
    assert bench.do("a", let(COUNTS)) == "same_person"
    assert sharing_terms.current(bench.state, "a", BRAIN) == NOTHING
    bench.must("a/ann", let(ALL))  # others than the first asked for, who does not stand behind these
    assert sharing_terms.current(bench.state, "a", BRAIN) == NOTHING
    bench.must("a", let(ALL))
    assert sharing_terms.current(bench.state, "a", BRAIN) == ALL
    assert sharing_terms.waiting(bench.state, "a", BRAIN) is None
    bench.must("a/ann", let(COUNTS))
    assert sharing_terms.current(bench.state, "a", BRAIN) == COUNTS
    assert bench.kinds()[-4:] == ["sharing_terms.proposed", "sharing_terms.proposed", "sharing_terms.set",
                                  "sharing_terms.set"]  # fmt: skip


def test_a_word_with_a_key_that_was_cut_off_since_does_not_count() -> None:
    bench = RequestBench()
    bench.policy("a", approvers=2)
    bench.enrol("a/ann", "steward")
    bench.must("a", let(ALL))
    people.cut_off(bench.state, ref("a"), bench.ms)
    bench.must("a/ann", let(ALL))
    assert sharing_terms.current(bench.state, "a", BRAIN) == NOTHING
    bench.must("a", let(ALL))
    assert sharing_terms.current(bench.state, "a", BRAIN) == ALL
