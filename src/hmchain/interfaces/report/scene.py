"""The opening of the report: which run this is, its verdicts, the hospitals, and what left each of them."""

from __future__ import annotations

from hmchain.application.pages import figures
from hmchain.application.pages.markup import (
    NOTHING,
    Child,
    Markup,
    badge,
    bar,
    definitions,
    digest,
    element,
    section,
    table,
)
from hmchain.application.pages.plot import PALETTE
from hmchain.interfaces.report.parts import Approval, Departure, Exposure, Hospital
from hmchain.interfaces.report.summary import RunSummary

ROLES = {
    "steward": "Data steward",
    "scientist": "Scientist",
    "operator": "Operator",
    "auditor": "Auditor",
}
FADES = (1.0, 0.62, 0.36)
"""Strength of a class's colour the first, second and third time that the palette is used."""


def head(summary: RunSummary) -> Markup:
    """Return title, warnings, key figures and what identifies the run."""
    identity = summary.identity
    rounds = f" · {figures.plural(len(summary.rounds), 'round')}" if summary.rounds else ""
    about = f"{identity.dataset} · {figures.plural(len(summary.hospitals), 'hospital')}{rounds} · seed {identity.seed}"
    return element(
        "header",
        element("p", "FL-HMChain", class_="brand"),
        element("h1", summary.title),
        element("p", about, class_="about"),
        element("p", element("strong", "Research use only, not a medical device."), class_="research", role="note"),
        element("p", summary.notice, class_="notice", role="note") if summary.notice else None,
        key_figures(summary),
        definitions(
            [
                ("Chain id", digest(identity.chain_id, 0)),
                ("Genesis digest", digest(identity.genesis_digest, 0)),
                ("Model digest", digest(identity.model_digest, 0)),
                ("Ledger engine", identity.engine),
                ("Finished", figures.moment(identity.finished)),
                ("Software", identity.software),
                ("Machine", identity.machine),
            ],
            "facts identity",
        ),
    )


def key_figures(summary: RunSummary) -> Markup:
    """Return the few numbers that a reader takes away."""
    tiles: list[tuple[Child, str, str]] = []
    if summary.results is not None:
        auc = summary.results.federated.auc
        interval = figures.interval(auc)
        tiles.append((figures.score(auc.value), "AUC of the joint model", f"interval {interval}" if interval else ""))
        gains = [gain for one in summary.results.hospitals if (gain := one.gain("auc").value) is not None]
        if gains:
            mean = f"mean {figures.signed(sum(gains) / len(gains))}"
            tiles.append((figures.signed(min(gains)), "AUC gained by the hospital that gains least", mean))
    if summary.departures:
        images = sum(one.images for one in summary.departures)
        update = figures.size(sum(one.update_bytes for one in summary.departures))
        tiles.append((figures.whole(images), "images left a hospital", f"{update} of masked updates did"))
    if summary.audit is not None:
        word = "Verified" if summary.audit.passed else "Failed"
        tiles.append((word, "replay of the whole ledger", "held against the genesis digest above"))
    cells = [
        element("li", element("b", value), element("span", name), element("small", more) if more else None)
        for value, name, more in tiles
    ]
    return element("ul", cells, class_="tiles") if cells else NOTHING


def verdicts(summary: RunSummary) -> Markup:
    """Return one sentence for each role."""
    if not summary.verdicts:
        return NOTHING
    cards = [
        element(
            "li",
            element("h3", ROLES[one.role], " ", badge(one.good, "in order", "needs attention")),
            element("p", one.sentence),
        )
        for one in summary.verdicts
    ]
    return section("verdicts", "Verdicts", "One sentence for each role.", element("ul", cards, class_="cards"))


# --- the hospitals ------------------------------------------------------------------------------------------------


def hospitals(summary: RunSummary) -> Markup:
    """Return who took part, with which images, on whose permission."""
    total = sum(hospital.training for hospital in summary.hospitals)
    stripped = sum(hospital.files_stripped for hospital in summary.hospitals)
    encrypted = sum(hospital.images_encrypted for hospital in summary.hospitals)
    lead = (
        f"{figures.plural(len(summary.hospitals), 'hospital')} hold {figures.plural(total, 'training image')}. "
        f"Metadata was removed from {figures.plural(stripped, 'file')}; "
        f"{figures.plural(encrypted, 'image was', 'images were')} encrypted before being stored."
    )
    return section(
        "hospitals", "The hospitals", lead, class_mix(summary), _metadata(summary), _approvals(summary.approvals)
    )


def class_mix(summary: RunSummary) -> Markup:
    """Return each hospital's images by class, as stacked bars of comparable length."""
    classes = summary.identity.classes
    largest = max((hospital.training for hospital in summary.hospitals), default=0)
    rows = [_hospital_row(hospital, classes, largest) for hospital in summary.hospitals]
    columns = ["Hospital", "Training images by class", *classes, "All", "Validation", "Metadata removed", "Encrypted"]
    key = [
        element("li", element("i", style=_fill(number), aria_hidden="true"), name)
        for number, name in enumerate(classes)
    ]
    return element(
        "div",
        element("h3", "Size and class mix"),
        element("ul", key, class_="legend"),
        table(columns, rows, caption="Size and class mix of each hospital", class_="numbers mix"),
        class_="panel",
    )


def _hospital_row(hospital: Hospital, classes: tuple[str, ...], largest: int) -> list[Child]:
    parts = [
        element("span", style=f"flex-grow:{count};{_fill(number)}", title=f"{name}: {count}")
        for number, (name, count) in enumerate(zip(classes, hospital.class_counts, strict=True))
        if count
    ]
    width = 100 * hospital.training / largest if largest else 0
    stack = element("span", parts, class_="stack", style=f"width:{width:.1f}%", aria_hidden="true")
    encrypted = f"{figures.whole(hospital.images_encrypted)} ({figures.size(hospital.bytes_encrypted)})"
    return [
        hospital.name,
        element("td", stack, class_="stack-cell"),
        *(figures.whole(count) for count in hospital.class_counts),
        figures.whole(hospital.training),
        figures.whole(hospital.validation),
        figures.whole(hospital.files_stripped),
        encrypted,
    ]


def _fill(number: int) -> str:
    fade = FADES[number // PALETTE % len(FADES)]
    return f"background:var(--c{number % PALETTE});opacity:{fade}"


def _metadata(summary: RunSummary) -> Markup:
    if not summary.metadata:
        return NOTHING
    kinds = ", ".join(f"{figures.whole(one.count)} with {one.name}" for one in summary.metadata)
    return element("p", f"Files that carried metadata: {kinds}. Only pixels were kept.")


def _approvals(approvals: tuple[Approval, ...]) -> Markup:
    if not approvals:
        return NOTHING
    rows = [
        [
            one.hospital,
            one.study,
            badge(one.decision == "approved", one.decision, one.decision),
            one.reason or figures.NONE,
            figures.whole(one.height),
            digest(one.transaction) or figures.NONE,
        ]
        for one in approvals
    ]
    head = ["Steward of", "Study", "Decision", "Reason", "Block", "Transaction"]
    return element(
        "div",
        element("h3", "Approvals"),
        element(
            "p", "No hospital's agent trains without its steward's signed approval of this study and dataset version."
        ),
        table(head, rows, caption="Decisions of the stewards"),
        class_="panel",
    )


# --- what left ----------------------------------------------------------------------------------------------------


def departures(summary: RunSummary) -> Markup:
    """Return what left each hospital, and what the store and the master saw of it."""
    if not summary.departures and summary.exposure is None:
        return NOTHING
    images = sum(one.images for one in summary.departures)
    update = figures.size(sum(one.update_bytes for one in summary.departures))
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


def _departure_table(rows: tuple[Departure, ...]) -> Markup:
    largest = max(one.update_bytes for one in rows) or 1
    cells = [
        [
            one.hospital,
            element("td", figures.whole(one.images), class_="zero" if one.images == 0 else "worst"),
            figures.size(one.update_bytes),
            element("td", bar(one.update_bytes / largest), class_="bar-cell"),
            figures.size(one.transaction_bytes),
        ]
        for one in rows
    ]
    columns = ["Hospital", "Images", "Masked updates", "", "Signed transactions"]
    return table(columns, cells, caption="What left each hospital", class_="numbers")


def _exposure(exposure: Exposure) -> Markup:
    pictures = (
        ("The hospital sees", exposure.original, "The original image, at its own hospital", "stays inside"),
        ("The object store sees", exposure.store, "Noise: the encrypted object drawn as pixels", "ciphertext"),
        ("The master sees", exposure.master, "Noise: a masked model update drawn as pixels", "masked update"),
    )
    shown = [
        element(
            "figure",
            element("img", src=f"data:image/png;base64,{data}", alt=words),
            element("figcaption", element("strong", name), element("span", kind)),
        )
        for name, data, words, kind in pictures
    ]
    note = element("p", exposure.caption, class_="quiet") if exposure.caption else None
    return element("div", element("div", shown, class_="pictures"), note)
