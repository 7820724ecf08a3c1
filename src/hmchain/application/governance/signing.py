"""Transactions that are signed elsewhere: prepared into a file, read, signed there, brought back and sent."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from hmchain.application.governance.policies.words import in_full
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


class SignatureElsewhere(Exception):
    """A signer has no key here: what is to be signed goes to whoever has it, and nothing is sent."""

    def __init__(self, message: bytes) -> None:
        super().__init__("a signature is needed")
        self.messages: tuple[bytes, ...] = (message,)
        """What is to be signed, and what is to be sent after it."""


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
    file: ToSign
    """As it was read: what is shown, signed and sent are the same bytes, though others may write to the file."""
    sentences: tuple[str, ...] = ()
    """What a policy in it says; empty for other transactions."""


def read(path: Path) -> Prepare:
    """What a file asks to be signed. Raises `NetworkFileError`, `UnreadableTransactionError`, and `NotItsKeyError`."""
    return _read(path, exchanged.load_to_sign(path))


def _read(path: Path, file: ToSign) -> Prepare:
    found = meaning(file.message)
    if file.signature and not PublicKey(ED25519, found.sender).verify(file.signature, file.message):
        raise NotItsKeyError(f"{path} holds a signature that does not hold", "have it signed anew")
    return Prepare(path, found, bool(file.signature), file, in_full(found.body))


def sign(shown: Prepare, signer: Signer) -> Prepare:
    """Have a signer sign the very bytes that were `shown`, whatever the file holds by now.

    Raises `NotItsKeyError`, and what the signer raises.
    """
    if signer.public.raw != shown.meaning.sender:
        raise NotItsKeyError("the transaction waits for another key", "give the key of the person that it names")
    return attach(shown, signer.sign(shown.file.message))


def attach(shown: Prepare, signature: bytes) -> Prepare:
    """Put a signature of what was `shown`, made wherever its key is, into the file. Raises `NotItsKeyError`."""
    require_signature(shown.meaning.sender, signature, shown.file.message)
    signed = replace(shown.file, signature=signature)
    exchanged.save(signed, shown.path)
    return _read(shown.path, signed)


def require_signature(sender: bytes, signature: bytes, message: bytes) -> None:
    """See that a signature is one of these bytes by their sender's key. Raises `NotItsKeyError`."""
    if not PublicKey(ED25519, sender).verify(signature, message):
        raise NotItsKeyError("the signature is not one of these bytes by the key that is named", "sign them again")


def parse_signature(text: str) -> bytes:
    """A signature from its hex digits. Raises `NotItsKeyError`."""
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise NotItsKeyError("that is no signature", "give 128 hex digits") from error


def wire(found: Prepare) -> bytes:
    """The signed transaction of a file that was read. Raises `UnsignedError`."""
    if not found.signed:
        raise UnsignedError(f"{found.path} is not signed yet", f"sign it: `hmchain sign attach {found.path} --key KEY`")
    return Prepared(decode(found.file.message, Transaction)).attach(found.file.signature)
