"""Join from a snapshot: where a new node finds a state that it may trust, instead of executing all blocks.

CometBFT's light client follows the members' signatures from a block that somebody vouches for to the snapshot's. The
block's hash is all that is taken on trust; two members' nodes are asked, so that one which lies is contradicted.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from hmchain import decoding, files
from hmchain.application.site.network import Network, check_address
from hmchain.application.site.node import NodeFolder
from hmchain.clock import HOUR_MS, now_ms
from hmchain.errors import InputError
from hmchain.ledger.engines.cometbft import light
from hmchain.ledger.engines.cometbft.home import StateSync
from hmchain.ledger.engines.cometbft.rpc import RpcClient
from hmchain.ledger.readers.replay import TrustedHeader
from hmchain.ledger.state import State, StateError

_SERVERS = 2
_HEADERS_AFTER = 2
"""That the light client needs after a snapshot's height."""


class FromSnapshotError(InputError):
    """A node cannot join from a snapshot in the way that is asked for."""

    code = "from_snapshot"


def prepare(folder: NodeFolder, network: Network, trusted: TrustedHeader, servers: Sequence[str]) -> StateSync:
    """See that two servers have the block that somebody vouches for, and that there is a snapshot.

    `servers` are addresses of members' RPC. Raises `FromSnapshotError`, `BadAddressError`, `NoEndpointError` for one
    that does not answer, and `LightProofError` for a header that contradicts itself.
    """
    if _has_blocks(folder):
        raise FromSnapshotError(f"{folder.path} has blocks already", "leave --from-snapshot out, and start the node")
    urls = tuple(f"http://{check_address(server.removeprefix('http://').rstrip('/'))}" for server in servers)
    if len(set(urls)) < _SERVERS:
        raise FromSnapshotError(
            "two servers are needed", "give --rpc twice, for the nodes of two members: one contradicts the other"
        )
    checked = [_checked(url, network, trusted) for url in urls]
    if len({node for node, _ in checked}) < _SERVERS:
        raise FromSnapshotError("both --rpc lead to one node", "name the nodes of two members")
    if not any(has_snapshot for _, has_snapshot in checked):
        raise FromSnapshotError("these nodes have no snapshot yet", "leave --from-snapshot out: the blocks are few")
    return StateSync(urls, trusted.height, trusted.hash.hex().upper())


def _checked(url: str, network: Network, trusted: TrustedHeader) -> tuple[str, bool]:
    """A server's node id and whether it has a snapshot, once it has shown the block that is trusted."""
    with RpcClient([url]) as client:
        status, chain = client.status(), network.genesis.chain_id
        info, last = status.node_info, status.sync_info.latest_block_height
        if info.network != chain:
            raise FromSnapshotError(f"{url} is of the network {info.network}, not {chain}", "name this network's nodes")
        header = client.signed_header(trusted.height).header
        found = light.header_hash(header)
        if found != trusted.hash:
            raise FromSnapshotError(
                f"block {trusted.height} of {url} is {found.hex()}, not {trusted.hash.hex()} as given with --trust",
                "ask two members for `last block` in their `hmchain node status`; if they differ, trust neither",
            )
        if now_ms() - light.time_ms(header) > StateSync.trust_hours * HOUR_MS:
            raise FromSnapshotError(
                f"block {trusted.height} is older than {StateSync.trust_hours} hours", "let a member name a newer one"
            )
        return info.id, 0 < int(client.query("snapshot").value or b"0") <= last - _HEADERS_AFTER


def remember(folder: NodeFolder, sync: StateSync | None) -> None:
    """Let the next start fetch a snapshot; without `sync` all blocks."""
    if sync is None:
        folder.state_sync.unlink(missing_ok=True)
    else:
        files.write_whole(folder.state_sync, msgspec.json.encode(sync), durable=True)


def pending(folder: NodeFolder) -> StateSync | None:
    """The snapshot of `remember`, until the node has blocks. Raises `FromSnapshotError` if the file is damaged."""
    if not folder.state_sync.is_file() or _has_blocks(folder):
        return None
    try:
        return decoding.from_json(folder.state_sync.read_bytes(), StateSync)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise FromSnapshotError(
            f"{folder.state_sync} is damaged", "give `hmchain network join FILE` once more"
        ) from error


def _has_blocks(folder: NodeFolder) -> bool:
    try:
        state = State.open_read_only(folder.state)
    except StateError:
        return False
    try:
        return state.height > 0
    finally:
        state.close()
