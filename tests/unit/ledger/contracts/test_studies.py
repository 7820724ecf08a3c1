"""Proposing, approving and opening a study of protocol 2; opening is the same later (`test_permitted`)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from hmchain.application.agent.faults import AgentBehaviour
from hmchain.keys import WrappingKey
from hmchain.ledger.arithmetic import WEIGHT_ONE
from hmchain.ledger.contracts.data.datasets import PublishVersion, WithdrawVersion
from hmchain.ledger.contracts.learning import approvals, models, opening, studies
from hmchain.ledger.contracts.learning.approvals import ApproveStudy, RefuseStudy, RevokeApproval
from hmchain.ledger.contracts.learning.opening import AgreePairs, JoinStudy, ResumeStudy
from hmchain.ledger.contracts.learning.studies import ProposeStudy, Status, StudySpec, fair_weights
from support.study_bed import DEADLINES, SCHEMA, START_MS, STUDY, YEAR_MS, Bed, make_spec


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    bed = Bed.found(tmp_path_factory.mktemp("studies"), protocol=2)
    bed.prepare()
    yield bed
    bed.close()


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[Bed]:
    bed = Bed.found(tmp_path, protocol=2)
    bed.prepare(rounds_=1)
    yield bed
    bed.close()


# Weights


COUNTS = st.lists(st.integers(6, 20), min_size=3, max_size=32)


def is_fair(weights: list[int], colluders: int) -> bool:
    """Whether nobody has more than 2/(n - k), or two thirds, of what is left without any k others."""
    heaviest, *others = sorted(weights, reverse=True)
    left = [heaviest, *others[colluders:]]
    return heaviest * max(3, len(left)) <= 2 * sum(left)


@given(COUNTS, st.data())
def test_one_hospital_holds_82_percent_of_the_weight(exponents: list[int], data: st.DataObject) -> None:
    """Without the cap the sum is nearly its update; with it no share exceeds 2/n."""
    colluders = data.draw(st.integers(0, len(exponents) - 2))
    weights = fair_weights(tuple(1 << exponent for exponent in exponents), colluders)
    assert all(1 <= weight <= WEIGHT_ONE for weight in weights)
    assert all(is_fair(list(weights), k) for k in range(colluders + 1))


def test_r3_a_colluder_that_claims_as_many_records_does_not_lay_the_largest_bare() -> None:
    """The shares of the total were fair: of what was left without the colluder the victim had 99 %."""
    liar, victim, *small = fair_weights((8192, 8192, 64, 64), 1)
    assert liar == victim and 3 * victim <= 2 * (victim + sum(small))


@given(COUNTS, st.data())
def test_weights_are_the_counts_cut_at_the_highest_fair_level(exponents: list[int], data: st.DataObject) -> None:
    counts, colluders = tuple(1 << e for e in exponents), data.draw(st.integers(0, len(exponents) - 2))
    weights = fair_weights(counts, colluders)
    raw = [max(1, WEIGHT_ONE * count // max(counts)) for count in counts]
    level = max(weights)
    assert weights == tuple(min(weight, level) for weight in raw)
    if level < WEIGHT_ONE:
        higher = [min(weight, level + 1) for weight in raw]
        assert not all(is_fair(higher, k) for k in range(colluders + 1)), "a higher level would be unfair"


def test_equal_counts_weigh_alike() -> None:
    assert fair_weights((512, 512, 512), 1) == (WEIGHT_ONE,) * 3
    assert fair_weights((4096, 64, 64, 64), 1) == (12, 4, 4, 4)


# Proposing

RULE = make_spec(("a", "b", "c", "d")).rule
REFUSED: dict[str, tuple[str, dict[str, object]]] = {
    "a name that is taken": ("study_exists", {"name": STUDY}),
    "a name that is a path": ("bad_name", {"name": "../study"}),
    "a purpose in words": ("bad_purpose", {"purpose": "research"}),
    "a purpose in other digits": ("bad_purpose", {"purpose": "DUO:٠٠٠٠٠٠٦"}),
    "another schema": ("schema_mismatch", {"schema": replace(SCHEMA, channels=3)}),
    "no rounds": ("bad_rounds", {"rounds": 0}),
    "more rounds than the rule bears": ("bad_rule", {"rounds": 4}),
    "a short code digest": ("bad_digest", {"code": b"short"}),
    "a server that stands still": ("server_rate_too_low", {"rule": replace(RULE, learning_rate=4095)}),
    "a phase of five seconds": ("bad_deadlines", {"deadlines": replace(DEADLINES, verify_ms=9_999)}),
    "no clip": ("bad_gate", {"clip_norm_millionths": 0}),
    "a deadline of nothing": ("bad_deadlines", {"deadlines": replace(DEADLINES, reveal_ms=0)}),
    "a deadline of a year": ("bad_deadlines", {"deadlines": replace(DEADLINES, gate_ms=YEAR_MS)}),
    "a plan that fills the ledger": ("spec_too_large", {"training": bytes(40_000)}),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_study_is_refused_for(prepared: Bed, case: str) -> None:
    code, changes = REFUSED[case]
    spec = replace(make_spec(prepared.names), **{"name": "other", **changes})
    assert prepared.submit("east", "scientist", ProposeStudy(spec)) == code


def participants(spec: StudySpec, *names: str) -> StudySpec:
    uses = tuple(studies.DatasetUse(name, "brain", 1) for name in names)
    return replace(spec, name="other", uses=uses, rule=replace(spec.rule, participants=len(names)))


def test_two_hospitals_are_too_few(prepared: Bed) -> None:
    """n < 3 is refused: with two, each sees the other's update in the sum."""
    spec = make_spec(prepared.names)
    cases = {
        "too_few_participants": participants(spec, "east", "north"),
        "participants_not_in_order": participants(spec, "north", "east", "west"),
        "not_a_member": participants(spec, "east", "nobody", "west"),
    }
    for code, wrong in cases.items():
        assert prepared.submit("east", "scientist", ProposeStudy(wrong)) == code
    doubled = participants(spec, "east", "east", "west")
    assert prepared.submit("east", "scientist", ProposeStudy(doubled)) == "participants_not_in_order"
    unpublished = replace(spec, name="other", uses=(*spec.uses[:3], studies.DatasetUse("west", "brain", 2)))
    assert prepared.submit("east", "scientist", ProposeStudy(unpublished)) == "no_such_version"


def test_a_rule_that_could_overflow_is_refused(prepared: Bed) -> None:
    """Overflow by weights, and a momentum that never fades."""
    spec = replace(make_spec(prepared.names), name="other")
    huge = tuple(replace(layer, step=1 << 62) for layer in spec.rule.layers)
    large = (replace(spec.rule.layers[0], size=(studies.CHUNKS_MAX + 1) * 256),)
    for code, rule in {
        "bad_rule": [replace(spec.rule, bits=30), replace(spec.rule, layers=huge), replace(spec.rule, participants=3)],
        "model_too_large": [replace(spec.rule, layers=large)],
    }.items():
        for wrong in rule:
            assert prepared.submit("east", "scientist", ProposeStudy(replace(spec, rule=wrong))) == code


def test_only_scientists_propose(prepared: Bed) -> None:
    spec = replace(make_spec(prepared.names), name="other")
    assert prepared.submit("east", "steward", ProposeStudy(spec)) == "wrong_role"
    assert prepared.submit("east", "agent", ProposeStudy(spec)) == "wrong_role"


def test_exact_counts_are_refused(prepared: Bed) -> None:
    """Count 4708 -> 4707 on the ledger would show one patient's withdrawal: powers of two, at least 64."""
    for count in (4708, 4707, 32, 0, -64, 96):
        body = PublishVersion("brain", 2, bytes(32), count)
        assert prepared.submit("east", "steward", body) == "exact_count"


# What was withdrawn


def test_a_withdrawn_version_goes_into_no_new_study(bed: Bed) -> None:
    assert bed.submit("east", "steward", WithdrawVersion("brain", 1)) == "ok"
    spec = replace(make_spec(bed.names), name="other")
    assert bed.submit("north", "scientist", ProposeStudy(spec)) == "version_withdrawn"
    pinned = bed.study.spec
    approve = ApproveStudy(STUDY, pinned.digest, START_MS + YEAR_MS)
    assert bed.submit("east", "steward", approve) == "version_withdrawn"
    assert bed.submit("north", "steward", approve) == "ok"


# Approving


def test_no_agent_trains_without_an_approval(bed: Bed) -> None:
    bed.approve("east", "north", "south")
    for _ in range(5):
        bed.step()
    assert bed.study.status == Status.PROPOSED
    assert [join.organisation for join in opening.joins(bed.state, STUDY)] == ["east", "north", "south"]
    assert "west" not in bed.trainers, "without an approval the data is not even read"
    join = JoinStudy(STUDY, WrappingKey.generate().public, bytes(32))
    assert bed.submit("west", "agent", join) == "not_approved"
    bed.approve("west")
    bed.run()
    assert bed.study.status == Status.FINISHED


def test_an_approval_binds_the_whole_specification_and_a_date(bed: Bed) -> None:
    spec = bed.study.spec
    right = ApproveStudy(STUDY, spec.digest, START_MS + YEAR_MS)
    assert bed.submit("east", "steward", replace(right, study="other")) == "no_such_study"
    assert bed.submit("east", "steward", replace(right, expires_ms=START_MS)) == "expired"
    assert bed.submit("east", "steward", replace(right, specification=b"")) == "wrong_specification"
    one_use = (replace(spec.uses[0], version=2), *spec.uses[1:])
    for name, other in {
        "purpose": "DUO:0000042", "code": bytes([1]) * 32, "rounds": 2, "uses": one_use, "training": b"other",
        "deadlines": replace(spec.deadlines, gate_ms=20_000), "rule": replace(spec.rule, learning_rate=1 << 15),
    }.items():  # fmt: skip
        read = replace(spec, **{name: other})
        assert bed.submit("east", "steward", replace(right, specification=read.digest)) == "wrong_specification"
    for role in ("scientist", "agent"):
        assert bed.submit("east", role, right) == "wrong_role"
    assert not approvals.approvals(bed.state, spec.digest)
    assert bed.submit("east", "steward", right) == "ok"


def test_an_approval_ends_at_its_date(bed: Bed) -> None:
    bed.approve("east", expires_ms=START_MS + 10_000)
    assert approvals.authorised(bed.state, "east", bed.study.spec.digest, START_MS + 10_000)
    assert not approvals.authorised(bed.state, "east", bed.study.spec.digest, START_MS + 10_001)
    bed.now_ms = START_MS + 20_000
    bed.step()
    assert not opening.joins(bed.state, STUDY)


def test_a_refusal_ends_a_study_that_has_not_opened(bed: Bed) -> None:
    bed.approve("east", "north", "south")
    bed.step()
    assert bed.submit("west", "steward", RefuseStudy(STUDY, "because I say so")) == "bad_reason"
    bed.require("west", "steward", RefuseStudy(STUDY, "ethics"))
    assert bed.study.status == Status.REFUSED
    bed.step()
    for name in ("east", "north", "south"):
        assert not list(bed.agent(name).store.all(f"{STUDY}/drawn", opening.Join)), "nothing is left of its secrets"
    assert bed.submit("west", "steward", RevokeApproval(STUDY)) == "not_approved"
    spec = bed.study.spec
    late = ApproveStudy(STUDY, spec.digest, START_MS + YEAR_MS)
    assert bed.submit("west", "steward", late) == "study_closed"


def test_a_study_that_cannot_agree_can_still_be_refused(bed: Bed) -> None:
    bed.approve()
    with bed.asleep("west"):
        bed.run(lambda: len(opening.joins(bed.state, STUDY)) == 3)
    bed.run(lambda: bed.study.status == Status.AGREEING)
    with bed.asleep("west"):
        for _ in range(5):
            bed.step()
    assert bed.study.status == Status.AGREEING
    bed.require("north", "steward", RefuseStudy(STUDY, "other"))
    assert bed.study.status == Status.REFUSED


# Opening


def test_who_is_no_participant_or_says_it_twice_is_refused(bed: Bed) -> None:
    bed.approve()
    key = WrappingKey.generate().public
    join = JoinStudy(STUDY, key, bytes(32))
    assert bed.submit("east", "steward", join) == "wrong_role"
    assert bed.submit("east", "agent", replace(join, seed_hash=b"")) == "bad_digest"
    for broken in (replace(key, mlkem=b""), replace(key, x25519=bytes(31)), replace(key, algorithm="rsa")):
        assert bed.submit("east", "agent", replace(join, kem=broken)) == "bad_key", "it would stop all others"
    assert bed.submit("east", "agent", join) == "ok"
    assert bed.submit("east", "agent", join) == "already_joined"
    assert bed.submit("east", "agent", AgreePairs(STUDY, (), bytes(32))) == "wrong_phase"


def test_an_opening_seed_must_be_the_one_that_was_bound(bed: Bed) -> None:
    bed.approve()
    bed.run(lambda: bed.study.status == Status.AGREEING)
    assert bed.submit("east", "agent", AgreePairs(STUDY, (), bytes(32))) == "wrong_seed"
    drawn = bed.agent("east").keys.drawn(STUDY, 4, bed.agent("east").random)
    assert bed.submit("east", "agent", AgreePairs(STUDY, (), drawn.opening_seed)) == "wrong_count"
    assert bed.submit("east", "scientist", ResumeStudy(STUDY)) == "not_paused"


def test_a_study_that_every_round_rejects_registers_its_first_model(tmp_path: Path) -> None:
    bed = Bed.found(tmp_path)
    bed.prepare(rounds_=1)
    bed.approve()
    for name in bed.names[:2]:
        bed.behave(name, AgentBehaviour.REJECT_ALWAYS)
    bed.run()
    model = models.model(bed.state, STUDY)
    assert model is not None
    assert (model.root, model.object, model.round) == (bed.study.spec.initial_root, b"", 0)
    bed.close()
