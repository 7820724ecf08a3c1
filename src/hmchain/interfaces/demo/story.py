"""The demo as one watches it: scenes on a terminal, each a few lines that a newcomer can follow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from hmchain import plain
from hmchain.clock import utc
from hmchain.interfaces.demo.decisions import Allowed, Denied
from hmchain.interfaces.demo.preparation import PLANTED, Prepared
from hmchain.interfaces.demo.road import Arrival
from hmchain.interfaces.report.parts import Departure, Estimate, Fact, Incident, Release, Results, Withdrawal
from hmchain.interfaces.report.parts.quality import METRICS
from hmchain.interfaces.report.summary import RunSummary
from hmchain.records.quality import INFO, Finding

_WIDE = 118
"""Columns from which the table of results has room for intervals."""
_COLOURS = ("cyan", "magenta", "yellow", "green", "blue", "red", "white")


class Story:
    """Tells a run; with a quiet console (`--json`) it tells nobody."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def line(self, text: str = "") -> None:
        """One line of a scene."""
        self._console.print(text)

    def scene(self, title: str) -> None:
        """A new scene."""
        self._console.print()
        self._console.rule(f"[bold]{title}", align="left", style="dim")

    @contextmanager
    def progress(self, text: str, total: int | None = None) -> Iterator[plain.Progress]:
        """A bar for long work; call it with what is done and the total."""
        with Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=32),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,  # else it leaves an empty line
        ) as bar:
            task = bar.add_task(text, total=total)
            yield lambda done, of: bar.update(task, completed=done, total=of)

    def needs(self, facts: tuple[Fact, ...]) -> None:
        """What the run takes, before anything is started."""
        if not facts:
            return
        self.scene("What this run takes")
        table = Table.grid(padding=(0, 2))
        for fact in facts:
            table.add_row(f"[dim]{fact.name}[/]", escape(fact.text))
        self._console.print(table)
        self.line()

    def opening(self, prepared: Prepared) -> None:
        """What this is."""
        settings = prepared.settings
        self.line(
            f"[bold]FL-HMChain[/]: {settings.hospitals} simulated hospitals learn one model from "
            f"[bold]{escape(prepared.images.name)}[/] and no image leaves any of them. [dim]{plain.RESEARCH_ONLY}[/]"
        )

    def hospitals(self, prepared: Prepared) -> None:
        """Who is given what."""
        images, report = prepared.images, prepared.images.report
        self.scene("The hospitals")
        table = Table(box=None, pad_edge=False)
        table.add_column("hospital")
        table.add_column("files", justify="right")
        table.add_column("class mix")
        for name, share in prepared.shares.items():
            labels = images.labels[np.concatenate([share.train, share.validation])]
            table.add_row(name, str(len(share)), _mix(np.bincount(labels, minlength=len(images.classes))))
        self._console.print(table)
        legend = "  ".join(f"[{_colour(at)}]█[/] {escape(name)}" for at, name in enumerate(images.classes[:8]))
        self.line(f"{legend}   test set, held by nobody: {len(prepared.split.test)} images")
        astray = len(report.quarantined) - len(images.unreadable)
        self.line(
            f"{report.files_read:,} images in {len(np.unique(images.groups)):,} groups of near-duplicates, each kept "
            f"whole; {report.duplicates_dropped} copies of test images dropped."
            + (f" {astray} files are in the folder of no class, and nobody is given them." if astray else "")
        )

    def arrivals(self, arrivals: Sequence[Arrival]) -> None:
        """What became of the files: the first layer."""
        self.scene("Extracted, de-identified, prepared")
        table = Table(box=None, pad_edge=False)
        table.add_column("hospital")
        for title in ("files", "held", "given twice", "records", "metadata removed", "to train", "to validate"):
            table.add_column(title, justify="right")
        for each in arrivals:
            counts = (len(each.held), each.duplicates, each.scans.records, each.removed.total())
            numbers = (each.files, *counts, each.train.total(), each.validation)
            table.add_row(each.hospital, *(f"{number:,}" for number in numbers))
        self._console.print(table)
        self._quarantine(arrivals)
        records = sum(each.scans.records for each in arrivals)
        self.line(
            f"{records:,} pictures encrypted in {len(arrivals)} vaults, each under a key of its own, and catalogued; "
            "as many images for learning made of them."
        )

    def _quarantine(self, arrivals: Sequence[Arrival]) -> None:
        """Who decided what about what was held."""
        for each in (arrival for arrival in arrivals if arrival.held):
            count = len(each.held)
            reasons = "; ".join(sorted({item.reason for item in each.held}))
            planted = f" The demo planted {'it' if count == 1 else 'one'}: {PLANTED}." if each is arrivals[0] else ""
            self.line(
                f"[bold red]! Quarantine[/] of {each.hospital}: {count} {'file' if count == 1 else 'files'} held "
                f"({escape(reasons)}).{planted} The {escape(each.held[0].reviewer)} rejected "
                f"{'it' if count == 1 else 'them'}: nobody may let such a file through. The decision is written "
                "down, the copy erased."
            )

    def founded(self, members: int, genesis: str) -> None:
        """The ledger is founded, and the datasets are on it."""
        self.scene("Registered, asked for, decided")
        self.line(f"Ledger founded by {members} members. Genesis digest (note it, it is the trust anchor of an audit):")
        self.line(f"  [bold]{genesis}[/]")

    def denied(self, denied: Denied) -> None:
        """One request was denied, by a policy."""
        self.line(
            f"Request [bold]{denied.request}[/]: denied by {denied.hospital}'s own policy: {denied.because}. Proposed "
            f"all the same, its study had the ledger's answer: [red]{denied.answer}[/]."
        )

    def allowed(self, allowed: Allowed) -> None:
        """The other was given back once, and its study may begin."""
        self.line(
            f"Request [bold]{allowed.request}[/]: returned by the steward of {allowed.returned_by}, since an ethics "
            f"letter was missing; version {allowed.version} has it, and is allowed by all {len(allowed.hospitals)} "
            f"hospitals until {utc(allowed.until_ms)[:10]}."
        )

    def training(self, rounds: int) -> None:
        """The rounds begin."""
        self.scene(f"{rounds} rounds, a master elected for each, every sum checked by others")

    def incident(self, incident: Incident) -> None:
        """Something dishonest was caught."""
        where = f"block {incident.height}" if incident.height else ""
        self.line(f"[bold red]✗ {incident.title}[/] [dim]({where})[/]: {escape(incident.sentence)}")
        after = "as yet, its epoch has not closed" if incident.after is None else f"→ {incident.after}"
        self.line(f"  [dim]{incident.score} {incident.before} {after}; {incident.consequence}[/]")

    def withdrawn(self, found: Withdrawal) -> None:
        """A patient wants no more."""
        images, them = ("image is", "it") if found.images == 1 else (f"{found.images} images are", "them")
        self.line(
            f"[bold]A patient of {found.hospital} withdrew consent[/]: the patient's {images} in the rounds up to "
            f"{found.last_round}, and no later one has {them}. The model does not forget what it learned before."
        )

    def milestone(self, number: int, auc: float, acc: float, master: str) -> None:
        """How the model does on the test set after some rounds."""
        self.line(f"  round {number:>3}  test AUC {auc:.3f}  ACC {acc:.3f}  [dim]master {master}[/]")

    def departures(self, departures: tuple[Departure, ...]) -> None:
        """What left each hospital."""
        self.scene("What left my hospital?")
        for departure in departures:
            self.line(
                f"  {departure.hospital:<10} [bold]{departure.images} images[/]  "
                f"{plain.size(departure.update_bytes):>9} of masked updates  "
                f"{plain.size(departure.transaction_bytes):>9} of signed transactions"
            )
        self.line(
            "[dim]A masked update is noise to the store and to every other hospital; only the sum means anything.[/]"
        )

    def findings(self, findings: Mapping[str, Sequence[Finding]], folder: Path) -> None:
        """What the hospitals' cards say of their data."""
        self.scene("What does my hospital hold?")
        for name, found in findings.items():
            worst = [finding.what for finding in found if finding.severity != INFO]
            self.line(f"  {name:<10} {escape('; '.join(worst)) or 'nothing to look at'}")
        first = next(iter(findings))
        self.line(
            f"[dim]Each keeps cards of its datasets for its own eyes: {escape(str(folder))}/{first}/cards/scans-1.html"
            "[/]"
        )

    def results(self, results: Results) -> None:
        """Was it worth it, for each."""
        self.scene("Was it worth it?")
        wide = self._console.width >= _WIDE
        score = partial(_score, interval=wide)
        table = Table(box=None, pad_edge=False)
        for title in ("test set", "AUC alone", "AUC together", "gain", "ACC alone", "ACC together", "gain"):
            table.add_column(title, justify="left" if title == "test set" else "right")
        worst = min(results.hospitals, key=lambda row: row.gain("auc").value or 0.0)
        for row in results.hospitals:
            mark = "  [dim](least)[/]" if row is worst and len(results.hospitals) > 1 else ""
            table.add_row(
                row.hospital + mark,
                score(row.own.auc),
                score(row.federated.auc),
                _gain(row.gain("auc")),
                score(row.own.acc),
                score(row.federated.acc),
                _gain(row.gain("acc")),
            )
        table.add_section()
        table.add_row("mean of own CNNs", score(results.own_mean.auc), "", "", score(results.own_mean.acc), "", "")
        if results.pooled:
            pooled = results.pooled
            table.add_row("pooled (nobody may)", "", score(pooled.auc), "", "", score(pooled.acc), "")
        self._console.print(table)
        self.line(f"[dim]Intervals{'' if wide else ' (in the report)'}: {results.intervals}.[/]")
        if any(results.whose_gain_is(0, metric) for metric in METRICS):
            self.line("[dim]?: the interval of the gain includes 0, so it may be chance.[/]")

    def released(self, release: Release) -> None:
        """The model may leave, by every hospital's own evidence."""
        self.scene("May the model leave?")
        values = [word.auc.value for word in release.words if word.auc is not None and word.auc.value is not None]
        told = f"{release.attack} AUC {min(values):.3f} to {max(values):.3f}; 0.5 is chance" if values else "not said"
        self.line(
            f"Release [bold]{release.release}[/]: refused at first by {release.refused_by} ({release.reason}), since "
            f"nobody had measured what the model tells of its patients; with evidence of their own ({told}) all "
            f"{len(release.words)} hospitals let it leave."
        )
        if seen := release.seen:
            self.line(f"Seen, and weighed by their stewards: {'; '.join(seen)}.")

    def closing(self, summary: RunSummary, report: str, look: str) -> None:
        """One last screen: a verdict a role, what it does not mean, and where to go; `look` is how to see it."""
        audit = summary.audit
        if audit is not None:
            self.scene("Audit")
            self.line(
                f"{'[green]Verified[/]' if audit.passed else '[red]Failed[/]'} against genesis {audit.anchor[:16]}…: "
                + " · ".join(f"{check.name} {check.count:,}" for check in audit.checks)
            )
            if audit.tamper is not None:
                self.line(f"One bit flipped in a copy ({audit.tamper.where}): {escape(audit.tamper.finding)}")
        self.scene("In one screen")
        for verdict in summary.verdicts:
            mark = "[green]✓[/]" if verdict.good else "[yellow]![/]"
            self.line(f"{mark} [bold]{verdict.role:<10}[/] {escape(verdict.sentence)}")
        self.line()
        self.line(f"Report: [bold]{escape(report)}[/]")
        for fact in summary.next_commands:
            self.line(f"  [cyan]{escape(fact.name)}[/]  [dim]{escape(fact.text)}[/]")
        self.line()
        for fact in summary.limits[:2]:
            self.line(f"[dim]{escape(fact.name)} {escape(fact.text)}[/]")
        self.line(f"[dim]{plain.RESEARCH_ONLY}[/]")
        self.line()
        self.line(f"Look at it: [bold]{escape(look)}[/]  [dim]every hospital's pages, in every role[/]")


def _mix(counts: np.typing.NDArray[np.int64], width: int = 36) -> str:
    """A bar of the class shares, each cell of the largest remaining class."""
    ends = np.rint(np.cumsum(counts) / max(1, counts.sum()) * width).astype(int)
    cells, start = "", 0
    for at, end in enumerate(ends):
        cells += f"[{_colour(at)}]{'█' * (end - start)}[/]" if end > start else ""
        start = max(start, int(end))
    numbers = "/".join(str(int(count)) for count in counts) if len(counts) <= 6 else f"{len(counts)} classes"
    return f"{cells} [dim]{numbers}[/]"


def _colour(at: int) -> str:
    return _COLOURS[at % len(_COLOURS)]


def _score(estimate: Estimate, *, interval: bool) -> str:
    if estimate.value is None:
        return "-"
    if not interval or estimate.low is None or estimate.high is None:
        return f"{estimate.value:.3f}"
    return f"{estimate.value:.3f} [dim]({estimate.low:.3f}-{estimate.high:.3f})[/]"


def _gain(estimate: Estimate) -> str:
    if estimate.value is None:
        return "-"
    text = f"{estimate.value:+.3f}"
    if estimate.sign == 0:
        return f"{text}[dim]?[/]"
    return f"[{'green' if estimate.sign > 0 else 'red'}]{text}[/]"
