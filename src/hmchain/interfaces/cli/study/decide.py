"""`hmchain study show|approve|refuse|revoke|...`: what a hospital's people are asked, and what they decide."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from hmchain.application.governance import studies
from hmchain.application.governance.delegate import LedgerUser
from hmchain.application.governance.purposes import purpose_words
from hmchain.application.governance.study_file import load_proposal
from hmchain.application.governance.words import (
    StudyInWords,
    kept_words,
    read_words,
    require_read,
    texts_at,
    texts_in,
)
from hmchain.application.models.machine import used_here
from hmchain.application.node import sent
from hmchain.application.node.reading import open_ledger
from hmchain.application.node.sent import Sent
from hmchain.application.site.hospital import HospitalFolder
from hmchain.application.site.node import NodeFolder
from hmchain.application.site.run import RunFolder
from hmchain.application.site.texts import Texts
from hmchain.clock import DAY_MS
from hmchain.interfaces.cli import output, remote, runs
from hmchain.interfaces.cli.acting import PersonCommand, PortalReadCommand
from hmchain.interfaces.cli.asking import YesOption, confirm
from hmchain.interfaces.cli.options import (
    DEFAULT_FOLDER,
    NodeOrRun,
    PersonOption,
    UnreadOption,
    example,
    passphrase,
)
from hmchain.interfaces.cli.people import open_scientist, open_steward
from hmchain.interfaces.cli.runs import Run
from hmchain.interfaces.cli.study.show import show_list, show_proposal
from hmchain.interfaces.cli.study.status import app
from hmchain.interfaces.client import studies as ask_studies
from hmchain.ledger.readers.permissions import UNDECIDED
from hmchain.ledger.readers.studies import REQUESTED, StudyProposal, StudyRequest, proposal, proposal_to
from hmchain.plain import plain

__all__ = ["app"]


StudyName = Annotated[str, typer.Argument(metavar="STUDY", help="Name of the study.")]


@app.command("list", cls=PortalReadCommand, epilog=example("hmchain study list"))
def list_studies(folder: NodeOrRun = None) -> None:
    """List all studies, what each asks of this hospital, and what the hospital has said.

    Where there is no node, the studies of the latest run.
    """
    if remote.shown(
        folder,
        ask_studies.studies(),
        lambda found: show_list(found, asks=True),
        lambda found: [_listed(each, ()) for each in found],
    ):
        return
    with _place(folder) as place, open_ledger(place.ledger) as ledger:
        output.vouch(ledger.verified)
        asked = [ledger.proposal(place.organisation, each.study) for each in ledger.requests(place.organisation)]
    found = [StudyInWords(each, kept_words(place.texts(each), each.specification)) for each in asked]
    undecided = sent.about_studies(NodeFolder(place.ledger.parent)) if place.organisation else ()

    def view(found: list[StudyInWords]) -> None:
        show_list(found, asks=bool(place.organisation))
        for each in undecided:
            output.say(f"{each}.")

    output.show(found, view, json=lambda found: [_listed(each, undecided) for each in found])


@app.command(cls=PortalReadCommand, epilog=example("hmchain study show brain-tumour"))
def show(study: StudyName, folder: NodeOrRun = None) -> None:
    """Show all that a study pins, in plain words: what a steward approves is this and nothing else.

    Where there is no node, the study of the latest run.
    """
    if remote.shown(
        folder,
        ask_studies.study(study),
        lambda shown: show_proposal(shown, asks=True),
        lambda shown: _told(shown.proposal, shown),
    ):
        return
    with _place(folder) as place, open_ledger(place.ledger) as ledger:
        output.vouch(ledger.verified)
        chain_id, found = ledger.genesis.chain_id, ledger.proposal(place.organisation, study)
    texts, spec = place.texts(found), found.specification
    words = kept_words(None, spec) if texts is None else read_words(texts, chain_id, spec)
    shown = StudyInWords(found, words, used_here(place.hospital, study) if place.hospital else None)
    asks = bool(place.organisation)
    output.show(shown, lambda shown: show_proposal(shown, asks=asks), lambda shown: _told(shown.proposal, shown))


@app.command(cls=PersonCommand, epilog=example("hmchain study approve brain-tumour --days 90"))
def approve(
    study: StudyName,
    node: PersonOption = DEFAULT_FOLDER,
    days: Annotated[int, typer.Option("--days", min=1, max=3650, help="How long the approval holds.")] = 90,
    unread: UnreadOption = False,
    yes: YesOption = False,
) -> None:
    """Steward: allow a study to use the dataset that it asks for, for its purpose and code, for a time.

    Of a description that cannot be had, or is not what the study pins, the question says so; --yes needs --unread then.
    """
    with open_steward(node, yes=yes) as steward:
        shown = _in_words(node, steward, proposal_to(steward.state, steward.organisation, study))
        until_ms = steward.ledger.now_ms() + days * DAY_MS
        allow = f"Allow this until {output.when(until_ms)} UTC?"
        if shown.words.is_lost:
            if yes and not unread:
                require_read(shown.words, study)
            allow = f"Nobody here could read what {study} says of itself. {allow}"
        confirm(allow, yes=yes, about=lambda: show_proposal(shown))
        done = studies.approve(steward, shown.proposal.asked, until_ms)
    output.tell(done, _allowed(done))


@app.command(cls=PersonCommand, epilog=example("hmchain study refuse brain-tumour --reason ethics"))
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
        _confirm(node, steward, shown, f"Refuse this, with the reason {reason!r} on the ledger for ever?", yes=yes)
        done = studies.refuse(steward, study, reason)
    others = "the others decide for themselves" if done.request else f"its status is {done.status}"
    output.tell(done, f"{study} is refused ({reason}); {others}.")


@app.command(cls=PersonCommand, epilog=example("hmchain study revoke brain-tumour"))
def revoke(study: StudyName, node: PersonOption = DEFAULT_FOLDER, yes: YesOption = False) -> None:
    """Steward: take an approval back. From the next round on nothing of this hospital is used."""
    with open_steward(node, yes=yes) as steward:
        shown = proposal_to(steward.state, steward.organisation, study)
        _confirm(
            node, steward, shown, "Take the approval back? What went into earlier rounds stays in the model.", yes=yes
        )
        done = studies.revoke(steward, study)
    output.tell(done, f"From the next round on {study} uses nothing of {done.dataset}.")


@app.command(cls=PersonCommand, epilog=example("hmchain study resume brain-tumour"))
def resume(study: StudyName, node: PersonOption = DEFAULT_FOLDER, yes: YesOption = False) -> None:
    """Scientist of the proposing hospital, or of any participant where that one is gone: go on with a paused study."""
    with open_scientist(node, yes=yes) as scientist:
        done = studies.resume(scientist, study)
    output.tell(done, f"{study} goes on.")


@app.command(cls=PersonCommand, epilog=example("hmchain study close brain-tumour"))
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
        _confirm(node, person, shown, "End this study for all its participants?", yes=yes)
        done = studies.close(person, study)
    output.tell(done, f"{study} is {done.status}." if done.is_over else f"The vote counts; {study} is {done.status}.")


@app.command(cls=PersonCommand, epilog=example("hmchain study propose study.toml"))
def propose(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="The proposal, in TOML; or the name of a request that was allowed.")
    ],
    trainer: Annotated[
        str,
        typer.Option("--trainer", metavar="FILE.py:CLASS", help="With a request: the trainer of its own that it has."),
    ] = "",
    node: PersonOption = DEFAULT_FOLDER,
    yes: YesOption = False,
) -> None:
    """Scientist: ask for a study of published datasets. The same command proposes it once every hospital has decided.

    It begins with the hospitals that allow it.
    """
    is_file = Path(file).suffix == ".toml" or Path(file).is_file()
    wanted = load_proposal(Path(file)) if is_file else None
    with open_scientist(node, yes=yes) as scientist:
        if wanted is None:
            done = studies.propose_allowed(scientist, file, trainer)
        else:
            done = studies.propose(scientist, wanted, texts_at(NodeFolder(node), passphrase))
    output.tell(done, _asked(done, file))


def _allowed(done: StudyRequest) -> str:
    if done.decision == UNDECIDED:
        return f"Your yes to {done.study} counts; another person of this hospital has to agree."
    until = output.when(done.until_ms)
    return (
        f"{done.dataset} version {done.version} may be used for {done.study} until {until} UTC. "
        f"Take it back with: `hmchain study revoke {done.study}`"
    )


def _asked(done: StudyRequest, file: str) -> str:
    waits = [answer.organisation for answer in done.answers if answer.decision == UNDECIDED]
    stewards = f"{done.study} is before the stewards of {output.listed(waits)}."
    before = f"{stewards} Each decides: `hmchain study approve {done.study}`"
    if done.status == REQUESTED:
        return f"{before}. Then propose it: `hmchain study propose {file}`"
    if done.request:
        return f"{done.study} is proposed to {output.listed(done.participants)}, which allow it; their agents begin."
    return before


@dataclass(frozen=True)
class _Place:
    """A ledger that is meant, and whose it is: a node's hospital's, or nobody's, of a run or by itself."""

    ledger: Path
    organisation: str
    hospital: HospitalFolder | None
    texts: Callable[[StudyProposal], Texts | None]
    """Where the description of a study is looked for: at the node, or with whoever proposed it in the run."""


@contextmanager
def _place(folder: Path | None) -> Iterator[_Place]:
    node = NodeFolder(folder or DEFAULT_FOLDER)
    if node.toml.is_file():
        texts = texts_at(node, passphrase)
        yield _Place(node.ledger, texts.folder.organisation, texts.folder, lambda _: texts)
        return
    with runs.opened(folder) as found:
        yield _Place(found.ledger, "", None, lambda study: _texts_of(found, study.asked.proposer))


def _texts_of(run: Run, proposer: str) -> Texts | None:
    return texts_in(RunFolder(run.path), proposer, passphrase) if run.is_run else None


def _in_words(node: Path, person: LedgerUser, found: StudyProposal) -> StudyInWords:
    texts = texts_at(NodeFolder(node), passphrase)
    return StudyInWords(found, read_words(texts, person.ledger.chain_id, found.specification))


def _confirm(node: Path, person: LedgerUser, found: StudyProposal, question: str, *, yes: bool) -> None:
    """Show a study, and go on only if the answer is yes."""
    confirm(question, yes=yes, about=lambda: show_proposal(_in_words(node, person, found)))


def _told(value: StudyProposal | StudyRequest, shown: StudyInWords) -> dict[str, Any]:
    """JSON of a study, with its description and its purpose in words beside what the ledger has."""
    purpose = purpose_words(shown.proposal.specification.purpose)
    own = {"description": plain(shown.words), "purpose_words": purpose, "machine": plain(shown.machine)}
    return {**plain(value), **own}


def _listed(each: StudyInWords, undecided: tuple[Sent, ...]) -> dict[str, Any]:
    """A study, with what this hospital sent about it that was undecided when its command ended."""
    asked = each.proposal.asked
    return _told(asked, each) | {"sent": [plain(one) for one in undecided if one.about == f"study {asked.study}"]}
