"""Transactions that are signed elsewhere: prepared into a file, read, signed there, brought back and sent."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from hmchain.application.governance.policy_words import in_full
from hmchain.application.node.meaning import Meaning, meaning
from hmchain.application.site import exchanged
from hmchain.application.site.exchanged import ToSign
from hmchain.canonical import decode
from hmchain.errors import InputError
from hmchain.keys import ED25519, PublicKey
from hmchain.ledger.engines.ledger import Signer
from hmchain.ledger.transactions import Prepared, Transaction


class NotItsKeyError(InputError):
    """A signature, or a key, is not that of the sender whom a transaction names."""

    code = "not_its_key"


class UnsignedError(InputError):
    """A transaction has no signature yet."""

    code = "not_signed_yet"


class FileExistsAlreadyError(InputError):
    """A file that is to be new is there."""

    code = "file_exists"


class PreparedOnly(Exception):
    """The transaction lies in a file now, and nothing is sent."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self.path = path


@dataclass(frozen=True)
class FileSigner:
    """Holder of no key: what is to be signed goes into a file, for whoever holds it."""

    public: PublicKey
    path: Path

    def sign(self, message: bytes) -> bytes:
        """Write the file, and raise `PreparedOnly`. Raises `FileExistsAlreadyError`."""
        if self.path.exists():
            raise FileExistsAlreadyError(f"{self.path} exists", "give another file")
        exchanged.save(ToSign(message, b""), self.path)
        raise PreparedOnly(self.path)


@dataclass(frozen=True)
class Prepare:
    """A transaction in a file, and what it means."""

    path: Path
    meaning: Meaning
    signed: bool
    sentences: tuple[str, ...] = ()
    """What a policy in it says; empty for other transactions."""


def read(path: Path) -> Prepare:
    """What a file asks to be signed. Raises `NetworkFileError`, `UnreadableTransactionError`, and `NotItsKeyError`."""
    file = exchanged.load_to_sign(path)
    found = meaning(file.message)
    if file.signature and not PublicKey(ED25519, found.sender).verify(file.signature, file.message):
        raise NotItsKeyError(f"{path} holds a signature that does not hold", "have it signed anew")
    return Prepare(path, found, bool(file.signature), in_full(found.body))


def sign(path: Path, signer: Signer) -> Prepare:
    """Have a signer sign the bytes whose meaning `read` tells. Raises as `read`, and what the signer raises."""
    file, found = exchanged.load_to_sign(path), read(path)
    if signer.public.raw != found.meaning.sender:
        raise NotItsKeyError("the transaction waits for another key", "give the key of the person that it names")
    return attach(path, signer.sign(file.message))


def attach(path: Path, signature: bytes) -> Prepare:
    """Put a signature, made wherever its key is, into the file. Raises as `read`, and `NotItsKeyError`."""
    file = exchanged.load_to_sign(path)
    if not PublicKey(ED25519, read(path).meaning.sender).verify(signature, file.message):
        raise NotItsKeyError("the signature is not one of these bytes by the key that is named", "sign them again")
    exchanged.save(replace(file, signature=signature), path)
    return read(path)


def parse_signature(text: str) -> bytes:
    """A signature from its hex digits. Raises `NotItsKeyError`."""
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise NotItsKeyError("that is no signature", "give 128 hex digits") from error


def wire(path: Path) -> bytes:
    """The signed transaction of a file. Raises as `read`, and `UnsignedError`."""
    if not read(path).signed:
        raise UnsignedError(f"{path} is not signed yet", f"sign it: `hmchain sign attach {path} --key KEY`")
    file = exchanged.load_to_sign(path)
    return Prepared(decode(file.message, Transaction)).attach(file.signature)
