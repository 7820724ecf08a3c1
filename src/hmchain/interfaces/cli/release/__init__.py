"""`hmchain release`: what studies made, and tables of hospitals' own, leave by their decisions, and only so."""

from __future__ import annotations

import typer

from hmchain.interfaces.cli.release import ask, decide, file, look

app = typer.Typer(no_args_is_help=True)
app.add_typer(ask.app)
app.add_typer(decide.app)
app.add_typer(look.app)
app.add_typer(file.app)
