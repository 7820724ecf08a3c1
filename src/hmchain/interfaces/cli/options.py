"""Options that several commands share."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from hmchain.errors import InputError
from hmchain.interfaces.cli.passphrases import new_passphrase as new_passphrase
from hmchain.interfaces.cli.passphrases import passphrase as passphrase
from hmchain.interfaces.program import NAME, program

RunOption = Annotated[
    Path | None,
    typer.Option(
        "--dir",
        "--node",
        envvar="HMCHAIN_RUN",
        metavar="DIR",
        help="Folder of a run, a node or a ledger.",
        show_default="that of HMCHAIN_NODE, else runs/latest",
    ),
]

HospitalOption = Annotated[
    Path,
    typer.Option(
        "--dir",
        "--node",
        envvar="HMCHAIN_NODE",
        metavar="DIR",
        help="Folder of the hospital: its node's, or runs/latest/hospitals/NAME.",
    ),
]

IssuerOption = Annotated[
    str,
    typer.Option(
        "--issuer", metavar="NAME", help="Who issued the patient's number, if it is not one of the hospital's own."
    ),
]

SignersOption = Annotated[
    list[Path],
    typer.Option("--person", metavar="FILE", help="The key file of a person who signs for it; once for each of two."),
]

NodeOption = Annotated[
    Path,
    typer.Option("--dir", "--node", envvar="HMCHAIN_NODE", metavar="DIR", help="Folder of the node."),
]

MembersOption = Annotated[
    Path,
    typer.Option(
        "--dir",
        "--node",
        envvar=["HMCHAIN_NODE", "HMCHAIN_RUN"],
        metavar="DIR",
        help="Folder of a run, a node or a ledger.",
    ),
]
"""For what the ledger alone says of a network."""

NodeOrRun = Annotated[
    Path | None,
    typer.Option(
        "--dir", "--node",
        envvar=["HMCHAIN_NODE", "HMCHAIN_RUN"], metavar="DIR",
        help="Folder of a run, a node or a ledger.", show_default="node, else runs/latest",
    ),
]  # fmt: skip
"""For what a node's people see of their own, and everybody of a run."""

UnreadOption = Annotated[
    bool, typer.Option("--unread", help="With --yes: decide although what it says of itself cannot be read.")
]

PersonOption = Annotated[
    Path,
    typer.Option("--dir", "--node", envvar="HMCHAIN_NODE", metavar="DIR", help="Folder of the node."),
]
"""For people's decisions about studies, which once named the node by `--node` alone."""

SignsAboveOption = Annotated[
    int | None,
    typer.Option(
        "--signs-above",
        metavar="HEIGHT",
        help="Only if the record of what this node has signed is lost: the other members' height, plus ten.",
    ),
]
DEFAULT_FOLDER = Path("node")

DatasetArgument = Annotated[str, typer.Argument(metavar="DATASET", help="Name of the dataset.")]
VersionOption = Annotated[
    int | None, typer.Option("--version", metavar="N", help="Its version.", show_default="the newest")
]

StudyOption = Annotated[str | None, typer.Option("--study", metavar="NAME", help="Name of the study.")]

SinceOption = Annotated[
    datetime | None,
    typer.Option(
        "--since",
        metavar="TIME",
        formats=["%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M"],
        help="From this time on (UTC).",
    ),
]

LimitOption = Annotated[int, typer.Option("--limit", metavar="N", min=1, max=100_000, help="How many, at most.")]
IntoOption = Annotated[str, typer.Option("--into", metavar="DATASET", help="The dataset to fill; made if it is new.")]
PROOF_HELP = "A new file, for the auditor."
ProofOption = Annotated[Path, typer.Option("--output", "--out", metavar="FILE", help=PROOF_HELP)]
PROJECT_HELP = "Pseudonyms are the same within a project, and unlinkable between projects."
CREDENTIALS_HELP = "Of an S3 server, mode 0600; without it the usual AWS_ variables."
TITLE_HELP = "The full name, for people."
RECORD_HELP = "A record, by its id."
SEED_HELP = "Of what is drawn: the same number draws the same."
HEADER_HELP = "Hash of its block, known from an audit; on CometBFT, of the one after it."
GENESIS_HELP = "Digest of the genesis, as it was printed when the network was made (64 hex digits)."


class BadDigestError(InputError):
    """The text is not a digest, nor the start of one."""

    code = "bad_digest"


def parse_digest(text: str) -> bytes:
    """A digest of 32 bytes from 64 hex digits. Raises `BadDigestError`."""
    try:
        digest = bytes.fromhex(text)
    except ValueError:
        digest = b""
    if len(digest) != 32:
        raise BadDigestError(f"{text!r} is not a digest", "a digest is 64 hex digits")
    return digest


def milliseconds(since: datetime | None) -> int:
    """A time that was given in UTC, in milliseconds since 1970; 0 for none."""
    return 0 if since is None else int(since.replace(tzinfo=UTC).timestamp() * 1000)


def example(command: str) -> str:
    """The epilogue of a command's help."""
    return f"[dim]Example:[/dim] [bold]{command.replace(NAME, program(), 1)}[/bold]"
