"""`hmchain study show|approve|refuse|revoke|...`: what a hospital's people are asked, and what they decide."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hmchain.interfaces.cli import output, runs
from hmchain.interfaces.cli.options import AsJson, example, passphrase
from hmchain.interfaces.cli.study.status import app

if TYPE_CHECKING:
    from hmchain.ledger.readers.studies import StudyProposal, StudyRequest

__all__ = ["app"]

DAY_MS = 86_400_000
COLUMNS = ("study", "status", "proposed by", "purpose", "asks for", "rounds#", "this hospital said", "until (UTC)")

StudyName = Annotated[str, typer.Argument(metavar="STUDY", help="Name of the study.")]
Node = Annotated[Path, typer.Option("--node", envvar="HMCHAIN_NODE", metavar="DIR", help="Folder of the node.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")]
DEFAULT_NODE = Path("node")
NodeOrRun = Annotated[
    Path | None,
    typer.Option("--node", envvar="HMCHAIN_NODE", metavar="DIR", help="Folder of the node.", show_default="node"),
]
RunInstead = Annotated[
    Path | None, typer.Option("--dir", metavar="DIR", help="Directory of a run or of a ledger, instead of a node.")
]


@app.command("list", epilog=example("hmchain study list --node node"))
def list_studies(node: NodeOrRun = None, run: RunInstead = None, as_json: AsJson = False) -> None:
    """List all studies, what each asks of this hospital, and what the hospital has said.

    Where there is no node, the studies of the latest run.
    """
    from hmchain.application.node.reading import verified_state
    from hmchain.ledger.readers import studies

    ledger, organisation = _ledger(node, run)
    with verified_state(ledger) as read:
        output.vouch(read)
        found = studies.requests(read.state, organisation)
    output.emit(found) if as_json else output.table(COLUMNS, (_row(each) for each in found))


@app.command(epilog=example("hmchain study show brain-tumour"))
def show(study: StudyName, node: NodeOrRun = None, run: RunInstead = None, as_json: AsJson = False) -> None:
    """Show all that a study pins, in plain words: what a steward approves is this and nothing else.

    Where there is no node, the study of the latest run.
    """
    from hmchain.application.node.reading import verified_state
    from hmchain.ledger.readers import studies

    ledger, organisation = _ledger(node, run)
    with verified_state(ledger) as read:
        output.vouch(read)
        found = studies.proposal(read.state, organisation, study)
    output.emit(found) if as_json else _show(found)


@app.command(epilog=example("hmchain study approve brain-tumour --days 90"))
def approve(
    study: StudyName,
    node: Node = DEFAULT_NODE,
    days: Annotated[int, typer.Option("--days", min=1, max=3650, help="How long the approval holds.")] = 90,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Steward: allow a study to use the dataset that it asks for, for its purpose and code, for a time."""
    from hmchain.application.governance import studies
    from hmchain.application.governance.delegate import open_steward
    from hmchain.application.site.node import NodeFolder
    from hmchain.ledger.readers.studies import proposal_to

    with open_steward(NodeFolder(node), passphrase()) as steward:
        shown = proposal_to(steward.state, steward.organisation, study)
        until_ms = steward.ledger.now_ms() + days * DAY_MS
        _confirm(shown, f"Allow this until {output.when(until_ms)} UTC?", yes=yes or as_json)
        done = studies.approve(steward, shown.asked, until_ms)
    until = output.when(done.until_ms)
    _tell(done, f"{done.dataset} version {done.version} may be used for {study} until {until} UTC. "
                f"Take it back with: hmchain study revoke {study}", as_json=as_json)  # fmt: skip


@app.command(epilog=example("hmchain study refuse brain-tumour --reason ethics"))
def refuse(
    study: StudyName,
    reason: Annotated[
        str,
        typer.Option("--reason", help="purpose, ethics, data-quality, code, privacy or other: no text on a ledger."),
    ],
    node: Node = DEFAULT_NODE,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Steward: say no. A study that has not begun is over then; one that runs goes on without this hospital."""
    from hmchain.application.governance import studies
    from hmchain.application.governance.delegate import open_steward
    from hmchain.application.site.node import NodeFolder
    from hmchain.ledger.readers.studies import proposal_to

    with open_steward(NodeFolder(node), passphrase()) as steward:
        shown = proposal_to(steward.state, steward.organisation, study)
        _confirm(shown, f"Refuse this, with the reason {reason!r} on the ledger for ever?", yes=yes or as_json)
        done = studies.refuse(steward, study, reason)
    _tell(done, f"{study} is refused ({reason}); its status is {done.status}.", as_json=as_json)


@app.command(epilog=example("hmchain study revoke brain-tumour"))
def revoke(study: StudyName, node: Node = DEFAULT_NODE, yes: Yes = False, as_json: AsJson = False) -> None:
    """Steward: take an approval back. From the next round on nothing of this hospital is used."""
    from hmchain.application.governance import studies
    from hmchain.application.governance.delegate import open_steward
    from hmchain.application.site.node import NodeFolder
    from hmchain.ledger.readers.studies import proposal_to

    with open_steward(NodeFolder(node), passphrase()) as steward:
        shown = proposal_to(steward.state, steward.organisation, study)
        _confirm(shown, "Take the approval back? What went into earlier rounds stays in the model.", yes=yes or as_json)
        done = studies.revoke(steward, study)
    _tell(done, f"From the next round on {study} uses nothing of {done.dataset}.", as_json=as_json)


@app.command(epilog=example("hmchain study resume brain-tumour"))
def resume(study: StudyName, node: Node = DEFAULT_NODE, as_json: AsJson = False) -> None:
    """Scientist of the proposing hospital, or of any participant where that one is gone: go on with a paused study."""
    from hmchain.application.governance import studies
    from hmchain.application.governance.delegate import open_scientist
    from hmchain.application.site.node import NodeFolder

    with open_scientist(NodeFolder(node), passphrase()) as scientist:
        done = studies.resume(scientist, study)
    _tell(done, f"{study} goes on.", as_json=as_json)


@app.command(epilog=example("hmchain study close brain-tumour"))
def close(
    study: StudyName,
    node: Node = DEFAULT_NODE,
    vote: Annotated[
        bool, typer.Option("--vote", help="Steward: vote for it; more than f votes close a study.")
    ] = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Scientist of the proposing hospital: end a study now. Steward of a participant: vote for it, with --vote.

    The last accepted model is kept, if there is one, and nobody's reputation changes.
    """
    from hmchain.application.governance import studies
    from hmchain.application.governance.delegate import open_user
    from hmchain.application.site.node import NodeFolder
    from hmchain.ledger.context import SCIENTIST, STEWARD
    from hmchain.ledger.readers.studies import proposal

    with open_user(NodeFolder(node), STEWARD if vote else SCIENTIST, passphrase()) as person:
        shown = proposal(person.state, person.organisation, study)
        _confirm(shown, "End this study for all its participants?", yes=yes or as_json)
        done = studies.close(person, study)
    _tell(done, f"{study} is {done.status}." if done.is_over else f"The vote counts; {study} is {done.status}.",
          as_json=as_json)  # fmt: skip


@app.command(epilog=example("hmchain study propose study.toml"))
def propose(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The proposal, in TOML.")],
    node: Node = DEFAULT_NODE,
    as_json: AsJson = False,
) -> None:
    """Scientist: propose a study of published datasets. It begins once every hospital's steward has approved it."""
    from hmchain.application.governance import studies
    from hmchain.application.governance.delegate import open_scientist
    from hmchain.application.site.node import NodeFolder

    proposal = studies.load_proposal(file)
    with open_scientist(NodeFolder(node), passphrase()) as scientist:
        done = studies.propose(scientist, studies.specification(scientist.state, proposal))
    _tell(done, f"{done.study} is before the stewards of {output.listed(done.participants)}. "
                f"Each decides: hmchain study approve {done.study}", as_json=as_json)  # fmt: skip


def _ledger(node: Path | None, run: Path | None) -> tuple[Path, str]:
    """The ledger that is meant, and whose it is; of a run nobody's."""
    from hmchain.application.site.node import NodeFolder

    folder = NodeFolder(node or DEFAULT_NODE)
    if run is None and (node or folder.toml.is_file()):
        return folder.ledger, folder.settings().organisation
    return runs.find(run).ledger, ""


def _confirm(shown: StudyProposal, question: str, *, yes: bool) -> None:
    """Show what is asked, and go on only if the answer is yes."""
    if yes:
        return
    _show(shown)
    typer.confirm(question, abort=True)


def _show(shown: StudyProposal) -> None:
    """What a study pins, all of it, and what it asks of this hospital."""
    from hmchain.application.governance.terms import terms

    asked = shown.asked
    output.fields((
        ("study", f"{asked.study}, proposed by {asked.proposer}, {asked.status}"),
        ("asks for", f"{asked.dataset} version {asked.version}" if asked.dataset else "nothing of this hospital"),
        ("said so far", asked.decision),
        *terms(shown.specification),
    ))  # fmt: skip


def _tell(done: StudyRequest, text: str, *, as_json: bool) -> None:
    output.emit(done) if as_json else output.say(text)


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
