"""A transaction's way from its body to the wire: prepared, signed by whoever holds the key, sent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from hmchain.ledger import contracts
from hmchain.ledger.contracts.members.maintenance import AnnounceMaintenance
from hmchain.ledger.engines.ledger import EXPIRY_MS, RefusedTransactionError, prepare, signed, submit
from hmchain.ledger.state import State
from hmchain.ledger.transactions import authenticate
from support.ledger_network import Network, signing_key

BODY = AnnounceMaintenance(0, 60_000)


@dataclass
class OwnNode:
    """Hospital a's node of the network."""

    network: Network

    @property
    def chain_id(self) -> str:
        return self.network.ledger.chain_id

    @property
    def state(self) -> State:
        return self.network.ledger.state_of("a")

    def now_ms(self) -> int:
        return self.network.ledger.now_ms()


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    network = Network.found(tmp_path)
    yield network
    network.ledger.close()


def test_what_is_prepared_says_all_that_is_signed(network: Network) -> None:
    key, node = signing_key("a", "steward"), OwnNode(network)
    prepared = prepare(key.public, node, BODY)
    assert contracts.decode_body(prepared.transaction.body) == BODY
    authentic = authenticate(prepared.attach(key.sign(prepared.message)), node.chain_id)
    assert authentic.transaction == prepared.transaction
    assert authentic.transaction.expires_ms == node.now_ms() + EXPIRY_MS


def test_two_transactions_of_one_body_are_two(network: Network) -> None:
    key, node = signing_key("a", "steward"), OwnNode(network)
    assert signed(key, node, BODY) != signed(key, node, BODY)
    assert signed(key, node, BODY, bytes) == signed(key, node, BODY, bytes)


def test_the_ledger_takes_what_the_key_signed_and_nothing_else(network: Network) -> None:
    key, node = signing_key("a", "steward"), OwnNode(network)
    prepared, other = prepare(key.public, node, BODY), signing_key("b", "steward")
    with pytest.raises(RefusedTransactionError, match="bad_signature"):
        submit(network.ledger, [prepared.attach(other.sign(prepared.message))])
    assert submit(network.ledger, [prepared.attach(key.sign(prepared.message))]) == ["ok"]
