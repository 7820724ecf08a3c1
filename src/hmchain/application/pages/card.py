"""The dataset card as a page: one HTML file that fetches nothing and runs nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any
from xml.etree.ElementTree import Element, tostring

from hmchain.application.pages.card_plots import Child, bars, element, figure, histogram, table
from hmchain.records.card import CardData, limitations

_ROWS_MAX = 15
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_SEVERITIES = {"error": "wrong", "warning": "look at it", "info": "good to know"}


def to_html(data: CardData) -> str:
    """The card for people: an HTML page."""
    sections = [
        section(data)
        for section in (_contents, _labels, _images, _completeness, _quality, _deidentification, _quarantine)
    ]
    page = element(
        "html",
        element(
            "head",
            element("meta", charset="utf-8"),
            element("meta", name="viewport", content="width=device-width, initial-scale=1"),
            element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
            element("meta", name="color-scheme", content="light dark"),
            element("title", f"{data.title} · version {data.version}"),
            element("style", resources.files(__package__).joinpath("card.css").read_text(encoding="utf-8")),
        ),
        element("body", _head(data), element("main", sections, _origin(data), _limits(data)), _foot(data)),
        lang="en",
    )
    return "<!DOCTYPE html>\n" + tostring(page, encoding="unicode", method="html") + "\n"


def _head(data: CardData) -> Element:
    found = data.assessment.findings
    errors = sum(finding.severity == "error" for finding in found)
    tiles = [
        (_count(data.records), "records"),
        (_count(data.subjects), "patients, as far as pseudonyms tell"),
        (_bytes(data.size), "before encryption"),
        (str(errors), f"of {len(found)} findings are errors"),
    ]
    name = f"{data.dataset}, version {data.version}" + (f", {data.organisation}" if data.organisation else "")
    return element(
        "header",
        element("p", "Dataset card", class_="brand"),
        element("h1", data.title),
        element("p", name, class_="about"),
        element("p", data.description) if data.description else None,
        element("p", "Exact counts: for use inside the organisation.", class_="notice"),
        element("ul", [element("li", element("b", value), element("span", what)) for value, what in tiles]),
    )


def _contents(data: CardData) -> Child:
    parts = {"kind": data.kinds} | dict(data.breakdowns)
    alike = [
        (name.capitalize(), f"{next(iter(counts))} (all)") for name, counts in parts.items() if _is_alike(counts, data)
    ]
    charts = [
        _counted(name, counts, data.records) for name, counts in parts.items() if counts and not _is_alike(counts, data)
    ]
    return _section("Contents", "What the records are.", _facts(*alike), element("div", charts, class_="pair"))


def _is_alike(counts: Mapping[str, int], data: CardData) -> bool:
    return list(counts.values()) == [data.records]


def _labels(data: CardData) -> Child:
    labels = data.assessment.labels
    if not labels:
        return None
    lead = "What a network is to tell apart, and how many records there are of each."
    return _section("Labels", lead, _counted("label", labels, data.records))


def _images(data: CardData) -> Child:
    found = data.assessment
    if not found.images:
        return None
    sizes = {f"{rows} × {columns}": count for (rows, columns), count in _most(found.sizes)}
    shades = [
        (f"{index * 256 // len(found.intensities)} and up", f"{count / (sum(found.intensities) or 1):.1%}")
        for index, count in enumerate(found.intensities)
    ]
    return _section(
        "Images",
        f"{_count(found.images)} images, looked at as a viewer shows them.",
        element(
            "div",
            _counted("size", sizes, found.images, "rows × columns") if sizes else None,
            figure(
                "Intensities",
                "share of all pixels",
                histogram("Histogram of intensities from black to white", found.intensities, "black", "white"),
                table("Intensities", ("grey level", "share"), shades),
            ),
            class_="pair",
        ),
    )


def _completeness(data: CardData) -> Child:
    missing = data.assessment.missing
    if not missing:
        return None
    rows = sorted(((name, lacking / total, lacking, total) for name, (lacking, total) in missing.items()), key=_rank)
    drawn = [(name, share, f"{share:.0%}") for name, share, _, _ in rows[:_ROWS_MAX]]
    figures = [(name, _count(lacking), _count(total), f"{share:.1%}") for name, share, lacking, total in rows]
    chart = figure(
        "Missing values",
        "share of records, or of a table's rows, without a value",
        bars("Bars: share of missing values by attribute", drawn, longest=1.0),
        table("Missing values", ("attribute", "missing", "of", "share"), figures),
    )
    return _section("Completeness", "What is known of how many.", chart)


def _rank(row: tuple[str, float, int, int]) -> tuple[float, str]:
    return -row[1], row[0]


def _quality(data: CardData) -> Child:
    found = data.assessment
    rows: list[Sequence[Child]] = [
        (
            element("span", _SEVERITIES.get(one.severity, one.severity), class_=f"badge {one.severity}"),
            one.what,
            one.hint,
            [[element("code", record[:12]), " "] for record in one.records[:3]],
        )
        for one in found.findings
    ]
    findings = (
        table("Findings", ("severity", "what", "what to do", "for instance"), rows)
        if rows
        else element("p", "Nothing stands out.")
    )
    largest = max((len(group) for group in found.near_copies), default=0)
    facts = _facts(
        ("Groups of records of the same content", _count(len(found.copies))),
        ("Groups of nearly the same images", _count(len(found.near_copies))),
        ("The largest of them", f"{_count(largest)} images" if largest else ""),
        ("Left out on the way in, byte for byte the same", _count(data.duplicates)),
    )
    return _section("Quality", "What a person should know before training on it.", findings, facts)


def _deidentification(data: CardData) -> Child:
    actions = [(one.element, one.done, _count(one.count)) for one in data.actions]
    tables = [
        (one.table, str(one.k), "" if one.l is None else str(one.l), ", ".join(one.quasi), _count(one.suppressed))
        for one in data.anonymity
    ]
    heads = ("table", "k", "l", "quasi-identifiers", "rows left out")
    return _section(
        "De-identification",
        "What was done to the elements of the records, wherever they occurred.",
        _facts(("Profile", data.profile)),
        table("Anonymity of tables", heads, tables) if tables else None,
        table("Actions", ("element", "what was done", "times"), actions) if actions else None,
    )


def _quarantine(data: CardData) -> Child:
    if not data.quarantine:
        return None
    rows = [
        (one.reason, element("code", one.code), _count(one.pending), _count(one.released), _count(one.rejected))
        for one in sorted(data.quarantine, key=lambda one: (-one.count, one.code, one.reason))
    ]
    heads = ("reason", "code", "waiting", "let through", "rejected")
    return _section("Quarantine", "Items that no program may let pass.", table("Quarantine", heads, rows))


def _origin(data: CardData) -> Child:
    root = element("code", data.root) if data.root else "open: records can still be added"
    facts = _facts(*data.provenance, ("Root", root), ("Licence", data.licence), ("Credit", data.credit))
    return _section("Origin", "Where it comes from, and under which terms.", facts)


def _limits(data: CardData) -> Child:
    texts = (*data.limitations, *limitations(data))
    return _section("Limitations", "What it is not fit for.", element("ul", [element("li", text) for text in texts]))


def _foot(data: CardData) -> Element:
    return element("footer", element("p", f"Made {data.made}. Research use only, not a medical device."))


def _section(title: str, lead: str, *content: Child) -> Child:
    anchor = title.lower().replace(" ", "-")
    heading = element("h2", title, id=anchor)
    return element("section", heading, element("p", lead, class_="lead"), content, aria_labelledby=anchor)


def _facts(*pairs: tuple[str, Child]) -> Child:
    rows = [
        element("div", element("dt", name), element("dd", value)) for name, value in pairs if value not in ("", None)
    ]
    return element("dl", rows) if rows else None


def _counted(name: str, counts: Mapping[str, int], total: int, note: str = "") -> Element:
    """Bars of counts, the largest first; what does not fit is joined."""
    ordered = _most(counts)
    shown = ordered[:_ROWS_MAX]
    if rest := ordered[_ROWS_MAX:]:
        shown = [*shown, (f"{len(rest)} others", sum(count for _, count in rest))]
    drawn = [(value, float(count), f"{_count(count)} · {count / (total or 1):.0%}") for value, count in shown]
    figures = [(value, _count(count), f"{count / (total or 1):.1%}") for value, count in ordered]
    return figure(
        name.capitalize(),
        note or "records",
        bars(f"Bars: records by {name}", drawn),
        table(name.capitalize(), (name, "records", "share"), figures),
    )


def _most(counts: Mapping[Any, int]) -> list[tuple[Any, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _count(number: int) -> str:
    return f"{number:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def _bytes(size: int) -> str:
    amount, units = float(size), iter(("B", "KiB", "MiB", "GiB", "TiB"))
    unit = next(units)
    while amount >= 1024 and unit != "TiB":
        amount, unit = amount / 1024, next(units)
    return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
