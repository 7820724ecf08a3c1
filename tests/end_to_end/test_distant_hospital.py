"""A hospital at the other end of the world: its votes count where the network was founded for the distance."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hmchain.application.site.node import NodeFolder
from hmchain.ledger.blocks import COMMIT
from hmchain.ledger.engines.block_store import BLOCKS, BlockStore
from support.cometbft_network import needs_cometbft
from support.delaying_relay import LongLines, long_lines
from support.ports import free_ports
from support.sites import Consortium, Site, answer, hmchain, register, until

NEAR, FAR = ("east", "north", "south"), "overseas"
BLOCKS_DECIDED = 30

pytestmark = [pytest.mark.network, pytest.mark.timeout(240)]


@contextmanager
def spread_out(base: Path, lines: LongLines, *options: str) -> Iterator[Consortium]:
    """Three hospitals side by side and one behind long lines, both ways; after the first block."""
    names = (*NEAR, FAR)
    ports = dict(zip(names, zip(*[iter(free_ports(2 * len(names)))] * 2, strict=True), strict=True))
    for name, (p2p, rpc) in ports.items():
        reached = lines.to(p2p) if name == FAR else p2p
        listen = ("--address", f"127.0.0.1:{reached}", "--listen", f"127.0.0.1:{p2p}", "--rpc", f"127.0.0.1:{rpc}")
        hmchain("node", "init", name, "--title", name.title(), *listen, "--dir", str(base / name))
    members, file = [str(base / name / "member.json") for name in names], base / "network.json"
    made = answer("network", "init", *members, "--chain", "wide", "--output", str(file), *options)
    consortium = Consortium(bytes.fromhex(made["genesis"]))
    try:
        for name in names:
            consortium.sites[name] = Site(NodeFolder(base / name))
            hmchain("network", "join", str(file), "--dir", str(base / name))
        behind_lines(consortium, lines, {name: p2p for name, (p2p, _) in ports.items()})
        for site in consortium.sites.values():
            site.start()
        until(lambda: all(site.status().running for site in consortium.sites.values()), "four running nodes")
        until(lambda: all(len(site.status().peers) == 3 for site in consortium.sites.values()), "connections")
        register(consortium.sites["north"], "of-the-first-block")
        yield consortium
    finally:
        for site in consortium.sites.values():
            if site.process is not None:
                site.kill()
            print(site.folder.log.read_text()[-2000:] if site.folder.log.exists() else "", file=sys.stderr)


def behind_lines(consortium: Consortium, lines: LongLines, ports: dict[str, int]) -> None:
    """The distant node dials the others over long lines as well."""
    toml = consortium.sites[FAR].folder.toml
    ids = {name: node_id(consortium.sites[name]) for name in NEAR}
    peers = [f"{ids[name]}@127.0.0.1:{lines.to(ports[name])}" for name in NEAR]
    toml.write_text(toml.read_text().replace("peers = []", f"peers = {peers}"))


def node_id(site: Site) -> str:
    from hmchain.application.site import network

    return network.load_introduction(site.folder.introduction).node_id


def votes(site: Site) -> Counter[str]:
    """By organisation, how many of the last blocks count its vote for the block before."""
    store = BlockStore(site.folder.ledger / BLOCKS, read_only=True)
    found = [stored.block.last_votes for stored in store.newest(BLOCKS_DECIDED)]
    store.close()
    return Counter(vote.validator for each in found for vote in each if vote.flag == COMMIT)


def work(consortium: Consortium) -> None:
    for number in range(BLOCKS_DECIDED):
        register(consortium.sites[NEAR[number % len(NEAR)]], f"d{number}")


def test_votes_over_80_ms_count_where_the_network_was_founded_for_them(tmp_path: Path) -> None:
    needs_cometbft()
    with long_lines(80) as lines, spread_out(tmp_path, lines, "--round-trip", "160") as consortium:
        work(consortium)
        assert votes(consortium.sites["north"])[FAR] >= 0.8 * BLOCKS_DECIDED
        until(consortium.agree, "one state on four nodes")
        found = answer("node", "status", "--dir", str(consortium.sites[FAR].folder.path))
        assert (found["pace"]["round_trip_ms"], found["pace"]["warnings"]) == (160, [])
        assert found["pace"]["measured_ms"].keys() == set(NEAR)


def test_a_pace_that_is_too_fast_for_a_hospital_is_told_to_it(tmp_path: Path) -> None:
    needs_cometbft()
    with long_lines(400) as lines, spread_out(tmp_path, lines) as consortium:
        work(consortium)
        assert votes(consortium.sites["north"])[FAR] < 0.5 * BLOCKS_DECIDED
        far = str(consortium.sites[FAR].folder.path)
        until(lambda: answer("node", "status", "--dir", far)["pace"]["blocks"] >= BLOCKS_DECIDED, "the blocks overseas")
        shown = hmchain("node", "status", "--dir", far)
        assert "lack this node's vote" in shown and "hmchain network set round_trip_ms=" in shown
        assert not answer("node", "status", "--dir", str(consortium.sites["north"].folder.path))["pace"]["warnings"]
