"""A policy's file: answers become rules, rules become sentences, and both match as the Data Use Ontology says."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from hmchain import decoding
from hmchain.application.governance.policies import setting
from hmchain.application.governance.policies.file import PolicyFile, PolicyFileError, conditions, load_policy, terms_of
from hmchain.application.governance.policies.rules import RULES, sentence
from hmchain.application.governance.policies.template import QUESTIONS, answered, begun, template
from hmchain.application.governance.policies.words import OWN, difference, rules_in_words, sentences
from hmchain.application.governance.reasons import reason_words
from hmchain.ledger import purposes
from hmchain.ledger.contracts.data import break_glass, cedar, policies
from hmchain.ledger.contracts.data.policies import REASONS, Answer, Asked, SetPolicy, judge
from hmchain.ledger.contracts.members.people import PersonRef
from hmchain.records.objects import ObjectStore
from support.paths import REPOSITORY
from support.policy_bed import ASKED
from support.transfer_bench import TransferBench

GLIOMA, GLIOBLASTOMA, NEOPLASM, EPILEPSY = (f"MONDO:{number:07}" for number in (21042, 18177, 5070, 5027))
GRU, HMB, DS, POA, NRES, CC = (f"DUO:{number:07}" for number in (42, 6, 7, 11, 4, 43))
FREE = PolicyFile(dataset="brain", uses=("general-research",), person_looks=False, colluders=0, kinds=())
"""Nothing but a use."""

# What is permitted, what is asked, what the answer is, and why.
CASES: list[tuple[dict[str, Any], dict[str, Any], Answer, str]] = [
    ({"uses": ["HMB"]}, {"purposes": (HMB,)}, Answer.YES, "uses"),
    ({"uses": ["HMB"]}, {"purposes": (DS,)}, Answer.YES, "uses"),
    ({"uses": ["HMB"]}, {"purposes": (GRU,)}, Answer.NO, "nothing_permits"),
    ({"uses": ["HMB"]}, {"purposes": (POA,)}, Answer.NO, "nothing_permits"),
    ({"uses": ["GRU"]}, {"purposes": (POA,)}, Answer.YES, "uses"),
    ({"uses": ["POA"]}, {"purposes": (HMB,)}, Answer.NO, "nothing_permits"),
    ({"uses": ["NRES"]}, {"purposes": (GRU,)}, Answer.YES, "uses"),
    ({"uses": ["GRU"]}, {"purposes": (CC,)}, Answer.NO, "nothing_permits"),
    ({"uses": ["GRU"], "conditions": ["CC"]}, {"purposes": (CC,)}, Answer.YES, "uses"),
    ({"uses": ["DS"], "diseases": [GLIOMA]}, {"diseases": (GLIOBLASTOMA,)}, Answer.YES, "diseases"),
    ({"uses": ["DS"], "diseases": [GLIOMA]}, {"diseases": (NEOPLASM,)}, Answer.NO, "nothing_permits"),
    ({"uses": ["DS"], "diseases": [GLIOMA]}, {"diseases": (GLIOMA, EPILEPSY)}, Answer.NO, "nothing_permits"),
    ({"uses": ["DS"], "diseases": [GLIOMA]}, {"diseases": ()}, Answer.NO, "nothing_permits"),
    ({"uses": ["DS"], "diseases": [GLIOMA]}, {"purposes": (HMB,), "diseases": ()}, Answer.NO, "nothing_permits"),
    ({"conditions": ["NCU"]}, {"commercial": True}, Answer.NO, "commercial"),
    ({"conditions": ["NPUNCU"]}, {"commercial": True}, Answer.NO, "commercial"),
    ({"conditions": ["NPUNCU"]}, {}, Answer.LOOK, "organisation"),
    ({"conditions": ["NPU"], "not_for_profit": ["north"]}, {"commercial": True}, Answer.YES, "uses"),
    ({"conditions": ["NPU"], "not_for_profit": ["north"]}, {"members": (PersonRef("west", "a"),)}, Answer.LOOK,
     "organisation"),
    ({"conditions": ["GS"], "regions": ["DE", "FI"]}, {"regions": ("DE", "US")}, Answer.NO, "regions"),
    ({"regions": ["DE", "FI"]}, {"regions": ()}, Answer.LOOK, "region-unsaid"),
    ({"conditions": ["US"], "people": ["north/s1"]}, {}, Answer.YES, "uses"),
    ({"people": ["north/s1"]}, {"members": (PersonRef("north", "s2"),)}, Answer.NO, "people"),
    ({"conditions": ["IS"], "institutions": ["west"]}, {}, Answer.NO, "institutions"),
    ({"conditions": ["IRB"]}, {"documents": ("form",)}, Answer.NO, "ethics-letter"),
    ({"conditions": ["IRB"]}, {}, Answer.LOOK, "ethics-unread"),
    ({"conditions": ["PUB"], "duties": {"publish": 700}}, {"publishes": False}, Answer.NO, "publication"),
    ({"conditions": ["NPOA"]}, {"purposes": (POA,)}, Answer.NO, "ancestry"),
    ({"conditions": ["NPOA"]}, {"purposes": (GRU,)}, Answer.LOOK, "ancestry-possible"),
    ({"conditions": ["NPOA"]}, {"purposes": (HMB,)}, Answer.YES, "uses"),
    ({"conditions": ["COL"]}, {}, Answer.LOOK, "collaboration"),
    ({"conditions": ["COL"]}, {"purposes": (DS, "DUO:0000020")}, Answer.YES, "uses"),
    ({"conditions": ["PS"]}, {}, Answer.LOOK, "project"),
    ({"conditions": ["RS"]}, {}, Answer.LOOK, "research-type"),
    ({"conditions": ["GSO"]}, {}, Answer.LOOK, "genetic"),
    ({"conditions": ["NMDS"]}, {}, Answer.LOOK, "methods"),
    ({"conditions": ["MOR", "RTN"], "duties": {"moratorium": 180, "return": 365}}, {}, Answer.YES, "uses"),
    ({"conditions": ["TS"], "days": 99}, {}, Answer.NO, "too_long"),
    ({"kinds": ["count"]}, {}, Answer.NO, "kinds"),
    ({"fields": ["age"]}, {"fields": ("age", "sex")}, Answer.NO, "fields"),
    ({"labels": ["glioma"]}, {"labels": ("grade",)}, Answer.NO, "labels"),
    ({"fields": ["age"]}, {"fields": ()}, Answer.LOOK, "field-unsaid"),
    ({"labels": ["glioma"]}, {"labels": ()}, Answer.LOOK, "label-unsaid"),
    ({"rounds": 59}, {}, Answer.NO, "rounds"),
    ({"codes": ["11" * 32]}, {}, Answer.LOOK, "code"),
    ({"codes": ["00" * 32]}, {}, Answer.YES, "uses"),
    ({"codes": ["11" * 32]}, {"code": b""}, Answer.YES, "uses"),
    ({"person_looks": True}, {}, Answer.LOOK, "person-looks"),
    ({"person_looks": True, "conditions": ["NCU"]}, {"commercial": True}, Answer.NO, "commercial"),
    ({"uses": ["CC"], "break_glass": ["north"]}, {"kind": "breakglass", "purposes": (GRU,)}, Answer.YES, "break-glass"),
    ({"minimum_cohort": 1000}, {}, Answer.NO, "small_cohort"),
    ({"colluders": 2}, {}, Answer.NO, "few_colluders"),
    ({"uses": ["POA"], "release_counts": True}, {"kind": "release"}, Answer.YES, "release-counts"),
    ({"uses": ["POA"], "release_counts": True}, {}, Answer.NO, "nothing_permits"),
]  # fmt: skip


def file_with(**answers: Any) -> PolicyFile:
    return decoding.converted({**msgspec.to_builtins(FREE), **answers}, PolicyFile)


@pytest.mark.parametrize(("permitted", "asked", "answer", "reason"), CASES)
def test_a_request_is_matched(permitted: dict[str, Any], asked: dict[str, Any], answer: Answer, reason: str) -> None:
    verdict = judge(terms_of(file_with(**permitted)), dataclasses.replace(ASKED, **asked))
    assert (verdict.answer, verdict.reasons) == (answer, (reason,))


def test_every_rule_has_a_case_a_sentence_and_a_reason_in_words() -> None:
    tried = {reason for _, _, _, reason in CASES}
    assert set(RULES) - {policies.ANYTHING} <= tried
    assert not any("own" in reason_words(name) for name in RULES)
    assert all("own" not in reason_words(code) for code in REASONS)
    assert "'night-rule'" in reason_words("night-rule")


def test_a_policy_names_whose_clinicians_may_break_the_glass_whatever_else_it_says() -> None:
    """Of all requests it says no, and a person looks: what is asked in an emergency is judged by the one rule."""
    closed = file_with(break_glass=["a"], kinds=["count"], regions=["DE"], conditions=["IRB"], person_looks=True)
    bench = TransferBench()
    bench.must("b", SetPolicy("brain", terms_of(closed)))
    for who, allowed in (("a/d0", True), ("c/d0", False)):
        person = bench.enrol(who, "clinician")
        assert break_glass.allows(bench.state, "b", "brain", person) == allowed
    assert "In an emergency clinicians of a are given one patient's records at once" in " ".join(
        sentences(terms_of(closed))
    )
    with pytest.raises(PolicyFileError, match="break_glass has 'A hospital'"):
        terms_of(file_with(break_glass=["A hospital"]))


# -- the twin ----------------------------------------------------------------------------------------------------------

BELOW = {GRU: {GRU, HMB, DS, POA}, HMB: {HMB, DS}, DS: {DS}, POA: {POA}, NRES: {NRES, GRU, HMB, DS, POA}, CC: {CC}}
DISEASES = [NEOPLASM, GLIOMA, GLIOBLASTOMA, EPILEPSY]
NARROWER = {NEOPLASM: {NEOPLASM, GLIOMA, GLIOBLASTOMA}, GLIOMA: {GLIOMA, GLIOBLASTOMA}, GLIOBLASTOMA: {GLIOBLASTOMA},
            EPILEPSY: {EPILEPSY}}  # fmt: skip
"""What each covers, written out."""


def obvious(file: PolicyFile, asked: Asked) -> Answer:
    """The answer as one would work it out by hand."""
    uses, conditions = set(file.uses), set(file.conditions)
    permitted = set().union(*(BELOW[use] for use in uses if not (use == DS and file.diseases)))
    diseases = set().union(*(NARROWER[each] for each in file.diseases)) if DS in uses else set()
    for use in set(asked.purposes) & set(BELOW):
        by_disease = use == DS and asked.diseases and set(asked.diseases) <= diseases
        mixed = use == DS and use in permitted
        if use not in permitted and not by_disease and not mixed:
            return Answer.NO
    denied = [
        asked.commercial and conditions & {"NCU", "NPUNCU"},
        "IRB" in conditions and "ethics" not in asked.documents,
        "NPOA" in conditions and POA in asked.purposes,
        file.regions and not set(asked.regions) <= set(file.regions),
        bool(file.days) and asked.days > file.days,
    ]
    if any(denied):
        return Answer.NO
    unclear = [
        file.person_looks,
        conditions & {"IRB", "PS", "RS", "GSO", "NMDS"},
        conditions & {"NPU", "NPUNCU"} and asked.organisation not in file.not_for_profit,
        "NPOA" in conditions and {GRU, NRES} & set(asked.purposes),
        file.regions and not asked.regions,
    ]
    return Answer.LOOK if any(unclear) else Answer.YES


subsets = st.frozensets
FILES = st.builds(
    lambda uses, diseases, conditions, regions, looks, days, known: replace(
        FREE, uses=tuple(sorted(uses)), diseases=sorted(diseases) if DS in uses else [], conditions=sorted(conditions),
        regions=sorted(regions), person_looks=looks, days=days, not_for_profit=["north"] if known else [],
    ),
    subsets(st.sampled_from(sorted(BELOW)), min_size=1),
    subsets(st.sampled_from(DISEASES)),
    subsets(st.sampled_from(["NCU", "NPU", "NPUNCU", "IRB", "PS", "RS", "GSO", "NMDS", "NPOA"]), max_size=3),
    subsets(st.sampled_from(["DE", "FI"])),
    st.booleans(),
    st.sampled_from([0, 50, 200]),
    st.booleans(),
)  # fmt: skip
REQUESTS = st.builds(
    lambda uses, diseases, regions, commercial, documents: dataclasses.replace(
        ASKED, purposes=tuple(sorted(uses)), diseases=tuple(sorted(diseases)), regions=tuple(sorted(regions)),
        commercial=commercial, documents=documents,
    ),
    subsets(st.sampled_from(sorted(BELOW)), min_size=1, max_size=3),
    subsets(st.sampled_from(DISEASES), max_size=3),
    subsets(st.sampled_from(["DE", "FI", "US"])),
    st.booleans(),
    st.sampled_from([(), ("ethics",)]),
)  # fmt: skip


@given(file=FILES, asked=REQUESTS)
def test_cedar_answers_as_one_would_by_hand(file: PolicyFile, asked: Asked) -> None:
    assert judge(terms_of(file), asked).answer == obvious(file, asked)


# -- in words, and back ------------------------------------------------------------------------------------------------


@given(file=FILES)
def test_every_rule_of_ours_is_read_back_from_cedar(file: PolicyFile) -> None:
    found = rules_in_words(terms_of(file))
    assert found and all(not each.cedar and each.words != OWN for each in found)


def test_a_rule_that_only_bears_the_name_of_one_of_ours_is_shown_as_cedar() -> None:
    """Else `commercial` could read "No commercial use" and permit it."""
    policy = cedar.parsed(terms_of(file_with(conditions=["NCU"])).cedar)["commercial"]
    assert sentence("commercial", policy) == "No commercial use."
    assert sentence("commercial", {**policy, "effect": "permit"}) is None
    assert sentence("rounds", policy) is None and sentence("regions", policy) is None


def test_rules_of_ones_own_stand_beside_ours() -> None:
    own = 'forbid(principal in Organisation::"west", action, resource) when { context.asked.rounds > 10 };'
    terms = terms_of(file_with(rules={"not-west": own}))
    (shown,) = [each for each in rules_in_words(terms) if each.cedar]
    assert shown.words == OWN and 'Organisation::"west"' in shown.cedar
    assert judge(terms, dataclasses.replace(ASKED, organisation="west")).reasons == ("not-west",)
    before = terms_of(FREE)
    between = difference(before, terms)
    assert not between.gone and len(between.new) == 1


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ({"uses": ["pleasure"]}, "is no use of DUO"),
        ({"conditions": ["NICE"]}, "is no condition"),
        ({"uses": ["DS"], "diseases": ["MONDO:9999999"]}, "is no disease"),
        ({"diseases": [GLIOMA]}, "no use is disease-research"),
        ({"conditions": ["GS"]}, "needs 'regions'"),
        ({"conditions": ["PUB"]}, "needs a duty 'publish'"),
        ({"kinds": ["look"]}, "is no kind"),
        ({"duties": {"dance": 1}}, "is no duty"),
        ({"codes": ["abc"]}, "is no digest"),
        ({"regions": ["Germany"]}, "regions has 'Germany'"),
        ({"people": ["Dr. West"]}, "people has 'Dr. West'"),
        ({"labels": ["Hirn Tumor"]}, "labels has 'Hirn Tumor'"),
        ({"approvers": 99}, "approvers = 99 is out of range"),
        ({"days": 10**400}, "days = 1000"),
        ({"duties": {"publish": -1}}, "duties.publish = -1 is out of range"),
        ({"epsilon": float("nan")}, "epsilon = nan is out of range"),
        ({"epsilon": float("inf")}, "epsilon = inf is out of range"),
        ({"uses": []}, "nothing would be permitted"),
        ({"rules": {"a": "permit everything"}}, "is no Cedar"),
        ({"rules": {"uses": "permit(principal, action, resource);"}}, "cannot be called"),
        (
            {"rules": {"a": 'permit(principal, action, resource) when { context.asked.code like "*" };'}},
            "does not take",
        ),
        ({"rules": {"a": 'permit(principal == Person::"John Smith", action, resource);'}}, "does not take"),
    ],
)
def test_an_answer_that_cannot_be_is_named(answers: dict[str, Any], said: str) -> None:
    with pytest.raises(PolicyFileError, match=said):
        terms_of(file_with(**answers))


def test_a_country_in_small_letters_is_that_country() -> None:
    assert terms_of(file_with(regions=["de", "FI"])) == terms_of(file_with(regions=["DE", "FI"]))


def test_a_file_is_written_question_by_question_and_read_again(tmp_path: Path) -> None:
    file = begun("brain")
    given = {
        "uses": "disease-research",
        "diseases": GLIOMA,
        "conditions": "irb, PUB",
        "approvers": "2",
        "epsilon": "0.5",
    }
    for question in QUESTIONS:
        file = answered(file, question, given.get(question.entry, ""))
    assert (file.approvers, file.epsilon, file.duties) == (2, 0.5, {"publish": 730})
    path = tmp_path / "brain.toml"
    path.write_text(template(file))
    assert terms_of(load_policy(path)) == terms_of(file)
    assert "It may be used for research on MONDO:0021042, glioma, and on whatever is a kind of it." in sentences(
        terms_of(file)
    )
    days = next(question for question in QUESTIONS if question.entry == "days")
    with pytest.raises(PolicyFileError, match="is no answer"):
        answered(file, days, "a lot")
    with pytest.raises(PolicyFileError, match=r"missing\.pdf cannot be read"):
        answered(file, QUESTIONS[-1], "missing.pdf", tmp_path)
    (tmp_path / "terms.txt").write_text("Do not try to find anybody.")
    path.write_text(template(answered(file, QUESTIONS[-1], "terms.txt", tmp_path)))
    objects = ObjectStore.memory()
    _, terms = setting.of_file(path)
    assert setting.hand_out_terms(path, terms, lambda: objects) == ()
    assert objects.get(terms.licences[0]) == b"Do not try to find anybody.", "beside the policy, wherever one stands"
    (tmp_path / "terms.txt").write_text("Do what you like.")
    with pytest.raises(PolicyFileError, match="changed meanwhile"):  # while the steward was asked
        setting.hand_out_terms(path, terms, lambda: objects)
    assert len(list(objects.list())) == 1
    path.write_text("colour = 1\n" + template(file))
    with pytest.raises(PolicyFileError, match="colour"):
        load_policy(path)


@pytest.mark.parametrize(
    ("entry", "text", "said"),
    [("uses", "nonsense", "'nonsense' is no use"), ("conditions", "XYZ", "'XYZ' is no condition"),
     ("conditions", "IS", "needs 'institutions'"), ("approvers", "0", "it may be 1 to 8"),
     ("person_looks", "vielleicht", "give yes or no"), ("epsilon", "1,0", "give a number: 0.5")],
)  # fmt: skip
def test_an_answer_that_makes_no_policy_is_asked_for_again_at_once(entry: str, text: str, said: str) -> None:
    question = next(each for each in QUESTIONS if each.entry == entry)
    with pytest.raises(PolicyFileError, match=said):
        answered(begun("brain"), question, text)


def test_a_condition_that_needs_regions_lets_no_question_pass_without_them() -> None:
    asked = {question.entry: question for question in QUESTIONS}
    file = answered(begun("brain"), asked["conditions"], "GS")
    with pytest.raises(PolicyFileError, match="needs 'regions'"):
        answered(file, asked["regions"], "")
    assert answered(file, asked["regions"], "FI").regions == ["FI"]


def test_the_policies_of_the_guide_are_policies(tmp_path: Path) -> None:
    guide = (REPOSITORY / "docs" / "how-to" / "policy.md").read_text()
    whole, rules = re.findall(r"```toml[^\n]*\n(.*?)```", guide, re.DOTALL)
    path = tmp_path / "brain.toml"
    path.write_text(whole + rules)
    said = sentences(terms_of(load_policy(path)))
    assert "2 persons approve a request, and replace this policy." in said and any(OWN in each for each in said)
    assert all(f"`{short}`" in guide for short in conditions()), "every condition of DUO is explained"
    assert all(f"`{name}`" in guide for name in cedar.ASKED), "so is all that a rule may read"


def test_every_condition_of_duo_is_known() -> None:
    modifiers = {code for code, term in purposes.terms().items() if term.is_modifier}
    assert len(modifiers) == 18
    full = file_with(
        conditions=sorted(modifiers), regions=["DE"], people=["north/s1"], institutions=["north"], days=100,
        duties={"publish": 1, "moratorium": 1, "return": 1},
    )  # fmt: skip
    assert judge(terms_of(full), ASKED).answer == Answer.LOOK
