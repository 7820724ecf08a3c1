"""Who may do what with a request at the hospital's own portal; the ledger refuses again."""

from __future__ import annotations

from hmchain.application.access.permissions import HOSPITAL_ROLES, Operation, Rule, Scope

DECIDE = Rule(Operation.DECIDE, Scope.HOSPITAL, ("steward",))
APPLY = Rule(Operation.ASK, Scope.HOSPITAL, ("scientist",))
SPEAK = Rule(Operation.ASK, Scope.HOSPITAL, HOSPITAL_ROLES)
"""Whoever takes part, or was asked for a word."""
