"""`hmchain node`: make, run, look at and look after one hospital's node of a network."""

from __future__ import annotations

import typer

from hmchain.interfaces.cli.node import care, run, trainers

app = typer.Typer(no_args_is_help=True)
app.add_typer(run.app)
app.add_typer(care.app)
app.add_typer(trainers.app)
