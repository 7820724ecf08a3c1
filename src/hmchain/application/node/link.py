"""The way to a node that runs: commands and agents reach their own node's CometBFT, and no other."""

from __future__ import annotations

import time
from contextlib import closing

from hmchain.application.site import network as network_file
from hmchain.application.site.node import NodeFolder
from hmchain.errors import LedgerError
from hmchain.ledger.engines.cometbft.answers import Status
from hmchain.ledger.engines.cometbft.rpc import NoEndpointError, RpcClient

STARTING_SECONDS = 20.0
"""A node that somebody runs, but that does not answer, is waited for so long: CometBFT may be starting."""
_POLL_SECONDS = 0.1


class OtherNodeError(LedgerError):
    """Another node answers where this one should."""

    code = "other_node"


def connected(folder: NodeFolder, patience_seconds: float = STARTING_SECONDS) -> RpcClient:
    """A client of the folder's node; one that is just starting is waited for.

    Raises `NoEndpointError` if nobody runs the node, or if it does not answer in time, and `OtherNodeError`.
    """
    client = RpcClient([folder.settings().rpc_url])
    try:
        _wait_for_answer(client, folder, time.monotonic() + patience_seconds)
    except BaseException:
        client.close()
        raise
    return client


def catches_up(folder: NodeFolder) -> bool:
    """Whether a node that runs still fetches blocks that the others have. Raises as `connected`."""
    with closing(connected(folder, patience_seconds=0)) as client:
        return client.status().sync_info.catching_up


def _wait_for_answer(client: RpcClient, folder: NodeFolder, deadline: float) -> None:
    while True:
        try:
            require_own(folder, client.status())
            return
        except NoEndpointError as error:
            runner = folder.runner()
            if runner is None:
                raise
            if time.monotonic() > deadline:
                raise NoEndpointError(
                    f"{runner} has the node at {folder.path} and it does not answer: {error.what}",
                    f"if that runs the node, {folder.log} says why CometBFT does not",
                ) from error
        time.sleep(_POLL_SECONDS)


def require_own(folder: NodeFolder, answer: Status) -> None:
    """Raises `OtherNodeError` if what answers is not this folder's node in its network: its data would mislead."""
    settings, found = folder.settings(), answer.node_info
    own = network_file.load_introduction(folder.introduction).node_id
    chain = network_file.load(folder.network).genesis.chain_id
    if (found.id, found.network) != (own, chain):
        raise OtherNodeError(
            f"at {settings.rpc_listen} answers node {found.id} of {found.network}, not node {own} of {chain}",
            f"stop that one, or give this one another rpc_listen in {folder.toml}",
        )
