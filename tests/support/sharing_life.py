"""What a network of protocol 4 lives through, a chapter a family: the vector `ledger_4.json` is made of it.

A chapter is a function that submits blocks to four hospitals, each of which has the dataset `brain` in version 1. It
stands beside the family's other support, and changes nothing that a chapter before it left.
"""

from __future__ import annotations

from collections.abc import Callable

from hmchain.ledger.contracts.data.datasets import PublishVersion, RegisterDataset
from support import anchored_logs, incident_life, release_life, study_bed, transfer_bench
from support.ledger_network import Network


def begin(network: Network) -> None:
    """Each hospital has a dataset."""
    for name in "abcd":
        published = PublishVersion("brain", 1, bytes(32), 512)
        network.block(network.send(name, RegisterDataset("brain", study_bed.SCHEMA)), network.send(name, published))


CHAPTERS: tuple[Callable[[Network], None], ...] = (
    begin,
    anchored_logs.anchor_logs,
    transfer_bench.given,
    release_life.ask_for_releases,
    incident_life.follow,
    transfer_bench.broken,
)
"""In the order in which they are lived."""
