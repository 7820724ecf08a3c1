"""Proofs from CometBFT nodes, against a block that CometBFT itself made and signed."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import pytest
from msgspec import structs
from msgspec.structs import replace

from hmchain.ledger.engines.cometbft import light
from hmchain.ledger.engines.cometbft.light import LightProof, LightProofError
from hmchain.ledger.genesis import Genesis
from support.ledger_network import genesis, member
from support.paths import VECTORS

VECTOR: dict[str, Any] = msgspec.json.decode((VECTORS / "light_proof.json").read_bytes())
PROOF = msgspec.convert(VECTOR["proof"], LightProof)
HEADER, COMMIT = PROOF.signed_header.header, PROOF.signed_header.commit


class Recorded(Genesis, frozen=True):
    """As if it were what the recorded chain was founded with."""

    chain_id = HEADER.chain_id


def recorded(**changes: object) -> Genesis:
    return Recorded(**structs.asdict(replace(genesis(), **changes)))


def founders(count: int = 1) -> Genesis:
    """A genesis of the vector's validator and others who signed nothing."""
    signer = replace(member("a"), validator=base64.b64decode(VECTOR["validator"]))
    others = [member(name) for name in "bcdefg"[: count - 1]]
    return recorded(members=(signer, *others))


def with_header(**changes: object) -> LightProof:
    return replace(PROOF, signed_header=replace(PROOF.signed_header, header=replace(HEADER, **changes)))


def with_commit(**changes: object) -> LightProof:
    return replace(PROOF, signed_header=replace(PROOF.signed_header, commit=replace(COMMIT, **changes)))


def test_a_block_of_cometbft_is_retraced() -> None:
    assert light.header_hash(HEADER).hex().upper() == COMMIT.block_id.hash
    assert PROOF.path.total > 1
    light.verify(PROOF, founders())


@pytest.mark.parametrize("field", [name for name in HEADER.__struct_fields__ if name.endswith("hash")])
def test_every_hash_in_the_header_is_bound(field: str) -> None:
    with pytest.raises(LightProofError, match="another block"):
        light.verify(with_header(**{field: "00" * 32}), founders())


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"time": "2026-01-01T00:00:00.5Z"}, "another block"),
        ({"height": HEADER.height + 1}, "another block"),
        ({"chain_id": "other"}, "another block"),
        ({"proposer_address": "00" * 20}, "another block"),
        ({"time": "yesterday"}, "malformed"),
        ({"data_hash": "no hash"}, "malformed"),
    ],
)
def test_every_other_field_is_bound(change: dict[str, object], what: str) -> None:
    with pytest.raises(LightProofError, match=what):
        light.verify(with_header(**change), founders())


@pytest.mark.parametrize(
    "change",
    [
        {"signature": None},
        {"signature": bytes(64)},
        {"block_id_flag": 1},
        {"block_id_flag": 3},
        {"timestamp": "2026-01-01T00:00:00Z"},
        {"validator_address": "00" * 20},
    ],
)
def test_only_a_genuine_vote_counts(change: dict[str, object]) -> None:
    votes = tuple(replace(vote, **change) for vote in COMMIT.signatures)
    with pytest.raises(LightProofError, match="only 0 of 1 founders"):
        light.verify(with_commit(signatures=votes), founders())


def test_votes_of_another_round_do_not_count() -> None:
    with pytest.raises(LightProofError, match="only 0 of 1"):
        light.verify(with_commit(round=COMMIT.round + 1), founders())


def test_one_vote_counts_once_and_two_thirds_are_needed() -> None:
    twice = with_commit(signatures=COMMIT.signatures * 3)
    with pytest.raises(LightProofError, match="only 1 of 3"):
        light.verify(twice, founders(3))
    with pytest.raises(LightProofError, match="only 0 of 4"):
        light.verify(PROOF, recorded())
    with pytest.raises(LightProofError, match="belongs to chain"):
        light.verify(PROOF, genesis())


def test_only_the_transaction_itself_is_proven() -> None:
    for proof in (
        replace(PROOF, tx=PROOF.tx + b"!"),
        replace(PROOF, path=replace(PROOF.path, index=PROOF.path.index + 1)),
        replace(PROOF, path=replace(PROOF.path, aunts=())),
    ):
        with pytest.raises(LightProofError, match="not under the header's root"):
            light.verify(proof, founders())
