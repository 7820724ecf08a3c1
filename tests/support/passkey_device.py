"""An authenticator in memory, as WebAuthn has them: makes passkeys on ES256, verifies its person, counts."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

_PRESENT, _VERIFIED, _ATTESTED = 1, 4, 64


def text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def data(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class PasskeyDevice:
    """A device in a browser that shows the page of an origin."""

    def __init__(self, origin: str = "http://localhost:8470", *, verifies: bool = True, counts: bool = True) -> None:
        self.origin, self.count = origin, 0
        self._flags, self._counts = _PRESENT | (_VERIFIED if verifies else 0), counts
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.credential, self.handle = secrets.token_bytes(32), b""

    def make(self, options: dict[str, Any]) -> dict[str, Any]:
        """`navigator.credentials.create`."""
        self.handle = data(options["user"]["id"])
        numbers = self._key.public_key().public_numbers()
        cose = cbor2.dumps({1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")})
        attested = bytes(16) + len(self.credential).to_bytes(2, "big") + self.credential + cose
        authenticator = self._authenticator(options["rp"]["id"], _ATTESTED) + attested
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": authenticator})
        client = self._client("webauthn.create", options["challenge"])
        return self._answer({"clientDataJSON": text(client), "attestationObject": text(attestation)})

    def answer(self, options: dict[str, Any]) -> dict[str, Any]:
        """`navigator.credentials.get`."""
        authenticator = self._authenticator(options["rpId"])
        client = self._client("webauthn.get", options["challenge"])
        signature = self._key.sign(authenticator + hashlib.sha256(client).digest(), ec.ECDSA(SHA256()))
        return self._answer({
            "clientDataJSON": text(client), "authenticatorData": text(authenticator), "signature": text(signature),
            "userHandle": text(self.handle),
        })  # fmt: skip

    def _authenticator(self, site: str, flags: int = 0) -> bytes:
        self.count += self._counts
        head = hashlib.sha256(site.encode()).digest()
        return head + bytes([self._flags | flags]) + self.count.to_bytes(4, "big")

    def _client(self, kind: str, challenge: str) -> bytes:
        said = {"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}
        return json.dumps(said).encode()

    def _answer(self, response: dict[str, str]) -> dict[str, Any]:
        return {
            "id": text(self.credential), "rawId": text(self.credential), "type": "public-key", "response": response,
            "clientExtensionResults": {},
        }  # fmt: skip
