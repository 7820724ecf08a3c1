"""Ledgers as commands read them: verified against signed headers, which a running node is asked for."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hmchain.application.node.link import OtherNodeError, connected, require_own
from hmchain.application.site.node import NodeFolder
from hmchain.ledger import genesis as genesis_file
from hmchain.ledger.contracts.members import standings
from hmchain.ledger.engines.block_store import UnreadableLogError
from hmchain.ledger.engines.cometbft.archive import Archive, ArchiveError, NoVotesError
from hmchain.ledger.engines.cometbft.light import SignedHeader, milliseconds
from hmchain.ledger.engines.cometbft.rpc import NoEndpointError, RpcClient, RpcError
from hmchain.ledger.readers import ledger
from hmchain.ledger.readers.ledger import LedgerReader
from hmchain.ledger.readers.proof_files import ProofFile
from hmchain.ledger.readers.signers import Headers, Witnesses
from hmchain.ledger.readers.states import VerifiedState, open_state
from hmchain.plain import Progress

_ANSWER_SECONDS, _PATIENCE_SECONDS, _LOOK_SECONDS = 2.0, 2.0, 0.05


@contextmanager
def verified_state(directory: Path) -> Iterator[VerifiedState]:
    """The newest state in a ledger's directory, verified whole. Raises as `readers.states.open_state` does."""
    with signed_headers(directory) as headers, open_state(directory, headers) as found:
        yield found


@contextmanager
def current_state(directory: Path) -> Iterator[tuple[VerifiedState, int]]:
    """The same, and the time of the newest signed block that a node has seen: of one that runs, also an empty one.

    An idle network makes such blocks, so the time tells whether the node still hears of anything.
    """
    with signed_headers(directory) as headers, open_state(directory, headers) as found:
        seen_ms = standings.time_ms(found.state)
        if isinstance(headers, NodeHeaders) and (newest := headers.newest()) is not None:
            witnesses = Witnesses(genesis_file.load(directory / genesis_file.FILE), found.state)
            if witnesses.of_header(newest, newest.header.height) is not None:
                seen_ms = max(seen_ms, milliseconds(newest.header.time))
        yield found, seen_ms


@contextmanager
def open_ledger(directory: Path, progress: Progress | None = None) -> Iterator[LedgerReader]:
    """Read the ledger in `directory`; `progress` is told of blocks that are executed, where no state is beside them.

    Raises as `readers.ledger.open_ledger` does.
    """
    with signed_headers(directory) as headers, ledger.open_ledger(directory, headers, progress) as found:
        yield found


def prove(directory: Path, prefix: str) -> ProofFile:
    """The proof of the transaction whose digest begins with `prefix`; a node is asked for headers that are not kept.

    Raises what `LedgerReader.proof` raises, and `NoEndpointError` and `OtherNodeError` of a node.
    """
    node = NodeFolder(directory.parent)
    try:
        with ledger.open_ledger(directory) as found:
            return found.proof(prefix)
    except NoVotesError:
        if not node.toml.is_file():
            raise
    with connected(node) as client, ledger.open_ledger(directory, NodeHeaders(client)) as found:
        return found.proof(prefix)


@contextmanager
def signed_headers(directory: Path) -> Iterator[Headers | None]:
    """Signed headers of the ledger in `directory`: of its node where that runs, else those that are kept beside it.

    Nothing that the node says is believed: headers are held against the genesis. Another node that answers at its
    port is not asked. Raises `NotJoinedError` and `UnreadableLogError` of a node that has no ledger yet.
    """
    node = NodeFolder(directory.parent)
    _require_begun(node)
    if not node.toml.is_file() or node.runner() is None:
        yield None
        return
    with RpcClient([node.settings().rpc_url], timeout_seconds=_ANSWER_SECONDS) as client:
        try:
            require_own(node, client.status())
        except (NoEndpointError, OtherNodeError):
            yield None
            return
        yield NodeHeaders(client, _kept(directory))


def _require_begun(node: NodeFolder) -> None:
    """Say of a node that has no ledger yet what brings one."""
    if node.toml.is_file() and not node.blocks.exists() and not node.state.exists():
        node.joined()
        raise UnreadableLogError(f"the node in {node.path} has no block yet", "start it: `hmchain node start`")


class NodeHeaders:
    """Headers of a running node, those that are kept not asked for again."""

    def __init__(self, client: RpcClient, kept: Archive | None = None) -> None:
        self._client, self._kept = client, kept

    def get(self, height: int) -> SignedHeader | None:
        """The header of a height with its votes; None if the node has none."""
        if self._kept is not None and (found := self._kept.get(height)) is not None:
            return found
        try:
            return self._client.signed_header(height)
        except RpcError:
            return None

    def newest(self) -> SignedHeader | None:
        """The header of the last block that the node has; None if it does not say."""
        try:
            return self._client.signed_header()
        except RpcError:
            return None

    def get_each(self, heights: Sequence[int]) -> Sequence[SignedHeader] | None:
        """The headers of these heights, as the node has them now; None if it lacks one."""
        try:
            return self._client.signed_headers(heights)
        except RpcError:
            return None

    def wait(self, height: int) -> SignedHeader | None:
        """The header of a height; one that is just being decided is waited for a moment."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while (found := self.get(height)) is None and time.monotonic() < deadline:
            time.sleep(_LOOK_SECONDS)
        return found


def _kept(directory: Path) -> Archive | None:
    try:
        return Archive.load(directory)
    except (ArchiveError, NoVotesError):  # a running node knows better, and an audit names the file
        return None
