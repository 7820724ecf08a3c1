"""A steward sets a policy at the hospital's node: in words before and after, by two where it says so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from hmchain.application.governance.delegate import LedgerUser
from hmchain.application.governance.policies import setting
from hmchain.application.governance.policies.file import PolicyFile, terms_of
from hmchain.application.governance.policies.setting import NoPolicyError
from hmchain.ledger.engines.ledger import RefusedTransactionError
from support.ledger_network import Network, signing_key
from support.request_bed import NAME, RequestBed

FREE = PolicyFile(dataset="brain", uses=("GRU",), person_looks=False)


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    network = Network.found(tmp_path / "ledger", protocol=3)
    network.block(network.send.dataset("a", "brain"))
    yield network
    network.ledger.close()


@pytest.fixture
def steward(network: Network) -> LedgerUser:
    return LedgerUser("a", signing_key("a", "steward"), network.ledger)


def test_what_changes_is_said_before_and_kept_after(steward: LedgerUser) -> None:
    terms = terms_of(FREE)
    change = setting.change(steward.state, "a", "brain", terms, 0)
    assert change.before == 0 and change.needed == 1 and not change.denied and not change.too_few
    assert "A person looks at every request." in change.gone
    assert "It may be used for general research use, and for whatever is a kind of it." in change.new
    done = setting.put(steward, "brain", terms)
    assert (done.version, done.waiting) == (1, None)
    shown = setting.shown(steward.state, "a", "brain")
    assert (shown.version, shown.persons, shown.digest) == (1, ("a/steward",), terms.digest)
    setting.put(steward, "brain", terms_of(replace(FREE, conditions=["NCU"])))
    assert setting.compared(steward.state, "a", "brain", 1, 2).new == ("No commercial use.",)
    assert [each.version for each in setting.history(steward.state, "a", "brain")] == [2, 1, 0]
    assert setting.shown(steward.state, "a", "brain", 1).rules == shown.rules


def test_a_policy_for_two_waits_for_the_second(steward: LedgerUser) -> None:
    strict = terms_of(replace(FREE, approvers=2))
    assert setting.change(steward.state, "a", "brain", strict, 0).too_few
    setting.put(steward, "brain", strict)
    done = setting.put(steward, "brain", terms_of(FREE))
    assert done.version == 1 and done.waiting is not None
    assert (done.waiting.persons, done.waiting.needed) == (("a/steward",), 2)
    waiting = setting.waiting(steward.state, "a", "brain")
    assert waiting == setting.shown(steward.state, "a", "brain").waiting == done.waiting
    with pytest.raises(RefusedTransactionError, match="same_person"):
        setting.confirm(steward, waiting)
    assert setting.withdraw(steward, "brain").waiting is None
    with pytest.raises(NoPolicyError, match="no policy of brain waits"):
        setting.withdraw(steward, "brain")


def test_approvals_that_a_policy_would_not_give_are_listed_and_stay(tmp_path: Path) -> None:
    bed = RequestBed.found(tmp_path)
    bed.submit()
    bed.approve("east/steward")
    east = bed.user("east/steward")
    now_ms = east.ledger.now_ms()
    free = replace(FREE, colluders=0, kinds=("transfer",))
    mild, strict = terms_of(free), terms_of(replace(free, institutions=["east"]))
    assert setting.change(east.state, "east", "brain", mild, now_ms).denied == ()
    (found,) = setting.change(east.state, "east", "brain", strict, now_ms).denied
    assert found.request == NAME and found.reasons == ("somebody of the request is of an institution that may not ask",)
    assert found.revoke == f"hmchain request revoke {NAME} --dataset brain --reason policy"
    setting.put(east, "brain", strict)
    assert len(setting.denied(east.state, "east", strict, "brain", now_ms)) == 1, "it stays approved"
    assert setting.denied(east.state, "east", strict, "brain", 1 << 50) == ()
    bed.close()


def test_what_is_not_there_is_named(steward: LedgerUser) -> None:
    with pytest.raises(NoPolicyError, match="has no dataset lung"):
        setting.shown(steward.state, "a", "lung")
    with pytest.raises(NoPolicyError, match="has no version 7"):
        setting.shown(steward.state, "a", "brain", 7)
    with pytest.raises(NoPolicyError, match="has no version 9"):
        setting.compared(steward.state, "a", "brain", 0, 9)
