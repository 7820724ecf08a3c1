"""Options that several commands share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated

import typer

from hmchain.errors import InputError
from hmchain.processes import PASSPHRASE, taken_out

RunArgument = Annotated[
    Path | None,
    typer.Argument(metavar="DIR", help="Directory of a run or of a ledger.", show_default="runs/latest"),
]
"""For commands that take nothing else."""

RunOption = Annotated[
    Path | None,
    typer.Option(
        "--dir",
        envvar="HMCHAIN_RUN",
        metavar="DIR",
        help="Directory of a run or of a ledger.",
        show_default="runs/latest",
    ),
]

HospitalOption = Annotated[
    Path,
    typer.Option(
        "--dir",
        envvar="HMCHAIN_NODE",
        metavar="DIR",
        help="Folder of the hospital: its node's, or runs/latest/hospitals/NAME.",
    ),
]

NodeOption = Annotated[
    Path,
    typer.Option("--dir", envvar="HMCHAIN_NODE", metavar="DIR", help="Folder of the node."),
]
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


def example(command: str) -> str:
    """The epilogue of a command's help."""
    return f"[dim]Example:[/dim] [bold]{command}[/bold]"


_taken: ContextVar[str | None] = ContextVar("passphrase", default=None)


@contextmanager
def passphrase_taken() -> Iterator[None]:
    """Keep the passphrase out of the environment while a command runs: no process that it starts may inherit it."""
    with taken_out(PASSPHRASE) as value:
        token = _taken.set(value)
        try:
            yield
        finally:
            _taken.reset(token)


def passphrase() -> str | None:
    """The passphrase that protects the key files, if one does."""
    return _taken.get() or os.environ.get(PASSPHRASE) or None
