"""What attacks on opening, ending and objects of a study found; each test bears its finding's number."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from hmchain.application.agent import closing, study_keys
from hmchain.application.agent.desk import Desk, RoundDesk
from hmchain.application.agent.faults import AgentBehaviour
from hmchain.application.agent.phases import agree, commit, reveal
from hmchain.application.agent.pins import UnpinnedError
from hmchain.application.governance.terms import terms
from hmchain.application.learning.schedule import default_plan
from hmchain.canonical import encode
from hmchain.keys import WrappingKey
from hmchain.ledger.contracts.data.datasets import PublishVersion, RegisterDataset
from hmchain.ledger.contracts.learning import conduct, models, opening, participation, studies
from hmchain.ledger.contracts.learning.approvals import RefuseStudy
from hmchain.ledger.contracts.learning.closing import CloseStudy
from hmchain.ledger.contracts.learning.opening import AgreePairs, ConfirmPairs, JoinStudy, ResumeStudy
from hmchain.ledger.contracts.learning.participation import CommitUpdate, Reveal, Tick
from hmchain.ledger.contracts.learning.rounds import Phase
from hmchain.ledger.contracts.learning.studies import Status
from hmchain.ledger.contracts.members import membership
from hmchain.ledger.contracts.members.maintenance import AnnounceMaintenance
from hmchain.ledger.contracts.members.membership import ProposeAction, Remove, VoteAction
from hmchain.ledger.contracts.members.standings import Unjail
from support import study_bed
from support.study_bed import SCHEMA, START_MS, STUDY, Bed, make_spec

PLAN = default_plan(rounds=3)


def learning(bed: Bed) -> dict[str, int]:
    """Scores as if no time had passed: what was bad fades with it."""
    return {name: conduct.learning_score(bed.state, STUDY, name, START_MS) for name in bed.names}


# What is pinned is what is approved


def test_s4_a_server_that_hardly_moves_the_model_is_refused(bed: Bed) -> None:
    """Each round's sum would be one over the same weights: a dropout in one of two rounds would give its update."""
    spec = replace(bed.study.spec, name="other", initial_weights=bytes(32))
    for rate, code in ((1, "server_rate_too_low"), (4095, "server_rate_too_low"), (4096, "ok")):
        still = replace(spec, rule=replace(spec.rule, learning_rate=rate))
        assert bed.propose(still, "east") == code


def test_s12_deadlines_of_a_millisecond_are_refused(bed: Bed) -> None:
    spec = replace(bed.study.spec, name="other", initial_weights=bytes(32))
    for field in spec.deadlines.__struct_fields__:
        hasty = replace(spec, deadlines=replace(spec.deadlines, **{field: 9_999}))
        assert bed.propose(hasty, "east") == "bad_deadlines"
    assert bed.propose(spec, "east") == "ok"


def test_s12_s4_a_steward_is_shown_all_that_is_pinned(bed: Bed) -> None:
    """Whatever field is another, the words in which the study is shown are others, and not by the digest alone."""

    def words(spec: studies.StudySpec) -> list[tuple[str, str]]:
        return [term for term in terms(spec) if term[0] != "specification"]

    spec = replace(bed.study.spec, training=encode(PLAN))
    rule, first = spec.rule, spec.uses[0]
    others = {
        "name": None,  # said beside the terms
        "purpose": "DUO:0000042", "schema": replace(SCHEMA, height=32), "architecture": b"other",
        "code": bytes([1]) * 32,
        "uses": (replace(first, version=2), *spec.uses[1:]), "training": encode(replace(PLAN, batch_size=7)),
        "rule": replace(rule, learning_rate=1 << 15), "clip_norm_millionths": 1, "rounds": 2,
        "initial_root": bytes([1]) * 32, "initial_weights": bytes([1]) * 32,
        "deadlines": replace(spec.deadlines, gate_ms=20_000),
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


def test_s4_an_agent_whose_data_do_not_fit_the_plan_says_so_and_does_not_join(bed: Bed) -> None:
    agent = bed.agent("west")
    learner = agent.learner(bed.study.spec)

    def read() -> None:
        raise UnpinnedError("batches must be smaller")

    object.__setattr__(learner, "read", read)
    bed.run(lambda: len(opening.joins(bed.state, STUDY)) == 3 and not bed.step())
    assert bed.study.status == Status.PROPOSED
    assert "batches must be smaller" in agent.refusals[STUDY]


# Keys and seeds


def test_l8_keys_that_are_none_are_refused_on_the_ledger(bed: Bed) -> None:
    """Of the right size, and taken by no library: they would keep every other from agreeing, for ever."""
    key = WrappingKey.generate().public
    join = JoinStudy(STUDY, key, bytes(32))
    for broken in (replace(key, mlkem=b"\xff" * 1184), replace(key, x25519=bytes(32))):
        assert bed.submit("east", "agent", replace(join, kem=broken)) == "bad_key"
    assert bed.submit("east", "agent", join) == "ok"


def test_l8_wrapped_halves_that_are_none_are_refused_on_the_ledger(bed: Bed) -> None:
    bed.run(lambda: bed.study.status == Status.AGREEING)
    (body,) = agree.agree(bed.opening_desk("east"))
    half = body.wrapped[0]
    for broken in (replace(half, suite="none"), replace(half, sealed=half.sealed[:-1])):
        wrong = replace(body, wrapped=(broken, *body.wrapped[1:]))
        assert bed.submit("east", "agent", wrong) == "bad_key"
    assert bed.submit("east", "agent", replace(body, opening_seed=body.opening_seed[:31])) == "bad_seed"
    assert bed.submit("east", "agent", body) == "ok"


def test_s7_a_seed_of_31_bytes_cannot_be_revealed(bed: Bed) -> None:
    """It was bound, and no master on earth could have summed with it: its author is left to withhold it."""
    bed.until(1, Phase.COMMIT)
    short, before, tried = b"s" * 31, learning(bed), []

    def bind(desk: RoundDesk) -> Iterator[CommitUpdate]:
        for body in commit.commit(desk):
            yield replace(body, self_hash=participation.seed_hash("self", STUDY, *desk.place, short))

    def open_short(desk: RoundDesk) -> Iterator[Reveal]:
        for body in [] if tried else reveal.reveal(desk):
            tried.append(body)
            yield replace(body, self_seed=short)

    bed.hand("east", commit=bind, reveal=open_short)
    bed.run(lambda: bed.round.attempt == 1 or bed.round.phase == Phase.AGGREGATE)
    assert bed.kinds("round.void") == [("round.void", "1", "seed_withheld")]
    assert "bad_seed" in {code for _, _, code in bed.codes}
    after = learning(bed)
    assert {name for name in bed.names if after[name] < before[name]} == {"east"}, "no honest master pays for it"


# Agreement


def given_others(bed: Bed, victims: tuple[str, ...], kind: str) -> None:
    """East gives its victims halves that do not open, or that open and hold another share of the study key."""

    def dishonest(desk: Desk) -> list[AgreePairs]:
        bodies = list(agree.agree(desk))
        if not bodies:
            return []
        (body,) = bodies
        drawn, wrapped = desk.keys.drawn(STUDY, 4, desk.random), list(body.wrapped)
        for victim in victims:
            order = desk.study.order(victim)
            join = opening.joins(bed.state, STUDY)[order]
            if kind == "half":
                wrapped[order - 1] = WrappingKey.generate().public.wrap(bytes(64), b"")
            else:
                info = study_keys.wrapping_info(bed.consortium.ledger.chain_id, STUDY, 0, order)
                wrapped[order - 1] = join.kem.wrap(drawn.halves[order] + bytes(32), info)
        return [replace(body, wrapped=tuple(wrapped))]

    bed.hand("east", agree=dishonest)


@pytest.mark.parametrize(("kind", "reason"), [("half", "half_broken"), ("share", "keys_differ")])
@pytest.mark.parametrize("victims", [("west",), ("south", "west")])
def test_s6_who_is_given_other_halves_is_not_shut_out(
    bed: Bed, kind: str, reason: str, victims: tuple[str, ...]
) -> None:
    """It was charged in every round, with nobody but itself able to see why; now the study closes, and nobody pays."""
    before = learning(bed)
    given_others(bed, victims, kind)
    bed.run()
    assert (bed.study.status, bed.study.progress.reason) == (Status.CLOSED, reason)
    bed.step()
    assert learning(bed) == before
    for name in bed.names:
        assert bed.agent(name).study_key(STUDY) is None, "nothing is left of its secrets"
        assert bed.agent(name).store.get(f"{STUDY}/drawn", study_keys.JoinSecrets) is None
    if kind == "half":
        assert all("from east does not open" in bed.agent(name).refusals[STUDY] for name in victims)


@pytest.mark.parametrize(
    ("until", "reason"),
    [
        (Status.PROPOSED, "proposal_lapsed"),
        (Status.AGREEING, "not_agreed_in_time"),
        (Status.CONFIRMING, "not_confirmed_in_time"),
    ],
)
def test_s6_what_does_not_open_in_time_is_closed_without_blame(bed: Bed, until: Status, reason: str) -> None:
    before = learning(bed)
    phase = {Status.PROPOSED: "join", Status.AGREEING: "agree", Status.CONFIRMING: "confirm"}[until]
    bed.hand("west", **{phase: lambda *desk: ()})
    bed.run(lambda: bed.study.status == until and not bed.step())
    assert bed.submit("east", "agent", Tick(STUDY)) == "not_due"
    bed.now_ms = bed.study.progress.deadline_ms + 1
    bed.run()
    assert (bed.study.status, bed.study.progress.reason) == (Status.CLOSED, reason)
    assert learning(bed) == before
    assert bed.submit("west", "steward", CloseStudy(STUDY)) == "study_closed"


def test_confirmations_malformed_late_replayed_and_of_the_wrong_role(bed: Bed) -> None:
    body = ConfirmPairs(STUDY, bytes(32))
    assert bed.submit("east", "agent", body) == "wrong_phase", "too early"
    assert bed.submit("east", "agent", replace(body, study="other")) == "no_such_study"
    bed.hand("west", confirm=lambda desk: ())
    bed.run(lambda: bed.study.status == Status.CONFIRMING and not bed.step())
    assert bed.submit("west", "steward", body) == "wrong_role"
    assert bed.submit("west", "agent", replace(body, key_hash=bytes(31))) == "bad_digest"
    assert bed.submit("east", "agent", body) == "already_confirmed"
    bed.behave("west", AgentBehaviour.HONEST)
    bed.run(lambda: bed.running)
    assert len({said.key_hash for said in opening.confirmations(bed.state, STUDY)}) == 1
    assert bed.submit("west", "agent", body) == "wrong_phase", "too late"


# Ending


def paused(bed: Bed, number: int = 2) -> None:
    bed.until(number, Phase.COMMIT)
    with bed.asleep("south", "west"):
        bed.run()
    assert bed.study.status == Status.PAUSED


def test_l5_a_paused_study_of_protocol_2_is_resumed_by_others_where_its_proposer_is_gone(tmp_path: Path) -> None:
    """Under a permit it would end: nobody is left who asks."""
    bed = Bed.found(tmp_path, 5, protocol=2)
    bed.prepare()
    bed.approve()
    bed.until(1, Phase.COMMIT)
    with bed.asleep("east", "north"):
        bed.run()
    assert bed.study.status == Status.PAUSED and bed.study.progress.proposer == "centre"
    assert bed.submit("north", "scientist", ResumeStudy(STUDY)) == "not_the_proposer"
    bed.require("north", "steward", ProposeAction(Remove("centre")))
    (ballot,) = (name for name, entry in membership.ballots(bed.state) if not entry.closed)
    for name in ("south", "west", "east"):
        bed.require(name, "steward", VoteAction(ballot))
    assert bed.submit("north", "steward", ResumeStudy(STUDY)) == "wrong_role"
    bed.require("north", "scientist", ResumeStudy(STUDY))
    bed.run()
    assert bed.study.status == Status.FINISHED
    bed.close()


def test_l5_stewards_close_what_nobody_else_can_end(bed: Bed) -> None:
    """More than f of them, and one that refuses what is paused; the last accepted model is kept, nobody is charged."""
    paused(bed)
    before, close = learning(bed), CloseStudy(STUDY)
    assert bed.submit("north", "agent", close) == "wrong_role"
    assert bed.submit("north", "scientist", close) == "not_the_proposer"
    assert bed.submit("north", "steward", replace(close, study="other")) == "no_such_study"
    bed.require("north", "steward", close)
    assert bed.study.status == Status.PAUSED, "one may be dishonest"
    assert bed.submit("north", "steward", close) == "already_voted"
    bed.require("west", "steward", close)
    assert (bed.study.status, bed.study.progress.reason) == (Status.FINISHED, "closed_by_stewards")
    assert models.model(bed.state, STUDY).round == 1  # type: ignore[union-attr]
    assert bed.submit("west", "steward", close) == "study_closed"
    assert learning(bed) == before


def test_l5_the_proposer_closes_its_own_study_at_any_time(bed: Bed) -> None:
    bed.until(1, Phase.ATTEST)
    bed.require("east", "scientist", CloseStudy(STUDY))
    assert (bed.study.status, bed.study.progress.reason) == (Status.CLOSED, "closed_by_proposer")
    bed.step()
    for name in bed.names:
        assert bed.agent(name).study_key(STUDY) is None
        assert not list(bed.agent(name).store.all(f"{STUDY}/masked/", closing.MaskedUpdate))
    assert not list(bed.consortium.objects.list())


def test_l5_a_refusal_ends_a_paused_study_of_protocol_2(tmp_path: Path) -> None:
    bed = Bed.found(tmp_path, protocol=2)
    bed.prepare()
    bed.approve()
    paused(bed, 1)
    bed.require("north", "steward", RefuseStudy(STUDY, "other"))
    assert (bed.study.status, bed.study.progress.reason) == (Status.CLOSED, "refused")
    bed.close()


def test_only_stewards_of_participants_vote_on_closing(tmp_path: Path) -> None:
    bed = Bed.found(tmp_path, 5)
    for hospital in bed.consortium.hospitals.values():
        bed.consortium.require(hospital.as_steward(RegisterDataset("brain", SCHEMA)))
        bed.consortium.require(hospital.as_steward(PublishVersion("brain", 1, bytes(32), 512)))
    assert bed.propose(make_spec(bed.names[:4], 1), "east") == "ok"
    assert bed.submit(bed.names[4], "steward", CloseStudy(STUDY)) == "not_a_participant"
    bed.require("east", "scientist", CloseStudy(STUDY))
    assert bed.study.status == Status.CLOSED
    bed.close()


# Whose silence costs


def test_s14_who_revokes_while_updates_are_collected_is_not_charged(bed: Bed) -> None:
    bed.until(1, Phase.COMMIT)
    before = learning(bed)
    bed.revoke("west")
    bed.run(lambda: bed.round.phase == Phase.REVEAL)
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
    bed.ask(make_spec(who, 1))
    bed.approve(*who)
    bed.until(1, Phase.COMMIT)
    for name in who:
        bed.require(name, "steward", AnnounceMaintenance(0, 600_000))
    with bed.asleep("bb", "cc"):
        bed.run(lambda: bed.study.status == Status.PAUSED)
    assert bed.kinds("study.paused") == [("study.paused", "no_candidates")]
    bed.require("aa", "scientist", ResumeStudy(STUDY))
    assert bed.study.status == Status.PAUSED, "still nobody may lead"
    for name in who:
        bed.require(name, "steward", Unjail())
    bed.require("aa", "scientist", ResumeStudy(STUDY))
    bed.run()
    assert bed.study.status == Status.FINISHED
    assert set(bed.at(1).ranking) == set(who)
    assert len(opening.joins(bed.state, STUDY)) == 3
    bed.close()
