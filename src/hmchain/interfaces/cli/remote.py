"""A hospital's node behind its portal: commands that name an address in the place of a folder.

`--node https://portal.north.example`, or HMCHAIN_URL, means the portal. A person signs in, and signs, with `--as
ORGANISATION/PERSON --key FILE`, or what HMCHAIN_PERSON and HMCHAIN_KEY name; a program looks with the token in
HMCHAIN_TOKEN. No key leaves this machine.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from hmchain.errors import InputError
from hmchain.interfaces.cli import acting, output
from hmchain.interfaces.cli.options import DEFAULT_FOLDER, passphrase
from hmchain.interfaces.client.clients import Asker, Client
from hmchain.interfaces.client.flows import Flow
from hmchain.keys import SigningKey, load_key
from hmchain.plain import plain

if TYPE_CHECKING:
    from hmchain.application.node.meaning import Meaning

T = TypeVar("T")

_ADDRESS = re.compile(r"(https?):/+(.*)")
_URL, _TOKEN, _PERSON, _KEY = "HMCHAIN_URL", "HMCHAIN_TOKEN", "HMCHAIN_PERSON", "HMCHAIN_KEY"


class NobodyAsksError(InputError):
    """A portal is asked, and nothing says by whom."""

    code = "nobody_asks"


def address(place: Path | None) -> str:
    """The portal that a folder's option names, or the environment where it names nothing; empty for a folder."""
    found = _ADDRESS.fullmatch(str(place)) if place is not None else None
    if found is not None:
        return f"{found[1]}://{found[2]}"
    return os.environ.get(_URL, "") if place in (None, DEFAULT_FOLDER) else ""


def asked(place: Path | None, flow: Flow[T], *, person: str = "") -> T | None:
    """What a portal answers, where a folder's option names one; None, and nothing asked, where it does not."""
    if not (url := address(place)):
        return None
    with portal(url, person) as there:
        return there.ask(flow)


def shown(
    place: Path | None, flow: Flow[T], text: Callable[[T], None], json: Callable[[T], Any] = plain, *, person: str = ""
) -> bool:
    """Show what a portal answers; False where none is named."""
    if (found := asked(place, flow, person=person)) is None:
        return False
    output.show(found, text, json)
    return True


def portal(url: str, person: str = "") -> Client:
    """A client of a portal, as whoever gave the command. Raises `NobodyAsksError`, and what a key file complains of."""
    person = person or acting.handle() or os.environ.get(_PERSON, "")
    named = os.environ.get(_KEY, "")
    key = acting.key() or (Path(named) if named else None)
    token = os.environ.get(_TOKEN, "") if key is None else ""
    if not token and (key is None or "/" not in person):
        hint = f"--as ORGANISATION/PERSON --key FILE, or a token in {_TOKEN}: POST {url}/v1/tokens makes one"
        raise NobodyAsksError("a portal wants to know who asks", hint)
    signer = None if key is None else load_key(SigningKey, key, passphrase())
    return Client(url, Asker(person, signer, token, _told))


def _told(found: Meaning) -> None:
    """What a key signs now, as its very bytes say, for whoever watches."""
    output.remark(f"Signing: {found.words}")
