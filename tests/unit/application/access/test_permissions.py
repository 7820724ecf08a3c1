"""Rules and scopes: what a narrower way in may do is a part of what a wider one may."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from hmchain.application.access.permissions import (
    HOSPITAL_ROLES,
    NotAllowedError,
    NotSignedInError,
    Operation,
    Rule,
    Scope,
    SecondFactorError,
    require,
)
from hmchain.application.access.principal import Principal

ROLES = st.frozensets(st.sampled_from(sorted(set(HOSPITAL_ROLES))), max_size=4)
SCOPES = st.frozensets(st.sampled_from(list(Operation)))
FACTORS = st.frozensets(st.sampled_from(["key", "passkey", "oidc"]))
RULES = st.builds(Rule, st.sampled_from(list(Operation)), st.sampled_from(list(Scope)), ROLES.map(tuple))
PEOPLE = st.builds(
    Principal, st.sampled_from(["north", "south"]), st.just("p"), ROLES, st.just(b""), SCOPES, FACTORS
)  # fmt: skip


def may(rule: Rule, who: Principal | None, second: frozenset[str] = frozenset()) -> bool:
    try:
        require(rule, who, "north", second)
    except (NotAllowedError, NotSignedInError, SecondFactorError):
        return False
    return True


@settings(max_examples=300, deadline=None)
@given(RULES, PEOPLE, ROLES, SCOPES, FACTORS, SCOPES)
def test_less_never_allows_more(
    rule: Rule, who: Principal, roles: frozenset[str], scopes: frozenset[str], factors: frozenset[str],
    second: frozenset[str],
) -> None:  # fmt: skip
    less = Principal(
        who.organisation, who.person, who.roles & roles, who.public, who.scopes & scopes, who.factors & factors
    )
    assert may(rule, who, second) or not may(rule, less, second)
    assert may(rule, who) or not may(rule, who, second)
    assert may(rule, None) == (rule.scope is Scope.PUBLIC)


@settings(max_examples=300, deadline=None)
@given(RULES, PEOPLE, SCOPES)
def test_a_rule_is_what_it_says(rule: Rule, who: Principal, second: frozenset[str]) -> None:
    """Against an obvious twin."""
    has_role = not rule.roles or any(role in who.roles for role in rule.roles)
    is_there = rule.scope is not Scope.HOSPITAL or who.organisation == "north"
    is_sure = rule.operation not in second or rule.scope is Scope.OWN or len(who.factors) >= 2
    wanted = rule.scope is Scope.PUBLIC or (rule.operation in who.scopes and has_role and is_there and is_sure)
    assert may(rule, who, second) == wanted
