"""A hospital's people at its running node, and what the members decide together: who joins, who leaves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from hmchain.application.agent.agent import signed
from hmchain.application.consortium import Consortium, LocalNode
from hmchain.application.keyring import key_file
from hmchain.application.node import open_ledger
from hmchain.application.node_folder import NodeFolder
from hmchain.errors import InputError
from hmchain.keys import SigningKey, load_key
from hmchain.ledger import contracts
from hmchain.ledger.context import STEWARD
from hmchain.ledger.contracts import maintenance, membership
from hmchain.ledger.contracts.maintenance import AnnounceMaintenance, Window
from hmchain.ledger.contracts.membership import Action, Admit, ProposeAction, Remove, VoteAction
from hmchain.ledger.contracts.standings import Unjail
from hmchain.ledger.state import State

_MINUTE_MS = 60_000


class NoBallotError(InputError):
    """No open ballot, or more than one, begins with what was given."""

    code = "no_ballot"


@dataclass(frozen=True)
class BallotView:
    """A ballot as people see it."""

    id: bytes
    action: str
    opened_height: int
    yes: tuple[str, ...]
    needed: int
    """Votes that carry it."""
    passed: bool


@dataclass(frozen=True)
class Delegate:
    """Who speaks for a hospital at its running node, as its steward or scientist; records and agent are left alone."""

    organisation: str
    key: SigningKey
    consortium: Consortium
    """With no hospital of its own."""

    @property
    def state(self) -> State:
        """The state of the hospital's node."""
        return self.consortium.ledger.state_of(self.organisation)

    def require(self, body: contracts.Body) -> None:
        """Send a transaction and wait for its block. Raises `RefusedTransactionError`."""
        node = LocalNode(self.consortium.ledger, self.organisation)
        self.consortium.require(signed(self.key, node, body))


@contextmanager
def open_steward(folder: NodeFolder, passphrase: str | None = None, role: str = STEWARD) -> Iterator[Delegate]:
    """The steward of a running node, or who holds another role's key.

    Raises what `open_ledger` raises, `KeyFileError` or `WrongPassphraseError`.
    """
    key = load_key(SigningKey, key_file(folder.keys, role), passphrase)
    with Consortium(folder.path, open_ledger(folder), {}) as consortium:
        yield Delegate(folder.settings().organisation, key, consortium)


def ballots(state: State) -> list[BallotView]:
    """All ballots, the newest first."""
    needed = -(-2 * len(membership.active_members(state)) // 3)
    found = [
        BallotView(ballot, _words(entry.action), entry.opened_height, entry.yes, needed, entry.closed)
        for ballot, entry in membership.ballots(state)
    ]
    return sorted(found, key=lambda ballot: (-ballot.opened_height, ballot.id))


def propose(steward: Delegate, action: Action) -> BallotView:
    """Put an action to the vote, with this hospital's yes. Raises `RefusedTransactionError`."""
    known = {ballot.id for ballot in ballots(steward.state)}
    steward.require(ProposeAction(action))
    fresh = [ballot for ballot in ballots(steward.state) if ballot.id not in known]
    return next(ballot for ballot in fresh if ballot.action == _words(action) and steward.organisation in ballot.yes)


def vote(steward: Delegate, prefix: str) -> BallotView:
    """Vote yes to the open ballot whose id begins with `prefix`. Raises `NoBallotError`, `RefusedTransactionError`."""
    waiting = [ballot for ballot in ballots(steward.state) if not ballot.passed]
    found = [ballot for ballot in waiting if ballot.id.hex().startswith(prefix.lower())]
    if len(found) != 1:
        what = "no open ballot begins" if not found else f"{len(found)} open ballots begin"
        raise NoBallotError(f"{what} with {prefix}", "`hmchain network ballots` lists them")
    steward.require(VoteAction(found[0].id))
    return next(ballot for ballot in ballots(steward.state) if ballot.id == found[0].id)


def announce_maintenance(steward: Delegate, minutes: int, in_minutes: int = 0) -> Window:
    """Announce that a hospital's node will be down, from now on or later. Raises `RefusedTransactionError`."""
    from_ms = steward.consortium.ledger.now_ms() + in_minutes * _MINUTE_MS if in_minutes else 0
    steward.require(AnnounceMaintenance(from_ms, minutes * _MINUTE_MS))
    announced = maintenance.window(steward.state, steward.organisation)
    assert announced is not None
    return announced


def unjail(steward: Delegate) -> None:
    """Ask for a hospital's votes to be counted again. Raises `RefusedTransactionError` if it is not jailed."""
    steward.require(Unjail())


def _words(action: Action) -> str:
    if isinstance(action, Admit):
        return f"admit {action.member.organisation}"
    return f"remove {action.organisation}" if isinstance(action, Remove) else "change the network's parameters"
