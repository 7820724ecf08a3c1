"""A policy in plain words: each rule a sentence, and what every policy has beside its rules."""

from __future__ import annotations

from dataclasses import dataclass

import cedarpy

from hmchain.application.governance.policies.rules import RULES, Json, sentence
from hmchain.canonical import Record
from hmchain.ledger.arithmetic import MILLION
from hmchain.ledger.contracts.data import cedar
from hmchain.ledger.contracts.data.policies import Duty, SetPolicy, Terms
from hmchain.ledger.transactions import Refusal

OWN = "a rule of the hospital's own, in Cedar"
"""The note beside a rule that is none of ours."""
_DUTIES = {
    "delete": "Within {} days what was received is deleted.",
    "moratorium": "Nothing is published before {} days are over.",
    "publish": "Within {} days results are published.",
    "report": "Within {} days it is said how far the work is.",
    "return": "Within {} days results are returned to the hospital.",
}
_ORDER = {name: place for place, name in enumerate(RULES)}


@dataclass(frozen=True)
class RuleInWords:
    """One rule of a policy."""

    id: str
    words: str
    """A sentence, or the note that it is the hospital's own."""
    cedar: str = ""
    """Cedar's text of a rule of the hospital's own."""


def rules_in_words(terms: Terms) -> tuple[RuleInWords, ...]:
    """The rules: what is permitted first, and the hospital's own last."""
    found = cedar.parsed(terms.cedar)
    names = sorted(found, key=lambda name: (_ORDER.get(name, len(_ORDER)), name))
    return tuple(_in_words(name, found[name]) for name in names)


def _in_words(name: str, policy: dict[str, Json]) -> RuleInWords:
    said = sentence(name, policy)
    return RuleInWords(name, OWN, _text(name, policy)) if said is None else RuleInWords(name, said)


def _text(name: str, policy: dict[str, Json]) -> str:
    """Cedar's own text of one policy."""
    text = cedarpy.policies_from_json_str(cedar.canonical({name: policy}).decode())
    return " ".join(cedarpy.format_policies(text).split())


def bounds_in_words(terms: Terms) -> tuple[str, ...]:
    """What a policy says beside its rules."""
    many = terms.approvers > 1
    found = [
        f"{terms.approvers} persons approve a request, and replace this policy." if many
        else "One person approves a request, and replaces this policy.",
        "What the rules allow without a person is approved at once." if terms.automatic
        else "A person approves also what the rules allow.",
        f"No request for data of fewer than {terms.minimum_cohort} records." if terms.minimum_cohort else "",
        f"A study must withstand {terms.colluders_min} colluder{'s' * (terms.colluders_min > 1)} at least."
        if terms.colluders_min else "",
        f"An approval lasts {terms.days_max} days at most." if terms.days_max else "",
        f"Counts may spend a privacy budget of {terms.epsilon_max_millionths / MILLION:g} in all."
        if terms.epsilon_max_millionths else "No counts: there is no privacy budget for them.",
        *map(_duty, terms.duties),
        *(f"Who asks accepts the terms {licence.hex()[:12]}." for licence in terms.licences),
    ]  # fmt: skip
    return tuple(each for each in found if each)


def _duty(duty: Duty) -> str:
    return _DUTIES[duty.kind].format(duty.days)


def sentences(terms: Terms) -> tuple[str, ...]:
    """All that a policy says, a sentence each."""
    rules = (f"{rule.words} {rule.cedar}".strip() for rule in rules_in_words(terms))
    return (*rules, *bounds_in_words(terms))


def in_full(body: Record) -> tuple[str, ...]:
    """All that a policy says which a transaction sets, for whoever signs it; nothing of other transactions."""
    if not isinstance(body, SetPolicy):
        return ()
    try:
        return sentences(body.terms)
    except Refusal:
        return ("This is no policy that a ledger takes.",)


@dataclass(frozen=True)
class Difference:
    """What one policy says and another does not."""

    gone: tuple[str, ...]
    new: tuple[str, ...]


def difference(before: Terms, after: Terms) -> Difference:
    """The sentences of which two policies differ."""
    old, new = sentences(before), sentences(after)
    return Difference(
        tuple(each for each in old if each not in new), tuple(each for each in new if each not in old)
    )  # fmt: skip
