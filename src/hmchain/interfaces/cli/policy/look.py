"""`hmchain policy show|terms|history|diff|test|codes`: read policies, and try them before they are set."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from hmchain.application.governance.policies import setting, trials
from hmchain.application.governance.policies.setting import PolicyView
from hmchain.application.governance.purposes import found_by_word
from hmchain.application.governance.requests import licences
from hmchain.application.node.reading import open_ledger
from hmchain.interfaces.cli import output, remote, runs
from hmchain.interfaces.cli.acting import PortalReadCommand
from hmchain.interfaces.cli.command import ReadCommand, WriteCommand
from hmchain.interfaces.cli.options import DatasetArgument, RunOption, VersionOption, example
from hmchain.interfaces.cli.policy import show as views
from hmchain.interfaces.cli.request.terms_view import TermsFolder, show_wordings
from hmchain.interfaces.client import members as ask_members

app = typer.Typer()

PolicyFileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="The policy, in TOML.")]
HospitalOf = Annotated[
    str | None, typer.Option("--of", metavar="HOSPITAL", help="Whose dataset.", show_default="this hospital")
]


@app.command(cls=PortalReadCommand, epilog=example("hmchain policy show brain"))
def show(
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help="A dataset, or the file of a policy (.toml).")],
    hospital: HospitalOf = None,
    version: VersionOption = None,
    directory: RunOption = None,
) -> None:
    """Show a policy in plain words: every rule is a sentence, read back from what the ledger has.

    A rule that is none of ours is shown as Cedar.
    """

    def view(found: PolicyView) -> None:
        views.show_policy(found, is_own=hospital is None)

    is_file = dataset.endswith(".toml")
    if not is_file and remote.shown(directory, ask_members.policy(hospital or "", dataset, version), view):
        return
    output.show(_found(dataset, hospital, version, directory), view)


def _found(dataset: str, hospital: str | None, version: int | None, directory: Path | None) -> PolicyView:
    if dataset.endswith(".toml"):
        name, terms = setting.of_file(Path(dataset))
        return setting.in_words(terms, name)
    with _state(directory, hospital) as (state, whose):
        return setting.shown(state, whose, dataset, version)


@app.command(cls=WriteCommand, epilog=example("hmchain policy terms brain --of east"))
def terms(
    dataset: DatasetArgument, hospital: HospitalOf = None, out: TermsFolder = None, directory: RunOption = None
) -> None:
    """Show the terms that whoever asks for a dataset accepts, before anybody asks for it.

    A hospital wrote them: open a file of theirs as you open mail.
    """
    with runs.opened(directory) as place, open_ledger(place.ledger) as ledger:
        output.vouch(ledger.verified)
        objects, whose = runs.exchanged(place), hospital or setting.own_hospital(place.path)
        found = setting.terms_to_accept(ledger.verified.state, objects, whose, dataset)
        saved = licences.save(objects, found, out) if out is not None else ()
    output.show(found, lambda found: show_wordings(found, dataset, hospital, saved))


@app.command(cls=PortalReadCommand, epilog=example("hmchain policy history brain"))
def history(dataset: DatasetArgument, hospital: HospitalOf = None, directory: RunOption = None) -> None:
    """List all versions of a policy: whatever was decided under one can be looked up for ever."""
    if remote.shown(directory, ask_members.policy_history(hospital or "", dataset), views.show_history):
        return
    with _state(directory, hospital) as (state, whose):
        found = setting.history(state, whose, dataset)
    output.show(found, views.show_history)


@app.command(cls=PortalReadCommand, epilog=example("hmchain policy diff brain 1 2"))
def diff(
    dataset: DatasetArgument,
    before: Annotated[int, typer.Argument(metavar="VERSION", min=0, help="The one before; 0 where none was set.")],
    after: Annotated[int, typer.Argument(metavar="VERSION", min=0, help="The one after.")],
    hospital: HospitalOf = None,
    directory: RunOption = None,
) -> None:
    """Say in words how two versions of a policy differ."""
    if remote.shown(
        directory, ask_members.policy_difference(hospital or "", dataset, before, after), views.show_difference
    ):
        return
    with _state(directory, hospital) as (state, whose):
        found = setting.compared(state, whose, dataset, before, after)
    output.show(found, views.show_difference)


@app.command(cls=ReadCommand, epilog=example("hmchain policy test brain.toml --request relapse.toml"))
def test(
    file: PolicyFileArgument,
    requests: Annotated[
        list[Path] | None, typer.Option("--request", metavar="FILE", help="A request's file; several times for more.")
    ] = None,
    applicant: Annotated[
        str, typer.Option("--applicant", metavar="HOSPITAL/PERSON", help="Who asks, with --request.")
    ] = str(trials.SOMEBODY),
    cohort: Annotated[
        int | None,
        typer.Option("--cohort", metavar="N", min=0, help="Records of the dataset, as published, with --request."),
    ] = None,
    hospital: HospitalOf = None,
) -> None:
    """Try requests against a policy before it is set: yes, no, or a person must look, each with its reasons.

    Without --request, requests that are typical. Nothing is sent, and no node is needed.
    """
    name, terms = setting.of_file(file)
    owner = hospital or trials.OWN
    if requests:
        found = trials.of_files(terms, requests, owner, name, applicant, cohort)
    else:
        found = trials.usual(terms, owner, name)
    output.show(found, views.show_trials)


@app.command(cls=ReadCommand, epilog=example("hmchain policy codes glioma"))
def codes(word: Annotated[str, typer.Argument(metavar="WORD", help="A part of the name.")]) -> None:
    """Find codes of purposes and conditions (DUO) and of diseases (Mondo) by a word of their names."""
    found = found_by_word(word)
    output.show(found, lambda found: views.show_codes(found, word))


@contextmanager
def _state(directory: Path | None, hospital: str | None) -> Iterator[tuple[Any, str]]:
    """The verified state of a ledger, and whose policy is meant: at a node its own hospital's, where none is named."""
    with runs.opened(directory) as place, open_ledger(place.ledger) as ledger:
        output.vouch(ledger.verified)
        yield ledger.verified.state, hospital or setting.own_hospital(place.path)
