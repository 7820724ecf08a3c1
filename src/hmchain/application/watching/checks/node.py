"""A node: its settings, its ports, its clock, CometBFT's home, the ledger, and the network as the node sees it."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator

from hmchain.application.node.health import CLOCK_MS, Health, NetworkHealth
from hmchain.application.node.status import NodeStatus, damage_of
from hmchain.application.site.run import RunFolder
from hmchain.application.watching.findings import Finding, Subject, fail, ok, warn
from hmchain.application.watching.place import Place
from hmchain.clock import now_ms, utc
from hmchain.ledger.engines.cometbft.damage import check_signed

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_ANY = {"0.0.0.0": "127.0.0.1", "[::]": "::1"}  # noqa: S104 - read, not bound
_CONNECT_SECONDS = 2.0
_SET_CLOCK = "have NTP set it: `timedatectl`"


def settings(place: Place) -> Iterator[Finding]:
    """What the folder is, and that its settings can be read."""
    subject = Subject.SETTINGS
    if place.settings is not None and place.node is not None:
        yield ok(subject, "folder", f"{place.path} is the node of {place.settings.organisation}")
        yield from _joined(place)
    elif place.hospital is not None:
        yield ok(subject, "folder", f"{place.path} is the folder of hospital {place.hospital.organisation}, no node")
    else:
        yield fail(subject, "folder", f"{place.path} holds no node and no hospital", _named(place))


def _named(place: Place) -> str:
    """The way to a folder that can be looked at."""
    hospitals = RunFolder(place.path).hospitals
    if hospitals.is_dir():
        return f"it is a run: name the folder of one of its hospitals, below {hospitals}"
    make = "`hmchain node init NAME --title TEXT --address HOST:PORT`"
    return f"name the folder by --dir or HMCHAIN_NODE; or make one: {make}"


def _joined(place: Place) -> Iterator[Finding]:
    if (network := place.network) is None:
        words = "the node has joined no network"
        yield warn(Subject.SETTINGS, "network", words, "`hmchain network join FILE`, with the file that founders send")
    else:
        yield ok(Subject.SETTINGS, "network", f"it belongs to {network.genesis.chain_id}")


# -- ports -------------------------------------------------------------------------------------------------------------


def ports(place: Place) -> Iterator[Finding]:
    """Each port is listened at by the node if that runs, and free if it does not."""
    if place.settings is None or place.node is None or place.network is None:
        return
    runs = place.node.runner() is not None
    for name, address in (("p2p", place.settings.p2p_listen), ("rpc", place.settings.rpc_listen)):
        yield _listened_at(name, address) if runs else _free(name, address)
    host = place.settings.rpc_listen.rpartition(":")[0]
    if host not in LOOPBACK:
        words = f"rpc_listen is {place.settings.rpc_listen}: it asks nobody who they are, and others reach it"
        yield warn(Subject.PORTS, "rpc.open", words, f"set rpc_listen to 127.0.0.1 in {place.node.toml}, start again")


def _listened_at(name: str, address: str) -> Finding:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((_ANY.get(host, host).strip("[]"), int(port)), timeout=_CONNECT_SECONDS).close()
    except OSError:
        way_out = "`hmchain node status` says why CometBFT does not come up"
        return fail(Subject.PORTS, name, f"the node runs, and does not listen at {name}_listen = {address}", way_out)
    return ok(Subject.PORTS, name, f"the node listens at {address} ({name})")


def _free(name: str, address: str) -> Finding:
    host, _, port = address.rpartition(":")
    bare = host.strip("[]")
    try:
        family = socket.AF_INET6 if ":" in bare else socket.AF_INET
        socket.create_server((bare, int(port)), family=family).close()
    except OSError as error:
        words, way_out = _why_not(error, name, address)
        return fail(Subject.PORTS, name, words, way_out)
    return ok(Subject.PORTS, name, f"{address} ({name}) is free for the node")


def _why_not(error: OSError, name: str, address: str) -> tuple[str, str]:
    change = f"give another {name}_listen in node.toml"
    match error.errno:
        case errno.EADDRINUSE:
            who = f"`ss -ltnp sport = :{address.rpartition(':')[2]}` names it"
            return (
                f"another program listens at {address}",
                f"stop it ({who}), or {change}",
            )
        case errno.EADDRNOTAVAIL:
            return f"this machine has no address {address.rpartition(':')[0]}", change
        case errno.EACCES:
            return f"this user may not listen at {address}", f"ports below 1024 are the system's: {change}"
    return f"nobody can listen at {address}", change


# -- clock, network, engine, ledger ------------------------------------------------------------------------------------


def clock(place: Place) -> Iterator[Finding]:
    """By the other members' votes if the node runs; else no block may be from the future."""
    status = place.status
    if status is None:
        return
    if status.running:
        if status.clock:
            yield fail(Subject.CLOCK, "votes", f"this machine's clock is {status.clock}", _SET_CLOCK)
        else:
            yield ok(Subject.CLOCK, "votes", "this machine's clock agrees with the other members' votes")
        return
    known = place.known_if_sound
    if known is not None and known.block_ms - now_ms() > CLOCK_MS:
        words = f"this machine's clock is behind: the last block is of {utc(known.block_ms)} UTC"
        yield fail(Subject.CLOCK, "blocks", words, _SET_CLOCK)
    else:
        yield ok(Subject.CLOCK, "blocks", "no block is from the future; votes tell more while the node runs")


def network(place: Place) -> Iterator[Finding]:
    """Whether the node runs and the network goes on."""
    status = place.status
    if status is None:
        return
    if not status.running:
        yield _not_running(status)
    elif status.health is not None:
        yield _health(status.health)
    if status.catching_up:
        words = f"the node is at block {status.height} and fetches what the others have"
        yield warn(Subject.NETWORK, "catching up", words, "let it run: `hmchain node status` shows how far it is")


def _health(found: NetworkHealth) -> Finding:
    words = f"the network is {found}"
    if found.verdict is Health.HEALTHY:
        return ok(Subject.NETWORK, "health", words)
    tell = fail if found.verdict is Health.STANDS_STILL else warn
    way_out = "ask the operators of who is missing; `hmchain node status` shows who is connected"
    return tell(Subject.NETWORK, "health", words, way_out)


def _not_running(status: NodeStatus) -> Finding:
    if status.runner:
        words = f"{status.runner} has the node, and CometBFT does not answer"
        return fail(Subject.NETWORK, "running", f"{words}{f': {status.trouble}' if status.trouble else ''}",
                    "wait if it has just started; node.log says more")  # fmt: skip
    return fail(Subject.NETWORK, "running", "the node does not run", "`hmchain node start`")


def engine(place: Place) -> Iterator[Finding]:
    """CometBFT's home, what it said of damage, and the record of what the validator has signed."""
    if place.node is None or place.network is None:
        return
    if damage := damage_of(place.node):
        what, _, way_out = damage.rstrip(")").partition(" (the way out: ")
        yield fail(Subject.ENGINE, "damage", what, way_out or "docs/how-to/operator.md says how to recover a node")
        return
    height = check_signed(place.node.engine)
    yield ok(Subject.ENGINE, "record", f"CometBFT's home is whole; the validator signed up to block {height}")


def ledger(place: Place) -> Iterator[Finding]:
    """The state, held against what members signed, and what was put aside as damaged."""
    status = place.status
    if status is None or place.node is None:
        return
    if place.known is not None:  # raises what is wrong with it
        yield ok(Subject.LEDGER, "state", f"the state after block {status.state_height} holds: {status.vouched}")
    else:
        yield ok(Subject.LEDGER, "state", "there is no block yet")
    for path in sorted(place.node.ledger.glob("damaged-*")):
        words = f"{path} was put aside as damaged, and made anew"
        yield warn(Subject.LEDGER, "repaired", words, "check the disk (`dmesg`, `smartctl -a`), then delete it")


def rules(place: Place) -> Iterator[Finding]:
    """Whether this program knows the rules that are in force and those that come."""
    status = place.status
    if status is None or status.rules is None:
        return
    found = status.rules
    if found.next is not None and found.next not in found.known:
        known = ", ".join(map(str, found.known))
        words = f"protocol {found.next} comes after {utc(found.after_ms)} UTC, and this program knows {known}"
        yield fail(Subject.RULES, "next", words, "install one that knows it before then: else the node stops there")
    else:
        yield ok(Subject.RULES, "next", f"the rules are {found}, which this program knows")
    said = place.known_if_sound
    for ballot in said.upgrades if said else ():
        if ballot.waits_for(place.organisation):
            words = f"the members vote on {ballot.action}: {len(ballot.yes)} of {ballot.needed} votes"
            way_out = f"install a program that knows it, then `hmchain network vote {ballot.id.hex()[:16]}`"
            yield warn(Subject.RULES, "ballot", words, way_out)
