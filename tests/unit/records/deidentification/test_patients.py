"""Whom a number means: by issuer, by the hospital's rule, and by what was said of merges."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hmchain.keys import SecretKey
from hmchain.records.deidentification.fhir.patient import merges as fhir_merges
from hmchain.records.deidentification.hl7.patient import merges
from hmchain.records.deidentification.patients import (
    Patient,
    PatientRule,
    PatientRuleError,
    People,
    most_used,
    read_rule,
)
from hmchain.records.deidentification.pseudonyms import Pseudonyms, open_number
from hmchain.records.envelope import EnvelopeError
from hmchain.records.sources.hl7.message import parse
from hmchain.records.sources.item import HL7
from support.paths import REPOSITORY

GUIDE = REPOSITORY / "docs" / "how-to" / "clinical-data.md"
KEY = SecretKey(bytes(32))
numbers = st.text(min_size=1, max_size=12).filter(lambda text: text.strip(" \0"))
digests = st.integers(0, 7).map(lambda number: bytes([number]) * 32)


def pseudonyms(people: People | None = None) -> Pseudonyms:
    return Pseudonyms(KEY, "project", KEY, people)


@given(numbers, st.text(min_size=1, max_size=8), st.text(min_size=1, max_size=8))
def test_one_number_of_two_issuers_is_two_people(number: str, one: str, other: str) -> None:
    people = People()
    same = people.issuer(one) == people.issuer(other)
    new = pseudonyms()
    assert (new.subject(number, one) == new.subject(number, other)) is same


def test_what_the_rule_calls_one_is_one() -> None:
    rule = PatientRule(own=("NORTH", "urn:oid:1.2.3"), same=(("South", "SOUTHPACS"),), fold_case=True, strip_zeros=True)
    new = pseudonyms(People(rule, home={HL7: "elsewhere"}))
    own = new.subject("42a")
    assert own == new.subject("0042A", "north ") == new.subject("42A", "1.2.3")
    assert new.subject("7", "SOUTH") == new.subject("07", "southpacs") != new.subject("7")
    assert new.subject("42a", "elsewhere") != own, "a rule comes before what was seen"
    assert new.subject("000") == new.subject("0") != new.subject("")


def test_without_a_rule_case_and_zeros_count_and_the_issuer_that_was_seen_is_the_hospitals() -> None:
    new = pseudonyms(People(home={HL7: "north"}))
    assert new.subject("pxx1") != new.subject("PXX1") and new.subject("042") != new.subject("42")
    assert new.subject("42", "NORTH") == new.subject("42") != new.subject("42", "SOUTH")


def test_of_several_numbers_the_hospitals_own_counts_whatever_their_order() -> None:
    own, other, bare = Patient("1", "NORTH"), Patient("2", "REGISTRY"), Patient("3")
    people = People(home={HL7: "north"})
    assert people.best([other, own]) == people.best([own, other]) == own
    assert people.best([bare, own]) == bare and people.best([other]) == other
    note = pseudonyms(people).note(own, [other, own])
    assert note.others == (pseudonyms(people).person(other),)


def test_no_number_reads_like_one_of_another_issuer() -> None:
    new = pseudonyms()
    assert new.subject("42\0south") != new.subject("42", "south")


@given(st.lists(st.tuples(digests, digests), max_size=8), digests)
def test_merges_end_at_one_person_whatever_was_said(merged: list[tuple[bytes, bytes]], one: bytes) -> None:
    people = People(merged=frozenset(pair for pair in merged if pair[0] != pair[1]))
    lasting = people.lasting(one)
    assert people.lasting(lasting) == lasting
    everybody = people.all_of(one)
    assert everybody[0] == one and len(set(everybody)) == len(everybody)
    assert {people.lasting(each) for each in everybody} == {lasting}
    assert all(set(people.all_of(each)) == set(everybody) for each in everybody)


def test_a_sealed_number_opens_for_its_person_alone() -> None:
    new, patient = pseudonyms(), Patient("4711", "SOUTH")
    note = new.note(patient)
    assert open_number(KEY, note.person, note.sealed) == patient
    assert b"4711" not in note.sealed and "sealed" not in repr(note)
    with pytest.raises(EnvelopeError):
        open_number(KEY, bytes(32), note.sealed)


@pytest.mark.parametrize(
    ("event", "merged"), [("ADT^A40", True), ("ADT^A18", True), ("ADT^A35", False), ("ADT^A08", False), ("", False)]
)
def test_merges_of_persons_are_heard_and_those_of_accounts_are_not(event: str, merged: bool) -> None:
    text = f"MSH|^~\\&|A|F|||2024||{event}|1|P|2.5\rPID|1||222^^^NORTH&1.2.3&ISO^MR||A^B\rMRG|111^^^NORTH~9^^^SOUTH"
    found = merges(parse(text.encode()))
    lasting = Patient("222", "NORTH")
    assert found == ([(Patient("111", "NORTH"), lasting), (Patient("9", "SOUTH"), lasting)] if merged else [])


def test_links_of_patients_are_heard_both_ways() -> None:
    resource = {
        "link": [
            {"other": {"reference": "Patient/new"}, "type": "replaced-by"},
            {"other": {"reference": "Patient/old"}, "type": "replaces"},
            {"other": {"reference": "RelatedPerson/x"}, "type": "seealso"}, {"other": 7}, "?",
        ],
        "identifier": [{"system": "urn:oid:9", "value": "1"}, {"system": "https://north/mrn", "value": "4711"}],
    }  # fmt: skip
    found = list(fhir_merges("me", resource, {}, PatientRule(own=("https://north/mrn",))))
    assert found == [(Patient("me"), Patient("new")), (Patient("old"), Patient("me"))]
    rule = PatientRule(own=("https://north/mrn",), fhir_ids=False)
    *_, last = fhir_merges("me", resource, {}, rule)
    assert last == (Patient("me", "fhir id"), Patient("4711", "https://north/mrn"))


def test_the_issuer_that_most_name_and_the_first_of_several() -> None:
    assert most_used(["", "B ", "a", "A"]) == "a" and most_used(["x", "y"]) == "x" and most_used(["", " "]) == ""


def test_the_rule_of_the_guide_is_one(tmp_path: Path) -> None:
    (text,) = re.findall(r"```toml title=\"patients.toml\"\n(.+?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    (tmp_path / "patients.toml").write_text(text)
    rule = read_rule(tmp_path)
    assert rule.own[0] == "NORTH" and rule.fold_case and rule.fhir_ids


@pytest.mark.parametrize("text", ["own = 7", "own = ['']", "same = [['A'], ['a']]", "?", "whose = 'mine'"])
def test_a_rule_that_is_none_is_named(tmp_path: Path, text: str) -> None:
    assert read_rule(tmp_path) == PatientRule()
    (tmp_path / "patients.toml").write_text(text)
    with pytest.raises(PatientRuleError, match=r"patients\.toml"):
        read_rule(tmp_path)
