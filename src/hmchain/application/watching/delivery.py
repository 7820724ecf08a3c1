"""What all ways out have in common: secrets from files of mode 0600, and one error that names none."""

from __future__ import annotations

import stat
from pathlib import Path

from hmchain import files
from hmchain.errors import HMChainError, KeyMaterialError

_SECRET_BYTES_MAX = 4096


class DeliveryError(HMChainError):
    """A notification could not be delivered now; it is tried again."""

    code = "delivery"


class DeliverySecretError(KeyMaterialError):
    """The file of a password or secret is missing, empty, or can be read by others."""

    code = "delivery_secret"


def secret_in(path: Path) -> str:
    """The one line in a file that its owner alone can read. Raises `DeliverySecretError`."""
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise DeliverySecretError(f"{path} can be read by others", f"run: chmod 600 {path}")
        found = files.read(path, limit=_SECRET_BYTES_MAX).decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise DeliverySecretError(f"{path} cannot be read", "check the path and its owner") from error
    if not found or "\n" in found:
        raise DeliverySecretError(f"{path} holds no secret", "write one line into it")
    return found
