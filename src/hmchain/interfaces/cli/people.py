"""A hospital's steward and scientist at their node, as commands act for them."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from hmchain.application.governance import delegate
from hmchain.application.governance.delegate import LedgerUser
from hmchain.application.governance.outbox import ContraryError, Talk
from hmchain.application.site.node import NodeFolder
from hmchain.interfaces.cli import asking, output
from hmchain.interfaces.cli.options import passphrase


def open_steward(directory: Path, *, yes: bool = False) -> AbstractContextManager[LedgerUser]:
    """The steward of the node in a folder; `yes` sends what contradicts an undecided transaction unasked."""
    return delegate.open_steward(NodeFolder(directory), passphrase(), _talk(yes))


def open_scientist(directory: Path, *, yes: bool = False) -> AbstractContextManager[LedgerUser]:
    """The scientist of the node in a folder; `yes` as for `open_steward`."""
    return delegate.open_scientist(NodeFolder(directory), passphrase(), _talk(yes))


def _talk(yes: bool) -> Talk:
    def ask(contrary: ContraryError) -> None:
        if yes:
            output.remark(contrary.what)
        elif asking.at_terminal():
            asking.confirm(f"{contrary.what}. Send it as well?", yes=False)
        else:
            raise contrary

    return Talk(output.remark, ask)
