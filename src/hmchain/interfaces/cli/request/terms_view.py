"""Views of terms that hospitals ask for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from hmchain.application.governance.requests.acceptance import TermsInWords
from hmchain.application.governance.requests.licences import Found, Wording
from hmchain.interfaces.cli import output
from hmchain.plain import size

TermsFolder = Annotated[
    Path | None,
    typer.Option("--output", metavar="DIR", help="Write their files into this folder.", show_default="none"),
]


def show_terms(found: Sequence[TermsInWords], request: str, saved: Sequence[Path] = ()) -> None:
    """Terms one by one: whose they are, how it stands with them, and what they say."""
    if not found:
        output.say(f"No hospital asks for terms in {request}.")
    for each in found:
        asked = each.asked
        output.heading(f"Terms {output.short(asked.digest)}")
        output.fields((
            ("asked by", output.listed(asked.by)),
            ("accepted by", output.listed(asked.accepted)),
            ("yet to accept", output.listed(asked.open_to)),
            *_said(each.wording),
        ))  # fmt: skip
    _show_files([each.wording for each in found], f"hmchain request terms {request}", saved)


def show_wordings(found: Sequence[Wording], dataset: str, hospital: str | None, saved: Sequence[Path] = ()) -> None:
    """The terms that a policy asks for, one by one; `hospital` is whose it is, where that was said."""
    if not found:
        output.say(f"The policy of {dataset} asks for no terms.")
    for each in found:
        output.heading(f"Terms {output.short(each.digest)}")
        output.fields(_said(each))
    of = f" --of {hospital}" if hospital else ""
    _show_files(found, f"hmchain policy terms {dataset}{of}", saved)


def show_unread(digests: Iterable[bytes]) -> None:
    """Name terms that are asked for and that nobody can read."""
    for digest in digests:
        missing = f"the members' store has no file of the terms {output.short(digest)}"
        output.remark(f"Nobody can read them: {missing}. Name the file in place of its digest.")


def _said(found: Wording) -> Iterator[tuple[str, str]]:
    yield "digest", found.digest.hex()
    if found.found is Found.READ:
        yield "file", f"{found.media or 'of a kind that is not shown'}, {size(found.size)}"
    else:
        yield "file", f"CANNOT BE READ: {found.reason}"
    if found.text:
        yield "says", found.text


def _show_files(found: Iterable[Wording], command: str, saved: Sequence[Path]) -> None:
    if not saved and any(each.found is Found.READ and (each.more or not each.text) for each in found):
        output.say(f"Not all of it is shown. As files: `{command} --output terms`")
    for path in saved:
        output.say(f"{path} is written.")
