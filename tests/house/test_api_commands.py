"""What the command line does at a node the API does too; what only a machine's owner does is listed with its reason."""

from __future__ import annotations

from hmchain.interfaces.api.app import ROUTES
from support.command_tree import all_commands

AT_THE_MACHINE = {
    "it makes the machine's own folders, keys and settings": (
        "data init", "node init", "node units", "node trainers", "node rotate-key", "people recover trust",
        "people recover request", "data vault seal-keys", "data person add", "data person remove",
    ),
    "it begins or ends the processes that an API stands beside": (
        "node start", "node agent", "portal", "demo", "completion", "version",
    ),
    "it mends or makes anew what an API reads: the node is stopped": (
        "node recover", "node restore", "node snapshot", "ledger rebuild", "data vault restore", "data vault convert",
        "data vault backup", "network refound join", "network refound propose",
        "network refound sign",
    ),
    "it founds or joins a network, before there is a ledger to sign in by": (
        "network init", "network join", "network challenge", "network answer",
    ),
    "it signs with a key file, which stays where it is": ("sign attach", "sign challenge"),
    "it shows a patient, or asks for a number unseen: on the hospital's own screen alone": (
        "data quarantine look", "data selftest",
    ),
    "it writes files for somebody else, and reads them offline": (
        "audit verify-record", "data deidentify", "model export", "report",
    ),
}  # fmt: skip


def test_every_command_has_a_route_or_a_reason() -> None:
    commands, by_route = set(all_commands()), {name for route in ROUTES for name in route.commands}
    listed = {name for names in AT_THE_MACHINE.values() for name in names}
    assert by_route <= commands, f"no such commands: {sorted(by_route - commands)}"
    assert listed <= commands, f"no such commands: {sorted(listed - commands)}"
    assert not listed & by_route, f"they have routes by now: {sorted(listed & by_route)}"
    assert not commands - by_route - listed, f"neither route nor reason: {sorted(commands - by_route - listed)}"


def test_a_route_looks_or_is_no_get() -> None:
    changing = [route.name for route in ROUTES if route.method == "GET" and (route.signs or route.job)]
    assert not changing
