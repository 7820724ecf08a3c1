"""The chapter of releases in what a network of protocol 4 lives through (`sharing_life`)."""

from __future__ import annotations

from hmchain.ledger.contracts.learning.releases import (
    AskRelease,
    Audience,
    DecideRelease,
    Decision,
    TableOf,
    WithdrawRelease,
)
from support.ledger_network import Network


def ask_for_releases(network: Network) -> None:
    """A release of what was never made is refused, and so is all that is said of it; a table of one's own leaves."""
    asked = AskRelease("first", "scans", None, bytes(32), Audience.MEMBERS, ("CH", "DE"))
    decided = DecideRelease("first", asked.digest, Decision.REFUSED, "disclosure", bytes(32))
    network.block(network.send("a", asked, "scientist"), network.send("b", decided))
    network.block(network.send("a", WithdrawRelease("first"), "scientist"))
    table = AskRelease("table", "", TableOf("brain", 1), bytes(32), Audience.PUBLIC, ())
    network.block(network.send("a", table, "scientist"))
    network.block(network.send("a", DecideRelease("table", table.digest, Decision.GRANTED, "", bytes(32))))
