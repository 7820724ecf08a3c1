"""Evidence as a page: what was found, in words and charts. It fetches nothing and runs nothing."""

from __future__ import annotations

from collections.abc import Iterator

import htpy as h

from hmchain.application.disclosure import membership, memorisation
from hmchain.application.disclosure.evidence import Attack, Disclosure, Estimate, Evidence, Found, Lineage, Memorisation
from hmchain.application.pages import charts, figures
from hmchain.application.pages.charts import Axis, Series
from hmchain.application.pages.markup import asset, definitions, digest, document, section, table
from hmchain.clock import utc
from hmchain.ledger import purposes
from hmchain.plain import RESEARCH_ONLY

LIMITS = (
    "An attack that finds nothing proves nothing: a better one, or one that knows more, may find something. What is "
    "found is the least that the artefact tells.",
    "Only this hospital's own images were tried. What others' images would show, only they can measure.",
    "Intervals hold in 95 of 100 cases, each by itself: of several attacks one may seem to see something by chance.",
    "Records of patients who opted out since were not opened for this, though the model was trained on them.",
)
"""What evidence does not say."""
_MINUTE_MS = 60_000
WORDS = {Found.NOTHING_SEEN: "nothing seen", Found.SEEN: "seen: weigh it", Found.NOT_SAID: "not said"}


def render(found: Evidence) -> str:
    """The page."""
    return document(
        f"Evidence on {found.study} · {found.organisation}",
        h.header[
            h.p(".brand")[f"For those of {found.organisation} who decide"],
            h.h1[f"What {found.kind} {found.study} tells of our patients"],
            h.p(".about")[f"Measured at {found.organisation} on its own records, {dates(found)}"],
        ],
        h.main[content(found)],
        h.footer[
            h.p["Digest of this evidence: ", digest(found.digest.hex(), 0)],
            h.p["Digest of the artefact: ", digest(found.artefact, 0)],
            h.p[f"{found.software}, in {figures.duration(found.seconds)}. {RESEARCH_ONLY}"],
        ],
        style=asset("hmchain.application.pages", "card.css"),
    )  # fmt: skip


def content(found: Evidence) -> list[h.Node]:
    """Its sections, for a page that has a head of its own."""
    return [
        _summary(found), _attacks(found), _memorised(found.memorisation), _disclosed(found.disclosure),
        _lineage(found.lineage), _limits(),
    ]  # fmt: skip


def dates(found: Evidence) -> str:
    """When it was computed, and what became other since the evidence before."""
    said = f"{utc(found.computed_ms)[:16]} UTC"
    if found.attacks and found.measured_ms < found.computed_ms - _MINUTE_MS:
        said += f", the attacks on {utc(found.measured_ms)[:16]} UTC with the same records"
    if found.changed:
        said += f". Other than in the evidence of {utc(found.before_ms)[:16]} UTC: {', '.join(found.changed)}"
    return said


def summary_rows(found: Evidence) -> list[tuple[str, str, str]]:
    """Each part: its name, what it says, and the figures or the reason."""
    attacks = [(f"membership, {each.name}", WORDS[each.found], attack_words(each)) for each in found.attacks]
    rows = [*attacks]
    if kept := found.memorisation:
        rows.append(("memorisation", WORDS[kept.found], kept.why))
        rows += [(f"- {name}", "", words) for name, words in memorisation_words(kept)]
    if found.disclosure:
        rows.append(("disclosure", WORDS[found.disclosure.found], disclosure_words(found.disclosure)))
    return [*rows, ("lineage", WORDS[found.lineage.found], lineage_words(found.lineage))]


def attack_words(found: Attack) -> str:
    """What an attack found, in a line."""
    said = []
    if found.auc:
        said.append(f"AUC {found.auc}")
    if found.rate:
        said.append(f"finds {_percent(found.rate)} at 1 % false alarms")
    return "; ".join([*said, *([found.why] if found.why else [])])


def memorisation_words(found: Memorisation) -> list[tuple[str, str]]:
    """What is known by heart: each thing that was counted, with what came of it."""
    said = []
    if found.certain and found.certain_others:
        share, others = _percent(found.certain), _percent(found.certain_others)
        said.append(("certain", f"of {share} of its training images, and of {others} of others"))
    if found.outliers is not None and found.outliers_expected is not None:
        said.append(("outliers", f"{found.outliers}, and {found.outliers_expected:g} by chance"))
    if found.alike is not None:
        said.append(("near-duplicates", f"{found.alike} training images have some among the others"))
    if found.across:
        said.append(("held-out copies", f"{found.across} held-out images are near-duplicates, and were left out"))
    return said


def disclosure_words(found: Disclosure) -> str:
    """Which rules are broken, in a line."""
    said = [f"{each.cell}: {each.words}" + (" (let pass)" if each.exemption else "") for each in found.broken]
    return "; ".join(said) or found.why or "every rule holds"


def lineage_words(found: Lineage) -> str:
    """What it was made of, in a line."""
    data = ", ".join(f"{each.dataset} version {each.version}" for each in found.data)
    rounds = f"{found.rounds_given} of {figures.plural(found.rounds, 'accepted round')} hold this hospital's update"
    return "; ".join(each for each in (data, rounds, found.why) if each)


def _percent(found: Estimate) -> str:
    return f"{100 * found.value:.1f} % ({100 * found.low:.1f} to {100 * found.high:.1f})"


def _summary(found: Evidence) -> h.Element:
    lead = "Nothing seen is not a promise, and what is not said is never good news."
    grid = table(("part", "finding", "in figures"), summary_rows(found), caption="All parts", folds=True)
    return section("summary", "In short", lead, grid)


def _attacks(found: Evidence) -> h.Element | None:
    drawn = [each for each in found.attacks if each.curve]
    if not drawn:
        return None
    lead = "Can somebody who has the model and an image tell whether it was trained on it? The diagonal is chance."
    rows = [
        (
            each.name, f"{each.auc}" if each.auc else "–", _percent(each.rate) if each.rate else "not said",
            figures.whole(each.members), figures.whole(each.non_members), each.source,
        )
        for each in drawn
    ]  # fmt: skip
    head = ("attack", "AUC", "found at 1 % false alarms", "trained on", "others", "by")
    series = [Series(each.name, each.curve, place) for place, each in enumerate(drawn)]
    share = Axis("share of others taken for training images", (0.0, 1.0))
    best = max(drawn, key=lambda each: each.auc.value if each.auc else 0.0)
    chart = charts.line_chart(
        "Training images found, by false alarms", series, x=share, y=Axis("found", (0.0, 1.0)), diagonal=True,
        label=f"ROC curves of {len(drawn)} attacks; the best is {best.name}: {attack_words(best)}",
        data=table(head, rows, caption="Attacks", folds=True),
    )  # fmt: skip
    return section(
        "membership", "Membership", lead, chart, table(head, rows, caption="Attacks", folds=True), *_references(drawn)
    )


def _references(drawn: list[Attack]) -> Iterator[h.Element]:
    known = {each.references for each in drawn if each.references}
    for each in sorted(known, key=lambda one: one.models):
        took = f"; that took {figures.duration(each.seconds)}" if each.seconds else ""
        yield h.p[f"{each.models} reference models, trained by {each.by} on {each.on}{took}."]


def _memorised(found: Memorisation | None) -> h.Element | None:
    if found is None:
        return None
    lead = (
        f"Certain is at least {memorisation.CERTAIN:g} for the true class. An outlier is an image of which models "
        f"without it are less sure by {memorisation.OUTLYING:g} or more."
    )
    facts = definitions(memorisation_words(found))
    return section("memorisation", "Known by heart", lead, facts, h.p[found.why] if found.why else None)


def _disclosed(found: Disclosure | None) -> h.Element | None:
    if found is None:
        return None
    lead = "Held against the limits that secure research environments check outputs with (ACRO)."
    broken = [
        (each.cell, each.check, each.words, f"{each.exemption.by}: {each.exemption.reason}" if each.exemption else "")
        for each in found.broken
    ]
    head = ("cell", "rule", "finding", "let pass by")
    grid = table(head, broken, caption="Findings", folds=True) if broken else h.p[found.why or "Every rule holds."]
    return section("disclosure", "Counts and tables", lead, grid, h.ul[[h.li[each] for each in found.rules]])


def _lineage(found: Lineage) -> h.Element:
    rows = [
        (
            each.dataset, str(each.version), "withdrawn since" if each.withdrawn else "stands",
            "not known" if each.persons_gone is None else figures.whole(each.persons_gone), digest(each.root),
        )
        for each in found.data
    ]  # fmt: skip
    head = ("dataset", "version", "on the ledger", "persons who are gone since", "root")
    term = purposes.terms().get(found.purpose)
    purpose = f"{term.name} ({found.purpose})" if term else found.purpose or "no purpose named"
    lead = f"Made by {', '.join(found.hospitals)}, for {purpose}."
    facts = h.p[lineage_words(found)]
    return section("lineage", "What it was made of", lead, table(head, rows, caption="Our data", folds=True), facts)


def _limits() -> h.Element:
    few = f"A rate at 1 % false alarms is said with {membership.NON_MEMBERS_MIN} other images or more."
    return section("limits", "What this does not say", few, h.ul[[h.li[each] for each in LIMITS]])
