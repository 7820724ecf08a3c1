"""A real browser that a test drives: keys, clicks and what the page shows, by Chromium's debugging protocol."""

from __future__ import annotations

import base64
import itertools
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from websockets.sync.client import ClientConnection, connect

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
BROWSER = next((path for name in BROWSERS if (path := shutil.which(name))), None)
QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
needs_browser = pytest.mark.skipif(BROWSER is None, reason=f"no browser found (looked for {', '.join(BROWSERS)})")
"""Marks a test that is skipped where there is no browser."""
_SECONDS_MAX = 60.0
_LEFT = "Inspected target navigated or closed"


class PageLeftError(Exception):
    """The page gave way to another one before the browser answered."""


class Page:
    """One page of the browser."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection, self._numbers = connection, itertools.count(1)
        self.complaints: list[str] = []
        """What scripts, the console and the content security policy complained of."""
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **arguments: Any) -> dict[str, Any]:
        """Have the browser do something; the answer. Raises `PageLeftError` where the page went meanwhile."""
        number = next(self._numbers)
        self._connection.send(json.dumps({"id": number, "method": method, "params": arguments}))
        while True:
            said = json.loads(self._connection.recv(timeout=_SECONDS_MAX))
            if said.get("id") == number:
                if said.get("error", {}).get("message") == _LEFT:
                    raise PageLeftError(method)
                assert "error" not in said, said
                return dict(said["result"])
            if said.get("method") == "Page.javascriptDialogOpening":
                answer = {
                    "id": next(self._numbers),
                    "method": "Page.handleJavaScriptDialog",
                    "params": {"accept": True},
                }
                self._connection.send(json.dumps(answer))
            elif said.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded", "Runtime.consoleAPICalled"):
                self.complaints.append(json.dumps(said["params"])[:500])

    def open(self, address: str) -> None:
        """Go to an address."""
        self.call("Page.navigate", url=address)
        self.wait("document.readyState === 'complete'")

    def see(self, expression: str) -> Any:
        """The value of an expression on the page."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def wait(self, expression: str) -> Any:
        """Wait until an expression is true on the page, whichever it is by then."""
        deadline = time.monotonic() + _SECONDS_MAX
        while True:
            with suppress(PageLeftError):
                found = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
                if "exceptionDetails" not in found and (value := found["result"].get("value")):
                    return value
            assert time.monotonic() < deadline, f"{expression} did not come true; {self.see('document.body.innerText')}"
            time.sleep(0.05)

    def press(self, *keys: str) -> None:
        """Press keys, one after the other."""
        for key in keys:
            text = key if len(key) == 1 else ""
            self.call("Input.dispatchKeyEvent", type="keyDown", key=key, text=text)
            self.call("Input.dispatchKeyEvent", type="keyUp", key=key)

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Draw with the mouse held down."""
        for kind, (x, y), buttons in (("mousePressed", start, 1), ("mouseMoved", end, 1), ("mouseReleased", end, 0)):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=buttons, clickCount=1)

    def be(self, width: int, height: int = 900, *, dark: bool = False) -> None:
        """Take a screen's size and scheme."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def picture(self, path: Path) -> None:
        """Write what is seen into a PNG file."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))


@contextmanager
def browser(folder: Path) -> Iterator[Page]:
    """A browser with a fresh profile in a folder, at an empty page."""
    assert BROWSER is not None
    profile = folder / "profile"
    command = [BROWSER, *QUIET, "--remote-debugging-port=0", f"--user-data-dir={profile}", "about:blank"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        port = _port(profile / "DevToolsActivePort")
        with urlopen(f"http://127.0.0.1:{port}/json/list") as answer:
            (page,) = [each for each in json.load(answer) if each["type"] == "page"]
        with connect(page["webSocketDebuggerUrl"], max_size=None) as connection:
            yield Page(connection)
    finally:
        process.terminate()
        process.wait(_SECONDS_MAX)
        shutil.rmtree(profile, ignore_errors=True)


def _port(path: Path) -> str:
    deadline = time.monotonic() + _SECONDS_MAX
    while not path.exists() or not path.read_text():
        assert time.monotonic() < deadline, "the browser did not start"
        time.sleep(0.05)
    return path.read_text().split("\n")[0]
