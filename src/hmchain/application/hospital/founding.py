"""Keys and genesis of hospitals that begin together in one folder."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from hmchain.application.site.hospital import HospitalFolder
from hmchain.application.site.keyring import Keyring
from hmchain.application.site.run import RunFolder
from hmchain.keys import SigningKey
from hmchain.ledger import genesis as genesis_file
from hmchain.ledger.contracts.members.parameters import Parameters
from hmchain.ledger.genesis import SALT_BYTES, Genesis
from hmchain.ledger.protocols import FOUNDING


def make_keys(directory: Path, names: Iterable[str], passphrase: str | None = None) -> dict[str, Keyring]:
    """New keys of every hospital, saved in its folder. Raises `KeyFileError` rather than overwrite one."""
    keys = {name: Keyring.generate() for name in sorted(names)}
    for name, keyring in keys.items():
        keyring.save(hospital_folder(directory, name).keys, passphrase)
    return keys


def load_keys(directory: Path, passphrase: str | None = None) -> dict[str, Keyring]:
    """The keys of every hospital of a consortium's folder. Raises `KeyFileError` or `WrongPassphraseError`."""
    names = sorted(path.name for path in RunFolder(directory).hospitals.iterdir() if path.is_dir())
    return {name: Keyring.load(hospital_folder(directory, name).keys, passphrase) for name in names}


def hospital_folder(directory: Path, name: str) -> HospitalFolder:
    """The folder of one of the hospitals of a consortium's."""
    return HospitalFolder(name, RunFolder(directory).hospital(name))


def validator_keys(keys: Mapping[str, Keyring]) -> dict[str, SigningKey]:
    """The keys that the hospitals' validators sign blocks with."""
    return {name: keyring.validator for name, keyring in keys.items()}


def founding(
    name: str,
    titles: Mapping[str, str],
    keys: Mapping[str, Keyring],
    time_ms: int,
    parameters: Parameters | None = None,
    salt: bytes | None = None,
    protocol: int = FOUNDING,
) -> Genesis:
    """The genesis of a consortium of the organisations in `titles` (name to title), by the rules of `protocol`.

    Without a `salt` (32 bytes) a random one is drawn.
    """
    members = (keyring.member(organisation, titles[organisation]) for organisation, keyring in keys.items())
    return genesis_file.found(name, time_ms, members, salt or os.urandom(SALT_BYTES), parameters, protocol=protocol)
