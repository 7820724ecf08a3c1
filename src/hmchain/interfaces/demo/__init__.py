"""The demo: a whole consortium on one machine, from raw images to an audited model."""

from __future__ import annotations

from hmchain.interfaces.demo.run import run
from hmchain.interfaces.demo.settings import WORK, DemoSettings

__all__ = ["WORK", "DemoSettings", "run"]
