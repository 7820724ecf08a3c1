"""`hmchain request new|check`: the file in which somebody asks for data."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from hmchain.application.governance.requests import checking, template
from hmchain.application.governance.requests.checking import CheckedRequest
from hmchain.application.governance.requests.words import answer_words
from hmchain.application.site.node import NodeFolder
from hmchain.clock import now_ms
from hmchain.interfaces.cli import output
from hmchain.interfaces.cli.command import ReadCommand, WriteCommand
from hmchain.interfaces.cli.options import DEFAULT_FOLDER, PersonOption, example
from hmchain.plain import size

app = typer.Typer()

RequestFileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="The request, in TOML.")]


@app.command(cls=WriteCommand, epilog=example("hmchain request new relapse --kind train"))
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its name, for ever: all members see it.")],
    kind: Annotated[
        str, typer.Option("--kind", metavar="KIND", help="train, count, statistics, evaluate or transfer.")
    ] = "train",
    out: Annotated[
        Path | None,
        typer.Option("--output", metavar="FILE", help="The file to write.", show_default="NAME.toml"),
    ] = None,
    node: PersonOption = DEFAULT_FOLDER,
) -> None:
    """Write a request to fill in: a file that says of each key what it means, with the datasets that members have."""
    today = datetime.fromtimestamp(now_ms() / 1000, UTC).date()
    text = template.template(name, kind, checking.catalogue(NodeFolder(node)), today)
    path = out or Path(f"{name}.toml")
    template.write_template(path, text)
    said = f"{path} is yours to fill in; choose among the datasets, and strike what you do not need."
    output.show({"file": path}, lambda _: output.say(f"{said} Then: `hmchain request check {path}`"))


@app.command(cls=ReadCommand, epilog=example("hmchain request check relapse.toml"))
def check(file: RequestFileArgument, node: PersonOption = DEFAULT_FOLDER) -> None:
    """Check a request's file, and say what the hospitals' policies would answer now; nothing goes anywhere."""
    with output.doing("asking the hospitals' policies on this node's ledger"):
        found = checking.check(file, NodeFolder(node), now_ms())
    output.show(found, _show_checked)
    output.remark(f"Put it before the hospitals: `hmchain request submit {file}`")


def _show_checked(found: CheckedRequest) -> None:
    data = [f"{use.organisation}: {use.dataset}{f' version {use.version}' * bool(use.version)}"
            for use in found.datasets]  # fmt: skip
    output.fields((
        ("request", f"{found.name}, {found.kind}: {found.title}"),
        ("purposes", "; ".join(found.purposes)),
        ("data", ", ".join(data)),
        ("until", f"{output.when(found.until_ms)} UTC"),
        ("attached", output.listed(f"{each.kind}: {each.file} ({size(each.size)})" for each in found.attachments)),
        ("left open", output.listed(found.unanswered)),
    ))  # fmt: skip
    if found.answers:
        output.heading("What policies would say now")
        output.fields(tuple(
            (f"{each.organisation}/{each.dataset}", answer_words(each.answer, each.reasons, each.policy))
            for each in found.answers
        ))  # fmt: skip
    if found.unanswered:
        output.say("What is left open is asked for in a permit application under the European Health Data Space.")
