"""The rules of which a hospital's policy is made: each in Cedar's JSON, and in a sentence.

A rule is known by its id, and read back from Cedar: what is in it beside its shape are its values, and a rule is ours
if those values make the very same Cedar again. Rules that a hospital wrote itself are shown as Cedar.

Where the conditions of the GA4GH Data Use Ontology come from: the definitions in `duo.csv` of DUO, and Lawson et al.,
The Data Use Ontology to streamline responsible access to human biomedical datasets, Cell Genomics 1(2), 2021. What a
program can compare denies; what it cannot know (whose organisation is not for profit, what a letter says) waits for a
person.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from hmchain.application.governance.purposes import disease_words, terms
from hmchain.ledger.contracts.data import break_glass, policies
from hmchain.ledger.contracts.learning import releases
from hmchain.ledger.purposes import DISEASE_SPECIFIC

Json = Any
Values = tuple[str | int, ...]
Condition = Callable[[Values], Json]

_ANY = {"op": "All"}
RELEASE_COUNTS = "release-counts"
GENERAL, UNRESTRICTED, ANCESTRY, COLLABORATION = "DUO:0000042", "DUO:0000004", "DUO:0000011", "DUO:0000020"


@dataclass(frozen=True)
class Rule:
    """One kind of rule."""

    id: str
    effect: str
    """`permit`; or `forbid`, and `look` for what is forbidden until a person has looked."""
    condition: Condition | None
    """When it holds, of the rule's values; None for always."""
    sentence: str
    """What it says, with `{}` for its values."""
    named: Callable[[Values], str] = lambda values: ", ".join(map(str, values))
    """Its values in words."""
    action: str = ""
    """What alone it is about; empty for all that is asked for."""

    def cedar(self, values: Values = ()) -> dict[str, Json]:
        """The rule in Cedar's JSON."""
        condition = None if self.condition is None else self.condition(values)
        if self.effect == "look":
            condition = _UNSEEN if condition is None else _two("&&", _UNSEEN, condition)
        return {
            "action": {"entity": {"id": self.action, "type": "Action"}, "op": "=="} if self.action else _ANY,
            "conditions": [] if condition is None else [{"body": condition, "kind": "when"}],
            "effect": "permit" if self.effect == "permit" else "forbid",
            "principal": _ANY,
            "resource": _ANY,
        }

    def words(self, values: Values) -> str:
        """What a rule of this kind says."""
        return self.sentence.format(self.named(values))


# -- parts of Cedar's JSON ---------------------------------------------------------------------------------------------


def _of(name: str) -> Json:
    return {".": {"attr": name, "left": {"Var": "context"}}}


def _asked(name: str) -> Json:
    return {".": {"attr": name, "left": _of("asked")}}


def _one(operator: str, arg: Json) -> Json:
    return {operator: {"arg": arg}}


def _two(operator: str, left: Json, right: Json) -> Json:
    return {operator: {"left": left, "right": right}}


def _entity(kind: str, code: str | int) -> Json:
    return {"Value": {"__entity": {"id": code, "type": kind}}}


def _entities(kind: str, codes: Values) -> Json:
    return {"Set": [_entity(kind, code) for code in codes]}


def _texts(texts: Values) -> Json:
    return {"Set": [{"Value": text} for text in texts]}


_UNSEEN = _one("!", _of("reviewed"))


def _others(kind: str, name: str) -> Condition:
    """Something that is asked is none of the values."""

    def condition(values: Values) -> Json:
        known = _entities(kind, values) if kind else _texts(values)
        return _one("!", _two("containsAll", known, _asked(name)))

    return condition


def _unsaid(name: str) -> Condition:
    """Nothing is named, so that no list of what may be asked for denies anything."""
    return lambda _: _one("isEmpty", _asked(name))


def _missing(name: str, value: Json) -> Condition:
    return lambda _: _one("!", _two("contains", _asked(name), value))


def _purpose_is(*codes: str) -> Condition:
    def condition(_: Values) -> Json:
        found = [_two("==", _of("purpose"), _entity("Purpose", code)) for code in codes]
        return found[0] if len(found) == 1 else _two("||", *found)

    return condition


def _other_code(values: Values) -> Json:
    other = _one("!", _two("contains", _texts(values), _asked("code")))
    return _two("&&", _two("!=", _asked("code"), {"Value": ""}), other)


def _purposes(values: Values) -> str:
    return ", ".join(terms().get(str(code), str(code)) for code in values)


def _diseases(values: Values) -> str:
    return "; ".join(disease_words(str(code)) for code in values)


def _codes(values: Values) -> str:
    return ", ".join(str(code)[:12] for code in values)


# -- the rules ---------------------------------------------------------------------------------------------------------

_ALL = (
    Rule(policies.ANYTHING, "permit", None, "Anything may be asked for."),
    Rule("uses", "permit", lambda values: _two("in", _of("purpose"), _entities("Purpose", values)),
         "It may be used for {}, and for whatever is a kind of it.", _purposes),
    Rule("diseases", "permit", lambda values: _two(
            "&&", _two("==", _of("purpose"), _entity("Purpose", DISEASE_SPECIFIC)),
            _two("in", _of("disease"), _entities("Disease", values))),
         "It may be used for research on {}, and on whatever is a kind of it.", _diseases),
    Rule("kinds", "forbid", lambda values: _one("!", _two("in", {"Var": "action"}, _entities("Action", values))),
         "Only this may be done with it: {}."),
    Rule("commercial", "forbid", lambda _: _asked("commercial"),
         "No commercial use."),
    Rule("regions", "forbid", _others("", "regions"),
         "Results may go to {} alone."),
    Rule("region-unsaid", "look", _unsaid("regions"),
         "A request that names no country waits for a person."),
    Rule("people", "forbid", _others("Person", "people"),
         "Only these people may ask for it: {}."),
    Rule("institutions", "forbid", _others("Organisation", "institutions"),
         "Only people of {} may ask for it."),
    Rule("ethics-letter", "forbid", _missing("documents", {"Value": "ethics"}),
         "A request needs an ethics committee's letter."),
    Rule("publication", "forbid", lambda _: _one("!", _asked("publishes")),
         "Results must be published."),
    Rule("ancestry", "forbid", _purpose_is(ANCESTRY),
         "No research on population origins or ancestry."),
    Rule("ancestry-possible", "look", _purpose_is(GENERAL, UNRESTRICTED),
         "A purpose so wide that it takes in ancestry waits for a person."),
    Rule("fields", "forbid", _others("", "fields"),
         "Only these fields may be asked for: {}."),
    Rule("field-unsaid", "look", _unsaid("fields"),
         "A request that names no fields asks for all of them, and waits for a person."),
    Rule("labels", "forbid", _others("", "labels"),
         "Only these labels may be asked for: {}."),
    Rule("label-unsaid", "look", _unsaid("labels"),
         "A request that names no labels asks for all of them, and waits for a person."),
    Rule("rounds", "forbid", lambda values: _two(">", _asked("rounds"), {"Value": values[0]}),
         "At most {} rounds."),
    Rule(policies.PERSON_LOOKS, "look", None,
         "A person looks at every request."),
    Rule("organisation", "look", _others("Organisation", "institutions"),
         "For organisations not for profit; known as such: {}. Others wait for a person.",
         lambda values: ", ".join(map(str, values)) or "none"),
    Rule("ethics-unread", "look", None,
         "A person reads the ethics committee's letter."),
    Rule("project", "look", None,
         "It is for one project; a person looks whether this is it."),
    Rule("research-type", "look", None,
         "It is for one type of research; a person looks whether this is it."),
    Rule("methods", "look", None,
         "Not for general research on methods; a person looks whether it is that."),
    Rule("genetic", "look", None,
         "For genetic studies only; a person looks whether it is one."),
    Rule("collaboration", "look", _missing("purposes", _entity("Purpose", COLLABORATION)),
         "Who asks works together with us; without that promise (DUO:0000020) a person looks."),
    Rule("code", "look", _other_code,
         "Code other than {} waits for a person.", _codes),
    Rule("break-glass", "permit", lambda values: _two("in", {"Var": "principal"}, _entities("Organisation", values)),
         "In an emergency clinicians of {} are given one patient's records at once, for treatment alone; whether it "
         "had to be is judged afterwards.", action=break_glass.ACTION),
    Rule(RELEASE_COUNTS, "permit", None,
         "The agent lets a count leave, as a release, where the hospital's own checks find nothing; else it says no.",
         action=releases.ACTION),
)  # fmt: skip

RULES = {rule.id: rule for rule in _ALL}
"""Our rules by id, in the order in which people read them."""


def made(chosen: Iterable[tuple[str, Values]]) -> dict[str, Json]:
    """Policies in Cedar's JSON by id, of our rules with their values."""
    return {name: RULES[name].cedar(values) for name, values in chosen}


def sentence(name: str, policy: dict[str, Json]) -> str | None:
    """What a policy says; None if it is none of our rules."""
    rule = RULES.get(name)
    if rule is None:
        return None
    values = tuple(values_of(policy))
    try:
        return rule.words(values) if rule.cedar(values) == policy else None
    except IndexError:
        return None


def values_of(node: Json) -> Iterable[Any]:
    """What is in a rule's sets, and its numbers: the values of a rule of ours."""
    if isinstance(node, dict):
        if "Set" in node:
            for each in node["Set"]:
                value = each.get("Value") if isinstance(each, dict) else None
                yield value["__entity"]["id"] if isinstance(value, dict) else value
            return
        if isinstance(node.get("Value"), int) and not isinstance(node["Value"], bool):
            yield node["Value"]
        for each in node.values():
            yield from values_of(each)
    elif isinstance(node, list):
        for each in node:
            yield from values_of(each)
