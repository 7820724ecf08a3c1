"""`hmchain release ask|table|withdraw`: whoever wants outside what a study, or a hospital by itself, made."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hmchain.application.models import export
from hmchain.application.releases import asking
from hmchain.application.releases.asking import ReleaseQuestion
from hmchain.interfaces.cli import output
from hmchain.interfaces.cli.acting import PersonCommand
from hmchain.interfaces.cli.asking import YesOption, confirm
from hmchain.interfaces.cli.options import DEFAULT_FOLDER, DatasetArgument, PersonOption, VersionOption, example
from hmchain.interfaces.cli.people import open_scientist
from hmchain.interfaces.cli.release import show as views
from hmchain.ledger.readers.releases import ReleaseView

app = typer.Typer()

ReleaseName = Annotated[str, typer.Argument(metavar="NAME", help="Name of the release.")]

AudienceOption = Annotated[
    str, typer.Option("--audience", metavar="WHOM", help="Whom it is for: applicant, members or public.")
]
RegionOption = Annotated[
    list[str] | None,
    typer.Option("--region", metavar="CODE", help="Where it goes: two letters, such as DE; once for each."),
]
NameOption = Annotated[
    str, typer.Option("--name", metavar="NAME", help="Its name.", show_default="made of the question")
]


@app.command(cls=PersonCommand, epilog=example("hmchain release ask brain-tumour --audience members"))
def ask(
    study: Annotated[str, typer.Argument(metavar="STUDY", help="The study, or the count, whose result is to leave.")],
    audience: AudienceOption = "members",
    region: RegionOption = None,
    name: NameOption = "",
    node: PersonOption = DEFAULT_FOLDER,
    yes: YesOption = False,
) -> None:
    """Scientist: ask that what a study made may leave the hospitals whose records are in it. Each decides for itself.

    What is asked for is that very model or count, by its digest: another file never passes for it.
    """
    wanted = ReleaseQuestion(study, audience, tuple(region or ()), name)
    with open_scientist(node, yes=yes) as scientist:
        planned = asking.plan(scientist, wanted)
        if planned.standing is None:
            confirm("Put it before these hospitals, for all members to read, for ever?", yes=yes,
                    about=lambda: views.show_planned(planned))  # fmt: skip
        done = asking.ask(scientist, planned)
    output.tell(done, _before(done))


@app.command(cls=PersonCommand, epilog=example("hmchain release table people counts.csv"))
def table(
    dataset: DatasetArgument,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV: columns that name cells, then `persons`.")],
    version: VersionOption = None,
    audience: AudienceOption = "members",
    region: RegionOption = None,
    name: NameOption = "",
    node: PersonOption = DEFAULT_FOLDER,
    yes: YesOption = False,
) -> None:
    """Scientist: ask that a table of this hospital's own people may leave it, of a published version of a dataset.

    A last column `value` may have sums or means. The table is kept inside; others see the digest of it, under a random
    number. This hospital alone decides.
    """
    wanted = ReleaseQuestion("", audience, tuple(region or ()), name)
    with open_scientist(node, yes=yes) as scientist:
        place = export.locate(node).hospital
        planned = asking.plan_table(scientist, place, file, dataset, version, wanted)
        confirm("Put it before this hospital's stewards? All members read its name and digest, for ever.", yes=yes,
                about=lambda: views.show_planned(planned))  # fmt: skip
        done = asking.ask_table(scientist, place, planned)
    output.tell(done, _before(done))


def _before(done: ReleaseView) -> str:
    if not done.waits_for:
        return str(done)
    hospitals = output.listed(done.waits_for)
    return f"{done.release} waits for {hospitals}. Follow it: `hmchain release show {done.release}`"


@app.command(cls=PersonCommand, epilog=example("hmchain release withdraw brain-tumour"))
def withdraw(release: ReleaseName, node: PersonOption = DEFAULT_FOLDER, yes: YesOption = False) -> None:
    """Scientist: ask no more for a release. What has left already cannot be taken back."""
    with open_scientist(node, yes=yes) as scientist:
        done = asking.withdraw(scientist, release)
    output.tell(done, f"{release} is withdrawn: what {done.study} made stays inside.")
