"""`hmchain study show|approve|refuse|revoke|...`: what a hospital's people are asked, and what they decide."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from hmchain.application.governance import studies
from hmchain.application.governance.proposals import load_proposal
from hmchain.application.governance.terms import terms
from hmchain.application.node import sent
from hmchain.application.node.reading import open_ledger
from hmchain.application.node.sent import Sent
from hmchain.application.site.node import NodeFolder
from hmchain.interfaces.cli import output, runs
from hmchain.interfaces.cli.asking import YesOption, confirm
from hmchain.interfaces.cli.command import ReadCommand, WriteCommand
from hmchain.interfaces.cli.options import DEFAULT_FOLDER, PersonOption, example
from hmchain.interfaces.cli.people import open_scientist, open_steward
from hmchain.interfaces.cli.study.status import app
from hmchain.ledger.readers.studies import StudyProposal, StudyRequest, proposal, proposal_to
from hmchain.plain import plain

__all__ = ["app"]

DAY_MS = 86_400_000
COLUMNS = ("study", "status", "proposed by", "purpose", "asks for", "rounds#", "this hospital said", "until (UTC)")

StudyName = Annotated[str, typer.Argument(metavar="STUDY", help="Name of the study.")]
NodeOrRun = Annotated[
    Path | None,
    typer.Option(
        "--dir", "--node",
        envvar=["HMCHAIN_NODE", "HMCHAIN_RUN"], metavar="DIR",
        help="Folder of a run, a node or a ledger.", show_default="node, else runs/latest",
    ),
]  # fmt: skip


@app.command("list", cls=ReadCommand, epilog=example("hmchain study list"))
def list_studies(folder: NodeOrRun = None) -> None:
    """List all studies, what each asks of this hospital, and what the hospital has said.

    Where there is no node, the studies of the latest run.
    """
    directory, organisation = _ledger(folder)
    with open_ledger(directory) as ledger:
        output.vouch(ledger.verified)
        found = ledger.requests(organisation)
    undecided = sent.about_studies(NodeFolder(directory.parent)) if organisation else ()
    output.show(found, lambda found: _show_list(found, undecided), json=lambda found: _listed(found, undecided))


@app.command(cls=ReadCommand, epilog=example("hmchain study show brain-tumour"))
def show(study: StudyName, folder: NodeOrRun = None) -> None:
    """Show all that a study pins, in plain words: what a steward approves is this and nothing else.

    Where there is no node, the study of the latest run.
    """
    directory, organisation = _ledger(folder)
    with open_ledger(directory) as ledger:
        output.vouch(ledger.verified)
        found = ledger.proposal(organisation, study)
    output.show(found, _show)


@app.command(cls=WriteCommand, epilog=example("hmchain study approve brain-tumour --days 90"))
def approve(
    study: StudyName,
    node: PersonOption = DEFAULT_FOLDER,
    days: Annotated[int, typer.Option("--days", min=1, max=3650, help="How long the approval holds.")] = 90,
    yes: YesOption = False,
) -> None:
    """Steward: allow a study to use the dataset that it asks for, for its purpose and code, for a time."""
    with open_steward(node, yes=yes) as steward:
        shown = proposal_to(steward.state, steward.organisation, study)
        until_ms = steward.ledger.now_ms() + days * DAY_MS
        _confirm(shown, f"Allow this until {output.when(until_ms)} UTC?", yes=yes)
        done = studies.approve(steward, shown.asked, until_ms)
    until = output.when(done.until_ms)
    _tell(
        done,
        f"{done.dataset} version {done.version} may be used for {study} until {until} UTC. "
        f"Take it back with: `hmchain study revoke {study}`",
    )


@app.command(cls=WriteCommand, epilog=example("hmchain study refuse brain-tumour --reason ethics"))
def refuse(
    study: StudyName,
    reason: Annotated[
        str,
        typer.Option("--reason", help="purpose, ethics, data-quality, code, privacy or other: no text on a ledger."),
    ],
    node: PersonOption = DEFAULT_FOLDER,
    yes: YesOption = False,
) -> None:
    """Steward: say no. A study that has not begun is over then; one that runs goes on without this hospital."""
    studies.require_reason(reason)
    with open_steward(node, yes=yes) as steward:
        shown = proposal_to(steward.state, steward.organisation, study)
        _confirm(shown, f"Refuse this, with the reason {reason!r} on the ledger for ever?", yes=yes)
        done = studies.refuse(steward, study, reason)
    _tell(done, f"{study} is refused ({reason}); its status is {done.status}.")


@app.command(cls=WriteCommand, epilog=example("hmchain study revoke brain-tumour"))
def revoke(study: StudyName, node: PersonOption = DEFAULT_FOLDER, yes: YesOption = False) -> None:
    """Steward: take an approval back. From the next round on nothing of this hospital is used."""
    with open_steward(node, yes=yes) as steward:
        shown = proposal_to(steward.state, steward.organisation, study)
        _confirm(shown, "Take the approval back? What went into earlier rounds stays in the model.", yes=yes)
        done = studies.revoke(steward, study)
    _tell(done, f"From the next round on {study} uses nothing of {done.dataset}.")


@app.command(cls=WriteCommand, epilog=example("hmchain study resume brain-tumour"))
def resume(study: StudyName, node: PersonOption = DEFAULT_FOLDER) -> None:
    """Scientist of the proposing hospital, or of any participant where that one is gone: go on with a paused study."""
    with open_scientist(node) as scientist:
        done = studies.resume(scientist, study)
    _tell(done, f"{study} goes on.")


@app.command(cls=WriteCommand, epilog=example("hmchain study close brain-tumour"))
def close(
    study: StudyName,
    node: PersonOption = DEFAULT_FOLDER,
    vote: Annotated[
        bool, typer.Option("--vote", help="Steward: vote for it; more than f votes close a study.")
    ] = False,
    yes: YesOption = False,
) -> None:
    """Scientist of the proposing hospital: end a study now. Steward of a participant: vote for it, with --vote.

    The last accepted model is kept, if there is one, and nobody's reputation changes.
    """
    open_person = open_steward if vote else open_scientist
    with open_person(node, yes=yes) as person:
        shown = proposal(person.state, person.organisation, study)
        _confirm(shown, "End this study for all its participants?", yes=yes)
        done = studies.close(person, study)
    _tell(done, f"{study} is {done.status}." if done.is_over else f"The vote counts; {study} is {done.status}.")


@app.command(cls=WriteCommand, epilog=example("hmchain study propose study.toml"))
def propose(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The proposal, in TOML.")],
    node: PersonOption = DEFAULT_FOLDER,
) -> None:
    """Scientist: propose a study of published datasets. It begins once every hospital's steward has approved it."""
    wanted = load_proposal(file)
    with open_scientist(node) as scientist:
        done = studies.propose(scientist, wanted)
    _tell(done, f"{done.study} is before the stewards of {output.listed(done.participants)}. "
                f"Each decides: `hmchain study approve {done.study}`")  # fmt: skip


def _ledger(folder: Path | None) -> tuple[Path, str]:
    """The ledger that is meant, and whose it is; of a run nobody's."""
    node = NodeFolder(folder or DEFAULT_FOLDER)
    if node.toml.is_file():
        return node.ledger, node.settings().organisation
    return runs.find(folder).ledger, ""


def _confirm(shown: StudyProposal, question: str, *, yes: bool) -> None:
    """Show all that a study pins, and go on only if the answer is yes."""
    confirm(question, yes=yes, about=lambda: _show(shown))


def _show(shown: StudyProposal) -> None:
    """What a study pins, all of it, and what it asks of this hospital."""
    asked = shown.asked
    output.fields((
        ("study", f"{asked.study}, proposed by {asked.proposer}, {asked.status}"),
        ("asks for", f"{asked.dataset} version {asked.version}" if asked.dataset else "nothing of this hospital"),
        ("said so far", asked.decision),
        *terms(shown.specification),
    ))  # fmt: skip


def _show_list(found: list[StudyRequest], undecided: tuple[Sent, ...]) -> None:
    output.table(COLUMNS, map(_row, found), drop=("rounds#", "until (UTC)", "purpose"))
    for each in undecided:
        output.say(f"{each}.")


def _listed(found: list[StudyRequest], undecided: tuple[Sent, ...]) -> list[dict[str, Any]]:
    """Each study, with what this hospital sent about it that was undecided when its command ended."""
    return [
        plain(each) | {"sent": [plain(one) for one in undecided if one.about == f"study {each.study}"]}
        for each in found
    ]


def _tell(done: StudyRequest, text: str) -> None:
    output.show(done, lambda _: output.say(text))


def _row(each: StudyRequest) -> tuple[object, ...]:
    said = f"{each.decision} ({each.reason})" if each.reason else each.decision
    return (
        each.study,
        each.status,
        each.proposer,
        each.purpose,
        f"{each.dataset} v{each.version}" if each.dataset else "nothing",
        each.rounds,
        said if each.dataset else "-",
        output.when(each.until_ms) if each.until_ms else "-",
    )
