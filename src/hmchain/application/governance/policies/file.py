"""The file in which a steward answers what may happen with a dataset: TOML, made into a policy."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated

import cedarpy
import msgspec

from hmchain.application.governance.policies.rules import RELEASE_COUNTS, RULES, Json, Values, made
from hmchain.application.governance.purposes import PURPOSES, diseases
from hmchain.application.governance.requests import licences
from hmchain.application.governance.requests.documents import DocumentError
from hmchain.application.governance.requests.licences import Licence
from hmchain.decoding import told
from hmchain.errors import InputError
from hmchain.files import read_toml
from hmchain.ledger import purposes
from hmchain.ledger.arithmetic import MILLION
from hmchain.ledger.context import NAME, is_name
from hmchain.ledger.contracts.data import cedar, policies
from hmchain.ledger.contracts.data.contents import REGION
from hmchain.ledger.contracts.data.policies import Duty, Terms
from hmchain.ledger.contracts.data.requests import Kind
from hmchain.ledger.transactions import Refusal
from hmchain.plain import number


class PolicyFileError(InputError):
    """The file of a policy cannot be used."""

    code = "policy_file"


class PolicyFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A policy's TOML file: the answers to what `QUESTIONS` asks."""

    dataset: Annotated[str, told(pattern=f"^{NAME}$")]
    uses: tuple[str, ...] = ("health-research",)
    """What it may be used for: words of `PURPOSES`, or DUO's codes and short names."""
    diseases: list[Annotated[str, told(pattern="^MONDO:[0-9]{7}$")]] = []
    """With the use `disease-research`: Mondo's codes, each with all below it."""
    conditions: list[str] = []
    """DUO's conditions by short name or code."""
    kinds: tuple[Annotated[str, told(enum=list(map(str, Kind)))], ...] = ("count", "train")
    regions: list[Annotated[str, told(pattern="^[A-Za-z]{2}$")]] = []
    people: list[str] = []
    """Persons who alone may ask, as `HOSPITAL/PERSON`."""
    institutions: list[str] = []
    not_for_profit: list[str] = []
    """Organisations that are known not to be for profit."""
    fields: list[str] = []
    labels: list[str] = []
    break_glass: list[str] = []
    """Organisations whose clinicians are given one patient's records at once in an emergency."""
    codes: list[str] = []
    """Digests of code that somebody has looked at; other code waits for a person."""
    rounds: int = 0
    """The most; 0 for no limit."""
    person_looks: bool = True
    approvers: int = 1
    automatic: bool = False
    minimum_cohort: int = 0
    colluders: int = 1
    days: int = 365
    epsilon: float = 1.0
    release_counts: bool = False
    """Whether the hospital's agent answers when a count is to leave, instead of a person."""
    duties: dict[str, int] = {}
    licences: list[str] = []
    """Terms that each applicant accepts: files beside this one, or digests of files that the members have."""
    rules: dict[str, str] = {}
    """Rules of one's own, in Cedar, by name."""


def load_policy(path: Path) -> PolicyFile:
    """Read a policy's file. Raises `PolicyFileError` that names what is wrong."""

    def wrong(reason: str) -> PolicyFileError:
        return PolicyFileError(f"{path} cannot be used: {reason}", "mend that entry")

    try:
        return read_toml(path, PolicyFile, wrong)
    except OSError as error:
        hint = "begin with: `hmchain policy new DATASET`"
        raise PolicyFileError(f"{path} cannot be read: {error.strerror}", hint) from error


def require_alone(file: PolicyFile) -> None:
    """See that a policy names its terms by their digests: whoever sent it over a network has no file on this machine.

    Raises `PolicyFileError`.
    """
    if not all(re.fullmatch("[0-9a-f]{64}", each) for each in file.licences):
        raise PolicyFileError("'licences' names what are no digests", "put each file there first: POST /v1/terms")


def licences_of(file: PolicyFile, folder: Path = Path()) -> tuple[Licence, ...]:
    """The terms that a policy asks for, in order; paths are from a folder. Raises `PolicyFileError`."""
    try:
        found = {each.digest: each for each in (licences.named(text, folder) for text in file.licences)}
    except DocumentError as error:
        raise PolicyFileError(f"'licences' names what are no terms: {error.what}", error.hint) from error
    return tuple(found[digest] for digest in sorted(found))


def terms_of(file: PolicyFile, folder: Path = Path()) -> Terms:
    """The policy that the answers make; paths are from a folder.

    Raises `PolicyFileError` for an answer that is unknown or contradicts another.
    """
    _require_ranges(file)
    policies_by_id = made(_chosen(file)) | {name: _own(name, text) for name, text in sorted(file.rules.items())}
    duties = _duties(file)
    found = Terms(
        cedar.canonical(policies_by_id),
        approvers=file.approvers,
        automatic=file.automatic,
        minimum_cohort=file.minimum_cohort,
        colluders_min=file.colluders,
        days_max=file.days,
        epsilon_max_millionths=round(file.epsilon * MILLION),
        duties=tuple(Duty(kind, days) for kind, days in sorted(duties.items())),
        licences=tuple(each.digest for each in licences_of(file, folder)),
    )
    try:
        policies.require_sound(found)
    except Refusal as refusal:
        what = "the answers make no policy that a ledger takes: the rules are too many, or too long"
        raise PolicyFileError(what, "make lists and rules shorter") from refusal
    return found


_RANGES: dict[str, tuple[float, float]] = {
    "approvers": (1, policies.APPROVERS_MAX), "minimum_cohort": (0, policies.COUNT_MAX - 1), "colluders": (0, 999),
    "days": (0, policies.DAYS_MAX), "epsilon": (0, MILLION), "rounds": (0, policies.COUNT_MAX - 1),
}  # fmt: skip
_NAMED = ("fields", "labels", "institutions", "not_for_profit", "break_glass")


def _require_ranges(file: PolicyFile) -> None:
    """Name the number that is out of range, or the text that is no name."""
    duties = {f"duties.{kind}": (days, (0, policies.DAYS_MAX)) for kind, days in file.duties.items()}
    for key, (value, (least, most)) in (
        {key: (getattr(file, key), bounds) for key, bounds in _RANGES.items()} | duties
    ).items():
        if not least <= value <= most:  # NaN lies nowhere
            raise PolicyFileError(f"{key} = {number(value)} is out of range", f"it may be {least} to {most}")
    for key in _NAMED:
        if wrong := next((each for each in getattr(file, key) if not is_name(each)), None):
            raise PolicyFileError(f"{key} has {wrong!r}, which is no name", "up to 48 of a-z, 0-9, '.', '_', '-'")
    for each in file.people:
        if [is_name(part) for part in each.split("/")] != [True, True]:
            raise PolicyFileError(f"people has {each!r}, which names no person", "as in north/s1: HOSPITAL/PERSON")
    for each in file.regions:
        if REGION.fullmatch(each.upper()) is None:
            raise PolicyFileError(f"regions has {each!r}, which is no country's code", "two letters, as in DE or FI")
    if not file.uses and not file.rules:
        raise PolicyFileError("uses is empty, and nothing would be permitted", f"give some of {', '.join(PURPOSES)}")


# -- from answers to rules ---------------------------------------------------------------------------------------------

Chosen = list[tuple[str, Values]]


def _chosen(file: PolicyFile) -> Chosen:
    """Our rules that the answers choose, each with its values."""
    named = {_condition(each) for each in file.conditions}
    found = _uses(file, named)
    found += [(name, tuple(sorted(values))) for name, values in _lists(file) if values]
    for condition in sorted(named & set(_OF_CONDITIONS)):
        found += _OF_CONDITIONS[condition](file)
    found += [(unsaid, ()) for unsaid, names in _unsaid(file) if names]
    if file.rounds:
        found.append(("rounds", (file.rounds,)))
    if file.person_looks:
        found.append((policies.PERSON_LOOKS, ()))
    if file.release_counts:
        found.append((RELEASE_COUNTS, ()))
    return list(dict(found).items())


def _uses(file: PolicyFile, named: set[str]) -> Chosen:
    asked = {_use(each) for each in file.uses} | ({purposes.CLINICAL_CARE} if "CC" in named else set())
    of_diseases = purposes.DISEASE_SPECIFIC in asked and bool(file.diseases)
    if file.diseases and not of_diseases:
        raise PolicyFileError("diseases are named, and no use is disease-research", 'add it to "uses"')
    for code in file.diseases:
        if code not in diseases():
            raise PolicyFileError(f"{code!r} is no disease of Mondo", "`hmchain policy codes WORD` finds codes")
    plain = sorted(asked - ({purposes.DISEASE_SPECIFIC} if of_diseases else set()))
    found: Chosen = [("uses", tuple(plain))] if plain else []
    return found + ([("diseases", tuple(sorted(set(file.diseases))))] if of_diseases else [])


def _lists(file: PolicyFile) -> Iterable[tuple[str, Sequence[str]]]:
    """Rules that a list alone asks for."""
    for kind in file.kinds:
        if kind not in set(Kind):
            raise PolicyFileError(f"{kind!r} is no kind of use", f"give some of {', '.join(Kind)}")
    codes = [_digest("codes", each).hex() for each in file.codes]
    regions = [each.upper() for each in file.regions]
    return (
        ("kinds", file.kinds), ("regions", regions), ("people", file.people), ("fields", file.fields),
        ("institutions", file.institutions), ("labels", file.labels), ("code", codes),
        ("break-glass", file.break_glass),
    )  # fmt: skip


def _unsaid(file: PolicyFile) -> tuple[tuple[str, Sequence[str]], ...]:
    """Lists that a request which names nothing would pass, though it asks for everything."""
    return (("region-unsaid", file.regions), ("field-unsaid", file.fields), ("label-unsaid", file.labels))


def _needing(field: str, rules: Chosen, short: str) -> Callable[[PolicyFile], Chosen]:
    """A condition that says nothing without its list."""

    def chosen(file: PolicyFile) -> Chosen:
        if not getattr(file, field):
            raise PolicyFileError(f"the condition {short} needs {field!r}", f"fill in {field!r}, or strike {short}")
        return rules

    return chosen


def _owing(duty: str, rules: Chosen, short: str) -> Callable[[PolicyFile], Chosen]:
    """A condition that is a duty after the approval."""

    def chosen(file: PolicyFile) -> Chosen:
        if duty not in file.duties:
            raise PolicyFileError(f"the condition {short} needs a duty {duty!r}", f"set [duties] {duty} = DAYS")
        return rules

    return chosen


def _always(*names: str) -> Callable[[PolicyFile], Chosen]:
    return lambda _: [(name, ()) for name in names]


def _not_for_profit(file: PolicyFile) -> Chosen:
    return [("organisation", tuple(sorted(file.not_for_profit)))]


_OF_CONDITIONS: dict[str, Callable[[PolicyFile], Chosen]] = {
    "COL": _always("collaboration"),
    "GS": _needing("regions", [], "GS"),
    "GSO": _always("genetic"),
    "IRB": _always("ethics-letter", "ethics-unread"),
    "IS": _needing("institutions", [], "IS"),
    "MOR": _owing("moratorium", [], "MOR"),
    "NCU": _always("commercial"),
    "NMDS": _always("methods"),
    "NPOA": _always("ancestry", "ancestry-possible"),
    "NPU": _not_for_profit,
    "NPUNCU": lambda file: [("commercial", ()), *_not_for_profit(file)],
    "PS": _always("project"),
    "PUB": _owing("publish", [("publication", ())], "PUB"),
    "RS": _always("research-type"),
    "RTN": _owing("return", [], "RTN"),
    "TS": _needing("days", [], "TS"),
    "US": _needing("people", [], "US"),
}


@cache
def conditions() -> dict[str, str]:
    """DUO's conditions: code by short name, in order of code."""
    return {term.short: code for code, term in purposes.terms().items() if term.short and term.is_modifier}


@cache
def uses() -> dict[str, str]:
    """DUO's uses: code by short name, in order of code."""
    return {term.short: code for code, term in purposes.terms().items() if term.short and purposes.is_use(code)}


def _condition(given: str) -> str:
    """A condition's short name."""
    known = {code: short for short, code in conditions().items()}
    short = known.get(given, given.upper())
    if short not in conditions():
        raise PolicyFileError(f"{given!r} is no condition of DUO", f"give some of {', '.join(sorted(conditions()))}")
    return short


def _use(given: str) -> str:
    """A use's code."""
    code = PURPOSES.get(given) or uses().get(given.upper()) or given
    if code not in uses().values():
        hint = f"give some of {', '.join(PURPOSES)}; or of {', '.join(sorted(uses()))}"
        raise PolicyFileError(f"{given!r} is no use of DUO", hint)
    return code


def _duties(file: PolicyFile) -> dict[str, int]:
    for kind in file.duties:
        if kind not in policies.DUTIES:
            raise PolicyFileError(f"{kind!r} is no duty", f"give some of {', '.join(policies.DUTIES)}")
    return file.duties


def _digest(key: str, text: str) -> bytes:
    if re.fullmatch(r"[0-9a-f]{64}", text) is None:
        raise PolicyFileError(f"{text!r} in {key!r} is no digest", "a digest is 64 hex digits")
    return bytes.fromhex(text)


def _own(name: str, text: str) -> Json:
    """One rule of the hospital's own."""
    if not is_name(name) or name in RULES or name in policies.REASONS:
        raise PolicyFileError(f"a rule cannot be called {name!r}", "choose a short name that no other rule has")
    try:
        found = json.loads(cedarpy.policies_to_json_str(text))
    except ValueError as error:
        raise PolicyFileError(f"the rule {name!r} is no Cedar: {error}", "docs.cedarpolicy.com explains it") from error
    rules = list(found["staticPolicies"].values())
    if len(rules) != 1 or found["templates"]:
        raise PolicyFileError(f"the rule {name!r} is not one policy", "give each policy a name of its own")
    try:
        cedar.parsed(cedar.canonical({name: rules[0]}))
    except Refusal as refusal:
        what = f"the rule {name!r} uses what a ledger does not take, or a text that is no name or code"
        raise PolicyFileError(what, "docs/how-to/policy.md lists what rules may use") from refusal
    return rules[0]
