"""The ledger as agents use it on CometBFT: the real application, and an RPC server played by the test."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread

import pytest
from msgspec.structs import replace

from hmchain.application.governance import members
from hmchain.application.governance.delegate import LedgerUser
from hmchain.application.governance.members import (
    NetworkParameterError,
    NoBallotError,
    UselessProposalError,
    announce_maintenance,
    changed_parameters,
    unjail,
    withdraw,
)
from hmchain.application.hospital.consortium import Consortium
from hmchain.interfaces.cli.network.show import rules_words
from hmchain.ledger.contracts.data import datasets
from hmchain.ledger.contracts.members import membership, parameters, standings
from hmchain.ledger.contracts.members.membership import Admit, Remove
from hmchain.ledger.engines.cometbft.ledger import CometLedger, OtherChainError, StoredStates
from hmchain.ledger.engines.cometbft.rpc import NoEndpointError, RpcClient, RpcError
from hmchain.ledger.engines.ledger import NotIncludedError, RefusedError, RefusedTransactionError
from hmchain.ledger.genesis import Genesis
from hmchain.ledger.protocols import FOUNDING
from hmchain.ledger.readers.members import BallotView
from hmchain.ledger.readers.rules import rules_of
from support.abci_chain import Chain
from support.ledger_network import genesis, member, possession, signing_key
from support.played_rpc import Engine


@pytest.fixture
def protocol() -> int:
    return FOUNDING


@pytest.fixture
def chain(tmp_path: Path, protocol: int) -> Iterator[Chain]:
    chain = Chain.found(tmp_path / "node", protocol=protocol)
    yield chain
    chain.app.close()


@pytest.fixture
def engine(chain: Chain) -> Engine:
    return Engine(chain)


def opened(
    engine: Engine,
    founding: Genesis | None = None,
    patience_seconds: float = 5.0,
    is_lost: Callable[[], bool] = lambda: False,
) -> CometLedger:
    client = RpcClient(["http://node"], transport=engine)
    chain = engine.chain
    return CometLedger(
        client, founding or chain.founding, StoredStates({"a": chain.directory}), clock_ms=chain.clock,
        patience_seconds=patience_seconds, is_lost=is_lost,
    )  # fmt: skip


def test_what_is_submitted_comes_back_in_a_block_and_only_then_into_the_state(chain: Chain, engine: Engine) -> None:
    ledger = opened(engine)
    digest = ledger.submit(chain.send.dataset("a", "one"))
    assert ledger.waiting and ledger.state.height == 0  # decided, and not looked at yet
    decided = ledger.produce_block()
    assert decided is not None and [receipt.transaction for receipt in decided[1].receipts] == [digest]
    assert datasets.dataset(ledger.state_of("a"), "a", "one") is not None
    assert not ledger.waiting and ledger.produce_block() is None
    ledger.close()
    chain.clock.ms -= 10**9
    ledger = opened(engine)
    assert ledger.now_ms() > decided[0].header.time_ms, "a clock that was set back brings back nothing that is over"
    ledger.close()


def test_a_block_is_given_once_all_nodes_in_the_same_hands_have_it(chain: Chain, tmp_path: Path) -> None:
    other = Chain.found(tmp_path / "other")
    both = {"a": chain.directory, "b": other.directory}
    source, hasty = StoredStates(both, patience_seconds=60), StoredStates(both, patience_seconds=0)
    chain.fill(1)
    found = hasty.next()
    assert found is not None and hasty.state_of("b").height < found.height, "one that is down holds nobody up"
    later = Thread(target=other.fill, args=(1,))
    later.start()
    assert source.next() == found and source.state_of("b").height == found.height
    later.join()
    source.close()
    hasty.close()
    other.app.close()


def test_blocks_of_others_come_in_order_and_empty_ones_not_at_all(chain: Chain, engine: Engine) -> None:
    chain.fill(2)
    ledger = opened(engine)  # what was decided before is in the state
    chain.block()
    assert ledger.produce_block() is None and ledger.state.height == 3
    chain.fill(2, first=2)
    chain.block()
    heights = [decided[0].header.height for decided in iter(ledger.produce_block, None)]
    assert heights == [4, 5] and ledger.state.height == 6
    ledger.close()


def test_a_transaction_that_is_lost_is_not_waited_for_for_ever(chain: Chain, engine: Engine) -> None:
    engine.prompt = False
    ledger = opened(engine, patience_seconds=0.05)
    ledger.submit(chain.send.dataset("a", "lost"))
    assert ledger.produce_block() is None and not ledger.waiting
    consortium = Consortium(chain.directory / "folder", opened(engine, patience_seconds=0.05), {})
    with consortium, pytest.raises(NotIncludedError, match="may still come into one until 20"):
        consortium.submit(chain.send.dataset("a", "lost too"))
    ledger.close()


def test_b5_what_was_sent_to_a_node_that_ended_is_not_waited_for(chain: Chain, engine: Engine) -> None:
    """An agent that waited for it would cost everybody else half a minute."""
    engine.prompt = False
    ends = iter([False, False, True])
    ledger = opened(engine, patience_seconds=3600, is_lost=lambda: next(ends))
    ledger.submit(chain.send.dataset("a", "lost"))
    assert ledger.produce_block() is None and not ledger.waiting and not list(ends)
    ledger.close()


def test_a_refusal_has_its_name(chain: Chain, engine: Engine) -> None:
    ledger = opened(engine)
    wire = chain.send.dataset("a", "one")
    with pytest.raises(RefusedError) as refused:
        ledger.submit(wire[:-1] + bytes([wire[-1] ^ 1]))
    assert refused.value.refusal == "bad_signature"
    sound, answer = chain.send.dataset("b", "two"), ledger.submit_many([b"nonsense", wire])
    assert isinstance(answer[0], RefusedError) and isinstance(answer[1], bytes)
    engine.problem = "mempool is full: number of txs 20000 (max: 20000)"
    with pytest.raises(RefusedError) as refused:
        ledger.submit(sound)
    assert refused.value.refusal == "mempool_full"
    engine.problem = "something else"
    with pytest.raises(RpcError, match="something else"):
        ledger.submit(sound)
    engine.dead = True
    with pytest.raises(NoEndpointError):
        ledger.submit(sound)
    ledger.close()


def test_a_consortium_runs_on_it_as_on_the_embedded_engine(chain: Chain, engine: Engine) -> None:
    with Consortium(chain.directory / "folder", opened(engine), {}) as consortium:
        first, again = chain.send.dataset("a", "one"), chain.send.dataset("a", "one")
        assert consortium.submit(first) == ["ok"]
        assert consortium.submit(again) == ["dataset_exists"]
        with pytest.raises(RefusedTransactionError, match="replayed"):
            consortium.submit(first)


def vote(steward: LedgerUser, prefix: str) -> BallotView:
    return members.vote(steward, members.open_ballot(steward, prefix))


def test_members_are_asked_and_two_thirds_decide(chain: Chain, engine: Engine) -> None:
    with Consortium(chain.directory / "folder", opened(engine), {}) as consortium:
        # All read the one node of this test; each signs with its own key.
        stewards = [LedgerUser("a", signing_key(name, "steward"), consortium.ledger) for name in "abcd"]
        asked = members.propose(stewards[0], members.admission(stewards[0], member("e"), possession(member("e"))))
        assert dict(asked.details) == {"name": member("e").title, "fingerprint": member("e").fingerprint}
        assert (asked.action, asked.yes, asked.needed, asked.passed) == ("admit e", ("a",), 3, False)
        with pytest.raises(NoBallotError, match="no open ballot begins"):
            vote(stewards[1], "xxxx")
        with pytest.raises(RefusedTransactionError, match="already_voted"):
            vote(stewards[0], asked.id.hex()[:4])
        assert not vote(stewards[1], asked.id.hex()[:6].upper()).passed
        assert vote(stewards[2], asked.id.hex()).passed
        assert membership.is_active(consortium.ledger.state, "e")
        with pytest.raises(NoBallotError):
            vote(stewards[3], asked.id.hex())
        for action, what in (
            (Admit(member("e")), "e is a member, or was one"),
            (Admit(replace(member("f"), agent=member("a").agent)), "a key of f is known"),
            (Remove("nobody"), "there is no member 'nobody'"),
        ):
            with pytest.raises(UselessProposalError, match=what):
                members.motion(stewards[0], action)
        again = members.propose(stewards[0], members.admission(stewards[0], member("f"), possession(member("f"))))
        with pytest.raises(UselessProposalError, match="asked just this already") as told:
            members.admission(stewards[1], member("f"), possession(member("f")))
        assert again.id.hex()[:12] in told.value.hint
        for steward in stewards[1:]:  # four of five
            vote(steward, again.id.hex())
        with pytest.raises(RefusedTransactionError, match="not_jailed"):
            unjail(stewards[0])


def test_members_change_the_network_s_parameters(chain: Chain, engine: Engine) -> None:
    with Consortium(chain.directory / "folder", opened(engine), {}) as consortium:
        stewards = [LedgerUser("a", signing_key(name, "steward"), consortium.ledger) for name in "abcd"]
        before = parameters.current(stewards[0].state)
        settings = ["round_trip_ms=160", "jail_ms=60000"]
        action = changed_parameters(stewards[0].state, settings)
        assert action.parameters == replace(before, round_trip_ms=160, jail_ms=60_000)
        asked = members.propose(stewards[0], members.setting(stewards[0], settings))
        assert asked.action == "set jail_ms=60000, round_trip_ms=160" and not asked.passed
        vote(stewards[1], asked.id.hex())
        assert "round_trip_ms=160" in vote(stewards[2], asked.id.hex()).action
        assert parameters.current(stewards[0].state) == action.parameters
        for settings, what in (
            (["colour=5"], "no network parameter 'colour'"),
            (["jail_ms"], "jail_ms cannot be ''"),
            (["jail_ms=-5"], "jail_ms cannot be '-5'"),
            (["jail_ms=" + "9" * 30], "jail_ms cannot be"),
            (["round_trip_ms=9"], "it may be 10 to 2000"),
            (["round_trip_ms=160"], "in force already"),
        ):
            with pytest.raises(NetworkParameterError, match=what):
                members.propose(stewards[0], members.setting(stewards[0], settings))


@pytest.mark.parametrize("protocol", [2])
def test_members_agree_on_the_next_rules_and_call_them_off(chain: Chain, engine: Engine) -> None:
    with Consortium(chain.directory / "folder", opened(engine), {}) as consortium:
        stewards = [LedgerUser("a", signing_key(name, "steward"), consortium.ledger) for name in "abcd"]
        with pytest.raises(UselessProposalError, match="no upgrade is agreed on"):
            members.propose(stewards[0], members.calling_off(stewards[0]))
        with pytest.raises(UselessProposalError, match="not the protocol after the one in force") as told:
            members.propose(stewards[0], members.upgrade(stewards[0], 99999999999999, None, 0))
        assert told.value.hint == "`hmchain network upgrade show`"
        with pytest.raises(UselessProposalError, match="too soon"):
            members.propose(stewards[0], members.upgrade(stewards[0], 3, 0, 10**6))
        asked = members.propose(stewards[0], members.upgrade(stewards[0], 3, None, 9))
        assert asked.action.startswith("protocol 3 after 20") and asked.action.endswith("UTC and block 9")
        assert not withdraw(stewards[0], asked.id.hex()).open
        with pytest.raises(NoBallotError):
            vote(stewards[1], asked.id.hex())
        asked = members.propose(stewards[0], members.upgrade(stewards[0], 3, None, 10))
        for steward in stewards[1:3]:
            vote(steward, asked.id.hex())
        rules = rules_of(consortium.ledger.state)
        assert (rules.protocol, rules.known, rules.next, rules.after_height) == (2, (2, 3, 4), 3, 10)
        assert rules_words(rules).endswith("and block 10")
        before = dataclasses.replace(rules, known=(2,))
        assert "block 10; this program does not know it and will stop there" in rules_words(before)
        with pytest.raises(UselessProposalError, match="another upgrade is agreed on"):
            members.propose(stewards[0], members.upgrade(stewards[0], 3, None, 11))
        asked = members.propose(stewards[0], members.calling_off(stewards[0]))
        assert asked.action == "call off protocol 3"
        for steward in stewards[1:3]:
            vote(steward, asked.id.hex())
        assert rules_words(rules_of(consortium.ledger.state)) == "2"


def test_maintenance_is_announced_and_ended(chain: Chain, engine: Engine) -> None:
    with Consortium(chain.directory / "folder", opened(engine), {}) as consortium:
        steward = LedgerUser("a", signing_key("a", "steward"), consortium.ledger)
        window = announce_maintenance(steward, 120)
        assert window.until_ms - window.from_ms == 120 * 60_000
        assert standings.standing(steward.state, "a").power == 1
        with pytest.raises(RefusedTransactionError, match=r"maintenance_lately.* on 20.*the next may begin on 20"):
            announce_maintenance(steward, 1, 60)
        assert unjail(steward).power > 1


def test_a_node_of_another_chain_is_refused(engine: Engine) -> None:
    with pytest.raises(OtherChainError, match="not other"):
        opened(engine, replace(genesis(), name="other"))
