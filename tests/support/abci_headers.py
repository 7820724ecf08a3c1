"""The headers that CometBFT would have made of the blocks of an `abci_chain.Chain`, with the votes for them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256

from google.protobuf.timestamp_pb2 import Timestamp
from msgspec.structs import replace

from hmchain import merkle
from hmchain.ledger.blocks import ABSENT, COMMIT
from hmchain.ledger.engines.block_store import BlockStore
from hmchain.ledger.engines.cometbft import light
from hmchain.ledger.engines.cometbft.light import BlockId, Commit, Header, Parts, Signature, SignedHeader, Version
from support.abci_chain import Chain, address, founding_commitment, timestamp
from support.ledger_network import signing_key

NOWHERE = BlockId("", Parts(0, ""))
NEVER = "0001-01-01T00:00:00Z"
WHEN = "2026-01-01T00:00:00.25Z"


def headers_of(chain: Chain) -> list[SignedHeader]:
    """Of all blocks that the chain decided, and the one that follows: it holds the last state."""
    store = BlockStore(chain.directory / "blocks.db", read_only=True)
    found: list[SignedHeader] = []
    before, receipts, app_hash = None, (), founding_commitment(chain.founding)
    for height, (request, after) in enumerate([*chain.decided, (None, b"")], start=1):
        evidence = [item.SerializeToString() for item in request.misbehavior] if request else []
        header = Header(
            version=Version(11, 1),
            chain_id=chain.founding.chain_id,
            height=height,
            time=_text(request.time if request else timestamp(chain.clock.ms + 1000)),
            last_block_id=before.commit.block_id if before else NOWHERE,
            last_commit_hash=_hex(light.commit_hash(before.commit)) if before else "",
            data_hash=_hex(merkle.root([sha256(wire).digest() for wire in request.txs] if request else [])),
            validators_hash="",
            next_validators_hash="",
            consensus_hash="",
            app_hash=_hex(app_hash),
            last_results_hash=_hex(light.results_root(receipts)),
            evidence_hash=_hex(merkle.root(evidence)),
            proposer_address=_hex(request.proposer_address if request else address("a")),
        )  # fmt: skip
        following = chain.decided[height][0].decided_last_commit if height < len(chain.decided) else None
        votes = {vote.validator.address: vote.block_id_flag for vote in following.votes} if following else None
        before = signed(header, votes=votes, round_=following.round if following else 0)
        found.append(before)
        stored = store.get(height)
        receipts, app_hash = stored.result.receipts if stored else (), after
    store.close()
    return found


def signed(
    header: Header, names: str = "abcd", votes: Mapping[bytes, int] | None = None, round_: int = 0
) -> SignedHeader:
    """A header with the votes of some, or with these flags by address."""
    block = BlockId(light.header_hash(header).hex().upper(), Parts(1, "AB" * 32))
    commit = Commit(header.height, round_, block, ())
    flags = {address(name): COMMIT for name in names} if votes is None else votes
    owners = {address(name): name for name in "abcdefgh"}
    cast = []
    for place, flag in flags.items():
        vote = Signature(flag, _hex(place), WHEN, None)
        if flag == ABSENT:
            vote = Signature(ABSENT, "", NEVER, None)
        elif place in owners:
            message = light.vote_bytes(header.chain_id, commit, vote)
            vote = replace(vote, signature=signing_key(owners[place], "validator").sign(message))
        cast.append(vote)
    return SignedHeader(header, replace(commit, signatures=tuple(cast)))


def _text(time: Timestamp) -> str:
    return f"{datetime.fromtimestamp(time.seconds, UTC):%Y-%m-%dT%H:%M:%S}.{time.nanos:09d}Z"


def _hex(data: bytes) -> str:
    return data.hex().upper()
