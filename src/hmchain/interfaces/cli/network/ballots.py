"""What the members vote on, at the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from hmchain.interfaces.cli import output
from hmchain.interfaces.cli.options import passphrase

if TYPE_CHECKING:
    from hmchain.application.governance.members import Delegate
    from hmchain.ledger.contracts.members.membership import Action
    from hmchain.ledger.readers.members import BallotView

COLUMNS = ("ballot", "proposal", "outcome", "yes", "opened in block#")


def propose(directory: Path, action: Callable[[Delegate], Action], *, as_json: bool) -> None:
    """Put to the vote what the ledger at this hospital's node suggests, with its steward's yes."""
    from hmchain.application.governance import members

    _as_steward(directory, lambda steward: members.propose(steward, action(steward)), as_json=as_json)


def vote(directory: Path, ballot: str, *, as_json: bool) -> None:
    """Say yes to the open ballot whose id begins so."""
    from hmchain.application.governance import members

    _as_steward(directory, lambda steward: members.vote(steward, ballot), as_json=as_json)


def withdraw(directory: Path, ballot: str, *, as_json: bool) -> None:
    """Take back the yes to the open ballot whose id begins so."""
    from hmchain.application.governance import members

    _as_steward(directory, lambda steward: members.withdraw(steward, ballot), as_json=as_json)


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


def _as_steward(directory: Path, act: Callable[[Delegate], BallotView], *, as_json: bool) -> None:
    from hmchain.application.governance import members
    from hmchain.application.site.node import NodeFolder

    with members.open_steward(NodeFolder(directory), passphrase()) as steward:
        found = act(steward)
    if as_json:
        output.emit(found)
        return
    output.table(COLUMNS, [row(found)])
    if found.open:
        output.say(f"Other members agree with: hmchain network vote {output.short(found.id)}")
