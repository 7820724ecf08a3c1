"""`hmchain request`: ask for data, decide on what is asked, and see what is due."""

from __future__ import annotations

import typer

from hmchain.interfaces.cli.request import decide, duties, file, look, own

app = typer.Typer(no_args_is_help=True)
for part in (file, own, look, decide, duties):
    app.add_typer(part.app)
