"""A small OpenID provider on loopback: real HTTP, real keys, code flow with PKCE; it lies where a test wants it to."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SECRET = "the portal's secret there"


@dataclass
class Provider:
    """Whom it lets in, and how it lies."""

    issuer: str = ""
    person: str = "s1"
    groups: tuple[str, ...] = ()
    lies: dict[str, Any] = field(default_factory=dict)
    """Claims of its tokens that are otherwise."""
    places: dict[str, str] = field(default_factory=dict)
    """Endpoints that it names elsewhere."""
    answers: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    """What it answers at a path instead."""
    signs_with: Ed25519PrivateKey | None = None
    """Another key than the one that it publishes."""
    algorithm: str = "EdDSA"
    asked: list[str] = field(default_factory=list)
    """Paths that somebody asked for."""

    def __post_init__(self) -> None:
        self._key = Ed25519PrivateKey.generate()
        self._codes: dict[str, dict[str, str]] = {}

    def configuration(self) -> dict[str, Any]:
        found = {
            "issuer": self.issuer, "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token", "jwks_uri": f"{self.issuer}/keys",
        }  # fmt: skip
        return found | self.places

    def keys(self) -> dict[str, Any]:
        raw = base64.urlsafe_b64encode(self._key.public_key().public_bytes_raw()).rstrip(b"=").decode()
        return {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": raw, "kid": "1", "use": "sig", "alg": "EdDSA"}]}

    def authorise(self, query: dict[str, str]) -> str:
        """Where the browser goes next: the person is signed in there already."""
        assert query["response_type"] == "code" and query["code_challenge_method"] == "S256"
        assert "openid" in query["scope"].split()
        code = secrets.token_urlsafe(16)
        self._codes[code] = query
        return f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state'], 'iss': self.issuer})}"

    def token(self, form: dict[str, str], login: str) -> tuple[int, dict[str, Any]]:
        known = self._codes.pop(form["code"], None)
        expected = base64.b64encode(f"portal:{SECRET}".replace(" ", "+").replace("'", "%27").encode()).decode()
        plain = base64.b64encode(f"portal:{SECRET}".encode()).decode()
        if known is None or login not in (f"Basic {expected}", f"Basic {plain}"):
            return 401, {"error": "invalid_client"}
        verifier = (
            base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).rstrip(b"=").decode()
        )
        if verifier != known["code_challenge"] or form["redirect_uri"] != known["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        now = int(time.time())
        claims = {
            "iss": self.issuer, "aud": "portal", "sub": "77", "iat": now, "exp": now + 60, "nonce": known["nonce"],
            "preferred_username": self.person, "groups": list(self.groups),
        } | self.lies  # fmt: skip
        claims = {name: value for name, value in claims.items() if value is not None}
        key: Any = "secret of nobody, thirty-two bytes" if self.algorithm == "HS256" else self.signs_with or self._key
        if self.algorithm == "none":
            key = None
        return 200, {"id_token": jwt.encode(claims, key, self.algorithm, headers={"kid": "1"}), "token_type": "Bearer"}


@contextmanager
def provided() -> Iterator[Provider]:
    """A provider that answers at a free port."""
    provider = Provider()

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            provider.asked.append(url.path)
            query = {name: values[0] for name, values in parse_qs(url.query).items()}
            if url.path in provider.answers:
                self._send(*provider.answers[url.path])
            elif url.path == "/.well-known/openid-configuration":
                self._json(200, provider.configuration())
            elif url.path == "/keys":
                self._json(200, provider.keys())
            elif url.path == "/authorize":
                self._send(302, {"Location": provider.authorise(query)}, b"")
            else:
                self._json(404, {})

        def do_POST(self) -> None:
            provider.asked.append(self.path)
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            form = {name: values[0] for name, values in parse_qs(body).items()}
            if self.path in provider.answers:
                self._send(*provider.answers[self.path])
            else:
                self._json(*provider.token(form, self.headers.get("Authorization", "")))

        def _json(self, status: int, value: Any) -> None:
            self._send(status, {"Content-Type": "application/json"}, json.dumps(value).encode())

        def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(body))} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        provider.issuer = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield provider
        finally:
            server.shutdown()
            thread.join()
