"""`hmchain audit`: verify a whole ledger offline, and ask it who did what on whose permission."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from hmchain.application.data import record_proof
from hmchain.application.data.record_proof import VerifiedRecord
from hmchain.application.governance.purposes import purpose_words
from hmchain.application.node import folder_audit
from hmchain.application.node.folder_audit import Finding, FolderAudit
from hmchain.application.node.reading import open_ledger
from hmchain.errors import LedgerError
from hmchain.interfaces.cli import events, output, runs
from hmchain.interfaces.cli.command import ReadCommand
from hmchain.interfaces.cli.known_block import BlockOption, parse_block
from hmchain.interfaces.cli.ledger import check_proof, warn_of_part
from hmchain.interfaces.cli.options import (
    GENESIS_HELP,
    RunOption,
    StudyOption,
    example,
    parse_digest,
    passphrase,
)
from hmchain.interfaces.report.reader import ReportReader
from hmchain.ledger.readers.datasets import count_words
from hmchain.ledger.readers.lineage import (
    DatasetTrace,
    RoundTrace,
    StewardDecision,
    StudyTrace,
    VersionTrace,
)
from hmchain.ledger.readers.traced_words import TracedTransaction
from hmchain.ledger.readers.trusted import FINISH
from hmchain.plain import plain

app = typer.Typer(no_args_is_help=True)
app.add_typer(events.app)

_NO_ANCHOR = (
    "No anchor: a wholly rewritten ledger would pass. Give --genesis with the digest that was printed when the network "
    "was made."
)

_UNSIGNED = (
    "The blocks of this log are {}. What no header signs is shown as it stands there: `hmchain node audit` beside the "
    "running node fetches the headers and checks everything."
)


@app.command(cls=ReadCommand, epilog=example("hmchain audit verify --genesis DIGEST"))
def verify(
    run: RunOption = None,
    genesis: Annotated[str | None, typer.Option("--genesis", metavar="DIGEST", help=GENESIS_HELP)] = None,
    block: BlockOption = None,
) -> None:
    """Replay the ledger from genesis, check every signature, link, root and state, and every other file of the folder.

    Needs no network and no key; HMCHAIN_PASSPHRASE opens sealed keys, to see whose they are. Exit status 0 only if all
    holds, 7 if anything does not: the first such thing is named. So is every file that was not checked. Status 6 if
    all that could be checked holds and the ledger is not whole: it begins with a snapshot, or nobody signed its end.
    """
    anchor = None if genesis is None else parse_digest(genesis)
    trusted = None if block is None else parse_block(block)
    with runs.opened(run) as place, output.progress_bar("replaying blocks") as progress:
        found = folder_audit.verify(
            place.path, place.ledger, ReportReader(), anchor,
            trusted=trusted, progress=progress, passphrase=passphrase(),
        )  # fmt: skip
    files = {"checked": found.checked, "not_checked": found.not_checked}
    missing = found.ledger.missing
    holds = None if missing else True
    output.show(
        {"holds": holds, **plain(found.ledger), "missing": missing, "files": files}, lambda _: _show_report(found)
    )
    if missing:
        raise typer.Exit(LedgerError.exit_code)


app.command("proof", cls=ReadCommand, epilog=example("hmchain audit proof proof.json --genesis DIGEST"))(check_proof)


@app.command("verify-record", cls=ReadCommand,
             epilog=example("hmchain audit verify-record proof.json --genesis DIGEST"))  # fmt: skip
def verify_record(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A proof that `data prove` wrote.")],
    run: RunOption = None,
    genesis: Annotated[str | None, typer.Option("--genesis", metavar="DIGEST", help=GENESIS_HELP)] = None,
    root: Annotated[
        str | None,
        typer.Option("--root", metavar="DIGEST", help="The version's root, if you know it: then no ledger is needed."),
    ] = None,
) -> None:
    """Check offline that a registered dataset version holds a record; exit status 7 if it does not.

    Without --root the ledger is verified as `audit verify` does, and the root is what it says.
    """
    anchor = None if genesis is None else parse_digest(genesis)
    if root is not None:
        found = record_proof.verify(file, parse_digest(root))
    else:
        with runs.opened(run) as place, output.progress_bar("replaying blocks") as progress:
            found = record_proof.verify_on(place.ledger, file, anchor, progress)
    anchored = bool(root or anchor)
    output.show(_record_fields(found, anchored=anchored), lambda _: _show_record(found, anchored=anchored))


@app.command(cls=ReadCommand, epilog=example("hmchain audit trace --dataset north/brain"))
def trace(
    run: RunOption = None,
    study: StudyOption = None,
    dataset: Annotated[
        str | None, typer.Option("--dataset", metavar="ORG/NAME", help="Trace a dataset instead of a study.")
    ] = None,
) -> None:
    """Trace which data, approvals, code, updates and masters made a model, or who used a dataset on whose word.

    The blocks are compared with what was signed; `audit verify` executes them again too.
    """
    with (
        runs.opened(run) as place,
        output.progress_bar("executing blocks") as progress,
        open_ledger(place.ledger, progress) as ledger,
    ):
        warn_of_part(ledger.begins_after)
        if unsigned := ledger.require_whole().words:
            output.say(_UNSIGNED.format(unsigned), style="bold yellow", stderr=True)
        found = ledger.trace(study, dataset)
    output.show(found, _show_trace)


def _show_report(found: FolderAudit) -> None:
    report = found.ledger
    if report.missing:
        output.say("ONLY A PART OF THE LEDGER WAS AUDITED. What was checked holds.", style="bold yellow")
    else:
        output.say("Everything that was checked holds.", style="bold green")
    output.fields((
        ("chain", report.chain_id),
        ("anchor", report.anchor),
        ("genesis", report.genesis.hex()),
        ("last block", f"{report.height}:{report.head.hex()}"),
        ("state", report.commitment.hex()),
        ("transactions", f"{report.transactions:,}, of which {report.refused:,} were refused"),
        ("signatures", f"{report.transaction_signatures:,} of transactions, {report.vote_signatures:,} of votes"),
        ("offences proven", f"{report.evidence:,}"),
        *((f"model of {model.study}", f"{model.root.hex()} (round {model.round})") for model in report.models),
        *((f"weights of {model.study}", model.weights.hex()) for model in report.models),
    ))  # fmt: skip
    output.heading("Checked")
    for line in (*report.checked, *map(_finding, found.checked)):
        output.say(f"  + {line}")
    output.heading("Not proven, not checked")
    for line in (*report.not_proven, *map(_finding, found.not_checked)):
        output.say(f"  - {line}")
    warn_of_part(report.begins_after)
    if report.unsigned:
        output.say(f"Not audited: {report.unsigned[0]}. Headers for all: {FINISH}.", style="bold yellow", stderr=True)
    if not report.anchored:
        output.say(_NO_ANCHOR, style="bold yellow", stderr=True)


def _record_fields(found: VerifiedRecord, *, anchored: bool) -> dict[str, Any]:
    against = "root" if found.published is None else "ledger"
    proven = {"organisation": found.handed.organisation, **plain(found.handed.proof), "root": found.root}
    return {"holds": True, **proven, "against": against, "anchored": anchored, "withdrawn": found.withdrawn}


def _show_record(found: VerifiedRecord, *, anchored: bool) -> None:
    handed, published, withdrawn = found.handed, found.published, found.withdrawn
    output.say("The proof holds: the version held this record.", style="bold green")
    output.fields((
        ("dataset", f"{handed.organisation}/{handed.proof.dataset}, version {handed.proof.version}"),
        ("record", handed.proof.record),
        ("ciphertext", handed.proof.ciphertext.hex()),
        ("root", found.root.hex()),
        ("compared with", f"the ledger, {_where(published)}" if published else "the root that was given"),
        *([("withdrawn since", _where(withdrawn))] if withdrawn else []),
    ))  # fmt: skip
    output.say("It says nothing of what is in the record: for that, compare the ciphertext and have it opened.")
    if not anchored:
        output.say(_NO_ANCHOR, style="bold yellow", stderr=True)


def _show_trace(found: StudyTrace | DatasetTrace) -> None:
    if isinstance(found, StudyTrace):
        _show_study(found)
    else:
        _show_dataset(found)


def _finding(found: Finding) -> str:
    more = f" and {len(found.files) - 1} more" if len(found.files) > 1 else ""
    return f"{found.files[0]}{more}: {found.what}"


def _show_study(made: StudyTrace) -> None:
    spec = made.spec
    output.heading(f"Study {spec.name}")
    output.fields((
        ("proposed by", f"{made.proposal.organisation}, {_where(made.proposal)}"),
        ("purpose", purpose_words(spec.purpose)),
        ("training code", spec.code.hex()),
        ("participants", output.listed(spec.participants)),
        ("rounds", f"{sum(each.number > 0 for each in made.rounds)} of {spec.rounds}, after one that counts classes"),
        ("model", made.model_root.hex() or "none yet"),
        ("its weights", made.weights_root.hex() or "none yet"),
        ("their meaning", made.meaning.hex() or "none yet"),
    ))  # fmt: skip
    _show_data(made.data)
    _show_decisions(made.decisions)
    output.heading("Rounds")
    columns = ("round#", "outcome", "summed updates", "master", "confirmed by", "model", "transaction")
    output.table(columns, map(_round_row, made.rounds), drop=("model", "transaction", "confirmed by", "summed updates"))


def _show_dataset(used: DatasetTrace) -> None:
    output.heading(f"Dataset {used.organisation}/{used.dataset}")
    output.fields((("registered", _where(used.registered)),))
    _show_data(used.versions)
    for study in used.studies:
        output.heading(f"Asked for by study {study.spec.name}")
        updates = [update for round_ in study.rounds for update in round_.updates]
        output.fields((
            ("proposed by", f"{study.proposal.organisation}, {_where(study.proposal)}"),
            ("purpose", purpose_words(study.spec.purpose)),
            ("updates sent", f"{len(updates)}, of which {sum(update.summed for update in updates)} were summed"),
            ("model", study.model_root.hex() or "none"),
        ))  # fmt: skip
        _show_decisions(study.decisions)
    if used.requests:
        output.heading("Requests under which no study was proposed")
        _show_decisions(used.requests)
    if not used.studies and not used.requests:
        output.say("No study asked for it.")


def _show_data(versions: Iterable[VersionTrace]) -> None:
    output.heading("Data")
    rows = (
        (
            f"{each.organisation}/{each.dataset}",
            each.version,
            count_words(each.count),
            output.short(each.root),
            _where(each.entry),
            _where(each.withdrawn) if each.withdrawn else "-",
        )
        for each in versions
    )
    output.table(("dataset", "version#", "records", "keyed root", "published", "withdrawn"), rows)


def _show_decisions(decisions: Iterable[StewardDecision]) -> None:
    output.heading("Decisions of stewards")
    rows = (
        (each.organisation, each.status, f"{each.dataset} v{each.version}", each.purpose, output.short(each.code),
         output.when(each.expires_ms) if each.expires_ms else each.reason or "-", output.listed(each.persons),
         f"{each.request} {output.short(each.content)}".strip(), _where(each.entry))
        for each in decisions
    )  # fmt: skip
    columns = ("hospital", "decision", "for", "purpose", "code", "until or why", "by", "decided on", "transaction")
    output.table(columns, rows, drop=("code", "purpose", "decided on", "transaction", "by"))


def _round_row(round_: RoundTrace) -> tuple[object, ...]:
    last = round_.aggregates[-1] if round_.aggregates else None
    masters = (each.master + (" (fraud proven)" if each.fraud else "") for each in round_.aggregates)
    return (
        round_.number if round_.number else "counts",
        round_.outcome or "open",
        output.listed(update.organisation for update in round_.updates if update.summed),
        output.listed(masters),
        output.listed(last.confirmed_by if last else ()),
        output.short(last.model_root) if last else "-",
        _where(last.entry) if last else "-",
    )


def _where(entry: TracedTransaction) -> str:
    return f"block {entry.height}, {output.short(entry.transaction)}"
