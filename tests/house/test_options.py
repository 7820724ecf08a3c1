"""Options mean the same everywhere: one name is one thing, and every command that needs a folder takes `--dir`."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest

from hmchain.interfaces.cli.acting import PersonCommand
from support.command_tree import all_commands, arguments, options

FILES_ALONE = {
    "demo", "version", "completion", "data selftest", "audit proof", "audit check", "ledger check-proof",
    "network init", "policy new", "policy test", "policy codes", "sign show", "sign attach",
    "sign challenge", "release check",
}  # fmt: skip
"""Commands that look into no folder of a hospital, a node or a run."""
FOLDERS = {
    "Folder of a run, a node or a ledger.": "HMCHAIN_RUN",
    "Folder of the node.": "HMCHAIN_NODE",
    "Folder of the hospital: its node's, or runs/latest/hospitals/NAME.": "HMCHAIN_NODE",
}
"""What `--dir` may be, and the variable that stands for it."""
SEVERAL = {
    "--as": "what a source holds, or the form in which an export is written",
    "--dir": "see FOLDERS",
    "--node": "what `--dir` is, as those once named it who decide on studies",
    "--output": "where a command writes: a file or a folder, as it needs",
    "--dataset": "of the demo a place of images, of an audit with its hospital",
    "--listen": "where a node hears other nodes, and where the portal hears browsers",
    "--key": "a person's key file: read, or made; and that of backups",
    "--reason": "why a change is voted on, or for what an item is held",
    "--trainer": "of one's own: those that an agent accepts, or the one of a request",
    "--rpc": "of one's own node, or of two others",
}
"""Names of which the help says more than one thing, and why that is no surprise."""


def meaning(option: Any) -> tuple[object, ...]:
    return option.metavar, option.help, bool(option.is_flag), option.multiple


@pytest.mark.parametrize(
    "name", sorted({name for of in all_commands().values() for each in options(of) for name in each.opts})
)
def test_a_name_means_one_thing(name: str) -> None:
    found: dict[tuple[object, ...], list[str]] = defaultdict(list)
    for command, of in all_commands().items():
        for option in options(of):
            if name in option.opts:
                found[meaning(option)].append(command)
    assert len(found) == 1 or name in SEVERAL, f"{name} means several things: {dict(found)}; share it in options.py"
    assert len({each[2:3] for each in found}) == 1, f"{name} is a switch here and takes a value there"


@pytest.mark.parametrize("command", sorted(all_commands()))
def test_whoever_needs_a_folder_is_told_it_by_dir(command: str) -> None:
    of = all_commands()[command]
    folder = [option for option in options(of) if "--dir" in option.opts]
    assert bool(folder) != (command in FILES_ALONE)
    for option in folder:
        named = option.envvar if isinstance(option.envvar, list) else [option.envvar]
        assert FOLDERS[option.help] in named
        others = [each for each in arguments(of) if each.metavar != "DIR"]
        assert bool(others) == (len(arguments(of)) == len(others)), "the folder is an argument where there is no other"


def test_every_command_takes_json_and_wide() -> None:
    for command, of in all_commands().items():
        assert {"--json", "--wide"} <= {name for option in options(of) for name in option.opts}, command


SPEAK = {"open_steward", "open_scientist"}


@pytest.mark.parametrize("command", sorted(all_commands()))
def test_a_script_that_says_yes_everywhere_may_say_it_wherever_people_tell_the_ledger_something(command: str) -> None:
    of = all_commands()[command]
    names = set(of.callback.__wrapped__.__code__.co_names)
    takes = any("--yes" in option.opts for option in options(of))
    assert takes or not names & SPEAK, f"{command} tells the ledger something: let it take YesOption"
    assert not takes or "yes" in of.callback.__wrapped__.__code__.co_varnames
    decides = names & SPEAK or "speaker" in of.callback.__wrapped__.__code__.co_varnames
    assert not decides or isinstance(of, PersonCommand), f"{command}: let people say as whom, and sign elsewhere"
