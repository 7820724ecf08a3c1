"""`hmchain share grant|receive|erase`: records on their way to another hospital, and their end there."""

from __future__ import annotations

from typing import Annotated

import typer

from hmchain.application.sharing import erasing, giving, receiving
from hmchain.application.sharing.erasing import ErasedTransfer
from hmchain.application.sharing.giving import Asked
from hmchain.application.sharing.receiving import ReceivedRecords
from hmchain.application.sharing.sending import GivenRecords
from hmchain.application.site.hospital import locate
from hmchain.application.site.node import NodeFolder, exchanged_objects
from hmchain.interfaces.cli import output
from hmchain.interfaces.cli.acting import PersonCommand, ResumedPersonCommand
from hmchain.interfaces.cli.asking import YesOption, confirm
from hmchain.interfaces.cli.options import DEFAULT_FOLDER, IntoOption, PersonOption, example, passphrase
from hmchain.interfaces.cli.people import open_steward
from hmchain.interfaces.cli.request.acting import RequestName
from hmchain.plain import size

app = typer.Typer()

TransferArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name of the transfer.")]


@app.command(cls=ResumedPersonCommand, epilog=example("hmchain share grant relapse"))
def grant(
    request: RequestName,
    dataset: Annotated[
        str, typer.Option("--dataset", metavar="DATASET", help="Which one, where several are asked for.")
    ] = "",
    use: Annotated[str, typer.Option("--use", metavar="CODE", help="For which use, where several are asked for.")] = "",
    name: Annotated[
        str, typer.Option("--transfer", metavar="NAME", help="A name for it.", show_default="REQUEST-HOSPITAL")
    ] = "",
    node: PersonOption = DEFAULT_FOLDER,
    yes: YesOption = False,
) -> None:
    """Steward: give the records that a request's permit allows to its applicant's organisation, sealed to it alone."""
    place = NodeFolder(node)
    with open_steward(node, yes=yes) as user:
        wanted = giving.asked(user.state, user.organisation, request, user.ledger.now_ms(), dataset, use)
        confirm(f"Give these records to {wanted.grantee}?", yes=yes, about=lambda: _show_asked(wanted))
        with output.progress_bar("giving", in_bytes=True) as progress:
            done = giving.give(
                locate(node), user, exchanged_objects(place), wanted,
                name=name, passphrase=passphrase(), progress=progress,
            )  # fmt: skip
    output.show(done, _show_given)


@app.command(cls=ResumedPersonCommand, epilog=example("hmchain share receive relapse-east --into from-east"))
def receive(
    name: TransferArgument,
    into: IntoOption = "",
    node: PersonOption = DEFAULT_FOLDER,
    yes: YesOption = False,
) -> None:
    """Steward: take in what another hospital gave as a dataset, once all digests and the root are right."""
    with open_steward(node, yes=yes) as user, output.progress_bar("receiving", in_bytes=True) as progress:
        done = receiving.receive(
            locate(node), user, exchanged_objects(NodeFolder(node)), name,
            into=into, passphrase=passphrase(), progress=progress,
        )  # fmt: skip
    output.show(done, _show_received)


@app.command(cls=PersonCommand, epilog=example("hmchain share erase relapse-east"))
def erase(
    name: TransferArgument,
    lost: Annotated[
        bool, typer.Option("--vault-lost", help="Sign that the vault which had it is lost, where it is not here.")
    ] = False,
    node: PersonOption = DEFAULT_FOLDER,
    yes: YesOption = False,
) -> None:
    """Steward: destroy what came by a transfer, and what was made of it, and sign that it is gone.

    At its giver: clear what lies in the members' store for a transfer that is over.
    """
    with open_steward(node, yes=yes) as user:
        confirm(f"Destroy what is here of {name}, for good?", yes=yes)
        done = erasing.erase(locate(node), user, exchanged_objects(NodeFolder(node)), name, passphrase(), is_lost=lost)
    output.show(done, _show_erased)


def _show_asked(wanted: Asked) -> None:
    which = f"those of kind {', '.join(wanted.plan.kinds)}" if wanted.plan.kinds else "all that may be given"
    output.fields(
        [
            ("to", wanted.grantee),
            ("records", f"{wanted.dataset} version {wanted.version}: {which}"),
            ("for", wanted.purpose),
            ("until", f"{output.when(wanted.until_ms)[:16]} UTC, then they are erased there"),
            ("under", f"the permit of request {wanted.request}"),
        ]
    )


def _show_given(done: GivenRecords) -> None:
    rest = f", {done.withheld:,} are not" if done.withheld else ""
    output.say(f"{done.records:,} records of {done.dataset} version {done.version} are given to {done.grantee}{rest}.")
    output.say(f"{size(done.bytes)} of ciphertext; {size(done.sent)} of it went into the store now.")
    output.say(f"{done.grantee} takes them in with: `hmchain share receive {done.transfer}`")


def _show_received(done: ReceivedRecords) -> None:
    version = done.version
    output.say(
        f"{version.records:,} records of {done.giver} are in dataset {version.dataset}, checked against the root"
    )
    output.say(f"that {done.giver} published. They may be used until {output.when(done.until_ms)[:16]} UTC.")
    output.say(f"Erase them before, or then: `hmchain share erase {done.transfer}`")


def _show_erased(done: ErasedTransfer) -> None:
    if done.datasets:
        output.say(f"{done.records:,} records of {', '.join(done.datasets)} are destroyed.")
    if done.objects:
        output.say(f"{done.objects:,} objects of {done.transfer} are gone from the members' store.")
    if done.receipt:
        output.say(f"The receipt is on the ledger: {done.receipt}.")
