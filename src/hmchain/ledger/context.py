"""What a contract may touch while it applies one transaction: the state, the block's time, the sender, events."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from hmchain.canonical import Record
from hmchain.ledger.events import LedgerEvent
from hmchain.ledger.state import State
from hmchain.ledger.transactions import Refusal

STEWARD, SCIENTIST, AGENT, VALIDATOR = "steward", "scientist", "agent", "validator"
CLINICIAN = "clinician"
"""Who treats patients, and may ask for one's records in an emergency; since protocol 4."""

NAME = r"[a-z0-9][a-z0-9._-]{0,47}"
"""The form of names; `is_name` says it in words."""
_NAME = re.compile(NAME)


class Credential(Record, frozen=True):
    """Whose key signed, and in which role."""

    organisation: str
    role: str

    @property
    def roles(self) -> tuple[str, ...]:
        """The one role of an organisation's own key."""
        return (self.role,)

    @property
    def person(self) -> str:
        """Whom an organisation's own key acts as: `steward` and `scientist` are offices that somebody holds."""
        return self.role


@dataclass(frozen=True, slots=True)
class Acting:
    """A person who signed with a key of their own, in the roles that their organisation gave them."""

    organisation: str
    person: str
    roles: tuple[str, ...]


@dataclass(slots=True)
class Context:
    """One transaction's view of the machine. Time comes from the block, never from a clock."""

    state: State
    chain_id: str
    height: int
    time_ms: int
    sender: Credential | Acting
    events: list[LedgerEvent] = field(default_factory=list)

    def emit(self, event: LedgerEvent) -> None:
        """Record an event in the transaction's receipt."""
        self.events.append(event)

    def require_role(self, *roles: str) -> None:
        """Refuse (`wrong_role`) a sender whose key has none of the roles."""
        require(any(role in roles for role in self.sender.roles), "wrong_role")


def require(condition: bool, code: str) -> None:
    """Refuse the transaction with `code` unless `condition` holds."""
    if not condition:
        raise Refusal(code)


def require_name(name: str) -> None:
    """Refuse (`bad_name`) what is not a short lower-case name; names become keys of the state and parts of paths."""
    require(is_name(name), "bad_name")


def is_name(text: str) -> bool:
    """Whether `text` is a short lower-case name: up to 48 of a-z, 0-9, '.', '_', '-', not beginning with a sign."""
    return _NAME.fullmatch(text) is not None


def require_digest(*digests: bytes) -> None:
    """Refuse (`bad_digest`) what is not 32 bytes long."""
    require(all(len(digest) == 32 for digest in digests), "bad_digest")
