"""BLAKE3's own tree (BLAKE3, 2020, section 2), held against the library: roots, paths, and what is no path."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from hmchain.blake3_tree import CHUNK_BYTES, Domain, path, root, root_of, verify

ONE = Domain("hmchain test: a chunk a leaf")
FOUR = Domain("hmchain test: four chunks a leaf", 4 * CHUNK_BYTES)
SIZES = st.integers(1, 70)
DOMAINS = st.sampled_from([ONE, FOUR])


def vector(size: int, domain: Domain, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size * domain.leaf_bytes)


def leaf(data: bytes, index: int, domain: Domain) -> bytes:
    return data[index * domain.leaf_bytes : (index + 1) * domain.leaf_bytes]


@given(SIZES, DOMAINS)
def test_a_root_is_what_the_library_says(size: int, domain: Domain) -> None:
    data = vector(size, domain)
    expected = blake3(data, derive_key_context=domain.context).digest()
    assert root(data, domain) == root(memoryview(data), domain, threads=2) == expected


@given(st.lists(st.integers(0, 5000), max_size=5), DOMAINS)
def test_pieces_give_the_root_of_all_of_them(cuts: list[int], domain: Domain) -> None:
    data = vector(3, domain)
    places = sorted({0, len(data), *(cut % len(data) for cut in cuts)})
    pieces = [data[start:stop] for start, stop in pairwise(places)]
    assert root_of(iter(pieces), domain) == root(data, domain)


@settings(deadline=None, max_examples=50)
@given(SIZES, DOMAINS, st.data())
def test_every_leaf_has_a_path_to_the_librarys_root(size: int, domain: Domain, draw: st.DataObject) -> None:
    data, index = vector(size, domain), draw.draw(st.integers(0, size - 1))
    found = path(data, index, domain)
    proven = blake3(data, derive_key_context=domain.context).digest()
    assert verify([leaf(data, index, domain)], index, size, [found], [proven], domain)


@pytest.mark.parametrize("size", [1, 2, 3, 2047, 2048, 2049, 4097])
def test_sizes_at_the_seams_of_what_is_hashed_at_a_time(size: int) -> None:
    data = vector(size, ONE)
    for index in {0, size // 2, size - 1}:
        assert verify([leaf(data, index, ONE)], index, size, [path(data, index, ONE)], [root(data, ONE)], ONE)


@pytest.mark.network
@settings(deadline=None, max_examples=50)
@given(st.integers(2, 40), DOMAINS, st.data())
def test_what_is_tampered_with_is_no_proof(size: int, domain: Domain, draw: st.DataObject) -> None:
    data, index = vector(size, domain), draw.draw(st.integers(0, size - 1))
    shown, found, proven = leaf(data, index, domain), path(data, index, domain), root(data, domain)
    place = draw.draw(st.integers(0, len(found) - 1))
    bit = draw.draw(st.integers(0, 8 * domain.leaf_bytes - 1))
    flipped = (int.from_bytes(shown, "little") ^ 1 << bit).to_bytes(len(shown), "little")
    other = Domain(domain.context + "'", domain.leaf_bytes)
    bad = {
        "a flipped bit": ([flipped], index, size, [found], [proven], domain),
        "a leaf cut short": ([shown[:-1]], index, size, [found], [proven], domain),
        "another place": ([shown], (index + 1) % size, size, [found], [proven], domain),
        "before the first": ([shown], -1, size, [found], [proven], domain),
        "behind the last": ([shown], size, size, [found], [proven], domain),
        "a sibling changed": ([shown], index, size, [_changed(found, place)], [proven], domain),
        "a sibling cut short": ([shown], index, size, [[*found[:-1], found[-1][:-1]]], [proven], domain),
        "a sibling too few": ([shown], index, size, [found[:-1]], [proven], domain),
        "a sibling too many": ([shown], index, size, [[*found, bytes(32)]], [proven], domain),
        "another root": ([shown], index, size, [found], [bytes(32)], domain),
        "a root cut short": ([shown], index, size, [found], [proven[:-1]], domain),
        "another kind of vector": ([shown], index, size, [found], [proven], other),
        "no leaf": ([], index, size, [], [], domain),
        "a leaf without a path": ([shown, shown], index, size, [found], [proven], domain),
    }
    assert {name: verify(*proof) for name, proof in bad.items()} == dict.fromkeys(bad, False)


def _changed(found: list[bytes], place: int) -> list[bytes]:
    return [bytes([node[0] ^ 1]) + node[1:] if at == place else node for at, node in enumerate(found)]


@pytest.mark.parametrize("domain", [ONE, FOUR])
def test_a_node_never_passes_for_a_leaf(domain: Domain) -> None:
    """The halves of a parent are 64 bytes, but a chunk of their bytes is hashed as a chunk."""
    data = vector(4, domain)
    assert not verify([data[: domain.leaf_bytes]], 0, 2, [path(data, 0, domain)[:1]], [root(data, domain)], domain)


@pytest.mark.parametrize("domain", [ONE, FOUR])
def test_many_paths_at_one_place_are_checked_together(domain: Domain) -> None:
    vectors = [vector(5, domain, seed) for seed in range(4)]
    for index in range(5):
        leaves = [leaf(data, index, domain) for data in vectors]
        paths = [path(data, index, domain) for data in vectors]
        roots = [root(data, domain) for data in vectors]
        assert verify(leaves, index, 5, paths, roots, domain)
        assert not verify(leaves, index, 5, paths, [*roots[:2], roots[3], roots[2]], domain)
        assert not verify([*leaves[:3], leaves[0]], index, 5, paths, roots, domain)


def test_the_highest_places_need_both_words_of_the_counter() -> None:
    """No vector is that long, and no place may overflow: a stranger chooses it, a size of the state's bounds it."""
    assert not verify([bytes(CHUNK_BYTES)], (1 << 40) - 1, 1 << 40, [[bytes(32)] * 40], [bytes(32)], ONE)


@pytest.mark.parametrize("data", [b"", bytes(CHUNK_BYTES - 1), bytes(CHUNK_BYTES + 1)])
def test_a_vector_is_of_whole_leaves(data: bytes) -> None:
    for make in (root, lambda data, domain: path(data, 0, domain)):
        with pytest.raises(ValueError, match="no whole number of leaves"):
            make(data, ONE)
    with pytest.raises(IndexError):
        path(bytes(CHUNK_BYTES), 1, ONE)
