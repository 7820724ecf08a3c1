"""Releases: what a study made leaves if all hospitals whose records are in it say so, and nothing else ever fits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from hmchain.application.governance.policies.rules import RULES
from hmchain.keys import SigningKey
from hmchain.ledger.context import AGENT, Context
from hmchain.ledger.contracts.data import cedar, obligations, policies, requests
from hmchain.ledger.contracts.data.policies import Duty, SetPolicy
from hmchain.ledger.contracts.learning import models, releases, rounds, studies
from hmchain.ledger.contracts.learning.releases import (
    OPEN_MAX,
    Audience,
    DecideRelease,
    Decision,
    Status,
    TableOf,
    WithdrawRelease,
)
from hmchain.ledger.contracts.members import membership, people, refounded
from hmchain.ledger.contracts.members.refounded import Refounded
from hmchain.ledger.contracts.members.rotation import RotateKey, rotation_bytes
from hmchain.ledger.readers import releases as reader
from support import cohort_bed
from support.policy_bed import TERMS
from support.release_bench import EVIDENCE, NAME, ReleaseBench, finished
from support.request_bench import BRAIN, CHAIN, ref, terms
from support.study_bed import STUDY, Bed

HOSPITALS = ("east", "north", "south", "west")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    bed = finished(Bed.found(tmp_path_factory.mktemp("trained")))
    yield bed
    bed.close()


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    """South has too few people, and sits out."""
    bed = cohort_bed.found(tmp_path_factory.mktemp("counted"))
    cohort_bed.ask(bed, "women", "female")
    assert cohort_bed.propose(bed, "women") == "ok"
    assert cohort_bed.run(bed, "women") is not None
    yield bed
    bed.close()


@pytest.fixture
def bench(trained: Bed) -> Iterator[ReleaseBench]:
    with ReleaseBench.on(trained) as bench:
        yield bench


@pytest.fixture
def counts(counted: Bed) -> Iterator[ReleaseBench]:
    with ReleaseBench.on(counted) as bench:
        yield bench


# Asking


def test_it_leaves_with_the_last_hospital_s_yes_and_an_event_that_proves_it(bench: ReleaseBench) -> None:
    asked = bench.ask(regions=("CH", "DE"), audience=Audience.PUBLIC)
    assert bench.release().hospitals == HOSPITALS
    for name in HOSPITALS:
        assert bench.release().status is Status.ASKED
        bench.must(name, bench.yes())
    assert bench.release().status is Status.RELEASED
    assert bench.events[-1].encode().keys == (NAME, STUDY, asked.artefact.hex(), "public", "CH", "DE")
    assert bench.kinds()[-2:] == ["release.granted", "release.released"]
    assert releases.open_releases(bench.state) == []


@pytest.mark.parametrize("said", ["nothing", "yes", "no"])
def test_who_was_lost_for_good_is_waited_for_only_after_a_no(bench: ReleaseBench, said: str) -> None:
    """Nobody can ask it any more; what it refused under another name stays inside."""
    bench.ask(name="earlier")
    if said != "nothing":
        bench.must("south", bench.yes("earlier") if said == "yes" else bench.no("earlier"))
    refounded.put(bench.state, Refounded(bench.height, "before", ("south",)))
    bench.ask()
    for name in ("east", "north", "west"):
        bench.must(name, bench.yes())
    assert bench.release().status is (Status.ASKED if said == "no" else Status.RELEASED)
    view = reader.release(bench.state, NAME)
    assert (view.waits_for, view.words[2].decision) == ((("south",), "waiting") if said == "no" else ((), "lost"))


def test_the_artefact_is_the_ledger_s_and_no_other(bench: ReleaseBench) -> None:
    made = models.model(bench.state, STUDY)
    assert made is not None
    right = releases.model_artefact(made)
    assert releases.artefact_of(bench.state, STUDY) == right
    others = [
        replace(made, **{field: bytes(32)}) for field in ("root", "weights", "meaning")
    ] + [replace(made, round=made.round - 1), replace(made, study="other")]  # fmt: skip
    for other in others:
        assert bench.do("east/scientist", bench.asked(artefact=releases.model_artefact(other))) == "wrong_artefact"
    assert bench.do("east/scientist", bench.asked(artefact=b"short")) == "bad_digest"


def test_who_asked_for_the_study_or_gave_records_may_ask(bench: ReleaseBench) -> None:
    assert bench.do("east/steward", bench.asked()) == "wrong_role"
    assert bench.do("west/scientist", bench.asked()) == "ok"
    assert bench.do("east/scientist", bench.asked()) == "release_exists"
    assert bench.do("east/scientist", bench.asked(study="no-such", name="other")) == "no_such_study"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"name": "Free text"}, "bad_name"),
        ({"regions": ("DE", "CH")}, "bad_regions"),
        ({"regions": ("Germany",)}, "bad_regions"),
        ({"artefact": b"1"}, "bad_digest"),
        ({"table": TableOf(BRAIN, 1)}, "bad_table"),
    ],
)
def test_what_is_malformed_is_refused(bench: ReleaseBench, changes: dict[str, object], code: str) -> None:
    asked = bench.asked(**changes) if "name" not in changes else replace(bench.asked(), **changes)
    assert bench.do("east/scientist", asked) == code


def test_a_study_that_made_nothing_has_nothing_to_leave(bench: ReleaseBench, tmp_path: Path) -> None:
    bed = Bed.found(tmp_path)
    bed.prepare()
    bed.approve()
    bed.until(0, "reveal")
    with ReleaseBench.on(bed) as early:
        assert early.do("east/scientist", early.asked()) == "nothing_made"
    bed.close()


def test_results_go_where_the_request_said_and_are_not_published_before_a_moratorium_ends(bench: ReleaseBench) -> None:
    entry = requests.require_request(bench.state, STUDY)
    content = requests.content(bench.state, STUDY, entry.version)
    assert content is not None
    requests.CONTENTS.put(bench.state, replace(content, regions=("CH", "DE")), STUDY, entry.version)
    assert bench.do("east/scientist", bench.asked()) == "other_regions"
    assert bench.do("east/scientist", bench.asked(regions=("DE", "US"))) == "other_regions"
    word = requests.last_words(bench.state, STUDY, "north")[0]
    obligations.incur(
        Context(bench.state, "", bench.height, bench.ms, bench.sender(ref("north"))), word, Duty("moratorium", 1)
    )
    public = bench.asked(regions=("DE",), audience=Audience.PUBLIC)
    assert bench.do("east/scientist", public) == "moratorium"
    assert bench.do("east/scientist", bench.asked(name="inner", regions=("DE",))) == "ok"
    assert bench.do("east/scientist", public, blocks=86_400_000) == "ok"


def test_one_organisation_has_so_many_that_wait(bench: ReleaseBench) -> None:
    for number in range(OPEN_MAX):
        bench.ask(name=f"r{number}")
    assert bench.do("east/scientist", bench.asked()) == "too_many_releases"
    bench.must("east/scientist", WithdrawRelease("r0"))
    bench.ask()


# Deciding


def test_one_no_leaves_it_inside_until_that_hospital_says_yes(bench: ReleaseBench) -> None:
    bench.ask()
    bench.must("north", bench.no())
    for name in ("east", "south", "west"):
        bench.must(name, bench.yes())
    assert bench.release().status is Status.ASKED
    assert releases.waits_for(bench.state, bench.release()) == ("north",)
    bench.must("north", bench.yes())
    assert bench.release().status is Status.RELEASED


def test_a_yes_may_become_a_no_before_it_has_left_and_not_after(bench: ReleaseBench) -> None:
    bench.ask()
    for name in ("east", "south"):
        bench.must(name, bench.yes())
    bench.must("east", bench.no(reason="purpose"))
    for name in ("north", "west"):
        bench.must(name, bench.yes())
    assert bench.do("north", bench.yes()) == "already_decided"
    bench.must("east", bench.yes())
    assert bench.do("east", bench.no()) == "release_over"
    assert bench.do("east/scientist", WithdrawRelease(NAME)) == "release_over"


def test_a_decision_binds_what_was_read(bench: ReleaseBench) -> None:
    bench.ask()
    wider = replace(bench.release().asked, audience=Audience.PUBLIC).digest
    assert bench.do("east", bench.yes(asked=wider)) == "wrong_release"
    assert bench.do("east", replace(bench.yes(), release="other")) == "no_such_release"
    assert bench.do("east", bench.yes(evidence=b"")) == "bad_digest"
    assert bench.do("east", bench.yes(reason="other")) == "bad_reason"
    assert bench.do("east", bench.no(reason="because")) == "bad_reason"
    assert bench.do("east", bench.yes(decision=Decision.WAITING)) == "bad_reason"
    assert bench.do("east", bench.no(evidence=b"")) == "ok"


def test_agents_scientists_and_others_decide_nothing(bench: ReleaseBench) -> None:
    bench.ask()
    assert bench.do("east/scientist", bench.yes()) == "wrong_role"
    assert agent_s(bench, "east", bench.yes()) == "not_automatic"
    assert agent_s(bench, "east", bench.no()) == "not_automatic"


def test_who_asked_for_it_or_for_the_study_says_no_yes(bench: ReleaseBench) -> None:
    bench.enrol("east/eve", "scientist", "steward")
    bench.ask(by="east/eve")
    assert bench.do("east/eve", bench.yes()) == "own_release"
    bench.must("east/eve", bench.no())
    entry = requests.require_request(bench.state, STUDY)
    bench.enrol("west/ann", "steward")
    requests.REQUESTS.put(bench.state, replace(entry, involved=(*entry.involved, ref("west/ann"))), STUDY)
    assert bench.do("west/ann", bench.yes()) == "own_release"


def test_as_many_persons_say_yes_as_the_policy_asks_for(bench: ReleaseBench) -> None:
    bench.must("north", SetPolicy(BRAIN, terms(approvers=2)))
    bench.enrol("north/ann", "steward")
    bench.ask()
    for name in ("east", "south", "west"):
        bench.must(name, bench.yes())
    bench.must("north", bench.yes())
    assert bench.said("north").decision is Decision.WAITING
    assert bench.do("north", bench.yes()) == "already_approved"
    bench.must("north/ann", bench.yes())
    assert bench.said("north").persons == (ref("north"), ref("north/ann"))
    assert bench.release().status is Status.RELEASED


def test_a_yes_with_a_key_that_was_cut_off_since_does_not_count(bench: ReleaseBench) -> None:
    bench.ask()
    bench.must("north", bench.yes())
    people.cut_off(bench.state, ref("north"), bench.ms)
    for name in ("east", "south", "west"):
        bench.must(name, bench.yes())
    assert releases.waits_for(bench.state, bench.release()) == ("north",)
    bench.must("north", bench.yes())
    assert bench.release().status is Status.RELEASED


def test_who_asked_may_withdraw_it_and_a_name_is_given_once(bench: ReleaseBench) -> None:
    bench.ask()
    bench.must("east", bench.yes())
    assert bench.do("west/scientist", WithdrawRelease(NAME)) == "not_the_applicant"
    bench.must("east/scientist", WithdrawRelease(NAME))
    assert bench.do("west", bench.yes()) == "release_over"
    assert bench.do("east/scientist", bench.asked()) == "release_exists"


# Who decides


def test_hospitals_decide_whose_records_are_in_an_accepted_round(bench: ReleaseBench) -> None:
    study = studies.require_study(bench.state, STUDY)
    made = models.model(bench.state, STUDY)
    assert made is not None
    for number in range(made.round + 1):
        entry = rounds.round_(bench.state, STUDY, number)
        assert entry is not None
        rounds.put(bench.state, replace(entry, frozen=("east", "south", "west")))
    assert releases.contributors(bench.state, study) == ("east", "south", "west")
    last = rounds.round_(bench.state, STUDY, made.round)
    assert last is not None
    rounds.put(bench.state, replace(last, frozen=HOSPITALS))
    assert releases.contributors(bench.state, study) == HOSPITALS
    rounds.put(bench.state, replace(last, frozen=HOSPITALS, outcome=rounds.Verdict.REJECTED))
    assert releases.contributors(bench.state, study) == ("east", "south", "west")
    bench.ask()
    assert bench.do("north", bench.yes()) == "not_in_release"


def test_of_a_count_those_decide_whose_people_are_in_the_sum(counts: ReleaseBench) -> None:
    asked = counts.ask(study="women")
    assert counts.release().hospitals == ("east", "north", "west")
    entry = rounds.round_(counts.state, "women", 0)
    assert entry is not None and entry.posted is not None
    plan, root = cohort_bed.plan_of("female"), entry.posted.model_root
    assert asked.artefact == releases.count_artefact("women", plan, root, entry.frozen)
    assert asked.artefact != releases.count_artefact("women", cohort_bed.plan_of("male"), root, entry.frozen)
    assert asked.artefact != releases.count_artefact("women", plan, root, HOSPITALS)
    assert counts.do("south", counts.yes()) == "not_in_release"


# Policies


def naming(name: str, effect: str = "permit", action: str = "release") -> bytes:
    """A hospital's policy with one more rule."""
    rules = cedar.parsed(TERMS.cedar)
    rule = RULES["release-counts"].cedar() | {"effect": effect}
    rules[name] = rule | {"action": {"entity": {"id": action, "type": "Action"}, "op": "=="}}
    return cedar.canonical(rules)


def automatic(bench: ReleaseBench, *names: str, rules: bytes = naming("release-counts")) -> None:
    for name in names:
        bench.must(name, SetPolicy(cohort_bed.DATASET, replace(TERMS, cedar=rules)))


def test_an_agent_answers_for_counts_where_its_hospital_s_policy_says_so(counts: ReleaseBench) -> None:
    counts.ask(study="women")
    assert agent_s(counts, "east", counts.yes()) == "not_automatic"
    automatic(counts, "east", "north")
    assert agent_s(counts, "east", counts.no()) == "ok"
    assert agent_s(counts, "east", counts.yes()) == "already_decided"
    assert agent_s(counts, "north", counts.yes()) == "ok"
    assert agent_s(counts, "north", counts.no()) == "already_decided"
    assert counts.said("north").persons == ()
    counts.must("east", counts.yes())
    counts.must("west", counts.yes())
    assert counts.release().status is Status.RELEASED


def test_no_rule_that_does_not_name_releases_lets_an_agent_answer(counts: ReleaseBench) -> None:
    counts.ask(study="women")
    others = (policies.DEFAULT, naming("release-counts", action="count"), naming("release-counts", effect="forbid"))
    for rules in others:
        automatic(counts, "east", rules=rules)
        assert agent_s(counts, "east", counts.yes()) == "not_automatic"


def test_a_policy_lets_nothing_leave_by_itself_that_those_want_who_set_it(counts: ReleaseBench) -> None:
    counts.enrol("north/eve", "scientist", "steward")
    counts.must("north/eve", SetPolicy(cohort_bed.DATASET, replace(TERMS, cedar=naming("release-counts"))))
    counts.ask(by="north/eve", study="women")
    assert agent_s(counts, "north", counts.yes()) == "not_automatic"


def test_no_policy_lets_an_agent_release_a_model(bench: ReleaseBench) -> None:
    bench.must("east", SetPolicy(BRAIN, terms(cedar=naming("release-counts"))))
    bench.ask()
    assert agent_s(bench, "east", bench.yes()) == "not_automatic"


def agent_s(bench: ReleaseBench, name: str, body: DecideRelease) -> str:
    return bench.do(f"{name}/agent", body)


def test_an_agent_s_yes_counts_as_long_as_its_policy_stands(counts: ReleaseBench) -> None:
    counts.ask(study="women")
    automatic(counts, "east", "north", "west")
    for name in ("east", "north"):
        assert agent_s(counts, name, counts.yes()) == "ok"
    automatic(counts, "east", rules=policies.DEFAULT)
    assert agent_s(counts, "west", counts.yes()) == "ok"
    assert releases.waits_for(counts.state, counts.release()) == ("east",)
    assert agent_s(counts, "east", counts.yes()) == "not_automatic"
    automatic(counts, "east")
    assert releases.waits_for(counts.state, counts.release()) == ("east",), "what was taken back is said again"
    assert agent_s(counts, "east", counts.yes()) == "ok"
    assert counts.release().status is Status.RELEASED


def test_an_agent_s_yes_does_not_count_once_its_key_was_replaced(counts: ReleaseBench) -> None:
    counts.ask(study="women")
    automatic(counts, "east", "north", "west")
    assert agent_s(counts, "east", counts.yes()) == "ok"
    new = SigningKey.generate()
    former = membership.keys_of(counts.state, "east", AGENT)[-1]
    proof = new.sign(rotation_bytes(CHAIN, "east", AGENT, former, new.public.raw))
    counts.must("east", RotateKey(AGENT, new.public.raw, proof))
    for name in ("north", "west"):
        assert agent_s(counts, name, counts.yes()) == "ok"
    assert releases.waits_for(counts.state, counts.release()) == ("east",)
    assert agent_s(counts, "east", counts.yes()) == "ok"
    assert counts.release().status is Status.RELEASED


def test_a_steward_takes_an_agent_s_yes_back_before_it_has_left(counts: ReleaseBench) -> None:
    counts.ask(study="women")
    automatic(counts, "east", "north", "west")
    assert agent_s(counts, "east", counts.yes()) == "ok"
    counts.must("east", counts.no())
    for name in ("north", "west"):
        assert agent_s(counts, name, counts.yes()) == "ok"
    assert agent_s(counts, "east", counts.yes()) == "already_decided"
    assert releases.waits_for(counts.state, counts.release()) == ("east",)


# Tables


def test_a_table_of_a_hospital_s_own_people_leaves_by_its_own_word(bench: ReleaseBench) -> None:
    table = {"table": TableOf(BRAIN, 1), "artefact": EVIDENCE, "study": ""}
    assert bench.do("north/scientist", bench.asked(**table | {"table": TableOf(BRAIN, 9)})) == "no_such_version"
    asked = bench.ask(by="north/scientist", **table)
    assert bench.release().hospitals == ("north",)
    assert bench.do("east", bench.yes()) == "not_in_release"
    assert agent_s(bench, "north", bench.yes()) == "not_automatic"
    assert bench.do("north/scientist", bench.yes()) == "wrong_role"
    bench.must("north", bench.yes())
    assert bench.release().status is Status.RELEASED
    assert bench.events[-1].encode().keys == (NAME, "", asked.artefact.hex(), "members")


def test_who_asked_for_a_table_does_not_let_it_leave(bench: ReleaseBench) -> None:
    bench.enrol("north/eve", "scientist", "steward")
    bench.ask(by="north/eve", table=TableOf(BRAIN, 1), artefact=EVIDENCE, study="")
    assert bench.do("north/eve", bench.yes()) == "own_release"


# Nothing written


def test_a_sentence_is_taken_in_no_field(bench: ReleaseBench) -> None:
    asked = bench.asked(regions=("DE",))
    assert bench.texts_taken("east/scientist", asked) == set()
    bench.must("east/scientist", asked)
    for body in (bench.yes(), bench.no()):
        assert bench.texts_taken("east", body) == set()
    assert bench.texts_taken("east/scientist", WithdrawRelease(NAME)) == set()
