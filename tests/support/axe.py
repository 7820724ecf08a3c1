"""What axe finds on a page, in each way that people look at it: narrow and wide, light and dark."""

from __future__ import annotations

from typing import Any

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

from support.sampling import IS_FULL

WIDTHS, SCHEMES, LANGUAGES = (390, 1280), ("light", "dark"), ("en", "de")
"""Eight ways in all."""
_OF_COLOUR = ("color-contrast", "link-in-text-block")
"""What a scheme can change: its style sheets differ in colours alone."""
_RUN = """options => axe.run(document, {resultTypes: ["violations"], ...options}).then((found) =>
  found.violations.map((each) => `${each.id}: ${each.nodes.map((node) => node.html.slice(0, 160)).join(" | ")}`))"""

_TOO_WIDE = """() => [...document.querySelectorAll("main .scroll:has(.folds)")].filter((each) =>
  innerWidth < 500 && each.scrollWidth > each.clientWidth).map((each) => each.getAttribute("aria-label"))"""
"""Tables that fold on a narrow screen, and have to be pushed aside there all the same."""


def faults(page: Page, path: str, language: str = LANGUAGES[0]) -> list[str]:
    """What is wrong with the page that is shown: by axe at both widths in both schemes, and where it is too wide.

    All that unfolds on it is unfolded first. Each width is held to all rules, its other scheme to those of colour;
    another language, which changes words alone, to all rules on a narrow screen, or as the first with `HMCHAIN_FULL`.
    """
    page.evaluate(AXE_SCRIPT)
    page.evaluate("document.querySelectorAll('main details').forEach((each) => { each.open = true; })")
    wrong: list[str] = []
    widths, schemes = (WIDTHS, SCHEMES) if IS_FULL or language == LANGUAGES[0] else (WIDTHS[:1], SCHEMES[:1])
    for width in widths:
        page.set_viewport_size({"width": width, "height": 900})
        if (wide := page.evaluate("document.documentElement.scrollWidth")) > width:
            wrong.append(f"{path} is {wide} pixels wide on a screen of {width}")
        wrong += [f"{path} ({width}): the table {each!r} is wider than its place" for each in page.evaluate(_TOO_WIDE)]
        for number, scheme in enumerate(schemes):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            rules: dict[str, Any] = {"runOnly": {"type": "rule", "values": _OF_COLOUR}} if number else {}
            wrong += [f"{path} ({width}, {scheme}) {each}" for each in page.evaluate(_RUN, rules)]
    return wrong
