"""The report: one HTML file that needs nothing else, from a run's summary.

`render` is pure. The page may not fetch anything and runs one script of ours, whose hash its content security policy
names; even text that slipped through escaping could therefore do nothing.
"""

from __future__ import annotations

import base64
import hashlib
from importlib import resources

from hmchain.application.pages import figures
from hmchain.application.pages.markup import Markup, element, join
from hmchain.interfaces.report import proof, results, scene
from hmchain.interfaces.report.summary import RunSummary

SECTIONS = (
    ("verdicts", "Verdicts", scene.verdicts),
    ("hospitals", "Hospitals", scene.hospitals),
    ("gains", "Gains", results.gains),
    ("curves", "Learning", results.curves),
    ("performance", "Model", results.performance),
    ("departures", "What left", scene.departures),
    ("masters", "Who led", proof.masters),
    ("incidents", "Incidents", proof.incidents),
    ("audit", "Audit", proof.audit),
    ("method", "Method", proof.method),
    ("limits", "Limits", proof.limits),
    ("next", "Next", proof.next_steps),
)


def render(summary: RunSummary) -> str:
    """Return the report page of a run as HTML text (UTF-8 when written)."""
    style, script = _asset("page.css"), _asset("page.js")
    drawn = [(anchor, name, draw(summary)) for anchor, name, draw in SECTIONS]
    shown = [(anchor, name, content) for anchor, name, content in drawn if content]
    links = [element("li", element("a", name, href=f"#{anchor}")) for anchor, name, _ in shown]
    title = f"{summary.title} · {summary.identity.dataset}"
    page = element(
        "html",
        element(
            "head",
            element("meta", charset="utf-8"),
            element("meta", name_="viewport", content="width=device-width, initial-scale=1"),
            element("meta", http_equiv="Content-Security-Policy", content=_policy(script)),
            element("meta", name_="color-scheme", content="light dark"),
            element("title", title),
            element("style", style),
        ),
        element(
            "body",
            element("a", "Skip to the content", href="#content", class_="skip"),
            scene.head(summary),
            element("nav", element("ul", links), aria_label="Sections"),
            element("main", join(content for _, _, content in shown), id="content"),
            _foot(summary),
            element("div", id="tip", hidden=True, aria_hidden="true"),
            element("script", script),
        ),
        lang="en",
    )
    return f"<!DOCTYPE html>\n{page}\n"


def _foot(summary: RunSummary) -> Markup:
    words = "Research use only, not a medical device."
    made = f"{summary.identity.software or 'FL-HMChain'}, {figures.moment(summary.identity.finished)}."
    return element("footer", element("p", words), element("p", made))


def _policy(script: str) -> str:
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _asset(name: str) -> Markup:
    return Markup(resources.files(__package__).joinpath(name).read_text(encoding="utf-8"))
