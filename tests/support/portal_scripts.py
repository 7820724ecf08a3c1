"""The portal's scripts, asked by a test in a browser that shows a page of the portal."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page

from hmchain.interfaces.portal import static


def ask(page: Page, script: str, *given: Any) -> Any:
    """What a function of the portal's scripts gives: `script` is its body, `load` imports one of them."""
    names = {name: static.address(name) for name in static.files()}
    whole = f"async ([names, given]) => {{ const load = (name) => import(names[name]); {script} }}"
    return page.evaluate(whole, [names, list(given)])
