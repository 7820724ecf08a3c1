"""Views of people's decisions about records: quarantine, erasure, opting out."""

from __future__ import annotations

from collections.abc import Sequence

from hmchain.application.data.erasure import ErasureOutcome, OptOutChange
from hmchain.application.data.quarantine import QuarantineEntry, ReleaseOutcome
from hmchain.interfaces.cli import output
from hmchain.plain import plain


def waiting(found: Sequence[QuarantineEntry]) -> list[dict[str, object]]:
    """The same as JSON."""
    return [{**plain(each.item), **({} if each.name is None else {"name": each.name})} for each in found]


def show_waiting(found: Sequence[QuarantineEntry], *, names: bool) -> None:
    """List items that were held back, and why."""
    if not found:
        output.say("Nothing waits.")
        return
    output.table(
        ("item", "dataset", "version#", "kind", "why", "may pass", "decision", *(["name"] if names else [])),
        ((*_row(each), *([each.name or "-"] if names else [])) for each in found),
    )


def _row(each: QuarantineEntry) -> tuple[object, ...]:
    item = each.item
    passes = "if a reviewer says so" if item.releasable else "no: mend it at its source"
    decision = f"{item.state} by {item.reviewer}" if each.decided else item.state
    why = f"{item.reason} [{item.code}]"
    return output.short(item.item), item.dataset, item.version, item.kind, why, passes, decision


def released(found: ReleaseOutcome) -> dict[str, object]:
    """The same as JSON."""
    tally = found.tally
    return {"item": found.item.item, "released": found.released, "records": tally.records, "updated": tally.updated}


def show_released(found: ReleaseOutcome) -> None:
    """Say where an item is that a reviewer let through."""
    if not found.released:
        output.say("It is still held, now for another reason: hmchain data quarantine list")
        return
    count = found.tally.records + found.tally.updated
    output.say(f"It is in dataset {found.item.dataset} now, as {count} record(s), de-identified like the others.")


def erased(found: ErasureOutcome) -> dict[str, object]:
    """The same as JSON."""
    return {
        **plain(found.done), "withdrawn": found.withdrawn, "withdrawal_pending": found.pending is not None,
    }  # fmt: skip


def show_erased(found: ErasureOutcome) -> None:
    """Say what was destroyed, and what the ledger says of it."""
    done = found.done
    output.say(f"Records destroyed: {done.records} (their keys, then their ciphertext).")
    for name, number in done.versions:
        output.say(f"The root of {name} version {number}, if it had one, can no longer be checked.")
    for name, number in found.withdrawn:
        output.say(f"The ledger says that {name} version {number} is withdrawn: no new study may use it.")
    if found.pending is not None:
        why = found.pending.what
        output.say(f"The ledger could not be told: {why}. Once it can: hmchain data withdraw", stderr=True)
    for path in done.cards:
        output.say(f"Its card {path} is deleted: hmchain data card makes a new one.")
    if done.quarantined:
        output.say(f"Items destroyed that waited in quarantine: {done.quarantined}.")
    if done.waiting:
        output.say(
            f"{done.waiting} items wait in quarantine whose patients cannot be told. Reject those of this patient: "
            "hmchain data quarantine list --names"
        )
    output.say("Later extractions pass over it, until: hmchain data opt-out --lift")


def show_withdrawn(versions: Sequence[tuple[str, int]]) -> None:
    """Say which versions the ledger calls withdrawn."""
    if versions:
        output.say("Withdrawn on the ledger: " + output.listed(f"{name} version {number}" for name, number in versions))
    else:
        output.say("There is nothing to withdraw.")


def show_opt_out(said: OptOutChange) -> None:
    """Say what later extractions do."""
    if said.opted_out:
        output.say("Later extractions pass over it. Kept is a keyed digest, no identifier.")
    elif said.lifted:
        output.say("Later extractions take it again; what an open version had of it comes with the next version.")
    else:
        output.say("Nothing of the kind had opted out.")
