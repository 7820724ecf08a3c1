"""Elements as text: the same that htpy writes, whatever they are made of."""

from __future__ import annotations

import htpy as h
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from hmchain.application.pages.rendering import rendered

TEXTS = st.text(max_size=8)
LEAVES = st.one_of(
    TEXTS, st.none(), st.booleans(), st.integers(), TEXTS.map(Markup.escape), st.just(h.br), st.just(h.comment("-"))
)
ELEMENTS = (h.p, h.html, h.b(".bold"), h.svg, h.fragment)


def nodes(children: st.SearchStrategy[h.Node]) -> st.SearchStrategy[h.Node]:
    """Lists of nodes, and elements with nodes in them."""
    several = st.lists(children, max_size=4)
    element = st.tuples(st.sampled_from(ELEMENTS), TEXTS, several)
    titled = element.map(lambda each: each[0][each[2]] if each[0] is h.fragment else each[0](title=each[1])[each[2]])
    return st.one_of(several, several.map(tuple), titled)


@given(st.recursive(LEAVES, nodes, max_leaves=20))
def test_it_is_what_htpy_writes(node: h.Node) -> None:
    assert rendered(node) == str(h.fragment[node])


def test_what_gives_nodes_later_is_written_too() -> None:
    assert rendered([(each for each in (h.i["<"], "&")), lambda: "x"]) == "<i>&lt;</i>&amp;x"
