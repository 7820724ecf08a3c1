"""`hmchain policy new|set|confirm|withdraw`: write a policy by answering questions, and put it in force."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hmchain.application.governance.policies import setting, template
from hmchain.application.governance.policies.file import PolicyFile, PolicyFileError
from hmchain.application.governance.policies.setting import PolicySet
from hmchain.application.governance.policies.template import QUESTIONS, Question
from hmchain.application.site.node import NodeFolder, exchanged_objects
from hmchain.interfaces.cli import asking, output
from hmchain.interfaces.cli.acting import PersonCommand
from hmchain.interfaces.cli.asking import YesOption, confirm
from hmchain.interfaces.cli.command import WriteCommand
from hmchain.interfaces.cli.options import DEFAULT_FOLDER, DatasetArgument, PersonOption, example
from hmchain.interfaces.cli.people import open_steward
from hmchain.interfaces.cli.policy import show as views
from hmchain.interfaces.cli.policy.look import PolicyFileArgument
from hmchain.interfaces.cli.request.terms_view import show_unread
from hmchain.plain import plain

app = typer.Typer()


@app.command(cls=WriteCommand, epilog=example("hmchain policy new brain"))
def new(
    dataset: DatasetArgument,
    out: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="The file to write.", show_default="DATASET.toml")
    ] = None,
) -> None:
    """Write a policy by answering questions, one at a time; Enter takes what is usual. Nothing is sent.

    Where nobody is there to answer, a file with what is usual, to be filled in.
    """
    file, path = template.begun(dataset), out or Path(f"{dataset}.toml")
    template.require_new(path)
    if asking.at_terminal():
        for question in QUESTIONS:
            if not template.is_idle(file, question):
                file = _answered(file, question, path.parent)
    template.write(path, file)
    output.show(
        {"file": path},
        lambda _: output.say(f"{path} is written. Read it in words: `hmchain policy show {path}`, and try it: "
                             f"`hmchain policy test {path}`. Then put it in force: `hmchain policy set {path}`"),
    )  # fmt: skip


def _answered(file: PolicyFile, question: Question, folder: Path) -> PolicyFile:
    """The file with one more answer; what cannot be is said, and asked again."""
    while True:
        text = asking.read_line(f"{question.text} [{template.usual(file, question)}]")
        try:
            return template.answered(file, question, text, folder)
        except PolicyFileError as error:
            output.say(str(error), stderr=True)


@app.command("set", cls=PersonCommand, epilog=example("hmchain policy set brain.toml"))
def put(file: PolicyFileArgument, node: PersonOption = DEFAULT_FOLDER, yes: YesOption = False) -> None:
    """Steward: put a policy in force for a dataset of this hospital.

    Where the policy in force asks for two persons, another one confirms it. What was approved before stays approved;
    approvals that it would not give are listed. Files of terms that it names go into the store that members share, in
    clear: who is to accept them reads them there.
    """
    dataset, terms = setting.of_file(file)
    with open_steward(node, yes=yes) as steward:
        time_ms = steward.ledger.now_ms()
        change = setting.change(steward.state, steward.organisation, dataset, terms, time_ms)
        if not change.is_in_force:
            confirm("Put it on the ledger, for all members to read, for ever?", yes=yes,
                    about=lambda: views.show_change(change))  # fmt: skip
        unread = setting.hand_out_terms(file, terms, lambda: exchanged_objects(NodeFolder(node)))
        done = setting.became(steward, dataset) if change.is_in_force else setting.put(steward, dataset, terms)
    show_unread(unread)

    def view(done: PolicySet) -> None:
        _show_done(done)
        views.show_denied(change.denied)

    output.show(done, view, json=lambda done: plain({"set": done, "denied": change.denied}))


@app.command("confirm", cls=PersonCommand, epilog=example("hmchain policy confirm brain"))
def stand_behind(dataset: DatasetArgument, node: PersonOption = DEFAULT_FOLDER, yes: YesOption = False) -> None:
    """Steward: stand behind a policy that another person of this hospital proposed, just as it is shown."""
    with open_steward(node, yes=yes) as steward:
        found = setting.waiting(steward.state, steward.organisation, dataset)
        confirm("Stand behind it?", yes=yes, about=lambda: views.show_waiting(found))
        done = setting.confirm(steward, found)
    output.show(done, _show_done)


@app.command(cls=PersonCommand, epilog=example("hmchain policy withdraw brain"))
def withdraw(dataset: DatasetArgument, node: PersonOption = DEFAULT_FOLDER, yes: YesOption = False) -> None:
    """Steward: let a policy go that waits for another person. What is in force stays."""
    with open_steward(node, yes=yes) as steward:
        found = setting.waiting(steward.state, steward.organisation, dataset)
        confirm("Let it go?", yes=yes, about=lambda: views.show_waiting(found))
        done = setting.withdraw(steward, dataset)
    output.show(done, _show_done)


def _show_done(done: PolicySet) -> None:
    if done.waiting is None:
        said = f"Version {done.version} of the policy of {done.dataset} is in force."
        output.say(f"{said} In words: `hmchain policy show {done.dataset}`")
        return
    behind = f"{len(done.waiting.persons)} of {done.waiting.needed} persons stand behind it"
    said = f"{behind}; version {done.version} holds until then."
    output.say(f"{said} Another steward: `hmchain policy confirm {done.dataset} --as NAME`")
