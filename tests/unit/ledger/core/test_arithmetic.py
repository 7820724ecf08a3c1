"""The integer arithmetic against an obvious twin in Python's unbounded integers."""

import json
from collections.abc import Iterator
from fractions import Fraction
from hashlib import sha256
from math import floor

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given, settings
from hypothesis import strategies as st

from hmchain.ledger.arithmetic import (
    CHUNK_COORDINATES,
    START_LIMIT,
    ChunkShapeError,
    Layer,
    LostPair,
    ModelRule,
    ModelRuleError,
    SumOutOfRangeError,
    Survivor,
    SurvivorsError,
    check_sum,
    mask_stream,
    padded,
    step_model,
    steps,
    steps_for_chunk,
    sum_limit,
    sum_masked,
    unmask,
    validate,
)
from hmchain.ledger.vectors import recompute_chunk
from support.paths import VECTORS

CASES = json.loads((VECTORS / "arithmetic.json").read_text())


def rule_of(**changes: object) -> ModelRule:
    fields: dict[str, object] = {
        "layers": (Layer(300, 1 << 30), Layer(7, 3 << 29), Layer(1000, 12345)),
        "momentum": 58982,
        "learning_rate": 65536,
        "participants": 10,
        "rounds": 1000,
    }
    return ModelRule(**(fields | changes))  # type: ignore[arg-type]


def half_up(value: Fraction) -> int:
    return floor(value + Fraction(1, 2))


def step_twin(model: int, momentum: int, total: int, weights: int, step: int, rule: ModelRule) -> tuple[int, int]:
    mean = half_up(Fraction(total * step, 256 * weights))
    momentum = half_up(Fraction(rule.momentum * momentum, 1 << 16)) + mean
    return model + half_up(Fraction(rule.learning_rate * momentum, 1 << 16)), momentum


def int64(value: int) -> np.ndarray:
    return np.array([value], np.int64)


def largest_step(**changes: object) -> int:
    """The largest step that `validate` lets through."""
    low, high = 1, 1 << 63
    while high - low > 1:
        middle = (low + high) // 2
        try:
            validate(rule_of(layers=(Layer(1, middle),), **changes))
            low = middle
        except ModelRuleError:
            high = middle
    return low


# Model step


@given(
    model=st.integers(-START_LIMIT, START_LIMIT),
    momentum=st.integers(-(1 << 40), 1 << 40),
    share=st.integers(-(1 << 20), 1 << 20),
    weights=st.integers(1, 10 * 256),
    step=st.integers(1, 1 << 31),
    beta=st.integers(0, 60000),
    rate=st.integers(1, 1 << 17),
)
def test_step_is_exact(model: int, momentum: int, share: int, weights: int, step: int, beta: int, rate: int) -> None:
    rule = rule_of(layers=(Layer(1, step),), momentum=beta, learning_rate=rate)
    validate(rule)
    total = sum_limit(rule, weights) * share >> 20
    got = step_model(int64(model), int64(momentum), np.array([total], np.int32), weights, int64(step), rule)
    assert (int(got[0][0]), int(got[1][0])) == step_twin(model, momentum, total, weights, step, rule)


def test_rounds_half_up_on_both_sides_of_zero() -> None:
    rule = rule_of(momentum=0)
    totals = np.array([-3, -2, -1, 0, 1, 2, 3], np.int32)  # step over 256 weights = one half
    zero = np.zeros(7, np.int64)
    model, _ = step_model(zero, zero, totals, 1, np.full(7, 128, np.int64), rule)
    assert model.tolist() == [-1, -1, 0, 0, 1, 1, 2]


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"momentum": 0},
        {"momentum": 65000},
        {"momentum": 65535},
        {"learning_rate": 1 << 20},
        {"participants": 32, "bits": 20},
        {"participants": 32, "bits": 24},
        {"participants": 2, "bits": 2},
        {"rounds": 1 << 24},
    ],
)
def test_the_largest_rule_that_validates_never_overflows(changes: dict[str, object], sign: int) -> None:
    step = largest_step(**changes)
    rule = rule_of(layers=(Layer(1, step),), **changes)
    weights = 256 * rule.participants
    total = sign * sum_limit(rule, weights)
    model, momentum = sign * (START_LIMIT - 1), 0
    got_model, got_momentum = int64(model), int64(momentum)
    for _ in range(min(rule.rounds, 200)):
        got_model, got_momentum = step_model(
            got_model, got_momentum, np.array([total], np.int32), weights, int64(step), rule
        )
        model, momentum = step_twin(model, momentum, total, weights, step, rule)
        assert (int(got_model[0]), int(got_momentum[0])) == (model, momentum)


def test_a_mean_in_range_never_exceeds_the_layers_range() -> None:
    rule = rule_of(momentum=0)
    span = rule.quantum << 30 >> 16  # R with 32 fraction bits
    for weights in (1, 2, 257, 2560):
        total = np.array([sum_limit(rule, weights)], np.int32)
        model, _ = step_model(int64(0), int64(0), total, weights, int64(1 << 30), rule)
        assert int(model[0]) <= span + 1


@pytest.mark.parametrize(
    ("changes", "bound"),
    [
        ({"layers": ()}, "layers"),
        ({"layers": (Layer(0, 5),)}, "layers"),
        ({"bits": 1}, "bits"),
        ({"bits": 25}, "bits"),
        ({"participants": 33}, "participants"),
        ({"participants": 0}, "participants"),
        ({"rounds": 0}, "rounds"),
        ({"learning_rate": 0}, "learning rate"),
        ({"momentum": 65536}, "momentum factor"),
        ({"layers": (Layer(1, 1 << 42),)}, "mean"),
        ({"layers": (Layer(1, 1 << 35),), "momentum": 65535}, "momentum"),
        ({"learning_rate": 1 << 30}, "momentum"),
        ({"rounds": 1 << 40}, "model"),
    ],
)
def test_validate_names_the_bound(changes: dict[str, object], bound: str) -> None:
    with pytest.raises(ModelRuleError, match=f"bound: .*{bound}"):
        validate(rule_of(**changes))


# Sum and range


def test_overflow_by_weights() -> None:
    """protocol-attacks, learning round: weights times quantised values would wrap; weighted before, they cannot."""
    rule = rule_of(participants=32, bits=24)
    validate(rule)
    assert sum_limit(rule, 32 * 256) < 1 << 31
    with pytest.raises(SurvivorsError, match="weight 4708"):
        recompute_chunk(0, [bytes(1024)], bytes(4096), [Survivor(0, 4708, bytes(32))], rule)


@given(st.lists(st.integers(1, 256), min_size=1, max_size=32))
def test_honest_updates_stay_within_the_limit(weights: list[int]) -> None:
    rule = rule_of(participants=32)
    assert sum(rule.quantum * weight // 256 for weight in weights) <= sum_limit(rule, sum(weights))


def test_range_check_names_the_first_coordinate() -> None:
    total = np.zeros(512, np.int32)
    total[[3, 300]] = 1000, -1000
    check_sum(total, 1000)
    total[[300, 400]] = -1001, 1001
    with pytest.raises(SumOutOfRangeError) as caught:
        check_sum(total, 1000, chunk_first=2)
    assert caught.value.coordinate == 2 * CHUNK_COORDINATES + 300
    with pytest.raises(SumOutOfRangeError):
        check_sum(np.array([-(1 << 31)], np.int32), (1 << 31) - 1)


def test_sum_masked_leaves_its_input() -> None:
    first, second = np.array([1 << 31, 7], np.uint32), np.array([1 << 31, 8], np.uint32)
    assert sum_masked([first, second]).tolist() == [0, 15]
    assert first.tolist() == [1 << 31, 7]


# Masks


def test_mask_stream_is_aes_of_a_counter() -> None:
    """NIST SP 800-38A, 6.5, with the counter from zero: each 16 bytes are the AES of their number."""
    seed = bytes(range(32))
    aes = Cipher(algorithms.AES256(seed), modes.ECB()).encryptor()
    stream = b"".join(aes.update(block.to_bytes(16, "big")) for block in range(3 * 64))
    assert mask_stream(seed, 0, 3).tolist() == np.frombuffer(stream, "<u4").tolist()


@settings(max_examples=20)
@given(st.integers(0, 1 << 40), st.integers(1, 5))
def test_any_chunk_of_a_mask_is_made_alone(first: int, count: int) -> None:
    seed = sha256(b"seed").digest()
    whole = mask_stream(seed, first, count)
    alone = [mask_stream(seed, first + k, 1) for k in range(count)]
    assert np.array_equal(whole, np.concatenate(alone))


def test_unmask_takes_off_self_masks_and_lost_pairs() -> None:
    seeds = {name: sha256(name.encode()).digest() for name in ("self 1", "self 3", "pair 02", "pair 12", "pair 23")}
    mask = {name: mask_stream(seed, 5, 2) for name, seed in seeds.items()}
    plain = np.arange(-256, 256, dtype=np.int32)
    masked = plain.view(np.uint32) + mask["self 1"] + mask["self 3"] + mask["pair 12"] - mask["pair 23"]
    survivors = [
        Survivor(1, 256, seeds["self 1"], (LostPair(2, seeds["pair 12"]),)),
        Survivor(3, 256, seeds["self 3"], (LostPair(2, seeds["pair 23"]),)),
    ]
    assert np.array_equal(unmask(masked, survivors, 5), plain)


# Chunks


@given(st.lists(st.integers(1, 700), min_size=1, max_size=12))
def test_steps_of_a_chunk_need_no_whole_vector(sizes: list[int]) -> None:
    rule = rule_of(layers=tuple(Layer(size, 1000 + place) for place, size in enumerate(sizes)))
    whole = padded(np.repeat([layer.step for layer in rule.layers], sizes))
    assert len(whole) == rule.padded_size
    assert np.array_equal(steps(rule, 0, rule.padded_size), whole)
    for chunk in range(rule.chunks):
        part = whole[chunk * CHUNK_COORDINATES : (chunk + 1) * CHUNK_COORDINATES]
        assert np.array_equal(steps_for_chunk(rule, chunk), part)


def bad_judgements() -> Iterator[tuple[str, type[Exception], dict[str, object]]]:
    good = Survivor(0, 256, bytes(32))
    yield "chunk beyond the end", ChunkShapeError, {"chunk": 6}
    yield "negative chunk", ChunkShapeError, {"chunk": -1}
    yield "a leaf too few", ChunkShapeError, {"masked": []}
    yield "short leaf", ChunkShapeError, {"masked": [bytes(1023)]}
    yield "long base", ChunkShapeError, {"base_model": bytes(4097)}
    yield "nobody", SurvivorsError, {"masked": [], "survivors": []}
    yield "twice", SurvivorsError, {"masked": [bytes(1024)] * 2, "survivors": [good, good]}
    yield "weight zero", SurvivorsError, {"survivors": [Survivor(0, 0, bytes(32))]}
    yield "short seed", SurvivorsError, {"survivors": [Survivor(0, 1, bytes(31))]}
    yield "short pair seed", SurvivorsError, {"survivors": [Survivor(0, 1, bytes(32), (LostPair(1, b""),))]}
    pair = LostPair(0, bytes(32))
    yield "pair with a survivor", SurvivorsError, {"survivors": [Survivor(0, 1, bytes(32), (pair,))]}
    pair = LostPair(1, bytes(32))
    yield "one pair twice", SurvivorsError, {"survivors": [Survivor(0, 1, bytes(32), (pair, pair))]}


@pytest.mark.parametrize(("error", "changes"), [case[1:] for case in bad_judgements()], ids=lambda case: str(case)[:40])
def test_the_judge_refuses_malformed_evidence(error: type[Exception], changes: dict[str, object]) -> None:
    good: dict[str, object] = {
        "chunk": 0,
        "masked": [bytes(1024)],
        "base_model": bytes(4096),
        "survivors": [Survivor(0, 256, bytes(32))],
        "rule": rule_of(),
    }
    with pytest.raises(error):
        recompute_chunk(**(good | changes))  # type: ignore[arg-type]


# Vectors: fixed results that another implementation can check itself against


@pytest.mark.parametrize("vector", CASES["mask_stream"], ids=lambda vector: vector["name"])
def test_vector_mask_stream(vector: dict) -> None:
    stream = mask_stream(bytes.fromhex(vector["seed"]), vector["chunk_first"], vector["chunk_count"])
    assert stream[:4].tolist() == vector["first_words"]
    assert sha256(stream.astype("<u4").tobytes()).hexdigest() == vector["sha256"]


@pytest.mark.parametrize("vector", CASES["step_model"], ids=lambda vector: vector["name"])
def test_vector_step_model(vector: dict) -> None:
    rule = rule_of(momentum=vector["momentum_factor"], learning_rate=vector["learning_rate"])
    arrays = [np.array(vector[name], np.int64) for name in ("model", "momentum", "total", "step")]
    model, momentum = step_model(arrays[0], arrays[1], arrays[2].astype(np.int32), vector["weights"], arrays[3], rule)
    assert (model.tolist(), momentum.tolist()) == (vector["model_after"], vector["momentum_after"])


@pytest.mark.parametrize("vector", CASES["recompute_chunk"], ids=lambda vector: vector["name"])
def test_vector_recompute_chunk(vector: dict) -> None:
    rule = rule_of(
        layers=tuple(Layer(*layer) for layer in vector["layers"]),
        momentum=vector["momentum_factor"],
        participants=vector["participants"],
        bits=vector["bits"],
    )
    survivors = [
        Survivor(
            entry["order"],
            entry["weight"],
            bytes.fromhex(entry["self_seed"]),
            tuple(LostPair(order, bytes.fromhex(seed)) for order, seed in entry["lost"]),
        )
        for entry in vector["survivors"]
    ]
    masked = [bytes.fromhex(leaf) for leaf in vector["masked"]]
    base = bytes.fromhex(vector["base_model"])
    if vector.get("bad"):
        with pytest.raises(SumOutOfRangeError) as caught:
            recompute_chunk(vector["chunk"], masked, base, survivors, rule)
        assert caught.value.coordinate == vector["coordinate"]
        return
    leaves = recompute_chunk(vector["chunk"], masked, base, survivors, rule)
    digests = {name: sha256(getattr(leaves, name)).hexdigest() for name in ("masked_sum", "sum", "model", "weights")}
    assert digests == vector["leaves_sha256"]
