"""Providers of the key that wraps the vault's key-encryption key (KEK): a file, a passphrase, or a token.

A provider has the shape of a PKCS#11 token: keys are named and never leave it; it is asked to wrap and to unwrap. It
sees one KEK of 32 bytes when a vault is opened or its KEK changes, and no record's key.
"""

from __future__ import annotations

import secrets
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hmchain.canonical import NotCanonicalError, decode_trusted, digest, encode
from hmchain.keys import SecretKey, UnwrapError, WrappedKey, WrappingKey, WrongPassphraseError, passphrase_key
from hmchain.records.vault.errors import VaultKeyError

_NONCE_BYTES = 12
_SALT_BYTES = 16
_INFO = b"hmchain vault kek"


class KeyProvider(Protocol):
    """Wraps and unwraps secrets under keys that it does not give away."""

    @property
    def key_id(self) -> str:
        """The name of the key that wraps from now on: text that names it and says nothing about it."""

    def wrap(self, key_id: str, plaintext: bytes) -> bytes:
        """Wrap a secret under the key of that name."""

    def unwrap(self, key_id: str, wrapped: bytes) -> bytes:
        """Open what `wrap` made.

        Raises `VaultKeyError` if the provider has no such key, or another `KeyMaterialError` if it does not open.
        """


class HybridProvider:
    """The organisation's hybrid wrapping key (HPKE over X25519 and ML-KEM-768): `wrapping.key` of a key ring."""

    def __init__(self, wrapping: WrappingKey) -> None:
        self._wrapping = wrapping
        self._public = wrapping.public

    @property
    def key_id(self) -> str:
        """A digest of the public key."""
        return "hybrid:" + self.owner.hex()

    @property
    def owner(self) -> bytes:
        """The digest by which vaults of the first format named their owner."""
        return digest("hmchain vault owner", encode(self._public))

    def wrap(self, key_id: str, plaintext: bytes) -> bytes:
        """As `KeyProvider.wrap`."""
        _expect(key_id, self.key_id)
        return encode(self._public.wrap(plaintext, _INFO))

    def unwrap(self, key_id: str, wrapped: bytes) -> bytes:
        """As `KeyProvider.unwrap`."""
        _expect(key_id, self.key_id)
        return self.open(wrapped, _INFO)

    def open(self, wrapped: bytes, info: bytes) -> bytes:
        """Open a key that was wrapped with another context, as vaults of the first format did with every key."""
        try:
            return self._wrapping.unwrap(decode_trusted(wrapped, WrappedKey), info)
        except NotCanonicalError as error:
            raise UnwrapError("a wrapped key is damaged", "restore the vault's file from its backup") from error


class SecretKeyProvider:
    """A symmetric key, which may live in a key file: `SecretKeyProvider(load_key(SecretKey, path))`."""

    def __init__(self, key: SecretKey) -> None:
        self._key_id = "secret:" + key.commitment().hex()
        self._cipher = AESGCM(key.derive("hmchain vault kek").raw)

    @property
    def key_id(self) -> str:
        """The key's commitment."""
        return self._key_id

    def wrap(self, key_id: str, plaintext: bytes) -> bytes:
        """As `KeyProvider.wrap`."""
        _expect(key_id, self._key_id)
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, plaintext, _INFO)

    def unwrap(self, key_id: str, wrapped: bytes) -> bytes:
        """As `KeyProvider.unwrap`."""
        _expect(key_id, self._key_id)
        try:
            return self._cipher.decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], _INFO)
        except (InvalidTag, ValueError) as error:
            raise UnwrapError("a wrapped key is damaged", "restore the vault's file from its backup") from error


class PassphraseProvider:
    """A passphrase, through scrypt (RFC 7914) with a salt of its own for every KEK: about 0.1 s and 32 MiB a try."""

    key_id = "passphrase"

    def __init__(self, passphrase: str) -> None:
        self._passphrase = passphrase

    def __repr__(self) -> str:
        return "PassphraseProvider(<redacted>)"

    def wrap(self, key_id: str, plaintext: bytes) -> bytes:
        """As `KeyProvider.wrap`."""
        _expect(key_id, self.key_id)
        salt, nonce = secrets.token_bytes(_SALT_BYTES), secrets.token_bytes(_NONCE_BYTES)
        return salt + nonce + AESGCM(passphrase_key(self._passphrase, salt)).encrypt(nonce, plaintext, _INFO)

    def unwrap(self, key_id: str, wrapped: bytes) -> bytes:
        """As `KeyProvider.unwrap`; raises `WrongPassphraseError`."""
        _expect(key_id, self.key_id)
        salt, nonce, sealed = _cut(wrapped, _SALT_BYTES, _NONCE_BYTES)
        try:
            return AESGCM(passphrase_key(self._passphrase, salt)).decrypt(nonce, sealed, _INFO)
        except (InvalidTag, ValueError) as error:
            raise WrongPassphraseError("the passphrase does not open the vault", "try again") from error


def provider_of(keys: WrappingKey | KeyProvider) -> KeyProvider:
    """A provider as it is, or the one of an organisation's wrapping key."""
    return HybridProvider(keys) if isinstance(keys, WrappingKey) else keys


def _cut(data: bytes, first: int, second: int) -> tuple[bytes, bytes, bytes]:
    return data[:first], data[first : first + second], data[first + second :]


def _expect(wanted: str, ours: str) -> None:
    if wanted != ours:
        raise VaultKeyError("the vault belongs to another key", "use the key that it was made with")
