"""`hmchain sign`: read what a prepared transaction means, sign it where its key is, and send it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hmchain.application.governance import delegate, signing
from hmchain.application.governance.signing import Prepare
from hmchain.application.site.node import NodeFolder
from hmchain.errors import InputError
from hmchain.interfaces.cli import output
from hmchain.interfaces.cli.asking import YesOption, confirm
from hmchain.interfaces.cli.command import ReadCommand, WriteCommand
from hmchain.interfaces.cli.options import DEFAULT_FOLDER, NodeOption, example, passphrase
from hmchain.interfaces.cli.people import talk
from hmchain.keys import SigningKey, load_key

app = typer.Typer(no_args_is_help=True)

FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="What a command wrote with --prepare.")]


class OneOfTwoError(InputError):
    """A key or a signature is needed, and not both."""

    code = "one_of_two"


@app.command(cls=ReadCommand, epilog=example("hmchain sign show vote.json"))
def show(file: FileArgument) -> None:
    """Say what a transaction asks for, read from the very bytes that are signed. Needs no node and no network."""
    output.show(signing.read(file), _show)


@app.command(cls=WriteCommand, epilog=example("hmchain sign attach vote.json --key s1.key"))
def attach(
    file: FileArgument,
    key: Annotated[Path | None, typer.Option("--key", metavar="FILE", help="The person's key file.")] = None,
    signature: Annotated[
        str, typer.Option("--signature", metavar="HEX", help="A signature that a token made of the file's message.")
    ] = "",
    yes: YesOption = False,
) -> None:
    """Sign a transaction after reading it, where the key is, or put in a signature that a token made. Sends nothing."""
    if bool(key) == bool(signature):
        raise OneOfTwoError("one of --key and --signature is needed", "give the person's key file, or a signature")
    found = signing.read(file)
    confirm("Sign this?", yes=yes, about=lambda: _show(found))
    if key is not None:
        signed = signing.sign(found, load_key(SigningKey, key, passphrase()))
    else:
        signed = signing.attach(found, signing.parse_signature(signature))
    output.show(signed, _show)


@app.command(cls=WriteCommand, epilog=example("hmchain sign send vote.json"))
def send(file: FileArgument, directory: NodeOption = DEFAULT_FOLDER, yes: YesOption = False) -> None:
    """Send a signed transaction through this node, and wait for its block."""
    output.show(delegate.send_signed(NodeFolder(directory), file, talk(yes)), _show_sent)


def _show(found: Prepare) -> None:
    output.say(f"Whoever signs this asks to {found.meaning.words}.")
    for sentence in found.sentences:
        output.say(f"  {sentence}")
    output.fields((
        *found.meaning.fields, ("network", found.meaning.chain_id), ("signed by the key", found.meaning.sender.hex()),
        ("can be sent until", f"{output.when(found.meaning.expires_ms)} UTC"),
        ("signed", "yes" if found.signed else "no"),
    ))  # fmt: skip


def _show_sent(found: Prepare) -> None:
    output.say(f"Done: {found.meaning.words}.")
