"""Where a hospital's own ciphertext lies: in its folder, unless `records.toml` there names another place."""

from __future__ import annotations

from pathlib import Path

import msgspec

from hmchain.errors import InputError
from hmchain.files import make_folder, read_toml, write_whole
from hmchain.records.objects import ObjectStore

FOLDER, SETTINGS = "records", "records.toml"


class RecordsSettingsError(InputError):
    """The file that says where a hospital's ciphertext lies cannot be used."""

    code = "records_settings"


class RecordsSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The settings in `records.toml`."""

    location: str
    """A directory, or `s3://BUCKET/PREFIX`: this hospital's alone."""
    credentials: str = ""
    """Path of a TOML file of mode 0600 for S3; nothing: the usual AWS_ variables."""


def open_record_store(folder: Path) -> ObjectStore:
    """The store of the hospital in `folder`. Raises `RecordsSettingsError`, or what `ObjectStore.open` raises."""
    settings = _settings(folder)
    if settings is None:
        return ObjectStore.directory(folder / FOLDER)
    return ObjectStore.open(settings.location, credentials=Path(settings.credentials) if settings.credentials else None)


def chosen_location(folder: Path) -> str:
    """The place that `records.toml` names; empty if there is none. Raises `RecordsSettingsError`."""
    settings = _settings(folder)
    return settings.location if settings else ""


def _settings(folder: Path) -> RecordsSettings | None:
    path = folder / SETTINGS
    if not path.exists():
        return None
    try:
        return read_toml(path, RecordsSettings, lambda reason: _wrong(path, reason))
    except OSError as error:
        raise _wrong(path, str(error)) from error


def _wrong(path: Path, reason: str) -> RecordsSettingsError:
    return RecordsSettingsError(f"{path} cannot be used: {reason}", 'write location = "s3://BUCKET/PREFIX"')


def choose_record_store(folder: Path, location: str, credentials: Path | None) -> None:
    """Write `records.toml`, after asking the store for something. Raises what `ObjectStore.open` and `check` raise."""
    import tomlkit  # takes a tenth of a second, and few commands write settings

    ObjectStore.open(location, credentials=credentials).check()
    make_folder(folder, mode=0o700)
    chosen = {"location": location} | ({} if credentials is None else {"credentials": str(credentials.resolve())})
    write_whole(folder / SETTINGS, tomlkit.dumps(chosen).encode(), durable=True)
