"""`hmchain sign`: read what a prepared transaction means, sign it where its key is, send it; sign in by a key file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from hmchain.application.access import challenges
from hmchain.application.access.challenges import SignIn
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


@dataclass(frozen=True)
class SignedChallenge:
    """The signature that a page waits for."""

    words: str
    signature: bytes


@app.command(cls=ReadCommand, epilog=example("hmchain sign challenge hmchain-sign-in:96b... --key s1.key"))
def challenge(
    line: Annotated[str, typer.Argument(metavar="LINE", help="What the page for signing in shows.")],
    key: Annotated[Path, typer.Option("--key", metavar="FILE", help="The person's key file.")],
    yes: YesOption = False,
) -> None:
    """Sign in at a portal by a key file: say at which portal and as whom, and print the signature for its page.

    Compare the address with the one in the browser: whoever has the signature is signed in there.
    """
    found = challenges.read_text(line)
    confirm("Sign this?", yes=yes, about=lambda: _show_challenge(found))
    signature = load_key(SigningKey, key, passphrase()).sign(found.message)
    output.show(SignedChallenge(found.words, signature), _show_signature)


def _show_challenge(found: SignIn) -> None:
    output.say(f"Whoever signs this asks to {found.words}.")
    output.say(f"It is good until {output.when(found.expires_ms)} UTC.")


def _show_signature(found: SignedChallenge) -> None:
    output.say(f"This signature lets you {found.words}. Put it into the page:")
    output.say(found.signature.hex(), style="bold")


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
