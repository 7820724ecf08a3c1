"""`hmchain people`: who acts for this hospital, with which keys and in which roles."""

from __future__ import annotations

import typer

from hmchain.interfaces.cli.staff import change, recover, show

app = typer.Typer(no_args_is_help=True)
app.add_typer(show.app)
app.add_typer(change.app)
app.add_typer(recover.app, name="recover")
