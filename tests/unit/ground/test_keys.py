"""Keys: published test vectors, wrapping, and key files that keep their secrets."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from msgspec.structs import replace

from hmchain import keys
from hmchain.errors import KeyMaterialError
from hmchain.keys import (
    KeyFileError,
    PublicKey,
    SecretKey,
    SigningKey,
    UnwrapError,
    WrappingKey,
    WrongPassphraseError,
    hkdf,
    load_key,
    save_key,
)


def test_ed25519_is_that_of_rfc_8032_section_7_1() -> None:
    key = SigningKey(bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"))
    assert key.public.raw.hex() == "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
    assert key.sign(b"\x72").hex().startswith("92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da")


def test_hkdf_is_that_of_rfc_5869_case_3() -> None:
    assert (
        hkdf(b"\x0b" * 22, b"", 42).hex().startswith("8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d")
    )


def test_signatures_hold_for_one_key_and_message() -> None:
    key, other = SigningKey.generate(), SigningKey.generate()
    signature = key.sign(b"message")
    assert key.public.verify(signature, b"message")
    assert not key.public.verify(signature, b"another")
    assert not other.public.verify(signature, b"message")
    assert not key.public.verify(signature[:-1], b"message")
    assert not PublicKey("ed448", key.public.raw).verify(signature, b"message")
    assert not PublicKey("ed25519", b"short").verify(signature, b"message")
    assert key.public.id != PublicKey("another", key.public.raw).id


def test_wrapped_secrets_open_for_one_key_and_context() -> None:
    key = WrappingKey.generate()
    wrapped = key.public.wrap(b"secret", b"context")
    assert key.unwrap(wrapped, b"context") == b"secret"
    altered = replace(wrapped, sealed=wrapped.sealed[:-1] + bytes([wrapped.sealed[-1] ^ 1]))
    for reader, sealed, context in (
        (WrappingKey.generate(), wrapped, b"context"),
        (key, wrapped, b"another"),
        (key, altered, b"context"),
        (key, replace(wrapped, suite="none"), b"context"),
        (key, replace(wrapped, sealed=b""), b"context"),
    ):
        with pytest.raises(UnwrapError):
            reader.unwrap(sealed, context)
    with pytest.raises(KeyMaterialError, match="malformed"):
        replace(key.public, mlkem=b"short").wrap(b"secret", b"")


def test_secrets_print_redacted() -> None:
    for key in (SigningKey.generate(), WrappingKey.generate(), SecretKey.generate()):
        assert "redacted" in repr(key)
        assert key.secret_bytes().hex() not in repr(key) + str(key)


def test_derived_keys_are_independent_and_committed() -> None:
    key = SecretKey(bytes(32))
    assert key.derive("a") == key.derive("a") != key.derive("b")
    assert key.derive("a", b"1") != key.derive("a", b"2")
    assert key.commitment() != key.derive("a").commitment()


@pytest.mark.parametrize("passphrase", [None, "correct horse"])
@pytest.mark.parametrize("kind", [SigningKey, WrappingKey, SecretKey])
def test_key_files_give_the_key_back(tmp_path: Path, kind: type[SigningKey], passphrase: str | None) -> None:
    key, path = kind.generate(), tmp_path / "keys" / "key"
    save_key(key, path, passphrase)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_key(kind, path, passphrase).secret_bytes() == key.secret_bytes()
    with pytest.raises(KeyFileError, match="exists"):
        save_key(key, path)


def test_key_files_that_do_not_open(tmp_path: Path) -> None:
    path = tmp_path / "key"
    with pytest.raises(KeyFileError, match="cannot be read"):
        load_key(SigningKey, path)
    save_key(SigningKey.generate(), path, "right")
    with pytest.raises(WrongPassphraseError):
        load_key(SigningKey, path, "wrong")
    with pytest.raises(KeyMaterialError):
        load_key(SigningKey, path)
    with pytest.raises(KeyFileError, match="ed25519"):
        load_key(SecretKey, path, "right")
    for junk in (b"{", b'{"kind": "\xff"}'):
        path.write_bytes(junk)
        with pytest.raises(KeyFileError, match="not a key file"):
            load_key(SigningKey, path)
    for kind in (SigningKey, WrappingKey, SecretKey):
        path.unlink()
        save_key(kind.generate(), path)
        path.write_bytes(re.sub(rb'("body":")....', rb"\1", path.read_bytes()))
        with pytest.raises(KeyFileError, match="no whole key"):
            load_key(kind, path)


def test_l8_a_wrapping_key_that_no_library_takes_has_no_form() -> None:
    """The check is our own, in integers; the library's verdict on the same keys is its twin."""
    public = WrappingKey.generate().public
    assert public.has_form
    prime = (1 << 255) - 19
    small = [keys.X25519_LOW_ORDER[place] + more for place in range(5) for more in (0, 1 << 255)]
    for value in (*small, prime, prime + 1):
        point = X25519PublicKey.from_public_bytes(value.to_bytes(32, "little"))
        with pytest.raises(ValueError, match="shared key"):
            X25519PrivateKey.generate().exchange(point)
        assert not replace(public, x25519=value.to_bytes(32, "little")).has_form
    for place in (0, 500, 767):
        packed = int.from_bytes(public.mlkem[:1152], "little")
        cleared = packed & ~(0xFFF << 12 * place)
        for value in (3328, 3329, 4095):
            coefficients = (cleared | value << 12 * place).to_bytes(1152, "little")
            changed = replace(public, mlkem=coefficients + public.mlkem[1152:])
            assert changed.has_form == (value < 3329)
            if not changed.has_form:
                with pytest.raises(KeyMaterialError):
                    changed.wrap(b"secret", b"")
