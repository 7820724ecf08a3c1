"""Releases as people read them."""

from __future__ import annotations

from collections.abc import Sequence

from hmchain.application.disclosure.page import dates, summary_rows
from hmchain.application.governance.purposes import purpose_words
from hmchain.application.node.release_words import audience_words
from hmchain.application.releases.asking import PlannedRelease
from hmchain.application.releases.deciding import Case
from hmchain.interfaces.cli import output
from hmchain.ledger.readers.releases import GRANTED, REFUSED, ReleaseView, ReleaseWord

FACT = "What was released stays released: nobody can take a file back."


def show_releases(found: Sequence[ReleaseView], organisation: str) -> None:
    """All of them, in a table."""
    if not found:
        output.say("Nobody has asked for a release. A scientist does: `hmchain release ask STUDY`")
        return
    columns = ("release", "result", "for", "where", "status", "waits for")
    output.table(columns, [_row(each) for each in found], drop=("where",))
    if any(each.is_asked and organisation in each.waits_for for each in found):
        output.say("A steward reads what would leave, and decides: `hmchain release show NAME`")


def _row(each: ReleaseView) -> tuple[object, ...]:
    waits = output.listed(each.waits_for) if each.is_asked else ""
    result = each.what
    return each.release, result, each.audience, output.listed(each.regions, "anywhere"), each.status, waits


def show_planned(found: PlannedRelease) -> None:
    """What would be asked, and of whom."""
    asked = found.asked
    output.heading(f"Release {asked.name}")
    output.fields((
        ("result", f"{found.what}, {asked.artefact.hex()}"),
        ("for", _whom(asked.audience, asked.regions)),
        ("asked of", f"{output.listed(found.hospitals)}, whose records are in it"),
    ))  # fmt: skip


def show_release(found: ReleaseView, organisation: str) -> None:
    """All of one, and what is next for whoever looks."""
    output.heading(f"Release {found.release}")
    output.fields((
        ("result", f"{found.what}, {found.artefact.hex()}"),
        *_purpose(found),
        ("for", _whom(found.audience, found.regions)),
        ("asked by", found.by),
        ("status", _status(found)),
    ))  # fmt: skip
    columns = ("hospital", "says", "why", "who", "evidence")
    output.table(columns, [_said(word) for word in found.words], drop=("evidence",))
    for line in _next(found, organisation):
        output.say(line)


def show_case(found: Case) -> None:
    """What a hospital decides on, its evidence, and what its guard says."""
    view = found.view
    output.heading(f"Release {view.release}")
    output.fields((
        ("result", f"{view.what}, {view.artefact.hex()}"),
        *_purpose(view),
        ("for", _whom(view.audience, view.regions)),
        ("asked by", view.by),
    ))  # fmt: skip
    if found.table is not None:
        output.say(f"The table is {found.table}: read it first.")
    output.heading("Evidence of this hospital, from its own records")
    output.say(f"Computed on {dates(found.evidence)}.")
    output.table(("looked for", "says", "figures"), summary_rows(found.evidence))
    output.say(f"More, with charts and what it does not say, is in {found.page}.")
    output.heading("Beside what left before")
    for each in found.differences:
        output.say(f"REFUSED: {each}.", style="bold red")
    if found.differences:
        output.say(f"Say no: `hmchain release refuse {view.release} --reason disclosure`; nobody else learns why.")
        return
    output.say(f"Nothing that this hospital let leave before tells of fewer than {found.least} people beside it.")
    output.say(f"Decide: `hmchain release grant {view.release}`, or "
               f"`hmchain release refuse {view.release} --reason disclosure`")  # fmt: skip


def _purpose(found: ReleaseView) -> Sequence[tuple[str, str]]:
    """What the study was for; a table has none."""
    return (("made for", purpose_words(found.purpose)),) if found.purpose else ()


def _whom(audience: str, regions: Sequence[str]) -> str:
    return f"{audience_words(audience)}, {'in ' + output.listed(regions) if regions else 'anywhere'}"


def _status(found: ReleaseView) -> str:
    when = f"{output.when(found.time_ms)} UTC, in block {found.height}"
    if found.is_released:
        return f"released on {when}"
    if not found.is_asked:
        return f"withdrawn on {when}: it stays inside"
    return f"inside; waits for {output.listed(found.waits_for)}"


def _said(word: ReleaseWord) -> tuple[object, ...]:
    said = "yes" if word.decision == GRANTED else "no" if word.decision == REFUSED else "nothing yet"
    if word.is_waiting and word.persons:
        said = f"{len(word.persons)} of {word.needed} persons yes"
    who = output.listed(word.persons, "its agent, by its policy" if word.time_ms else "")
    return word.organisation, said, word.reason, who, output.short(word.evidence) if word.evidence else ""


def _next(found: ReleaseView, organisation: str) -> Sequence[str]:
    """What whoever looks can do now."""
    own, name = found.of(organisation), found.release
    if found.is_released:
        return (FACT, f"A hospital that took part writes it: `hmchain release file {name} --to FILE`")
    if not found.is_asked or own is None or not (own.is_waiting or own.decision == REFUSED):
        return ()
    by_itself = ("The hospital's agent answers by its policy, if no person does first.",) if own.automatic else ()
    return *by_itself, f"A steward reads this hospital's evidence, then decides: `hmchain release evidence {name}`"
