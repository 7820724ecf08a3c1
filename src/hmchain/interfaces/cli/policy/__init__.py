"""`hmchain policy`: what a hospital lets be asked of its datasets, in plain words."""

from __future__ import annotations

import typer

from hmchain.interfaces.cli.policy import look, settle

app = typer.Typer(no_args_is_help=True)
app.add_typer(settle.app)
app.add_typer(look.app)
