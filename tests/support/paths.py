"""Where tests find what is not imported."""

from __future__ import annotations

from pathlib import Path

TESTS = Path(__file__).parents[1]
REPOSITORY = TESTS.parent
VECTORS = TESTS / "vectors"
APPS = TESTS / "support" / "apps"
"""State machines that do what a node must not, each run in the place of the real one."""
