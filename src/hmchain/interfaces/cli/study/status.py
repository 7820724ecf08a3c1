"""`hmchain study status`: how studies stand, why one waits, and what is to be done."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from hmchain.application.agent.turns import PATIENCE_WORDS
from hmchain.application.governance.purposes import purpose_words
from hmchain.application.models.scores import RoundScore, StudyScores
from hmchain.application.node.health import network_health
from hmchain.application.node.reading import open_ledger
from hmchain.application.node.study_here import StudyHere, study_here
from hmchain.application.site.hospital import locate
from hmchain.application.site.node import NodeFolder
from hmchain.clock import now_ms
from hmchain.interfaces.cli import hints, output, remote, runs
from hmchain.interfaces.cli.acting import PortalReadCommand
from hmchain.interfaces.cli.options import StudyOption, example
from hmchain.interfaces.client import studies as ask_studies
from hmchain.interfaces.client.flows import Flow
from hmchain.interfaces.program import NAME
from hmchain.ledger.readers.datasets import count_words
from hmchain.ledger.readers.next_steps import Step
from hmchain.ledger.readers.setbacks import REJECTED
from hmchain.ledger.readers.study_status import CurrentRound, Participant, Reputation, StudyStatus
from hmchain.plain import plain

app = typer.Typer(no_args_is_help=True)

OVERVIEW_COLUMNS = ("study", "status", "rounds", "accepted#", "rejected#", "own score#", "proposed by")
PARTICIPANT_COLUMNS = ("hospital", "name", "dataset", "records", "approval", "until (UTC)", "weight#")
REPUTATION_COLUMNS = ("hospital", "consensus#", "learning#", "voting power#", "remarks")

FolderOption = Annotated[
    Path | None,
    typer.Option(
        "--dir", "--node",
        envvar="HMCHAIN_RUN", metavar="DIR", help="Folder of a run, a node or a ledger.",
        show_default="that of HMCHAIN_NODE, else runs/latest, else node",
    ),
]  # fmt: skip


@app.callback()
def study() -> None:
    """How a study stands, who takes part, and what is to be done."""


@app.command(cls=PortalReadCommand, epilog=example("hmchain study status --study brain-tumour"))
def status(folder: FolderOption = None, study: StudyOption = None) -> None:
    """Show phase, round, master, participants, reputation, and what is to be done next; of a paused study why.

    Without a name all studies, if there are several. Works while they go on. At a node it shows the hospital's own
    scores too, which no other hospital sees.
    """
    told = remote.asked(folder, _statuses(study))
    if told is not None:
        _tell(told)
        return
    with runs.opened(folder) as place, open_ledger(place.ledger) as ledger:
        output.vouch(ledger.verified)
        health = network_health(NodeFolder(place.path), ledger.verified.state) if place.is_node else None
        hospital = locate(place.path) if place.is_node else None

        def here(found: StudyStatus) -> StudyHere:
            return study_here(found, ledger, hospital, is_run=place.is_run, health=health)

        is_all = study is None and len(ledger.meant) > 1
        _tell([here(each) for each in ledger.studies()] if is_all else [here(ledger.study(study))])


def _statuses(study: str | None) -> Flow[list[StudyHere]]:
    if study is None:
        return (yield from ask_studies.study_statuses())
    return [(yield from ask_studies.study_status(study))]


def _tell(found: list[StudyHere]) -> None:
    if len(found) == 1:
        output.show(found[0], _show, json=_as_json)
    else:
        output.show(found, _show_all, json=lambda all_: [_as_json(each) for each in all_])


def _as_json(here: StudyHere) -> Any:
    steps = [replace(step, command=step.command and hints.called(step.command)) for step in here.steps]
    return {
        **plain(here.status),
        "steps": plain(steps),
        "own": plain(here.own),
        "own_lost": here.own_lost,
        "machine": plain(here.machine),
        "health": plain(here.health),
    }


def _show_all(found: list[StudyHere]) -> None:
    rows = (
        (
            each.status.name,
            each.status.status,
            f"{each.status.accepted + each.status.rejected} of {each.status.rounds}",
            each.status.accepted,
            each.status.rejected,
            _fraction(each.own.best.auc) if each.own and each.own.best else "-",
            each.status.proposer,
        )
        for each in found
    )
    output.table(OVERVIEW_COLUMNS, rows, drop=("proposed by", "rejected#", "own score#"))
    if (health := found[0].health) is not None:
        output.say(f"Network {health}.")
    output.heading("Next")
    alive = (each.status for each in found if each.status.status not in ("refused", "closed"))
    output.fields((each.name, each.next) for each in alive)
    output.say()
    output.say(f"All about one: `hmchain study status --study {found[0].status.name}`", style="dim")


def _show(here: StudyHere) -> None:
    found = here.status
    output.heading(f"Study {found.name}: {found.status}" + (f" ({found.reason})" if found.reason else ""))
    output.fields((
        ("next", found.next),
        *((("network", here.health),) if here.health else ()),
        *((("must come about", f"by {output.when(found.opens_by_ms)} UTC, else it is closed"),)
          if found.opens_by_ms else ()),
        ("rounds", f"{found.accepted + found.rejected} of {found.rounds}: {found.accepted} accepted, "
                   f"{found.rejected} rejected"),
        *(_round_fields(found.current, here) if found.current and found.status == "running" else ()),
        *((("used here", here.machine),) if here.machine else ()),
        ("setbacks in a row", f"{found.setbacks} (two pause the study)"),
        ("purpose", purpose_words(found.purpose)),
        ("proposed by", found.proposer),
        ("model", found.model_root.hex() or "none yet"),
        ("as of", f"block {found.height}, {found.vouched}"),
    ))  # fmt: skip
    if found.went_wrong:
        output.heading("Why it waits" if found.status == "paused" else "What went wrong since the last accepted round")
        for setback in found.went_wrong:
            output.say(str(setback))
    if here.own_lost:
        output.say(f"THIS HOSPITAL'S OWN SCORES CANNOT BE SHOWN: {here.own_lost}", style="bold red")
    if here.own is not None and here.own.rounds:
        _show_own(here.own, found)
    output.heading("Participants")
    output.table(
        PARTICIPANT_COLUMNS, map(_participant_row, found.participants), drop=("weight#", "name", "until (UTC)")
    )
    output.heading("Reputation (scores 0 to 10 000)")
    output.table(REPUTATION_COLUMNS, (_reputation_row(each) for each in found.reputation))
    _show_steps(here.steps)


def _show_own(own: StudyScores, found: StudyStatus) -> None:
    output.heading(f"This hospital's own scores, on its {own.images} validation images (nobody else sees them)")
    rejected = {setback.round for setback in found.went_wrong if setback.kind == REJECTED}
    output.fields((
        *((("best accepted", _scored(own.best, own)),) if own.best else ()),
        *((("newest", _scored(own.last, own)),) if own.last else ()),
        *((f"round {each.round}", _reason(each, own)) for each in own.rounds if each.round in rejected),
    ))  # fmt: skip


def _scored(each: RoundScore, own: StudyScores) -> str:
    accuracy = f", accuracy {_fraction(each.acc)}" if each.acc is not None else ""
    return f"round {each.round}: {own.measure} {_fraction(each.auc)}{accuracy}"


def _reason(each: RoundScore, own: StudyScores) -> str:
    """Why this hospital voted as it did."""
    compared = f"{own.measure} {_fraction(each.auc)}, the best accepted before {_fraction(each.best_before)}"
    vote = "against" if each.vote == "rejected" else "for"
    return f"{compared}; up to {own.tolerance:g} less is let pass: this hospital voted {vote} the model"


def _fraction(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _show_steps(steps: tuple[Step, ...]) -> None:
    if steps:
        output.heading("What can be done here")
    for step in steps:
        output.say(step.words + (":" if step.command else ""), style="dim")
        if step.command:
            output.say(f"  {NAME} {step.command}")


def _round_fields(current: CurrentRound, here: StudyHere) -> Iterator[tuple[str, str]]:
    attempt = f", attempt {current.attempt + 1}" if current.attempt else ""
    yield "round", f"{current.number or 'counts'}{attempt}"
    is_past = now_ms() > current.deadline_ms
    past = ", which is past: no block says so yet" if is_past else ""
    yield "phase", f"{current.phase}, until {output.when(current.deadline_ms)} UTC{past}"
    late = f" ({PATIENCE_WORDS})" if is_past and here.health and current.waits_for else ""
    yield "waits for", f"{output.listed(current.waits_for)}{late}"
    yield "master", f"{current.master or 'none'} (backups: {output.listed(current.backups)})"


def _participant_row(each: Participant) -> tuple[object, ...]:
    return (
        each.organisation,
        each.title,
        f"{each.dataset} v{each.version}",
        count_words(each.records) if each.records else "not published",
        f"left: {each.left} used up" if each.left else each.approval,
        output.when(each.expires_ms) if each.expires_ms else "-",
        each.weight,
    )


def _reputation_row(each: Reputation) -> tuple[object, ...]:
    remarks = {
        "jailed: silent too long": each.jailed,
        "barred from mastership: proven fraud": each.barred,
        "no longer a validator": each.tombstoned,
    }
    return (
        each.organisation,
        each.consensus,
        each.learning,
        each.power,
        "; ".join(remark for remark, holds in remarks.items() if holds),
    )
