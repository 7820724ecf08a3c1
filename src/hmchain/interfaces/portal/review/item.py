"""One item: its picture or text as it came, why it is held, and what can be said of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import htpy as h

from hmchain.application.data.reviewing import Entry
from hmchain.application.pages.markup import definitions
from hmchain.interfaces.portal.review.gallery import Setting
from hmchain.interfaces.portal.review.layout import document, help_box, tray, words
from hmchain.interfaces.portal.texts import say, theirs
from hmchain.records.deidentification.outcome import Finding
from hmchain.records.pipeline.review import is_conflict
from hmchain.records.pipeline.rivals import Rival
from hmchain.records.pipeline.viewing import View

_WORDS_MAX = 200


def item(
    entry: Entry,
    view: View,
    setting: Setting,
    *,
    name: str,
    found: Sequence[Finding],
    rival: Rival | None,
    persons: int,
    reach: Mapping[str, int],
    beside: tuple[int | None, int | None],
    marks: dict[str, int],
) -> str:
    """Return the page of an item; `found` tells who it is about, `rival` is kept in its place, and `reach` is how far a
    mark may go; `persons` must release it."""
    held = entry.item
    before, after = beside
    return document(
        say("Item {number} · quarantine", number=entry.number + 1),
        setting.root,
        h.header(".portal")[
            h.p(".brand")[h.a("#back", href="../", rel="up")[f"FL-HMChain · {setting.organisation}"]],
            h.h1[held.code.replace("_", " ")],
            h.p(".about")[theirs(f"{held.reason}.")],
            h.nav(".steps", aria_label=say("Items"))[
                h.a("#before", href=str(before), rel="prev")[say("← before")] if before is not None else None,
                h.a("#after", href=str(after), rel="next")[say("next →")] if after is not None else None,
            ],
        ],
        h.main(".item")[
            h.div(".seen")[_both(entry, view, rival, [each.word for each in found])],
            h.div(".side")[
                _actions(entry, view, reach, setting.filter),
                _found(entry, found, persons),
                _differences(rival),
                _facts(entry, view, name),
            ],
        ],
        tray(marks, setting.who, setting.root, running=setting.running, portal=setting.portal),
        help_box(),
    )


def _both(entry: Entry, view: View, rival: Rival | None, words: Iterable[str]) -> h.Node:
    """The item as it came; and what is kept in its place, if a person must say which of them to take."""
    seen = _seen(entry, view, words)
    if not is_conflict(entry.item):
        return seen
    other: h.Node = h.p(".notice")[say("What has its identifier is not there any more: this one can be taken.")]
    if rival is not None and rival.kept.pictures is not None:
        middle = rival.kept.pictures.frames // 2
        other = h.img("#other", src=f"../other/{entry.number}/{middle}", alt=say("what is kept, de-identified"))
    elif rival is not None:
        other = h.pre(".text", tabindex="0")[rival.kept.text or rival.kept.problem]
    more = say("It would replace {count} further records too.", count=rival.more) if rival and rival.more else ""
    return h.div(".pair")[
        h.section(aria_label=say("This one"))[h.h2[say("This one, as it came")], seen],
        h.section(aria_label=say("The other one"))[h.h2[say("The other one, as it is kept")], other],
        h.p(".quiet")[
            say(
                "Both say that they are the same object. Take this one, and the other one's record goes; keep the "
                "other, and this one is rejected."
            ),
            f" {more}" if more else None,
        ],
    ]


def _seen(entry: Entry, view: View, words: Iterable[str]) -> h.Node:
    if view.pictures is None:
        text = h.pre(".text", tabindex="0")[_marked(view.text, words)] if view.text else None
        return [h.p(".notice")[theirs(f"{view.problem}.")] if view.problem else None, text]
    middle, last = view.pictures.frames // 2, view.pictures.frames - 1
    centre, width = view.limits(middle)
    regions = entry.mark.regions if entry.mark and entry.mark.regions else ()
    is_whole = entry.item.code != "damaged"
    return [
        None if is_whole else h.p(".notice")[say("It is damaged: what is shown may be less than the picture was.")],
        h.div(
            "#picture.picture",
            data_number=str(entry.number), data_rows=str(view.pictures.rows), data_columns=str(view.pictures.columns),
            data_centre=f"{centre:.3f}", data_width=f"{width:.3f}", data_frames=str(view.pictures.frames),
            data_grey="1" if view.pictures.is_grey else "", data_regions=_written(regions),
            data_found=_written(entry.item.regions),
        )[
            h.img("#frame", src=f"../frame/{entry.number}/{middle}", alt=say("the item as it came")),
            h.canvas("#drawing", aria_hidden="true"),
        ],
        h.p(".quiet")[
            say("Drag to draw a rectangle that is blanked; drag with Shift to change the window."), " ",
            h.button("#forget", type="button")[say("No rectangles")],
            h.button("#take-found", type="button")[say("Those found ({count})", count=len(entry.item.regions))]
            if entry.item.regions
            else None,
        ],
        h.label(".frames")[
            h.span[say("Frame")],
            h.input("#index", type="range", min="0", max=str(last), value=str(middle)),
            h.output("#shown")[say("{number} of {of}", number=middle + 1, of=last + 1)],
        ]
        if last
        else None,
    ]  # fmt: skip


def _actions(entry: Entry, view: View, reach: Mapping[str, int], wanted: str) -> h.Element:
    held = entry.item
    state = entry.mark.word if entry.mark else ""
    choosing = is_conflict(held)
    reaches = {
        "item": say("this item"),
        "series": say("its series"),
        "device": say("this device and reason"),
        "filter": say("the filter"),
    }
    options = [h.option(value=name)[f"{reaches[name]} ({count:,})"] for name, count in reach.items()]
    can_blank = held.releasable and view.pictures is not None and not choosing
    return h.form("#mark.panel", method="post", action="../mark")[
        h.input(type="hidden", name="number", value=str(entry.number)),
        h.input(type="hidden", name="filter", value=wanted),
        h.input("#regions", type="hidden", name="regions", value=""),
        h.p(".verdict")[h.span("#state", class_=f"badge {state}")[words()[state] or say("no mark")]],
        h.label[h.span[say("About")], h.select("#scope", name="scope")[options]],
        h.div(".buttons")[
            _button("taken", say("Take this one (t)"), held.releasable)
            if choosing
            else _button("released", say("Release (r)"), held.releasable),
            None if choosing else _button("blanked", say("Blank, release (b)"), can_blank),
            _button("rejected", say("Keep the other (x)") if choosing else say("Reject (x)")),
            _button("", say("Take back (u)")),
        ],
        h.label(".check")[
            h.input("#from-now-on", type="checkbox", name="from_now_on", value="1"),
            say("Blank these places on this device from now on"),
        ]
        if can_blank and held.device
        else None,
        None if held.releasable else h.p(".quiet")[say("Nobody can release it: reject it, or mend it at its source.")],
    ]


def _button(state: str, words: str, can: bool = True) -> h.Element:
    return h.button(name="state", value=state, type="submit", disabled=not can)[words]


def _found(entry: Entry, found: Sequence[Finding], persons: int) -> h.Element | None:
    """What tells who it is; what a person finds to be a chance can stay."""
    if not found:
        return None
    kept = entry.mark.keep if entry.mark else frozenset()
    can_stay = entry.item.releasable and persons == 1
    rows = [
        h.li[
            h.span(".place")[each.place],
            h.mark[each.word],
            h.label(".check")[
                h.input(type="checkbox", name="keep", value=each.place, form="mark", checked=each.place in kept),
                say("keep it"),
            ]
            if can_stay
            else None,
        ]
        for each in found[:_WORDS_MAX]
    ]
    said = say(
        "A release removes these words, but those to be kept: tick what tells nobody who it is, and then release."
    )
    if not can_stay:
        said = say("A release removes these words.")
    return h.section(".panel", aria_label=say("What tells who it is"))[
        h.h2[say("What tells who it is")], h.ul(".words")[rows], h.p(".quiet")[said]
    ]


def _differences(rival: Rival | None) -> h.Element | None:
    if rival is None:
        return None
    lines = [h.span(class_="theirs" if line.startswith("-") else "ours")[f"{line}\n"] for line in rival.differences]
    return h.section(".panel", aria_label=say("What differs"))[
        h.h2[say("What differs")],
        h.p(".quiet")[say("Once both are de-identified: - as it is kept, + as this one would be.")],
        h.pre(".text")[lines or say("Nothing that can be told in words.")],
    ]


def _facts(entry: Entry, view: View, name: str) -> h.Element:
    held = entry.item
    known = (
        *((theirs(title), value) for title, value in view.facts),
        (say("Kind"), held.kind),
        (say("Dataset"), say("{dataset}, version {version}", dataset=held.dataset, version=held.version)),
        (say("Series"), held.series[:12]),
        (say("Patient"), held.patient[:12]),
        (say("Item"), held.item.hex()[:12]),
        (say("At its source"), name),
        (say("Released by"), ", ".join(entry.released_by)),
    )
    return _panel(say("What is known of it"), known)


def _panel(title: str, pairs: Iterable[tuple[h.Node, h.Node]]) -> h.Element:
    return h.section(".panel", aria_label=title)[h.h2[title], definitions(pairs)]


def _marked(text: str, words: Iterable[str]) -> list[h.Node]:
    """A text with words in it marked."""
    known = sorted({word for word in words if word.strip()}, key=len, reverse=True)[:_WORDS_MAX]
    if not known:
        return [text]
    parts = re.split("(" + "|".join(map(re.escape, known)) + ")", text, flags=re.IGNORECASE)
    return [h.mark[part] if index % 2 else part for index, part in enumerate(parts)]


def _written(regions: Sequence[tuple[int, int, int, int]]) -> str:
    return " ".join(",".join(map(str, region)) for region in regions)
