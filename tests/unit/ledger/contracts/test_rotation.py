"""Rotation of keys: what the new key may, what the old one may no more, and what stays with the organisation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hmchain.canonical import digest, encode
from hmchain.keys import SigningKey, WrappingKey, WrappingPublicKey
from hmchain.ledger import proposer, reputation
from hmchain.ledger.blocks import ABSENT, COMMIT, BlockInput, DoubleSign, SignedVote, vote_bytes
from hmchain.ledger.context import Context, Credential
from hmchain.ledger.contracts.data.datasets import RegisterDataset
from hmchain.ledger.contracts.members import attendance, membership, standings
from hmchain.ledger.contracts.members.membership import ProposeAction, Remove, VoteAction
from hmchain.ledger.contracts.members.rotation import RotateKey, RotateWrappingKey, rotation_bytes
from hmchain.ledger.engines.cometbft import abci_pb2 as abci
from hmchain.ledger.engines.cometbft.blocks import lawful, validator_updates
from hmchain.ledger.engines.ledger import RefusedError
from hmchain.ledger.genesis import Genesis, initialise
from hmchain.ledger.readers import lineage, replay
from hmchain.ledger.state import State, Table
from hmchain.ledger.transactions import Refusal, authenticate, sign
from hmchain.ledger.transition import Machine
from support.abci_chain import Chain, misbehaviour
from support.ledger_network import CHAIN, SCHEMA, START_MS, Clock, Network, Sender, genesis, signing_key

STANDINGS = Table("standings", standings.Standing)
"""As the contract keeps them: these tests change what no transaction may."""

ROLES = membership.SIGNING_ROLES


def fresh_key(name: str, number: int = 0) -> SigningKey:
    return SigningKey(digest("fresh key", name.encode(), number.to_bytes(4, "big")))


def rotation(
    name: str,
    role: str,
    key: SigningKey,
    former: SigningKey | None = None,
    *,
    prover: SigningKey | None = None,
    chain: str = CHAIN,
    as_role: str | None = None,
) -> RotateKey:
    """A rotation of `name`'s key; the keyword arguments make it a false one."""
    old = (former or signing_key(name, role)).public.raw
    proven = rotation_bytes(chain, name, as_role or role, old, key.public.raw)
    return RotateKey(role, key.public.raw, (prover or key).sign(proven))


def wire_by(key: SigningKey, body: object, number: int, now_ms: int) -> bytes:
    nonce = digest("rotation nonce", number.to_bytes(4, "big"))[:16]
    return sign(key, CHAIN, encode(body), nonce, now_ms + 600_000)


def powers(network: Network, ahead: int) -> dict[str, tuple[int, bytes]]:
    validators = standings.validators_at(network.ledger.state, network.ledger.height + ahead)
    return {entry.id: (entry.power, entry.address) for entry in validators}


@pytest.fixture
def network(tmp_path: Path) -> Network:
    return Network.found(tmp_path / "ledger")


def code(network: Network, wire: bytes) -> str:
    return network.block(wire).receipts[0].code


# -- who may, and what it does -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ROLES)
def test_the_new_key_acts_and_the_old_one_is_refused(network: Network, role: str) -> None:
    new = fresh_key("a")
    assert code(network, network.send("a", rotation("a", role, new))) == "ok"
    entry = membership.membership(network.ledger.state, "a")
    assert entry is not None and getattr(entry.member, role) == new.public.raw
    assert membership.credential(network.ledger.state, new.public.raw) == Credential("a", role)
    machine = network.ledger.validators["b"].machine
    body = RegisterDataset("x", SCHEMA)
    now_ms = network.send.clock.ms
    old, fresh = (wire_by(key, body, number, now_ms) for number, key in enumerate([signing_key("a", role), new]))
    inputs = BlockInput(network.ledger.height + 1, now_ms + 1, "b", 0, (), (), (old, fresh))
    receipts = machine.execute(inputs).receipts
    machine.rollback()
    assert [receipt.code for receipt in receipts] == ["retired_key", "ok" if role == "steward" else "wrong_role"]
    assert network.commitments() == {network.ledger.state.commitment()}


@pytest.mark.parametrize("role", ["scientist", "agent", "validator"])
def test_a_stolen_role_key_cannot_replace_itself(network: Network, role: str) -> None:
    assert code(network, network.send("a", rotation("a", role, fresh_key("a")), role=role)) == "wrong_role"


def test_possession_of_the_new_key_is_proven_for_this_place_alone(network: Network) -> None:
    new = fresh_key("a")
    false = [
        rotation("a", "agent", new, prover=signing_key("a", "agent")),
        rotation("a", "agent", new, chain="other"),
        rotation("a", "agent", new, as_role="scientist"),
        rotation("a", "agent", new, signing_key("b", "agent")),
        rotation("b", "agent", new),
    ]
    for body in false:
        assert code(network, network.send("a", body)) == "bad_proof_of_possession"
    assert code(network, network.send("a", RotateKey("owner", new.public.raw, b""))) == "bad_role"
    assert code(network, network.send("a", RotateKey("agent", b"short", b""))) == "bad_key"
    assert code(network, network.send("a", rotation("a", "agent", new))) == "ok"


def test_a_key_that_anybody_ever_had_cannot_come_back(network: Network) -> None:
    for taken in (signing_key("b", "agent"), signing_key("a", "scientist"), signing_key("a", "agent")):
        assert code(network, network.send("a", rotation("a", "agent", taken))) == "key_taken"
    first, second = fresh_key("a", 1), fresh_key("a", 2)
    assert code(network, network.send("a", rotation("a", "agent", first))) == "ok"
    assert code(network, network.send("a", rotation("a", "agent", second, first))) == "ok"
    assert code(network, network.send("a", rotation("a", "agent", first, second))) == "key_taken"


def test_a_steward_hands_on_its_own_key_and_acts_with_the_new_one(network: Network) -> None:
    new = fresh_key("a")
    assert code(network, network.send("a", rotation("a", "steward", new))) == "ok"
    with pytest.raises(RefusedError, match="retired_key"):
        network.ledger.submit(network.send.dataset("a", "late"))
    body = rotation("a", "agent", fresh_key("a", 7))
    assert code(network, wire_by(new, body, 1, network.send.clock.ms)) == "ok"


def test_a_removed_member_rotates_nothing(network: Network) -> None:
    state = network.ledger.state
    membership.remove(state, "d", 1)
    with pytest.raises(Refusal, match="not_a_member"):
        membership.change_key(state, Credential("d", "agent"), fresh_key("d").public.raw)
    state.rollback()


def test_the_wrapping_key_changes_for_what_is_wrapped_from_now_on(network: Network) -> None:
    new = WrappingKey.generate().public
    assert code(network, network.send("a", RotateWrappingKey(new))) == "ok"
    entry = membership.membership(network.ledger.state, "a")
    assert entry is not None and entry.member.wrapping == new
    assert code(network, network.send("a", RotateWrappingKey(new))) == "key_taken"
    broken = WrappingPublicKey("mlkem768-x25519", b"short", bytes(32))
    assert code(network, network.send("a", RotateWrappingKey(broken))) == "bad_key"
    assert code(network, network.send("a", RotateWrappingKey(new), role="agent")) == "wrong_role"


# -- validators --------------------------------------------------------------------------------------------------------


def test_power_moves_from_the_old_key_to_the_new_one_two_blocks_later(network: Network) -> None:
    new = fresh_key("b")
    old_place, new_place = (proposer.address(key.public.raw) for key in (signing_key("b", "validator"), new))
    before = powers(network, 1)
    score = standings.standing(network.ledger.state, "b")
    network.block(network.send("b", rotation("b", "validator", new)))
    assert powers(network, 1)["b"] == (before["b"][0], old_place)
    assert powers(network, 2)["b"] == (before["b"][0], new_place)
    assert {name: entry[0] for name, entry in powers(network, 2).items()} == {n: e[0] for n, e in before.items()}
    assert standings.standing(network.ledger.state, "b") == score  # reputation is the organisation's


def test_a_validator_goes_on_with_the_new_key_and_the_audit_follows_it(network: Network) -> None:
    network.fill(2)
    new = fresh_key("b")
    network.ledger.hold_key("b", new)
    network.block(network.send("b", rotation("b", "validator", new)))
    network.fill(8, first=10)
    last = network.ledger.store.get(network.ledger.height)
    assert last is not None and all(vote.flag == COMMIT for vote in last.commit.votes)
    assert {"b"} <= {stored.block.header.proposer for stored in network.ledger.store.blocks(4)}
    report = replay.verify(network.directory, network.ledger.genesis.digest, threads=1)
    assert report.height == network.ledger.height
    lineage.trace_dataset(network.directory, "a", "d0")  # knows the new keys' owner too


def test_without_the_new_key_a_validator_falls_silent_and_the_others_go_on(network: Network) -> None:
    network.block(network.send("b", rotation("b", "validator", fresh_key("b"))))
    network.fill(6, first=10)
    last = network.ledger.store.get(network.ledger.height)
    assert last is not None
    assert {vote.validator for vote in last.commit.votes if vote.flag == ABSENT} == {"b"}
    replay.verify(network.directory, threads=1)


def test_handovers_are_rare_and_few_at_once(network: Network) -> None:
    first, second = fresh_key("b", 1), fresh_key("b", 2)
    network.ledger.hold_key("b", first)
    network.block(network.send("b", rotation("b", "validator", first)))
    assert code(network, network.send("b", rotation("b", "validator", second, first))) == "rotated_lately"
    assert code(network, network.send("c", rotation("c", "validator", fresh_key("c")))) == "handovers_under_way"
    network.fill(standings.HANDOVER_BLOCKS, first=10)
    assert code(network, network.send("c", rotation("c", "validator", fresh_key("c")))) == "ok"


def test_what_a_handover_costs_does_not_grow_with_the_keys_that_there_were(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One member's keys of a day would make a block of refused rotations half a minute's work for every node."""
    for number in (1, 2):
        former = fresh_key("b", number - 1) if number > 1 else None
        network.ledger.hold_key("b", fresh_key("b", number))
        network.block(network.send("b", rotation("b", "validator", fresh_key("b", number), former)))
        network.fill(10 * 4 + 2, first=100 * number)
    scanned: list[bytes] = []
    real = State.scan
    monkeypatch.setattr(State, "scan", lambda self, prefix: scanned.append(prefix) or real(self, prefix))
    assert code(network, network.send("c", rotation("c", "validator", fresh_key("c")))) == "ok"
    network.fill(3, first=900)
    assert standings.voting_keys(network.ledger.state, network.ledger.height)
    assert not [prefix for prefix in scanned if prefix.startswith(b"former_validator_keys")]


def test_two_rotations_in_one_block_count_as_one(network: Network) -> None:
    first, second = fresh_key("b", 1), fresh_key("b", 2)
    wires = [network.send("b", rotation("b", "validator", first)),
             network.send("b", rotation("b", "validator", second, first))]  # fmt: skip
    assert [receipt.code for receipt in network.block(*wires).receipts] == ["ok", "rotated_lately"]
    assert powers(network, 2)["b"][1] == proposer.address(first.public.raw)


def double_sign(name: str, key: SigningKey, height: int) -> DoubleSign:
    votes = []
    for number in range(2):
        block_hash = bytes([number]) * 32
        votes.append(SignedVote(height, 0, block_hash, key.sign(vote_bytes(CHAIN, height, 0, block_hash))))
    return DoubleSign(name, votes[0], votes[1])


def judged(network: Network, evidence: DoubleSign, height: int | None = None) -> bool:
    """Whether evidence ends its validator, on a state that is left as it was."""
    machine = network.ledger.validators["a"].machine
    inputs = BlockInput(height or network.ledger.height + 1, network.send.clock.ms + 1, "a", 0, (), (evidence,), ())
    machine.execute(inputs)
    ended = standings.standing(machine.state, evidence.validator).tombstoned
    machine.rollback()
    return ended


def test_an_old_key_s_double_sign_still_ends_the_organisation(network: Network) -> None:
    old, new = signing_key("b", "validator"), fresh_key("b")
    network.ledger.hold_key("b", new)
    network.block(network.send("b", rotation("b", "validator", new)))
    until = network.ledger.height + 2
    network.fill(4, first=10)
    assert judged(network, double_sign("b", old, until - 1))
    assert judged(network, double_sign("b", new, until))
    assert not judged(network, double_sign("b", old, until))  # it had no power there: whoever found it proves nothing
    assert not judged(network, double_sign("c", old, 1))
    mixed = DoubleSign("b", double_sign("b", old, 1).first, double_sign("b", new, 1).second)
    assert not judged(network, mixed)


def test_a_key_that_was_found_years_later_ends_nobody(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    network.ledger.hold_key("b", fresh_key("b"))
    network.block(network.send("b", rotation("b", "validator", fresh_key("b"))))
    evidence = double_sign("b", signing_key("b", "validator"), 1)
    network.fill(6, first=10)
    assert judged(network, evidence)
    monkeypatch.setattr(standings, "EVIDENCE_BLOCKS_MAX", 3)
    assert not judged(network, evidence)


def test_cometbft_gets_one_legal_set_and_its_evidence_finds_the_owner_of_an_old_key(tmp_path: Path) -> None:
    chain = Chain.found(tmp_path / "node")
    old, new = signing_key("b", "validator"), fresh_key("b")
    answer = chain.block(chain.send("b", rotation("b", "validator", new)))
    found = {bytes(update.pub_key.ed25519): update.power for update in answer.validator_updates}
    power = standings.standing(chain.app.state, "b").power
    assert found == {new.public.raw: power, old.public.raw: 0}
    chain.block()
    for number in range(3):
        votes = {bytes(entry.address): COMMIT for entry in standings.validators_at(chain.app.state, chain.height)}
        request = chain.request(chain.send.dataset("a", f"d{number}"), votes={})
        request.decided_last_commit.votes.extend(
            abci.VoteInfo(validator=abci.Validator(address=place), block_id_flag=flag) for place, flag in votes.items()
        )
        chain.decide(request)
    assert standings.voting_keys(chain.app.state, chain.height)["b"] == new.public.raw
    assert "b" not in attendance.silences(chain.app.state)
    chain.decide(chain.request(votes={}, evidence=[misbehaviour("b")]))
    assert standings.standing(chain.app.state, "b").tombstoned


# -- any story of rotations, jails, joins and removals -----------------------------------------------------------------


class CometBFT:
    """What CometBFT keeps of the updates it is sent, by key; refuses what would halt it."""

    def __init__(self, founding: Mapping[bytes, int]) -> None:
        self.powers = dict(founding)

    def take(self, updates: list[abci.ValidatorUpdate]) -> None:
        keys = [bytes(update.pub_key.ed25519) for update in updates]
        assert len(set(keys)) == len(keys), "a key is changed twice"
        for key, update in zip(keys, updates, strict=True):
            assert update.power > 0 or key in self.powers, "an unknown key is removed"
        self.powers |= {key: update.power for key, update in zip(keys, updates, strict=True)}
        self.powers = {key: power for key, power in self.powers.items() if power}
        assert self.powers, "no validator is left"


STEP = st.tuples(st.sampled_from(["rotate", "remove", "jail", "unjail", "wait"]), st.integers(0, 6), st.integers(0, 25))


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(names=st.sampled_from(["ab", "abc", "abcd", "abcdefg"]), story=st.lists(st.lists(STEP, max_size=4), max_size=12))
def test_every_story_of_rotations_gives_legal_and_safe_sets(
    names: str, story: list[list[tuple[str, int, int]]]
) -> None:
    """Handovers mixed with jails and removals, several in one block: CometBFT never halts, and agrees on who votes."""
    state, height = State(), 0
    founding: Genesis = genesis(names)
    initialise(state, founding)
    state.commit(0)
    engine = CometBFT({member.validator: 1000 for member in founding.members})
    keys = standings.voting_keys(state, 1)
    engine.powers = {keys[entry.id]: entry.power for entry in standings.validators_at(state, 1)}
    made = 0
    for steps in story:
        height += 1 + sum(waited for kind, _, waited in steps if kind == "wait")
        inputs = BlockInput(height, START_MS + height, names[0], 0, (), (), (b"transaction",))
        standings.begin_block(state, inputs)
        for kind, who, _ in steps:
            made += 1
            apply_step(state, height, kind, names[who % len(names)], made)
        standings.end_block(state, inputs)
        state.commit(height)
        changes = lawful(standings.validators_at(state, height + 1), standings.changes_at(state, height + 2))
        engine.take(validator_updates(changes))
        ours = {standings.voting_keys(state, height + 2)[entry.id]: entry.power
                for entry in standings.validators_at(state, height + 2)}  # fmt: skip
        assert ours == engine.powers
        members = sum(not standings.standing(state, name).tombstoned for name in names)
        assert reputation.safe(list(engine.powers.values()), members)


def apply_step(state: State, height: int, kind: str, name: str, number: int) -> None:
    """One event, refused or not, undone if it is refused."""
    context = Context(state, CHAIN, height, START_MS + height, Credential(name, "steward"))
    entry, member = standings.standing(state, name), membership.membership(state, name)
    assert member is not None
    mark = state.savepoint()
    try:
        if kind == "rotate":
            owner = Credential(name, "validator")
            former = membership.change_key(state, owner, fresh_key(name, number).public.raw)
            standings.hand_over(context, name, former)
        elif kind == "remove":
            membership.remove(state, name, height)
        elif kind == "jail" and not entry.jailed and not entry.tombstoned:
            STANDINGS.put(state, reputation.jail(entry, height, START_MS + height), name)
        elif kind == "unjail" and entry.jailed:
            STANDINGS.put(state, reputation.unjail(entry), name)
    except Refusal:
        state.rollback(mark)


def test_removal_by_vote_right_after_a_rotation_takes_the_power_from_the_old_key(network: Network) -> None:
    network.block(network.send("a", ProposeAction(Remove("b"))))
    ballot = membership.ballots(network.ledger.state)[0][0]
    network.block(network.send("c", VoteAction(ballot)))
    rotate = network.send("b", rotation("b", "validator", fresh_key("b")))
    receipts = network.block(rotate, network.send("d", VoteAction(ballot))).receipts
    assert [receipt.code for receipt in receipts] == ["ok", "ok"]
    changes = standings.changes_at(network.ledger.state, network.ledger.height + 2)
    (change,) = (change for change in changes if change.organisation == "b")
    assert (change.power, change.key, change.former) == (0, signing_key("b", "validator").public.raw, b"")


def test_priorities_after_a_handover_are_those_of_a_newcomer() -> None:
    """As in CometBFT, where the old key leaves and the new one joins: changing keys never brings a turn forward."""
    places = {name: proposer.address(name.encode()) for name in "abcd"}
    validators = proposer.update((), [(name, 10) for name in "abcd"], places)
    moved = proposer.update(validators, [("b", 10)], {"b": proposer.address(b"new")})
    total = 50  # both keys of b count before the removal
    raw = {"b": -(total + total // 8)} | {entry.id: entry.priority for entry in validators if entry.id != "b"}
    average = sum(raw.values()) // 4
    assert {entry.id: entry.priority for entry in moved} == {name: value - average for name, value in raw.items()}
    assert [entry.address for entry in moved if entry.id == "b"] == [proposer.address(b"new")]


def test_the_machine_refuses_a_retired_key_before_it_enters_the_mempool(network: Network) -> None:
    network.block(network.send("a", rotation("a", "agent", fresh_key("a"))))
    machine: Machine = network.ledger.validators["a"].machine
    sender = Sender(Clock(network.send.clock.ms), sent=500)
    with pytest.raises(Refusal, match="retired_key"):
        retired = authenticate(sender("a", RegisterDataset("y", SCHEMA), role="agent"), CHAIN)
        machine.check(retired.transaction, sender.clock.ms + 1)
