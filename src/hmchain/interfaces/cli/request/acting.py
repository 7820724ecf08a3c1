"""Who acts in a request at a node, what is read there, and what a person types in their own words."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from hmchain import files
from hmchain.application.governance.delegate import LedgerUser
from hmchain.application.governance.requests import applying
from hmchain.application.governance.requests.documents import (
    TEXT_CHARACTERS_MAX,
    DocumentError,
    Documents,
    documents_at,
)
from hmchain.application.site.node import NodeFolder
from hmchain.interfaces.cli import asking
from hmchain.interfaces.cli.options import passphrase
from hmchain.interfaces.cli.people import open_scientist, open_steward

RequestName = Annotated[str, typer.Argument(metavar="REQUEST", help="Name of the request.")]
PersonArgument = Annotated[
    str, typer.Argument(metavar="PERSON", help="ORGANISATION/PERSON, or PERSON of your own organisation.")
]
OneDataset = Annotated[
    str,
    typer.Option("--dataset", metavar="NAME", help="One of the datasets asked of this hospital.", show_default="all"),
]
LetterOption = Annotated[
    str, typer.Option("--letter", metavar="FILE", help="A text that goes with it, sealed to its readers; - to type it.")
]


@dataclass(frozen=True)
class Speaker:
    """A person who acts in a request, with the documents of the person's hospital."""

    user: LedgerUser
    papers: Documents


@contextmanager
def scientist(node: Path, *, yes: bool = False) -> Iterator[Speaker]:
    """Who asks at this node."""
    with open_scientist(node, yes=yes) as user:
        yield Speaker(user, papers_of(node))


@contextmanager
def steward(node: Path, *, yes: bool = False) -> Iterator[Speaker]:
    """Who decides at this node."""
    with open_steward(node, yes=yes) as user:
        yield Speaker(user, papers_of(node))


def of_request(node: Path, name: str, *, yes: bool = False) -> AbstractContextManager[Speaker]:
    """Who speaks on a request at this node: who asks, on its own, and who decides, on others'."""
    office = applying.office_for(NodeFolder(node), name)
    speak: Callable[..., AbstractContextManager[Speaker]] = scientist if office == "scientist" else steward
    return speak(node, yes=yes)


def papers_of(node: Path) -> Documents:
    """The documents that this hospital makes and reads."""
    return documents_at(NodeFolder(node), passphrase)


def written(letter: str, question: str = "Your words, in one line") -> str:
    """The text that a person gives: of a file, or typed or piped in for `-`; nothing for nothing.

    Raises `DocumentError` for what cannot be read, or says nothing.
    """
    if not letter:
        return ""
    if not (text := _written(letter, question)).strip():
        where = "what was typed or piped in" if letter == "-" else letter
        raise DocumentError(f"{where} is empty", "name a text file: --letter FILE; or type it: --letter -")
    return text


def _written(letter: str, question: str) -> str:
    if letter == "-":
        return asking.read_line(question) if asking.at_terminal() else sys.stdin.read(4 * TEXT_CHARACTERS_MAX)
    try:
        return files.read(Path(letter), limit=4 * TEXT_CHARACTERS_MAX).decode()
    except files.TooLargeError as error:
        raise DocumentError(f"{letter} is too large", f"at most {TEXT_CHARACTERS_MAX} characters: attach it") from error
    except (OSError, UnicodeDecodeError) as error:
        raise DocumentError(
            f"{letter} cannot be read as a text", "name a text file (UTF-8), or - to type it"
        ) from error
