"""The logs of two hospitals, anchored as agents and stewards do: a chapter of `sharing_life`."""

from __future__ import annotations

from hmchain.ledger.contracts.members.anchors import AnchorLog, RestoreLog
from support.ledger_network import Network


def anchor_logs(network: Network) -> None:
    """One goes on; one is cut, which an anchor does not hide, and a steward says so."""
    network.block(network.send("a", AnchorLog(40, b"\x40" * 32), "agent"))
    network.block(network.send("a", AnchorLog(41, b"\x41" * 32)), network.send("b", AnchorLog(9, bytes(32)), "agent"))
    network.block(network.send("b", AnchorLog(7, b"\x07" * 32), "agent"))
    network.block(network.send("b", RestoreLog(5, 7, b"\x07" * 32)))
