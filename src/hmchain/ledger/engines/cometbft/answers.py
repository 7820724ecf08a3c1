"""Answers of CometBFT's RPC: only the fields that are used.

CometBFT writes 64-bit integers as strings, and bytes as base64.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

Int = Annotated[int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)]


class Broadcast(msgspec.Struct, frozen=True):
    """The mempool's word on a transaction."""

    hash: str
    """Upper-case hex of the transaction's SHA-256."""
    code: Int = 0
    """0 if it was taken."""
    log: str = ""
    codespace: str = ""


class TxResult(msgspec.Struct, frozen=True):
    """The outcome of one transaction in a block."""

    code: Int = 0
    data: bytes | None = None
    log: str = ""
    codespace: str = ""


class MerkleProof(msgspec.Struct, frozen=True):
    """An inclusion path from leaf to root."""

    total: Int
    index: Int
    aunts: tuple[bytes, ...] = ()


class TxProof(msgspec.Struct, frozen=True):
    """That a transaction is under a block's `data_hash`."""

    root_hash: str
    data: bytes
    proof: MerkleProof


class IncludedTransaction(msgspec.Struct, frozen=True):
    """A transaction in a block."""

    hash: str
    height: Int
    index: Int
    tx_result: TxResult
    tx: bytes
    proof: TxProof | None = None


class QueryAnswer(msgspec.Struct, frozen=True):
    """The application's answer."""

    code: Int = 0
    log: str = ""
    key: bytes | None = None
    value: bytes | None = None
    height: Int = 0


class NodeInfo(msgspec.Struct, frozen=True):
    """Who a node is."""

    id: str
    network: str
    """Its chain."""
    moniker: str = ""
    version: str = ""
    listen_addr: str = ""


class SyncInfo(msgspec.Struct, frozen=True):
    """The progress of a node."""

    latest_block_height: Int
    latest_block_time: str
    latest_app_hash: str
    catching_up: bool
    latest_block_hash: str = ""


class ValidatorInfo(msgspec.Struct, frozen=True):
    """The node's own validator."""

    address: str
    voting_power: Int


class Status(msgspec.Struct, frozen=True):
    """A node's state."""

    node_info: NodeInfo
    sync_info: SyncInfo
    validator_info: ValidatorInfo


class PublicKeyJson(msgspec.Struct, frozen=True):
    """A public key with CometBFT's name of its type."""

    type: str
    value: bytes


class ValidatorEntry(msgspec.Struct, frozen=True):
    """One validator of a set."""

    address: str
    pub_key: PublicKeyJson
    voting_power: Int
    proposer_priority: Int = 0


class ValidatorPage(msgspec.Struct, frozen=True):
    """Part of a validator set."""

    block_height: Int
    validators: tuple[ValidatorEntry, ...]
    total: Int


class Peer(msgspec.Struct, frozen=True):
    """A node that this node is connected to."""

    node_info: NodeInfo
    is_outbound: bool
    remote_ip: str


class NetInfo(msgspec.Struct, frozen=True):
    """A node's connections."""

    listening: bool
    peers: tuple[Peer, ...] = ()


_COMMIT_STEP = 8


class OwnRound(msgspec.Struct, frozen=True):
    """Where a node is in consensus."""

    height: Int
    step: Int
    start_time: str = ""
    """When it began to wait for that height's block: after the one before was decided, or when the node started."""

    @property
    def has_commit(self) -> bool:
        """True while it knows what was decided, and fetches or executes it."""
        return self.step >= _COMMIT_STEP


class PeerRound(msgspec.Struct, frozen=True):
    """Where a peer said that it is."""

    height: Int = 0


class PeerState(msgspec.Struct, frozen=True):
    """A peer's round, as far as it is known."""

    round_state: PeerRound


class ConsensusPeer(msgspec.Struct, frozen=True):
    """A connection, as consensus sees it."""

    node_address: str
    peer_state: PeerState


class ConsensusState(msgspec.Struct, frozen=True):
    """A node's consensus, and what it knows of its peers'."""

    round_state: OwnRound
    peers: tuple[ConsensusPeer, ...] = ()


class HeaderJson(msgspec.Struct, frozen=True):
    """The fields of a header that are used."""

    chain_id: str
    height: Int
    time: str
    data_hash: str
    app_hash: str
    proposer_address: str


class CommitSignature(msgspec.Struct, frozen=True):
    """One vote of a commit: 1 absent, 2 for the block, 3 nil."""

    block_id_flag: Int
    validator_address: str


class LastCommit(msgspec.Struct, frozen=True):
    """The commit of the block before."""

    height: Int
    round: Int
    signatures: tuple[CommitSignature, ...] | None = ()


class BlockData(msgspec.Struct, frozen=True):
    """A block's transactions."""

    txs: tuple[bytes, ...] | None = ()


class BlockJson(msgspec.Struct, frozen=True):
    """A block."""

    header: HeaderJson
    data: BlockData
    last_commit: LastCommit


class BlockId(msgspec.Struct, frozen=True):
    """A block's name."""

    hash: str


class BlockAnswer(msgspec.Struct, frozen=True):
    """A block with its name."""

    block_id: BlockId
    block: BlockJson

    @property
    def transactions(self) -> tuple[bytes, ...]:
        """The transactions in order."""
        return self.block.data.txs or ()


class Attribute(msgspec.Struct, frozen=True):
    """One key of an ABCI event."""

    key: str
    value: str = ""


class AbciEvent(msgspec.Struct, frozen=True):
    """An event of the application."""

    type: str
    attributes: tuple[Attribute, ...] = ()


class BlockResults(msgspec.Struct, frozen=True):
    """The outcome of a block."""

    height: Int
    txs_results: tuple[TxResult, ...] | None = ()
    finalize_block_events: tuple[AbciEvent, ...] | None = ()
    app_hash: bytes | None = None


class BlockMeta(msgspec.Struct, frozen=True):
    """A block without its contents."""

    header: HeaderJson


class Headers(msgspec.Struct, frozen=True):
    """Several blocks without their contents, the last one first."""

    last_height: Int
    block_metas: tuple[BlockMeta, ...] = ()
