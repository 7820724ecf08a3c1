"""The dataset card as a page: one HTML file that fetches nothing and runs nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import htpy as h

from hmchain.application.pages import figures
from hmchain.application.pages.bars import bars, histogram
from hmchain.application.pages.markup import asset, definitions, document, section, table, tiles
from hmchain.application.pages.plot import figure
from hmchain.plain import RESEARCH_ONLY, size
from hmchain.records.card import CardData, limitations

_ROWS_MAX = 15
_SEVERITIES = {"error": "wrong", "warning": "look at it", "info": "good to know"}


def to_html(data: CardData) -> str:
    """The card for people: an HTML page."""
    return document(
        f"{data.title} · version {data.version}",
        _head(data),
        h.main[content(data)],
        h.footer[h.p[f"Made {data.made}. {RESEARCH_ONLY}"]],
        style=asset(__package__, "card.css"),
    )


def content(data: CardData) -> list[h.Element | None]:
    """Its sections, for a page that has a head of its own."""
    sections = (
        _contents, _labels, _images, _completeness, _quality, _deidentification, _quarantine, _origin, _limits,
    )  # fmt: skip
    return [draw(data) for draw in sections]


def _head(data: CardData) -> h.Element:
    found = data.assessment.findings
    errors = sum(finding.severity == "error" for finding in found)
    name = f"{data.dataset}, version {data.version}" + (f", {data.organisation}" if data.organisation else "")
    return h.header[
        h.p(".brand")["Dataset card"],
        h.h1[data.title],
        h.p(".about")[name],
        h.p[data.description] if data.description else None,
        h.p(".caution", role="note")["Exact counts: for use inside the organisation."],
        tiles([
            (figures.whole(data.records), "records", ""),
            (figures.whole(data.subjects), "patients, as far as pseudonyms tell", ""),
            (size(data.size), "before encryption", ""),
            (str(errors), f"of {len(found)} findings are errors", ""),
        ]),
    ]  # fmt: skip


def _contents(data: CardData) -> h.Element:
    parts = {"kind": data.kinds} | dict(data.breakdowns)
    alike = [
        (name.capitalize(), f"{next(iter(counts))} (all)") for name, counts in parts.items() if _is_alike(counts, data)
    ]
    charts = [
        _counted(name, counts, data.records) for name, counts in parts.items() if counts and not _is_alike(counts, data)
    ]
    return _section("Contents", "What the records are.", _facts(*alike), h.div(".pair")[charts] if charts else None)


def _is_alike(counts: Mapping[str, int], data: CardData) -> bool:
    return list(counts.values()) == [data.records]


def _labels(data: CardData) -> h.Element | None:
    labels = data.assessment.labels
    if not labels:
        return None
    lead = "What a network is to tell apart, and how many records there are of each."
    return _section("Labels", lead, _counted("label", labels, data.records))


def _images(data: CardData) -> h.Element | None:
    found = data.assessment
    if not found.images:
        return None
    sizes = {f"{rows} × {columns}": count for (rows, columns), count in _most(found.sizes)}
    total = sum(found.intensities) or 1
    shades = [
        (f"{index * 256 // len(found.intensities)} and up", figures.percent(count / total))
        for index, count in enumerate(found.intensities)
    ]
    grey = figure(
        "Intensities",
        histogram("Histogram of intensities from black to white", found.intensities, "black", "white"),
        table(("grey level", "share"), shades, caption="Intensities"),
        note="share of all pixels",
    )
    return _section(
        "Images",
        f"{figures.plural(found.images, 'image')}, looked at as a viewer shows them.",
        h.div(".pair")[_counted("size", sizes, found.images, "rows × columns") if sizes else None, grey],
    )


def _completeness(data: CardData) -> h.Element | None:
    missing = data.assessment.missing
    if not missing:
        return None
    rows = sorted(((name, lacking / total, lacking, total) for name, (lacking, total) in missing.items()), key=_rank)
    drawn = [(name, share, figures.percent(share, decimals=0)) for name, share, _, _ in rows[:_ROWS_MAX]]
    listed = [
        (name, figures.whole(lacking), figures.whole(total), figures.percent(share))
        for name, share, lacking, total in rows
    ]
    chart = figure(
        "Missing values",
        bars("Bars: share of missing values by attribute", drawn, longest=1.0),
        table(("attribute", "missing", "of", "share"), listed, caption="Missing values"),
        note="share of records, or of a table's rows, without a value",
    )
    return _section("Completeness", "What is known of how many.", chart)


def _rank(row: tuple[str, float, int, int]) -> tuple[float, str]:
    return -row[1], row[0]


def _quality(data: CardData) -> h.Element:
    found = data.assessment
    rows: list[tuple[h.Node, ...]] = [
        (
            h.span(class_=f"badge {one.severity}")[_SEVERITIES.get(one.severity, one.severity)],
            one.what,
            one.hint,
            [[h.code[record[:12]], " "] for record in one.records[:3]],
        )
        for one in found.findings
    ]
    heads = ("severity", "what", "what to do", "for instance")
    largest = max((len(group) for group in found.near_copies), default=0)
    facts = _facts(
        ("Groups of records of the same content", figures.whole(len(found.copies))),
        ("Groups of nearly the same images", figures.whole(len(found.near_copies))),
        ("The largest of them", figures.plural(largest, "image") if largest else ""),
        ("Left out on the way in, byte for byte the same", figures.whole(data.duplicates)),
    )
    findings = table(heads, rows, caption="Findings") if rows else h.p["Nothing stands out."]
    return _section("Quality", "What a person should know before training on it.", findings, facts)


def _deidentification(data: CardData) -> h.Element:
    actions = [(one.element, one.done, figures.whole(one.count)) for one in data.actions]
    tables = [
        (one.table, str(one.k), "" if one.l is None else str(one.l), ", ".join(one.quasi),
         figures.whole(one.suppressed))
        for one in data.anonymity
    ]  # fmt: skip
    heads = ("table", "k", "l", "quasi-identifiers", "rows left out")
    return _section(
        "De-identification",
        "What was done to the elements of the records, wherever they occurred.",
        _facts(("Profile", data.profile)),
        table(heads, tables, caption="Anonymity of tables") if tables else None,
        table(("element", "what was done", "times"), actions, caption="Actions") if actions else None,
    )


def _quarantine(data: CardData) -> h.Element | None:
    if not data.quarantine:
        return None
    rows = [
        (one.reason, h.code[one.code], *(figures.whole(count) for count in (one.pending, one.released, one.rejected)))
        for one in sorted(data.quarantine, key=lambda one: (-one.count, one.code, one.reason))
    ]
    heads = ("reason", "code", "waiting", "let through", "rejected")
    return _section("Quarantine", "Items that no program may let pass.", table(heads, rows, caption="Held items"))


def _origin(data: CardData) -> h.Element:
    root = h.code[data.root] if data.root else "open: records can still be added"
    facts = _facts(*data.provenance, ("Root", root), ("Licence", data.licence), ("Credit", data.credit))
    return _section("Origin", "Where it comes from, and under which terms.", facts)


def _limits(data: CardData) -> h.Element:
    texts = (*data.limitations, *limitations(data))
    return _section("Limitations", "What it is not fit for.", h.ul[[h.li[text] for text in texts]])


def _section(title: str, lead: str, *content: h.Node) -> h.Element:
    return section(title.lower(), title, lead, *content)


def _facts(*pairs: tuple[str, h.Node]) -> h.Element | None:
    return definitions(pairs, "facts panel") if any(value for _, value in pairs) else None


def _counted(name: str, counts: Mapping[str, int], total: int, note: str = "records") -> h.Element:
    """Bars of counts, the largest first; what does not fit is joined."""
    ordered = _most(counts)
    shown = ordered[:_ROWS_MAX]
    if rest := ordered[_ROWS_MAX:]:
        shown = [*shown, (f"{len(rest)} others", sum(count for _, count in rest))]
    drawn = [
        (value, float(count), f"{figures.whole(count)} · {figures.percent(count / (total or 1), decimals=0)}")
        for value, count in shown
    ]
    listed = [(value, figures.whole(count), figures.percent(count / (total or 1))) for value, count in ordered]
    return figure(
        name.capitalize(),
        bars(f"Bars: records by {name}", drawn),
        table((name, "records", "share"), listed, caption=name.capitalize()),
        note=note,
    )


def _most(counts: Mapping[Any, int]) -> list[tuple[Any, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))
