"""The demo: a whole consortium on one machine, from raw images to an audited model."""

from __future__ import annotations

from hmchain.application.demo.run import run
from hmchain.application.demo.settings import WORK, DemoSettings

__all__ = ["WORK", "DemoSettings", "run"]
