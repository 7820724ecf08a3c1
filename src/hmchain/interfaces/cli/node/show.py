"""Views of a node and of what was done to it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from hmchain.application.governance import key_rotation
from hmchain.application.governance.key_rotation import KeyRotation
from hmchain.application.node.ledger_export import RUNNING, ExportedLedger
from hmchain.application.node.status import NodeAudit, NodeStatus
from hmchain.application.node.units import Units
from hmchain.application.site.network import Introduction
from hmchain.application.site.node import NodeFolder
from hmchain.interfaces.cli import output
from hmchain.interfaces.cli.network.show import rules_words
from hmchain.ledger.readers.incidents import IncidentView

AFTER_ROTATION = {
    "agent": "A running agent takes it up by itself.",
    "validator": "The node takes it up by itself; its reputation and power are those of before.",
    "wrapping": "A running agent takes it up by itself. The old one stays as wrapping.key.earlier-*: it opens what\n"
    "others sealed to it, documents of requests above all. Back up the vault anew: its old backups need the old key.",
}


def tell(text: str) -> None:
    """Say what happens meanwhile: standard output is for what a command found out."""
    output.say(text, stderr=True)


def nothing(_: object) -> None:
    """Show nothing: all was said meanwhile."""


def show_made(introduction: Introduction, folder: NodeFolder, *, sealed: bool) -> None:
    """Say what a new node consists of, and what to send to whom."""
    organisation = introduction.member.organisation
    output.say(f"{folder.path} is the node of {organisation}. Its keys are in {folder.keys}: back them up.")
    if not sealed:
        output.say("They are NOT sealed: who gets a copy of them can act for you and read your records.")
        output.say("A passphrase seals them: `hmchain data vault seal-keys`")
    output.say(f"Send {folder.introduction} to whoever founds the network. It holds nothing secret.")
    output.fields((("fingerprint", introduction.fingerprint), ("", "to be compared by telephone")))


def show_status(found: NodeStatus) -> None:
    """Show how a node stands."""
    output.fields((
        ("node", f"{found.organisation}, {_life(found)}"),
        *((("health", found.health),) if found.health else ()),
        *((("clock", found.clock),) if found.clock else ()),
        ("network", found.chain_id),
        ("genesis", found.genesis.hex()),
        ("height", f"{found.height}{', catching up' if found.catching_up else ''}"),
        ("last block", f"{found.block}\n{found.time}" if found.block else "-"),
        ("voting power", found.power),
        ("connected to", output.listed(found.peers)),
        ("not connected to", output.listed(found.missing)),
        ("state", _state(found)),
        *((("protocol", rules_words(found.rules)),) if found.rules else ()),
        ("waiting", f"{found.waiting} transactions"),
        *(("sent", str(each)) for each in found.sent),
        *(("incident", _incident(each, found.organisation)) for each in found.incidents),
        *(("to see to", str(each)) for each in found.notices),
        *((f"used by {each.study}", str(each)) for each in found.machine),
        *((("log", f"begins after block {found.log_after}, with a snapshot"),) if found.log_after else ()),
        *_pace_rows(found),
        *((("last error", found.trouble),) if found.trouble else ()),
        *((("damage", found.damage),) if found.damage else ()),
        *(("repaired", each) for each in found.repairs),
    ))  # fmt: skip


def _incident(each: IncidentView, organisation: str) -> str:
    own = next((answer for answer in each.answers if answer.organisation == organisation), None)
    owed = "" if own is None or not own.owes else f"; {'OVERDUE: ' if own.overdue else ''}{own.owes} it"
    return f"{each}{owed}, `hmchain incident show {each.incident}`"


def _pace_rows(found: NodeStatus) -> list[tuple[str, object]]:
    if (pace := found.pace) is None:
        return []
    measured = ", ".join(f"{name} {took} ms" for name, took in sorted(pace.measured_ms.items())) or "none measured"
    return [
        ("round trips", f"{measured}; the pace is made for {pace.round_trip_ms} ms"),
        ("votes missed", f"{pace.missed} of the last {pace.blocks} blocks"),
        *(("warning", warning) for warning in pace.warnings),
    ]


def _state(found: NodeStatus) -> str:
    if not found.state_height:
        return "none yet"
    return ", ".join(filter(None, (f"block {found.state_height}", f"commitment {output.short(found.commitment)}",
                                   found.vouched)))  # fmt: skip


def _life(found: NodeStatus) -> str:
    if found.running:
        return "running"
    if found.runner:
        return f"not answering: {found.runner} has it, and CometBFT is starting or does not come up; see node.log"
    return "not running: start it with `hmchain node start`"


def show_audit(found: NodeAudit) -> None:
    """Say that a ledger holds, and what that rests on."""
    output.say("The ledger holds.", style="bold green")
    output.fields((
        ("network", found.chain_id),
        ("genesis", found.genesis.hex() + ("" if found.anchored else ", not compared with anything: give --genesis")),
        ("executed", f"{found.blocks} blocks, {found.transactions} transactions, {found.refused} of them refused"),
        ("signed", f"header {found.signed_height}, by {len(found.signers)} of {found.members}: "
                   f"{output.listed(found.signers)}"),
        ("state", found.commitment.hex()),
        *((("begins", f"after block {found.begins}, with a snapshot that founders signed"),) if found.begins else ()),
        ("not proven", "\n".join(found.not_proven)),
    ))  # fmt: skip


def show_window(window: dict[str, int]) -> None:
    """Say when a node may be down."""
    output.fields((("from", output.when(window["from_ms"])), ("until", output.when(window["until_ms"]))))
    output.say("Stop the node when its time has come. When it is back and has caught up: `hmchain node unjail`.")


def show_units(found: Units, written: Path | None) -> None:
    """Show the units, or say where they are and what is to be done."""
    if written is None:
        output.say("\n".join(f"# {name}\n{text}" for name, text in found.by_name.items()))
        return
    output.say(f"{', '.join(found.by_name)} in {written} run this node, its agent and its portal as {found.user}.")
    if found.passphrase is not None:
        output.say(f"Put the passphrase of the keys into {found.passphrase}: one line, mode 600, owner root.")
    output.say(f"Then: systemctl daemon-reload && systemctl enable --now {' '.join(found.by_name)}")


def show_rotated(done: KeyRotation, role: str, folder: NodeFolder) -> None:
    """Say which key is new, and what to do now."""
    output.say(f"The {role} of {done.organisation} has a new key: {done.key.hex()}")
    output.say(AFTER_ROTATION.get(role, "The old one is refused from now on."))
    worth = "" if role == key_rotation.WRAPPING else "; older copies of this key are worth nothing"
    output.say(f"Back up {folder.keys} anew{worth}.")


def show_backup(kept: dict[str, Any]) -> None:
    """Say what a backup of a node holds."""
    output.fields((("file", kept["file"]), ("height", kept["height"]), ("state commitment", kept["commitment"].hex())))


def show_restored(restored: dict[str, Any]) -> None:
    """Say what is in the node now, and what comes next."""
    output.fields((
        ("restored", f"blocks up to {restored['height']}, from {restored['file']}"),
        ("state commitment", restored["commitment"].hex()),
        ("before", "what was there is kept in the node's folder, in the before-restore-N of the highest number"),
    ))  # fmt: skip
    output.say("Start the node: it fetches what it missed from the others.")
    output.say("  hmchain node start")


def show_export(found: ExportedLedger) -> None:
    """Say what is in a ledger's file, and how an outsider checks it."""
    since = f"after {found.begins_after}, " if found.begins_after else ""
    output.fields((
        ("file", f"{found.file}, {found.size:,} bytes"),
        ("network", found.chain_id),
        ("blocks", f"{since}up to {found.height}; the header after it is {found.height + 1}:{found.head.hex()}"),
        ("headers", f"signed, from {found.headers}"),
    ))  # fmt: skip
    if found.begins_after:
        part = (
            f"NOT WHOLE: this node's log begins with a snapshot after block {found.begins_after}, and the file with it."
        )
        rest = "Let a member export whose node has the whole log, or fetch it: stop the node, `hmchain node recover`"
        output.say(f"{part} {rest}, start it.", style="bold yellow", stderr=True)
    if found.left_out:
        left = f"The last {found.left_out} blocks are left out: no header at hand signs them."
        then = "Once the next block is there" if found.headers == RUNNING else "Start the node and"
        output.say(f"{left} {then} export again, if they matter.", style="bold yellow", stderr=True)
    output.say("Send it to whoever is to check it, and the digest of the genesis by another way. Anywhere, offline:")
    output.say(f"hmchain audit verify {shlex.quote(str(found.file))} --genesis {found.genesis.hex()}", style="bold")


def show_recovered(done: dict[str, Path]) -> None:
    """Say where the rest of a damaged node is kept, and how it begins anew."""
    output.say(f"What was there is in {done['kept']}; delete it once the node runs.")
    output.say("Start the node: it fetches all blocks from the other members and executes them.")
