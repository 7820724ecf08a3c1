"""Members and validators as the ledger sees them, and what the members vote on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from msgspec.structs import asdict

from hmchain.ledger import proposer, reputation
from hmchain.ledger.contracts.learning import conduct
from hmchain.ledger.contracts.members import maintenance, membership, parameters, standings
from hmchain.ledger.contracts.members.membership import Action, Admit, Remove, SetParameters
from hmchain.ledger.contracts.members.parameters import Parameters
from hmchain.ledger.contracts.members.recovery import Recover
from hmchain.ledger.contracts.members.upgrades import CallOff, Upgrade
from hmchain.ledger.reputation import DAY_MS
from hmchain.ledger.state import State

_LAST_MS = 253_402_300_799_000
"""The last moment that a calendar of four digits holds."""


@dataclass(frozen=True)
class ValidatorStatus:
    """One member as the ledger sees it."""

    organisation: str
    title: str
    power: int
    share_permyriad: int
    """Of the total power."""
    consensus: int
    """0 to 10 000."""
    learning: int
    """0 to 10 000."""
    jailed: bool
    tombstoned: bool
    proposed: int
    """Of the last blocks."""
    maintenance_until_ms: int
    """When the maintenance that it announced last ends or ended; 0 if it never did."""

    def __str__(self) -> str:
        scores = f"consensus {self.consensus}, learning {self.learning}"
        return f"{self.organisation} ({self.title}): power {self.power}, {scores}" + (", jailed" if self.jailed else "")


@dataclass(frozen=True)
class BallotView:
    """A ballot as people see it."""

    id: bytes
    action: str
    details: tuple[tuple[str, str], ...]
    """More about the action, by name: of a newcomer what is compared by telephone, of parameters each change."""
    opened_height: int
    yes: tuple[str, ...]
    needed: int
    """Votes that carry it."""
    passed: bool
    withdrawn: bool
    """Its last vote was taken back."""
    lapsed: bool
    until_ms: int

    @property
    def open(self) -> bool:
        """True while it takes votes."""
        return not (self.passed or self.withdrawn or self.lapsed)

    def waits_for(self, organisation: str) -> bool:
        """Whether it takes votes and has none of this member's."""
        return self.open and organisation not in self.yes

    def __str__(self) -> str:
        outcome = "passed" if self.passed else "open" if self.open else "over"
        return f"{self.id.hex()}: {self.action}; {len(self.yes)} of {self.needed} votes, {outcome}"


def tolerated(found: Iterable[ValidatorStatus]) -> int:
    """The number of validators that may fail or lie; who was found guilty of voting twice is none any more."""
    return reputation.faults_tolerated(sum(not each.tombstoned for each in found))


def proposers(state: State, addresses: Iterable[str]) -> Counter[str]:
    """The blocks that each member proposed, by the addresses (hex) of their proposers; keys that were replaced too."""
    owners = {place.hex(): organisation for place, organisation in standings.former_owners(state).items()}
    for organisation in _names(state, powers(state)):
        entry = membership.membership(state, organisation)
        if entry is not None:
            owners[proposer.address(entry.member.validator).hex()] = organisation
    return Counter(owners.get(address.lower(), "") for address in addresses)


def validators(state: State, proposed: Mapping[str, int]) -> tuple[ValidatorStatus, ...]:
    """Members and validators, in order of name; `proposed` counts blocks by the member that proposed them."""
    voting = powers(state)
    total, now_ms = sum(voting.values()) or 1, standings.time_ms(state)
    found = []
    for organisation in _names(state, voting):
        entry, standing = membership.membership(state, organisation), standings.standing(state, organisation)
        power, window = voting.get(organisation, 0), maintenance.window(state, organisation)
        found.append(
            ValidatorStatus(
                organisation, entry.member.title if entry else "", power, power * 10_000 // total, standing.consensus,
                conduct.learning_score(state, "", organisation, now_ms), standing.jailed, standing.tombstoned,
                proposed.get(organisation, 0), window.until_ms if window else 0,
            )
        )  # fmt: skip
    return tuple(found)


def powers(state: State) -> dict[str, int]:
    """The voting power of each validator in the next block."""
    return {entry.id: entry.power for entry in standings.validators_at(state, state.height + 1)}


def _names(state: State, voting: Mapping[str, int]) -> list[str]:
    return sorted(voting.keys() | {member.organisation for member in membership.active_members(state)})


def needed_votes(members: int) -> int:
    """The votes that carry a ballot."""
    return -(-2 * members // 3)


def ballots(state: State, kind: type[Action] | None = None) -> list[BallotView]:
    """All ballots, or those on a kind of action; the newest first."""
    needed, time_ms = needed_votes(len(membership.active_members(state))), standings.time_ms(state)
    found = [
        BallotView(
            ballot,
            action_words(entry.action, None if entry.closed else parameters.current(state)),
            action_details(entry.action, state),
            entry.opened_height,
            entry.yes,
            needed,
            entry.closed and bool(entry.yes),
            entry.closed and not entry.yes,
            not entry.closed and not entry.is_open(time_ms),
            entry.until_ms,
        )
        for ballot, entry in membership.ballots(state)
        if kind is None or isinstance(entry.action, kind)
    ]
    return sorted(found, key=lambda ballot: (-ballot.opened_height, ballot.id))


def action_words(action: Action, current: Parameters | None = None) -> str:
    """Name what the members vote on, in a line; of parameters all, or what differs from the `current` ones."""
    if isinstance(action, Admit):
        return f"admit {action.member.organisation}"
    if isinstance(action, Remove):
        return f"remove {action.organisation}"
    if isinstance(action, Upgrade):
        time = datetime.fromtimestamp(min(action.after_ms, _LAST_MS) / 1000, UTC)
        return f"protocol {action.protocol} after {time:%Y-%m-%d %H:%M} UTC and block {action.after_height}"
    if isinstance(action, CallOff):
        return f"call off protocol {action.protocol}"
    if isinstance(action, Recover):
        return f"give {action.organisation} the steward's key {action.key.hex()[:16]}, since its own is lost"
    return f"set {_settings(action.parameters, current)}"


def action_details(action: Action, state: State) -> tuple[tuple[str, str], ...]:
    """Say what there is to know before one votes on an action."""
    if isinstance(action, Admit):
        return ("name", action.member.title), ("fingerprint", action.member.fingerprint)
    if isinstance(action, Remove):
        known = membership.membership(state, action.organisation)
        return ("name", known.member.title if known else "-"), ("for good", "neither its name nor a key can come back")
    if isinstance(action, SetParameters):
        now, wanted = asdict(parameters.current(state)), asdict(action.parameters)
        return tuple((name, f"{now[name]} now, {value} then") for name, value in wanted.items() if value != now[name])
    if isinstance(action, Recover):
        days = f"{action.wait_ms / DAY_MS:g} days, from the deciding vote on"
        return ("key", action.key.hex()), ("the organisation may object for", days)
    if isinstance(action, Upgrade):
        return (("installed by then", "the program that knows it, on every node: one without it stops there"),)
    return ()


def _settings(wanted: Parameters, current: Parameters | None) -> str:
    """What a ballot sets: all of it is in force afterwards, so before that, all that it would change is shown."""
    found = asdict(wanted)
    shown = {name: value for name, value in found.items() if current is None or value != getattr(current, name)}
    return ", ".join(f"{name}={value}" for name, value in shown.items()) or "what is in force already"
