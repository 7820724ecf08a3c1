"""`hmchain cohort`: what members have, how many people fit, and what one's own hospital would answer."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from hmchain.application.data import cohorts
from hmchain.application.data.cohorts import CohortCheck
from hmchain.application.governance import counts as counting
from hmchain.application.governance.counts import CountQuestion
from hmchain.application.node.count_results import count_result, own_result
from hmchain.application.node.reading import open_ledger
from hmchain.application.site import hospital
from hmchain.application.site.node import NodeFolder
from hmchain.interfaces.cli import output, remote, runs
from hmchain.interfaces.cli import show_cohort as views
from hmchain.interfaces.cli.acting import PortalReadCommand, ResumedPersonCommand
from hmchain.interfaces.cli.asking import YesOption, confirm
from hmchain.interfaces.cli.command import ReadCommand
from hmchain.interfaces.cli.options import (
    DEFAULT_FOLDER,
    HospitalOption,
    PersonOption,
    RunOption,
    VersionOption,
    example,
    passphrase,
)
from hmchain.interfaces.cli.people import open_scientist
from hmchain.interfaces.client import counts as ask_counts
from hmchain.ledger.readers import catalogue

app = typer.Typer(no_args_is_help=True)

QueryArgument = Annotated[
    str, typer.Argument(metavar="QUERY", help='Whom to count: "female and age 50..79 and condition ICD10:C50".')
]
CountName = Annotated[str, typer.Argument(metavar="NAME", help="Name of the count.")]


@app.command(cls=PortalReadCommand, epilog=example("hmchain cohort datasets"))
def datasets(folder: RunOption = None) -> None:
    """List what all members have: the form of their records, how many, and what each policy says to a count."""
    if remote.shown(
        folder, ask_counts.offers(), views.show_offers, lambda found: [views.offer_value(each) for each in found]
    ):
        return
    with runs.opened(folder) as place, open_ledger(place.ledger) as ledger:
        output.vouch(ledger.verified)
        asker = hospital.locate(place.path).organisation if NodeFolder(place.path).toml.is_file() else ""
        found = catalogue.offers(ledger.verified.state, asker)
    output.show(found, views.show_offers, json=lambda found: [views.offer_value(each) for each in found])


@app.command(cls=PortalReadCommand, epilog=example("hmchain cohort budget north/patients"))
def budget(
    dataset: Annotated[
        str, typer.Argument(metavar="DATASET", help="A dataset of this hospital, or ORGANISATION/DATASET.")
    ],
    folder: RunOption = None,
) -> None:
    """Show what counts over a dataset may cost in all, what they did, and who asked."""
    if remote.shown(folder, ask_counts.budget(dataset), views.show_budget):
        return
    with runs.opened(folder) as place, open_ledger(place.ledger) as ledger:
        output.vouch(ledger.verified)
        own = hospital.locate(place.path).organisation if NodeFolder(place.path).toml.is_file() else ""
        organisation, _, name = dataset.rpartition("/")
        found = counting.budget(ledger.verified.state, organisation or own, name)
    output.show(found, views.show_budget)


@app.command("list", cls=PortalReadCommand, epilog=example("hmchain cohort list"))
def list_counts(folder: RunOption = None) -> None:
    """List the counts that were asked for, and how far they are."""
    if remote.shown(folder, ask_counts.counts(), views.show_counts):
        return
    with runs.opened(folder) as place, open_ledger(place.ledger) as ledger:
        output.vouch(ledger.verified)
        found = counting.listed(ledger.verified.state)
    output.show(found, views.show_counts)


@app.command(cls=ResumedPersonCommand, epilog=example('hmchain cohort count "female" --dataset north/patients'))
def count(
    query: QueryArgument,
    dataset: Annotated[
        list[str],
        typer.Option("--dataset", metavar="ORGANISATION/DATASET", help="Where; once for each hospital that is asked."),
    ],
    node: PersonOption = DEFAULT_FOLDER,
    name: Annotated[
        str, typer.Option("--name", metavar="NAME", help="Its name.", show_default="made of the question")
    ] = "",
    purpose: Annotated[
        list[str], typer.Option("--purpose", metavar="DUO", help="What for: a code of DUO, or a word for one.")
    ] = ["health-research"],  # noqa: B006 - Typer copies it
    epsilon: Annotated[
        float, typer.Option("--epsilon", metavar="E", help="What may be learned of one person; less is more noise.")
    ] = 0.5,
    without: Annotated[
        bool, typer.Option("--without-waiting-for-hospitals", help="Count now, with those who have allowed it.")
    ] = False,
    seconds: Annotated[
        float, typer.Option("--wait", metavar="SECONDS", min=0, help="How long to wait for the answer.")
    ] = 600,
    yes: YesOption = False,
) -> None:
    """Scientist: ask hospitals how many people fit, and wait for the number; the same command goes on with it.

    Hospitals whose policies say yes by themselves answer at once; for others a person decides first. What is charged to
    their budgets is never paid back.
    """
    question = CountQuestion(query, tuple(dataset), tuple(purpose), epsilon, name=name)
    with open_scientist(node, yes=yes) as scientist:
        planned = counting.plan(scientist, question)
        if planned.standing is None or (planned.standing.is_unused and (without or not planned.standing.waits_for)):
            confirm("Have this counted? It costs each hospital's budget.", yes=yes, about=lambda: views.ask(planned))
        found = counting.ask(scientist, question)
        if not found.waits_for or without:
            found = counting.propose(scientist, found.count)
            found = counting.wait(scientist, found.count, seconds, lambda each: output.remark(str(each)))
    result = own_result(node, found.study, passphrase()) if found.is_done else None
    output.show(result or found, lambda _: views.show_asked(found, result))


@app.command(cls=ReadCommand, epilog=example("hmchain cohort result count-5f0c2a91d3"))
def result(name: CountName, directory: HospitalOption = DEFAULT_FOLDER) -> None:
    """Show a count: about how many people, with how much noise, at which hospitals; never one hospital's number."""
    found, verified = count_result(directory, name, passphrase())
    output.vouch(verified)
    output.show(found, views.show_result)


@app.command(cls=ReadCommand, epilog=example('hmchain cohort check "female and age 50..79" --dataset patients'))
def check(
    query: QueryArgument,
    dataset: Annotated[str, typer.Option("--dataset", metavar="NAME", help="A dataset of one's own.")],
    version: VersionOption = None,
    directory: HospitalOption = DEFAULT_FOLDER,
) -> None:
    """Steward: count in one's own records, exactly; nothing of it leaves this machine, and it is logged."""
    folder = hospital.locate(directory)
    year = datetime.now(UTC).year
    with output.progress_bar("people") as progress, hospital.read_records(folder, passphrase()) as records:
        found: CohortCheck = cohorts.check(records, dataset, version, query, year, progress)
    output.show(found, views.show_check)
