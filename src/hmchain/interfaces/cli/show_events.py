"""Views of security events."""

from __future__ import annotations

import csv
import json
import sys
from collections import deque
from typing import Any

import msgspec

from hmchain.application.governance.bundling import Bundle
from hmchain.application.node.bundle import CheckedBundle
from hmchain.application.pages.figures import plural
from hmchain.application.security import fhir
from hmchain.application.security.account import Account
from hmchain.application.security.checking import Checked
from hmchain.application.security.events import ASSETS, Event
from hmchain.interfaces.cli import output
from hmchain.plain import plain, printable, size

_ONLY_SELF = (
    "No anchor was given: a ledger and a log that were both made anew would pass. Give --genesis with the digest that "
    "was printed when the network was made."
)


ROWS_MAX = 1000
"""Of a table for people; what programs read is written line by line."""


def show_events(found: Account) -> None:
    """Show events as a table, of very many the last, and how far they are vouched for."""
    count, last = 0, deque[Checked](maxlen=ROWS_MAX)
    for count, each in enumerate(found.lines, start=1):  # noqa: B007
        last.append(each)
    if count > ROWS_MAX:
        output.say(f"The last {ROWS_MAX} of {count:,} events. --since, --event choose others; --csv, --fhir have all.")
    output.table(
        ("event#", "when (UTC)", "what", "about", "by", "outcome"), map(_row, last), drop=("event#", "outcome")
    )
    for line in _standing(found):
        output.say(line)


def _row(line: Checked) -> tuple[object, ...]:
    event = line.event
    what = event.kind.value + (f" ({event.what})" if event.what else "")
    about = event.about + (f" v{event.version}" if event.version else "") + (f", {event.other}" if event.other else "")
    by = "/".join(each for each in (event.user, event.person or event.role) if each)
    return line.number, output.when(line.at_ms), what, about or "-", by, event.outcome


def _standing(found: Account) -> list[str]:
    said = [f"All {plural(found.size, 'event')} of the log of {found.organisation} follow from each other."]
    if found.anchor is not None:
        at = output.when(found.anchor.time_ms)
        said.append(
            f"Anchored on the ledger up to event {found.anchor.size}, in block {found.anchor.height}, {at} UTC."
        )
    if found.unanchored and not found.why_not:
        said.append(f"{plural(found.unanchored, 'event')} at the end in no anchor yet.")
    for loss in found.losses:
        said.append(
            f"LOST: {loss.by} said on {output.when(loss.time_ms)} UTC that events {loss.kept + 1} to {loss.anchored}, "
            "as they were anchored then, are not in this log any more, or never were."
        )
    return said


def as_json(found: Account) -> dict[str, Any]:
    """An account, for JSON."""
    return {
        "organisation": found.organisation,
        "holds": found.holds,
        "why_not": found.why_not,
        "size": found.size,
        "head": found.head,
        "anchor": plain(found.anchor),
        "unanchored": found.unanchored,
        "losses": plain(found.losses),
        "events": [_fields(each) for each in found.lines],
    }


def _fields(line: Checked) -> dict[str, Any]:
    known = msgspec.to_builtins(line.event)
    return {"number": line.number, "at_ms": line.at_ms, "link": line.link, **known, "outcome": line.event.outcome}


def write_csv(found: Account) -> None:
    """Write every event as CSV."""
    table, names = csv.writer(sys.stdout), Event.__struct_fields__
    table.writerow(("number", "at (UTC)", "iso27002", *names, "link"))
    for each in found.lines:
        event = msgspec.structs.asdict(each.event) | {"kind": each.event.kind.value}
        cells = (_cell("" if event[name] is None else str(event[name])) for name in names)
        table.writerow((each.number, output.when(each.at_ms), ASSETS[each.event.kind].value, *cells, each.link.hex()))


def _cell(text: str) -> str:
    """A text that no spreadsheet takes for a formula: who wrote it may be a stranger."""
    shown = printable(text)
    return f"'{shown}" if shown.startswith(("=", "+", "-", "@")) else shown


def write_fhir(found: Account) -> None:
    """Write every event as a FHIR AuditEvent, one a line."""
    for each in found.lines:
        output.write(json.dumps(fhir.audit_event(each, found.organisation)))


def show_bundle(made: Bundle) -> None:
    """Say what a bundle holds, and how it is checked."""
    output.say(f"{made.file} ({size(made.size)}) holds the {made.events} security events of {made.organisation}, and "
               f"the ledger up to block {made.height}.")  # fmt: skip
    output.say("To check it, anywhere, without a network and without a key:")
    output.say(f"hmchain audit check {made.file} --genesis {made.genesis.hex()}", style="bold")


def show_checked(found: CheckedBundle) -> None:
    """Say that a bundle holds, and what was checked."""
    output.say("The bundle holds, as far as it goes." if found.missing else "The bundle holds.", style="bold green")
    report = found.ledger
    output.fields((
        ("hospital", found.log.organisation),
        ("signed by", found.signer),
        ("made", f"{output.when(found.manifest.made_ms)} UTC"),
        ("chain", report.chain_id),
        ("compared with", report.anchor),
        ("last block", f"{report.height}:{report.head.hex()}"),
        ("events", found.log.size),
        ("failed or denied", found.log.failed),
    ))  # fmt: skip
    for line in _standing(found.log):
        output.say(line)
    for missing in found.missing:
        output.say(f"Not audited: {missing}.", style="bold yellow", stderr=True)
    if not report.anchored:
        output.say(_ONLY_SELF, style="bold yellow", stderr=True)


def checked_as_json(found: CheckedBundle) -> dict[str, Any]:
    """A checked bundle, for JSON."""
    return {
        "holds": None if found.missing else True,
        "signer": found.signer,
        "manifest": plain(found.manifest),
        "ledger": plain(found.ledger),
        "missing": found.missing,
        "log": as_json(found.log),
    }
