"""`hmchain data send`: records to a PACS or an archive."""

from __future__ import annotations

from typing import Annotated

import typer

from hmchain.application.data import sending
from hmchain.application.data.sending import SentRecords
from hmchain.interfaces.cli import output
from hmchain.interfaces.cli.asking import YesOption, confirm
from hmchain.interfaces.cli.command import WriteCommand
from hmchain.interfaces.cli.data.sources import CredentialOption, InsecureOption, reading, requested
from hmchain.interfaces.cli.options import DEFAULT_FOLDER, DatasetArgument, HospitalOption, VersionOption, example
from hmchain.records.destinations.opening import open_destination

app = typer.Typer()


@app.command(cls=WriteCommand, epilog=example("hmchain data send brain dimse://RESEARCH@pacs:104"))
def send(
    dataset: DatasetArgument,
    to: Annotated[
        str,
        typer.Argument(
            metavar="ADDRESS", help="dicomweb+https://..., dimse://TITLE@HOST:PORT, or a .toml file that describes it."
        ),
    ],
    directory: HospitalOption = DEFAULT_FOLDER,
    number: VersionOption = None,
    credential: CredentialOption = "",
    insecure_http: InsecureOption = False,
    yes: YesOption = False,
) -> None:
    """Send the DICOM records of a version to a PACS or an archive, de-identified but decrypted; it asks first.

    What has them already gets the same again. Exit status 4 if some are not taken.
    """
    request = requested(to, credential=credential, insecure_http=insecure_http)
    with (
        reading(directory) as records,
        open_destination(request) as destination,
        output.progress_bar("sending records") as progress,
    ):
        version = records.catalogue.version(dataset, number)
        confirm(f"Send {version.records} records of {dataset} version {version.number} out of the vault?", yes=yes)
        sent = sending.send(records, version, destination, progress)
    output.show(sent, _show)
    if sent.refused:
        raise typer.Exit(4)


def _show(sent: SentRecords) -> None:
    output.say(f"{sent.sent} objects of {sent.dataset} version {sent.version} were taken.")
    for reason, count in sent.refused.items():
        output.say(f"{count} were not: {reason}", style="bold red")
