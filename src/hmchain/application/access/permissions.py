"""What may be done, on whose behalf, and in which roles: a rule a route, and the one place that judges them.

A route without a rule does not exist. A rule says what is done (`Operation`), to whose things (`Scope`), and which of a
person's roles on the ledger allow it; what a person may do is never more than what the ledger gives that person now.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from hmchain.application.access.principal import Principal
from hmchain.errors import InputError
from hmchain.ledger.context import CLINICIAN, SCIENTIST, STEWARD
from hmchain.ledger.contracts.members.people import AUDITOR, OFFICER, OPERATOR, REVIEWERS

__all__ = [
    "AUDITOR", "CLINICIAN", "EVERYBODY", "HOSPITAL_ROLES", "OFFICER", "OPERATOR", "REVIEWERS", "SCIENTIST", "STEWARD",
    "NotAllowedError", "NotSignedInError", "Operation", "Rule", "Scope", "SecondFactorError", "allowed", "require",
]  # fmt: skip

EVERYBODY: tuple[str, ...] = ()
"""Any role, and none: whoever is signed in."""
HOSPITAL_ROLES = (STEWARD, SCIENTIST, OPERATOR, AUDITOR, OFFICER, CLINICIAN, *REVIEWERS)


class Operation(StrEnum):
    """What is done; a token's scopes are these."""

    VIEW = "view"
    """Look: changes nothing."""
    ASK = "ask"
    """Ask others for something, and answer for what was asked."""
    DECIDE = "decide"
    """Decide for the hospital."""
    CHANGE = "change"
    """Change what the hospital keeps: records, settings, one's own keys."""
    OPERATE = "operate"
    """Run the node and have a part in the network."""


class Scope(StrEnum):
    """Whose things a route is about."""

    PUBLIC = "public"
    """Anybody may, signed in or not: whether the portal lives, and how to sign in."""
    OWN = "own"
    """One's own sessions, tokens, keys and notifications."""
    NETWORK = "network"
    """What every member's ledger has: people of all members may see it."""
    HOSPITAL = "hospital"
    """What this hospital keeps or decides: its own people alone."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What a route does, to whose things, and which roles allow it; no roles are any."""

    operation: Operation
    scope: Scope
    roles: tuple[str, ...] = EVERYBODY


class NotSignedInError(InputError):
    """Nobody is signed in, and it takes somebody."""

    code = "not_signed_in"

    def __init__(self, what: str = "nobody is signed in", hint: str = "sign in with your key or a passkey") -> None:
        super().__init__(what, hint)


class NotAllowedError(InputError):
    """Whoever is signed in may not do this."""

    code = "not_allowed"


class SecondFactorError(InputError):
    """The hospital wants a second factor for this, and the session has one."""

    code = "second_factor"

    def __init__(
        self, what: str = "this takes a second factor", hint: str = "confirm with your passkey, or with your key"
    ) -> None:
        super().__init__(what, hint)


def require(rule: Rule, who: Principal | None, hospital: str, second_factor: frozenset[str] = frozenset()) -> None:
    """See that somebody may do what a rule is of, at the portal of `hospital`.

    `second_factor` names the operations that the hospital asks a second factor for. Raises `NotSignedInError`,
    `NotAllowedError` or `SecondFactorError`.
    """
    if rule.scope is Scope.PUBLIC:
        return
    if who is None:
        raise NotSignedInError
    if rule.operation not in who.scopes:
        raise NotAllowedError(f"this session or token may not {rule.operation}", "sign in, or make a token that may")
    if rule.scope is Scope.HOSPITAL and who.organisation != hospital:
        raise NotAllowedError(f"this is for the people of {hospital}", f"ask somebody of {hospital}")
    if rule.roles and not who.roles & set(rule.roles):
        named = " or ".join(rule.roles)
        raise NotAllowedError(f"this takes the role {named}", "`hmchain people show NAME` shows a person's roles")
    if rule.operation in second_factor and rule.scope is not Scope.OWN and len(who.factors) < 2:
        raise SecondFactorError


def allowed(rule: Rule, who: Principal | None, hospital: str) -> bool:
    """Whether somebody may, a second factor aside: pages show what a person may do."""
    try:
        require(rule, who, hospital)
    except (NotSignedInError, NotAllowedError):
        return False
    return True
