"""`hmchain share`: records that travel between hospitals under a permit."""

from __future__ import annotations

import typer

from hmchain.interfaces.cli.share import carry, emergency, look

app = typer.Typer(no_args_is_help=True)
for part in (carry, look, emergency):
    app.add_typer(part.app)
