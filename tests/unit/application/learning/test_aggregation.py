"""A whole round of arithmetic: what masters post, what verifiers prove, what nobody can be framed with."""

import itertools
import weakref
from collections.abc import Iterator, Sequence
from functools import cache
from hashlib import sha256

import numpy as np
import pytest
from msgspec.structs import replace

from hmchain import blake3_tree
from hmchain.application.learning.aggregation import (
    Aggregate,
    AggregationError,
    Fraud,
    Part,
    Roots,
    Withheld,
    aggregate,
    find_fraud,
    first_difference,
)
from hmchain.application.learning.masking import BLOCK_COORDINATES, MaskSeeds, mask_update
from hmchain.ledger.arithmetic import (
    Layer,
    LostPair,
    ModelRule,
    SumOutOfRangeError,
    Survivor,
    step_model,
    steps,
    validate,
)
from hmchain.ledger.vectors import (
    PARTS,
    ChunkLeaves,
    masked_sum_root,
    model_bytes,
    model_root,
    recompute_chunk,
    sum_root,
    vector_bytes,
    weights_root,
)

N = 4
WEIGHTS = [256, 200, 131, 7]
RULE = ModelRule((Layer(1000, 1 << 30), Layer(70, 1 << 28)), 58982, 65536, N, 100)
validate(RULE)


def seed(*name: object) -> bytes:
    return sha256(repr(name).encode()).digest()


def pair_seed(one: int, other: int) -> bytes:
    return seed("pair", *sorted((one, other)))


@cache
def update(order: int, size: int = RULE.size) -> np.ndarray:
    limit = RULE.quantum * WEIGHTS[order] // 256
    return np.random.default_rng(order).integers(-limit, limit + 1, size, dtype=np.int32)


def masked(order: int, values: np.ndarray | None = None) -> np.ndarray:
    pairs = {other: pair_seed(order, other) for other in range(N) if other != order}
    return mask_update(update(order) if values is None else values, MaskSeeds(order, seed("self", order), pairs))


def frozen(orders: tuple[int, ...] = (0, 1, 2, 3)) -> list[Survivor]:
    lost = [order for order in range(N) if order not in orders]
    return [Survivor(i, WEIGHTS[i], seed("self", i), tuple(LostPair(j, pair_seed(i, j)) for j in lost)) for i in orders]


def base(size: int = RULE.size) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(99)
    return rng.integers(-(1 << 33), 1 << 33, size), rng.integers(-(1 << 30), 1 << 30, size)


def honest(orders: tuple[int, ...] = (0, 1, 2, 3)) -> Aggregate:
    return aggregate((masked(order) for order in orders), frozen(orders), *base(), RULE)


def chunk_of(vector: np.ndarray, chunk: int) -> bytes:
    return bytes(vector_bytes(vector)[1024 * chunk : 1024 * chunk + 1024])


def judge(chunk: int, orders: tuple[int, ...] = (0, 1, 2, 3)) -> ChunkLeaves:
    leaves = [chunk_of(masked(order), chunk) for order in orders]
    where = slice(256 * chunk, 256 * chunk + 256)
    model, momentum = (np.pad(vector, (0, RULE.padded_size - RULE.size))[where] for vector in base())
    return recompute_chunk(chunk, leaves, bytes(model_bytes(model, momentum)), frozen(orders), RULE)


def posted(vectors: Aggregate) -> tuple[Roots, dict[Part, bytes]]:
    return vectors.roots, {part: bytes(vectors.data(part)) for part in Part}


@pytest.mark.parametrize("orders", [c for k in (1, 2, 3, 4) for c in itertools.combinations(range(N), k)])
def test_any_frozen_set_sums_exactly(orders: tuple[int, ...]) -> None:
    result = honest(orders)
    total = sum(update(order).astype(np.int64) for order in orders)
    assert np.array_equal(result.sum[: RULE.size], total)
    assert not result.sum[RULE.size :].any()
    weights = sum(WEIGHTS[order] for order in orders)
    model, momentum = step_model(*base(), total.astype(np.int32), weights, steps(RULE, 0, RULE.size), RULE)
    assert np.array_equal(result.model[: RULE.size], model)
    assert np.array_equal(result.momentum[: RULE.size], momentum)
    assert not result.model[RULE.size :].any()


def test_roots_are_those_of_the_state_machine() -> None:
    result = honest()
    expected = Roots(
        masked_sum_root(result.masked_sum),
        sum_root(result.sum),
        model_root(result.model, result.momentum),
        weights_root(result.model),
    )
    assert result.roots == expected
    assert np.array_equal(result.weights, np.ldexp(result.model.astype(np.float32), -32))


def test_framing_the_master_by_committee_vote() -> None:
    """protocol-attacks, learning round: no vote blames; the judge recomputes each chunk just as the master did."""
    for orders in ((0, 1, 2, 3), (0, 2, 3)):
        result = honest(orders)
        for chunk in range(RULE.chunks):
            leaves = judge(chunk, orders)
            for part in Part:
                path = blake3_tree.path(result.data(part), chunk, PARTS[part])
                assert holds(getattr(leaves, part), chunk, path, result.roots.of(part), part)
        assert find_fraud(result, result.roots, lambda part: pytest.fail("nothing to fetch")) is None


def test_honest_master_slashed_by_a_last_float_bit() -> None:
    """protocol-attacks, learning round: order of objects and of blocks cannot change a bit, for there is no float."""
    assert aggregate([masked(i) for i in (3, 1, 0, 2)], frozen(), *base(), RULE).roots == honest().roots


def test_blocks_meet_without_a_seam() -> None:
    size = 2 * BLOCK_COORDINATES + 300
    rule = ModelRule(
        (Layer(BLOCK_COORDINATES + 17, 1 << 30), Layer(size - BLOCK_COORDINATES - 17, 1 << 20)), 0, 65536, N, 9
    )
    values = {order: update(order, size) for order in (1, 2)}
    zero = np.zeros(size, np.int64)
    result = aggregate((masked(order, values[order]) for order in (1, 2)), frozen((1, 2)), zero, zero, rule)
    assert np.array_equal(result.sum[:size], values[1] + values[2])
    model, _ = step_model(zero, zero, values[1] + values[2], 331, steps(rule, 0, size), rule)
    assert np.array_equal(result.model[:size], model)


def holds(leaf: bytes, chunk: int, path: Sequence[bytes], root: bytes, part: Part) -> bool:
    return blake3_tree.verify([leaf], chunk, RULE.chunks, [path], [root], PARTS[part])


def lie(part: Part, chunk: int) -> tuple[Roots, dict[Part, bytes]]:
    """A master that alters one coordinate of one part and goes on honestly from there on."""
    vectors = honest()
    coordinate = 256 * chunk + 5
    array = {
        Part.MASKED_SUM: vectors.masked_sum,
        Part.SUM: vectors.sum,
        Part.MODEL: vectors.model,
        Part.WEIGHTS: vectors.weight_bits,
    }[part]
    array[coordinate] += 1
    return posted(vectors)


def prove(found: object, roots: Roots) -> bool:
    """The state machine's judgement: the posted leaf is under the posted root, and is not what the round gives."""
    assert isinstance(found, Fraud)
    assert holds(found.posted_leaf, found.chunk, found.posted_path, roots.of(found.part), found.part)
    return getattr(judge(found.chunk), found.part) != found.posted_leaf


@pytest.mark.parametrize("chunk", range(RULE.chunks - 1))
@pytest.mark.parametrize("part", [Part.MASKED_SUM, Part.SUM])
def test_forged_sum_master_is_a_participant(part: Part, chunk: int) -> None:
    """protocol-attacks, learning round: a master cannot balance a forged sum with its own share."""
    roots, stored = lie(part, chunk)
    found = find_fraud(honest(), roots, stored.get)
    assert (found.part, found.chunk) == (part, chunk)  # type: ignore[union-attr]
    assert prove(found, roots)


@pytest.mark.parametrize("part", [Part.MODEL, Part.WEIGHTS])
def test_master_publishes_another_model_beside_a_right_sum(part: Part) -> None:
    """protocol-attacks, learning round: the model's step and its weights are recomputed too."""
    roots, stored = lie(part, 2)
    assert roots.sum == honest().roots.sum
    found = find_fraud(honest(), roots, stored.get)
    assert found.part is part  # type: ignore[union-attr]
    assert prove(found, roots)


def test_a_true_chunk_proves_nothing() -> None:
    roots, stored = posted(honest())
    leaf = stored[Part.SUM][1024:2048]
    path = blake3_tree.path(honest().data(Part.SUM), 1, PARTS[Part.SUM])
    accusation = Fraud(Part.SUM, 1, leaf, tuple(path))
    assert not prove(accusation, roots)


@pytest.mark.parametrize("part", list(Part))
def test_a_master_that_withholds_is_passed_over_not_proven(part: Part) -> None:
    roots, stored = lie(part, 1)
    assert find_fraud(honest(), roots, lambda _: None) == Withheld(part)
    short, other = stored[part][:-1], posted(honest())[1][part]
    for wrong in (b"", short, stored[part] + bytes(1024), other):
        assert find_fraud(honest(), roots, lambda _, wrong=wrong: wrong) == Withheld(part)


def test_a_tree_of_another_size_is_withheld() -> None:
    roots, stored = posted(honest())
    longer = stored[Part.SUM] + bytes(1024)
    forged = replace(roots, sum=blake3_tree.root(longer, PARTS[Part.SUM]))
    assert find_fraud(honest(), forged, {Part.SUM: longer}.get) == Withheld(Part.SUM)


def test_garbage_is_refused_by_all_at_the_same_coordinate() -> None:
    bad = update(2).copy()
    bad[700] = 1 << 24
    objects = [masked(0), masked(1), masked(2, bad), masked(3)]
    with pytest.raises(SumOutOfRangeError) as caught:
        aggregate(objects, frozen(), *base(), RULE)
    assert caught.value.coordinate == 700
    leaves = [chunk_of(vector, 700 // 256) for vector in objects]
    with pytest.raises(SumOutOfRangeError) as judged:
        recompute_chunk(700 // 256, leaves, bytes(4096), frozen(), RULE)
    assert judged.value.coordinate == 700


def test_an_object_under_other_masks_is_detected() -> None:
    stranger = mask_update(update(2), MaskSeeds(2, seed("other"), {0: pair_seed(0, 2)}))
    with pytest.raises(SumOutOfRangeError):
        aggregate([masked(0), masked(1), stranger, masked(3)], frozen(), *base(), RULE)


def test_memory_does_not_grow_with_the_number_of_objects() -> None:
    alive: list[weakref.ref] = []

    def objects() -> Iterator[np.ndarray]:
        for order in range(N):
            assert sum(reference() is not None for reference in alive) <= 1
            vector = np.array(masked(order))
            alive.append(weakref.ref(vector))
            yield vector
            del vector

    aggregate(objects(), frozen(), *base(), RULE)


def test_wrong_objects_are_named() -> None:
    with pytest.raises(AggregationError, match="3 masked objects for 4"):
        aggregate([masked(order) for order in (0, 1, 2)], frozen(), *base(), RULE)
    with pytest.raises(AggregationError, match="coordinates"):
        aggregate([masked(0)[:-1]] * 4, frozen(), *base(), RULE)
    with pytest.raises(AggregationError, match="the model has"):
        aggregate([masked(order) for order in range(4)], frozen(), *base(RULE.size - 1), RULE)


def test_first_difference() -> None:
    one = bytes(4096)
    for place in (0, 1023, 1024, 4095):
        other = one[:place] + b"\1" + one[place + 1 :]
        assert first_difference(one, other, 1024) == first_difference(other, one, 1024) == place // 1024
