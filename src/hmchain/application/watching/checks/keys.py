"""A hospital's key files: there, readable by their owner alone, sealed, and those that the ledger knows."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

from hmchain.application.site.keyring import ROTATED_ROLES, key_file, next_key_file
from hmchain.application.site.node import NodeFolder
from hmchain.application.watching.findings import Finding, Subject, fail, failed, ok, warn
from hmchain.application.watching.place import Place
from hmchain.errors import KeyMaterialError
from hmchain.keys import SigningKey, WrappingKey, is_sealed, load_key
from hmchain.ledger.contracts.members.membership import Member

_SUBJECT = Subject.KEYS
ROLES = (*ROTATED_ROLES, "local")


def keys(place: Place) -> Iterator[Finding]:
    """All key files of the folder."""
    if place.hospital is None and place.node is None:
        return
    folder = place.hospital.keys if place.hospital else NodeFolder(place.path).keys  # its settings cannot be read
    own = {role: key_file(folder, role) for role in ROLES}
    if place.node is not None:
        own["node"] = place.node.node_key
    yield from _there(own)
    yield from _private(folder)
    yield from _sealing(own)
    yield from _on_the_ledger(place, folder)


def _there(own: dict[str, Path]) -> Iterator[Finding]:
    missing = [str(path) for path in own.values() if not path.is_file()]
    if missing:
        words = f"missing: {', '.join(missing)}"
        yield fail(_SUBJECT, "there", words, "restore each from its backup: a key is never made anew in its place")
    else:
        yield ok(_SUBJECT, "there", f"all {len(own)} key files are there")


def _private(folder: Path) -> Iterator[Finding]:
    """Everything below the folder of keys, credentials too."""
    if not folder.is_dir():
        return
    found = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    opened = [path for path in found if stat.S_IMODE(path.stat().st_mode) & 0o077]
    if opened:
        words = f"others on this machine can read {', '.join(map(str, opened))}"
        yield fail(_SUBJECT, "mode", words, f"chmod 600 {' '.join(map(str, opened))}; if somebody may have, replace it")
    else:
        yield ok(_SUBJECT, "mode", f"their owner alone can read the {len(found)} files in {folder}")


def _sealing(own: dict[str, Path]) -> Iterator[Finding]:
    """The node's own key opens its connections and nothing else: CometBFT reads it without a passphrase."""
    opened = []
    for role, path in own.items():
        if role == "node" or not path.is_file():
            continue
        try:
            if not is_sealed(path):
                opened.append(role)
        except KeyMaterialError as error:
            yield failed(_SUBJECT, "readable", error)
    if opened:
        words = f"not sealed with a passphrase: {', '.join(opened)}; who gets a copy of them can act for the hospital"
        yield warn(_SUBJECT, "sealed", words, "`hmchain data vault seal-keys` seals them")
    else:
        yield ok(_SUBJECT, "sealed", "they are sealed with a passphrase")


def _on_the_ledger(place: Place, folder: Path) -> Iterator[Finding]:
    if (known := place.known_if_sound) is None:
        return
    if known.membership is None or not known.membership.active:
        words = f"{place.organisation} is no member of the network"
        yield fail(_SUBJECT, "member", words, "ask the members: `hmchain network ballots` shows what they vote on")
        return
    unlike, unread = [], []
    for role in ROTATED_ROLES:
        try:
            if not _is_known(place, folder, role, known.membership.member):
                unlike.append(role)
        except KeyMaterialError:
            unread.append(role)
    if unlike:
        words = f"not those that the ledger knows: {', '.join(unlike)}"
        yield fail(_SUBJECT, "fit", words, _way_to_fit(folder, unlike))
    elif unread:
        words = f"not compared with the ledger: {', '.join(unread)} did not open"
        yield warn(_SUBJECT, "fit", words, "give the passphrase: `hmchain doctor --passphrase-file FILE`")
    else:
        yield ok(_SUBJECT, "fit", "they are those that the ledger knows")


def _way_to_fit(folder: Path, unlike: list[str]) -> str:
    if cut_short := [role for role in unlike if next_key_file(folder, role).exists()]:
        return f"a rotation was cut short, the same command ends it: `hmchain node rotate-key {cut_short[0]}`"
    return "put those into the folder that the ledger knows, from their backup"


def _is_known(place: Place, folder: Path, role: str, member: Member) -> bool:
    path = key_file(folder, role)
    if role == "wrapping":
        return load_key(WrappingKey, path, place.passphrase).public == member.wrapping
    known: bytes = getattr(member, role)
    return load_key(SigningKey, path, place.passphrase).public.raw == known
