"""k-anonymity and l-diversity, against their definitions in plain Python and against pycanon."""

from __future__ import annotations

import json
import subprocess
from collections import defaultdict
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hmchain.records.deidentification.tables.anonymity import Anonymity, AnonymityError, Demand, measure, suppress
from support.oracles import environment

Row = tuple[int, str | None, str | None, str | None]
"""Patient, two quasi-identifiers, a sensitive value."""

COLUMNS = ("patient", "age", "zip", "diagnosis")
QUASI, SENSITIVE = ["age", "zip"], ["diagnosis"]

ROWS = st.lists(
    st.tuples(
        st.integers(0, 12),
        st.sampled_from(["20-29", "30-39", None]),
        st.sampled_from(["021", "000"]),
        st.sampled_from(["flu", "cold", "gout", None]),
    ),
    max_size=40,
)


def table(rows: list[Row]) -> pl.LazyFrame:
    types = (pl.Int64, pl.String, pl.String, pl.String)
    return pl.LazyFrame(rows, schema=dict(zip(COLUMNS, types, strict=True)), orient="row")


def classes(rows: list[Row]) -> dict[tuple[str | None, ...], list[Row]]:
    found = defaultdict(list)
    for row in rows:
        found[row[1:3]].append(row)
    return found


def by_definition(rows: list[Row]) -> tuple[int, int, int]:
    groups = classes(rows).values()
    k = min((len({row[0] for row in group}) for group in groups), default=0)
    l = min((len({row[3] for row in group}) for group in groups), default=0)  # noqa: E741
    return k, l, len(groups)


@given(ROWS)
def test_k_and_l_are_what_their_definitions_say(rows: list[Row]) -> None:
    k, l, count = by_definition(rows)  # noqa: E741
    assert measure(table(rows), "patient", QUASI, SENSITIVE) == Anonymity(k, l, count, len(rows))
    assert measure(table(rows), "patient", QUASI) == Anonymity(k, None, count, len(rows))


@given(ROWS, st.integers(1, 4), st.integers(1, 3), st.sampled_from([0.0, 0.2, 0.9]))
def test_what_is_left_fulfils_the_demand_and_nothing_more_is_left_out(
    rows: list[Row], k_min: int, l_min: int, suppress_max: float
) -> None:
    weak = {
        key
        for key, group in classes(rows).items()
        if len({row[0] for row in group}) < k_min or len({row[3] for row in group}) < l_min
    }
    lost = sum(row[1:3] in weak for row in rows)
    demand = Demand(k_min, l_min, suppress_max)
    if rows and (lost > suppress_max * len(rows) or lost == len(rows)):
        with pytest.raises(AnonymityError):
            suppress(table(rows), "patient", QUASI, SENSITIVE, demand)
        return
    left_out, fulfilled = suppress(table(rows), "patient", QUASI, SENSITIVE, demand)
    assert set(left_out.iter_rows()) == weak and fulfilled.suppressed == lost
    stay = [row for row in rows if row[1:3] not in weak]
    assert (fulfilled.k, fulfilled.l, fulfilled.rows) == (*by_definition(stay)[:2], len(stay))
    assert not stay or (fulfilled.k >= k_min and (fulfilled.l or 0) >= l_min)


def test_a_patient_with_many_rows_hides_nobody() -> None:
    rows: list[Row] = [(1, "20-29", "021", "flu")] * 9 + [(2, "20-29", "021", "cold")]
    assert measure(table(rows), "patient", QUASI).k == 2


def test_a_refusal_says_how_much_and_the_way_out() -> None:
    rows: list[Row] = [(number, "20-29", "021", "flu") for number in range(9)] + [(9, "30-39", "021", "flu")]
    with pytest.raises(AnonymityError) as caught:
        suppress(table(rows), "patient", QUASI, [], Demand(5, 1, 0.05))
    assert str(caught.value) == (
        "1 of 10 rows are in groups with fewer than 5 patients; 5% may be left out "
        "(generalise more of the columns age, zip)"
    )  # fmt: skip
    assert suppress(table(rows), "patient", QUASI, [], Demand(5, 1, 0.1))[1] == Anonymity(9, None, 1, 9, 1)


def test_without_quasi_identifiers_all_are_one_class() -> None:
    rows: list[Row] = [(1, None, None, "flu"), (2, None, None, "cold")]
    assert measure(table(rows), "patient", [], SENSITIVE) == Anonymity(2, 2, 1, 2)
    assert measure(table([]), "patient", [], SENSITIVE) == Anonymity(0, 0, 0, 0)


_ORACLE = """
import json, sys
import pandas
from pycanon import anonymity
tables, quasi = json.load(sys.stdin), ["age", "zip"]
print(json.dumps([
    [int(anonymity.k_anonymity(frame, quasi)), int(anonymity.l_diversity(frame, quasi, ["diagnosis"]))]
    for frame in (pandas.DataFrame(rows, columns=["patient", "age", "zip", "diagnosis"]) for rows in tables)
]))
"""


@pytest.mark.process
def test_pycanon_measures_the_same(tmp_path: Path) -> None:
    python = environment("pycanon", "pycanon==1.3.6")
    tables: list[list[Row]] = []

    @settings(max_examples=25)
    @given(ROWS.filter(bool))
    def collect(rows: list[Row]) -> None:
        # one row a patient and nothing missing: what pycanon knows
        tables.append([(n, age or "?", zip_, diagnosis or "?") for n, (_, age, zip_, diagnosis) in enumerate(rows)])

    collect()
    answer = subprocess.run(
        [python, "-c", _ORACLE], input=json.dumps(tables), capture_output=True, text=True, timeout=120, check=True
    )
    found = [measure(table(rows), "patient", QUASI, SENSITIVE) for rows in tables]
    assert [[each.k, each.l] for each in found] == json.loads(answer.stdout)
