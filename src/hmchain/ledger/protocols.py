"""The sets of rules that this program knows, by number; a chain can go from one to the next (`members/upgrades`).

A program must know every protocol that a chain has followed, to execute its blocks again. It stops before the first
block of one that it does not know. To add protocol N + 1:

- put its `Rules` into `KNOWN`, with handlers of its own for the transactions whose rules change; a transaction that is
  new has a handler there and none in the protocols before, so that their rules refuse it as they always did;
- migrate lazily: a record that gains fields gains them at its end, with defaults, so that old bytes decode and new ones
  are written where a transaction touches it; nothing converts the whole state in one block;
- leave rounds alone: what belongs to a round is decided by the rules under which the round opened.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache, partial, reduce
from operator import or_
from typing import Any

from hmchain.errors import LedgerError
from hmchain.ledger import contracts
from hmchain.ledger.chain import BLOCK_TRANSACTIONS_MAX
from hmchain.ledger.context import Context
from hmchain.ledger.contracts.learning import disputes, participation, rounds, studies
from hmchain.ledger.contracts.members import upgrades
from hmchain.ledger.contracts.members.enrolment import AcceptInvitation
from hmchain.ledger.state import State
from hmchain.ledger.transactions import Refusal

FOUNDING = 4
"""The rules by which new chains are founded."""

NEXT_VERSION = "use the version of hmchain that the members run: it goes on from here; nothing was changed or lost"
"""The way out."""

Handler = Callable[[Context, Any], None]


class ProtocolError(LedgerError):
    """A chain follows rules that this program does not know: it would come to another state, and stand alone."""

    code = "protocol"


@dataclass(frozen=True)
class Rules:
    """One protocol."""

    protocol: int
    handlers: Mapping[type, Handler] = field(default_factory=lambda: contracts.HANDLERS)
    """Of every transaction body that these rules know."""
    of_rounds: frozenset[type] = frozenset({*participation.HANDLERS, *disputes.HANDLERS})
    """The bodies that belong to a study's current round."""

    @cached_property
    def decode_body(self) -> Callable[[bytes], Any]:
        """Decodes a transaction's body; refuses `malformed` for one that these rules do not know."""
        known = reduce(or_, self.handlers)
        # The validators of one process decode the same bytes one after the other.
        return lru_cache(maxsize=BLOCK_TRANSACTIONS_MAX)(partial(contracts.decode_body, bodies=known))


KNOWN: dict[int, Rules] = {2: Rules(2, contracts.HANDLERS_OF_2), 3: Rules(3, contracts.HANDLERS_OF_3), 4: Rules(4)}
"""A protocol's number grows with any change of what blocks do."""


def require_known(protocol: int, what: str) -> Rules:
    """The rules of a protocol. Raises `ProtocolError` that says of what they would be the rules."""
    rules = KNOWN.get(protocol)
    if rules is None:
        known = ", ".join(map(str, sorted(KNOWN)))
        raise ProtocolError(
            f"{what} follows protocol {protocol}, and this program knows {known}",
            NEXT_VERSION,
        )
    return rules


def rules_at(state: State, height: int) -> Rules:
    """The rules by which the block at `height` is executed, the next one's at most. Raises `ProtocolError`."""
    return require_known(upgrades.at(state, height), f"block {height}")


def apply(rules: Rules, context: Context, body: Any) -> None:
    """Apply a transaction's body by the rules in force, or by those under which the round opened that it belongs to.

    Raises `Refusal`, also (`wrong_protocol`) for a body that those older rules do not have, and (`not_accepted`) of a
    person who has not accepted the invitation.
    """
    handler = _governing(rules, context.state, body).handlers.get(type(body))
    if handler is None:
        raise Refusal("wrong_protocol")
    if not context.sender.roles and not isinstance(body, AcceptInvitation):
        raise Refusal("not_accepted")
    handler(context, body)


def _governing(rules: Rules, state: State, body: Any) -> Rules:
    if type(body) not in rules.of_rounds:
        return rules
    study = studies.study(state, body.study)
    entry = rounds.round_(state, body.study, study.progress.round) if study else None
    return rules if entry is None else rules_at(state, entry.opened_height)
