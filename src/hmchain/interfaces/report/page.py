"""The report: one HTML file that needs nothing else, from a run's summary. `render` is pure."""

from __future__ import annotations

import htpy as h

from hmchain.application.pages import figures
from hmchain.application.pages.markup import asset, document
from hmchain.interfaces.report import hospitals, masters, method, own, performance, proof, release, results, scene
from hmchain.interfaces.report.summary import RunSummary
from hmchain.plain import RESEARCH_ONLY

SECTIONS = (
    ("verdicts", "Verdicts", scene.verdicts),
    ("hospitals", "Hospitals", hospitals.hospitals),
    ("own", "Own scores", own.scores),
    ("gains", "Gains", results.gains),
    ("curves", "Learning", results.curves),
    ("performance", "Model", performance.performance),
    ("departures", "What left", hospitals.departures),
    ("release", "Release", release.release),
    ("masters", "Who led", masters.masters),
    ("incidents", "Incidents", proof.incidents),
    ("audit", "Audit", proof.audit),
    ("method", "Method", method.method),
    ("limits", "Limits", method.limits),
    ("next", "Next", method.next_steps),
)


def render(summary: RunSummary) -> str:
    """Return the report page of a run as HTML text (UTF-8 when written)."""
    drawn = [(anchor, name, draw(summary)) for anchor, name, draw in SECTIONS]
    shown = [(anchor, name, content) for anchor, name, content in drawn if content is not None]
    return document(
        f"{summary.title} · {summary.identity.dataset}",
        h.a(".skip", href="#content")["Skip to the content"],
        scene.head(summary),
        h.nav(aria_label="Sections")[h.ul[[h.li[h.a(href=f"#{anchor}")[name]] for anchor, name, _ in shown]]],
        h.main("#content")[[content for _, _, content in shown]],
        _foot(summary),
        h.div("#tip", hidden=True, aria_hidden="true"),
        style=asset(__package__, "page.css"),
        script=asset(__package__, "page.js"),
        pictures=True,
    )


def _foot(summary: RunSummary) -> h.Element:
    made = f"{summary.identity.software or 'FL-HMChain'}, {figures.moment(summary.identity.finished)}."
    return h.footer[h.p[RESEARCH_ONLY], h.p[made]]
