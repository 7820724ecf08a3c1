"""The folder in which a hospital keeps its records: keys, vault, ciphertext and catalogue.

It is the same folder that the hospital's agent works with, so what is extracted and registered here is what studies ask
for. A hospital that is in no network yet can begin with a folder of its own (`hmchain data init`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hmchain import files
from hmchain.application.site.keyring import Keyring
from hmchain.application.site.node import NodeFolder
from hmchain.application.site.record_store import choose_record_store, open_record_store
from hmchain.errors import InputError
from hmchain.keys import SecretKey, WrappingKey, load_key
from hmchain.plain import Progress
from hmchain.records.catalogue import Catalogue
from hmchain.records.objects import ObjectStore
from hmchain.records.vault import Conversion, Vault


class NoHospitalError(InputError):
    """The folder holds no hospital."""

    code = "no_hospital"


class HospitalExistsError(InputError):
    """The folder holds a hospital already."""

    code = "hospital_exists"


class RecordsInUseError(InputError):
    """Another command changes the hospital's records."""

    code = "records_in_use"


@dataclass(frozen=True)
class Place:
    """Where a hospital keeps what."""

    organisation: str
    folder: Path
    keys: Path
    node: NodeFolder | None = None
    """Its node, if the folder is one."""

    @property
    def vault(self) -> Path:
        """Wrapped keys."""
        return self.folder / "vault"

    @property
    def catalogue(self) -> Path:
        """What there is."""
        return self.folder / "catalogue.db"

    @property
    def cards(self) -> Path:
        """Dataset cards."""
        return self.folder / "cards"

    def card(self, dataset: str, number: int) -> Path:
        """The page of a version's card; its JSON file lies beside it."""
        return self.cards / f"{dataset}-{number}.html"


@dataclass(frozen=True)
class Records:
    """A hospital's records, open."""

    place: Place
    vault: Vault
    catalogue: Catalogue


def locate(directory: Path) -> Place:
    """The hospital in a folder: a node's, one of a run (`runs/latest/hospitals/NAME`), or one made by `create`.

    Raises `NoHospitalError`, or `NodeSettingsError` for a node whose settings cannot be read.
    """
    node = NodeFolder(directory)
    if node.toml.exists():
        name = node.settings().organisation
        return Place(name, directory / "hospitals" / name, node.keys, node)
    if (directory / "keys" / "wrapping.key").exists():
        return Place(directory.resolve().name, directory, directory / "keys")
    hint = f"make one: hmchain data init --dir {directory}; or name a node's folder, or runs/latest/hospitals/NAME"
    raise NoHospitalError(f"{directory} holds no hospital", hint)


def create(
    directory: Path, passphrase: str | None = None, location: str = "", credentials: Path | None = None
) -> Place:
    """Make the folder of a hospital that is in no network; its ciphertext goes there too, or to `location`.

    Raises `HospitalExistsError`, `KeyFileError`, or an error of the store that is named.
    """
    if NodeFolder(directory).toml.exists() or (directory / "keys").exists():
        raise HospitalExistsError(f"{directory} holds a hospital already", "use it, or choose another folder")
    if location:
        choose_record_store(directory, location, credentials)
    Keyring.generate().save(directory / "keys", passphrase)
    return locate(directory)


@contextmanager
def read_records(place: Place, passphrase: str | None = None) -> Iterator[Records]:
    """Open a hospital's records to look at them, also while another process fills them: nobody waits for anybody.

    Raises as `open_records`, but `RecordsInUseError` only if another process is just making vault and catalogue.
    """
    if not (place.vault.exists() and place.catalogue.exists()):
        with open_records(place, passphrase):
            pass  # makes them
    wrapping, local, store = _opened(place, passphrase)
    with Vault.look(place.vault, store, wrapping) as vault, Catalogue(place.catalogue, local) as catalogue:
        yield Records(place, vault, catalogue)


@contextmanager
def open_records(place: Place, passphrase: str | None = None) -> Iterator[Records]:
    """Open a hospital's records for this process alone, making vault and catalogue at first use.

    Raises `RecordsInUseError`, `KeyFileError`, `WrongPassphraseError`, `VaultError`, `VaultKeyError` or
    `CatalogueError`.
    """
    wrapping, local, store = _opened(place, passphrase)
    make = Vault.open if place.vault.exists() else Vault.create
    with alone(place), make(place.vault, store, wrapping) as vault, Catalogue(place.catalogue, local) as catalogue:
        yield Records(place, vault, catalogue)


def convert(
    place: Place,
    passphrase: str | None = None,
    replica: ObjectStore | None = None,
    progress: Progress | None = None,
) -> Conversion:
    """Bring a hospital's vault to this version's format. Raises as `open_records`, or an error of a store."""
    wrapping, _, store = _opened(place, passphrase)
    with alone(place):
        return Vault.convert(place.vault, store, wrapping, replica, progress)


def _opened(place: Place, passphrase: str | None) -> tuple[WrappingKey, SecretKey, ObjectStore]:
    """The keys of the vault and of the catalogue, and the store."""
    wrapping = load_key(WrappingKey, place.keys / "wrapping.key", passphrase)
    local = load_key(SecretKey, place.keys / "local.key", passphrase)
    return wrapping, local, open_record_store(place.folder)


@contextmanager
def alone(place: Place) -> Iterator[None]:
    """Let nobody else change a hospital's records meanwhile. Raises `RecordsInUseError` if somebody does."""

    def refused(holder: str) -> RecordsInUseError:
        what = f"{holder} changes the records of {place.organisation}"
        return RecordsInUseError(what, "wait for it to end, or stop it; they can be looked at and exported meanwhile")

    files.make_folder(place.folder, mode=0o700)
    with files.hold(place.folder / "data.lock", refused):
        yield
