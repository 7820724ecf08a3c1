"""`hmchain version`: what is installed."""

from __future__ import annotations

from hmchain.interfaces.cli import output
from hmchain.interfaces.cli.options import AsJson, example

EXAMPLE = example("hmchain version --json")


def version(as_json: AsJson = False) -> None:
    """Print the version, for a report of a problem."""
    import platform
    from importlib import metadata

    facts = {"version": metadata.version("hmchain"), "python": platform.python_version(), "system": platform.system()}
    if as_json:
        output.emit(facts)
    else:
        output.say(f"hmchain {facts['version']} (Python {facts['python']}, {facts['system']})")
