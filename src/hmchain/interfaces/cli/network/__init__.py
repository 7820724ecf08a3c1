"""`hmchain network`: found a network of hospitals, join it, look at it, and decide together."""

from __future__ import annotations

import typer

from hmchain.interfaces.cli.network import ballots, members, refound, upgrade

app = typer.Typer(no_args_is_help=True)
app.add_typer(members.app)
app.add_typer(ballots.app)
app.add_typer(upgrade.app, name="upgrade")
app.add_typer(refound.app, name="refound")
