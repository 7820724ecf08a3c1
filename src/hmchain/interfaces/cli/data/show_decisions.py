"""Views of people's decisions about records: erasure, opting out."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from hmchain.application.data.erasure import ErasureOutcome, ErasurePreview, OptOutChange, Target, VersionLoss
from hmchain.interfaces.cli import output
from hmchain.ledger.readers.uses import UseView
from hmchain.plain import plain
from hmchain.records.sources.item import IMAGE


def show_losses(found: ErasurePreview) -> None:
    """Show what an erasure would destroy, who used it, and what it would leave."""
    if found.losses:
        output.table(
            ("dataset", "version#", "state", "to be destroyed", "of#"),
            ((loss.dataset, loss.version, "registered" if loss.registered else "open", _lost(loss), loss.of)
             for loss in found.losses),
        )  # fmt: skip
    if found.quarantined:
        output.say(f"In quarantine, destroyed too: {found.quarantined} items.")
    if found.waiting:
        output.say(f"Not reached: {found.waiting} items in quarantine whose patients cannot be told.")
    used = found.uses
    for use in used.uses:
        output.say(f"{_used(use)}: {use.dataset} version {use.version}{_kept(use)}.")
    if used.unknown:
        output.say(f"Which studies used them cannot be told: {used.unknown}.")
    elif not used.uses:
        output.say("No study that the ledger knows was allowed to use them.")
    fixed = [f"{loss.dataset} version {loss.version}" for loss in found.losses if loss.registered]
    if fixed:
        output.say(f"No new study can use {output.listed(fixed)} then: what is left goes into the next version.")
    output.say("Later extractions pass over it.")


def _used(use: UseView) -> str:
    studies = [f"Used by study {made.study} ({made.status})" for made in use.made]
    return ", ".join(studies) or f"Allowed under request {use.request} ({use.standing})"


def _kept(use: UseView) -> str:
    return "; its model keeps what it learnt" if any(made.model for made in use.made) else ""


def _lost(loss: VersionLoss) -> str:
    if loss.prepared:
        kind = "images" if IMAGE in loss.records else "rows"
        return f"{sum(loss.records.values())} prepared {kind}"
    return output.listed(f"{count} {kind}" for kind, count in sorted(loss.records.items()))


def erased(found: ErasureOutcome) -> dict[str, object]:
    """The same as JSON."""
    return {
        **plain(found.done), "withdrawn": found.withdrawn, "withdrawal_pending": found.pending is not None,
    }  # fmt: skip


def show_erased(found: ErasureOutcome, target: Target) -> None:
    """Say what of a target was destroyed, and what the ledger says of it."""
    done = found.done
    output.say(f"Records destroyed: {done.records} (their keys, then their ciphertext).")
    for name, number in done.fixed:
        output.say(f"The root of {name} version {number} can no longer be checked.")
    for way in done.next.values():
        output.say(f"What is left goes into the next version: {way}.")
    for name, number in found.withdrawn:
        output.say(f"The ledger says that {name} version {number} is withdrawn: no new study may use it.")
    if found.pending is not None:
        why = found.pending.what
        output.say(f"The ledger could not be told: {why}. Once it can: `hmchain data withdraw`", stderr=True)
    for path in done.cards:
        of, _, nth = path.stem.rpartition("-")
        output.say(f"Its card {path} is deleted: `hmchain data card {of} --version {nth}` makes a new one.")
    if done.quarantined:
        output.say(f"Items destroyed that waited in quarantine: {done.quarantined}.")
    if done.waiting:
        output.say(
            f"{done.waiting} items wait in quarantine whose patients cannot be told. Reject those of this patient: "
            "`hmchain data quarantine list --names`"
        )
    output.say(f"Later extractions pass over it, until it is lifted: `hmchain data opt-out --lift {_named(target)}`")


def _named(target: Target) -> str:
    """The options that name a target; a patient's number is asked for, since it must stand on no screen."""
    if target.patient is None:
        return f"--subject {shlex.quote(target.subject)}" if target.subject else f"--record {target.record}"
    return f"--patient -{f' --issuer {shlex.quote(target.issuer)}' if target.issuer else ''}"


def show_to_withdraw(versions: Sequence[tuple[str, int]]) -> None:
    """Say which versions the ledger would call withdrawn."""
    named = output.listed(f"{name} version {number}" for name, number in versions)
    output.say(f"To be withdrawn, since records of them were erased: {named}.")


def show_withdrawn(versions: Sequence[tuple[str, int]]) -> None:
    """Say which versions the ledger calls withdrawn now, and did not before."""
    if versions:
        output.say("Withdrawn on the ledger: " + output.listed(f"{name} version {number}" for name, number in versions))
    else:
        output.say("There is nothing to withdraw.")


def show_opt_out(said: OptOutChange) -> None:
    """Say what is not used from now on, or again."""
    if said.opted_out:
        output.say(
            "No use begins with it from now on, and later extractions pass over it. Kept is a keyed digest alone."
        )
        if not said.has_records:
            output.say("There is no record of it here: compare the number, and say --issuer NAME if it is not yours.")
    elif said.lifted:
        output.say("It may be used from now on, and later extractions take it again.")
    else:
        output.say("Nothing of the kind had opted out.")
