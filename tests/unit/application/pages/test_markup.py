"""The kit that pages are made with: no text becomes markup wherever it stands, and the policy names what may run."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

import htpy as h
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markupsafe import Markup

from hmchain.application.pages import plot
from hmchain.application.pages.bars import bars
from hmchain.application.pages.charts import Axis, Reference, Series, line_chart
from hmchain.application.pages.markup import Cell, badge, definitions, digest, document, section, table, tiles
from support.html_page import Page

HOSTILE = (
    """<script>alert("1")</script>""", """</script><img src=x onerror=alert(1)>""", """" onload="alert(1)""",
    """' style='x""", "</style><b>", "</title></svg><a href='javascript:alert(1)'>", "&lt;b&gt;", "]]><!--",
    "{} %s {0}",
)  # fmt: skip


@settings(derandomize=True)
@given(st.text(), st.text())
def test_escaped_text_parses_back_to_itself(words: str, value: str) -> None:
    seen: list[str | None] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            assert (tag, [name for name, _ in attrs]) == ("p", ["title"])
            seen.append(attrs[0][1])

        def handle_data(self, data: str) -> None:
            seen.append(data)

    reader = Reader()
    reader.feed(str(h.p(title=value)[words]))
    reader.close()
    assert seen[0] == value
    assert "".join(str(part) for part in seen[1:]) == words


def everything(text: str) -> str:
    """A page with `text` wherever a piece takes one."""
    cells = [
        [text, text, Cell(text, text, text), badge(True, text, text)],
        [Cell(h.b[text], text), None, text, (text,)],
    ]
    lines = [Series(text, [(0, 0.5), (1, 0.25)], 0)]
    axes = {"x": Axis(text), "y": Axis(text)}
    return document(
        text,
        section("anchor", text, text, text, definitions([(text, text)])),
        tiles([(text, text, text)]),
        digest(text, 2),
        table([text, text, text, text], cells, caption=text, class_=text),
        bars(text, [(text * 3, 1.0, text)]),
        line_chart(text, lines, **axes, label=text, note=text),
        line_chart(text, lines, **axes, label=text, references=[Reference(text, 0.5, "ink")]),
        plot.legend([(text, "k0", "")]),
        style=".x { color: red; }",
        script="'use strict';",
    )


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_becomes_markup_anywhere(text: str) -> None:
    harmless, page = Page(everything("x" * len(text))), Page(everything(text))
    assert [(tag, set(given)) for tag, given in page.tags] == [(tag, set(given)) for tag, given in harmless.tags]
    assert text in page.words
    assert {text} == {given["aria-label"] for given in page.all("svg") if given.get("role")}
    assert (page.all("title")[0], page.words[0]) == ({}, text)


def test_control_characters_of_a_text_are_made_visible_in_every_place() -> None:
    text = everything("N\x1b]0;t\x07\u202eevil\u2028\x9bRöntgen 1\u202f000")
    assert all(letter.isprintable() or letter in "\n\u202f" for letter in text)
    page = Page(text)
    shown = r"N\x1b]0;t\x07\u202eevil\u2028\x9bRöntgen 1" + "\u202f000"
    assert page.words[0] == shown and {given["aria-label"] for given in page.all("svg") if given.get("role")} == {shown}


def test_markup_is_kept_and_nothing_is_left_out() -> None:
    assert str(h.p["a<b", Markup("<i>x</i>"), None, ("c", ["d"])]) == "<p>a&lt;b<i>x</i>cd</p>"
    drawn = str(h.line(x1="1.5", stroke_width=2, hidden=True, role=None, class_=""))
    assert drawn == '<line x1="1.5" stroke-width="2" hidden></line>'


def test_a_cell_of_a_table_is_text_an_element_or_one_with_a_style_of_its_own() -> None:
    made = str(table(["a", "b", "c"], [["x", h.b["y"], Cell(None, "total", "--share:1")]], caption="all"))
    assert '<tr><th scope="row">x</th><td><b>y</b></td><td class="total" style="--share:1"></td></tr>' in made
    assert made.startswith(
        '<div class="scroll" tabindex="0" role="region" aria-label="all"><table><caption>all</caption>'
    )


@pytest.mark.parametrize(("script", "pictures"), [("", False), ("let x = 1 < 2 && 3;", True)])
def test_the_policy_forbids_all_that_the_page_does_not_bring(script: str, pictures: bool) -> None:
    text = document("title", h.p["words"], style="p > b { color: red }", script=script, pictures=pictures)
    [policy] = [given["content"] for given in Page(text).all("meta") if given.get("http-equiv")]
    assert policy is not None
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    hashed = f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
    assert rules.pop("script-src", None) == (hashed if script else None)
    assert rules.pop("img-src", None) == ("data:" if pictures else None)
    assert rules == {
        "default-src": "'none'", "style-src": "'unsafe-inline'", "base-uri": "'none'", "form-action": "'none'",
    }  # fmt: skip
    assert re.findall(r"<script>(.*?)</script>", text) == ([script] if script else [])
    assert "p > b { color: red }" in text and text.startswith("<!doctype html><html")
