"""HTML from nested calls: `element("p", "a < b", class_="note")`; text is escaped, so no name can become markup."""

from __future__ import annotations

import html
from collections.abc import Iterable
from typing import TypeAlias

VOID = frozenset({"meta", "img", "br", "hr", "col"})


class Markup(str):
    """Text that is HTML already and is not escaped again."""

    __slots__ = ()


Child: TypeAlias = "str | Iterable[Child] | None"
Attribute: TypeAlias = "str | int | float | bool | None"

NOTHING = Markup("")


def element(name: str, *children: Child, **attributes: Attribute) -> Markup:
    """Return one element. `class_` is written `class`, `aria_label` `aria-label`; None and False leave one out."""
    head = f"<{name}{''.join(_attribute(key, value) for key, value in attributes.items())}>"
    if name in VOID:
        return Markup(head)
    return Markup(f"{head}{join(children)}</{name}>")


def join(children: Child) -> Markup:
    """Return children one after another, each escaped unless it is `Markup`."""
    if children is None:
        return NOTHING
    if isinstance(children, Markup):
        return children
    if isinstance(children, str):
        return Markup(html.escape(children, quote=False))
    return Markup("".join(join(child) for child in children))


def table(head: Iterable[Child], rows: Iterable[Iterable[Child]], *, caption: str, class_: str = "") -> Markup:
    """Return a table whose first column names its rows. A cell that is a `td` element already is kept as it is."""
    columns = element("tr", [element("th", cell, scope="col") for cell in head])
    body = [element("tr", [_cell(index, cell) for index, cell in enumerate(row)]) for row in rows]
    content = element("caption", caption), element("thead", columns), element("tbody", body)
    # A wide table scrolls in its own region, which the keyboard can reach; the page never does.
    grid = element("table", content, class_=class_ or None)
    return element("div", grid, class_="scroll", tabindex="0", role="region", aria_label=caption)


def _cell(index: int, cell: Child) -> Markup:
    if isinstance(cell, Markup) and cell.startswith(("<td", "<th")):
        return cell
    return element("th", cell, scope="row") if index == 0 else element("td", cell)


def _attribute(key: str, value: Attribute) -> str:
    name = key.rstrip("_").replace("_", "-")
    if value is None or value is False:
        return ""
    if value is True:
        return f" {name}"
    return f' {name}="{html.escape(str(value))}"'


# --- the pieces that sections share -------------------------------------------------------------------------------


def section(anchor: str, title: str, lead: Child, *content: Child) -> Markup:
    """Return a section of the page: heading, one sentence that says what it shows, content."""
    heading = element("h2", title, id=f"{anchor}-title")
    return element(
        "section", heading, element("p", lead, class_="lead"), content, id=anchor, aria_labelledby=f"{anchor}-title"
    )


def definitions(pairs: Iterable[tuple[Child, Child]], class_: str = "facts") -> Markup:
    """Return names and values; a pair without a value is left out."""
    items = [element("div", element("dt", name), element("dd", value)) for name, value in pairs if value]
    return element("dl", items, class_=class_)


def digest(text: str, letters: int = 16) -> Markup:
    """Return a digest or transaction hash, shortened for reading, whole in its title; all of it with `letters` 0."""
    if not text:
        return NOTHING
    if not letters or len(text) <= letters:
        return element("code", text)
    return element("code", f"{text[:letters]}…", title=text)


def badge(good: bool, yes: str, no: str) -> Markup:
    """Return a verdict in a word, told by a sign as well as by colour."""
    sign = element("span", "✓" if good else "✕", aria_hidden="true")
    return element("span", sign, yes if good else no, class_="badge good" if good else "badge bad")


def bar(share: float, shade: str = "k0") -> Markup:
    """Return a bar whose length is `share` (0..1); the number stands beside it in the table."""
    width = f"width:{100 * min(max(share, 0.0), 1.0):.1f}%"
    return element("span", element("span", class_=shade, style=width), class_="bar", aria_hidden="true")
