"""`hmchain data selftest`: planted identifiers through every de-identifier, and the score against an answer key."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from hmchain.application.data import scoring
from hmchain.application.data.scoring import ScoredCollection
from hmchain.application.pages.figures import plural
from hmchain.errors import InputError
from hmchain.interfaces.cli import output
from hmchain.interfaces.cli.command import ReadCommand
from hmchain.interfaces.cli.options import example
from hmchain.records.deidentification.canary import gate
from hmchain.records.deidentification.canary.gate import GateReport
from hmchain.records.deidentification.score.score import as_table

app = typer.Typer()

SAMPLE = 40
"""Patients of the composed collection that a plain call scores."""
_SHOWN = 10


@app.command(cls=ReadCommand, epilog=example("hmchain data selftest --patients 320"))
def selftest(
    patients: Annotated[
        int, typer.Option("--patients", min=0, max=100_000, metavar="N", help="Score so many composed patients.")
    ] = SAMPLE,
    profile: Annotated[
        str, typer.Option("--score-profile", metavar="NAME", help="The profile to score; pixels are always searched.")
    ] = scoring.PROFILE,
    collection: Annotated[
        Path | None, typer.Option("--collection", metavar="DIR", help="Score these DICOM files instead.")
    ] = None,
    answers: Annotated[
        Path | None, typer.Option("--answers", metavar="FILE", help="Their answer key, as MIDI-B gives it (SQLite).")
    ] = None,
) -> None:
    """De-identify made-up records full of planted identifiers, and score DICOM by MIDI-B's ten actions.

    Exit status 3 if a single identifier comes out. With a collection and its answer key, that collection is scored.
    """
    if (collection is None) is not (answers is None):
        raise InputError("a collection and its answer key belong together", "give --collection and --answers")
    found = gate.selftest() if collection is None else None
    with output.progress_bar("scoring objects") as progress:
        if collection is not None and answers is not None:
            scored = scoring.score_collection(collection, answers, profile, progress)
        else:
            scored = scoring.score_composed(patients, profile, progress)
    output.show((found, scored), _show, json=_plain)
    if scored.score.leaks or (found is not None and not found.passed):
        raise typer.Exit(3)


def _show(told: tuple[GateReport | None, ScoredCollection]) -> None:
    found, scored = told
    if found is not None:
        _show_gate(found)
        output.say("")
    _show_score(scored)


def _show_gate(report: GateReport) -> None:
    """Say what became of planted identifiers."""
    output.table(
        ("kind", "items#", "identifiers planted#", "survived#", "not as expected#"),
        ((kind, found.items, found.canaries, len(found.survivors), len(found.surprises))
         for kind, found in report.kinds.items()),
    )  # fmt: skip
    for kind, found in report.kinds.items():
        for survivor in found.survivors:
            output.say(f"{kind}: {survivor.canary.place} survived in the {survivor.where} of {survivor.item}")
        for surprise in found.surprises:
            output.say(f"{kind}: {surprise}")
    if report.passed:
        output.say(f"None of {report.canaries} planted identifiers came out.", style="bold green")


def _show_score(scored: ScoredCollection) -> None:
    score = scored.score
    output.say(f"DICOM of {scored.collection} under profile {scored.profile}, by MIDI-B's actions:", style="bold")
    output.table(
        ("required", "done#", "of#", "share#"),
        ((name, done, of, f"{done / of:.2%}") for name, (done, of) in as_table(score).items() if of),
    )
    for action, path, count in list(scoring.failures(score))[:_SHOWN]:
        output.say(f"{action} of {path}: not done {plural(count, 'time')}")
    held = ", ".join(f"{count} {code}" for code, count in sorted(score.missing.items()))
    output.say(
        f"{score.objects} objects came out, {score.reviewed} of them past a reviewer" + (f"; held: {held}" * bool(held))
    )
    style = "bold red" if score.leaks else "bold green"
    output.say(f"{score.share:.3%} of {score.required.total()} required actions, {score.leaks} leaks.", style=style)


def _plain(told: tuple[GateReport | None, ScoredCollection]) -> dict[str, Any]:
    found, scored = told
    score = scored.score
    gated = {} if found is None else {
        "passed": found.passed and not score.leaks, "canaries": found.canaries, "profiles": found.profiles,
        "kinds": found.kinds,
    }  # fmt: skip
    return gated | {
        "score": {
            "collection": scored.collection,
            "profile": scored.profile,
            "share": score.share,
            "leaks": score.leaks,
            "actions": {name: {"done": done, "required": of} for name, (done, of) in as_table(score).items()},
            "failures": [{"action": a, "path": path, "count": count} for a, path, count in scoring.failures(score)],
            "objects": score.objects,
            "reviewed": score.reviewed,
            "missing": dict(sorted(score.missing.items())),
            "unknown": score.unknown,
        }
    }
