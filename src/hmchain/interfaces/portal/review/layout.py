"""The document around the portal's pages: style and script are files of its own, and nothing else is ever loaded."""

from __future__ import annotations

import json

import htpy as h

from hmchain.application.pages.markup import asset
from hmchain.interfaces.portal.texts import language, later, of_later, say, theirs
from hmchain.plain import RESEARCH_ONLY, printable

STYLE, SCRIPT, ICON = "page.css", "page.js", "icon.svg"
_ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><path fill="#0b5c8c" d="M1 1h3v3H1zm4 4h3v3H5z"/></svg>'
)


def document(title: str, root: str, *content: h.Node, foot: str = "") -> str:
    """Return a page as text."""
    made = h.html(lang=language())[
        h.head[
            h.meta(charset="utf-8"),
            h.meta(name="viewport", content="width=device-width, initial-scale=1"),
            h.meta(name="color-scheme", content="light dark"),
            h.title[title],
            h.link(rel="icon", href=f"{root}{ICON}"),
            h.link(rel="stylesheet", href=f"{root}{STYLE}"),
            h.script(src=f"{root}{SCRIPT}", defer=True),
        ],
        h.body(data_root=root, data_words=json.dumps(words()), data_texts=json.dumps(_texts()))[
            content, h.footer[h.p[theirs(RESEARCH_ONLY)], h.p[foot] if foot else None]
        ],
    ]
    return printable(f"{made}\n", keep="\n")


def file(name: str) -> str:
    """Return a file of the portal's own: style (the theme of all pages before it), script or icon."""
    if name == ICON:
        return _ICON
    return (asset("hmchain.application.pages", "theme.css") if name == STYLE else "") + asset(__package__, name)


def words() -> dict[str, str]:
    """Marks in words: nothing is done before they are applied."""
    return {"": "", "released": say("to release"), "taken": say("to take"), "rejected": say("to reject")}


def _texts() -> dict[str, str]:
    """What the script says."""
    return {
        "unmarked": say("{count} got no mark: that cannot be said of what was chosen."),
        "mark": say("Mark {words}: {what}?"),
        "none": say("no mark"),
        "filter": say("all of the filter"),
        "whole": say("Release it whole? The rectangles are not blanked then: b blanks them."),
        "undo": say("Take back: {meant}?"),
        "decide": say("Decide: {meant}? The copies here are erased then."),
        "running": say("{done} of {of} decided. It goes on if you leave this page."),
        "frame": say("{number} of {of}"),
    }


HELP = (
    ("j k", later("next, previous")),
    ("Enter", later("open the item; Esc back to all")),
    ("r", later("release")),
    ("b", later("blank the rectangles, and release; in the gallery those where writing was found")),
    ("t", later("of two with one identifier take this one")),
    ("x", later("reject")),
    ("u", later("take the mark back")),
    ("Space", later("select in the gallery")),
    ("a", later("select all that are shown, or none")),
    ("[ ]", later("frame before, frame after")),
    ("w W c C", later("window wider, narrower; centre up, down")),
    ("0", later("window as at first")),
    ("f", later("the rectangles where writing was found")),
    ("n", later("next page of the gallery")),
    ("/", later("filter")),
    ("A", later("apply all marks")),
    ("?", later("this help")),
)


def help_box() -> h.Element:
    """Return the keys, shown by `?`."""
    rows = [h.tr[h.th(scope="row")[h.kbd[keys]], h.td[of_later(what)]] for keys, what in HELP]
    close = h.button("#close-help", type="button")[say("Close")]
    return h.dialog("#help", aria_labelledby="help-title")[
        h.h2("#help-title")[say("Keys")], h.table[h.tbody[rows]], close
    ]


def tray(marks: dict[str, int], who: str, root: str, *, running: bool, portal: str = "") -> h.Element:
    """Return the marks so far, and the button that makes decisions of them; `running` while it does.

    `portal` is the page of a portal that leads here, on which marks that take two people are signed.
    """
    total = decisions(marks)
    return h.form("#tray", method="post", action=f"{root}apply", aria_label=say("Marks"), data_running=running and "1")[
        h.output("#marks", aria_live="polite")[said(marks)],
        h.button("#apply", type="submit", disabled=not total)[say("Apply")],
        h.button("#undo", type="submit", formaction=f"{root}undo", disabled=not total)[say("Take all back")],
        h.span("#progress", aria_live="polite"),
        h.small[
            say(
                "{who} decides. Nothing is decided before Apply: it erases the copies here, and is not taken back.",
                who=who,
            )
        ],
        h.a(href=f"{portal}#sign")[say("Sign what takes two people, or close the review")] if portal else None,
    ]


def decisions(marks: dict[str, int]) -> int:
    """Return how many decisions the marks are."""
    return marks["released"] + marks["rejected"]


def said(marks: dict[str, int]) -> str:
    """Return the marks in words."""
    found = [
        say("{count} to release", count=marks["released"]),
        say("{count} to reject", count=marks["rejected"]),
    ]
    if marks["taken"]:
        found.append(say("{count} in place of another", count=marks["taken"]))
    if marks["blanked"]:
        found.append(say("{count} with parts blanked", count=marks["blanked"]))
    if marks["devices"]:
        found.append(say("{count} devices from now on", count=marks["devices"]))
    return ", ".join(found)
