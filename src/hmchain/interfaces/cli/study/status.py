"""`hmchain study`: how a study stands and what is to be done."""

from __future__ import annotations

import typer

from hmchain.application.node.reading import open_ledger
from hmchain.interfaces.cli import output, runs
from hmchain.interfaces.cli.command import ReadCommand
from hmchain.interfaces.cli.options import RunOption, StudyOption, example
from hmchain.ledger.readers.datasets import count_words
from hmchain.ledger.readers.study_status import CurrentRound, Participant, Reputation, StudyStatus

app = typer.Typer(no_args_is_help=True)

PARTICIPANT_COLUMNS = ("hospital", "name", "dataset", "records", "approval", "until (UTC)", "weight#")
REPUTATION_COLUMNS = ("hospital", "consensus#", "learning#", "voting power#", "remarks")


@app.callback()
def study() -> None:
    """How a study stands, who takes part, and what is to be done."""


@app.command(cls=ReadCommand, epilog=example("hmchain study status --study brain-tumour"))
def status(run: RunOption = None, study: StudyOption = None) -> None:
    """Show phase, round, master, participants, reputation, and what is to be done next.

    Works while a run goes on.
    """
    with open_ledger(runs.find(run).ledger) as ledger:
        found = ledger.study(study)
    output.show(found, _show)


def _show(found: StudyStatus) -> None:
    output.heading(f"Study {found.name}: {found.status}" + (f" ({found.reason})" if found.reason else ""))
    output.fields((
        ("next", found.next),
        *((("must come about", f"by {output.when(found.opens_by_ms)} UTC, else it is closed"),)
          if found.opens_by_ms else ()),
        ("rounds", f"{found.accepted + found.rejected} of {found.rounds}: {found.accepted} accepted, "
                   f"{found.rejected} rejected"),
        *(_round_fields(found.current) if found.current else ()),
        ("setbacks in a row", f"{found.setbacks} (two pause the study)"),
        ("purpose", found.purpose),
        ("proposed by", found.proposer),
        ("model", found.model_root.hex() or "none yet"),
        ("as of", f"block {found.height}, {found.vouched}"),
    ))  # fmt: skip
    output.heading("Participants")
    output.table(
        PARTICIPANT_COLUMNS, map(_participant_row, found.participants), drop=("weight#", "name", "until (UTC)")
    )
    output.heading("Reputation (scores 0 to 10 000)")
    output.table(REPUTATION_COLUMNS, (_reputation_row(each) for each in found.reputation))


def _round_fields(current: CurrentRound) -> tuple[tuple[str, str], ...]:
    attempt = f", attempt {current.attempt + 1}" if current.attempt else ""
    return (
        ("round", f"{current.number or 'class counts'}{attempt}"),
        ("phase", f"{current.phase}, until {output.when(current.deadline_ms)} UTC"),
        ("waits for", output.listed(current.waits_for)),
        ("master", f"{current.master or 'none'} (backups: {output.listed(current.backups)})"),
    )


def _participant_row(each: Participant) -> tuple[object, ...]:
    return (
        each.organisation,
        each.title,
        f"{each.dataset} v{each.version}",
        count_words(each.records) if each.records else "not published",
        each.approval,
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
