"""Merkle trees: RFC 6962 section 2.1, against its own recursive definition and Certificate Transparency's vectors."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hmchain import merkle

# The leaves and roots of the reference implementation's test (certificate-transparency, merkle_tree_test).
LEAVES = [
    bytes.fromhex(leaf)
    for leaf in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]

leaf_lists = st.lists(st.binary(max_size=40), min_size=1, max_size=40)


def obvious_root(leaves: list[bytes]) -> bytes:
    """MTH as RFC 6962 section 2.1 writes it."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0]).digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return sha256(b"\x01" + obvious_root(leaves[:split]) + obvious_root(leaves[split:])).digest()


def test_reference_vectors() -> None:
    assert [merkle.root(LEAVES[:n]).hex() for n in range(1, 9)] == ROOTS
    assert merkle.root([]) == merkle.EMPTY_ROOT == merkle.Tree([]).root


@given(leaf_lists)
def test_root_follows_the_recursive_definition(leaves: list[bytes]) -> None:
    assert merkle.root(leaves) == merkle.Tree(leaves).root == obvious_root(leaves)
    assert merkle.root([memoryview(leaf) for leaf in leaves]) == merkle.root(leaves)


@given(leaf_lists)
def test_every_leaf_has_a_path_that_verifies_at_its_place_only(leaves: list[bytes]) -> None:
    tree, size = merkle.Tree(leaves), len(leaves)
    for index, leaf in enumerate(leaves):
        path = tree.path(index)
        assert path == merkle.path(leaves, index)
        assert merkle.verify(leaf, index, size, path, tree.root)
        assert not merkle.verify(leaf + b"x", index, size, path, tree.root)
        other = (index + 1) % size
        if leaves[other] != leaf:
            assert not merkle.verify(leaves[other], index, size, path, tree.root)
            assert not merkle.verify(leaf, other, size, path, tree.root)


@given(leaf_lists, st.data())
def test_an_altered_path_does_not_verify(leaves: list[bytes], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(leaves) - 1))
    tree = merkle.Tree(leaves)
    path = tree.path(index)

    def check(changed: list[bytes]) -> bool:
        return merkle.verify(leaves[index], index, len(leaves), changed, tree.root)

    assert not check([*path, bytes(32)])
    for place in range(len(path)):
        bit = data.draw(st.integers(0, 255))
        flipped = (int.from_bytes(path[place], "big") ^ (1 << bit)).to_bytes(32, "big")
        assert not check([*path[:place], flipped, *path[place + 1 :]])
        assert not check(path[:place] + path[place + 1 :])
        assert not check([*path[:place], path[place][:-1], *path[place + 1 :]])


def test_an_inner_node_is_no_leaf() -> None:
    """Without the prefixes, the two hashes of a node would verify as a leaf one level up."""
    tree = merkle.Tree(LEAVES)
    node = merkle.leaf_hash(LEAVES[0]) + merkle.leaf_hash(LEAVES[1])
    assert not merkle.verify(node, 0, 4, tree.path(0)[1:], tree.root)


@pytest.mark.parametrize("index", [-1, 8])
def test_a_leaf_outside_the_tree(index: int) -> None:
    tree = merkle.Tree(LEAVES)
    with pytest.raises(IndexError):
        tree.path(index)
    assert not merkle.verify(LEAVES[0], index, 8, tree.path(0), tree.root)


@given(st.lists(st.binary(max_size=40), max_size=40))
def test_a_root_over_leaves_one_by_one_is_that_over_all_of_them(leaves: list[bytes]) -> None:
    running = merkle.RunningRoot()
    for count, each in enumerate(leaves):
        assert running.root == obvious_root(leaves[:count])
        running.add(each)
    assert (running.root, running.size) == (obvious_root(leaves), len(leaves))
