"""Take the pictures of the portal that the documentation shows: `python scripts/screenshots.py [RUN]`.

Without RUN it is that of `runs/latest`. The portal is started on it as `hmchain portal` does, and looked at with
Chromium. Which run it was shows in the dates and digests of the pictures and nowhere else: names and sizes stay.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

FOLDER = Path(__file__).parent.parent / "docs" / "images"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SCREEN = {"width": 1040, "height": 650}
COLOURS = 48
"""Enough for text, lines and marks; a picture of a page is then some 30 kB."""
MS_MAX = 60_000
PAGES = {
    "steward": "/steward",
    "request": "/requests/{study}",
    "what-left": "/steward/log",
    "catalogue": "/scientist/catalogue",
    "study": "/studies/{study}",
    "operator": "/operator",
    "network": "/operator/network",
    "decisions": "/auditor/decisions",
    "blocks": "/auditor/blocks",
}
"""By the name of the picture, which begins with `portal-`."""


@contextmanager
def portal(run: Path) -> Iterator[str]:
    """The portal of a run, as long as it is looked at: its address."""
    command = [sys.executable, "-m", "hmchain", "portal", "--dir", str(run), "--listen", "localhost:0", "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().strip()
            if not address.startswith("http"):
                sys.exit(f"the portal did not start: {address}")
            yield address
        finally:
            process.terminate()


def take(page: Page, name: str, path: str) -> None:
    """Write what one sees of a page at first."""
    answer = page.goto(path, wait_until="load")
    if answer is None or not answer.ok:
        sys.exit(f"{path} answered {answer and answer.status}")
    page.evaluate("document.fonts.ready")
    seen = Image.open(BytesIO(page.screenshot(animations="disabled"))).convert("RGB")
    to = FOLDER / f"portal-{name}.png"
    seen.quantize(COLOURS, dither=Image.Dither.NONE).save(to, optimize=True)
    print(f"{to.relative_to(FOLDER.parent.parent)}: {to.stat().st_size:,} bytes")


def main(run: Path) -> None:
    """Take them all."""
    browser = next((found for each in BROWSERS if (found := shutil.which(each))), None)
    if browser is None:
        sys.exit(f"no browser found (looked for {', '.join(BROWSERS)})")
    alone = ["--no-sandbox"] if os.geteuid() == 0 else []
    with portal(run) as address, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=alone)
        page = chromium.new_page(base_url=address, viewport=SCREEN, locale="en", color_scheme="light")
        page.set_default_timeout(MS_MAX)
        page.goto("/studies", wait_until="load")
        study = page.locator("main tbody a").first.inner_text().strip()
        for name, path in PAGES.items():
            take(page, name, path.format(study=study))
        chromium.close()


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/latest"))
