"""The frame of every page: who is where, as of which block, with which words of warning; then the page itself."""

from __future__ import annotations

import json

import htpy as h

from hmchain.application.pages.rendering import rendered
from hmchain.interfaces.portal import static
from hmchain.interfaces.portal.page import DARK, LIGHT, SYSTEM, THEMES, AsOf, Entry, Frame, Page
from hmchain.interfaces.portal.texts import (
    LANGUAGES,
    amount,
    compose,
    later,
    of_later,
    say,
    say_n,
    speaking,
    theirs,
)
from hmchain.plain import printable

CSRF = "csrf"
"""The field, and with `X-` before it the header, that a form of ours sends."""
AFTER = "after"
"""The field that names the page to see once what a form asks for is signed."""
_HTMX = {
    "includeIndicatorStyles": False,
    "allowEval": False,
    "allowScriptTags": False,
    "selfRequestsOnly": True,
    "historyCacheSize": 0,
    "refreshOnHistoryMiss": True,
    "scrollBehavior": "auto",
}
"""Nothing inline, nothing run that came with a fragment, no page kept in the browser."""
ROLES = {
    "steward": later("Steward"),
    "scientist": later("Scientist"),
    "operator": later("Operator"),
    "auditor": later("Auditor"),
}
"""The roles that have pages of their own."""
_COUNTED = (
    "ballot.", "count.", "duty.", "emergency.", "incident.", "people.", "policy.", "recovery.", "release.", "request.",
    "study.", "transfer.", "upgrade.",
)  # fmt: skip
"""Events after which something may wait that did not, by how their kinds begin."""
_THEMES = {SYSTEM: later("As the system"), LIGHT: later("Light"), DARK: later("Dark")}


def render(page: Page, frame: Frame) -> str:
    """The whole document, in the language of the frame; it was spoken while the page was made, too."""
    look = frame.look
    with speaking(look.language):
        theme = look.theme if look.theme in THEMES and look.theme != SYSTEM else None
        made = h.html(lang=look.language, data_theme=theme)[
            _head(page, frame),
            h.body(**_told_scripts(frame))[
                h.a(".skip", href="#main")[say("Go to the content")],
                _top(frame),
                _banners(frame),
                h.div(".frame")[
                    _navigation(page, frame),
                    h.main("#main", tabindex="-1")[_crumbs(page), _title(page), page.content],
                ],
                _foot(frame),
                h.div("#toasts", role="status", aria_live="polite")[[h.p[each] for each in frame.said]],
            ],
        ]
        return printable(f"{rendered(made)}\n", keep="\n\u202f\xa0")


def _told_scripts(frame: Frame) -> dict[str, str]:
    """What the scripts of a page go by: how to send its forms, and from where on the ledger is news to it."""
    told = {"data_since": frame.since} if frame.since else {}
    return told | ({"hx_headers": json.dumps({f"X-{CSRF}": frame.csrf})} if frame.csrf else {})


def _head(page: Page, frame: Frame) -> h.Element:
    where = f" · {frame.organisation}" if frame.organisation else ""
    return h.head[
        h.meta(charset="utf-8"),
        h.meta(name="viewport", content="width=device-width, initial-scale=1"),
        h.meta(name="color-scheme", content="light dark"),
        h.meta(name="htmx-config", content=json.dumps(_HTMX)),
        h.meta(name=CSRF, content=frame.csrf) if frame.csrf else None,
        h.title[f"{page.title}{where} · FL-HMChain"],
        h.link(rel="icon", href=static.address(static.ICON)),
        h.link(rel="stylesheet", href=static.address(static.STYLE)),
        h.script(src=static.address(static.HTMX), defer=True),
        h.script(src=static.address(static.SCRIPT), type="module"),
    ]


def _top(frame: Frame) -> h.Element:
    return h.header(".top")[
        h.p(".brand")[h.a(href="/")["FL-HMChain"], h.span(".place")[f" {frame.organisation}"]],
        _roles(frame),
        _search(frame) if frame.person or frame.read_only else None,
        h.div(".who")[_notifications(frame), _person(frame), _display(frame)],
    ]


def _roles(frame: Frame) -> h.Element | None:
    shown = [role for role in ROLES if role in frame.roles]
    if not shown:
        return None
    return h.nav(".roles", aria_label=say("Roles"))[
        [
            h.a(href=home_of(role, frame), aria_current="true" if role == frame.role else None)[of_later(ROLES[role])]
            for role in shown
        ]
    ]


def home_of(role: str, frame: Frame) -> str:
    """The first page of a role, as the navigation has them."""
    return next((entry.path for entry in frame.entries if entry.role == role), "/")


def _search(frame: Frame) -> h.Element:
    return h.form(".search", action="/search", method="get", role="search")[
        h.label(".unseen", for_="search")[say("Search")],
        h.input("#search", type="search", name="q", placeholder=say("Search"), maxlength="200", autocomplete="off"),
    ]


def _notifications(frame: Frame) -> h.Element | None:
    if not frame.person:
        return None
    count = frame.counts.get("/notifications", 0)
    return h.a(".notes", href="/notifications", data_count="bell")[
        _bell(),
        h.b(aria_hidden="true")[amount(count)] if count else None,
        h.span(".unseen")[say_n("{count} notification", "{count} notifications", count)],
    ]


def _bell() -> h.Element:
    path = (
        "M8 1a4 4 0 0 0-4 4c0 4-2 5-2 6.500h12c0-1.500-2-2.500-2-6.500a4 4 0 0 0-4-4zM6.500 13a1.500 1.500 0 0 0 3 0z"
    )
    return h.svg(viewBox="0 0 16 16", width="16", height="16", aria_hidden="true")[h.path(fill="currentColor", d=path)]


def _person(frame: Frame) -> h.Node:
    if frame.read_only:
        return None
    if not frame.person:
        return h.a(href="/sign-in")[say("Sign in")]
    return h.details(".menu")[
        h.summary[frame.person],
        h.div[
            h.a(href="/keys")[say("Your keys")],
            h.a(href="/sessions")[say("Sessions and tokens")],
            h.form(method="post", action="/sign-out")[token_field(frame.csrf), h.button[say("Sign out")]],
        ],
    ]


def _display(frame: Frame) -> h.Element:
    """Language, theme and, of a finished run, the hospital: chosen with a form, so that it takes no script."""
    look, several = frame.look, len(frame.hospitals) > 1
    shown = f"{frame.organisation} · {look.language.upper()}" if several else look.language.upper()
    name = say("Display")
    return h.details(".menu")[
        h.summary(aria_label=f"{name}: {shown}")[shown],
        h.form("#display", method="post", action="/display")[
            token_field(frame.csrf),
            h.input(type="hidden", name="next", value=frame.here),
            _chosen("language", say("Language"), look.language, LANGUAGES),
            _chosen("theme", say("Theme"), look.theme, {key: of_later(text) for key, text in _THEMES.items()}),
            _chosen("hospital", say("Hospital"), frame.organisation, {each: each for each in frame.hospitals})
            if several
            else None,
            h.button(type="submit")[say("Show so")],
        ],
    ]


def _chosen(name: str, title: str, chosen: str, choices: dict[str, str]) -> h.Element:
    options = [h.option(value=value, selected=value == chosen)[words] for value, words in choices.items()]
    return h.label[h.span[title], h.select(name=name)[options]]


def token_field(csrf: str) -> h.Node:
    """The field of a form that only our own pages can send."""
    return h.input(type="hidden", name=CSRF, value=csrf) if csrf else None


def _banners(frame: Frame) -> h.Node:
    chosen = say("This hospital lets the portal sign with keys that it holds: it could decide what people decide here.")
    ended = say("Read-only: a finished run. Nothing can be changed here.")
    if not (frame.signs_here or frame.read_only or frame.trouble):
        return None
    return h.aside(aria_label=say("To know"))[
        h.p(".banner.caution")[say("Nothing new comes here:"), " ", theirs(frame.trouble), "."]
        if frame.trouble
        else None,
        h.p(".banner.caution")[chosen] if frame.signs_here else None,
        h.p(".banner")[ended] if frame.read_only else None,
    ]


def _navigation(page: Page, frame: Frame) -> h.Element | None:
    own = [entry for entry in frame.entries if entry.role == frame.role and entry.role]
    shared = [entry for entry in frame.entries if not entry.role]
    if not own and not shared:
        return None
    active = page.active or frame.here.partition("?")[0]
    follows = {"data_kinds": " ".join(_COUNTED)} if frame.person else {}
    return h.nav(".pages", aria_label=say("Pages"), **follows)[
        [h.ul[[_entry(entry, active, frame) for entry in group]] for group in (own, shared) if group]
    ]


def _entry(entry: Entry, active: str, frame: Frame) -> h.Element:
    count = frame.counts.get(entry.path, 0)
    return h.li[
        h.a(href=entry.path, aria_current="page" if entry.path == active else None)[
            h.span[of_later(entry.title)],
            h.b(".count", data_count=entry.path)[
                [amount(count), h.span(".unseen")[" ", say("waiting")]] if count else None
            ],
        ]
    ]


def _crumbs(page: Page) -> h.Element | None:
    if not page.crumbs:
        return None
    links = [h.li[h.a(href=path)[title]] for title, path in page.crumbs]
    return h.nav(".crumbs", aria_label=say("Where you are"))[h.ol[links, h.li(aria_current="page")[page.title]]]


def _title(page: Page) -> h.Node:
    return [h.h1[page.title], h.p(".lead")[page.lead] if page.lead else None]


def _foot(frame: Frame) -> h.Element:
    return h.footer[
        vouching(frame.as_of) if frame.as_of else None,
        h.p[say("Research use only, not a medical device.")],
    ]


def vouching(as_of: AsOf) -> h.Element:
    """The line that says as of which block a page speaks, and on whose word."""
    block = h.a(href=f"/auditor/blocks/{as_of.height}")[say("block {height}", height=amount(as_of.height))]
    return h.p(".vouching")[compose("As of {block}:", block=block), " ", theirs(as_of.words), "."]
