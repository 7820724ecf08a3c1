"""The folder in which a hospital keeps its records: keys, vault, ciphertext and catalogue.

It is the same folder that the hospital's agent works with, so what is extracted and registered here is what studies ask
for. A hospital that is in no network yet can begin with a folder of its own (`hmchain data init`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from hmchain import files
from hmchain.application.site import record_store
from hmchain.application.site.keyring import Keyring, key_file, local_key
from hmchain.application.site.node import NodeFolder, exchanged_objects
from hmchain.application.site.record_store import choose_record_store
from hmchain.application.site.run import RunFolder
from hmchain.application.site.study_folder import StudyFolder
from hmchain.errors import InputError, KeyMaterialError, LedgerError, StorageError
from hmchain.keys import SecretKey, WrappingKey, load_key
from hmchain.ledger import genesis as genesis_file
from hmchain.plain import Progress
from hmchain.records.catalogue import Catalogue
from hmchain.records.deidentification.patients import read_rule
from hmchain.records.objects import ObjectStore
from hmchain.records.vault import Conversion, Vault, database

CATALOGUE, ACTIVITY, COHORTS, RELEASED = "catalogue.db", "activity.db", "cohorts.db", "released.db"


class NoHospitalError(InputError):
    """The folder holds no hospital."""

    code = "no_hospital"


class HospitalExistsError(InputError):
    """The folder holds a hospital already."""

    code = "hospital_exists"


class AgentRunningError(InputError):
    """Another process acts as the hospital's agent."""

    code = "agent_running"


class SharedPlaceError(InputError):
    """Records of a hospital, or their ciphertext, are to lie where members exchange objects."""

    code = "records_in_members_store"


class RecordsInUseError(InputError):
    """Another command changes the hospital's records."""

    code = "records_in_use"


@dataclass(frozen=True)
class HospitalFolder:
    """Names of what one hospital keeps; of a node's hospital, which has its keys where the node has its own."""

    organisation: str
    path: Path
    node: NodeFolder | None = None
    """Its node, if it has one beside it."""

    @property
    def is_named(self) -> bool:
        """True if somebody gave it its name: a node's settings or a run; a folder by itself may be called anything."""
        return self.node is not None or self.run is not None

    @property
    def run(self) -> RunFolder | None:
        """The run that it is a hospital of, if it is one."""
        folder = self.path.resolve().parent
        run = RunFolder(folder.parent)
        return run if folder == run.hospitals and run.ledger.is_dir() else None

    @property
    def ledger(self) -> Path | None:
        """The directory of the ledger beside it: its node's, or its run's; None if it is in no network."""
        return self.node.ledger if self.node else self.run.ledger if self.run else None

    def first_chain(self, chain_id: str) -> str:
        """The id of the first chain of a chain's network: another one only where that was founded again since.

        What is sealed for the network's people is sealed under this one, so that it is read on whatever chain follows.
        """
        ledger = self.ledger
        if ledger is None:
            return chain_id
        with suppress(LedgerError):
            genesis = genesis_file.load(ledger / genesis_file.FILE)
            return genesis.first_chain if chain_id in [past.chain_id for past in genesis.chains] else chain_id
        return chain_id

    @property
    def keys(self) -> Path:
        """Its private keys."""
        return self.node.keys if self.node else self.path / "keys"

    @property
    def vault(self) -> Path:
        """Wrapped keys."""
        return self.path / "vault"

    @property
    def vault_database(self) -> Path:
        """The file of the wrapped keys."""
        return self.vault / database.FILE

    @property
    def catalogue(self) -> Path:
        """Datasets, versions, what is held and why."""
        return self.path / CATALOGUE

    @property
    def records(self) -> Path:
        """Ciphertext, unless `records_settings` names another place."""
        return self.path / record_store.FOLDER

    @property
    def records_settings(self) -> Path:
        """Where ciphertext lies instead."""
        return self.path / record_store.SETTINGS

    @property
    def lock(self) -> Path:
        """Held by the process that changes the records; holds its id."""
        return self.path / "data.lock"

    @property
    def activity(self) -> Path:
        """The log of its security events, with what was done with its data and what left it."""
        return self.path / ACTIVITY

    @property
    def giving(self) -> Path:
        """How far the transfers are that it gives, and what lies in the members' store for them."""
        return self.path / "giving.db"

    @property
    def giving_lock(self) -> Path:
        """Held by the process that gives records; holds its id."""
        return self.path / "giving.lock"

    @property
    def answering_lock(self) -> Path:
        """Held by the process that answers an emergency; holds its id."""
        return self.path / "answering.lock"

    @property
    def marks(self) -> Path:
        """What reviewers said of held items and did not apply yet."""
        return self.path / "marks"

    @property
    def agent_store(self) -> Path:
        """The agent's memory between steps."""
        return self.path / "agent.db"

    @property
    def agent_lock(self) -> Path:
        """Held by the process that acts as the agent; holds its id."""
        return self.path / "agent.lock"

    @property
    def cache(self) -> Path:
        """Objects that the agent attested, a folder a study."""
        return self.path / "cache"

    @property
    def study_cohorts(self) -> Path:
        """Whose records studies used in which rounds, by keyed digests."""
        return self.path / COHORTS

    @property
    def released_cohorts(self) -> Path:
        """Whose records are in what the hospital let leave, by keyed digests."""
        return self.path / RELEASED

    @property
    def cards(self) -> Path:
        """Dataset cards."""
        return self.path / "cards"

    @property
    def texts(self) -> Path:
        """Descriptions of studies that were read."""
        return self.path / "texts"

    def text(self, study: str) -> Path:
        """The description of a study, as the study pins it."""
        return self.texts / f"{study}.words"

    @property
    def documents(self) -> Path:
        """Which documents of requests it has sealed, and to whom."""
        return self.path / "documents"

    def drafts(self, person: str) -> Path:
        """Requests that a person is writing, a folder each; no hospital sees them yet."""
        return self.path / "drafts" / person

    def document(self, name: str) -> Path:
        """The digest that the ledger has of a document which was sealed; `name` is of document and readers."""
        return self.documents / name

    def card(self, dataset: str, number: int) -> Path:
        """The page of a version's card."""
        return self.cards / f"{dataset}-{number}.html"

    def card_data(self, dataset: str, number: int) -> Path:
        """The data that the page of a version's card was drawn from."""
        return self.cards / f"{dataset}-{number}.json"

    def provenance(self, dataset: str, number: int) -> Path:
        """The treatment of a version's records, as a FHIR Provenance."""
        return self.cards / f"{dataset}-{number}.provenance.json"

    @property
    def studies(self) -> Path:
        """What its studies gave, a folder each; of a node's hospital beside the node's own files, where people look."""
        return (self.node.path if self.node else self.path) / "studies"

    def study(self, name: str) -> StudyFolder:
        """What one study gave."""
        return StudyFolder(self.studies / name)

    def table(self, release: str) -> StudyFolder:
        """A table that was asked to leave, and the evidence on it."""
        return StudyFolder(self.studies.with_name("tables") / release)

    def store(self) -> ObjectStore:
        """The store of its ciphertext.

        Raises `RecordsSettingsError`, `SharedPlaceError`, or what `ObjectStore.open` raises.
        """
        store = record_store.open_record_store(self.path)
        self.require_own(store)
        return store

    def require_own(self, store: ObjectStore) -> None:
        """Raise `SharedPlaceError` if members exchange objects where a store lies.

        One object would be several hospitals' there, and whoever erases a record deletes it.
        """
        members = self._members_store()
        if members is not None and store.is_place_of(members):
            what = f"the members' store is no place for records or a replica of {self.organisation}"
            raise SharedPlaceError(what, "copy its objects to a place of the hospital's own, and name that instead")

    def require_apart(self, folder: Path) -> None:
        """Raise `SharedPlaceError` if a folder that records are written into, in clear, lies in the members' store."""
        members, place = self._members_store(), folder.resolve()
        if members is not None and Path(members.backend.place) in (place, *place.parents):
            what = f"{folder} lies in the members' store, where every member could read these records"
            raise SharedPlaceError(what, "write them into a folder of the hospital's own")

    def _members_store(self) -> ObjectStore | None:
        """Where members exchange objects; None without a network, and of a store that does not open here."""
        with suppress(InputError, StorageError, KeyMaterialError):
            if self.node is not None:
                return exchanged_objects(self.node)
            if self.run is not None:
                return ObjectStore.directory(self.run.objects)
        return None


@dataclass(frozen=True)
class Records:
    """A hospital's records, open."""

    folder: HospitalFolder
    vault: Vault
    catalogue: Catalogue


def locate(directory: Path) -> HospitalFolder:
    """The hospital in a folder: a node's, one of a run (`runs/latest/hospitals/NAME`), or one made by `create`.

    Raises `NoHospitalError`, or `NodeSettingsError` for a node whose settings cannot be read.
    """
    node = NodeFolder(directory)
    if node.toml.exists():
        name = node.settings().organisation
        return HospitalFolder(name, node.hospital(name), node)
    folder = bare(directory)
    if key_file(folder.keys, "wrapping").exists():
        return folder
    hint = f"make one: `hmchain data init --dir {directory}`; or name a node's folder, or runs/latest/hospitals/NAME"
    raise NoHospitalError(f"{directory} holds no hospital", hint)


def bare(directory: Path) -> HospitalFolder:
    """The folder of a hospital without a node, whether there is anything in it or not; it is named by it."""
    return HospitalFolder(directory.resolve().name, directory)


def create(
    directory: Path, passphrase: str | None = None, location: str = "", credentials: Path | None = None
) -> HospitalFolder:
    """Make the folder of a hospital that is in no network; its ciphertext goes there too, or to `location`.

    Raises `HospitalExistsError`, `KeyFileError`, or an error of the store that is named.
    """
    folder = bare(directory)
    if NodeFolder(directory).toml.exists() or folder.keys.exists():
        raise HospitalExistsError(f"{directory} holds a hospital already", "use it, or choose another folder")
    if location:
        choose_record_store(directory, location, credentials)
    Keyring.generate().save(folder.keys, passphrase)
    return folder


@contextmanager
def read_records(folder: HospitalFolder, passphrase: str | None = None) -> Iterator[Records]:
    """Open a hospital's records to look at them, also while another process fills them: nobody waits for anybody.

    Raises as `open_records`, but `RecordsInUseError` only if another process is just making vault and catalogue.
    """
    if not (folder.vault.exists() and folder.catalogue.exists()):
        with open_records(folder, passphrase):
            pass  # makes them
    wrapping, local, store = _opened(folder, passphrase)
    with (
        Vault.look(folder.vault, store, wrapping) as vault,
        Catalogue(folder.catalogue, local, read_rule(folder.path)) as catalogue,
    ):
        yield Records(folder, vault, catalogue)


@contextmanager
def open_records(folder: HospitalFolder, passphrase: str | None = None) -> Iterator[Records]:
    """Open a hospital's records for this process alone, making vault and catalogue at first use.

    Raises `RecordsInUseError`, `KeyFileError`, `WrongPassphraseError`, `VaultError`, `VaultKeyError`,
    `PatientRuleError` or `CatalogueError`.
    """
    wrapping, local, store = _opened(folder, passphrase)
    with (
        alone(folder),
        open_vault(folder, store, wrapping) as vault,
        Catalogue(folder.catalogue, local, read_rule(folder.path)) as catalogue,
    ):
        yield Records(folder, vault, catalogue)


def open_vault(folder: HospitalFolder, store: ObjectStore, wrapping: WrappingKey) -> Vault:
    """A hospital's vault, made at first use, and made again where a crash left it half made then.

    What is made after it tells that from a vault whose file was lost, which is never made anew. Raises `VaultError` or
    `VaultKeyError`.
    """
    was_used = folder.catalogue.exists() or folder.agent_store.exists()
    is_new = not folder.vault.exists() or (not was_used and Vault.is_half_made(folder.vault))
    return (Vault.create if is_new else Vault.open)(folder.vault, store, wrapping)


def convert(
    folder: HospitalFolder,
    passphrase: str | None = None,
    replica: ObjectStore | None = None,
    progress: Progress | None = None,
) -> Conversion:
    """Bring a hospital's vault to this version's format. Raises as `open_records`, or an error of a store."""
    wrapping, _, store = _opened(folder, passphrase)
    with alone(folder):
        return Vault.convert(folder.vault, store, wrapping, replica, progress)


@contextmanager
def only_agent(folder: HospitalFolder) -> Iterator[None]:
    """Let no other process act as a hospital's agent meanwhile. Raises `AgentRunningError` if one does."""

    def refused(holder: str) -> AgentRunningError:
        what = f"{holder} acts as the agent of {folder.organisation} already"
        return AgentRunningError(what, "a hospital has one agent: stop that one with Ctrl-C or SIGTERM first")

    files.make_folder(folder.path, mode=0o700)
    with files.hold(folder.agent_lock, refused):
        yield


def _opened(folder: HospitalFolder, passphrase: str | None) -> tuple[WrappingKey, SecretKey, ObjectStore]:
    """The keys of the vault and of the catalogue, and the store."""
    wrapping = load_key(WrappingKey, key_file(folder.keys, "wrapping"), passphrase)
    local = local_key(folder.keys, passphrase)
    return wrapping, local, folder.store()


@contextmanager
def alone(folder: HospitalFolder) -> Iterator[None]:
    """Let nobody else change a hospital's records meanwhile. Raises `RecordsInUseError` if somebody does."""

    def refused(holder: str) -> RecordsInUseError:
        what = f"{holder} changes the records of {folder.organisation}"
        return RecordsInUseError(what, "wait for it to end, or stop it; they can be looked at and exported meanwhile")

    files.make_folder(folder.path, mode=0o700)
    with files.hold(folder.lock, refused):
        yield
