"""The theme: what is written and drawn stands out from what is behind it, in light and dark."""

from __future__ import annotations

import re

import pytest

from hmchain.application.pages.markup import asset


@pytest.mark.parametrize("block", ["light", "dark"])
def test_every_line_colour_stands_out_from_its_card(block: str) -> None:
    style = asset("hmchain.application.pages", "theme.css")
    light, dark = re.findall(r":root \{(.*?)\}", style, re.DOTALL)[:2]
    colours = dict(re.findall(r"--([a-z0-9-]+): (#[0-9a-f]{6})", light if block == "light" else dark))
    for number in range(8):
        assert contrast(colours[f"c{number}"], colours["card"]) >= 3
    for words, back in (
        ("ink", "card"),
        ("quiet", "page"),
        ("good", "good-soft"),
        ("bad", "bad-soft"),
        ("bad", "card"),
        ("warn", "warn-soft"),
        ("ink", "grid"),
    ):
        assert contrast(colours[words], colours[back]) >= 4.5, words


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of WCAG 2 for two #rrggbb colours."""

    def luminance(colour: str) -> float:
        parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)
