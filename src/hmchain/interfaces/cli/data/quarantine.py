"""`hmchain data quarantine`: people decide about what no program may decide."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hmchain.application.data import quarantine
from hmchain.application.data.devices import device_rules
from hmchain.application.data.lasting import lasting, take_back, take_device_back
from hmchain.application.data.quarantine import Choice
from hmchain.application.pages.figures import plural
from hmchain.application.site import hospital
from hmchain.interfaces.cli import output
from hmchain.interfaces.cli.asking import YesOption, at_terminal, confirm, read_line
from hmchain.interfaces.cli.command import ReadCommand, WriteCommand
from hmchain.interfaces.cli.data import show_quarantine as views
from hmchain.interfaces.cli.data.erase import SubjectOption
from hmchain.interfaces.cli.data.sources import changing, reading
from hmchain.interfaces.cli.options import DEFAULT_FOLDER, HospitalOption, SignersOption, example, passphrase
from hmchain.interfaces.portal.review.opening import quarantine_review
from hmchain.processes import ended_by_signals
from hmchain.records.catalogue.entries import PENDING
from hmchain.records.catalogue.held_filter import HeldFilter
from hmchain.records.pipeline.review import Reviewer

app = typer.Typer(
    no_args_is_help=True, help="Items that were held back: look at them, let them through or reject them."
)

ItemsArgument = Annotated[list[str] | None, typer.Argument(metavar="ITEM", help="The first letters of the items' ids.")]
ReviewerOption = Annotated[
    str,
    typer.Option(
        "--reviewer",
        envvar="HMCHAIN_REVIEWER",
        metavar="NAME",
        help="Who decides; it is written down.",
        show_default="whose key --person is; else it is asked for",
    ),
]
DatasetOption = Annotated[str, typer.Option("--dataset", metavar="NAME", help="Only of this dataset.")]
ReasonOption = Annotated[str, typer.Option("--reason", metavar="CODE", help="Only held for this: burned_in_text, say.")]
KindOption = Annotated[str, typer.Option("--as", metavar="KIND", help="Only dicom, image, fhir, hl7 or table.")]
ModalityOption = Annotated[str, typer.Option("--modality", metavar="TERM", help="Only of this modality: US, say.")]
SeriesOption = Annotated[str, typer.Option("--series", metavar="ID", help="Only of this series, by its pseudonym.")]
DeviceOption = Annotated[
    str, typer.Option("--device", metavar="ID", help="Only of this device and size of picture, by its pseudonym.")
]
AllOption = Annotated[bool, typer.Option("--all", help="All that wait, where nothing narrows it down.")]


@app.command("list", cls=ReadCommand, epilog=example("hmchain data quarantine list --reason burned_in_text"))
def list_items(
    named: Annotated[str, typer.Argument(metavar="DATASET", help="Only of this dataset.")] = "",
    directory: HospitalOption = DEFAULT_FOLDER,
    dataset: DatasetOption = "",
    reason: ReasonOption = "",
    kind: KindOption = "",
    modality: ModalityOption = "",
    series: SeriesOption = "",
    device: DeviceOption = "",
    subject: SubjectOption = None,
    names: Annotated[
        bool, typer.Option("--names", help="Also show what the source calls them: such names may tell who it is.")
    ] = False,
    decided: Annotated[bool, typer.Option("--decided", help="Also those that somebody decided about.")] = False,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="How many, at most.")] = 1000,
) -> None:
    """List the items that wait, and why they were held; of many, how many there are of each sort."""
    state = "" if decided else PENDING
    wanted = _wanted(named or dataset, reason, kind, modality, series, device, subject, state)
    with reading(directory) as records:
        found = quarantine.waiting(records, wanted, limit=limit, names=names)
    output.show(found, lambda page: views.show_waiting(page, names=names), json=views.waiting)


@app.command(cls=WriteCommand, epilog=example("hmchain data quarantine look 3f2a --output held.dcm"))
def look(
    target: Annotated[
        Path, typer.Option("--output", metavar="PATH", help="A new file, which only you can read; of many, a folder.")
    ],
    items: ItemsArgument = None,
    directory: HospitalOption = DEFAULT_FOLDER,
    dataset: DatasetOption = "",
    reason: ReasonOption = "",
    kind: KindOption = "",
    modality: ModalityOption = "",
    series: SeriesOption = "",
    device: DeviceOption = "",
    subject: SubjectOption = None,
) -> None:
    """Write items as they came into files, to be looked at. They show patients: delete them afterwards."""
    wanted = _wanted(dataset, reason, kind, modality, series, device, subject)
    with reading(directory) as records:
        found = quarantine.look(records, Choice(tuple(items or ()), wanted), target)
        told = quarantine.findings(records, found[0]) if len(found) == 1 else ()
    output.show(
        found,
        lambda held: views.show_looked_at(held, target, told),
        json=lambda held: views.looked_at(held, target, told),
    )


@app.command(cls=WriteCommand, epilog=example("hmchain data quarantine release 3f2a --reviewer 'M. Curie'"))
def release(
    items: ItemsArgument = None,
    reviewer: ReviewerOption = "",
    person: SignersOption = [],  # noqa: B006
    directory: HospitalOption = DEFAULT_FOLDER,
    dataset: DatasetOption = "",
    reason: ReasonOption = "",
    kind: KindOption = "",
    modality: ModalityOption = "",
    series: SeriesOption = "",
    device: DeviceOption = "",
    subject: SubjectOption = None,
    everything: AllOption = False,
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Of two with one identifier take this one; to keep the other, reject this."),
    ] = False,
    blank: Annotated[
        bool, typer.Option("--blank-found", help="Blank the places where writing was found; what has none stays.")
    ] = False,
    keep: Annotated[
        list[str] | None,
        typer.Option("--keep", metavar="PLACE", help="Keep what `look` shows there; all else of it is removed."),
    ] = None,
    yes: YesOption = False,
) -> None:
    """Let items through, after you looked at them and found nothing that tells who it is; of several, asks first.

    Where the profile wants two people, the first one's release waits for the second one's.
    """
    who = _reviewers(directory, reviewer, person)
    wanted = _wanted(dataset, reason, kind, modality, series, device, subject)
    choice = Choice(tuple(items or ()), wanted, everything)
    if len(choice.ids) != 1:
        _ask("Let {} through?", choice, directory, yes=yes)
    with changing(directory) as records, output.progress_bar("releasing") as progress:
        found = quarantine.release(
            records, choice, who, replacing=replace, progress=progress,
            blank=lambda held: (held.regions or None) if blank else (), keep=frozenset(keep or ()),
        )  # fmt: skip
    output.show(found, views.show_released, json=views.released)


@app.command(cls=WriteCommand, epilog=example("hmchain data quarantine reject --reason damaged --reviewer 'M. Curie'"))
def reject(
    items: ItemsArgument = None,
    reviewer: ReviewerOption = "",
    person: SignersOption = [],  # noqa: B006
    directory: HospitalOption = DEFAULT_FOLDER,
    dataset: DatasetOption = "",
    reason: ReasonOption = "",
    kind: KindOption = "",
    modality: ModalityOption = "",
    series: SeriesOption = "",
    device: DeviceOption = "",
    subject: SubjectOption = None,
    everything: AllOption = False,
    yes: YesOption = False,
) -> None:
    """Keep items out for good; asks first. Their copies here are erased; at their source they stay."""
    who = _reviewers(directory, reviewer, person)
    wanted = _wanted(dataset, reason, kind, modality, series, device, subject)
    choice = Choice(tuple(items or ()), wanted, everything)
    _ask("Keep {} out for good, and erase what is kept here?", choice, directory, yes=yes)
    with changing(directory) as records, output.progress_bar("rejecting") as progress:
        found = quarantine.reject(records, choice, who, progress=progress)
    output.show(found, views.show_rejected, json=views.rejected)


@app.command("review", cls=WriteCommand, epilog=example("hmchain data quarantine review --reviewer 'M. Curie'"))
def review_page(
    named: Annotated[str, typer.Argument(metavar="DATASET", help="Only of this dataset.")] = "",
    reviewer: ReviewerOption = "",
    person: SignersOption = [],  # noqa: B006
    directory: HospitalOption = DEFAULT_FOLDER,
    dataset: DatasetOption = "",
    reason: ReasonOption = "",
    kind: KindOption = "",
    modality: ModalityOption = "",
    series: SeriesOption = "",
    device: DeviceOption = "",
    subject: SubjectOption = None,
    port: Annotated[
        int, typer.Option("--port", metavar="N", min=0, max=65535, help="On this machine.", show_default="a free one")
    ] = 0,
    browser: Annotated[bool, typer.Option("--open", help="Open it in the browser of this desktop.")] = False,
    idle: Annotated[float, typer.Option("--idle", metavar="MINUTES", min=1, help="End when nobody asks so long.")] = 30,
) -> None:
    """Look at what waits in the browser: pictures and text, many at once, and decide. Ctrl-C ends it.

    The page is on this machine alone; its address works once. Nothing is decided before Apply is pressed.
    """
    who = _reviewers(directory, reviewer, person)
    wanted = _wanted(named or dataset, reason, kind, modality, series, device, subject)
    with reading(directory) as records:
        quarantine.require_dataset(records, wanted)
    with quarantine_review(hospital.locate(directory), passphrase(), who, wanted, port) as page:
        output.say(f"{page.address}", stderr=output.in_json())
        output.remark("It opens once, in one browser. Ctrl-C ends it.")
        if browser:
            page.open()
        with ended_by_signals(page.stop):
            page.run(idle * 60)
    output.show(page.ended(), views.show_review, json=views.reviewed)


@app.command("ask-again", cls=WriteCommand, epilog=example("hmchain data quarantine ask-again --reason damaged"))
def ask_again(
    directory: HospitalOption = DEFAULT_FOLDER,
    dataset: DatasetOption = "",
    reason: ReasonOption = "",
    kind: KindOption = "",
    modality: ModalityOption = "",
    device: DeviceOption = "",
) -> None:
    """Take decisions back for what comes later: the same content waits for a person again in the next version."""
    wanted = _wanted(dataset, reason, kind, modality, device=device)
    with changing(directory) as records:
        count = quarantine.ask_again(records, wanted)
    output.show(
        count,
        lambda number: output.say(f"{number} decisions are taken back: what they were about waits when it comes again"),
        json=lambda number: {"taken_back": number},
    )


@app.command(cls=WriteCommand, epilog=example("hmchain data quarantine decisions --take-back 3f2a --reviewer Curie"))
def decisions(
    directory: HospitalOption = DEFAULT_FOLDER,
    back: Annotated[
        list[str] | None,
        typer.Option("--take-back", metavar="ID", help="Take this one back: its content waits when it comes again."),
    ] = None,
    reviewer: ReviewerOption = "",
    person: SignersOption = [],  # noqa: B006
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="How many, at most.")] = 100,
) -> None:
    """List what was decided for good: about which content, by whom and when."""
    if back:
        who = _reviewers(directory, reviewer, person)
        with changing(directory) as records:
            take_back(records, back, quarantine.named(who))
    with reading(directory) as records:
        found = lasting(records, limit)
    output.show(found, views.show_decisions, json=views.decisions)


@app.command(cls=WriteCommand, epilog=example("hmchain data quarantine devices --drop 1 --reviewer Curie"))
def devices(
    directory: HospitalOption = DEFAULT_FOLDER,
    drop: Annotated[
        int | None, typer.Option("--drop", metavar="N", min=1, help="Take this one off the list: it is held again.")
    ] = None,
    reviewer: ReviewerOption = "",
    person: SignersOption = [],  # noqa: B006
) -> None:
    """List the devices whose images are blanked since reviewers said so, instead of being held."""
    if drop is not None:
        who = _reviewers(directory, reviewer, person)
        with changing(directory) as records:
            take_device_back(records, drop, quarantine.named(who))
    with reading(directory) as records:
        found = device_rules(records)
    output.show(found, views.show_devices, json=views.devices)


def _wanted(
    dataset: str,
    reason: str,
    kind: str = "",
    modality: str = "",
    series: str = "",
    device: str = "",
    subject: str | None = None,
    state: str = "",
) -> HeldFilter:
    """The items that the options leave, which are in the order that commands have them in."""
    return HeldFilter(
        dataset=dataset, code=reason, kind=kind, modality=modality.upper(), series=series, device=device,
        patient=subject or "", state=state,
    )  # fmt: skip


def _reviewers(directory: Path, name: str, keys: list[Path]) -> tuple[Reviewer, ...]:
    """Who decide: asked for at a terminal where neither option says it."""
    if not name.strip() and not keys and at_terminal():
        name = read_line("Who decides (your name)")
    return quarantine.reviewers(hospital.locate(directory), name, keys, passphrase())


def _ask(question: str, choice: Choice, directory: Path, *, yes: bool) -> None:
    """Show how many items of what sort are meant, and go on after a yes."""
    with reading(directory) as records:
        meant = quarantine.preview(records, choice)
    confirm(question.format(plural(meant.total, "item")), yes=yes, about=lambda: views.show_waiting(meant, names=False))
