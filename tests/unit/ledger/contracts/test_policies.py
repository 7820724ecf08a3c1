"""Policies: three answers of two, one encoding, and no one alone where two are needed (design section "Contracts")."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from hmchain.canonical import encode
from hmchain.ledger import genesis as founding
from hmchain.ledger.blocks import Event
from hmchain.ledger.context import STEWARD, Acting, Context
from hmchain.ledger.contracts.data import cedar, datasets, policies
from hmchain.ledger.contracts.data.datasets import RecordSchema, RegisterDataset
from hmchain.ledger.contracts.data.policies import (
    DEFAULT,
    Answer,
    ConfirmPolicy,
    Duty,
    Policy,
    SetPolicy,
    Terms,
    Verdict,
    WithdrawPolicy,
    judge,
)
from hmchain.ledger.contracts.members import people
from hmchain.ledger.contracts.members.people import Person, PersonRef, Status
from hmchain.ledger.protocols import KNOWN
from hmchain.ledger.state import State
from hmchain.ledger.transactions import Refusal
from support.ledger_network import genesis
from support.policy_bed import ANYTHING, ASKED, TERMS, compiled, terms

UNSEEN = "forbid(principal, action, resource) when { !context.reviewed };"


def enrol(state: State, name: str, status: Status = Status.ACTIVE) -> None:
    people.keep(state, Person("east", name, (STEWARD,), bytes(32), status, 0))


def founded() -> State:
    """East with three stewards and a dataset."""
    state = State()
    founding.initialise(state, genesis(("east", "north", "west")))
    for name in "abc":
        enrol(state, name)
    context = Context(state, "test", 1, 0, Acting("east", "a", (STEWARD,)))
    schema = RecordSchema(("fhir",), ("application/fhir+json",))
    datasets.HANDLERS[RegisterDataset](context, RegisterDataset("brain", schema))
    return state


@pytest.fixture
def state() -> Iterator[State]:
    state = founded()
    yield state
    state.close()


def sent(
    state: State,
    body: Any,
    person: str = "a",
    organisation: str = "east",
    role: str = STEWARD,
    height: int = 2,
    time_ms: int = 0,
) -> list[Event] | str:
    """The events, or the code of the refusal."""
    context = Context(state, "test", height, time_ms, Acting(organisation, person, (role,)))
    mark = state.savepoint()
    try:
        policies.HANDLERS[type(body)](context, body)
    except Refusal as refusal:
        state.rollback(mark)
        return refusal.code
    return [event.encode() for event in context.events]


# -- judging -----------------------------------------------------------------------------------------------------------


def test_where_no_policy_was_set_a_person_looks(state: State) -> None:
    policy = policies.current(state, "east", "brain")
    assert (policy.version, policy.approvers, policy.automatic) == (0, 1, False)
    assert judge(policy, ASKED) == Verdict(Answer.LOOK, ("person-looks",))


def test_three_answers_of_two() -> None:
    commercial = "forbid(principal, action, resource) when { context.asked.commercial };"
    policy = terms(
        anything=ANYTHING, commercial=commercial, unseen=UNSEEN.replace("!", "context.asked.rounds > 60 && !")
    )
    assert judge(policy, ASKED) == Verdict(Answer.YES, ("anything",))
    assert judge(policy, dataclasses.replace(ASKED, rounds=61)) == Verdict(Answer.LOOK, ("unseen",))
    assert judge(policy, dataclasses.replace(ASKED, rounds=61, commercial=True)) == Verdict(Answer.NO, ("commercial",))


def test_what_nothing_permits_is_a_no() -> None:
    policy = terms(care='permit(principal, action, resource) when { context.purpose == Purpose::"DUO:0000043" };')
    assert judge(policy, ASKED) == Verdict(Answer.NO, ("nothing_permits",))


def test_of_several_purposes_and_diseases_each_must_be_permitted() -> None:
    policy = terms(
        neoplasm='permit(principal, action, resource) when { context.disease in Disease::"MONDO:0005070" };',
        epilepsy='permit(principal, action, resource) when { context.disease in Disease::"MONDO:0005027" };',
    )
    both = dataclasses.replace(ASKED, diseases=("MONDO:0005027", "MONDO:0018177"))
    assert judge(policy, both) == Verdict(Answer.YES, ("epilepsy", "neoplasm"))
    heart = dataclasses.replace(ASKED, diseases=("MONDO:0005027", "MONDO:0005267"))
    assert judge(policy, heart) == Verdict(Answer.NO, ("nothing_permits",))
    wider = dataclasses.replace(ASKED, purposes=("DUO:0000006", "DUO:0000007"))
    assert judge(policy, wider).answer == Answer.NO
    everything = dataclasses.replace(ASKED, diseases=tuple(f"MONDO:{number:07}" for number in range(40)))
    assert judge(policy, everything) == Verdict(Answer.NO, ("too_much",))


def test_a_rule_that_cannot_be_evaluated_denies_instead_of_being_passed_over() -> None:
    """Cedar passes over a `forbid` that fails, which would allow what it was to forbid."""
    policy = terms(
        anything=ANYTHING,
        broken="forbid(principal, action, resource) when { context.asked.days < context.asked.code };",
    )
    assert judge(policy, ASKED) == Verdict(Answer.NO, ("policy_error",))


@pytest.mark.parametrize(
    ("bound", "asked", "reason"),
    [
        ({"colluders_min": 2}, {}, "few_colluders"),
        ({"minimum_cohort": 1024}, {}, "small_cohort"),
        ({"days_max": 99}, {}, "too_long"),
    ],
)
def test_bounds_hold_whatever_cedar_permits(bound: dict[str, int], asked: dict[str, int], reason: str) -> None:
    policy = replace(terms(anything=ANYTHING), **bound)
    assert judge(policy, dataclasses.replace(ASKED, **asked)) == Verdict(Answer.NO, (reason,))


def test_what_is_just_at_a_bound_is_within_it() -> None:
    bounds = {"colluders_min": ASKED.colluders, "minimum_cohort": ASKED.count, "days_max": ASKED.days}
    assert judge(replace(terms(anything=ANYTHING), **bounds), ASKED).answer is Answer.YES


@pytest.mark.parametrize("count", [(1 << 63) - 1, 1 << 63, (1 << 64) - 1])
def test_a_count_that_cedar_cannot_hold_is_no_yes_and_ends_no_block(count: int) -> None:
    read = terms(one="permit(principal, action, resource) when { context.asked.count > 3 };")
    large = count < 1 << 63
    expected = Verdict(Answer.YES, ("one",)) if large else Verdict(Answer.NO, (policies.POLICY_ERROR,))
    assert judge(read, dataclasses.replace(ASKED, count=count)) == expected


def test_who_where_and_for_which_data_can_be_said() -> None:
    policy = terms(
        who='permit(principal in Organisation::"north", action == Action::"train", resource == Dataset::"east/brain")'
        ' when { principal in Role::"scientist" && [Person::"north/s1", Person::"west/s2"]'
        ".containsAll(context.asked.people)"
        ' && [Organisation::"north"].containsAll(context.asked.institutions) '
        '&& ["DE", "FI"].containsAll(context.asked.regions) && context.asked.documents.contains("ethics")'
        ' && context.asked.labels == ["glioma"]'
        " && context.asked.fields.isEmpty() };"
    )
    assert judge(policy, ASKED) == Verdict(Answer.YES, ("who",))
    others = [
        {"organisation": "west"}, {"person": "s2"}, {"roles": ("operator",)}, {"kind": "count"}, {"dataset": "lung"},
        {"owner": "south"}, {"members": (PersonRef("west", "s2"),)}, {"regions": ("DE", "US")}, {"documents": ()},
        {"labels": ("glioma", "none")}, {"fields": ("age",)},
    ]  # fmt: skip
    assert {judge(policy, dataclasses.replace(ASKED, **other)).answer for other in others} == {Answer.NO}


@pytest.mark.parametrize("name", cedar.ASKED)
def test_what_a_policy_reads_is_told_to_it(name: str) -> None:
    """The rest is not, which is quicker; what was left out by mistake would be a policy that cannot be evaluated."""
    policy = terms(same=f"permit(principal, action, resource) when {{ context.asked.{name} == context.asked.{name} }};")
    assert cedar.reads(policy.cedar) == {name}
    assert judge(policy, ASKED) == Verdict(Answer.YES, ("same",))


# -- one encoding, and nothing in it but names and codes ---------------------------------------------------------------


def changed(**parts: Any) -> bytes:
    """A set of one policy with other parts."""
    policy = {"action": {"op": "All"}, "conditions": [], "effect": "permit", "principal": {"op": "All"}}
    return cedar.canonical({"one": {**policy, "resource": {"op": "All"}, **parts}})


def when(body: Any) -> bytes:
    return changed(conditions=[{"body": body, "kind": "when"}])


def nested(depth: int) -> Any:
    body: Any = {"Value": True}
    for _ in range(depth):
        body = {"!": {"arg": body}}
    return body


def in_cedar(condition: str) -> bytes:
    return compiled(one=f"permit(principal, action, resource) when {{ {condition} }};")


PLAIN = changed()
BAD = {
    "no JSON": b"permit(principal, action, resource);",
    "blanks": json.dumps(json.loads(PLAIN), sort_keys=True).encode(),
    "keys out of order": json.dumps(dict(reversed(json.loads(PLAIN).items())), separators=(",", ":")).encode(),
    "escapes": PLAIN.replace(b"one", b"\\u006fne"),
    "a key twice": PLAIN.replace(b'"effect":"permit"', b'"effect":"forbid","effect":"permit"'),
    "no policies": cedar.canonical({}),
    "a sentence as id": PLAIN.replace(b'"one"', b'"John Smith was here"'),
    "an annotation": changed(annotations={"note": "John Smith"}),
    "a template": changed(principal={"op": "==", "slot": "?principal"}),
    "another effect": changed(effect="maybe"),
    "a sentence": when({"==": {"left": {"Value": "John Smith"}, "right": {"Value": "a"}}}),
    "a sentence as an entity": when({"Value": {"__entity": {"id": "John Smith", "type": "Person"}}}),
    "an unknown type": when({"Value": {"__entity": {"id": "a", "type": "Patient"}}}),
    "a list in a type's place": when({"is": {"entity_type": ["Person"], "left": {"Var": "principal"}}}),
    "a list in the place of a scope's type": changed(principal={"op": "is", "entity_type": ["Person"]}),
    "an unknown attribute": in_cedar("context.patient"),
    "an attribute of what is asked and not known": in_cedar("context.asked.reviewed"),
    "an attribute of a person": in_cedar("principal.age > 1"),
    "a float": when({"Value": 1.5}),
    "an integer of 65 bits": when({"Value": 1 << 63}),
    "a pattern": in_cedar('context.asked.code like "*a*b*c*"'),
    "an address": in_cedar('ip("1.2.3.4").isIpv4()'),
    "a decimal": in_cedar('decimal("1.0").lessThan(decimal("2.0"))'),
    "arithmetic": in_cedar("context.asked.days + 9223372036854775807 > 1"),
    "a record": in_cedar("{a: 1} == {a: 1}"),
    "deep nesting": when(nested(60)),
    "nesting that ends a parser": PLAIN.replace(b"[]", b"[" * 5000 + b"]" * 5000),
    "a large set": when({"Set": [{"Value": number} for number in range(2000)]}),
    "two operators": when({"!": {"arg": {"Value": True}}, "isEmpty": {"arg": {"Set": []}}}),
}


@pytest.mark.parametrize("what", BAD)
def test_what_is_not_the_one_encoding_of_the_allowed_part_is_refused(what: str, state: State) -> None:
    assert sent(state, SetPolicy("brain", replace(TERMS, cedar=BAD[what]))) == "bad_policy"


RULE = compiled(
    one="""
    permit(principal is Person, action in [Action::"train"], resource == Dataset::"east/brain")
    when { if context.asked.days < 3 && !context.reviewed then principal in Role::"steward" else principal is Person }
    unless { context.asked.fields.containsAll(["age"]) || context.purpose == Purpose::"DUO:0000042" };
    """
)
"""With one of nearly everything."""


def swapped(value: Any, other: Any) -> Iterator[Any]:
    """A value with another one in one place, for each place in it."""
    yield other
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from ({**value, key: found} for found in swapped(inner, other))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from ([*value[:place], found, *value[place + 1 :]] for found in swapped(inner, other))


@pytest.mark.parametrize("other", [None, True, 7, 1.5, "x", [], {}, ["x"], {"x": []}, [[]]])
def test_whatever_stands_in_a_place_of_a_policy_it_is_taken_or_refused(other: Any) -> None:
    """And fails nowhere: what fails in a block would stop all validators at once."""
    for policy in swapped(json.loads(RULE)["staticPolicies"]["one"], other):
        with contextlib.suppress(Refusal):
            cedar.require_sound(cedar.canonical({"one": policy}))


def test_the_same_in_its_one_encoding_is_taken(state: State) -> None:
    assert sent(state, SetPolicy("brain", replace(TERMS, cedar=PLAIN))) == [Event("policy.set", ("east", "brain", "1"))]
    assert sent(state, SetPolicy("brain", replace(TERMS, cedar=when(nested(30))))) == [
        Event("policy.set", ("east", "brain", "2"))
    ]


@pytest.mark.parametrize(
    "other",
    [
        {"approvers": 0}, {"approvers": 9}, {"minimum_cohort": -1}, {"colluders_min": -1}, {"days_max": -1},
        {"days_max": 3661}, {"epsilon_max_millionths": -1}, {"licences": (b"short",)},
        {"licences": (bytes(32), bytes(32))}, {"duties": (Duty("dance", 1),)}, {"duties": (Duty("publish", -1),)},
        {"duties": (Duty("publish", 1), Duty("delete", 1))},
        {"cedar": PLAIN.replace(b"one", b"policy_error")},
    ],
)  # fmt: skip
def test_terms_out_of_range_are_refused(other: dict[str, Any], state: State) -> None:
    refused = sent(state, SetPolicy("brain", replace(TERMS, **other)))
    assert refused in ("bad_policy", "bad_digest") and policies.current(state, "east", "brain").version == 0


# -- setting -----------------------------------------------------------------------------------------------------------


def test_only_a_steward_of_the_hospital_sets_the_policy_of_a_dataset_that_there_is(state: State) -> None:
    assert sent(state, SetPolicy("brain", TERMS), role="scientist") == "wrong_role"
    assert sent(state, SetPolicy("lung", TERMS)) == "no_such_dataset"
    assert sent(state, SetPolicy("brain", TERMS), organisation="north") == "no_such_dataset"


def test_nobody_relaxes_alone_a_policy_that_asks_for_two(state: State) -> None:
    strict, loose = replace(TERMS, approvers=2), terms(anything=ANYTHING)
    sent(state, SetPolicy("brain", strict))
    proposed = Event("policy.proposed", ("east", "brain", loose.digest.hex()))
    assert sent(state, SetPolicy("brain", loose)) == [proposed]
    assert policies.current(state, "east", "brain").approvers == 2
    assert sent(state, ConfirmPolicy("brain", loose.digest)) == "same_person"
    assert sent(state, ConfirmPolicy("brain", loose.digest), "b", role="scientist") == "wrong_role"
    assert sent(state, ConfirmPolicy("brain", strict.digest), "b") == "wrong_policy"
    assert sent(state, SetPolicy("brain", loose)) == [proposed]
    assert sent(state, ConfirmPolicy("brain", loose.digest), "b", height=9) == [
        Event("policy.set", ("east", "brain", "2"))
    ]
    policy = policies.current(state, "east", "brain")
    assert (policy.cedar, policy.height) == (loose.cedar, 9)
    assert policy.persons == (PersonRef("east", "a"), PersonRef("east", "b"))
    assert sent(state, ConfirmPolicy("brain", loose.digest), "c") == "no_policy_waits"


def test_the_word_of_whoever_is_no_steward_any_more_does_not_count(state: State) -> None:
    sent(state, SetPolicy("brain", replace(TERMS, approvers=2)))
    loose = terms(anything=ANYTHING)
    sent(state, SetPolicy("brain", loose))
    enrol(state, "a", Status.SUSPENDED)
    assert sent(state, ConfirmPolicy("brain", loose.digest), "b") == [
        Event("policy.proposed", ("east", "brain", loose.digest.hex()))
    ]
    assert sent(state, ConfirmPolicy("brain", loose.digest), "c") == [Event("policy.set", ("east", "brain", "2"))]


def test_a_thief_s_word_for_a_policy_does_not_count_with_another_s_once_the_key_was_cut_off(state: State) -> None:
    sent(state, SetPolicy("brain", replace(TERMS, approvers=2)))
    loose = terms(anything=ANYTHING)
    proposed = [Event("policy.proposed", ("east", "brain", loose.digest.hex()))]
    sent(state, SetPolicy("brain", loose))
    people.cut_off(state, PersonRef("east", "a"), 0)
    assert sent(state, ConfirmPolicy("brain", loose.digest), "b") == proposed
    waiting = policies.pending(state, "east", "brain")
    assert waiting is not None and waiting.persons == (PersonRef("east", "b"),)
    assert sent(state, ConfirmPolicy("brain", loose.digest), "b") == "same_person"
    assert sent(state, ConfirmPolicy("brain", loose.digest), "c") == [Event("policy.set", ("east", "brain", "2"))]


def test_a_word_for_a_policy_after_the_key_was_cut_off_is_the_person_s_own(state: State) -> None:
    sent(state, SetPolicy("brain", replace(TERMS, approvers=2)))
    people.cut_off(state, PersonRef("east", "a"), 5)
    loose = terms(anything=ANYTHING)
    sent(state, SetPolicy("brain", loose), time_ms=6)
    confirmed = sent(state, ConfirmPolicy("brain", loose.digest), "b", time_ms=7)
    assert confirmed == [Event("policy.set", ("east", "brain", "2"))]


def test_a_policy_that_waits_can_be_replaced_and_withdrawn(state: State) -> None:
    sent(state, SetPolicy("brain", replace(TERMS, approvers=2)))
    first, second = terms(anything=ANYTHING), terms(other=ANYTHING)
    sent(state, SetPolicy("brain", first))
    sent(state, SetPolicy("brain", second), "b")
    assert sent(state, ConfirmPolicy("brain", first.digest)) == "wrong_policy"
    assert sent(state, WithdrawPolicy("brain")) == [Event("policy.withdrawn", ("east", "brain"))]
    assert sent(state, WithdrawPolicy("brain")) == "no_policy_waits"
    assert policies.pending(state, "east", "brain") is None


def test_a_policy_change_never_makes_a_past_decision_unexplainable(state: State) -> None:
    for number in range(1, 4):
        assert sent(state, SetPolicy("brain", replace(terms(anything=ANYTHING), days_max=90 * number)), height=number)
    assert [policy.version for policy in policies.history(state, "east", "brain")] == [1, 2, 3]
    first = policies.at(state, "east", "brain", 1)
    assert first is not None and (first.days_max, first.height) == (90, 1)
    assert judge(first, ASKED).reasons == ("too_long",) and judge(policies.current(state, "east", "brain"), ASKED)
    assert policies.at(state, "east", "brain", 4) is None
    assert policies.at(state, "east", "brain", 0) == policies.default("east", "brain")


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["set", "confirm", "withdraw", "suspend", "reinstate"]),
        st.sampled_from("abc"),
        st.integers(1, 3),
    ),
    max_size=30,
)


@given(steps=STEPS)
def test_whatever_people_do_a_policy_is_replaced_by_as_many_stewards_as_it_asks_for(steps: list[Any]) -> None:
    state = founded()
    versions: list[Policy] = []
    for kind, person, approvers in steps:
        if kind in ("suspend", "reinstate"):
            enrol(state, person, Status.SUSPENDED if kind == "suspend" else Status.ACTIVE)
            continue
        if not people.is_active(state, PersonRef("east", person)):
            continue  # whose transactions come into no block
        before = policies.current(state, "east", "brain")
        waiting = policies.pending(state, "east", "brain")
        meant = waiting.terms.digest if waiting else bytes(32)
        body = {"set": SetPolicy("brain", replace(TERMS, approvers=approvers)),
                "confirm": ConfirmPolicy("brain", meant), "withdraw": WithdrawPolicy("brain")}[kind]  # fmt: skip
        sent(state, body, person)
        after = policies.current(state, "east", "brain")
        if after.version != before.version:
            versions.append(after)
            assert after.version == before.version + 1 and policies.pending(state, "east", "brain") is None
            stewards = [each for each in after.persons if STEWARD in people.roles_of(state, each)]
            assert len(set(stewards)) >= before.approvers and len(set(after.persons)) == len(after.persons)
        assert policies.history(state, "east", "brain") == versions, "what was in force stays as it was"
    state.close()


def test_what_is_confirmed_is_every_term() -> None:
    others = [
        replace(TERMS, cedar=PLAIN), replace(TERMS, approvers=2), replace(TERMS, automatic=True),
        replace(TERMS, duties=(Duty("publish", 1),)), replace(TERMS, licences=(bytes(32),)),
    ]  # fmt: skip
    assert len({each.digest for each in [TERMS, *others]}) == 6
    assert policies.default("east", "brain").digest == Terms(*TERMS.__reduce__()[1]).digest == TERMS.digest
    assert TERMS.cedar == DEFAULT


def test_the_protocol_before_knows_no_policies() -> None:
    body = encode(SetPolicy("brain", TERMS))
    assert KNOWN[3].decode_body(body) == SetPolicy("brain", TERMS)
    with pytest.raises(Refusal, match="malformed"):
        KNOWN[2].decode_body(body)
