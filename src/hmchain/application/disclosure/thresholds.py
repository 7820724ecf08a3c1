"""Counts and tables held against the rules of statistical disclosure control.

The rules and their limits are the defaults of ACRO 1.0.1 (Smith et al.; AI-SDC/ACRO, `default.yaml`), which secure
research environments check outputs with. What one of them finds may pass by an exemption that has a name and a reason,
and stays in the evidence with both. To them is added what a table with a total gives away: a group that is everybody.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from msgspec import structs

from hmchain.application.disclosure.evidence import Broken, Disclosure, Exemption, Found
from hmchain.errors import InputError


class ExemptionError(InputError):
    """An exemption is of nothing that was found, or says no reason."""

    code = "exemption"


EXEMPT = ("consented", "harmless", "public", "structural-zero")
"""Why a finding may pass: those whom it tells of agreed, nothing follows from it, it is known anyway, or nobody can be
in the cell whatever the data."""


class Check(StrEnum):
    """The rules."""

    THRESHOLD = "threshold"
    """A cell is of too few persons."""
    ZERO = "zero"
    """A cell is of nobody: everybody else's answer is known."""
    COMPLEMENT = "complement"
    """All but too few of a group's persons are in one cell."""
    DOMINANCE = "dominance"
    """Few persons make nearly all of a sum (n-k rule)."""
    P_RATIO = "p-ratio"
    """The second largest can tell the largest nearly: all others together are too little."""
    DEGREES = "degrees of freedom"
    """A fit has nearly as many parameters as persons."""
    SURVIVAL = "survival"
    """A step of a survival curve is of too few persons."""
    NEGATIVE = "negative"
    """Values below 0: the rules on sums say nothing of such a cell."""


@dataclass(frozen=True)
class Rules:
    """Limits; those of ACRO unless one says otherwise."""

    persons_min: int = 10
    zeros_are_disclosive: bool = True
    dominant: int = 2
    """n of the n-k rule: so many of the largest."""
    dominance_max: float = 0.90
    """k: at most so much of a sum may be theirs."""
    p_ratio_min: float = 0.10
    """All but the two largest, over the largest."""
    degrees_min: int = 10
    survival_min: int = 10
    rounding: int = 5
    """What `rounded` rounds to."""

    @property
    def words(self) -> dict[Check, str]:
        """Each rule with its limit, for people."""
        zero = "no cell of nobody" if self.zeros_are_disclosive else "a cell of nobody is no finding"
        return {
            Check.THRESHOLD: f"at least {self.persons_min} persons in a cell",
            Check.ZERO: zero,
            Check.COMPLEMENT: f"at least {self.persons_min} persons of a group outside of a cell",
            Check.DOMINANCE: f"the {self.dominant} largest are at most {self.dominance_max:.0%} of a sum",
            Check.P_RATIO: f"all but the two largest are at least {self.p_ratio_min:.0%} of the largest",
            Check.DEGREES: f"at least {self.degrees_min} residual degrees of freedom",
            Check.SURVIVAL: f"at least {self.survival_min} persons at risk, and leaving, in a step",
            Check.NEGATIVE: "no value below 0 in a sum",
        }


DEFAULT = Rules()


@dataclass(frozen=True)
class Cell:
    """A cell of a table: how many persons it is of, and what each gave to it, if it is a sum or a mean."""

    name: str
    persons: int
    values: Sequence[float] | None = None
    """One of each person."""
    of: int | None = None
    """Persons of the group that the cell is a part of, where that is told too."""


@dataclass
class _Findings:
    """What was found so far."""

    rules: Rules
    asked: set[Check] = field(default_factory=set)
    broken: list[Broken] = field(default_factory=list)

    def ask(self, check: Check, cell: str, holds: bool, words: str) -> None:
        self.asked.add(check)
        if not holds:
            self.broken.append(Broken(cell=cell, check=check.value, words=words))


def check_count(persons: int, of: int | None, rules: Rules = DEFAULT) -> Disclosure:
    """A count of one hospital's persons, of all in the version: a table of one cell and what is outside of it."""
    return check_table([Cell("count", persons, of=of)], rules)


def check_table(cells: Iterable[Cell], rules: Rules = DEFAULT, unsaid: str = "") -> Disclosure:
    """A table's cells, each by itself; `unsaid` is why more of it cannot be told."""
    found, counted = _Findings(rules), 0
    for cell in cells:
        counted += 1
        _check_persons(found, cell)
        if cell.values is not None:
            _check_values(found, cell.name, cell.values)
    return _said(found, counted, unsaid)


def check_fit(name: str, persons: int, parameters: int, rules: Rules = DEFAULT) -> Disclosure:
    """A regression: its residual degrees of freedom."""
    found = _Findings(rules)
    left = persons - parameters
    found.ask(Check.DEGREES, name, left >= rules.degrees_min, f"{left} residual degrees of freedom")
    return _said(found, 1)


def check_survival(at_risk: Sequence[int], rules: Rules = DEFAULT) -> Disclosure:
    """A survival curve by the persons at risk at each of its steps, in time."""
    found, least = _Findings(rules), rules.survival_min
    for place, persons in enumerate(at_risk):
        found.ask(Check.SURVIVAL, f"step {place}", persons >= least, f"{persons} persons at risk")
        left = at_risk[place - 1] - persons if place else least
        found.ask(Check.SURVIVAL, f"step {place}", not 0 < left < least, f"{left} persons left in it")
    return _said(found, len(at_risk))


def rounded(value: int, rules: Rules = DEFAULT) -> int:
    """A number of persons to the nearest multiple of the base, halves up."""
    return (value + rules.rounding // 2) // rules.rounding * rules.rounding


def _check_persons(found: _Findings, cell: Cell) -> None:
    rules, persons = found.rules, cell.persons
    if persons or rules.zeros_are_disclosive:
        check = Check.THRESHOLD if persons else Check.ZERO
        found.ask(check, cell.name, persons >= rules.persons_min, f"{persons or 'no'} persons")
    found.asked |= {Check.THRESHOLD, Check.ZERO}
    if cell.of is not None:
        left = cell.of - persons
        found.ask(Check.COMPLEMENT, cell.name, left >= rules.persons_min, f"all but {left} of {cell.of} persons")


def _check_values(found: _Findings, name: str, values: Sequence[float]) -> None:
    """What each person gave to a sum or mean: nothing may be told of single ones by it."""
    rules, largest = found.rules, sorted(values, reverse=True)
    total = sum(largest)
    found.ask(Check.NEGATIVE, name, not largest or largest[-1] >= 0, "values below 0: dominance cannot be told")
    if largest and largest[-1] < 0:
        return
    top = sum(largest[: rules.dominant])
    share = top / total if total > 0 else 0.0
    words = f"the {rules.dominant} largest are {share:.1%} of it"
    found.ask(Check.DOMINANCE, name, share <= rules.dominance_max, words)
    if total <= 0 or len(largest) < 2:
        found.ask(Check.P_RATIO, name, not rules.zeros_are_disclosive, "nothing but zeros, or one person")
        return
    ratio = max(0.0, total - largest[0] - largest[1]) / largest[0]
    found.ask(
        Check.P_RATIO, name, ratio >= rules.p_ratio_min, f"all but the two largest are {ratio:.1%} of the largest"
    )


def _said(found: _Findings, cells: int, unsaid: str = "") -> Disclosure:
    words = found.rules.words
    said = Disclosure(
        found=Found.NOT_SAID,
        unsaid=unsaid if cells else "there is no cell",
        rules=tuple(words[check] for check in Check if check in found.asked),
        cells=cells,
        broken=tuple(found.broken),
    )
    return let_pass(said, ())


def let_pass(found: Disclosure, exemptions: Sequence[Exemption]) -> Disclosure:
    """The same with exemptions, beside those that it has. Raises `ExemptionError` for one of nothing that was found."""
    by_place = {(each.cell, each.check): each for each in exemptions}
    unmet = set(by_place) - {(each.cell, each.check) for each in found.broken}
    if unmet:
        cell, check = min(unmet)
        raise ExemptionError(f"no finding {check!r} is in cell {cell!r}", "name what was found, by cell and rule")
    if any(not each.reason.strip() or not each.by.strip() for each in exemptions):
        raise ExemptionError("an exemption has no reason, or nobody who gives it", "say who lets it pass, and why")
    broken = tuple(
        structs.replace(each, exemption=by_place.get((each.cell, each.check), each.exemption)) for each in found.broken
    )
    count = sum(each.exemption is None for each in broken)
    why = [f"{count} finding{'s' * (count != 1)}" if count else "", found.unsaid]
    said = Found.SEEN if count else Found.NOT_SAID if found.unsaid else Found.NOTHING_SEEN
    return structs.replace(found, found=said, why="; ".join(filter(None, why)), broken=broken)


def with_sums_of(found: Disclosure, kept: Disclosure) -> Disclosure:
    """What was found of persons, and what was found of sums in the same table when it was known who gave how much."""
    if kept.unsaid or not found.unsaid:
        return found
    sums = (Check.DOMINANCE, Check.P_RATIO, Check.NEGATIVE)
    broken = (*found.broken, *(each for each in kept.broken if each.check in sums))
    rules = (*found.rules, *(DEFAULT.words[each] for each in sums if DEFAULT.words[each] in kept.rules))
    return let_pass(structs.replace(found, unsaid="", rules=rules, broken=broken), ())


def still_passing(before: Iterable[Broken], now: Iterable[Broken]) -> tuple[Exemption, ...]:
    """The exemptions of what is found again with the same words."""
    found = {(each.cell, each.check, each.words) for each in now}
    return tuple(
        each.exemption for each in before if each.exemption is not None and (each.cell, each.check, each.words) in found
    )


def stricter(rules: Rules, persons_min: int) -> Rules:
    """The same rules where a hospital's own policy asks for more persons; never for fewer."""
    return replace(rules, persons_min=max(rules.persons_min, persons_min))
