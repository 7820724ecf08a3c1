"""Views of terms that hospitals ask for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from hmchain.application.governance.licences import Found
from hmchain.application.governance.requests.acceptance import TermsInWords
from hmchain.interfaces.cli import output
from hmchain.plain import size


def show_terms(found: Sequence[TermsInWords], request: str, saved: Sequence[Path] = ()) -> None:
    """Terms one by one: whose they are, how it stands with them, and what they say."""
    if not found:
        output.say(f"No hospital asks for terms in {request}.")
    for each in found:
        asked, said = each.asked, each.wording
        output.heading(f"Terms {output.short(asked.digest)}")
        output.fields((
            ("asked by", output.listed(asked.by)),
            ("accepted by", output.listed(asked.accepted)),
            ("yet to accept", output.listed(asked.open_to)),
            ("digest", asked.digest.hex()),
            ("file", f"{said.media or 'of a kind that is not shown'}, {size(said.size)}" if said.found is Found.READ
                     else f"CANNOT BE READ: {said.reason}"),
            *((("says", said.text),) if said.text else ()),
        ))  # fmt: skip
    if not saved and any(each.wording.found is Found.READ and (each.wording.more or not each.wording.text)
                         for each in found):  # fmt: skip
        output.say(f"Not all of it is shown. As files: `hmchain request terms {request} --output terms`")
    for path in saved:
        output.say(f"{path} is written.")


def show_unread(digests: Iterable[bytes]) -> None:
    """Name terms that are asked for and that nobody can read."""
    for digest in digests:
        missing = f"the members' store has no file of the terms {output.short(digest)}"
        output.remark(f"Nobody can read them: {missing}. Name the file in place of its digest.")
