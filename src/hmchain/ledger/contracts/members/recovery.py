"""Recovery: two thirds of the members vote a new steward's key for an organisation whose key is lost.

The vote takes effect after a waiting time in which the old key, or any officer of the organisation, objects. What this
gives is the organisation's word on the ledger, and not its data: the hospital's own machine obeys nothing that is
decided after it until its operator has confirmed the new key there (`recovered`).
"""

from __future__ import annotations

from hmchain.canonical import Record, digest
from hmchain.ledger.blocks import Height, TimeMs
from hmchain.ledger.context import require
from hmchain.ledger.contracts.members import parameters
from hmchain.ledger.reputation import DAY_MS
from hmchain.ledger.state import State, Table

WAIT_NOTICES = 7
"""The waiting time is at least so many times the notice that the genesis demands: 7 days, and no ballot shortens it."""
WAIT_MS_MAX = 90 * DAY_MS


class Recover(Record, frozen=True, tag="recover"):
    """Action: an organisation whose steward's key is lost has another one, unless it objects in time."""

    organisation: str
    former: bytes
    """The key that is lost."""
    key: bytes
    """The new public key, 32 bytes (Ed25519)."""
    wait_ms: TimeMs
    """How long the organisation may object."""
    proof: bytes
    """The new key's signature of `recovery_bytes`, 64 bytes."""


class Recovering(Record, frozen=True):
    """A recovery that the members have agreed on and that waits."""

    organisation: str
    former: bytes
    key: bytes
    due_ms: TimeMs
    """From when on it can be carried out."""


class Recovered(Record, frozen=True):
    """The last steward's key that an organisation got by a vote of others."""

    organisation: str
    key: bytes
    height: Height


_RECOVERING = Table("recovering", Recovering)
_RECOVERED = Table("recovered", Recovered)


def recovery_bytes(chain_id: str, organisation: str, former: bytes, key: bytes) -> bytes:
    """What a new steward's key signs to show that somebody holds it, in place of the key `former`."""
    return digest("hmchain key recovery", chain_id.encode(), organisation.encode(), former, key)


def wait_ms_min(state: State) -> int:
    """The shortest waiting time."""
    return WAIT_NOTICES * parameters.founding(state).notice_ms


def under_way(state: State, organisation: str) -> Recovering | None:
    """The recovery of an organisation that waits for its time."""
    return _RECOVERING.get(state, organisation)


def recovered(state: State, organisation: str) -> Recovered | None:
    """The last recovery of an organisation that was carried out; None if there never was one."""
    return _RECOVERED.get(state, organisation)


def require_possible(state: State, action: Recover, steward: bytes) -> None:
    """Refuse what could not be agreed on now, `steward` being the organisation's key.

    `wrong_former` unless that is the key said to be lost, `recovery_under_way`, `bad_wait`.
    """
    require(action.former == steward, "wrong_former")
    waiting = under_way(state, action.organisation)
    require(waiting is None or waiting.former != steward, "recovery_under_way")
    require(wait_ms_min(state) <= action.wait_ms <= max(WAIT_MS_MAX, wait_ms_min(state)), "bad_wait")


def begin(state: State, action: Recover, time_ms: int) -> Recovering:
    """The members have agreed: the waiting time begins."""
    begun = Recovering(action.organisation, action.former, action.key, time_ms + action.wait_ms)
    _RECOVERING.put(state, begun, action.organisation)
    return begun


def forget(state: State, organisation: str) -> None:
    """The recovery does not take place, or has."""
    _RECOVERING.delete(state, organisation)


def keep(state: State, organisation: str, key: bytes, height: int) -> None:
    """Remember that a key is by others' vote."""
    _RECOVERED.put(state, Recovered(organisation, key, height), organisation)
