"""`hmchain release file|check`: what was released, as a file that proves it to whoever is handed it."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from msgspec import structs

from hmchain.application.models import export
from hmchain.application.node.release_words import audience_words
from hmchain.application.releases import file
from hmchain.application.releases.file import ReleasedFile
from hmchain.clock import utc
from hmchain.interfaces.cli import output
from hmchain.interfaces.cli.command import ReadCommand, WriteCommand
from hmchain.interfaces.cli.options import (
    DEFAULT_FOLDER,
    GENESIS_HELP,
    HEADER_HELP,
    HospitalOption,
    example,
    parse_digest,
    passphrase,
)
from hmchain.interfaces.cli.release.ask import ReleaseName
from hmchain.plain import RESEARCH_ONLY, plain

app = typer.Typer()


@app.command("file", cls=WriteCommand, epilog=example("hmchain release file brain-tumour --to model.safetensors"))
def write(
    release: ReleaseName,
    to: Annotated[
        Path, typer.Option("--to", metavar="FILE", help="A new file: of a count .json or .csv, of a table .csv.")
    ],
    directory: HospitalOption = DEFAULT_FOLDER,
) -> None:
    """Write what was released, with the proof that it was, at any hospital that took part; its node may run or not.

    It is written only if the release is on the ledger, and if it is what was released. No file is overwritten.
    """
    found = file.write(export.locate(directory), release, to, passphrase())

    def tell(found: ReleasedFile) -> None:
        show_file(found)
        output.say("Whoever gets it checks it anywhere, offline:")
        output.say(f"hmchain release check {shlex.quote(str(to))} --genesis {found.proven.genesis.hex()}", style="bold")

    output.show(found, tell, json=_value)


@app.command(cls=ReadCommand, epilog=example("hmchain release check model.safetensors --genesis DIGEST"))
def check(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="A file that was released.")],
    genesis: Annotated[str | None, typer.Option("--genesis", metavar="DIGEST", help=GENESIS_HELP)] = None,
    header: Annotated[str | None, typer.Option("--header", metavar="HASH", help=HEADER_HELP)] = None,
) -> None:
    """Check offline that a file is what was released, byte for byte, and that all its hospitals let it leave.

    Nothing but the file is needed. Exit status 7 if it is another one, or if its proof does not hold.
    """
    anchors = [None if text is None else parse_digest(text) for text in (genesis, header)]
    output.show(file.check(path, *anchors), show_file, json=_value)


def show_file(found: ReleasedFile) -> None:
    """What a file holds, and what its proof says."""
    proven = found.proven
    where = f"in {output.listed(proven.regions)}" if proven.regions else "anywhere"
    output.say(f"{found.path} is what was released.", style="bold green")
    output.fields((
        ("result", _what(found)),
        ("release", f"{proven.release}: all hospitals whose records are in it let it leave"),
        ("for", f"{audience_words(proven.audience)}, {where}"),
        ("proven by", f"block {proven.height}, {utc(proven.time_ms)} UTC by the validators' clocks"),
        ("genesis", proven.genesis.hex()),
    ))  # fmt: skip
    if found.count is not None:
        output.say("People may be counted twice: it is an upper bound.")
    if not found.anchored:
        output.say("It was held against the genesis that it names itself. Whether that is the network that you mean, "
                   "say with --genesis DIGEST, as its members made it known.", style="bold yellow")  # fmt: skip
    output.say(RESEARCH_ONLY, style="bold yellow")


def _what(found: ReleasedFile) -> str:
    if found.table is not None:
        head = found.table.head
        return f"{found.table}: {head.dataset} version {head.version} of {head.organisation}"
    return str(found.count) if found.count is not None else f"model of study {found.proven.study}"


def _value(found: ReleasedFile) -> object:
    """JSON without the proof, which is in the file."""
    count = {name: value for name, value in plain(found.count).items() if name != "proof"} if found.count else None
    table = plain(replace(found.table, head=structs.replace(found.table.head, proof=None))) if found.table else None
    return {**plain(replace(found, table=None)), "count": count, "table": table}
