"""`hmchain ledger`: read blocks and transactions; prove one to someone who has no ledger."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from hmchain.application.governance.terms import terms_of
from hmchain.application.node import reading, rebuilding
from hmchain.application.node.reading import open_ledger
from hmchain.application.node.rebuilding import RebuiltState
from hmchain.errors import InputError
from hmchain.interfaces.cli import output, remote, runs
from hmchain.interfaces.cli.acting import PortalReadCommand
from hmchain.interfaces.cli.command import ReadCommand, WriteCommand
from hmchain.interfaces.cli.options import (
    GENESIS_HELP,
    HEADER_HELP,
    PROOF_HELP,
    LimitOption,
    RunOption,
    example,
    parse_digest,
)
from hmchain.interfaces.client import blocks as ask_blocks
from hmchain.ledger.blocks import Event
from hmchain.ledger.readers import proof_files
from hmchain.ledger.readers.blocks import BlockView
from hmchain.ledger.readers.proof_files import ProvenTransaction
from hmchain.ledger.readers.transactions import TransactionView
from hmchain.plain import plain

app = typer.Typer(no_args_is_help=True)

Prefix = Annotated[str, typer.Argument(metavar="DIGEST", help="Digest of the transaction, or its first digits.")]

COLUMNS = ("height#", "time (UTC)", "proposer", "round#", "signed", "transactions", "refused#", "events", "hash")
UNSIGNED = "not vouched for by a header at hand: the next block's, or one that `hmchain node audit` fetches"
_PARTIAL = (
    "This log begins after block {}, with a snapshot: what happened before is missing here. Ask a member with the "
    "whole log, or fetch it: stop the node, `hmchain node recover`, start it."
)
_UNSIGNED_EVENT = "*"
_UNSIGNED_EVENTS = "no header holds these: they are this log's word, until `hmchain node audit` executes the blocks"
_BODY_BYTES_SHOWN = 32
_HEIGHT_MAX = (1 << 63) - 1
_ROUTINE_EVENTS = ("round.phase", "round.committed")


class NoAnchorError(InputError):
    """A proof was to be checked against nothing."""

    code = "no_anchor"


@app.command(cls=PortalReadCommand, epilog=example("hmchain ledger blocks --from 100 --limit 5"))
def blocks(
    run: RunOption = None,
    first: Annotated[
        int | None,
        typer.Option(
            "--from", min=1, max=_HEIGHT_MAX, metavar="HEIGHT", help="First block.", show_default="the last ones"
        ),
    ] = None,
    limit: LimitOption = 20,
) -> None:
    """List blocks: who proposed, who signed, what was in them."""
    if remote.shown(run, ask_blocks.blocks(first, limit), lambda found: _show_blocks(found, 0)):
        return
    with (
        runs.opened(run) as place,
        output.progress_bar("executing blocks") as progress,
        open_ledger(place.ledger, progress) as ledger,
    ):
        warn_of_part(ledger.begins_after)
        found, last = ledger.blocks(first, limit), ledger.height
    output.show(found, lambda _: _show_blocks(found, last))


@app.command(cls=PortalReadCommand, epilog=example("hmchain ledger tx 3f9a"))
def tx(digest: Prefix, run: RunOption = None) -> None:
    """Show one transaction: who signed it, in which role, what it says and what became of it."""
    if remote.shown(run, ask_blocks.transaction(digest), _show, _told_transaction):
        return
    with (
        runs.opened(run) as place,
        output.progress_bar("executing blocks") as progress,
        open_ledger(place.ledger, progress) as ledger,
    ):
        found = ledger.transaction(digest)
    output.show(found, _show, json=_told_transaction)


@app.command(cls=ReadCommand, epilog=example("hmchain ledger proof 3f9a --out proof.json"))
def proof(
    digest: Prefix,
    run: RunOption = None,
    out: Annotated[
        Path | None, typer.Option("--output", "--out", metavar="FILE", help=PROOF_HELP, show_default="the screen")
    ] = None,
) -> None:
    """Prove that a transaction is in the ledger, to someone who knows nothing but the genesis digest."""
    with runs.opened(run) as place:
        made = reading.prove(place.ledger, digest)
    text = proof_files.to_json(made)
    if out is None:
        typer.echo(text, nl=False)
        return
    out.write_bytes(text)
    genesis, proven = made.genesis.digest.hex(), proof_files.proven(made)

    def tell(_: object) -> None:
        output.say(f"{out} proves a transaction of block {proven.height}. Check it anywhere, offline:")
        output.say(f"hmchain audit proof {shlex.quote(str(out))} --genesis {genesis}", style="bold")

    about = {"transaction": proven.transaction.digest, "height": proven.height, "genesis": genesis}
    output.show({"file": out, **about}, tell)


@app.command(cls=WriteCommand, epilog=example("hmchain ledger rebuild"))
def rebuild(run: RunOption = None) -> None:
    """Put states of a run that are not what was signed aside, and execute the blocks again.

    States are caches of the blocks, which are checked as `audit verify` does. A node does this when it starts.
    """
    with output.progress_bar("executing blocks") as progress:
        found = rebuilding.rebuild(runs.find(run).ledger, progress)
    output.show(found, _show_rebuilt)


@app.command("check-proof", cls=ReadCommand, epilog=example("hmchain ledger check-proof proof.json --genesis DIGEST"))
def check_proof(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A proof that `ledger proof` wrote.")],
    genesis: Annotated[str | None, typer.Option("--genesis", metavar="DIGEST", help=GENESIS_HELP)] = None,
    header: Annotated[str | None, typer.Option("--header", metavar="HASH", help=HEADER_HELP)] = None,
) -> None:
    """Check a proof offline; exit status 7 if it does not hold."""
    if genesis is None and header is None:
        raise NoAnchorError("a proof must be checked against something", "give --genesis or --header")
    anchors = {"genesis": genesis, "header": header}
    given = {name: parse_digest(text) for name, text in anchors.items() if text is not None}
    proven = proof_files.proven(proof_files.check(file, given.get("genesis"), given.get("header")))
    line = proven.transaction
    about = {"transaction": line.digest, "kind": line.kind, "outcome": line.code}
    found = {"holds": True, **about, "height": proven.height, "time_ms": proven.time_ms, "anchors": given}
    output.show(found, lambda _: _show_proven(proven, given))


def warn_of_part(begins: int) -> None:
    """Say of a log that begins after a block, if it does, that what happened before is not in it."""
    if begins:
        output.say(_PARTIAL.format(begins), style="bold yellow", stderr=True)


def _show_blocks(found: list[BlockView], last: int) -> None:
    if not found:
        output.say(f"The last block is {last}." if last else "No block with transactions is in this log yet.")
        return
    output.table(COLUMNS, map(_row, found), drop=("round#", "refused#", "signed", "transactions", "time (UTC)"))
    if any(not block.vouched for block in found):
        output.say(f"Some of these blocks are {UNSIGNED}.", style="bold yellow", stderr=True)
    if any(_told(block.unsigned_events) for block in found):
        output.say(f"{_UNSIGNED_EVENT} {_UNSIGNED_EVENTS}", style="bold yellow", stderr=True)
    output.say("A round above 0 means that earlier proposers of the block failed or were voted down.", style="dim")


def _show_rebuilt(found: list[RebuiltState]) -> None:
    for each in found:
        output.say(f"{each.state}: {each.damage}. Made anew; what was there is kept as {each.kept.name}.")
    if not found:
        output.say("Every state is what was signed.")


def _show_proven(proven: ProvenTransaction, anchors: Mapping[str, bytes]) -> None:
    output.say("The proof holds.", style="bold green")
    output.fields((
        ("transaction", proven.transaction.digest.hex()),
        ("kind", proven.transaction.kind),
        ("outcome", proven.transaction.code),
        ("block", f"{proven.height}, {output.when(proven.time_ms)} UTC by the validators' clocks"),
        *((f"against {name}", digest.hex()) for name, digest in anchors.items()),
    ))  # fmt: skip
    if "genesis" in anchors and "header" not in anchors:
        output.say("More than two thirds of the founders signed the block: enough while under a third of them lie.")


def _row(block: BlockView) -> tuple[object, ...]:
    kinds = Counter(line.kind for line in block.transactions)
    events = [_brief(event) for event in _told(block.events)]
    events += [f"{_brief(event)} {_UNSIGNED_EVENT}" for event in _told(block.unsigned_events)]
    validators = len(block.signed) + len(block.not_signed)
    return (
        block.height,
        output.when(block.time_ms),
        block.proposer,
        block.round,
        f"{len(block.signed)} of {validators}" if validators else "-",
        output.listed(f"{count} {kind}" for kind, count in sorted(kinds.items())),
        block.refused or "",
        output.listed(events),
        output.short(block.hash),
    )


def _told(events: Iterable[Event]) -> list[Event]:
    return [event for event in events if event.kind not in _ROUTINE_EVENTS]


def _brief(event: Event) -> str:
    """An event without its study, digests cut."""
    about = event.keys[1:] if event.kind.startswith(("round.", "model.")) else event.keys
    return " ".join((event.kind, *(key if len(key) <= 48 else output.short(key) for key in about)))


def _show(found: TransactionView) -> None:
    who = f"{found.organisation}, with the {found.role}'s key" if found.organisation else "a key that nobody here has"
    output.fields((
        ("transaction", found.digest.hex()),
        ("kind", found.kind),
        ("signed by", who),
        ("block", f"{found.height}, position {found.position}"),
        ("time", f"{output.when(found.time_ms)} UTC, by the proposer's clock"),
        ("outcome", found.receipt.code),
        ("vouched for", found.vouched or UNSIGNED),
        ("events", "\n".join(" ".join((event.kind, *event.keys)) for event in found.receipt.events) or "-"),
    ))  # fmt: skip
    if pinned := terms_of(found):
        output.heading("What its stewards are asked to approve")
        output.fields(pinned)
    if found.body is not None:
        output.heading("What it says")
        output.fields(_flat(plain(found.body)))


def _told_transaction(found: TransactionView) -> dict[str, Any]:
    return {**plain(found), "terms": dict(terms_of(found))}


def _flat(value: object, name: str = "") -> list[tuple[str, object]]:
    """Nested JSON values as dotted names; long ones cut, `--json` has them whole."""
    if isinstance(value, dict):
        return [pair for key, entry in value.items() for pair in _flat(entry, f"{name}.{key}" if name else key)]
    if isinstance(value, list):
        if not any(isinstance(entry, dict | list) for entry in value):
            return [(name, _cut(output.listed(_cut(str(entry)) for entry in value), 8))]
        return [pair for index, entry in enumerate(value) for pair in _flat(entry, f"{name}[{index}]")]
    return [(name, _cut(str(value)))]


def _cut(text: str, lines: int = 1) -> str:
    most = 2 * _BODY_BYTES_SHOWN * lines
    return text if len(text) <= most else f"{text[:most]}... ({len(text)} characters, see --json)"
