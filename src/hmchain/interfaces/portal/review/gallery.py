"""The gallery: what waits, by the page, with filters and the marks so far."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import htpy as h

from hmchain.application.data.reviewing import PAGE_ITEMS, DeskPage, Entry
from hmchain.canonical import digest
from hmchain.interfaces.portal.review.layout import document, help_box, tray, words
from hmchain.interfaces.portal.texts import amount, later, of_later, say, say_n
from hmchain.records.catalogue.held_filter import HeldFilter
from hmchain.records.pipeline.review import is_conflict

FILTERS = {
    "code": later("Reason"), "modality": later("Modality"), "kind": later("Kind"), "series": later("Series"),
    "device": later("Device"), "patient": later("Patient"), "dataset": later("Dataset"),
}  # fmt: skip
_PSEUDONYMS = ("series", "device", "patient")
_LETTERS = 8


@dataclass(frozen=True)
class Setting:
    """What stands around the items."""

    root: str
    organisation: str
    who: str
    wanted: HeldFilter
    running: bool = False
    """Whether marks are being applied."""
    portal: str = ""
    """The page of a portal that leads here; empty where there is none."""

    @property
    def filter(self) -> str:
        """What tells this filter from others: another tab may have set another one."""
        return digest("portal filter", *(str(value).encode() for value in vars(self.wanted).values())).hex()[:16]


def gallery(found: DeskPage, setting: Setting, *, is_first: bool = True) -> str:
    """Return the page of all, or the next one of them."""
    cards = h.ol("#cards.cards")[[card(each) for each in found.entries]] if found.entries else _nothing(found, setting)
    more = found.entries[-1].number if len(found.entries) == PAGE_ITEMS else None
    return document(
        say("Quarantine · {organisation}", organisation=setting.organisation),
        setting.root,
        h.header(".portal")[
            h.p(".brand")[f"FL-HMChain · {setting.organisation}"],
            h.h1[say("What waits for you")],
            h.p(".about")[
                say_n("{count} item waits.", "{count} items wait.", found.total)
                if setting.wanted.is_empty
                else say_n("{count} item waits with this filter.", "{count} items wait with this filter.", found.total),
                " ",
                say("Press ? for the keys."),
            ],
            h.nav(".steps", aria_label=say("Pages"))[
                None if is_first else h.a(href="./", rel="first")[say("← from the start")],
                h.a(href="decisions")[say("What was decided for good")],
            ],
        ],
        h.main[
            _filters(found.counts, setting.wanted),
            _marking(found, setting) if found.entries else None,
            cards,
            None if more is None else _more(more),
        ],
        tray(dict(found.marks), setting.who, setting.root, running=setting.running, portal=setting.portal),
        help_box(),
    )


def card(entry: Entry) -> h.Element:
    """Return one item of the gallery."""
    held = entry.item
    why = held.code.replace("_", " ")
    state = entry.mark.word if entry.mark else ""
    seen = h.img(src=f"thumb/{entry.number}", alt="", loading="lazy", width="176", height="176")
    return h.li(class_=f"card {state}", data_number=str(entry.number))[
        h.a(
            ".shot",
            href=f"item/{entry.number}",
            aria_label=say("{why}, {kind}, item {number}", why=why, kind=held.kind, number=entry.number + 1),
        )[seen],
        h.label[h.input(type="checkbox", name="number", value=str(entry.number), form="cards-mark"), h.b[why]],
        h.span(".mark")[words()[state]],
        h.small[" · ".join(part for part in (held.kind, held.modality, f"{held.dataset} v{held.version}") if part)],
        h.small[say("released by {names}", names=", ".join(entry.released_by))] if entry.released_by else None,
        None if held.releasable else h.small(".flag")[say("can only be rejected")],
        h.small(".flag")[say("one of two: look at both")] if is_conflict(held) and held.releasable else None,
    ]


def _marking(found: DeskPage, setting: Setting) -> h.Element:
    """What can be said of the selected ones; keys do the same."""
    says = {
        "released": say("Release (r)"),
        "found": say("Blank what was found (b)"),
        "rejected": say("Reject (x)"),
        "": say("Take back (u)"),
    }
    whole = say(
        "The next of these is about all {count} of this filter, not only those selected", count=amount(found.total)
    )
    return h.form("#cards-mark.marking", method="post", action="mark")[
        h.button("#select", type="button")[say("Select (a)")],
        [h.button(name="state", value=state, type="submit")[word] for state, word in says.items()],
        h.label(".check")[h.input("#whole", type="checkbox", autocomplete="off", value=setting.filter), whole]
        if len(found.entries) < found.total
        else None,
    ]


def _filters(counts: Mapping[str, Mapping[str, int]], wanted: HeldFilter) -> h.Element:
    chosen = {name: str(getattr(wanted, name)) for name in FILTERS}
    return h.form("#filter", method="post", action="filter", role="search", aria_label=say("Filter"))[
        [_choice(name, of_later(title), counts.get(name, {}), chosen[name]) for name, title in FILTERS.items()],
        h.button(type="submit")[say("Filter")],
        h.button(type="submit", name="clear", value="1")[say("All")] if any(chosen.values()) else None,
    ]


def _choice(name: str, title: str, counts: Mapping[str, int], chosen: str) -> h.Element:
    values = dict(counts)
    if chosen and not any(value.startswith(chosen) for value in values):
        values[chosen] = 0
    options = [
        h.option(value=value, selected=bool(chosen) and value.startswith(chosen))[f"{_short(name, value)} ({count:,})"]
        for value, count in values.items()
        if value
    ]
    return h.label[h.span[title], h.select(name=name)[h.option(value="")[say("any")], options]]


def _short(name: str, value: str) -> str:
    return value[:_LETTERS] if name in _PSEUDONYMS else value.replace("_", " ")


def _more(last: int) -> h.Element:
    return h.p(".more")[h.a("#more", href=f"?after={last}", rel="next")[say("More (n)")]]


def _nothing(found: DeskPage, setting: Setting) -> h.Element:
    if found.total:
        return h.p(".lead")[say("Nothing more waits from here on: go on from the start.")]
    others = say("Nothing waits with this filter; All shows what else does.")
    return h.p(".lead")[say("Nothing waits.") if setting.wanted.is_empty else others]


def numbers(values: Iterable[str]) -> list[int]:
    """Read the items' numbers from a form; what is none is left out."""
    return [int(value) for value in values if value.isascii() and value.isdigit() and len(value) < 9]
