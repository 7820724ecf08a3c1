"""Objects on their way between hospitals, and what each keeps of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hmchain.application.agent import contents
from hmchain.application.agent.cache import ObjectCache
from hmchain.application.agent.contents import WrongObjectError
from hmchain.application.agent.exchange import Exchange
from hmchain.application.learning.aggregation import Aggregate, Part
from hmchain.keys import SecretKey
from hmchain.ledger import vectors
from hmchain.ledger.arithmetic import Layer, ModelRule
from hmchain.records.envelope import EnvelopeError, EnvelopeKeyError
from hmchain.records.objects import MissingObjectError, ObjectStore, WrongSizeError

KEY = SecretKey(bytes(32))
RULE = ModelRule((Layer(600, 1 << 30),), 0, 1 << 16, 4, 3)
SALT = slice(10, 42)
"""Of an envelope's bytes (see `records.envelope`)."""
CONTEXT = contents.update_context("study", 1, 0, "east")


def vector(seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 1 << 32, RULE.padded_size, dtype=np.uint32)


def made() -> Aggregate:
    random = np.random.default_rng(3)
    model, momentum = (random.integers(-(1 << 40), 1 << 40, RULE.padded_size) for _ in range(2))
    return Aggregate(vector(), vector(2).view(np.int32), model, momentum, vectors.weight_bits(model))


@pytest.fixture(params=["disk", "memory"])
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Exchange, Exchange, ObjectStore]:
    store = ObjectStore.memory()
    caches = [tmp_path / name if request.param == "disk" else None for name in ("a", "b")]
    return Exchange(store, caches[0]), Exchange(store, caches[1]), store


def test_an_update_reaches_another_participant(pair: tuple[Exchange, Exchange, ObjectStore]) -> None:
    sender, receiver, store = pair
    sent = vector()
    address = sender.keep(contents.seal_update(sent, KEY, CONTEXT))
    assert not store.exists(address), "nothing leaves before it is published"
    sender.publish(address)
    got = receiver.open_update(address, KEY, CONTEXT, vectors.update_root(sent), RULE)
    assert np.array_equal(got, sent)


def test_what_is_not_what_its_digest_says_is_refused(pair: tuple[Exchange, Exchange, ObjectStore]) -> None:
    sender, receiver, _ = pair
    root = vectors.update_root(vector())
    for wrong, refusal in ((vector(2), WrongObjectError), (vector()[:-256], WrongSizeError)):
        address = sender.keep(contents.seal_update(wrong, KEY, CONTEXT))
        sender.publish(address)
        for _ in range(2):
            with pytest.raises(refusal):
                receiver.open_update(address, KEY, CONTEXT, root, RULE)


def test_an_update_of_another_place_or_key_does_not_open(pair: tuple[Exchange, Exchange, ObjectStore]) -> None:
    sender, receiver, _ = pair
    address = sender.keep(contents.seal_update(vector(), KEY, CONTEXT))
    sender.publish(address)
    root = vectors.update_root(vector())
    for place in (("other", 1, 0, "east"), ("study", 2, 0, "east"), ("study", 1, 1, "east"), ("study", 1, 0, "west")):
        with pytest.raises(EnvelopeError):
            receiver.open_update(address, KEY, contents.update_context(*place), root, RULE)
    with pytest.raises(EnvelopeKeyError):
        receiver.open_update(address, SecretKey(bytes([1]) * 32), CONTEXT, root, RULE)


def test_who_fetched_an_object_can_repair_the_store(pair: tuple[Exchange, Exchange, ObjectStore]) -> None:
    sender, receiver, store = pair
    address = sender.keep(b"envelope")
    sender.publish(address)
    receiver.fetch(address, 8)
    store.delete(address)
    assert receiver.fetch(address, 8) == b"envelope"
    receiver.repair(address, 8)
    assert store.get(address) == b"envelope"
    receiver.keep_only(set())
    store.delete(address)
    receiver.repair(address, 8)
    with pytest.raises(MissingObjectError):
        receiver.fetch(address, 8)


def test_a_damaged_copy_is_fetched_again(tmp_path: Path) -> None:
    store = ObjectStore.memory()
    address = store.put(b"envelope")
    receiver = Exchange(store, tmp_path)
    receiver.fetch(address, 8)
    (tmp_path / address.hex()).write_bytes(b"torn")
    assert receiver.fetch(address, 8) == b"envelope"
    assert (tmp_path / address.hex()).read_bytes() == b"envelope"


def test_a_cache_keeps_only_what_it_is_told(tmp_path: Path) -> None:
    for cache in (ObjectCache(tmp_path), ObjectCache(None)):
        addresses = [bytes([i]) * 32 for i in range(3)]
        for address in addresses:
            cache.put(address, b"")
        (tmp_path / "half written.part").touch()
        cache.keep_only({addresses[1]})
        assert [cache.get(address) is None for address in (addresses[0], addresses[2])] == [True, True]
        (tmp_path / "half written.part").unlink(missing_ok=True)
    assert [path.name for path in tmp_path.iterdir()] == [addresses[1].hex()]


def test_a_model_and_evidence_come_back_whole(pair: tuple[Exchange, Exchange, ObjectStore]) -> None:
    sender, receiver, _ = pair
    address = sender.keep(contents.seal_model(made(), KEY, CONTEXT))
    sender.publish(address, durably=True)
    model, momentum = receiver.open_model((address,), KEY, CONTEXT, RULE, made().roots.model)
    assert np.array_equal(model, made().model) and np.array_equal(momentum, made().momentum)
    parts = receiver.open_evidence(sender.lend(contents.seal_evidence(made(), KEY, CONTEXT)), KEY, CONTEXT, RULE)
    whole = {part: bytes(made().data(part)) for part in Part if part is not Part.MODEL}
    assert {part: bytes(data) for part, data in parts.items()} == whole


def test_a_model_or_evidence_of_another_shape_or_root_is_refused() -> None:
    packed = bytes(made().data(Part.MODEL))
    for wrong in (packed[:-1], packed + b"\0", b""):
        with pytest.raises(WrongObjectError):
            contents.model_of(wrong, RULE, made().roots.model)
        with pytest.raises(WrongObjectError):
            contents.unpack_evidence(wrong, RULE)
    with pytest.raises(WrongObjectError):
        contents.model_of(packed, RULE, bytes(32))


def test_who_has_one_model_makes_one_envelope_and_no_salt_meets_two_plaintexts() -> None:
    other = replace(made(), model=made().model + 1)
    places = [(made(), KEY, CONTEXT), (other, KEY, CONTEXT), (made(), SecretKey(bytes([1]) * 32), CONTEXT)]
    places.append((made(), KEY, contents.model_context("study", 2)))
    sealed = [contents.seal_model(*place) for place in places]
    assert sealed == [contents.seal_model(*place) for place in places]
    assert len({envelope[SALT] for envelope in sealed}) == len(places)
    evidence = [contents.seal_evidence(made(), KEY, CONTEXT) for _ in range(2)]
    assert len({envelope[SALT] for envelope in evidence}) == 2, "nobody has to make it again"
