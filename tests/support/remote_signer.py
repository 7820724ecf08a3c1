"""A signer whose key lies in another process, which reads what it is asked to sign and refuses the rest."""

from __future__ import annotations

from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType

from hmchain.canonical import decode
from hmchain.errors import HMChainError, KeyMaterialError
from hmchain.keys import ED25519, PublicKey, SigningKey, load_key
from hmchain.ledger import contracts
from hmchain.ledger.transactions import Refusal, Transaction


class SignatureDeniedError(KeyMaterialError):
    """The signer does not sign this."""

    code = "signature_denied"


class RemoteSigner:
    """A `Signer`: it hands bytes on and has no key."""

    def __init__(self, key_file: Path, chain_id: str, kinds: tuple[str, ...]) -> None:
        """`kinds` are the names of the bodies that the other side signs, on one chain alone."""
        processes = get_context("spawn")
        self._pipe, other = processes.Pipe()
        self._process = processes.Process(target=serve, args=(other, key_file, chain_id, kinds), daemon=True)
        self._process.start()
        other.close()
        self.public = PublicKey(ED25519, self._pipe.recv_bytes())

    def sign(self, message: bytes) -> bytes:
        self._pipe.send_bytes(message)
        answer = self._pipe.recv_bytes()
        if answer.startswith(b"denied: "):
            raise SignatureDeniedError(answer.removeprefix(b"denied: ").decode())
        return answer

    def __enter__(self) -> RemoteSigner:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pipe.close()
        self._process.join()


def serve(pipe: Connection, key_file: Path, chain_id: str, kinds: tuple[str, ...]) -> None:
    """Answer until the other side closes the pipe."""
    key = load_key(SigningKey, key_file)
    pipe.send_bytes(key.public.raw)
    while True:
        try:
            message = pipe.recv_bytes()
        except EOFError:
            return
        why_not = objection(message, key.public, chain_id, kinds)
        pipe.send_bytes(f"denied: {why_not}".encode() if why_not else key.sign(message))


def objection(message: bytes, own: PublicKey, chain_id: str, kinds: tuple[str, ...]) -> str:
    """Why a message is not signed; empty if it is."""
    try:
        transaction = decode(message, Transaction)
        body = contracts.decode_body(transaction.body)
    except (HMChainError, Refusal):
        return "this is no transaction that I know"
    if (transaction.chain_id, transaction.sender) != (chain_id, own.raw):
        return "this is another chain's, or another sender's"
    kind = type(body).__name__
    return "" if kind in kinds else f"{kind} is not for me to sign"
