"""`hmchain request`: ask for data, decide on what is asked, and see what is due."""

from __future__ import annotations

import typer

from hmchain.interfaces.cli.request import file

app = typer.Typer(no_args_is_help=True)
app.add_typer(file.app)
