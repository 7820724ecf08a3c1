"""Credentials, by which a source lets somebody in: kept out of messages, logs and command lines."""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass, field
from pathlib import Path

from hmchain.errors import InputError


class CredentialError(InputError):
    """A credential is not where it was said to be, or cannot be sent."""

    code = "credential"


@dataclass(frozen=True)
class Credential:
    """A user's password, or a token."""

    authorization: str = field(repr=False)
    """The value of HTTP's Authorization header (RFC 7617, RFC 6750)."""

    @classmethod
    def basic(cls, user: str, password: str) -> Credential:
        """A user and a password."""
        return cls("Basic " + base64.b64encode(f"{user}:{password}".encode()).decode())

    @classmethod
    def bearer(cls, token: str) -> Credential:
        """A token."""
        return cls(f"Bearer {token}")


def read_credential(place: str) -> Credential:
    """Read a credential from `env:NAME` or `file:PATH`: `USER:PASSWORD`, or a token (nothing with a colon in it).

    Raises `CredentialError` if it is not there, or cannot be sent.
    """
    kind, _, name = place.partition(":")
    if kind == "env":
        secret = os.environ.get(name, "")
    elif kind == "file":
        try:
            secret = Path(name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise CredentialError(f"the file {name} with the credential cannot be read", "check its path") from error
    else:
        # What was given may be the credential itself: it is not repeated.
        raise CredentialError("a credential is not given itself", "name where it is: env:NAME or file:PATH")
    secret = secret.strip()
    if not secret:
        raise CredentialError(f"there is no credential in {place}", "write USER:PASSWORD or a token there")
    if not secret.isprintable() or (not secret.isascii() and ":" not in secret):
        raise CredentialError(f"the credential in {place} cannot be sent", "it must be one line, a token in ASCII")
    user, colon, password = secret.partition(":")
    return Credential.basic(user, password) if colon else Credential.bearer(secret)
