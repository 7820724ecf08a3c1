"""The document around the portal's pages: style and script are files of its own, and nothing else is ever loaded."""

from __future__ import annotations

import json

import htpy as h

from hmchain.application.pages.markup import asset
from hmchain.plain import RESEARCH_ONLY, printable

STYLE, SCRIPT, ICON = "page.css", "page.js", "icon.svg"
_ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><path fill="#0b5c8c" d="M1 1h3v3H1zm4 4h3v3H5z"/></svg>'
)


def document(title: str, root: str, *content: h.Node, foot: str = "") -> str:
    """Return a page as text."""
    made = h.html(lang="en")[
        h.head[
            h.meta(charset="utf-8"),
            h.meta(name="viewport", content="width=device-width, initial-scale=1"),
            h.meta(name="color-scheme", content="light dark"),
            h.title[title],
            h.link(rel="icon", href=f"{root}{ICON}"),
            h.link(rel="stylesheet", href=f"{root}{STYLE}"),
            h.script(src=f"{root}{SCRIPT}", defer=True),
        ],
        h.body(data_root=root, data_words=json.dumps(WORDS))[
            content, h.footer[h.p[RESEARCH_ONLY], h.p[foot] if foot else None]
        ],
    ]
    return printable(f"{made}\n", keep="\n")


def file(name: str) -> str:
    """Return a file of the portal's own: style (the theme of all pages before it), script or icon."""
    if name == ICON:
        return _ICON
    return (asset("hmchain.application.pages", "theme.css") if name == STYLE else "") + asset(__package__, name)


WORDS = {"": "", "released": "to release", "taken": "to take", "rejected": "to reject"}
"""Marks in words: nothing is done before they are applied."""

HELP = (
    ("j k", "next, previous"),
    ("Enter", "open the item; Esc back to all"),
    ("r", "release"),
    ("b", "blank the rectangles, and release; in the gallery those where writing was found"),
    ("t", "of two with one identifier take this one"),
    ("x", "reject"),
    ("u", "take the mark back"),
    ("Space", "select in the gallery"),
    ("a", "select all that are shown, or none"),
    ("[ ]", "frame before, frame after"),
    ("w W c C", "window wider, narrower; centre up, down"),
    ("0", "window as at first"),
    ("f", "the rectangles where writing was found"),
    ("n", "next page of the gallery"),
    ("/", "filter"),
    ("A", "apply all marks"),
    ("?", "this help"),
)


def help_box() -> h.Element:
    """Return the keys, shown by `?`."""
    rows = [h.tr[h.th(scope="row")[h.kbd[keys]], h.td[what]] for keys, what in HELP]
    close = h.button("#close-help", type="button")["Close"]
    return h.dialog("#help", aria_labelledby="help-title")[h.h2("#help-title")["Keys"], h.table[h.tbody[rows]], close]


def tray(marks: dict[str, int], who: str, root: str, *, running: bool, portal: str = "") -> h.Element:
    """Return the marks so far, and the button that makes decisions of them; `running` while it does.

    `portal` is the page of a portal that leads here, on which marks that take two people are signed.
    """
    total = decisions(marks)
    return h.form("#tray", method="post", action=f"{root}apply", aria_label="Marks", data_running=running and "1")[
        h.output("#marks", aria_live="polite")[said(marks)],
        h.button("#apply", type="submit", disabled=not total)["Apply"],
        h.button("#undo", type="submit", formaction=f"{root}undo", disabled=not total)["Take all back"],
        h.span("#progress", aria_live="polite"),
        h.small[f"{who} decides. Nothing is decided before Apply: it erases the copies here, and is not taken back."],
        h.a(href=f"{portal}#sign")["Sign what takes two people, or close the review"] if portal else None,
    ]


def decisions(marks: dict[str, int]) -> int:
    """Return how many decisions the marks are."""
    return marks["released"] + marks["rejected"]


def said(marks: dict[str, int]) -> str:
    """Return the marks in words."""
    words = [f"{marks['released']} to release", f"{marks['rejected']} to reject"]
    if marks["taken"]:
        words.append(f"{marks['taken']} in place of another")
    if marks["blanked"]:
        words.append(f"{marks['blanked']} with parts blanked")
    if marks["devices"]:
        words.append(f"{marks['devices']} devices from now on")
    return ", ".join(words)
