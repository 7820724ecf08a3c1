"""A block that an auditor knows from elsewhere, as commands take it."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from hmchain.errors import InputError
from hmchain.interfaces.cli.options import parse_digest
from hmchain.ledger.readers.replay import TrustedHeader

BlockOption = Annotated[
    str | None,
    typer.Option("--block", metavar="HEIGHT:HASH", help="A block known from elsewhere, as an anchor of its own."),
]


class BadAnchorError(InputError):
    """A trusted block is not written as HEIGHT:HASH."""

    code = "bad_anchor"


def parse_block(text: str) -> TrustedHeader:
    """A block as HEIGHT:HASH. Raises `BadAnchorError` or `BadDigestError`."""
    height, separator, digest = text.partition(":")
    if not separator or not re.fullmatch(r"[1-9][0-9]{0,17}", height):
        raise BadAnchorError(f"{text!r} is not a block", "write it as HEIGHT:HASH, as an audit prints it")
    return TrustedHeader(int(height), parse_digest(digest))
