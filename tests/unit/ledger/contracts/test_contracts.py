"""Contracts: whatever a stranger puts into a transaction, it is applied or refused by name; nothing breaks."""

from __future__ import annotations

import dataclasses
from functools import cache
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import inspect
from msgspec.structs import replace

from hmchain.canonical import decode, encode
from hmchain.ledger import contracts
from hmchain.ledger import genesis as genesis_file
from hmchain.ledger.context import Context, Credential
from hmchain.ledger.contracts.data import datasets
from hmchain.ledger.contracts.data.datasets import (
    PublishVersion,
    RegisterDataset,
    Schema,
    WithdrawVersion,
    rounded_count,
)
from hmchain.ledger.contracts.members import membership
from hmchain.ledger.contracts.members.membership import Admit, ProposeAction, Remove, SetParameters, VoteAction
from hmchain.ledger.contracts.members.parameters import Parameters
from hmchain.ledger.state import State
from hmchain.ledger.transactions import Refusal
from support.ledger_network import CHAIN, START_MS, admission, genesis

BODIES = get_args(contracts.Body)


def founded() -> State:
    state = State()
    genesis_file.initialise(state, genesis())
    state.commit(0)
    return state


def context(state: State, organisation: str = "a", role: str = "steward") -> Context:
    return Context(state, CHAIN, 1, START_MS + 1000, Credential(organisation, role))


def refusal(state: State, body: Any, organisation: str = "a", role: str = "steward", height: int | None = None) -> str:
    mark = state.savepoint()
    known = context(state, organisation, role)
    try:
        contracts.apply(dataclasses.replace(known, height=height or known.height), body)
    except Refusal as refused:
        state.rollback(mark)
        return refused.code
    return "ok"


# Extremes that MessagePack can carry, beside what tends to exist.
_INTEGERS = st.sampled_from([0, 1, 2, 64, 255, 2**31, 2**63 - 1, 2**64 - 1, -1, -(2**63)]) | st.integers(0, 300)
_TEXT = st.sampled_from(["", "a", "x", "b\0c", "../x", "DUO:0000006", "model", "é"]) | st.text(max_size=8)
_BYTES = st.sampled_from([b"", bytes(16), bytes(32), b"\xff" * 32]) | st.binary(max_size=40)


def values_of(kind: inspect.Type) -> st.SearchStrategy[Any]:
    """Values of a type as msgspec sees it, sound or not."""
    match kind:
        case inspect.IntType():
            return _INTEGERS
        case inspect.StrType():
            return _TEXT
        case inspect.BytesType():
            return _BYTES
        case inspect.BoolType():
            return st.booleans()
        case inspect.NoneType():
            return st.none()
        case inspect.UnionType():
            return st.one_of(*(values_of(member) for member in kind.types))
        case inspect.VarTupleType():
            return st.lists(values_of(kind.item_type), max_size=4).map(tuple)
        case inspect.EnumType():
            return st.sampled_from(list(kind.cls))
        case inspect.StructType():
            return st.builds(kind.cls, *(values_of(item.type) for item in kind.fields))
    raise AssertionError(f"no values for {kind}")


@cache
def bodies_of(kind: type) -> st.SearchStrategy[Any]:
    return values_of(inspect.type_info(kind))


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body.__name__)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_any_body_is_applied_or_refused_by_name(body: type, data: st.DataObject) -> None:
    made = data.draw(bodies_of(body))
    role = data.draw(st.sampled_from(["steward", "scientist", "agent", "validator"]))
    try:
        decoded = contracts.decode_body(encode(made))
    except Refusal:
        return
    state = founded()
    before = state.commitment()
    if refusal(state, decoded, role=role) != "ok":
        assert state.commitment() == before


def test_every_body_has_one_handler() -> None:
    assert set(BODIES) == set(contracts.HANDLERS)


@pytest.mark.parametrize("role", ["scientist", "agent", "validator"])
def test_only_stewards_register_and_govern(role: str) -> None:
    state = founded()
    schema = Schema("mri", 1, 64, 64, ("no", "yes"))
    for body in (RegisterDataset("x", schema), PublishVersion("x", 1, bytes(32), 64), ProposeAction(Remove("b"))):
        assert refusal(state, body, role=role) == "wrong_role"


def test_count_4708_to_4707_on_the_ledger() -> None:
    state = founded()
    refusal(state, RegisterDataset("x", Schema("mri", 1, 64, 64, ("no", "yes"))))
    assert [refusal(state, PublishVersion("x", 1, bytes(32), count)) for count in (4708, 4707, 32)] == [
        "exact_count"
    ] * 3
    assert rounded_count(4708) == rounded_count(4707) == 4096
    assert rounded_count(3) == 64
    assert refusal(state, PublishVersion("x", 1, bytes(32), 4096)) == "ok"
    assert refusal(state, PublishVersion("x", 1, bytes(32), 4096)) == "wrong_version"
    assert refusal(state, PublishVersion("y", 1, bytes(32), 4096)) == "no_such_dataset"
    published = datasets.version(state, "a", "x", 1)
    assert published is not None and published.count == 4096


def test_a_withdrawn_version_stays_withdrawn_and_the_next_one_stands() -> None:
    state = founded()
    refusal(state, RegisterDataset("x", Schema("mri", 1, 64, 64, ("no", "yes"))))
    assert refusal(state, WithdrawVersion("x", 1)) == "no_such_version"
    refusal(state, PublishVersion("x", 1, bytes(32), 4096))
    assert refusal(state, WithdrawVersion("x", 1), role="scientist") == "wrong_role"
    assert refusal(state, WithdrawVersion("x", 1), "b") == "no_such_version"  # its own datasets alone
    assert refusal(state, WithdrawVersion("x", 1)) == "ok"
    assert refusal(state, WithdrawVersion("x", 1)) == "version_withdrawn"
    assert refusal(state, PublishVersion("x", 2, bytes(32), 4096)) == "ok"
    first, second = (datasets.version(state, "a", "x", number) for number in (1, 2))
    assert first is not None and first.withdrawn > 0 and first.root == bytes(32) and first.count == 4096
    assert second is not None and second.withdrawn == 0


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["publish", "withdraw"]), st.integers(0, 4)), max_size=14))
def test_versions_go_on_in_order_whatever_is_withdrawn(steps: list[tuple[str, int]]) -> None:
    """Against an obvious twin: a list of versions, each standing or not."""
    state = founded()
    refusal(state, RegisterDataset("x", Schema("mri", 1, 64, 64, ("no", "yes"))))
    standing: list[bool] = []
    for action, number in steps:
        if action == "publish":
            code = refusal(state, PublishVersion("x", number, bytes(32), 64))
            assert code == ("ok" if number == len(standing) + 1 else "wrong_version")
            standing += [True] if code == "ok" else []
        else:
            code = refusal(state, WithdrawVersion("x", number))
            known = 1 <= number <= len(standing)
            assert code == ("no_such_version" if not known else "ok" if standing[number - 1] else "version_withdrawn")
            if code == "ok":
                standing[number - 1] = False
    held = [datasets.version(state, "a", "x", number) for number in range(1, len(standing) + 1)]
    assert [entry is not None and not entry.withdrawn for entry in held] == standing


@pytest.mark.parametrize("name", ["", "X", "a b", "../a", "a" * 49, "a\0b", "-a", "é"])
def test_names_are_short_and_plain(name: str) -> None:
    assert refusal(founded(), RegisterDataset(name, Schema("mri", 1, 8, 8, ("no", "yes")))) == "bad_name"


def test_a_key_or_name_that_was_ever_used_cannot_come_back() -> None:
    state = founded()
    taken = genesis("e").members[0]
    assert membership.membership(state, "e") is None
    membership.admit(state, taken, 1)
    membership.remove(state, "e", 2)
    with pytest.raises(Refusal, match="name_taken"):
        membership.admit(state, taken, 3)
    renamed = decode(encode(taken), membership.Member)
    with pytest.raises(Refusal, match="key_taken"):
        membership.admit(state, replace(renamed, organisation="f"), 3)


def test_what_could_never_be_carried_out_is_not_put_to_the_vote() -> None:
    """It would stay before the members for ever, and be refused at the deciding vote."""
    state = founded()
    known, fresh = genesis("abcd").members[1], genesis("e").members[0]
    assert refusal(state, ProposeAction(Remove("e"))) == "not_a_member"
    assert refusal(state, ProposeAction(Admit(known))) == "name_taken"
    assert refusal(state, ProposeAction(Admit(replace(fresh, agent=known.agent)))) == "key_taken"
    assert refusal(state, ProposeAction(Admit(replace(fresh, agent=fresh.steward)))) == "key_taken"
    assert refusal(state, ProposeAction(Admit(replace(fresh, validator=bytes(31))))) == "bad_key"
    short = replace(fresh.wrapping, mlkem=fresh.wrapping.mlkem[1:])
    assert refusal(state, ProposeAction(Admit(replace(fresh, wrapping=short)))) == "bad_key"
    assert refusal(state, ProposeAction(Admit(replace(fresh, organisation="No Name")))) == "bad_name"
    assert refusal(state, ProposeAction(Admit(replace(fresh, title="x" * 121)))) == "bad_title"
    assert refusal(state, ProposeAction(SetParameters(Parameters(jail_ms=1)))) == "bad_parameters"
    assert membership.ballots(state) == []


def test_an_action_is_before_the_members_once() -> None:
    state = founded()
    assert refusal(state, ProposeAction(Remove("d")), "a") == "ok"
    assert refusal(state, ProposeAction(Remove("d")), "a", height=7) == "ballot_exists"
    assert refusal(state, ProposeAction(Remove("d")), "b", height=8) == "ballot_exists"
    ballot = membership.ballots(state)[0][0]
    assert refusal(state, VoteAction(ballot), "a") == "already_voted"
    membership.open_removal(Context(state, CHAIN, 9, 0, Credential("a", "agent")), "d")
    assert len(membership.ballots(state)) == 1, "proven fraud finds the vote open already"
    assert [refusal(state, VoteAction(ballot), name) for name in "bc"] == ["ok", "ok"]
    assert not membership.is_active(state, "d")
    assert refusal(state, VoteAction(ballot), "b") == "no_such_ballot"
    wanted = ProposeAction(SetParameters(Parameters(jail_ms=5_000)))
    for height in (10, 20):  # what was carried out can be put to the vote again
        assert refusal(state, wanted, "a", height=height) == "ok"
        ballot = next(ballot for ballot, entry in membership.ballots(state) if not entry.closed)
        assert refusal(state, VoteAction(ballot), "b") == "ok"


def test_what_has_become_impossible_gets_no_more_votes() -> None:
    """Two ballots admit the same hospital with different keys; one is carried out."""
    state = founded()
    first = genesis("e").members[0]
    other = replace(first, title="Another name")
    assert [refusal(state, admission(each, protocol=3), "a") for each in (first, other)] == ["ok", "ok"]
    ids = {entry.action: ballot for ballot, entry in membership.ballots(state)}
    for name in "bc":
        assert refusal(state, VoteAction(ids[Admit(first)]), name) == "ok"
    assert refusal(state, VoteAction(ids[Admit(other)]), "b") == "name_taken"


def test_votes_of_removed_members_count_for_nothing() -> None:
    state = founded()
    body = admission(genesis("e").members[0], protocol=3)
    assert refusal(state, body, "d") == "ok"
    ballot = membership.ballots(state)[0][0]
    assert refusal(state, VoteAction(ballot), "c") == "ok"
    membership.remove(state, "d", 1)
    membership.remove(state, "c", 1)
    assert refusal(state, VoteAction(ballot), "a") == "ok"
    assert not membership.is_active(state, "e")  # one of the two that are left
    assert refusal(state, VoteAction(ballot), "b") == "ok"
    assert membership.is_active(state, "e")


def test_what_could_not_be_carried_out_is_not_put_to_the_vote() -> None:
    state, newcomer = founded(), genesis("e").members[0]
    b = genesis().members[1]
    for action, code in (
        (Remove("nobody"), "not_a_member"),
        (Admit(b), "name_taken"),
        (Admit(replace(newcomer, agent=b.agent)), "key_taken"),
        (Admit(replace(newcomer, agent=newcomer.steward)), "key_taken"),
        (Admit(replace(newcomer, agent=b"short")), "bad_key"),
        (Admit(replace(newcomer, organisation="E")), "bad_name"),
        (Admit(replace(newcomer, title="x" * 121)), "bad_title"),
        (SetParameters(Parameters(deadline_blocks_min=0)), "bad_parameters"),
    ):
        assert refusal(state, ProposeAction(action)) == code
    assert membership.ballots(state) == []


def test_one_ballot_at_a_time_on_one_action() -> None:
    state = founded()
    body = ProposeAction(Remove("d"))
    assert refusal(state, body) == "ok"
    later = Context(state, CHAIN, 9, START_MS + 9000, Credential("b", "steward"))
    with pytest.raises(Refusal, match="ballot_exists"):
        contracts.apply(later, body)
    ((ballot, _),) = membership.ballots(state)
    for name in "bc":
        assert refusal(state, VoteAction(ballot), name) == "ok"
    assert not membership.is_active(state, "d")
    leaves = ProposeAction(Remove("c"))
    assert refusal(state, leaves) == "ok" and len(membership.ballots(state)) == 2


@pytest.mark.parametrize("number", [-(2**63), -1, 0, 2**63, 2**64 - 1])
def test_numbers_that_no_version_has_find_nothing(number: int) -> None:
    assert datasets.version(founded(), "a", "x", number) is None


def test_the_last_member_stays() -> None:
    state = founded()
    for name in "bcd":
        membership.remove(state, name, 1)
    with pytest.raises(Refusal, match="last_member"):
        membership.remove(state, "a", 1)
