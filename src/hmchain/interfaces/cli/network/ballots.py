"""What the members vote on, at the command line."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from hmchain.interfaces.cli import output
from hmchain.interfaces.cli.options import passphrase

if TYPE_CHECKING:
    from hmchain.application.governance.delegate import LedgerUser
    from hmchain.ledger.readers.members import BallotView

COLUMNS = ("ballot", "proposal", "outcome", "yes", "opened in block#")


def propose(directory: Path, ask: Callable[[LedgerUser], BallotView], *, as_json: bool) -> None:
    """Put to the vote what this hospital's steward asks for."""
    with _steward(directory) as steward:
        _show(ask(steward), as_json=as_json)


def vote(directory: Path, ballot: str, *, as_json: bool) -> None:
    """Say yes to the open ballot whose id begins so."""
    from hmchain.application.governance import members

    with _steward(directory) as steward:
        _show(members.vote(steward, ballot), as_json=as_json)


def withdraw(directory: Path, ballot: str, *, as_json: bool) -> None:
    """Take back the yes to the open ballot whose id begins so."""
    from hmchain.application.governance import members

    with _steward(directory) as steward:
        _show(members.withdraw(steward, ballot), as_json=as_json)


def row(ballot: BallotView) -> tuple[object, ...]:
    """A line of the table of ballots."""
    return output.short(ballot.id), ballot.action, _outcome(ballot), output.listed(ballot.yes), ballot.opened_height


def _outcome(ballot: BallotView) -> str:
    if ballot.passed:
        return "passed"
    if ballot.withdrawn:
        return "withdrawn"
    if ballot.lapsed:
        return f"lapsed on {output.when(ballot.until_ms)} UTC"
    return f"open: {len(ballot.yes)} of {ballot.needed} needed"


def _steward(directory: Path) -> AbstractContextManager[LedgerUser]:
    from hmchain.application.governance.delegate import open_steward
    from hmchain.application.site.node import NodeFolder

    return open_steward(NodeFolder(directory), passphrase())


def _show(ballot: BallotView, *, as_json: bool) -> None:
    if as_json:
        output.emit(ballot)
        return
    output.table(COLUMNS, [row(ballot)])
    if ballot.open:
        output.say(f"Other members agree with: hmchain network vote {output.short(ballot.id)}")
