"""What a coalition can compute of what it sees: the linear system itself, solved exactly.

Unknown are the honest hospitals' vectors and every mask that was not revealed; known are sums of them. What the
coalition learns of the vectors is each combination of its equations from which the masks are gone. Arithmetic is modulo
a prime of 61 bits, far above every minor that weights of 8 bits and signs can make here.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping

PRIME = (1 << 61) - 1

Row = dict[Hashable, int]


def learned(equations: Iterable[Mapping[Hashable, int]], masks: set[Hashable]) -> list[Row]:
    """A basis of the combinations of `equations` that no mask hides."""
    return [row for pivot, row in _echelon(equations, masks) if pivot not in masks]


def exposed(
    equations: Iterable[Mapping[Hashable, int]], masks: set[Hashable], owner: Mapping[Hashable, str]
) -> set[str]:
    """Organisations for which some combination is about their vectors alone; `owner` names whose a vector is."""
    basis = learned(equations, masks)
    found = set()
    for organisation in {owner[name] for row in basis for name in row}:
        others = [{name: value for name, value in row.items() if owner[name] != organisation} for row in basis]
        if len(_echelon(others, set())) < len(basis):
            found.add(organisation)
    return found


def _echelon(equations: Iterable[Mapping[Hashable, int]], first: set[Hashable]) -> list[tuple[Hashable, Row]]:
    """Reduced rows with their pivots; unknowns in `first` are eliminated before all others."""
    done: list[tuple[Hashable, Row]] = []
    for equation in equations:
        row = {name: value % PRIME for name, value in equation.items() if value % PRIME}
        for pivot, other in done:
            _eliminate(row, pivot, other)
        if not row:
            continue
        pivot = next((name for name in row if name in first), next(iter(row)))
        inverse = pow(row[pivot], -1, PRIME)
        row = {name: value * inverse % PRIME for name, value in row.items()}
        for _, other in done:
            _eliminate(other, pivot, row)
        done.append((pivot, row))
    return done


def _eliminate(row: Row, pivot: Hashable, by: Row) -> None:
    factor = row.get(pivot, 0)
    if factor:
        for name, value in by.items():
            rest = (row.get(name, 0) - factor * value) % PRIME
            if rest:
                row[name] = rest
            else:
                row.pop(name, None)
