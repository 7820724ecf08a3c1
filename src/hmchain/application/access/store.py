"""What a portal remembers of people: sessions, tokens and passkeys, in one SQLite file of the hospital's.

Of a secret that a browser or program brings there is its digest alone: whoever reads the file cannot sign in with it.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from hmchain import files, sqlite
from hmchain.canonical import digest
from hmchain.errors import StorageError
from hmchain.ledger.contracts.members.people import PersonRef

SESSION, TOKEN = "session", "token"
_SCHEMA = """
BEGIN;
CREATE TABLE IF NOT EXISTS credentials (
    digest BLOB NOT NULL PRIMARY KEY, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, organisation TEXT NOT NULL,
    person TEXT NOT NULL, mark BLOB NOT NULL, factors TEXT NOT NULL, roles TEXT NOT NULL, scopes TEXT NOT NULL,
    name TEXT NOT NULL, made_ms INTEGER NOT NULL, proved_ms INTEGER NOT NULL, used_ms INTEGER NOT NULL,
    until_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS credentials_of ON credentials (organisation, person, kind);
CREATE TABLE IF NOT EXISTS passkeys (
    credential BLOB NOT NULL PRIMARY KEY, id TEXT NOT NULL UNIQUE, organisation TEXT NOT NULL, person TEXT NOT NULL,
    mark BLOB NOT NULL, public BLOB NOT NULL, count INTEGER NOT NULL, name TEXT NOT NULL, made_ms INTEGER NOT NULL,
    used_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS passkeys_of ON passkeys (organisation, person);
CREATE TABLE IF NOT EXISTS handles (
    organisation TEXT NOT NULL, person TEXT NOT NULL, handle BLOB NOT NULL UNIQUE, PRIMARY KEY (organisation, person))
    WITHOUT ROWID;
COMMIT;
"""
_FIELDS = (
    "digest, id, kind, organisation, person, mark, factors, roles, scopes, name, made_ms, proved_ms, used_ms, until_ms"
)
_KEYS = "credential, id, organisation, person, mark, public, count, name, made_ms, used_ms"
_SECRET_BYTES, _ID_BYTES, _HANDLE_BYTES = 32, 8, 32


class PortalStoreError(StorageError):
    """The file of sessions, tokens and passkeys cannot be read or written."""

    code = "portal_store"


class Credential(msgspec.Struct, frozen=True):
    """A session or a token, without its secret."""

    digest: bytes
    id: str
    """By which people name it."""
    kind: str
    ref: PersonRef
    mark: bytes
    """Of the person's key when it was made."""
    factors: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    """It acts in no others; where it has none, in all that the ledger gives."""
    scopes: frozenset[str] = frozenset()
    name: str = ""
    made_ms: int = 0
    proved_ms: int = 0
    """When the person last showed to be it."""
    used_ms: int = 0
    until_ms: int = 0
    """It counts for nothing afterwards."""


class Passkey(msgspec.Struct, frozen=True):
    """A passkey of a person's, as WebAuthn gives it."""

    credential: bytes
    id: str
    """By which people name it."""
    ref: PersonRef
    mark: bytes
    """Of the person's key on the ledger when it was added."""
    public: bytes
    """COSE."""
    count: int
    """Of its signatures, where it counts."""
    name: str
    made_ms: int
    used_ms: int


def new_secret() -> str:
    """What a browser or program brings to be known again."""
    return secrets.token_urlsafe(_SECRET_BYTES)


def new_id() -> str:
    """A name for what has none."""
    return secrets.token_hex(_ID_BYTES)


def digest_of(secret: str) -> bytes:
    """What is kept of a secret: it has 256 bits of chance, so nobody finds it by trying."""
    return digest("hmchain portal secret", secret.encode())


class PortalStore:
    """The open file. Threads may share it."""

    def __init__(self, path: Path) -> None:
        """Opened, or made with mode 0600. Raises `PortalStoreError`."""
        self._path = path
        files.make_folder(path.parent, mode=0o700)
        self._file = sqlite.open_store(path, self._trouble, _SCHEMA, shreds=True)
        self._turn = sqlite.one_at_a_time()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    # -- sessions and tokens -------------------------------------------------------------------------------------------

    def credential(self, kind: str, secret: str) -> Credential | None:
        """The session or token whose secret this is."""
        found = self.by_digest(digest_of(secret))
        return found if found is not None and found.kind == kind else None

    def by_digest(self, known: bytes) -> Credential | None:
        """The session or token of whose secret this is the digest."""
        rows = self._query(f"SELECT {_FIELDS} FROM credentials WHERE digest = ?", known)  # noqa: S608
        return _credential(rows[0]) if rows else None

    def credentials(self, kind: str, ref: PersonRef) -> list[Credential]:
        """All of a person, the newest first."""
        where = "WHERE organisation = ? AND person = ? AND kind = ? ORDER BY made_ms DESC, id"
        rows = self._query(f"SELECT {_FIELDS} FROM credentials {where}", ref.organisation, ref.person, kind)  # noqa: S608
        return [_credential(row) for row in rows]

    def keep(self, new: Credential, *, instead: bytes = b"", most: int, now_ms: int) -> None:
        """Keep one, in the place of another; of a person's kind `most` stay, the last used ones, and none that is over.

        All or nothing. Raises `PortalStoreError`.
        """
        marks = ", ".join("?" * 14)
        with self._turn, self._file.transaction() as file:
            file.execute("DELETE FROM credentials WHERE digest = ? OR until_ms < ?", (instead, now_ms))
            file.execute(f"INSERT INTO credentials VALUES ({marks})", _row(new))  # noqa: S608
            file.execute(
                "DELETE FROM credentials WHERE digest IN (SELECT digest FROM credentials WHERE organisation = ? AND "
                "person = ? AND kind = ? ORDER BY used_ms DESC, made_ms DESC LIMIT -1 OFFSET ?)",
                (new.ref.organisation, new.ref.person, new.kind, most),
            )

    def used(self, of: Credential, now_ms: int) -> None:
        """Note that one was used."""
        self._change("UPDATE credentials SET used_ms = ? WHERE digest = ?", now_ms, of.digest)

    def end(self, digests: Iterable[bytes]) -> None:
        """Forget some."""
        with self._turn, self._file.transaction() as file:
            file.executemany("DELETE FROM credentials WHERE digest = ?", [(each,) for each in digests])

    # -- passkeys ------------------------------------------------------------------------------------------------------

    def passkey(self, credential: bytes) -> Passkey | None:
        """The passkey of an identifier that an authenticator gave."""
        rows = self._query(f"SELECT {_KEYS} FROM passkeys WHERE credential = ?", credential)  # noqa: S608
        return _passkey(rows[0]) if rows else None

    def passkeys(self, ref: PersonRef) -> list[Passkey]:
        """All of a person, the oldest first."""
        where = "WHERE organisation = ? AND person = ? ORDER BY made_ms, id"
        rows = self._query(f"SELECT {_KEYS} FROM passkeys {where}", ref.organisation, ref.person)  # noqa: S608
        return [_passkey(row) for row in rows]

    def add_passkey(self, new: Passkey) -> bool:
        """Keep a new one; False if it is somebody's already."""
        values = (
            new.credential, new.id, *_of(new.ref), new.mark, new.public, new.count, new.name, new.made_ms, new.used_ms
        )  # fmt: skip
        marks = ", ".join("?" * 10)
        with self._turn, self._file.transaction() as file:
            return file.execute(f"INSERT OR IGNORE INTO passkeys VALUES ({marks})", values).rowcount == 1  # noqa: S608

    def passkey_used(self, known: Passkey, count: int, now_ms: int) -> bool:
        """Note what it counts now; False if it was used in between, so that one signature passes once."""
        change = "UPDATE passkeys SET count = ?, used_ms = ? WHERE credential = ? AND count = ?"
        return self._change(change, count, now_ms, known.credential, known.count) == 1

    def remove_passkey(self, known: Passkey) -> None:
        """Forget one."""
        self._change("DELETE FROM passkeys WHERE credential = ?", known.credential)

    def drop_passkeys(self, ref: PersonRef, but: bytes) -> None:
        """Forget those of a person that have another mark."""
        self._change("DELETE FROM passkeys WHERE organisation = ? AND person = ? AND mark <> ?", *_of(ref), but)

    def handle(self, ref: PersonRef) -> bytes:
        """What authenticators know a person by: random, and the same each time."""
        with self._turn, self._file.transaction() as file:
            new = (*_of(ref), secrets.token_bytes(_HANDLE_BYTES))
            file.execute("INSERT OR IGNORE INTO handles VALUES (?, ?, ?)", new)
            where = "SELECT handle FROM handles WHERE organisation = ? AND person = ?"
            return bytes(file.execute(where, _of(ref)).fetchone()[0])

    # ------------------------------------------------------------------------------------------------------------------

    def _query(self, statement: str, *values: str | int | bytes) -> list[tuple[Any, ...]]:
        with self._turn:
            return self._file.query(statement, values)

    def _change(self, statement: str, *values: str | int | bytes) -> int:
        with self._turn, self._file.transaction() as file:
            return file.execute(statement, values).rowcount

    def _trouble(self, trouble: sqlite.Trouble) -> PortalStoreError:
        hint = "mend its owner and mode, or remove it: people sign in again, and add their passkeys and tokens anew"
        return PortalStoreError(f"{self._path}: {trouble.value}", hint)


def _of(ref: PersonRef) -> tuple[str, str]:
    return ref.organisation, ref.person


def _words(of: Iterable[str]) -> str:
    return " ".join(sorted(of))


def _row(of: Credential) -> tuple[str | int | bytes, ...]:
    return (
        of.digest, of.id, of.kind, *_of(of.ref), of.mark, _words(of.factors), _words(of.roles), _words(of.scopes),
        of.name, of.made_ms, of.proved_ms, of.used_ms, of.until_ms,
    )  # fmt: skip


def _credential(row: tuple[Any, ...]) -> Credential:
    key, name, kind, organisation, person, mark, factors, roles, scopes, *rest = row
    ref, known_by = PersonRef(organisation, person), frozenset(factors.split())
    return Credential(key, name, kind, ref, mark, known_by, frozenset(roles.split()), frozenset(scopes.split()), *rest)


def _passkey(row: tuple[Any, ...]) -> Passkey:
    credential, name, organisation, person, *rest = row
    return Passkey(credential, name, PersonRef(organisation, person), *rest)
