"""Elements as text: what htpy writes for the same nodes, in a fraction of the time.

htpy asks of every node whether it is anything that can be written, and makes a generator for it. A page of the portal
has thousands of nodes, nearly all of them of a few kinds; what is of another one htpy writes. It reads fields that htpy
calls its own, so its test compares both on whatever a page may be made of.
"""

from __future__ import annotations

from collections.abc import Callable

import htpy as h
from markupsafe import Markup, escape


def rendered(node: h.Node) -> Markup:
    """A node as markup, with all that is in it."""
    parts: list[str] = []
    _add(node, parts.append)
    return Markup("".join(parts))  # noqa: S704 - escaped where it is a text


def _add(node: h.Node, add: Callable[[str], None]) -> None:
    kind = type(node)
    if kind is str:
        add(escape(node))
    elif kind is h.Element or kind is h.HTMLElement:
        element: h.Element = node  # type: ignore[assignment]
        name = element._name
        add(f"<{name}{element._attrs}>" if kind is h.Element else f"<!doctype html><{name}{element._attrs}>")
        _add(element._children, add)
        add(f"</{name}>")
    elif kind is list or kind is tuple:
        for each in node:  # type: ignore[union-attr]
            _add(each, add)
    elif kind is h.Fragment:
        _add(node._node, add)  # type: ignore[union-attr]
    elif kind is Markup:
        add(node)  # type: ignore[arg-type]
    elif node is not None and kind is not bool:
        add(str(h.fragment[node]))
