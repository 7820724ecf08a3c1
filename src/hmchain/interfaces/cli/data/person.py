"""`hmchain data person`: the hospital's people who decide, and their keys."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hmchain.application.site import hospital, persons
from hmchain.application.site.persons import Person
from hmchain.interfaces.cli import output
from hmchain.interfaces.cli.asking import YesOption, confirm
from hmchain.interfaces.cli.command import ReadCommand, WriteCommand
from hmchain.interfaces.cli.options import DEFAULT_FOLDER, HospitalOption, example, passphrase

app = typer.Typer(no_args_is_help=True, help="People of the hospital who decide, each with a key file of their own.")

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The person's full name.")]


@app.command("list", cls=ReadCommand, epilog=example("hmchain data person list"))
def list_people(directory: HospitalOption = DEFAULT_FOLDER) -> None:
    """List who may decide: what takes two people takes two of these."""
    output.show(persons.known(hospital.locate(directory)), _show, json=lambda people: [_plain(each) for each in people])


@app.command(cls=WriteCommand, epilog=example("hmchain data person add 'Marie Curie' curie.key"))
def add(
    name: NameArgument,
    key: Annotated[Path, typer.Argument(metavar="KEY", help="The person's key file; made if it is not there.")],
    directory: HospitalOption = DEFAULT_FOLDER,
) -> None:
    """Let a person decide. The key file is the person's own: nobody else keeps it, and no other copy is made."""
    added = persons.add(hospital.locate(directory), name, key, passphrase())
    output.show(added, lambda one: output.say(f"{one.name} can decide with {key}."), json=_plain)


@app.command(cls=WriteCommand, epilog=example("hmchain data person remove 'Marie Curie'"))
def remove(name: NameArgument, directory: HospitalOption = DEFAULT_FOLDER, yes: YesOption = False) -> None:
    """Let a person decide no more; what was decided stays."""
    place = hospital.locate(directory)
    confirm(f"Take the right to decide from {name}?", yes=yes)
    persons.remove(place, name)
    output.show(name, lambda one: output.say(f"{one} decides no more."), json=lambda one: {"removed": one})


def _plain(person: Person) -> dict[str, str]:
    return {"name": person.name, "key": person.key.id.hex()}


def _show(people: tuple[Person, ...]) -> None:
    if not people:
        output.say("Nobody yet: `hmchain data person add NAME KEY` lets somebody decide.")
        return
    output.table(["name", "key"], [[person.name, person.key.id.hex()[:12]] for person in people])
