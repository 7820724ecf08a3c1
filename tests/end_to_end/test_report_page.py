"""Report and dataset card in a real browser: nothing on the console or wider than the screen, in light and dark."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from hmchain.application.pages.card import to_html
from hmchain.interfaces.report import render
from support.browser import BROWSER, QUIET, needs_browser
from support.sample_cards import FULL
from support.synthetic_run import synthetic_summary

pytestmark = [pytest.mark.process, pytest.mark.network, needs_browser]

LOCAL = ("--enable-logging=stderr", "--allow-file-access-from-files")
DARK = "--blink-settings=preferredColorScheme=0"

# The report sits in a frame of the wanted width (a headless window can't be as narrow as a telephone); the page around
# it, out of reach of the report's own policy, measures and points at it; what it saw is left in its DOM.
PROBE = """<!DOCTYPE html><meta charset="utf-8"><body style="margin:0">
<iframe id="page" src="report.html" width="{width}" height="900" style="border:0"></iframe><pre id="seen"></pre>
<script>
const frame = document.getElementById("page");
frame.addEventListener("load", () => {{
  const page = frame.contentDocument, view = frame.contentWindow, chart = page.querySelector("svg[data-x]");
  const tip = page.getElementById("tip"), hidden = tip?.hidden;
  if (chart) {{
    const box = chart.getBoundingClientRect();
    const at = {{ bubbles: true, clientX: box.left + box.width / 2, clientY: box.top + box.height / 2 }};
    chart.dispatchEvent(new view.PointerEvent("pointermove", at));
  }}
  const clipped = Array.from(page.querySelectorAll("main *, header *")).filter((one) => {{
    const edge = one.getBoundingClientRect().right;
    return edge > {width} + 1 && !one.closest(".scroll") && !one.closest("svg");
  }});
  document.getElementById("seen").textContent = JSON.stringify({{
    width: page.documentElement.scrollWidth, height: page.documentElement.scrollHeight, hidden, tip: tip?.textContent,
    card: view.getComputedStyle(page.querySelector(".panel")).backgroundColor,
    clipped: clipped.map((one) => one.tagName + "." + one.className),
    sideways: Array.from(page.querySelectorAll("table.folds")).filter((one) => {{
      const around = one.closest(".scroll");
      return around.scrollWidth > around.clientWidth;
    }}).map((one) => one.caption.textContent),
    pictures: Array.from(page.images, (image) => image.naturalWidth),
    empty: Array.from(page.querySelectorAll("figure.chart .drawing svg"), (one) => one.getBoundingClientRect().height)
      .filter((height) => height < 60).length,
  }});
}});
</script>"""


def browse(folder: Path, *options: str) -> tuple[str, str]:
    """Run the browser on a fresh profile; returns what it printed, and its log."""
    assert BROWSER is not None
    profile = folder / "profile"
    command = [BROWSER, *QUIET, *LOCAL, f"--user-data-dir={profile}", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    shutil.rmtree(profile, ignore_errors=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout, done.stderr


def console(log: str) -> list[str]:
    """Return what the page wrote to the console (a script error is written there too)."""
    return [line for line in log.splitlines() if "CONSOLE" in line]


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_fits_its_screen_without_a_complaint(tmp_path: Path, width: int, scheme: str) -> None:
    summary = synthetic_summary()
    (tmp_path / "report.html").write_text(render(summary), encoding="utf-8")
    probe = tmp_path / "probe.html"
    probe.write_text(PROBE.format(width=width), encoding="utf-8")
    colours = [DARK] if scheme == "dark" else []
    dom, log = browse(tmp_path, *colours, "--virtual-time-budget=5000", "--dump-dom", probe.as_uri())
    assert console(log) == []
    found = re.search(r'<pre id="seen">(.+?)</pre>', dom)
    assert found is not None, log[-2000:]
    seen = json.loads(html.unescape(found[1]))
    assert seen["width"] <= width
    assert seen["clipped"] == seen["sideways"] == []
    assert 4000 < seen["height"] < 21000
    assert seen["pictures"] == [64, 64, 64]
    assert seen["empty"] == 0
    assert seen["card"] == ("rgb(23, 30, 38)" if scheme == "dark" else "rgb(255, 255, 255)")
    # Pointing at the middle of a chart shows one row of the table behind it.
    assert seen["hidden"]
    number = re.match(r"Round: (\d+)\nFL-CNN-HMChain: (0\.\d{3})$", seen["tip"])
    assert number is not None
    assert number[2] == f"{summary.rounds[int(number[1]) - 1].auc:.3f}"


def test_largest_run_fits_too(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_text(render(synthetic_summary(hospitals=32, classes=20, rounds=500)), encoding="utf-8")
    probe = tmp_path / "probe.html"
    probe.write_text(PROBE.format(width=390), encoding="utf-8")
    dom, log = browse(tmp_path, "--virtual-time-budget=5000", "--dump-dom", probe.as_uri())
    assert console(log) == []
    found = re.search(r'<pre id="seen">(.+?)</pre>', dom)
    assert found is not None
    seen = json.loads(html.unescape(found[1]))
    assert (seen["width"], seen["clipped"], seen["sideways"], seen["empty"]) == (390, [], [], 0)


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_card_fits_its_screen_without_a_complaint(tmp_path: Path, width: int, scheme: str) -> None:
    (tmp_path / "report.html").write_text(to_html(FULL), encoding="utf-8")
    probe = tmp_path / "probe.html"
    probe.write_text(PROBE.format(width=width), encoding="utf-8")
    colours = [DARK] if scheme == "dark" else []
    dom, log = browse(tmp_path, *colours, "--virtual-time-budget=5000", "--dump-dom", probe.as_uri())
    assert console(log) == []
    found = re.search(r'<pre id="seen">(.+?)</pre>', dom)
    assert found is not None, log[-2000:]
    seen = json.loads(html.unescape(found[1]))
    assert (seen["width"], seen["clipped"], seen["pictures"]) == (width, [], [])
    assert 1500 < seen["height"] < 5000
    assert seen["card"] == ("rgb(23, 30, 38)" if scheme == "dark" else "rgb(255, 255, 255)")


def test_page_can_be_printed(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_text(render(synthetic_summary()), encoding="utf-8")
    paper = tmp_path / "report.pdf"
    _, log = browse(tmp_path, f"--print-to-pdf={paper}", page.as_uri())
    assert console(log) == []
    assert paper.read_bytes().startswith(b"%PDF")
    assert 4 <= len(re.findall(rb"/Type /Page\b", paper.read_bytes())) <= 20
