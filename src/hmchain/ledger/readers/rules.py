"""The rules that a chain follows: its protocol, the parameters that members agreed on, and what may change them."""

from __future__ import annotations

from dataclasses import dataclass

from msgspec.structs import asdict

from hmchain.clock import utc
from hmchain.errors import LedgerError
from hmchain.ledger import protocols
from hmchain.ledger.contracts.members import parameters, upgrades
from hmchain.ledger.contracts.members.membership import SetParameters
from hmchain.ledger.readers.members import BallotView, ballots
from hmchain.ledger.state import State

PARAMETER_RANGES = parameters.RANGES
"""What each parameter may be, from the least to the most."""


class OldRulesError(LedgerError):
    """The ledger follows rules from before what is asked for; its members have not voted for the next ones."""

    code = "old_rules"


@dataclass(frozen=True)
class RulesView:
    """The protocol in force, and what the members have agreed on."""

    protocol: int
    """Of the next block."""
    known: tuple[int, ...]
    """Protocols that this program knows."""
    next: int | None
    """The protocol that was agreed on and has not come yet; None if none is."""
    after_ms: int
    after_height: int

    def __str__(self) -> str:
        if self.next is None:
            return f"protocol {self.protocol}"
        return f"protocol {self.protocol}; {self.next} after {utc(self.after_ms)} UTC and block {self.after_height}"


@dataclass(frozen=True)
class ParametersView:
    """The parameters in force, by name, and the open ballots that would change them."""

    parameters: dict[str, int]
    ballots: tuple[BallotView, ...]

    def __str__(self) -> str:
        in_force = ", ".join(f"{name}={value}" for name, value in self.parameters.items())
        return f"{in_force}; {len(self.ballots)} ballots to change them"


def parameters_of(state: State) -> ParametersView:
    """The parameters of a committed state."""
    waiting = tuple(ballot for ballot in ballots(state, SetParameters) if ballot.open)
    return ParametersView(asdict(parameters.current(state)), waiting)


def rules_of(state: State) -> RulesView:
    """The rules of a committed state."""
    agreed = upgrades.planned(state)
    protocol, known = upgrades.at(state, state.height + 1), tuple(sorted(protocols.KNOWN))
    if agreed is None:
        return RulesView(protocol, known, None, 0, 0)
    return RulesView(protocol, known, agreed.protocol, agreed.after_ms, agreed.after_height)


def require_sharing(state: State, what: str) -> None:
    """Raise `OldRulesError` while the chain's rules have no sharing; `what` begins the sentence: "transfers need"."""
    if not upgrades.has_sharing(state):
        followed = upgrades.at(state, state.height + 1)
        raise OldRulesError(
            f"{what} protocol {upgrades.SHARING}, and this ledger follows protocol {followed}",
            f"let the members vote for it first: `hmchain network upgrade propose {upgrades.SHARING}`",
        )
