"""From a location and credentials to a store: a path, `file:///path`, `memory://` or `s3://bucket/prefix`."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import msgspec
from obstore import exceptions
from obstore.store import MemoryStore, S3Store

from hmchain import decoding
from hmchain.files import read
from hmchain.records.objects.bucket import LOOPBACK, Bucket
from hmchain.records.objects.errors import LocationError, StoreCredentialsError, StoreUnavailableError
from hmchain.records.objects.folder import Folder

if TYPE_CHECKING:
    from obstore.store import S3Config

_REGION = "us-east-1"  # what servers other than Amazon's expect where none is set
_RETRIES = 5  # 100 ms, doubled each time: about three seconds until a server counts as down
_RETRY_SECONDS = 60
_REQUEST_SECONDS = 120


@dataclass(frozen=True)
class S3Access:
    """The way to an S3 server. Prints without its secrets."""

    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)
    endpoint: str | None = None
    region: str = _REGION
    allow_http: bool = False

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> S3Access:
        """From `AWS_ACCESS_KEY_ID` and its like. Raises `StoreCredentialsError` if keys are missing."""
        try:
            key, secret = environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"]
        except KeyError as error:
            raise StoreCredentialsError(
                "there are no credentials for the S3 store",
                "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a credentials file",
            ) from error
        return cls(
            key,
            secret,
            environment.get("AWS_SESSION_TOKEN"),
            environment.get("AWS_ENDPOINT_URL_S3") or environment.get("AWS_ENDPOINT_URL"),
            environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or _REGION,
            environment.get("AWS_ALLOW_HTTP", "").lower() == "true",
        )

    @classmethod
    def from_file(cls, path: Path) -> S3Access:
        """From a TOML file with the fields of this class, readable by its owner alone.

        Raises `StoreCredentialsError`.
        """
        try:
            if stat.S_IMODE(path.stat().st_mode) & 0o077:
                raise StoreCredentialsError(f"{path} can be read by others", f"run: chmod 600 {path}")
            return decoding.from_toml(read(path), cls)
        except OSError as error:
            raise StoreCredentialsError(f"{path} cannot be read", "check the path and its owner") from error
        except (msgspec.DecodeError, UnicodeDecodeError):
            hint = 'it is TOML with access_key_id = "..." and secret_access_key = "..."'
            raise StoreCredentialsError(f"{path} is not a credentials file", hint) from None  # its text is secret


def open_backend(location: str, *, durable: bool, credentials: Path | None, endpoint: str = "") -> Folder | Bucket:
    """Open a place for objects; for `endpoint` see `ObjectStore.open`.

    Raises `LocationError`, `StoreCredentialsError` or `StoreUnavailableError`.
    """
    if "://" not in location:
        if not location:
            raise LocationError("a store's location is empty", "give a path or s3://bucket/prefix")
        return open_folder(Path(location), durable=durable)
    try:
        parts = urlsplit(location)
    except ValueError as error:
        raise LocationError(f"{location} is no address", "give a path, file:///path or s3://bucket/prefix") from error
    if parts.username or parts.password or parts.query or parts.fragment:
        raise LocationError("a store's location holds more than a place", "credentials go into the environment")
    if parts.scheme == "file" and parts.netloc in ("", "localhost") and parts.path not in ("", "/"):
        return open_folder(Path(unquote(parts.path)), durable=durable)
    if parts.scheme == "memory":
        return Bucket(MemoryStore())
    if parts.scheme == "s3" and parts.netloc:
        access = S3Access.from_file(credentials) if credentials else S3Access.from_environment(os.environ)
        if endpoint:
            access = replace(access, endpoint=endpoint, allow_http=True)
        return Bucket(_s3(parts.netloc, parts.path.strip("/"), access))
    raise LocationError(f"{location} is no place for objects", "give a path, file:///path or s3://bucket/prefix")


def open_folder(path: Path, *, durable: bool) -> Folder:
    """A directory, which is made if it is not there."""
    try:
        return Folder(path.resolve(), durable=durable)
    except OSError as error:
        raise StoreUnavailableError(f"{path} cannot be made", "check the path and its owner") from error


def _s3(bucket: str, prefix: str, access: S3Access) -> S3Store:
    endpoint = urlsplit(access.endpoint or "")
    local = endpoint.hostname in LOOPBACK
    if endpoint.scheme == "http" and not (local or access.allow_http):
        raise LocationError(
            f"{access.endpoint} is not encrypted", "use https, or allow it with AWS_ALLOW_HTTP=true (allow_http)"
        )
    config: S3Config = {
        "access_key_id": access.access_key_id,
        "secret_access_key": access.secret_access_key,
        "region": access.region,
    }
    if access.endpoint:  # obstore takes no None
        config["endpoint"] = access.endpoint
    if access.session_token:
        config["session_token"] = access.session_token
    try:
        return S3Store(
            bucket,
            prefix=prefix or None,
            config=config,
            client_options={
                "allow_http": endpoint.scheme == "http",
                "connect_timeout": timedelta(seconds=5),
                "timeout": timedelta(seconds=_REQUEST_SECONDS),
            },
            retry_config={"max_retries": _RETRIES, "retry_timeout": timedelta(seconds=_RETRY_SECONDS)},
        )
    except (exceptions.BaseError, ValueError):
        raise LocationError(
            f"s3://{bucket}/{prefix} cannot be opened", "check the bucket's name and endpoint"
        ) from None
