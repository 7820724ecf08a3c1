"""The document around a page, and the pieces that pages share.

Elements are htpy's, HTML and SVG alike: a text among them is escaped wherever it stands, so no name of a ledger or a
hospital can become markup; control characters are made visible in the whole page. It may fetch nothing, and runs no
script but its own, whose hash its content security policy names; even text that slipped through escaping could
therefore do nothing.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import resources

import htpy as h
from markupsafe import Markup, escape

from hmchain.application.pages.figures import NARROW_SPACE
from hmchain.application.pages.rendering import rendered
from hmchain.plain import printable


def document(title: str, *content: h.Node, style: str, script: str = "", pictures: bool = False) -> str:
    """Return a whole page as text (UTF-8 when written): the theme, then `style`; `script` is the only one that runs."""
    page = h.html(lang="en")[
        h.head[
            h.meta(charset="utf-8"),
            h.meta(name="viewport", content="width=device-width, initial-scale=1"),
            h.meta(http_equiv="Content-Security-Policy", content=_policy(script, pictures)),
            h.meta(name="color-scheme", content="light dark"),
            h.title[title],
            h.style[_ours(asset(__package__, "theme.css") + style)],
        ],
        h.body[content, h.script[_ours(script)] if script else None],
    ]
    return printable(f"{rendered(page)}\n", keep="\n" + NARROW_SPACE)


def asset(package: str, name: str) -> str:
    """Return a style sheet or script that lies beside the code of `package`."""
    return resources.files(package).joinpath(name).read_text(encoding="utf-8")


def _ours(text: str) -> Markup:
    """Style, script and rows as this file and its callers wrote them, with every text among them escaped."""
    return Markup(text)  # noqa: S704


def _policy(script: str, pictures: bool) -> str:
    rules = ["default-src 'none'", "style-src 'unsafe-inline'", "base-uri 'none'", "form-action 'none'"]
    if pictures:
        rules.append("img-src data:")
    if script:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        rules.append(f"script-src 'sha256-{digest}'")
    return "; ".join(rules)


def section(anchor: str, title: str, lead: h.Node, *content: h.Node) -> h.Element:
    """Return a section of the page: heading, one sentence that says what it shows, content."""
    named = f"{anchor}-title"
    return h.section(id=anchor, aria_labelledby=named)[h.h2(id=named)[title], h.p(".lead")[lead], content]


def panel(title: str, *content: h.Node) -> h.Element:
    """Return a part of a section in a frame of its own."""
    return h.div(".panel")[h.h3[title], content]


def tiles(figures: Iterable[tuple[str, str, str]]) -> h.Element | None:
    """Return the few numbers that a reader takes away, from (number, what it is, more about it)."""
    cells = [h.li[h.b[number], h.span[what], h.small[more] if more else None] for number, what, more in figures]
    return h.ul(".tiles")[cells] if cells else None


def definitions(pairs: Iterable[tuple[h.Node, h.Node]], class_: str = "facts") -> h.Element:
    """Return names and values; a pair without a value is left out."""
    return h.dl(class_=class_)[[h.div[h.dt[name], h.dd[value]] for name, value in pairs if value]]


def digest(text: str, letters: int = 16) -> h.Element | None:
    """Return a digest or transaction hash, shortened for reading, whole in its title; all of it with `letters` 0."""
    if not text:
        return None
    if not letters or len(text) <= letters:
        return h.code[text]
    return h.code(title=text)[f"{text[:letters]}…"]


def badge(good: bool, yes: str, no: str) -> h.Element:
    """Return a verdict in a word, told by a sign as well as by colour."""
    sign = h.span(aria_hidden="true")["✓" if good else "✕"]
    return h.span(class_="badge good" if good else "badge bad")[sign, yes if good else no]


def bar(share: float, shade: str = "k0") -> h.Element:
    """Return a bar whose length is `share` (0..1); the number stands beside it in the table."""
    width = f"{100 * min(max(share, 0.0), 1.0):.1f}"
    drawn = h.rect(class_="fill", width=width, height="6")
    return h.svg(class_=f"bar {shade}", viewBox="0 0 100 6", preserveAspectRatio="none", aria_hidden="true")[drawn]


# --- tables -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a table with classes or a style of its own."""

    content: h.Node
    class_: str = ""
    style: str = ""


def table(
    head: Iterable[h.Node],
    rows: Iterable[Sequence[h.Node | Cell]],
    *,
    caption: str,
    class_: str = "",
    folds: bool = False,
) -> h.Element:
    """Return a table whose first column names its rows; one that `folds` shows each row as a list on a narrow screen.

    The columns of one that folds have texts for names.
    """
    names = list(head)
    columns = [h.th(scope="col")[cell] for cell in names]
    labels = [f' data-head="{escape(str(name))}"' if folds else "" for name in names[1:]]
    body = h.tbody[_ours("".join([_row(row, labels) for row in rows]))]
    classes = f"{class_} folds".lstrip() if folds else class_
    grid = h.table(class_=classes)[h.caption[caption], h.thead[h.tr[columns]], body]
    # A wide table scrolls in its own region, which the keyboard can reach; the page never does.
    return h.div(".scroll", tabindex="0", role="region", aria_label=caption)[grid]


def _row(row: Sequence[h.Node | Cell], labels: Sequence[str]) -> str:
    name, *values = row
    head = _cell("th", name, ' scope="row"')
    return f"<tr>{head}{''.join([_cell('td', *each) for each in zip(values, labels, strict=True)])}</tr>"


def _cell(tag: str, cell: h.Node | Cell, attributes: str = "") -> str:
    # A long run has tens of thousands of cells: written and escaped here, they take a tenth of what elements take.
    if isinstance(cell, str):
        return f"<{tag}{attributes}>{escape(cell)}</{tag}>"
    shown = cell if isinstance(cell, Cell) else Cell(cell)
    for name, value in (("class", shown.class_), ("style", shown.style)):
        attributes += f' {name}="{escape(value)}"' if value else ""
    return f"<{tag}{attributes}>{rendered(shown.content)}</{tag}>"
