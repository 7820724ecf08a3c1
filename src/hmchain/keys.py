"""Identities, signatures, key wrapping and key files.

Signatures are Ed25519 (RFC 8032): they protect only the present. Keys that protect patient data or updates are wrapped
with HPKE (RFC 9180) over the hybrid of X25519 and ML-KEM-768 (FIPS 203), so that ciphertext copied today stays closed
to a quantum computer. The algorithm is a field of every key and wrapped key, so that it can change.

Private keys print redacted, are files of mode 0600, and are encrypted with a passphrase when one is given.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self, TypeVar

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, hpke
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from nacl.bindings import crypto_sign_open
from nacl.exceptions import BadSignatureError

from hmchain import decoding, files
from hmchain.canonical import Record, digest
from hmchain.errors import KeyMaterialError

ED25519 = "ed25519"
MLKEM768_X25519 = "mlkem768-x25519"
HYBRID_SUITE = "hpke-mlkem768-x25519-hkdf-sha256-aes256gcm"

_SUITE = hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
_KEY_BYTES = 32
_SIGNATURE_BYTES = 64
_MLKEM_SEED_BYTES = 64
_MLKEM_PUBLIC_BYTES = 1184
_MLKEM_SEED_RHO_BYTES = 32
_SEALED_MORE_BYTES = 1120 + 16
_MLKEM_MODULUS = 3329
_MLKEM_COEFFICIENTS = 768
_LANES = sum(1 << 24 * lane for lane in range(_MLKEM_COEFFICIENTS // 2))
"""A one in every other place of 12 bits, so that a carry out of a coefficient is seen in the place above it."""
_X25519_PRIME = (1 << 255) - 19
X25519_LOW_ORDER = (
    0,
    1,
    325606250916557431795983626356110631294008115727848805560023387167927233504,
    39382357235489614581723060781553021112529911719440698176882885853963445705823,
    _X25519_PRIME - 1,
)
"""Abscissae of small order (Bernstein, curve25519; RFC 7748, section 6.1): with any key they share the secret 0."""
_SCRYPT_MEMORY_BYTES = 64 << 20


class WrongPassphraseError(KeyMaterialError):
    """The passphrase does not open the key file, or the file was altered."""

    code = "wrong_passphrase"


class KeyFileError(KeyMaterialError):
    """The key file is missing, unreadable or holds another kind of key."""

    code = "key_file"


class UnwrapError(KeyMaterialError):
    """A wrapped key does not open with this private key and this context."""

    code = "unwrap"


class Redacted:
    """Prints as its name alone, in logs, errors and tracebacks: for what holds a secret."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(<redacted>)"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return []


def key_id(algorithm: str, public: bytes) -> bytes:
    """Return the name of a public key on the ledger: 32 bytes, bound to its algorithm."""
    return digest("hmchain key", algorithm.encode(), public)


class PublicKey(Record, frozen=True):
    """A public signing key."""

    algorithm: str
    """Only `ed25519` today; a field so that it can change by a vote."""
    raw: bytes
    """32 bytes for Ed25519."""

    @property
    def id(self) -> bytes:
        """The key's name on the ledger, 32 bytes."""
        return key_id(self.algorithm, self.raw)

    def verify(self, signature: bytes, message: bytes) -> bool:
        """Whether `signature` is this key's signature of `message`; False for an algorithm that is not known.

        Libraries differ about odd signatures, and members must not: this is libsodium's rule (docs/decisions/0015).
        """
        # Sizes first: the library reads 32 bytes of whatever it is given as a key.
        if (self.algorithm, len(self.raw), len(signature)) != (ED25519, _KEY_BYTES, _SIGNATURE_BYTES):
            return False
        try:
            crypto_sign_open(signature + message, self.raw)
        except BadSignatureError:
            return False
        return True


class WrappingPublicKey(Record, frozen=True):
    """A public key to which secrets are wrapped."""

    algorithm: str
    mlkem: bytes
    """1184 bytes (FIPS 203, ML-KEM-768 encapsulation key)."""
    x25519: bytes
    """32 bytes (RFC 7748)."""

    @property
    def has_form(self) -> bool:
        """Whether others can wrap to it: of a known algorithm, each part of the right size and a key at all.

        ML-KEM's coefficients are below its modulus (the check of FIPS 203, section 7.2); X25519's point is none of
        small order. Integers alone, so that every member says the same, whatever library it has.
        """
        sizes = len(self.mlkem), len(self.x25519)
        if self.algorithm != MLKEM768_X25519 or sizes != (_MLKEM_PUBLIC_BYTES, _KEY_BYTES):
            return False
        packed = int.from_bytes(self.mlkem[:-_MLKEM_SEED_RHO_BYTES], "little")
        point = (int.from_bytes(self.x25519, "little") & ((1 << 255) - 1)) % _X25519_PRIME
        return _are_below_modulus(packed) and _are_below_modulus(packed >> 12) and point not in X25519_LOW_ORDER

    def wrap(self, secret: bytes, info: bytes) -> WrappedKey:
        """Seal `secret` to this key with HPKE in base mode; `info` is the context both sides must know."""
        try:
            public = hpke.MLKEM768X25519PublicKey(
                MLKEM768PublicKey.from_public_bytes(self.mlkem), X25519PublicKey.from_public_bytes(self.x25519)
            )
            return WrappedKey(HYBRID_SUITE, _SUITE.encrypt(secret, public, info=info))
        except ValueError as error:
            raise KeyMaterialError("a wrapping key is malformed", "ask its owner to publish it again") from error


def _are_below_modulus(packed: int) -> bool:
    """Whether every other coefficient is, from the first one on: all at once, as a carry tells."""
    found = (packed & 0xFFF * _LANES) + (0x1000 - _MLKEM_MODULUS) * _LANES
    return not found & 0x1000 * _LANES


class WrappedKey(Record, frozen=True):
    """A secret sealed to one reader."""

    suite: str
    sealed: bytes
    """Encapsulated key and ciphertext: 1120 + 16 bytes more than the secret."""

    def holds(self, secret_bytes: int) -> bool:
        """Whether suite and size are those of a secret of so many bytes; whether it opens only its reader knows."""
        return self.suite == HYBRID_SUITE and len(self.sealed) == _SEALED_MORE_BYTES + secret_bytes


class WrappedFor(Record, frozen=True):
    """A secret that is sealed to several readers, as one of them gets it."""

    reader: str
    wrapped: WrappedKey


def wrap_for(
    secret: bytes, readers: Iterable[tuple[str, WrappingPublicKey]], info: Callable[[str], bytes]
) -> tuple[WrappedFor, ...]:
    """Seal `secret` to readers by name and public key, in order of name; `info` is the context of each."""
    return tuple(WrappedFor(name, public.wrap(secret, info(name))) for name, public in sorted(readers))


def wrapped_to(reader: str, sealed: Iterable[WrappedFor]) -> WrappedKey | None:
    """What is sealed to a reader; None if nothing is."""
    return next((each.wrapped for each in sealed if each.reader == reader), None)


@dataclass(frozen=True, repr=False)
class SigningKey(Redacted):
    """A private Ed25519 key."""

    seed: bytes
    kind: ClassVar[str] = ED25519

    def __post_init__(self) -> None:
        object.__setattr__(self, "_private", Ed25519PrivateKey.from_private_bytes(self.seed))

    @classmethod
    def generate(cls) -> Self:
        """A new key from the operating system's randomness."""
        return cls(secrets.token_bytes(32))

    @property
    def public(self) -> PublicKey:
        """The public half."""
        return PublicKey(ED25519, self._private.public_key().public_bytes_raw())  # type: ignore[attr-defined]

    def sign(self, message: bytes) -> bytes:
        """Sign `message` (64 bytes)."""
        return self._private.sign(message)  # type: ignore[attr-defined, no-any-return]

    def secret_bytes(self) -> bytes:
        """The key's 32 bytes, for its key file."""
        return self.seed

    @classmethod
    def from_secret_bytes(cls, data: bytes) -> Self:
        """Rebuild the key from `secret_bytes`."""
        return cls(data)


@dataclass(frozen=True, repr=False)
class WrappingKey(Redacted):
    """A private hybrid key: the ML-KEM-768 seed (64 bytes) and the X25519 key (32 bytes)."""

    mlkem_seed: bytes
    x25519: bytes
    kind: ClassVar[str] = MLKEM768_X25519

    @classmethod
    def generate(cls) -> Self:
        """A new key from the operating system's randomness."""
        return cls(MLKEM768PrivateKey.generate().private_bytes_raw(), X25519PrivateKey.generate().private_bytes_raw())

    @property
    def public(self) -> WrappingPublicKey:
        """The public half."""
        mlkem = MLKEM768PrivateKey.from_seed_bytes(self.mlkem_seed).public_key().public_bytes_raw()
        x25519 = X25519PrivateKey.from_private_bytes(self.x25519).public_key().public_bytes_raw()
        return WrappingPublicKey(MLKEM768_X25519, mlkem, x25519)

    def unwrap(self, wrapped: WrappedKey, info: bytes) -> bytes:
        """Open a wrapped secret.

        Raises `UnwrapError` if it was sealed to another key, in another context, with another suite, or was altered.
        """
        if wrapped.suite != HYBRID_SUITE:
            raise UnwrapError(f"the key is wrapped with {wrapped.suite!r}, which this version does not know")
        private = hpke.MLKEM768X25519PrivateKey(
            MLKEM768PrivateKey.from_seed_bytes(self.mlkem_seed), X25519PrivateKey.from_private_bytes(self.x25519)
        )
        try:
            return _SUITE.decrypt(wrapped.sealed, private, info=info)
        except (InvalidTag, ValueError) as error:
            raise UnwrapError("a wrapped key does not open with this key and context") from error

    def secret_bytes(self) -> bytes:
        """Both halves (96 bytes), for the key file."""
        return self.mlkem_seed + self.x25519

    @classmethod
    def from_secret_bytes(cls, data: bytes) -> Self:
        """Rebuild the key from `secret_bytes`."""
        return cls(data[:_MLKEM_SEED_BYTES], data[_MLKEM_SEED_BYTES:])


class Opener(Protocol):
    """What opens secrets that were wrapped to its owner: a wrapping key, or several."""

    def unwrap(self, wrapped: WrappedKey, info: bytes) -> bytes:
        """Open a wrapped secret. Raises `UnwrapError`, or another `KeyMaterialError` where a key cannot be had."""


@dataclass(frozen=True, repr=False)
class SecretKey(Redacted):
    """A symmetric 256-bit key."""

    raw: bytes
    kind: ClassVar[str] = "secret-256"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SecretKey) and hmac.compare_digest(self.raw, other.raw)

    def __hash__(self) -> int:
        return hash(self.commitment())

    @classmethod
    def generate(cls) -> Self:
        """A new key from the operating system's randomness."""
        return cls(secrets.token_bytes(32))

    def derive(self, label: str, *context: bytes) -> SecretKey:
        """An independent key for another purpose (HKDF-SHA256, RFC 5869)."""
        return SecretKey(hkdf(self.raw, digest(label, *context)))

    def commitment(self) -> bytes:
        """A hash that binds the key without giving it away: AES-GCM alone does not commit to its key."""
        return digest("hmchain key commitment", self.raw)

    def secret_bytes(self) -> bytes:
        """The key's 32 bytes, for its key file."""
        return self.raw

    @classmethod
    def from_secret_bytes(cls, data: bytes) -> Self:
        """Rebuild the key from `secret_bytes`."""
        return cls(data)


class StoredKey(Protocol):
    """A key that can live in a key file."""

    kind: ClassVar[str]

    def secret_bytes(self) -> bytes:
        """The secret to keep."""

    @classmethod
    def from_secret_bytes(cls, data: bytes) -> Self:
        """The key again."""


K = TypeVar("K", bound=StoredKey)


def hkdf(secret: bytes, info: bytes, length: int = 32) -> bytes:
    """HKDF-SHA256 without salt (RFC 5869): `length` bytes."""
    return HKDF(hashes.SHA256(), length, None, info).derive(secret)


class _KeyFile(Redacted, msgspec.Struct, forbid_unknown_fields=True):
    kind: str
    protection: str
    salt: bytes
    nonce: bytes
    body: bytes


def save_key(key: StoredKey, path: Path, passphrase: str | None = None) -> None:
    """Write a key file of mode 0600; with a passphrase the key is sealed under scrypt (RFC 7914) and AES-256-GCM.

    It is on disk, whole, when this returns. Raises `KeyFileError` if the file exists: a key is never overwritten.
    """
    secret = key.secret_bytes()
    content = _KeyFile(key.kind, "none", b"", b"", secret)
    if passphrase is not None:
        content = _sealed(content, passphrase)
    try:
        files.write_whole(path, msgspec.json.encode(content), durable=True, mode=files.PRIVATE, new=True)
    except FileExistsError as error:
        raise KeyFileError(f"{path} exists", "a key is never overwritten; choose another place") from error


def load_key(kind: type[K], path: Path, passphrase: str | None = None) -> K:
    """Read a key file.

    Raises `KeyFileError` if it is missing, damaged or of another kind, `WrongPassphraseError` if it does not open.
    """
    content = _key_file(path)
    if content.kind != kind.kind:
        raise KeyFileError(f"{path} holds a {content.kind} key", f"a {kind.kind} key is needed here")
    secret = _secret(content, path, passphrase)
    if len(secret) != _SECRET_BYTES[content.kind]:
        raise KeyFileError(f"{path} is damaged: it holds no whole key", "restore it from its backup")
    return kind.from_secret_bytes(secret)


_SECRET_BYTES = {
    SigningKey.kind: _KEY_BYTES,
    WrappingKey.kind: _MLKEM_SEED_BYTES + _KEY_BYTES,
    SecretKey.kind: _KEY_BYTES,
}


def seal_key(path: Path, passphrase: str) -> bool:
    """Seal a key file that is not; returns whether it was not. The file is on disk, whole, when this returns.

    Raises `KeyFileError`, or `WrongPassphraseError` for one that another passphrase seals.
    """
    content = _key_file(path)
    if content.protection != "none":
        _secret(content, path, passphrase)
        return False
    files.write_whole(path, msgspec.json.encode(_sealed(content, passphrase)), durable=True, mode=files.PRIVATE)
    return True


def _sealed(content: _KeyFile, passphrase: str) -> _KeyFile:
    salt, nonce = secrets.token_bytes(16), secrets.token_bytes(12)
    sealed = AESGCM(passphrase_key(passphrase, salt)).encrypt(nonce, content.body, content.kind.encode())
    return _KeyFile(content.kind, "scrypt-aes256gcm", salt, nonce, sealed)


def _secret(content: _KeyFile, path: Path, passphrase: str | None) -> bytes:
    if content.protection == "none":
        return content.body
    if passphrase is None:
        hint = "give it with --passphrase-file FILE, or HMCHAIN_PASSPHRASE_FILE; at a terminal it is asked for"
        raise WrongPassphraseError(f"{path} is sealed with a passphrase", hint)
    try:
        key = passphrase_key(passphrase, content.salt)
        return AESGCM(key).decrypt(content.nonce, content.body, content.kind.encode())
    except (InvalidTag, ValueError) as error:
        raise WrongPassphraseError(f"the passphrase does not open {path}", "try again, or restore the file") from error


def _key_file(path: Path) -> _KeyFile:
    try:
        return decoding.from_json(files.read(path), _KeyFile)
    except OSError as error:
        raise KeyFileError(f"{path} cannot be read", "check the path and its owner") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise KeyFileError(f"{path} is not a key file", "restore it from its backup") from error


def is_sealed(path: Path) -> bool:
    """Tell whether a key file needs a passphrase. Raises `KeyFileError`."""
    return _key_file(path).protection != "none"


def passphrase_key(passphrase: str, salt: bytes) -> bytes:
    """The 32-byte key that a passphrase gives with a salt (scrypt, RFC 7914)."""
    # n = 2^15, r = 8, p = 1: about 0.1 s and 32 MiB a guess.
    return hashlib.scrypt(passphrase.encode(), salt=salt, n=1 << 15, r=8, p=1, maxmem=_SCRYPT_MEMORY_BYTES, dklen=32)
