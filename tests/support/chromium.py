"""Chromium, driven by Playwright, and a server on this machine for it to look at."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from playwright.sync_api import Browser, Page, sync_playwright

from support.browser import BROWSER

_MS_MAX = 10_000


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser; each of its contexts has a profile of its own."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def served(app: Any, listening: socket.socket | None = None) -> Iterator[str]:
    """An application on a port of this machine, a free one where none was taken before: its origin."""
    with listening or listener() as taken:
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [taken]}, daemon=True)
        thread.start()
        yield origin_of(taken)
        server.should_exit = True
        thread.join()


def listener() -> socket.socket:
    """A free port, taken."""
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    return taken


def origin_of(taken: socket.socket) -> str:
    """The origin of what listens there."""
    return f"http://localhost:{taken.getsockname()[1]}"


@contextmanager
def watched(browser: Browser, **how: Any) -> Iterator[tuple[Page, list[str]]]:
    """A page in a profile of its own, and what its scripts, console and security policy complained of."""
    context = browser.new_context(**how)
    page = context.new_page()
    page.set_default_timeout(_MS_MAX)
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if _complains(said.type, said.text) else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page, complaints
    context.close()


def _complains(kind: str, text: str) -> bool:
    """An answer that refuses something is none of the page's own."""
    return kind in ("error", "warning") and not text.startswith("Failed to load resource: the server responded with")
