"""The pieces that the portal's pages are made of, beside those of all pages (`application.pages`)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import urlencode

import htpy as h

from hmchain.interfaces.api.signed_in import BACKGROUND
from hmchain.interfaces.portal.layout import AFTER, token_field
from hmchain.interfaces.portal.texts import amount, say, say_n, theirs
from hmchain.ledger.context import NAME

GOOD, BAD, WARN, PLAIN = "good", "bad", "warn", "plain"
"""How a badge is meant; its words say it too."""
_SIGNS = {GOOD: "✓", BAD: "✕", WARN: "!", PLAIN: ""}


_NAME = NAME.replace("._-", "._\\-")
"""As browsers want it (HTML, `pattern`: a regular expression with the flag v)."""


def badge(words: h.Node, kind: str = PLAIN) -> h.Element:
    """A standing in a word or two, told by a sign as well as by colour."""
    sign = h.span(aria_hidden="true")[_SIGNS[kind]] if _SIGNS[kind] else None
    return h.span(class_=f"badge {kind}")[sign, words]


def section(title: str, *content: h.Node, anchor: str = "", actions: h.Node = None) -> h.Element:
    """A part of a page with a heading that can be linked to."""
    name = anchor or "-".join("".join(letter if letter.isalnum() else " " for letter in title.lower()).split())
    heading = h.h2(id=f"{name}-title")[title, permalink(name)]
    return h.section(id=name, aria_labelledby=f"{name}-title")[
        h.div(".heading")[heading, h.div(".actions")[actions]] if actions else heading, content
    ]


def permalink(anchor: str) -> h.Element:
    """A link to a heading, for handing on."""
    return h.a(".permalink", href=f"#{anchor}", aria_label=say("Link to this part"))["#"]


def empty(words: h.Node, *more: h.Node) -> h.Element:
    """What stands where nothing is: why, and what to do."""
    return h.div(".empty")[h.p[words], more]


def progress(title: str, done: int, of: int | None) -> h.Element:
    """How far long work is; it is read out as it moves."""
    written = say("{done} of {of}", done=amount(done), of=amount(of)) if of else amount(done)
    return h.div(".progress", role="group", aria_label=title)[
        h.span[title], h.progress(value=str(done) if of else None, max=str(of) if of else None, aria_label=title),
        h.span(".quiet")[written],
    ]  # fmt: skip


def problem(code: str, what: str, hint: str, title: str = "") -> h.Element:
    """What went wrong, and the way out; `what` and `hint` are a service's words, of an error or of problem+json."""
    return h.div(".problem", role="alert")[
        h.p[h.b[title or say("That did not work.")], " ", theirs(what), "." if not what.endswith((".", "?")) else ""],
        h.p[say("What to do:"), " ", theirs(hint)] if hint else None,
        h.p(".quiet")[say("Error code"), " ", h.code[code]],
    ]


# --- forms --------------------------------------------------------------------------------------------------------


def form(
    action: str, csrf: str, *content: h.Node, label: str = "", sends: str = "", has_file: bool = False
) -> h.Element:
    """A form that changes something; `sends` are the words on its button. For a `file_field` it `has_file`."""
    kind = "multipart/form-data" if has_file else None
    return h.form(".entry", method="post", action=action, enctype=kind, aria_label=label or None)[
        token_field(csrf), content, h.p(".send")[h.button(".main", type="submit")[sends]] if sends else None
    ]


def after_field(path: str) -> h.VoidElement:
    """The page to see once what a form asks for is signed."""
    return h.input(type="hidden", name=AFTER, value=path)


def text_field(
    name: str,
    title: str,
    value: str = "",
    *,
    help: str = "",
    error: str = "",
    kind: str = "text",
    lines: int = 0,
    required: bool = False,
    **more: str,
) -> h.Element:
    """A field for a text (of several `lines`), with its help and with what is wrong with it.

    The name of one of several with the same name on a page ends as `@place`, by which its label finds it.
    """
    id, name = _placed(name)
    shared = _told(id, help, error) | {"required": required} | more
    box = (
        h.textarea(id=id, name=name, rows=str(lines), **shared)[value]
        if lines
        else h.input(id=id, name=name, type=kind, value=value or None, **shared)
    )
    return _field(id, title, box, help, error)


def name_field(name: str, title: str, value: str = "", *, help: str = "", required: bool = False) -> h.Element:
    """A field for a name on the ledger; its own name as that of a text."""
    return text_field(name, title, value, help=help, required=required, pattern=_NAME, maxlength="48")


def choice_field(
    name: str, title: str, choices: Mapping[str, str], chosen: str = "", *, help: str = "", error: str = ""
) -> h.Element:
    """A field for one of several (value, words); its name as that of a text."""
    id, name = _placed(name)
    options = [h.option(value=value, selected=value == chosen)[words] for value, words in choices.items()]
    return _field(id, title, h.select(id=id, name=name, **_told(id, help, error))[options], help, error)


def check_field(name: str, title: h.Node, *, value: str = "yes", checked: bool = False, help: str = "") -> h.Element:
    """A box to tick; its name as that of a text."""
    id, name = _placed(name)
    box = h.input(id=id, name=name, type="checkbox", value=value, checked=checked, **_told(id, help, ""))
    return h.div(".field.check")[box, h.label(for_=id)[title], h.small(id=f"{id}-help")[help] if help else None]


def tick_box(name: str, value: str, *words: h.Node, checked: bool) -> h.Element:
    """One of several boxes to tick, whose words belong to it."""
    return h.label(".radio")[h.input(type="checkbox", name=name, value=value, checked=checked), words]


def file_field(name: str, title: str, *, accept: str | None = None, help: str = "") -> h.Element:
    """A field for a file; its name as that of a text."""
    id, name = _placed(name)
    box = h.input(id=id, type="file", name=name, accept=accept, required=True, **_told(id, help, ""))
    return _field(id, title, box, help, "")


def _placed(name: str) -> tuple[str, str]:
    """The id of a field, and its name."""
    return name.replace("@", "-"), name.partition("@")[0]


def _field(name: str, title: str, box: h.Node, help: str, error: str) -> h.Element:
    return h.div(".field.wrong" if error else ".field")[
        h.label(for_=name)[title],
        box,
        h.small(id=f"{name}-help")[help] if help else None,
        h.p(".error", id=f"{name}-error")[h.span(aria_hidden="true")["✕ "], theirs(error)] if error else None,
    ]


def _told(name: str, help: str, error: str) -> dict[str, str | None]:
    about = [f"{name}-error"] * bool(error) + [f"{name}-help"] * bool(help)
    return {"aria_describedby": " ".join(about) or None, "aria_invalid": "true" if error else None}


def script_field(id: str, title: str, help: str = "", *, required: bool = True, **more: str) -> h.Element:
    """A field without a name: what is in it goes to the page's script, and never to the server."""
    about = f"{id}-help" if help else None
    return h.div(".field")[
        h.label(for_=id)[title],
        h.input(id=id, required=required, aria_describedby=about, **({"type": "text"} | more)),
        h.small(id=about)[help] if help else None,
    ]


def confirmed(words: str, question: h.Node, action: str, csrf: str, yes: str, *content: h.Node) -> h.Element:
    """A step that asks once more before it is taken: it unfolds, so it takes no script."""
    return h.details(".confirm")[
        h.summary[words],
        h.div(role="group", aria_label=words)[
            h.p[question],
            h.form(method="post", action=action)[
                token_field(csrf), content, h.button(".danger", type="submit")[yes]
            ],
        ],
    ]  # fmt: skip


# --- finding one's way --------------------------------------------------------------------------------------------


def tabs(label: str, entries: Sequence[tuple[str, str]], active: str) -> h.Element:
    """Several views of one thing as links (title, path), one of which is this page."""
    links = [h.a(href=path, aria_current="page" if path == active else None)[title] for title, path in entries]
    return h.nav(".tabs", aria_label=label)[links]


def pages(path: str, asked: Mapping[str, str], offset: int, limit: int, total: int) -> h.Element | None:
    """The way through a list that is longer than a page."""
    if total <= limit and not offset:
        return None
    shown = say(
        "{first} to {last} of {total}",
        first=amount(min(offset + 1, total)), last=amount(min(offset + limit, total)), total=amount(total),
    )  # fmt: skip

    def link(words: str, rel: str, start: int) -> h.Element:
        query = urlencode({**asked, "offset": str(start), "limit": str(limit)})
        return h.a(href=f"{path}?{query}", rel=rel)[words]

    return h.nav(".paging", aria_label=say("Pages of this list"))[
        link(say("Before"), "prev", max(0, offset - limit)) if offset else None,
        h.span(".quiet")[shown],
        link(say("After"), "next", offset + limit) if offset + limit < total else None,
    ]


def fresh(id: str, here: str, kinds: Iterable[str], *content: h.Node) -> h.Element:
    """A part of a page that is fetched anew when the ledger has an event of these kinds, or of any where none is named.

    It is the same page that is fetched, and this part taken of it.
    """
    return h.div(id=id, data_kinds=" ".join(kinds), hx_get=here, hx_trigger="ledger", **by_itself(id))[content]


def in_place(id: str) -> dict[str, str]:
    """Have htmx put the part of this id in its own place, of the page that it fetches."""
    return {"hx_select": f"#{id}", "hx_target": f"#{id}", "hx_swap": "outerHTML"}


def by_itself(id: str) -> dict[str, str]:
    """The same, asked by the page alone: it keeps no session open."""
    return {"hx_headers": json.dumps({BACKGROUND: "true"}), **in_place(id)}


def waiting(count: int) -> h.Element:
    """How much waits, as a badge."""
    return badge(say_n("{count} waits", "{count} wait", count), WARN if count else PLAIN)
