"""`hmchain version`: what is installed."""

from __future__ import annotations

import platform
from importlib import metadata

import typer

from hmchain.interfaces.cli import output
from hmchain.interfaces.cli.command import ReadCommand
from hmchain.interfaces.cli.options import example

app = typer.Typer()


@app.command(cls=ReadCommand, epilog=example("hmchain version --json"))
def version() -> None:
    """Print the version, for a report of a problem."""
    facts = {"version": metadata.version("hmchain"), "python": platform.python_version(), "system": platform.system()}
    output.show(facts, lambda found: output.say("hmchain {version} (Python {python}, {system})".format(**found)))
