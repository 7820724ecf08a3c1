"""k-anonymity (Sweeney, 2002) and distinct l-diversity (Machanavajjhala et al., 2007) of tables.

A class is all rows that agree in every quasi-identifier. k counts the patients of a class, not its rows: a patient with
many rows hides nobody. Rows of classes that are too small, or too much alike in a sensitive column, are left out; where
that would cost too many rows the table is refused, since generalising more is then the better way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import polars as pl

from hmchain.errors import DataError

_ROWS, _PATIENTS, _VALUES = "\x00rows", "\x00patients", "\x00values"


class AnonymityError(DataError):
    """A table would give patients away by combinations of harmless columns."""

    code = "anonymity"


@dataclass(frozen=True)
class Demand:
    """The demands on a table."""

    k_min: int = 5
    l_min: int = 2
    suppress_max: float = 0.05
    """The share of rows that may be left out."""


@dataclass(frozen=True)
class Anonymity:
    """The anonymity that a table has."""

    k: int
    """Patients of the smallest class; 0 for a table without rows."""
    l: int | None  # noqa: E741 - its name
    """Values in the sensitive column of the class that has the fewest; None without a sensitive column."""
    classes: int
    rows: int
    suppressed: int = 0
    """Rows that were left out to get there."""


def measure(frame: pl.LazyFrame, subject: str, quasi: Sequence[str], sensitive: Sequence[str] = ()) -> Anonymity:
    """The k and l of a table as it is; memory grows with the number of classes."""
    return _summary(_classes(frame, subject, quasi, sensitive), bool(sensitive))


def suppress(
    frame: pl.LazyFrame, subject: str, quasi: Sequence[str], sensitive: Sequence[str], demand: Demand
) -> tuple[pl.DataFrame, Anonymity]:
    """The classes to leave out, as a frame of `quasi`, and what the rest then fulfils.

    Raises `AnonymityError` if too many rows would be left out, or none would stay.
    """
    classes = _classes(frame, subject, quasi, sensitive)
    weak = pl.col(_PATIENTS) < demand.k_min
    if sensitive:
        weak |= pl.col(_VALUES) < demand.l_min
    left_out, stay = classes.filter(weak), classes.filter(~weak)
    rows, lost = int(classes[_ROWS].sum()), int(left_out[_ROWS].sum())
    if rows and (lost > demand.suppress_max * rows or lost == rows):
        wanted = f"{demand.k_min} patients" + (f" and {demand.l_min} values" if sensitive else "")
        raise AnonymityError(
            f"{lost} of {rows} rows are in groups with fewer than {wanted}; {demand.suppress_max:.0%} may be left out",
            f"generalise more of the columns {', '.join(quasi)}",
        )
    return left_out.select(quasi), replace(_summary(stay, bool(sensitive)), suppressed=lost)


def _classes(frame: pl.LazyFrame, subject: str, quasi: Sequence[str], sensitive: Sequence[str]) -> pl.DataFrame:
    """A row a class: its quasi-identifiers, rows, patients, and the values of its least diverse sensitive column."""
    diversity = pl.min_horizontal(pl.col(name).n_unique() for name in sensitive) if sensitive else pl.lit(0)
    measures = (
        pl.len().cast(pl.Int64).alias(_ROWS),
        pl.col(subject).n_unique().cast(pl.Int64).alias(_PATIENTS),
        diversity.cast(pl.Int64).alias(_VALUES),
    )
    if not quasi:
        return frame.select(*measures).filter(pl.col(_ROWS) > 0).collect(engine="streaming")
    return frame.group_by(quasi).agg(*measures).collect(engine="streaming")


def _summary(classes: pl.DataFrame, with_sensitive: bool) -> Anonymity:
    if classes.is_empty():
        return Anonymity(0, 0 if with_sensitive else None, 0, 0)
    k, l = int(classes[_PATIENTS].min()), int(classes[_VALUES].min())  # type: ignore[arg-type]  # noqa: E741
    return Anonymity(k, l if with_sensitive else None, classes.height, int(classes[_ROWS].sum()))
