"""Errors of a vault. No message holds a record's or a subject's id."""

from __future__ import annotations

from hmchain.errors import InputError, KeyMaterialError, StorageError


class VaultError(StorageError):
    """The vault's file is missing, damaged, in use, or in the way of a new one."""

    code = "vault"


class VaultKeyError(KeyMaterialError):
    """The vault belongs to another key."""

    code = "vault_key"


class MissingRecordError(StorageError):
    """The vault holds no such record: it was never put, or was erased."""

    code = "record_missing"


class RecordExistsError(InputError):
    """A record of a version is put a second time."""

    code = "record_exists"


class VersionClosedError(InputError):
    """A dataset version that is committed to cannot change, and one with erasures has no root any more."""

    code = "version_closed"
