"""Attacks by and against the master (protocol-attacks.md, "Learning round"; design section 6.5 and 6.6)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from hmchain import blake3_tree
from hmchain.application.agent import contents, exchange
from hmchain.application.agent.faults import AgentBehaviour
from hmchain.application.agent.kept import RoundingSecret
from hmchain.application.agent.phases import dispute
from hmchain.application.learning.aggregation import Aggregate, Part
from hmchain.application.learning.quantise import quantise
from hmchain.canonical import encode
from hmchain.keys import SecretKey, SigningKey
from hmchain.ledger import arithmetic, contracts, vectors
from hmchain.ledger.context import AGENT, Context, Credential
from hmchain.ledger.contracts.learning import models, studies
from hmchain.ledger.contracts.learning.disputes import DisputeChunk, Leaf
from hmchain.ledger.contracts.learning.participation import Confirm, PostAggregate
from hmchain.ledger.contracts.learning.rounds import Phase, Posted
from hmchain.ledger.contracts.learning.studies import Status
from hmchain.ledger.contracts.members import membership, standings
from hmchain.ledger.transactions import TRANSACTION_BYTES_MAX, Refusal, sign
from hmchain.ledger.vectors import PARTS
from hmchain.records.envelope import seal
from hmchain.records.objects import ObjectStore, TamperedObjectError
from support.study_bed import STUDY, Bed, initial


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[Bed]:
    bed = Bed.found(tmp_path / "run")
    bed.prepare(rounds_=2)
    bed.approve()
    yield bed
    bed.close()


def honest_root(tmp_path: Path, rounds_: int = 2) -> bytes:
    """Root of the final model of the same study without an attacker."""
    bed = Bed.found(tmp_path / "honest")
    bed.prepare(rounds_=rounds_)
    bed.approve()
    bed.run()
    model = models.model(bed.state, STUDY)
    bed.close()
    assert model is not None
    return model.root


def final_root(bed: Bed) -> bytes:
    model = models.model(bed.state, STUDY)
    assert model is not None
    return model.root


@pytest.mark.parametrize(
    ("behaviour", "which"),
    [
        (AgentBehaviour.FORGE_SUM, "sum"),
        (AgentBehaviour.FORGE_MODEL, "model"),
        (AgentBehaviour.FORGE_WEIGHTS, "weights"),
    ],
)
def test_forged_sum_master_is_a_participant(bed: Bed, tmp_path: Path, behaviour: AgentBehaviour, which: str) -> None:
    """Also: master publishes another model beside a right sum, or other weights beside a right model."""
    bed.until(1, Phase.AGGREGATE)
    liar, before = bed.round.master, bed.contributions()
    bed.behave(liar, behaviour)
    bed.run(lambda: bed.round.phase == Phase.GATE_COMMIT)

    fraud = bed.kinds("round.fraud")
    assert [(keys[1], keys[2], keys[4]) for keys in fraud] == [("1", liar, which)]
    assert bed.kinds("round.takeover") == [("round.takeover", "1", bed.round.master)] and bed.round.master != liar
    # The same round and attempt over the same frozen set, digests, objects and seeds: nothing was sent twice.
    assert bed.round.attempt == 0 and bed.contributions() == before
    assert not standings.may_lead(bed.state, liar)
    opened = [ballot.action for _, ballot in membership.ballots(bed.state)]
    assert opened == [membership.Remove(liar)]

    bed.behave(liar, AgentBehaviour.HONEST)
    bed.run()
    assert final_root(bed) == honest_root(tmp_path)
    assert bed.at(2).master != liar


def test_a_barred_master_never_leads_again(bed: Bed) -> None:
    bed.until(0, Phase.AGGREGATE)
    liar = bed.round.master
    bed.behave(liar, AgentBehaviour.FORGE_SUM)
    bed.run()
    assert bed.study.status == Status.FINISHED
    assert all(bed.at(number).master != liar for number in range(3))
    assert liar in bed.at(1).ranking, "drawn before the proof, and passed over all the same"


def test_a_master_that_stores_nothing_under_the_right_roots_delays_nobody(bed: Bed, tmp_path: Path) -> None:
    """Verifiers have the very object and store it: once everyone restarted, they start from it."""
    bed.until(1, Phase.AGGREGATE)
    hider = bed.round.master
    bed.behave(hider, AgentBehaviour.HIDE_AGGREGATE)
    bed.run(lambda: bed.round.number == 2)
    assert bed.at(1).master == hider and not bed.at(1).copies and not bed.kinds("round.fraud")
    assert standings.may_lead(bed.state, hider)
    bed.behave(hider, AgentBehaviour.HONEST)
    bed.reopen()
    bed.run()
    assert final_root(bed) == honest_root(tmp_path)


def test_right_roots_over_a_damaged_object_are_confirmed_once_it_is_whole(bed: Bed) -> None:
    """A master that can write to the store itself puts other bytes of the same size under the right name."""
    bed.until(1, Phase.VERIFY)
    posted = bed.round.posted
    assert posted is not None
    path = bed.consortium.directory / "objects" / posted.object.hex()[:2] / posted.object.hex()
    path.write_bytes(bytes(path.stat().st_size))
    with pytest.raises(TamperedObjectError):
        bed.consortium.objects.get(posted.object)
    bed.run(lambda: bed.round.phase == Phase.GATE_COMMIT)
    assert bed.consortium.objects.get(posted.object) and not bed.round.copies
    bed.run()
    assert bed.study.status == Status.FINISHED and not bed.kinds("round.takeover")


def test_verifiers_fetch_the_model_only_where_its_object_is_not_their_own(
    bed: Bed, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[bytes] = []
    get = ObjectStore.get

    def noted(store: ObjectStore, address: bytes, *, size: int | None = None) -> bytes:
        fetched.append(address)
        return get(store, address, size=size)

    monkeypatch.setattr(ObjectStore, "get", noted)
    bed.until(2, Phase.COMMIT)
    assert bed.at(1).posted.object not in fetched and bed.at(1).posted.evidence not in fetched
    bed.until(2, Phase.AGGREGATE)
    with monkeypatch.context() as patched:
        patched.setattr(
            contents, "seal_model", lambda result, key, context, **_: seal(result.data(Part.MODEL), key, context)
        )
        bed.until(2, Phase.VERIFY)
    bed.run()
    assert bed.study.status == Status.FINISHED
    assert bed.at(2).posted.object in fetched and not bed.at(2).copies, "a sealing of its own is as good"


def test_a_master_cannot_confirm_itself_nor_others_other_roots(bed: Bed) -> None:
    bed.until(1, Phase.VERIFY)
    entry = bed.round
    posted = entry.posted
    assert posted is not None
    right = Confirm(
        STUDY, 1, 0, posted.masked_root, posted.sum_root, posted.model_root, posted.weights_root, posted.object
    )
    other = next(name for name in bed.names if name != posted.master)
    assert bed.submit(posted.master, "agent", right) == "own_aggregate"
    for name in ("masked_root", "sum_root", "model_root", "weights_root"):
        assert bed.submit(other, "agent", replace(right, **{name: bytes(32)})) == "roots_differ"
    assert bed.submit(other, "agent", right) == "ok"
    assert bed.submit(other, "agent", right) == "already_confirmed"
    assert bed.round.phase == Phase.VERIFY, "one confirmation is not f + 1"


def test_only_the_master_posts(bed: Bed) -> None:
    bed.until(1, Phase.AGGREGATE)
    usurper = next(name for name in bed.names if name != bed.round.master)
    roots = [bytes([i]) * 32 for i in range(6)]
    assert bed.submit(usurper, "agent", PostAggregate(STUDY, 1, 0, Posted(usurper, *roots))) == "not_the_master"
    named = Posted(bed.round.master, *roots)
    assert bed.submit(usurper, "agent", PostAggregate(STUDY, 1, 0, named)) == "not_the_master"


# Framing the master


@pytest.fixture(scope="module")
def posted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Bed, DisputeChunk]]:
    """An honest master's post, and a proof that is right in every path but accuses nothing wrong."""
    bed = Bed.found(tmp_path_factory.mktemp("framing"))
    bed.prepare(rounds_=1)
    bed.approve()
    bed.until(1, Phase.VERIFY)
    yield bed, honest_proof(bed, 1, Part.SUM)
    bed.close()


def honest_proof(bed: Bed, chunk: int, part: Part) -> DisputeChunk:
    desk = bed.desk(bed.names[0])
    base, result = dispute.proof(desk, chunk, None), desk.result()
    assert isinstance(result, Aggregate)
    data, size = result.data(part), PARTS[part].leaf_bytes
    path = blake3_tree.path(data, chunk, PARTS[part])
    leaf = Leaf(bytes(data[chunk * size : (chunk + 1) * size]), tuple(path))
    return replace(base, which=part.value, posted=leaf)


def judged(bed: Bed, body: DisputeChunk) -> str:
    """What the state machine says to a dispute of north's agent; nothing of it stays."""
    state, mark = bed.state, bed.state.savepoint()
    context = Context(state, bed.consortium.ledger.chain_id, state.height + 1, bed.now_ms, Credential("north", AGENT))
    try:
        contracts.apply(context, body)
    except Refusal as refusal:
        return refusal.code
    finally:
        state.rollback(mark)
    return "ok"


REFUSED_PROOFS = {"bad_path", "bad_proof", "not_wrong", "wrong_count"}


@pytest.mark.parametrize("part", list(Part))
def test_framing_the_master_with_its_own_right_leaf(posted: tuple[Bed, DisputeChunk], part: Part) -> None:
    bed, _ = posted
    for chunk in range(3):
        assert judged(bed, honest_proof(bed, chunk, part)) == "not_wrong"
    assert bed.round.phase == Phase.VERIFY and standings.may_lead(bed.state, bed.round.master)


def _flip(data: bytes, place: int) -> bytes:
    place %= 8 * max(1, len(data))
    return bytes(byte ^ (1 << place % 8 if i == place // 8 else 0) for i, byte in enumerate(data)) or b"\1"


def _mutated(proof: DisputeChunk, draw: st.DataObject) -> DisputeChunk:
    place = draw.draw(st.integers(0, 1 << 20))
    which = draw.draw(st.integers(0, len(proof.masked) - 1))

    def leaf(old: Leaf) -> Leaf:
        kind = draw.draw(st.sampled_from(["data", "path", "shorter", "longer", "cut", "empty"]))
        if kind == "data":
            return Leaf(_flip(old.data, place), old.path)
        if kind == "path":
            at = place % len(old.path)
            return Leaf(old.data, tuple(_flip(h, place // 7) if i == at else h for i, h in enumerate(old.path)))
        if kind == "cut":
            return Leaf(old.data[: place % len(old.data)], old.path)
        return {
            "shorter": Leaf(old.data, old.path[1:]),
            "longer": Leaf(old.data, (*old.path, bytes(32))),
            "empty": Leaf(b"", ()),
        }[kind]

    kind = draw.draw(st.sampled_from(["masked", "base", "posted", "chunk", "which", "swap", "drop", "repeat"]))
    masked = list(proof.masked)
    if kind == "masked":
        masked[which] = leaf(masked[which])
    elif kind == "swap":
        masked[which], masked[which - 1] = masked[which - 1], masked[which]
    elif kind == "drop":
        del masked[which]
    elif kind == "repeat":
        masked.append(masked[which])
    changes: dict[str, object] = {"masked": tuple(masked)}
    if kind == "base":
        changes["base"] = leaf(proof.base)
    elif kind == "posted":
        changes["posted"] = leaf(proof.posted)
    elif kind == "chunk":
        changes["chunk"] = draw.draw(st.integers(-(1 << 63), (1 << 63) - 1).filter(lambda n: n != proof.chunk))
    elif kind == "which":
        changes["which"] = draw.draw(st.sampled_from(["masked_sum", "model", "", "seed"]))
    return replace(proof, **changes)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_framing_the_master_with_any_mutated_proof(posted: tuple[Bed, DisputeChunk], data: st.DataObject) -> None:
    """An honest master cannot be framed with a wrong leaf, path, base or chunk."""
    bed, proof = posted
    assert judged(bed, _mutated(proof, data)) in REFUSED_PROOFS
    assert bed.round.phase == Phase.VERIFY and standings.may_lead(bed.state, bed.round.master)


def test_nobody_is_accused_before_anything_is_posted(tmp_path: Path) -> None:
    bed = Bed.found(tmp_path)
    bed.prepare(rounds_=1)
    bed.approve()
    bed.until(1, Phase.AGGREGATE)
    proof = dispute.proof(bed.desk("east"), 0, None)
    assert judged(bed, proof) == "nothing_posted"
    assert bed.submit("east", "agent", replace(proof, round=0)) == "wrong_round"
    bed.close()


def test_a_dispute_that_proves_nothing_is_its_authors_last_in_the_attempt(bed: Bed) -> None:
    """Each costs every validator tens of milliseconds: what shows without judging costs nobody its turn."""
    bed.until(1, Phase.AGGREGATE)
    first = bed.round.master
    bed.behave(first, AgentBehaviour.FORGE_SUM)
    bed.run(lambda: bed.round.phase == Phase.VERIFY)
    idle, other = [name for name in bed.names if name != first][:2]
    proof = honest_proof(bed, 1, Part.SUM)  # of the right sum, which is not what was posted
    cheap = {"wrong_master": {"rank": 1}, "bad_proof": {"chunk": 3}, "wrong_count": {"masked": ()}}
    for code, changes in cheap.items():
        assert bed.submit(idle, "agent", replace(proof, **changes)) == code
    assert bed.submit(idle, "agent", proof) == "bad_path"
    assert bed.submit(idle, "agent", proof) == "dispute_spent"
    bed.reopen()
    assert bed.submit(idle, "agent", proof) == "dispute_spent", "the refusal is part of the state"
    assert bed.submit(other, "agent", proof) == "bad_path", "each has a turn of its own"
    with bed.asleep(idle, other):
        bed.run(lambda: bool(bed.kinds("round.fraud")))
    assert bed.kinds("round.fraud")[0][2] == first
    second = bed.round.master
    assert bed.round.rank == 1 and bed.submit(second, "agent", proof) == "wrong_master"


# An impossible sum


def test_overflow_by_garbage_is_detected_and_nobody_is_blamed(bed: Bed) -> None:
    bed.until(1, Phase.COMMIT)
    bed.behave("south", AgentBehaviour.GARBAGE_UPDATE)
    scores = {name: standings.standing(bed.state, name) for name in bed.names}
    bed.run()
    assert bed.study.status == Status.PAUSED
    assert bed.kinds("round.void") == [("round.void", "1", "impossible_sum")] * 2
    assert len(bed.kinds("round.impossible_sum")) == 2
    assert bed.kinds("round.fraud", "standing.barred", "ballot") == []
    assert scores == {name: standings.standing(bed.state, name) for name in bed.names}


def test_garbage_is_told_even_if_the_master_keeps_silent_about_it(bed: Bed) -> None:
    bed.until(1, Phase.COMMIT)
    bed.behave("south", AgentBehaviour.GARBAGE_UPDATE)
    bed.run(lambda: bed.round.phase == Phase.AGGREGATE and bed.round.number == 1)
    with bed.asleep(bed.round.master):
        bed.run(lambda: bed.round.attempt == 1)
    assert bed.kinds("round.impossible_sum") and not bed.kinds("round.takeover")


def test_a_possible_sum_cannot_be_called_impossible(posted: tuple[Bed, DisputeChunk]) -> None:
    bed, proof = posted
    empty = replace(proof, posted=Leaf(b"", ()))
    assert judged(bed, empty) == "bad_path"
    assert bed.round.attempt == 0


# Size


def test_a_proof_for_32_hospitals_and_the_largest_model_fits_a_transaction() -> None:
    participants, levels = arithmetic.PARTICIPANTS_MAX, (studies.CHUNKS_MAX - 1).bit_length()
    path = tuple(bytes(32) for _ in range(levels))
    masked = tuple(Leaf(bytes(vectors.UPDATE.leaf_bytes), path) for _ in range(participants))
    model = Leaf(bytes(vectors.MODEL.leaf_bytes), path)
    body = DisputeChunk("s" * 48, 10_000, 99, 31, studies.CHUNKS_MAX - 1, masked, model, Part.MODEL.value, model)
    wire = sign(SigningKey(bytes(32)), "c" * 48, encode(body), bytes(16), 1 << 62)
    assert len(wire) <= TRANSACTION_BYTES_MAX
    assert studies.CHUNKS_MAX * arithmetic.CHUNK_COORDINATES > 250_000_000


# Exactness


def quantised(bed: Bed, name: str, number: int, start: np.ndarray) -> np.ndarray:
    """What a hospital put under its masks, made again from its own secrets."""
    secret = bed.agent(name).store.get("rounding", RoundingSecret)
    entry = bed.at(number)
    place = (STUDY.encode(), number.to_bytes(8, "big"), entry.attempt.to_bytes(8, "big"))
    coins = SecretKey(secret.raw).derive("rounding", *place).raw
    fitted = start + bed.trainers[name].delta(number - 1, len(start))
    spec = bed.study.spec
    return quantise(fitted - start, spec.rule, spec.clip_norm_millionths / 1e6, bed.study.weight(name), coins)[0]


def twin(bed: Bed) -> tuple[list[int], list[int]]:
    """The final model by plain integers, coordinate by coordinate: no masks, no blocks, no ledger."""
    rule = bed.study.spec.rule
    step_of = [layer.step for layer in rule.layers for _ in range(layer.size)]
    model = [round(float(w) * 2**32) for w in initial()]
    momentum = [0] * len(model)
    for number in range(1, bed.study.spec.rounds + 1):
        start = np.array([np.float32(value / 2**32) for value in model], np.float32)
        survivors = bed.at(number).frozen
        updates = [quantised(bed, name, number, start).tolist() for name in survivors]
        divisor = 256 * sum(bed.study.weight(name) for name in survivors)
        for i, step in enumerate(step_of):
            mean = (sum(update[i] for update in updates) * step + divisor // 2) // divisor
            momentum[i] = (momentum[i] * rule.momentum + 2**15) // 2**16 + mean
            model[i] += (momentum[i] * rule.learning_rate + 2**15) // 2**16
    return model, momentum


@pytest.mark.parametrize("dropped", [(), ("north",)], ids=["all survive", "one drops out"])
def test_the_model_is_the_plain_integer_sum_bit_for_bit(tmp_path: Path, dropped: tuple[str, ...]) -> None:
    bed = Bed.found(tmp_path, counts={"east": 4096, "west": 64})
    bed.prepare(rounds_=3)
    bed.approve()
    bed.until(2, Phase.COMMIT)
    with bed.asleep(*dropped):
        bed.run(lambda: bed.round.number == 3)
    assert bed.at(2).frozen == tuple(name for name in bed.names if name not in dropped)
    bed.run()
    registered = models.model(bed.state, STUDY)
    assert registered is not None
    key = bed.agent("east").study_key(STUDY)
    opened = exchange.Exchange(bed.consortium.objects, None).open_bytes(
        registered.object, key, contents.model_context(STUDY, registered.round), bed.study.spec.rule
    )
    model, momentum = contents.model_of(opened, bed.study.spec.rule, registered.root)
    size = bed.study.spec.rule.size
    assert (model[:size].tolist(), momentum[:size].tolist()) == twin(bed)
    assert not model[size:].any() and len(set(bed.study.progress.weights)) > 1
    bed.close()
