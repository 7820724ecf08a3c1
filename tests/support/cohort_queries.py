"""Random queries, for whatever is true of all of them."""

from __future__ import annotations

from hypothesis import strategies as st

from hmchain.ledger.contracts.data.queries import AgeIn, All, Any, Clause, Code, Had, Kind, Not, Sex, SexIs, Span

_CODES = (
    Code("ICD10", "C50"), Code("ICD10", "C50.1"), Code("ICD10", "I10"), Code("LOINC", "718-7"),
    Code("LOINC", "2345-7"), Code("SNOMED", "38341003"), Code("ATC", "L02BA"), Code("OMOP", "4112853"),
)  # fmt: skip
_DAYS = (2015_01_01, 2018_06_30, 2020_12_31)
_UNITS = ("", "g/dL", "mmol/L")


def _spans(ends: st.SearchStrategy[int]) -> st.SearchStrategy[Span]:
    both = st.tuples(ends, ends).map(lambda pair: Span(min(pair), max(pair)))
    return st.one_of(both, ends.map(lambda end: Span(end, None)), ends.map(lambda end: Span(None, end)))


_AGES = _spans(st.integers(0, 120))
_WINDOWS = st.none() | _spans(st.sampled_from(_DAYS))


@st.composite
def _events(draw: st.DrawFn) -> Had:
    kind = draw(st.sampled_from(list(Kind)))
    is_image, is_measured = kind is Kind.MODALITY, kind is Kind.MEASUREMENT
    code = draw(st.sampled_from(_CODES) | st.none() if is_image else st.sampled_from(_CODES))
    value = draw(st.none() | _spans(st.integers(-(10**8), 10**8))) if is_measured else None
    unit = draw(st.sampled_from(_UNITS)) if value else ""
    modality = draw(st.sampled_from(("MR", "CT"))) if is_image else ""
    return Had(kind, modality, code, value, unit, draw(_WINDOWS), draw(st.none() | _AGES))


LEAVES: st.SearchStrategy[Clause] = st.one_of(
    st.sampled_from(list(Sex)).map(SexIs), st.builds(AgeIn, _AGES, st.integers(1990, 2030)), _events()
)
QUERIES: st.SearchStrategy[Clause] = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: All(tuple(parts))),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: Any(tuple(parts))),
        inner.map(Not),
    ),
    max_leaves=8,
)
"""Queries of any form, some of them nested deeper than is allowed."""
