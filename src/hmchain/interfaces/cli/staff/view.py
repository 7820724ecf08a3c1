"""Views of an organisation's people, and of what is asked of its officers."""

from __future__ import annotations

import shlex

from hmchain.application.governance.people import Asked, NewKey
from hmchain.application.governance.recovery import Card, Given
from hmchain.application.node import sent
from hmchain.interfaces.cli import output
from hmchain.ledger.readers.people import PeopleView, PersonView
from hmchain.ledger.readers.powers import HeldPermit, OpenRequest, Powers

COLUMNS = ("person", "roles", "status", "key", "since block#")
POWER_COLUMNS = ("person", "may", "request", "with", "until (UTC)")
CHANGE_COLUMNS = ("change", "what is asked", "by", "open until")


def show_people(found: PeopleView) -> None:
    """List an organisation's people, and what waits for a second officer."""
    output.heading(f"People of {found.organisation}")
    output.table(COLUMNS, map(_row, found.people))
    if len(found.officers) > 1:
        output.say(f"Officers: {output.listed(found.officers)}. One asks, another confirms; any one suspends.")
    else:
        output.say(f"The only officer is {output.listed(found.officers)}, and decides alone.")
    for name in (each.person for each in found.people if each.status == "invited"):
        output.say(f"{name} is invited, and accepts: `hmchain people accept --as {name}`")
    if waiting := [each for each in found.changes if not each.lapsed]:
        output.heading("Waiting for another officer")
        output.table(
            CHANGE_COLUMNS,
            (
                (output.short(each.id), sent.words(each.change), each.officer, f"{output.when(each.until_ms)} UTC")
                for each in waiting
            ),
        )
        for each in waiting:
            others = [officer for officer in found.officers if officer != each.officer]
            agrees = f" --as {others[0]}" if others else ""
            output.say(f"{output.listed(others)}: `hmchain people confirm {output.short(each.id)}{agrees}`, or "
                       f"`hmchain people drop {output.short(each.id)}{agrees}`")  # fmt: skip
    if found.recovering is not None:
        key, due = found.recovering.key.hex()[:16], output.when(found.recovering.due_ms)
        output.say(f"The other members voted the steward's key {key} for this hospital, from {due} UTC on. If its own "
                   "is not lost, an officer objects: `hmchain people recover object`")  # fmt: skip
    if found.recovered is not None:
        output.say(f"Since block {found.recovered.height} the steward's key is one that the others voted. The agent "
                   "obeys it once it is confirmed here: `hmchain people recover trust`")  # fmt: skip


def _row(each: PersonView) -> tuple[object, ...]:
    return each.person, output.listed(each.roles), each.status, each.key.hex()[:16], each.since_height or "-"


def show_person(found: PersonView) -> None:
    """Show one person, with the whole key."""
    output.fields((
        ("person", found.person), ("roles", output.listed(found.roles)), ("status", found.status),
        ("key", found.key.hex()), ("decides now", "yes" if found.decides else "no"),
    ))  # fmt: skip


def show_powers(found: list[Powers]) -> None:
    """List what each person may do: act in roles, use permits, go on with requests."""
    output.table(POWER_COLUMNS, [row for each in found for row in _powers(each)], drop=("with",))


def _powers(of: Powers) -> list[tuple[object, ...]]:
    acts = f"act as {output.listed(of.roles)}" if of.roles else f"nothing: {of.status}"
    allowed = [_permit(each) for each in of.permits]
    waiting = [_open(each) for each in of.requests]
    return [(of.person, acts, "-", "-", "-"), *((of.person, *row) for row in (*allowed, *waiting))]


def _permit(held: HeldPermit) -> tuple[object, ...]:
    return held.kind, held.request, output.listed(held.allowed), output.when(held.until_ms)


def _open(asked: OpenRequest) -> tuple[object, ...]:
    waits = f", waits for {output.listed(asked.waits_for)}" if asked.waits_for else ""
    return f"go on as {asked.takes_part}: {asked.status}{waits}", asked.request, "-", "-"


def show_new_key(made: NewKey) -> None:
    """Say where a new key lies, and who needs what of it."""
    output.say(
        f"{made.person} of {made.organisation} has the key {made.key.hex()[:16]}. Compare these digits by telephone."
    )
    if not made.sealed:
        output.say(f"{made.private} is NOT sealed: whoever gets a copy can sign for {made.person}. A passphrase in "
                   "HMCHAIN_PASSPHRASE, or by --passphrase-file FILE, seals a key as it is made.")  # fmt: skip
    output.say(f"Nobody else ever sees {made.private}. Hand {made.card} to an officer, who gives:")
    output.say(f"hmchain people invite {shlex.quote(str(made.card))} --role ROLE", style="bold")


def show_asked(asked: Asked) -> None:
    """Say whether a change is carried out, or who confirms it."""
    if not asked.waits:
        output.say(f"Done: {asked.words}.")
        if asked.invited:
            output.say(f"Where that key is, {asked.invited} accepts: `hmchain people accept --as {asked.invited}`")
        return
    output.say(f"Asked: {asked.words}. There are {len(asked.officers)} officers, so another one confirms it:")
    output.say(f"hmchain people confirm {output.short(asked.change)} --as {asked.other}", style="bold")


def show_suspended(handle: str) -> None:
    """Say that a key is cut off, and how to see what it did."""
    output.say(f"{handle} is suspended: the key decides nothing from the next transaction on.")
    output.say(f"What it did: `hmchain people deeds {handle}`")
    output.say(f"If the person goes on with another key: `hmchain people replace-key FILE`; with this one: "
               f"`hmchain people reinstate {handle}`")  # fmt: skip


def show_card(made: Card) -> None:
    """Say what becomes of a recovery's file."""
    output.say(
        f"{made.organisation} asks for the steward's key {made.key.hex()[:16]}. Read these digits out by telephone."
    )
    output.say(f"Send {made.file} to a member, whose steward gives:")
    output.say(f"hmchain people recover propose {shlex.quote(str(made.file))}", style="bold")


def show_given(found: Given) -> None:
    """Show a key that others gave this hospital."""
    where = "in this node's folder" if found.is_ours else "NOT IN THIS NODE'S FOLDER: somebody else holds it"
    output.fields((
        ("hospital", found.organisation), ("key", found.key.hex()), ("since block", str(found.height)),
        ("its private key", where), ("the agent obeys it", "yes" if found.confirmed else "no"),
    ))  # fmt: skip
