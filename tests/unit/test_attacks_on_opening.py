"""What attacks on opening, ending and objects of a study found; each test bears its finding's number."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import study_bed
from msgspec.structs import replace
from study_bed import SCHEMA, STUDY, Bed, make_spec

from hmchain.application.learning.schedule import default_plan
from hmchain.application.study_terms import terms
from hmchain.canonical import encode
from hmchain.keys import WrappingKey
from hmchain.ledger.contracts import conduct, opening, participation, rounds, studies
from hmchain.ledger.contracts.approvals import RevokeApproval
from hmchain.ledger.contracts.datasets import PublishVersion, RegisterDataset
from hmchain.ledger.contracts.maintenance import AnnounceMaintenance
from hmchain.ledger.contracts.opening import AgreePairs, JoinStudy, ResumeStudy
from hmchain.ledger.contracts.participation import CommitUpdate, Reveal
from hmchain.ledger.contracts.standings import Unjail
from hmchain.ledger.contracts.studies import ProposeStudy

PLAN = default_plan(rounds=3)


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[Bed]:
    bed = Bed.found(tmp_path)
    bed.prepare()
    bed.approve()
    yield bed
    bed.close()


def learning(bed: Bed) -> dict[str, int]:
    return {name: conduct.learning_score(bed.state, STUDY, name, bed.now_ms) for name in bed.names}


# What is pinned is what is approved


def test_s4_a_server_that_hardly_moves_the_model_is_refused(bed: Bed) -> None:
    """Each round's sum would be one over the same weights: a dropout in one of two rounds would give its update."""
    spec = replace(bed.study.spec, name="other")
    for rate, code in ((1, "server_rate_too_low"), (4095, "server_rate_too_low"), (4096, "ok")):
        still = replace(spec, rule=replace(spec.rule, learning_rate=rate))
        assert bed.submit("east", "scientist", ProposeStudy(still)) == code


def test_s12_deadlines_of_a_millisecond_are_refused(bed: Bed) -> None:
    spec = replace(bed.study.spec, name="other")
    for field in spec.deadlines.__struct_fields__:
        hasty = replace(spec, deadlines=replace(spec.deadlines, **{field: 9_999}))
        assert bed.submit("east", "scientist", ProposeStudy(hasty)) == "bad_deadlines"
    assert bed.submit("east", "scientist", ProposeStudy(spec)) == "ok"


def test_s12_s4_a_steward_is_shown_all_that_is_pinned(bed: Bed) -> None:
    """Whatever field is another, the words in which the study is shown are others, and not by the digest alone."""

    def words(spec: studies.StudySpec) -> list[tuple[str, str]]:
        return [term for term in terms(spec) if term[0] != "specification"]

    spec = replace(bed.study.spec, training=encode(PLAN))
    rule, first = spec.rule, spec.uses[0]
    others = {
        "name": None,  # said beside the terms
        "purpose": "DUO:0000042", "schema": replace(SCHEMA, height=32), "architecture": None, "code": bytes([1]) * 32,
        "uses": (replace(first, version=2), *spec.uses[1:]), "training": encode(replace(PLAN, batch_size=7)),
        "rule": replace(rule, learning_rate=1 << 15), "clip_norm_millionths": 1, "rounds": 2,
        "initial_root": bytes([1]) * 32, "deadlines": replace(spec.deadlines, gate_ms=20_000),
        "gate_tolerance_permyriad": 1, "colluders": 0,
    }  # fmt: skip
    for name in spec.__struct_fields__:
        if (other := others[name]) is not None:
            assert words(replace(spec, **{name: other})) != words(spec), name
    assert words(replace(spec, rule=replace(rule, momentum=1))) != words(spec)
    rates = PLAN.learning_rates_millionths
    for field in PLAN.__struct_fields__:
        if field.startswith("server_"):
            continue  # shown as the rule has them: agents refuse a rule that differs
        value = getattr(PLAN, field)
        changed = (rates[0] + 10_000, *rates[1:]) if field == "learning_rates_millionths" else value + 1
        changed = not value if isinstance(value, bool) else changed
        assert words(replace(spec, training=encode(replace(PLAN, **{field: changed})))) != words(spec), field


# Keys and seeds


def test_l8_keys_that_are_none_are_refused_on_the_ledger(bed: Bed) -> None:
    """Of the right size, and taken by no library: they would keep every other from agreeing, for ever."""
    key = WrappingKey.generate().public
    join = JoinStudy(STUDY, key, bytes(32))
    for broken in (replace(key, mlkem=b"\xff" * 1184), replace(key, x25519=bytes(32))):
        assert bed.submit("east", "agent", replace(join, kem=broken)) == "bad_key"
    assert bed.submit("east", "agent", join) == "ok"


def test_l8_wrapped_halves_that_are_none_are_refused_on_the_ledger(bed: Bed) -> None:
    bed.run(lambda: bed.study.status == studies.AGREEING)
    agent = bed.agent("east")
    (body,) = agent._agree(bed.study)
    assert isinstance(body, AgreePairs)
    half = body.wrapped[0]
    for broken in (replace(half, suite="none"), replace(half, sealed=half.sealed[:-1])):
        wrong = replace(body, wrapped=(broken, *body.wrapped[1:]))
        assert bed.submit("east", "agent", wrong) == "bad_key"
    assert bed.submit("east", "agent", replace(body, opening_seed=body.opening_seed[:31])) == "bad_seed"
    assert bed.submit("east", "agent", body) == "ok"


def test_s7_a_seed_of_31_bytes_cannot_be_revealed(bed: Bed) -> None:
    """It was bound, and no master on earth could have summed with it: its author is left to withhold it."""
    bed.until(1, rounds.COMMIT)
    liar, short = bed.agent("east"), b"s" * 31
    participant = liar._participant(bed.study)
    act, before, tried = participant.act, learning(bed), []

    def dishonest(study: studies.Study, entry: rounds.Round) -> Iterator[object]:
        for body in act(study, entry):
            if isinstance(body, CommitUpdate):
                bound = participation.seed_hash("self", STUDY, entry.number, entry.attempt, short)
                yield replace(body, self_hash=bound)
            elif not isinstance(body, Reveal):
                yield body
            elif not tried:
                tried.append(body)
                yield replace(body, self_seed=short)

    participant.act = dishonest
    bed.run(lambda: bed.round.attempt == 1 or bed.round.phase == rounds.AGGREGATE)
    assert bed.kinds("round.void") == [("round.void", "1", "seed_withheld")]
    assert "bad_seed" in {code for _, _, code in bed.codes}
    after = learning(bed)
    assert {name for name in bed.names if after[name] < before[name]} == {"east"}, "no honest master pays for it"


# Whose silence costs


def test_s14_who_revokes_while_updates_are_collected_is_not_charged(bed: Bed) -> None:
    bed.until(1, rounds.COMMIT)
    before = learning(bed)
    bed.require("west", "steward", RevokeApproval(STUDY))
    bed.run(lambda: bed.round.phase == rounds.REVEAL)
    assert bed.round.frozen == ("east", "north", "south") and "west" in bed.round.expected
    assert learning(bed)["west"] == before["west"]


# Masters


def test_l4_a_study_whose_candidates_were_all_away_goes_on_when_they_are_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three hospitals of ten on announced maintenance: nobody may lead for a while, and not for ever."""
    monkeypatch.setattr(study_bed, "NAMES", ("aa", "bb", "cc", "dd", "ee", "ff", "gg", "hh", "ii", "jj"))
    bed, who = Bed.found(tmp_path, 10), ("aa", "bb", "cc")
    for name in who:
        bed.require(name, "steward", RegisterDataset("brain", SCHEMA))
        bed.require(name, "steward", PublishVersion("brain", 1, bytes(32), 512))
    bed.require("aa", "scientist", ProposeStudy(make_spec(who, 1)))
    bed.approve(*who)
    bed.until(1, rounds.COMMIT)
    for name in who:
        bed.require(name, "steward", AnnounceMaintenance(0, 600_000))
    with bed.asleep("bb", "cc"):
        bed.run(lambda: bed.study.status == studies.PAUSED)
    assert bed.kinds("study.paused") == [("study.paused", "no_candidates")]
    bed.require("aa", "scientist", ResumeStudy(STUDY))
    assert bed.study.status == studies.PAUSED, "still nobody may lead"
    for name in who:
        bed.require(name, "steward", Unjail())
    bed.require("aa", "scientist", ResumeStudy(STUDY))
    bed.run()
    assert bed.study.status == studies.FINISHED
    assert set(bed.at(1).ranking) == set(who)
    assert len(opening.joins(bed.state, STUDY)) == 3
    bed.close()
