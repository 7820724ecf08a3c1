"""The vault's key hierarchy: providers, rotation, handing over, and vaults of the first format."""

from __future__ import annotations

import hmac
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from hmchain import merkle
from hmchain.canonical import digest, encode
from hmchain.errors import KeyMaterialError
from hmchain.keys import SecretKey, UnwrapError, WrappingKey, WrongPassphraseError
from hmchain.records.envelope import seal
from hmchain.records.objects import DiskFullError, ObjectStore
from hmchain.records.vault import (
    Conversion,
    HybridProvider,
    KeyProvider,
    PassphraseProvider,
    SecretKeyProvider,
    Vault,
    VaultError,
    VaultKeyError,
    VersionClosedError,
    verify_record_proof,
)
from hmchain.records.vault.hierarchy import Hierarchy
from support.old_vaults import put_as_before
from support.vault_file import newest_kek, rows

KEY = WrappingKey.generate()
SECRET = SecretKey.generate()


class SoftToken:
    """A PKCS#11 token in memory: keys have labels and are not exported; a session must be logged in to use them.

    It wraps as tokens do (CKM_AES_KEY_WRAP, RFC 3394).
    """

    def __init__(self, pin: str) -> None:
        self._pin = pin
        self._keys: dict[str, bytes] = {}
        self._open = False
        self.key_id = ""

    def generate(self, label: str) -> None:
        self._keys[label] = SecretKey.generate().raw
        self.key_id = label

    def login(self, pin: str) -> None:
        self._open = pin == self._pin

    def logout(self) -> None:
        self._open = False

    def wrap(self, key_id: str, plaintext: bytes) -> bytes:
        return aes_key_wrap(self._key(key_id), plaintext)

    def unwrap(self, key_id: str, wrapped: bytes) -> bytes:
        try:
            return aes_key_unwrap(self._key(key_id), wrapped)
        except InvalidUnwrap as error:
            raise UnwrapError("the token does not unwrap this key") from error

    def _key(self, label: str) -> bytes:
        if not self._open:
            raise VaultKeyError("the token is locked", "log in")
        if label not in self._keys:
            raise VaultKeyError("the token does not hold the vault's key", "use the token that it was made with")
        return self._keys[label]


def token() -> SoftToken:
    made = SoftToken("1234")
    made.generate("vault-2026")
    made.login("1234")
    return made


TOKEN = token()
PROVIDERS: dict[str, Callable[[], KeyProvider]] = {
    "hybrid": lambda: HybridProvider(KEY),
    "secret": lambda: SecretKeyProvider(SECRET),
    "passphrase": lambda: PassphraseProvider("correct horse"),
    "token": lambda: TOKEN,
}
every_provider = pytest.mark.parametrize("provider", PROVIDERS.values(), ids=PROVIDERS.keys())


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return ObjectStore.directory(tmp_path / "objects", durable=False)


@pytest.fixture
def vault(tmp_path: Path, store: ObjectStore) -> Iterator[Vault]:
    with Vault.create(tmp_path / "vault", store, KEY) as vault:
        yield vault


def keks(folder: Path) -> list[int]:
    return [number for (number,) in rows(folder / "vault", "SELECT id FROM keks")]


# --- providers


@every_provider
def test_a_vault_opens_again_with_its_provider(
    provider: Callable[[], KeyProvider], tmp_path: Path, store: ObjectStore
) -> None:
    with Vault.create(tmp_path / "vault", store, provider()) as vault:
        vault.put("ct", 1, "a", b"x")
    with Vault.open(tmp_path / "vault", store, provider()) as vault:
        assert vault.get("ct", 1, "a") == b"x"


@every_provider
@pytest.mark.parametrize(
    "other",
    [WrappingKey.generate(), SecretKeyProvider(SecretKey.generate()), PassphraseProvider("wrong"), token()],
    ids=["hybrid", "secret", "passphrase", "token"],
)
def test_a_vault_does_not_open_with_another_key(
    provider: Callable[[], KeyProvider], other: WrappingKey | KeyProvider, tmp_path: Path, store: ObjectStore
) -> None:
    Vault.create(tmp_path / "vault", store, provider()).close()
    with pytest.raises((VaultKeyError, WrongPassphraseError, UnwrapError)):
        Vault.open(tmp_path / "vault", store, other)


@every_provider
def test_an_altered_wrapped_key_does_not_open(provider: Callable[[], KeyProvider]) -> None:
    keys = provider()
    wrapped = keys.wrap(keys.key_id, bytes(32))
    assert keys.unwrap(keys.key_id, wrapped) == bytes(32)
    for altered in (wrapped[:-1], wrapped[:-1] + bytes([wrapped[-1] ^ 1]), b""):
        with pytest.raises(KeyMaterialError):
            keys.unwrap(keys.key_id, altered)
    with pytest.raises(VaultKeyError):
        keys.unwrap("another", wrapped)


def test_a_locked_token_opens_nothing_and_an_open_vault_goes_on_without_it(tmp_path: Path, store: ObjectStore) -> None:
    keys = token()
    with Vault.create(tmp_path / "vault", store, keys) as vault:
        keys.logout()
        vault.put("ct", 1, "a", b"x")
        assert vault.get("ct", 1, "a") == b"x"
    with pytest.raises(VaultKeyError, match="locked"):
        Vault.open(tmp_path / "vault", store, keys)


@every_provider
def test_providers_and_keys_print_redacted(provider: Callable[[], KeyProvider], vault: Vault, tmp_path: Path) -> None:
    kek = newest_kek(tmp_path / "vault", HybridProvider(KEY))
    shown = f"{provider()!r} {kek!r} {vault!r}"
    for secret in (SECRET.raw, KEY.x25519, kek.raw):
        assert repr(secret) not in shown and secret.hex() not in shown
    assert "correct horse" not in shown


# --- rotation


def filled(vault: Vault) -> None:
    vault.put_many("ct", 1, {f"{i:03d}": bytes([i]) for i in range(40)})
    vault.put_many("ct", 2, {f"{i:03d}": bytes([i % 10]) for i in range(40)})
    vault.put("mr", 1, "left open", b"x")


def test_rotation_changes_every_wrapped_key_and_no_ciphertext(vault: Vault, store: ObjectStore, tmp_path: Path) -> None:
    filled(vault)
    bound = vault.commit("ct", 1)
    before, objects = rows(tmp_path / "vault", "SELECT wrapped FROM records"), sorted(store.list())
    ((old,),) = rows(tmp_path / "vault", "SELECT wrapped FROM keks")
    raw = newest_kek(tmp_path / "vault", HybridProvider(KEY)).raw
    told: list[tuple[int, int]] = []

    assert vault.rotate(progress=lambda done, of: told.append((done, of))) == 81

    assert told[-1] == (81, 81)
    assert keks(tmp_path) == [2]
    assert sorted(store.list()) == objects
    assert vault.commit("ct", 1) == bound
    assert dict(vault.read("ct", 2)) == {f"{i:03d}": bytes([i % 10]) for i in range(40)}
    assert vault.put("mr", 2, "b", b"x") == vault.put("mr", 1, "c", b"x"), "contents are still found by their digest"
    files = b"".join(path.read_bytes() for path in (tmp_path / "vault").iterdir())
    assert not any(wrapped in files for (wrapped,) in before)
    assert old not in files and raw not in files
    with Vault.open(tmp_path / "vault", store, KEY) as again:
        assert dict(again.read("ct", 1)) == {f"{i:03d}": bytes([i]) for i in range(40)}


def test_an_old_kek_opens_nothing_any_more(vault: Vault, tmp_path: Path) -> None:
    vault.put("ct", 1, "a", b"x")
    old = newest_kek(tmp_path / "vault", HybridProvider(KEY))
    vault.rotate()
    ((wrapped,),) = rows(tmp_path / "vault", "SELECT wrapped FROM records")
    with pytest.raises(UnwrapError):
        old.unwrap(wrapped, b"any")


def test_rotation_cut_short_goes_on(
    vault: Vault, store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hmchain.records.vault.hierarchy.WRAPPED_AT_ONCE", 10)
    filled(vault)

    def cut(done: int, _: int) -> None:
        if done >= 30:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        vault.rotate(progress=cut)
    assert keks(tmp_path) == [1, 2]
    vault.put("ct", 3, "a", b"between")
    vault.close()
    with Vault.open(tmp_path / "vault", store, KEY) as again:
        assert len(list(again.read("ct", 1))) == 40
        assert again.rotate() == 51
        assert keks(tmp_path) == [2]
        assert again.verify().sound


def test_a_vault_that_is_open_elsewhere_takes_the_new_kek(vault: Vault, store: ObjectStore, tmp_path: Path) -> None:
    vault.put("ct", 1, "a", b"x")
    with Vault.open(tmp_path / "vault", store, KEY) as other:
        vault.rotate()
        assert other.get("ct", 1, "a") == b"x"
        other.put("ct", 1, "b", b"y")
    assert vault.get("ct", 1, "b") == b"y"
    assert rows(tmp_path / "vault", "SELECT DISTINCT kek FROM records") == [(2,)]


def test_a_vault_is_handed_to_another_provider(vault: Vault, store: ObjectStore, tmp_path: Path) -> None:
    filled(vault)
    vault.rotate(TOKEN)
    vault.close()
    with pytest.raises(VaultKeyError):
        Vault.open(tmp_path / "vault", store, KEY)
    with Vault.open(tmp_path / "vault", store, TOKEN) as again:
        assert len(list(again.read("ct", 1))) == 40


def test_a_passphrase_is_changed(store: ObjectStore, tmp_path: Path) -> None:
    with Vault.create(tmp_path / "vault", store, PassphraseProvider("old")) as vault:
        filled(vault)
        vault.rotate(PassphraseProvider("new"))
    with pytest.raises(WrongPassphraseError):
        Vault.open(tmp_path / "vault", store, PassphraseProvider("old"))
    with Vault.open(tmp_path / "vault", store, PassphraseProvider("new")) as again:
        assert len(list(again.read("ct", 1))) == 40


def test_a_rotation_that_could_not_be_noted_leaves_the_kek_that_is(
    vault: Vault, store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A KEK that was made in a transaction that failed must never wrap: nobody holds it."""
    filled(vault)
    add = Hierarchy.add

    def fail(hierarchy: Hierarchy, connection: sqlite3.Connection) -> None:
        add(hierarchy, connection)
        raise DiskFullError("there is no room to write the vault")

    with monkeypatch.context() as patch:
        patch.setattr(Hierarchy, "add", fail)
        with pytest.raises(DiskFullError):
            vault.rotate()
    assert keks(tmp_path) == [1]
    with Vault.open(tmp_path / "vault", store, KEY) as other:
        other.rotate()
    vault.put("mr", 2, "b", b"new")
    with Vault.open(tmp_path / "vault", store, KEY) as again:
        assert again.get("mr", 2, "b") == b"new"
        assert again.verify().sound


def test_a_kek_that_a_record_needs_cannot_be_deleted(vault: Vault, tmp_path: Path) -> None:
    filled(vault)
    with pytest.raises(VaultError):
        rows(tmp_path / "vault", "DELETE FROM keks")
    assert vault.verify().sound


def test_two_processes_that_bring_a_vault_over_do_it_once(store: ObjectStore, tmp_path: Path) -> None:
    first_format(tmp_path / "vault", store, {1})
    assert Vault.convert(tmp_path / "vault", store, KEY) == Conversion(6, 0)
    assert Vault.convert(tmp_path / "vault", store, KEY) == Conversion(0, 0)
    with Vault.open(tmp_path / "vault", store, KEY) as vault:
        assert keks(tmp_path) == [1]
        assert vault.get("ct", 2, "c") == b"2c"


def test_handing_over_cut_short_needs_the_new_provider_alone(vault: Vault, store: ObjectStore, tmp_path: Path) -> None:
    filled(vault)

    def cut(_: int, __: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        vault.rotate(SecretKeyProvider(SECRET), progress=cut)
    vault.close()
    with Vault.open(tmp_path / "vault", store, SecretKeyProvider(SECRET)) as again:
        assert len(list(again.read("ct", 2))) == 40
        again.rotate()
        assert len(keks(tmp_path)) == 1


# --- vaults of the first format


def first_format(directory: Path, store: ObjectStore, committed: set[int]) -> dict[int, bytes]:
    """A vault as version 0.1.0 wrote it, with two versions of three records; returns the roots."""
    directory.mkdir()
    database = sqlite3.connect(directory / "vault.sqlite")
    database.executescript(
        """CREATE TABLE owner (key_digest BLOB NOT NULL);
        CREATE TABLE records (
            dataset TEXT NOT NULL, version INTEGER NOT NULL, record TEXT NOT NULL,
            digest BLOB NOT NULL, wrapped BLOB NOT NULL,
            PRIMARY KEY (dataset, version, record));
        CREATE TABLE versions (
            dataset TEXT NOT NULL, version INTEGER NOT NULL, wrapped BLOB,
            PRIMARY KEY (dataset, version));
        CREATE TABLE doomed (digest BLOB PRIMARY KEY);
        PRAGMA journal_mode = WAL;
        PRAGMA user_version = 1;"""
    )
    database.execute("INSERT INTO owner VALUES (?)", (digest("hmchain vault owner", encode(KEY.public)),))
    roots = {}
    for version in (1, 2):
        number, addresses = version.to_bytes(8, "big"), []
        for record in ("a", "b", "c"):
            context, key = digest("hmchain vault record", b"ct", number, record.encode()), SecretKey.generate()
            addresses.append(put_as_before(store, seal(f"{version}{record}".encode(), key, context)))
            wrapped = encode(KEY.public.wrap(key.raw, context))
            database.execute("INSERT INTO records VALUES ('ct', ?, ?, ?, ?)", (version, record, addresses[-1], wrapped))
        if version in committed:
            secret = SecretKey.generate()
            wrapped = encode(KEY.public.wrap(secret.raw, digest("hmchain vault root key", b"ct", number)))
            database.execute("INSERT INTO versions VALUES ('ct', ?, ?)", (version, wrapped))
            bound = digest("hmchain dataset root", b"ct", number, merkle.root(addresses))
            roots[version] = hmac.digest(secret.raw, bound, "sha256")
    database.execute("INSERT INTO versions VALUES ('erased', 1, NULL)")
    database.execute("INSERT INTO doomed VALUES (?)", (put_as_before(store, b"doomed"),))
    database.commit()
    database.close()
    return roots


def test_a_vault_of_the_first_format_is_brought_to_this_one(store: ObjectStore, tmp_path: Path) -> None:
    roots = first_format(tmp_path / "vault", store, {1})
    hybrid = b"".join(path.read_bytes() for path in (tmp_path / "vault").iterdir())
    told: list[tuple[int, int]] = []
    with pytest.raises(VaultError, match=r"an earlier format.*vault convert"):
        Vault.open(tmp_path / "vault", store, KEY)
    found = Vault.convert(tmp_path / "vault", store, KEY, progress=lambda done, of: told.append((done, of)))
    assert found == Conversion(6, 0)
    with Vault.open(tmp_path / "vault", store, KEY) as vault:
        assert told == [(6, 6), (6, 6)], "records, and objects"
        assert dict(vault.read("ct", 1)) == {"a": b"1a", "b": b"1b", "c": b"1c"}
        assert vault.commit("ct", 1).root == roots[1], "what stands on the ledger holds"
        assert verify_of(vault, 1, roots[1])
        second = vault.commit("ct", 2)
        assert verify_of(vault, 2, second.root)
        assert not set(second.leaves) & set(store.list()), "a version that was open gets salted leaves"
        with pytest.raises(VersionClosedError):
            vault.commit("erased", 1)
        assert len(list(store.list())) == 6, "an erasure that was under way is finished"
        assert vault.verify().sound
        assert vault.erase("ct", "a") == 2
    files = b"".join(path.read_bytes() for path in (tmp_path / "vault").iterdir())
    sealed = hybrid[hybrid.index(b"hpke-mlkem768") + 700 :][:200]
    assert sealed in hybrid and sealed not in files, "keys wrapped by the hybrid key itself are destroyed"
    with Vault.open(tmp_path / "vault", store, KEY) as vault:
        assert vault.get("ct", 2, "c") == b"2c"


def verify_of(vault: Vault, version: int, root: bytes) -> bool:
    return all(verify_record_proof(vault.prove("ct", version, record), root) for record in ("a", "b", "c"))


def test_bringing_over_is_done_whole_or_not_at_all(store: ObjectStore, tmp_path: Path) -> None:
    first_format(tmp_path / "vault", store, {1})

    def cut(_: int, __: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Vault.convert(tmp_path / "vault", store, KEY, progress=cut)
    Vault.convert(tmp_path / "vault", store, KEY)
    with Vault.open(tmp_path / "vault", store, KEY) as vault:
        assert vault.get("ct", 2, "c") == b"2c"


@pytest.mark.parametrize("other", [WrappingKey.generate(), SecretKeyProvider(SECRET)], ids=["hybrid", "secret"])
def test_a_vault_of_the_first_format_opens_only_with_its_key(
    other: WrappingKey | KeyProvider, store: ObjectStore, tmp_path: Path
) -> None:
    first_format(tmp_path / "vault", store, set())
    with pytest.raises(VaultKeyError):
        Vault.convert(tmp_path / "vault", store, other)
    Vault.convert(tmp_path / "vault", store, KEY)
    Vault.open(tmp_path / "vault", store, KEY).close()


def test_a_format_of_the_future_is_not_touched(vault: Vault, store: ObjectStore, tmp_path: Path) -> None:
    rows(tmp_path / "vault", "PRAGMA user_version = 4")
    vault.close()
    with pytest.raises(VaultError, match="not a vault that this version reads"):
        Vault.open(tmp_path / "vault", store, KEY)
