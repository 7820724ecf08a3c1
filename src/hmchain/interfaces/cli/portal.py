"""`hmchain portal`: the pages of a hospital's node, or of a finished run, in the browser."""

from __future__ import annotations

from typing import Annotated

import typer

from hmchain.application.site.node import NodeFolder
from hmchain.interfaces.cli import output, runs
from hmchain.interfaces.cli.command import WriteCommand
from hmchain.interfaces.cli.options import RunOption, example, passphrase
from hmchain.interfaces.portal import serving
from hmchain.processes import leave_what_stays, yield_to_others

app = typer.Typer()


@app.command(cls=WriteCommand, epilog=example("hmchain portal --dir runs/br35h-7"))
def portal(
    run: RunOption = None,
    listen: Annotated[
        str,
        typer.Option(
            "--listen", metavar="HOST:PORT", help="Where browsers reach it.", show_default="portal.toml's, or localhost"
        ),
    ] = "",
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Print the address, and open no browser.")] = False,
) -> None:
    """Serve the pages of a run or a node, for the browser: a room for each role.

    At a node its hospital's people sign in. A finished run is shown to whoever sits at this machine, and nothing of it
    can be changed. Ctrl-C ends it.
    """
    place = runs.find(run).path
    if NodeFolder(place).toml.is_file():
        yield_to_others()
    with (
        output.progress_bar("executing blocks") as progress,
        serving.opened(place, listen, passphrase(), progress) as found,
    ):

        def ready() -> None:
            leave_what_stays()
            output.say(found.address, stderr=output.in_json())
            output.remark("Ctrl-C ends it.")
            if not no_browser:
                serving.show(found.address)

        found.run(ready)
    output.show(serving.Served(place, found.address), lambda served: output.remark("The portal has ended."))
