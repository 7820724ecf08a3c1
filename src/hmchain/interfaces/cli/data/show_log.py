"""Views of what was done with a hospital's data."""

from __future__ import annotations

import csv
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import astuple, replace

from hmchain.application.data.activity import COLUMNS, UNFINISHED, Activity, ActivityReport, ActivityTotals
from hmchain.application.pages.figures import plural
from hmchain.application.security.events import DONE
from hmchain.interfaces.cli import output
from hmchain.plain import printable, size

_EXPORTS_NAMED = 3


def show_activities(found: ActivityReport) -> None:
    """Show what was done, what agents sent in a row a study, and totals of what left."""
    if found.entries:
        names = ("line#", "when (UTC)", "what", "of", "how much", "by", "decided by")
        shown = len(names) - (not any(each.person for each in found.entries))
        output.table(
            names[:shown],
            (_row(each, count)[:shown] for each, count in _together(found.entries)),
            drop=("line#", "decided by"),
        )
    else:
        output.say("Nothing of the kind was done.")
    _show_totals(found.totals)


def _together(entries: Iterable[Activity]) -> list[tuple[Activity, int]]:
    """What an agent sent in the rounds of a study as one, where it first did; everything else by itself."""
    rows: dict[object, tuple[Activity, int]] = {}
    for each in entries:
        key = each.number if each.round is None else (each.study, each.what)
        first, count = rows.get(key, (replace(each, bytes=0), 0))
        rows[key] = replace(first, bytes=first.bytes + each.bytes), count + 1
    return list(rows.values())


def _row(each: Activity, count: int) -> Sequence[object]:
    doubts = [*([each.outcome] if each.outcome != DONE else []), *_doubts(each)]
    what = f"{each.what} ({', '.join(doubts)})" if doubts else each.what
    return each.number, output.when(each.at_ms), what, _of(each), _how_much(each, count), each.user, each.person


def _doubts(each: Activity) -> list[str]:
    """Say that nobody signed what takes signatures, or not this."""
    if each.is_signed is not False:
        return []
    return ["signatures do not hold" if each.signatures else "not signed"]


def _of(each: Activity) -> str:
    if each.study:
        return each.study
    if each.dataset and each.version:
        return f"{each.dataset} v{each.version}"
    if each.subject:
        return f"pseudonym {each.subject[:12]}"
    return each.dataset or (f"a {each.kind}" if each.kind else "-")


def _how_much(each: Activity, count: int) -> str:
    said = [
        *([f"{count} times"] if count > 1 else []),
        *([plural(each.records, "record")] if each.records else []),
        *([plural(each.items, "item")] if each.items else []),
        *([f"{each.held} held"] if each.held else []),
        *([size(each.bytes)] if each.bytes else []),
        *([each.reason] if each.reason else []),
    ]
    return ", ".join(said) + (f" to {each.where}" if each.where else "") or "-"


def _show_totals(found: ActivityTotals) -> None:
    if not found.since_ms:
        return
    output.say(f"What left the hospital since {output.when(found.since_ms)} UTC:", style="bold")
    for line in _totals(found):
        output.say(f"  {line}")
    if found.unfinished:
        output.say(f"{found.unfinished} begun, and not ended in this log: under way, or killed.")


def _totals(found: ActivityTotals) -> list[str]:
    ended = [each for each in found.exports if each.outcome in (DONE, UNFINISHED)]
    failed = Counter(each.outcome for each in found.exports if each not in ended)
    exports = [
        f"{each.what} of {plural(each.records, 'record')} of {_of(each)} by {each.user} on {output.when(each.at_ms)}"
        for each in ended
    ]
    if len(exports) > _EXPORTS_NAMED:
        records = sum(each.records for each in ended)
        exports = [f"{len(exports)} exports of {plural(records, 'record')}"]
    studies = ", ".join(f"{study} {size(sent)}" for study, sent in found.updates.items())
    return [
        *(exports or ["0 records"]),
        *(f"{plural(count, 'export')} ended with an error: {why}" for why, count in failed.items()),
        *([f"{plural(found.looks, 'look')} at held items as they came, by a reviewer"] if found.looks else []),
        *([f"{size(sum(found.updates.values()))} of masked updates in {plural(len(found.updates), 'study', 'studies')}"
           f" ({studies})"] if found.updates else ["no update of a model"]),
        *([f"{size(found.other_bytes)} of sealed halves of keys, and of models as a master"] if found.other_bytes
          else []),
    ]  # fmt: skip


def write_csv(found: ActivityReport) -> None:
    """Write every line, and no totals, as CSV."""
    table = csv.writer(sys.stdout)
    table.writerow(name.replace("_ms", " (UTC)") for name in COLUMNS)
    for each in found.entries:
        table.writerow(_cell(name, value) for name, value in zip(COLUMNS, astuple(each), strict=True))


def _cell(name: str, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, tuple):
        return "; ".join(printable(f"{each.person} {each.public} {each.signature}") for each in value)
    return output.when(value) if name.endswith("_ms") and isinstance(value, int) else printable(str(value))
