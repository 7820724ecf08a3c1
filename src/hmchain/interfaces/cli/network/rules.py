"""The rules of a chain in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hmchain.interfaces.cli import output

if TYPE_CHECKING:
    from hmchain.ledger.readers.rules import RulesView


def rules_words(found: RulesView) -> str:
    """The rules in force and those that come, in a line or two."""
    said = str(found.protocol)
    if found.protocol not in found.known:
        said += ", which this program does not know: install the version that the other members run"
    if found.next is not None:
        said += f"\n{found.next} after {output.when(found.after_ms)} UTC and block {found.after_height}"
        if found.next not in found.known:
            said += "; this program does not know it and will stop there: install the next version before"
    return said
