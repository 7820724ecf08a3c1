"""Errors of an object store, and the way from its diagnostics to an error that can be shown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EDQUOT, EFBIG, ENOSPC

from obstore import exceptions

from hmchain.errors import InputError, KeyMaterialError, StorageError

_OS_ERROR = re.compile(r"os error (\d+)")
_NO_BUCKET = "NoSuchBucket"
_REFUSED = ("403 Forbidden", "401 Unauthorized", "InvalidAccessKeyId", "SignatureDoesNotMatch")
_SILENT = ("error sending request", "error decoding response body", "operation timed out", "kind: Connect")


class MissingObjectError(StorageError):
    """The store does not have an object."""

    code = "object_missing"


class TamperedObjectError(StorageError):
    """The store returns other bytes than those that were put."""

    code = "object_tampered"


class WrongSizeError(StorageError):
    """An object has another size than it can have, and was not read."""

    code = "object_size"


class DiskFullError(StorageError):
    """There is no room to write."""

    code = "disk_full"


class StoreUnavailableError(StorageError):
    """The store cannot be reached, or refuses to read or write."""

    code = "store_unavailable"


class LocationError(InputError):
    """A store's location is none that can be opened."""

    code = "store_location"


class StoreCredentialsError(KeyMaterialError):
    """The credentials of a store are missing, incomplete, or in a file that others can read."""

    code = "store_credentials"


@contextmanager
def failures(what: str) -> Iterator[None]:
    """Name what went wrong in the store, without its diagnostics: they may hold paths and addresses."""
    try:
        yield
    except (exceptions.BaseError, OSError) as error:
        text = str(error)
        raise _named(what, _errno(error, text), text) from error


@contextmanager
def missing(what: str) -> Iterator[None]:
    """As `failures`, where a file that is not there means that the store does not have the object."""
    with failures(what):
        try:
            yield
        except FileNotFoundError as error:
            if _NO_BUCKET in str(error):
                raise
            raise MissingObjectError(
                f"{what} is not in the store", "restore it, or ask a holder to put it again"
            ) from error


def _named(what: str, code: int | None, text: str) -> StorageError:
    if code in (ENOSPC, EDQUOT, EFBIG):
        return DiskFullError(f"there is no room to write {what}", "free some space, then run again")
    if _NO_BUCKET in text:
        return StoreUnavailableError("the object store has no such bucket", "make it, or correct the location")
    if any(sign in text for sign in _REFUSED):
        return StoreUnavailableError(
            f"the object store refuses our credentials at {what}", "check the access key and what it may do"
        )
    if any(sign in text for sign in _SILENT):
        return StoreUnavailableError(
            f"the object store does not answer at {what}", "check that it is running and reachable, then run again"
        )
    hint = "check that it is running and that you may read and write it"
    return StoreUnavailableError(f"the object store fails at {what}", hint)


def _errno(error: Exception, text: str) -> int | None:
    code = getattr(error, "errno", None)
    if code is None and (found := _OS_ERROR.search(text)):
        code = int(found[1])
    return code
