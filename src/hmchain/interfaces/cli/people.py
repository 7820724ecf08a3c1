"""A hospital's people at their node, as commands act for them."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import typer

from hmchain.application.governance import delegate, signing
from hmchain.application.governance.delegate import Acts, LedgerUser
from hmchain.application.governance.outbox import ContraryError, Talk
from hmchain.application.governance.signing import PreparedOnly
from hmchain.application.site.node import NodeFolder
from hmchain.interfaces.cli import acting, asking, output
from hmchain.interfaces.cli.options import passphrase
from hmchain.ledger.context import CLINICIAN, SCIENTIST, STEWARD


def open_steward(directory: Path, *, yes: bool = False) -> AbstractContextManager[LedgerUser]:
    """The steward of the node in a folder; `yes` sends what contradicts an undecided transaction unasked."""
    return _open(directory, STEWARD, yes)


def open_scientist(directory: Path, *, yes: bool = False) -> AbstractContextManager[LedgerUser]:
    """The scientist of the node in a folder; `yes` as for `open_steward`."""
    return _open(directory, SCIENTIST, yes)


def open_clinician(directory: Path, *, yes: bool = False) -> AbstractContextManager[LedgerUser]:
    """A clinician at the node in a folder, who is named: there is no such office; `yes` as for `open_steward`."""
    return _open(directory, CLINICIAN, yes)


@contextmanager
def _open(directory: Path, role: str, yes: bool) -> Iterator[LedgerUser]:
    """Whoever was named with `--as`; what is only prepared is shown, and the command is over."""
    acts = Acts(acting.handle(), acting.key(), acting.prepare())
    with delegate.open_user(NodeFolder(directory), role, passphrase(), talk(yes), acts) as user:
        try:
            yield user
        except PreparedOnly as done:
            _show_prepared(done.path)
            raise typer.Exit from None


def _show_prepared(path: Path) -> None:
    def view(found: signing.Prepare) -> None:
        output.say(f"To be signed: {found.meaning.words}.")
        output.say(f"It lies in {path}, and nothing was sent. It can be sent until "
                   f"{output.when(found.meaning.expires_ms)} UTC, once its key has signed it:")  # fmt: skip
        output.say(f"hmchain sign attach {shlex.quote(str(path))} --key KEY", style="bold")
        output.say(f"hmchain sign send {shlex.quote(str(path))}", style="bold")

    output.show(signing.read(path), view)


def talk(yes: bool) -> Talk:
    """The way to whoever gave a command: told what happens, and asked before one thing contradicts another."""

    def ask(contrary: ContraryError) -> None:
        if yes:
            output.remark(contrary.what)
        elif asking.at_terminal():
            asking.confirm(f"{contrary.what}. Send it as well?", yes=False)
        else:
            raise contrary

    return Talk(output.remark, ask, output.doing)
