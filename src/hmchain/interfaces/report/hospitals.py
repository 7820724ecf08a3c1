"""The hospitals, with their images and their stewards' decisions, and what left each of them."""

from __future__ import annotations

import htpy as h

from hmchain.application.governance.reasons import reason_words
from hmchain.application.pages import figures
from hmchain.application.pages.markup import Cell, badge, bar, digest, panel, section, table
from hmchain.application.pages.plot import PALETTE
from hmchain.interfaces.report import own
from hmchain.interfaces.report.parts import Approval, Departure, Exposure, Hospital, Quarantined, Returned
from hmchain.interfaces.report.summary import RunSummary
from hmchain.plain import size

FADES = (1.0, 0.62, 0.36)
"""Strength of a class's colour the first, second and third time that the palette is used."""


def hospitals(summary: RunSummary) -> h.Element:
    """Return who took part, with which images, on whose permission."""
    if summary.participants:
        lead = "Who takes part, and what each hospital's steward said."
        shown = own.participants(summary.participants)
        return section("hospitals", "The hospitals", lead, shown, _approvals(summary))
    total = sum(hospital.training for hospital in summary.hospitals)
    removed = sum(hospital.metadata_removed for hospital in summary.hospitals)
    encrypted = sum(hospital.images_encrypted for hospital in summary.hospitals)
    lead = (
        f"{figures.plural(len(summary.hospitals), 'hospital')} hold {figures.plural(total, 'training image')}. "
        f"{figures.plural(removed, 'piece of metadata was', 'pieces of metadata were')} removed from their files; "
        f"{figures.plural(encrypted, 'image was', 'images were')} encrypted before being stored."
    )
    return section("hospitals", "The hospitals", lead, _class_mix(summary), _road(summary), _approvals(summary))


def _class_mix(summary: RunSummary) -> h.Element:
    """Return each hospital's images by class, as stacked bars of comparable length."""
    classes = summary.identity.classes
    largest = max((hospital.training for hospital in summary.hospitals), default=0)
    rows = [_hospital_row(hospital, classes, largest) for hospital in summary.hospitals]
    columns = ["Hospital", "Training images by class", *classes, "All", "Validation"]
    key = [h.li[h.i(style=_fill(number), aria_hidden="true"), name] for number, name in enumerate(classes)]
    return panel(
        "Size and class mix",
        h.ul(".legend")[key],
        table(columns, rows, caption="Size and class mix of each hospital", class_="numbers mix", folds=True),
    )


def _hospital_row(hospital: Hospital, classes: tuple[str, ...], largest: int) -> list[h.Node | Cell]:
    parts = [
        h.span(style=f"flex-grow:{count};{_fill(number)}", title=f"{name}: {count}")
        for number, (name, count) in enumerate(zip(classes, hospital.class_counts, strict=True))
        if count
    ]
    width = 100 * hospital.training / largest if largest else 0
    return [
        hospital.name,
        Cell(h.span(".stack", style=f"width:{width:.1f}%", aria_hidden="true")[parts], "stack-cell"),
        *(figures.whole(count) for count in hospital.class_counts),
        figures.whole(hospital.training),
        figures.whole(hospital.validation),
    ]


def _fill(number: int) -> str:
    fade = FADES[number // PALETTE % len(FADES)]
    return f"background:var(--c{number % PALETTE});opacity:{fade}"


def _road(summary: RunSummary) -> h.Element:
    """From files to records, and what a person decided on the way."""
    columns = ["Hospital", "Files", "Held", "Given twice", "Metadata removed", "Encrypted"]
    rows = [
        [
            one.name,
            figures.whole(one.files),
            figures.whole(one.held),
            figures.whole(one.duplicates),
            figures.whole(one.metadata_removed),
            f"{figures.whole(one.images_encrypted)} ({size(one.bytes_encrypted)})",
        ]
        for one in summary.hospitals
    ]
    kinds = ", ".join(f"{figures.whole(one.count)} with {one.name}" for one in summary.metadata)
    return panel(
        "From files to records",
        h.p[f"Files that carried metadata: {kinds}. Only pixels were kept."] if kinds else None,
        table(columns, rows, caption="What became of each hospital's files", class_="numbers", folds=True),
        _quarantine(summary.quarantine),
    )


def _quarantine(held: tuple[Quarantined, ...]) -> h.Element | None:
    if not held:
        return None
    rows = [[one.hospital, one.reason, one.decision, one.reviewer or figures.NONE] for one in held]
    head = ["Hospital", "Held because", "Decision", "By"]
    shown = table(head, rows, caption="What was held back, and who decided about it", folds=True)
    return h.div(".quarantine")[h.h4["Quarantine"], shown]


def _approvals(summary: RunSummary) -> h.Element | None:
    approvals = summary.approvals
    if not approvals:
        return None
    rows = [
        [
            one.hospital,
            Cell(one.study, class_="whole"),
            badge(one.decision == "approved", one.decision, one.decision),
            _decided_by(one),
            Cell(one.until, class_="whole") if one.until else figures.NONE,
            Cell(_reason(one) or figures.NONE, class_="why"),
            figures.whole(one.height),
            digest(one.transaction) or figures.NONE,
        ]
        for one in approvals
    ]
    head = ["Hospital", "Asked for", "Decision", "By", "Until", "Reason", "Block", "Transaction"]
    askers = sorted({one.asked_by for one in approvals if one.asked_by})
    asked = f"Asked by {', '.join(askers)}. " if askers else ""
    return panel(
        "Permits",
        h.p[
            f"{asked}Each hospital decides for itself, and no agent trains without its hospital's yes to this study "
            "and dataset version: asked of the ledger at every step."
        ],
        [h.p[_given_back(each)] for each in summary.returned],
        table(head, rows, caption="Who decided what, until when", folds=True),
    )


def _given_back(one: Returned) -> str:
    return (
        f"{one.by} returned version {one.version} of {one.request} for changes in block {one.height} "
        f"(reason: {one.reason}): what was decided is on what was submitted after that."
    )


def _decided_by(one: Approval) -> str:
    return ", ".join(one.persons) or ("its policy" if one.asked_by else figures.NONE)


def _reason(one: Approval) -> str:
    """Why, in words where a policy decided; what people give is a word already."""
    by_policy = one.asked_by and not one.persons
    return "; ".join(map(reason_words, filter(None, one.reason.split(", ")))) if by_policy else one.reason


# --- what left ----------------------------------------------------------------------------------------------------


def departures(summary: RunSummary) -> h.Element | None:
    """Return what left each hospital, and what the store and the master saw of it."""
    if not summary.departures and summary.exposure is None:
        return None
    images = sum(one.images for one in summary.departures)
    update = size(sum(one.update_bytes for one in summary.departures))
    lead = (
        f"{figures.plural(images, 'image')}, and {update} of masked model updates that are noise to whoever holds them."
    )
    if not summary.departures:
        lead = "What others see of an image."
    return section(
        "departures",
        "What left my hospital?",
        lead,
        _departure_table(summary.departures) if summary.departures else None,
        _exposure(summary.exposure) if summary.exposure is not None else None,
    )


def _departure_table(rows: tuple[Departure, ...]) -> h.Element:
    largest = max(one.update_bytes for one in rows) or 1
    cells: list[list[h.Node | Cell]] = [
        [
            one.hospital,
            Cell(figures.whole(one.images), "zero" if one.images == 0 else "worst"),
            size(one.update_bytes),
            Cell(bar(one.update_bytes / largest), "bar-cell"),
            size(one.transaction_bytes),
        ]
        for one in rows
    ]
    columns = ["Hospital", "Images", "Masked updates", "", "Signed transactions"]
    return table(columns, cells, caption="What left each hospital", class_="numbers", folds=True)


def _exposure(exposure: Exposure) -> h.Element:
    pictures = (
        ("The hospital sees", exposure.original, "The original image, at its own hospital", "stays inside"),
        ("The object store sees", exposure.store, "Noise: the encrypted object drawn as pixels", "ciphertext"),
        ("The master sees", exposure.master, "Noise: a masked model update drawn as pixels", "masked update"),
    )
    shown = [
        h.figure[
            h.img(src=f"data:image/png;base64,{data}", alt=words),
            h.figcaption[h.strong[name], h.span[kind]],
        ]
        for name, data, words, kind in pictures
    ]
    return h.div[h.div(".pictures")[shown], h.p(".quiet")[exposure.caption] if exposure.caption else None]
