"""No denial that is added, and nothing that is not understood, turns into a permission, whatever the consents."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from hmchain.records.consents.consent import Coding, Span
from hmchain.records.consents.deciding import ACTIONS, RESOURCE_TYPES, Answer, Asked, Facts, decide
from hmchain.records.consents.uses import UseKind
from support.consent_questions import asked, read
from support.pcf_consents import consent, rule

Json = dict[str, Any]

PURPOSES = ("HRESCH", "CLINTRCH", "BIORCH", "TREAT", "NOTKNOWN")
MEMBERS = ("Organization/north", "Organization/west", "Group/staff")
UNREAD = st.sampled_from(
    [
        {"modifierExtension": [{"url": "http://example.org"}]}, {"unless": "it rains"}, {"type": "perhaps"},
        {"purpose": "TREAT"}, {"period": {"end": "soon"}}, {"actor": []}, {"data": [{"meaning": "some"}]},
    ]
)  # fmt: skip
FACTS = (
    Facts(),
    Facts(frozenset({Coding(RESOURCE_TYPES, "Observation")}), frozenset(), frozenset(), Span(0, 1), "Observation/a"),
    Facts(span=Span(1_650_000_000_000, 1_650_000_000_001), related=frozenset({"Encounter/e"}), name="Condition/c"),
    Facts(classes=frozenset({Coding("urn:ietf:rfc:3986", "1.2.3")})),
)


@st.composite
def elements(draw: st.DrawFn) -> Json:
    """What a rule may restrict itself to."""
    some = draw(st.sets(st.sampled_from(["actor", "action", "class", "dataPeriod", "period", "data"]), max_size=2))
    values: Json = {
        "actor": [{"reference": {"reference": draw(st.sampled_from(MEMBERS))}}],
        "action": [{"coding": [{"system": ACTIONS, "code": draw(st.sampled_from(["use", "disclose", "print"]))}]}],
        "class": [{"system": RESOURCE_TYPES, "code": draw(st.sampled_from(["Observation", "Condition"]))}],
        "dataPeriod": {"start": draw(st.sampled_from(["2022", "2023"]))},
        "period": {"end": draw(st.sampled_from(["2022", "2024"]))},
        "data": [{"meaning": "related", "reference": {"reference": "Encounter/e"}}],
    }
    return {name: values[name] for name in sorted(some)}


def rules(kinds: tuple[str, ...] = ("permit", "deny")) -> st.SearchStrategy[Json]:
    """Rules with exceptions, and exceptions of these."""

    def one(exceptions: st.SearchStrategy[list[Json]]) -> st.SearchStrategy[Json]:
        return st.builds(
            lambda kind, inner, purposes, more: rule(kind, *inner, purposes=tuple(purposes), **more),
            st.sampled_from(kinds),
            exceptions,
            st.lists(st.sampled_from(PURPOSES), max_size=2, unique=True),
            elements(),
        )

    return one(st.lists(one(st.lists(one(st.just([])), max_size=2)), max_size=2))


CONSENTS = st.builds(
    lambda provision, day, policy, status, scope: consent(
        day, provision, day=day, policy=policy, status=status, scope={"coding": [scope]}
    ),
    rules(),
    st.sampled_from(["2021", "2022-03-01", "2022-03", "2023-01-01"]),
    st.sampled_from(["a", "b"]),
    st.sampled_from(["active", "active", "active", "inactive", "rejected", "draft"]),
    st.sampled_from(
        [
            {"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": code}
            for code in ("patient-privacy", "research", "treatment")
        ]
    ),
)
QUESTIONS = st.builds(
    lambda purposes, recipients, facts, kind: asked(*purposes, recipients=tuple(recipients), facts=facts, kind=kind),
    st.lists(st.sampled_from(PURPOSES[:4]), min_size=1, max_size=2, unique=True),
    st.lists(st.sampled_from(["north", "west"]), max_size=2, unique=True),
    st.sampled_from(FACTS),
    st.sampled_from(UseKind),
)


def every(provision: Json) -> Iterator[Json]:
    yield provision
    for each in provision.get("provision", ()):
        yield from every(each)


@settings(max_examples=50)
@given(st.lists(CONSENTS, min_size=1, max_size=3), QUESTIONS, rules(("deny",)), st.data())
def test_a_denial_that_is_added_anywhere_permits_nothing(
    given_: list[Json], question: Asked, denial: Json, data: st.DataObject
) -> None:
    before = decide(read(*given_), question).answer
    more = copy.deepcopy(given_)
    where = data.draw(st.sampled_from([each for one in more for each in every(one["provision"])] + [None]))
    if where is None:
        more.append(consent("new", denial, day=data.draw(st.sampled_from(["2020", "2022", "2024"])), policy="a"))
    else:
        where.setdefault("provision", []).append(denial)
    after = decide(read(*more), question).answer
    assert before is Answer.PERMIT or after is not Answer.PERMIT, more


@settings(max_examples=50)
@given(CONSENTS, QUESTIONS, UNREAD, st.data())
def test_nothing_is_permitted_by_what_is_not_read(
    given_: Json, question: Asked, unread: Json, data: st.DataObject
) -> None:
    where = data.draw(st.sampled_from(list(every(given_["provision"]))))
    where.update(unread)
    assert decide(read(given_), question).answer is not Answer.PERMIT


@settings(max_examples=50)
@given(st.lists(CONSENTS, min_size=1, max_size=3), QUESTIONS)
def test_what_is_permitted_of_a_record_of_which_nothing_is_known_is_permitted_of_every_one(
    given_: list[Json], question: Asked
) -> None:
    consents = read(*given_)
    unknown = Asked(question.use, question.at_ms, Facts(), question.organisations)
    if decide(consents, unknown).answer is Answer.PERMIT:
        assert decide(consents, question).answer is Answer.PERMIT


@settings(max_examples=50)
@given(st.lists(CONSENTS, min_size=1, max_size=3), QUESTIONS)
def test_what_is_permitted_to_several_is_permitted_to_each_and_for_each_purpose(
    given_: list[Json], question: Asked
) -> None:
    consents, use = read(*given_), question.use
    if use.kind.is_open or decide(consents, question).answer is not Answer.PERMIT:
        return
    for purpose in use.purposes:
        for member in use.recipients:
            alone = asked(purpose, recipients=(member,), facts=question.facts, kind=use.kind)
            assert decide(consents, alone).answer is Answer.PERMIT
