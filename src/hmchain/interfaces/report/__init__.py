"""The report of a run: a typed summary, and the page that shows it.

summary = from_json(Path("runs/latest/summary.json").read_bytes())
Path("report.html").write_text(render(summary), encoding="utf-8")
"""

from hmchain.interfaces.report.page import render
from hmchain.interfaces.report.parts import SummaryError
from hmchain.interfaces.report.summary import RunSummary, from_json, to_json

__all__ = ["RunSummary", "SummaryError", "from_json", "render", "to_json"]
