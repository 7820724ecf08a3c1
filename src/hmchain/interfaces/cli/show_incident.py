"""Views of incidents: one with all that people follow it by, many in a list."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hmchain.application.governance import staff
from hmchain.application.governance.incidents import IncidentInWords
from hmchain.application.governance.requests.reading import Paper, Reading, paper_text
from hmchain.interfaces.cli import output
from hmchain.ledger.readers.deeds import KeyDeed
from hmchain.ledger.readers.incidents import Answer, IncidentView, SaidWord, StolenKey
from hmchain.plain import size

COLUMNS = ("incident", "kind", "severity", "stage", "affected", "opened by", "opened (UTC)")
ANSWERS = ("member", "knows of it (UTC)", "contained (UTC)", "to do")
DEEDS = ("block#", "time (UTC)", "key of", "transaction", "what", "outcome")


def show_list(found: Sequence[IncidentView]) -> None:
    """List incidents."""
    if not found:
        output.say("No member has opened an incident.")
        return
    output.table(COLUMNS, map(_row, found), drop=("opened by", "opened (UTC)", "severity"))
    output.say("Read one: `hmchain incident show INCIDENT`")


def _row(each: IncidentView) -> tuple[object, ...]:
    return (
        each.incident, each.kind, each.severity, each.stage, output.listed(each.affected), each.opener,
        output.when(each.opened_ms),
    )  # fmt: skip


def show_done(found: IncidentView) -> None:
    """Say how far an incident is after somebody's word."""
    output.say(f"{found.incident} is {found.stage}. {_left(found)}".strip())
    output.say(f"All of it: `hmchain incident show {found.incident}`")


def _left(found: IncidentView) -> str:
    """Who is to do what yet, in sentences."""
    waiting = [each.organisation for each in found.answers if each.owes and not each.acknowledged_ms]
    uncontained = [each.organisation for each in found.answers if each.owes == "contain"]
    known = f"{output.listed(waiting)} say by {output.when(found.due_ms)} UTC that they know of it." if waiting else ""
    contained = f"{output.listed(uncontained)} contain it." if uncontained else ""
    return " ".join(filter(None, (known, contained)))


def show_incident(found: IncidentInWords, *, signed: bool) -> None:
    """Show an incident: what, how far each member is, what was done and said, what stolen keys signed."""
    view = found.view
    output.fields((
        ("incident", f"{view.incident}, {view.kind}, {view.severity}"),
        ("stage", view.stage),
        ("opened by", f"{view.opener}, {output.when(view.opened_ms)} UTC"),
        ("noticed", f"{output.when(view.detected_ms)} UTC"),
        ("affected", output.listed(view.affected)),
        *((f"stolen key of {each.of}", _key(each)) for each in view.keys),
        *((("closed", f"{output.when(view.closed_ms)} UTC"),) if view.closed_ms else ()),
    ))  # fmt: skip
    output.heading("How far each member is")
    output.table(ANSWERS, map(_answer, view.answers))
    output.heading("What was done and said (UTC)")
    texts = {paper.digest: paper for paper in found.papers}
    output.fields((f"{output.when(each.time_ms)} {each.by}", _said(each, texts.get(each.evidence)))
                  for each in view.said)  # fmt: skip
    if any(paper.reading is Reading.READ and not paper.text for paper in found.papers):
        output.say(f"Have a document: `hmchain incident document {view.incident} DIGEST --output FILE`")
    if signed:
        _show_signed(view, found.signed)
    elif view.keys:
        output.say(f"What the stolen keys signed: `hmchain incident show {view.incident} --signed`")
    if found.steps:
        output.heading("What you can do")
        output.fields((words, f"`hmchain {command}`") for words, command in found.steps)


def _key(each: StolenKey) -> str:
    return f"{each.key.hex()[:16]}, {'STILL SIGNS' if each.signs else 'signs no more'}"


def _answer(each: Answer) -> tuple[object, ...]:
    to_do = {"acknowledge": "say that it knows of it", "contain": "contain it", "": "-"}[each.owes]
    return (
        each.organisation,
        output.when(each.acknowledged_ms) if each.acknowledged_ms else "-",
        output.when(each.contained_ms) if each.contained_ms else ("-" if each.affected else "not affected"),
        f"OVERDUE: {to_do}" if each.overdue else to_do,
    )


def _said(each: SaidWord, paper: Paper | None) -> str:
    named = (f"without a word of {output.listed(each.affected)}",) if each.deed == "close" else each.affected
    codes = (*each.measures, *(named if each.affected else ()), *(f"stolen key {key.hex()[:16]}" for key in each.keys))
    text = "" if paper is None else paper_text(paper) or _file(paper)
    cut_off = "" if each.stands else " (by a key that was cut off since)"
    return f"{each.deed}{': ' * bool(codes)}{', '.join(codes)}{cut_off}" + (f": {text}" if text else "")


def _file(paper: Paper) -> str:
    return f"document {output.short(paper.digest)}, {paper.title or paper.media}, {size(paper.size)}"


def _show_signed(view: IncidentView, deeds: Iterable[KeyDeed]) -> None:
    owners = {each.key: each.of for each in view.keys}
    output.heading("What the stolen keys signed")
    rows = [
        (deed.height, output.when(deed.time_ms), owners.get(deed.key, "-"), output.short(deed.digest),
         staff.words(deed), deed.code)
        for deed in deeds
    ]  # fmt: skip
    output.table(DEEDS, rows, drop=("transaction",)) if rows else output.say("Nothing.")
