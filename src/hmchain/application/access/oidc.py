"""An organisation's own sign-in: OpenID Connect, by the code flow with PKCE (RFC 7636), state and nonce.

It says who somebody is. What that person may do the ledger says: groups can narrow that, and can let people whom the
ledger does not know look at what an auditor or operator sees. Nothing is asked of any host but the issuer's.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec

from hmchain import decoding, files
from hmchain.application.access.challenges import Challenges, same_text
from hmchain.application.access.settings import OidcSettings
from hmchain.clock import MINUTE_MS
from hmchain.errors import InputError, StorageError
from hmchain.keys import Redacted
from hmchain.tls import trusted_here

FLOW_MS = 10 * MINUTE_MS
_PURPOSE = "sign in at the organisation"
_ALGORITHMS = ("RS256", "PS256", "ES256", "ES384", "EdDSA")
_ANSWER_BYTES_MAX = 1 << 20
_WAIT_SECONDS = 10.0
_KEYS_MS = 10 * MINUTE_MS
_LEEWAY_SECONDS = 60
_LOCAL = re.compile(r"/(?![/\\])[A-Za-z0-9/._~!$&'()*+,;=:@%?-]{0,500}")


class OidcError(InputError):
    """The organisation's own sign-in did not let somebody in, or what it said does not hold."""

    code = "oidc"


class OidcUnreachableError(StorageError):
    """The organisation's own sign-in does not answer."""

    code = "oidc_unreachable"


class Flow(Redacted, msgspec.Struct, frozen=True):
    """A sign-in that has begun: the browser keeps it, sealed, and brings it back."""

    challenge: str
    """Good once, in hex; state, nonce and verifier follow from it and from `seed`."""
    seed: str
    next: str
    """Where the person goes afterwards."""
    before: str = ""
    """The digest, in hex, of the session that it is to strengthen."""


@dataclass(frozen=True, repr=False)
class Begun(Redacted):
    """A sign-in that begins: where the browser goes, and what it keeps."""

    address: str
    sealed: str


@dataclass(frozen=True)
class Said:
    """What the issuer says of a person."""

    person: str
    groups: frozenset[str]
    next: str
    before: bytes


class Oidc:
    """The portal's side of it."""

    def __init__(
        self, settings: OidcSettings, keys: Path, origin: str, challenges: Challenges, now_ms: Callable[[], int]
    ) -> None:
        """`keys` is the folder of the hospital's keys, in which the portal's secret lies."""
        self._settings, self._keys, self._origin = settings, keys, origin
        self._challenges, self._now_ms = challenges, now_ms
        self._found: tuple[int, dict[str, Any]] = (0, {})
        self._jwks: tuple[int, Any] = (0, None)

    @property
    def _callback(self) -> str:
        return f"{self._origin}/v1/oidc/callback"

    def begin(self, next_page: str, before: bytes = b"") -> Begun:
        """Begin a sign-in. Raises `OidcUnreachableError` or `OidcError`."""
        challenge = self._challenges.make(_PURPOSE, FLOW_MS).hex()
        flow = Flow(challenge, secrets.token_hex(32), local(next_page), before.hex())
        query = {
            "response_type": "code", "client_id": self._settings.client_id, "redirect_uri": self._callback,
            "scope": "openid profile", "state": _derived(flow, "state"), "nonce": _derived(flow, "nonce"),
            "code_challenge": _s256(_derived(flow, "verifier")), "code_challenge_method": "S256",
        }  # fmt: skip
        address = self._place("authorization_endpoint")
        return Begun(
            f"{address}{'&' if '?' in address else '?'}{urlencode(query)}", self._challenges.sealed(_PURPOSE, flow)
        )

    def end(self, sealed: str, answer: dict[str, str]) -> Said:
        """Whom the issuer says the browser is of, by what it brought back.

        Raises `ChallengeError` for a flow that is not this browser's, was used or is over, `OidcError`, and
        `OidcUnreachableError`.
        """
        flow = self._challenges.opened(_PURPOSE, sealed, Flow)
        if not same_text(_derived(flow, "state"), answer.get("state", "")):
            raise OidcError("this answer belongs to another sign-in", "begin again")
        self._challenges.spend(_PURPOSE, bytes.fromhex(flow.challenge))
        if answer.get("iss", self._settings.issuer) != self._settings.issuer:
            raise OidcError("this answer is of another issuer", "begin again")
        if answer.get("error") or not answer.get("code"):
            raise OidcError("the organisation's sign-in let nobody in", "begin again, or sign in with your key")
        claims = self._claims(self._exchanged(answer["code"], _derived(flow, "verifier")), _derived(flow, "nonce"))
        person, groups = claims.get(self._settings.person), claims.get(self._settings.groups)
        if not isinstance(person, str) or not person:
            raise OidcError(f"the issuer names no person: there is no claim {self._settings.person}", "see portal.toml")
        names = [groups] if isinstance(groups, str) else groups if isinstance(groups, list) else []
        return Said(person, frozenset(map(str, names)), flow.next, bytes.fromhex(flow.before))

    def _exchanged(self, code: str, verifier: str) -> str:
        """The ID token that a code is good for."""
        given = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": self._callback,
            "client_id": self._settings.client_id, "code_verifier": verifier,
        }  # fmt: skip
        login = (self._settings.client_id, self._secret()) if self._settings.secret_file else None
        token = self._asked(self._place("token_endpoint"), given, login).get("id_token")
        if not isinstance(token, str):
            raise OidcError("the issuer gave no ID token", "is the portal registered there for OpenID Connect?")
        return token

    def _secret(self) -> str:
        try:
            return files.read(self._keys / self._settings.secret_file, limit=4096).decode().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise OidcError("the portal's secret at the issuer cannot be read", "see oidc.secret_file") from error

    def _claims(self, token: str, nonce: str) -> dict[str, Any]:
        """What an ID token says, held against the issuer's keys (OpenID Connect Core, 3.1.3.7)."""
        import jwt

        try:
            claims: dict[str, Any] = jwt.decode(
                token, self._key_of(token), algorithms=list(_ALGORITHMS), audience=self._settings.client_id,
                issuer=self._settings.issuer, leeway=_LEEWAY_SECONDS,
                options={"require": ["exp", "iat", "aud", "iss", "sub"]},
            )  # fmt: skip
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            raise OidcError("the issuer's ID token does not hold", "begin again; are the clocks right?") from error
        if not same_text(nonce, str(claims.get("nonce", ""))):
            raise OidcError("the issuer's ID token is of another sign-in", "begin again")
        is_for_us_alone = claims["aud"] in (self._settings.client_id, [self._settings.client_id])
        if claims.get("azp", self._settings.client_id if is_for_us_alone else None) != self._settings.client_id:
            raise OidcError("the issuer's ID token is for another program", "begin again")
        return claims

    def _key_of(self, token: str) -> Any:
        """The issuer's key that a token names; keys that are not known are asked for once more."""
        import jwt

        wanted = jwt.get_unverified_header(token).get("kid")
        for again in (False, True):
            sign = [each for each in self._issuer_keys(again) if each.public_key_use in (None, "sig")]
            named = [each for each in sign if wanted is None or each.key_id == wanted]
            if len(named) == 1:
                return named[0]
        raise OidcError("the issuer's ID token names no key of it", "begin again")

    def _issuer_keys(self, again: bool) -> list[Any]:
        import jwt

        read_ms, known = self._jwks
        age_ms = self._now_ms() - read_ms
        if known is None or age_ms > (MINUTE_MS if again else _KEYS_MS):
            try:
                known = jwt.PyJWKSet.from_dict(self._asked(self._place("jwks_uri")))
            except (jwt.PyJWTError, ValueError, TypeError, KeyError) as error:
                raise OidcError("the issuer's keys cannot be read", "ask who runs it") from error
            self._jwks = (self._now_ms(), known)
        return list(known.keys)

    def _place(self, name: str) -> str:
        """Where the issuer says something is; on its own host, or nowhere."""
        issuer = self._settings.issuer
        read_ms, found = self._found
        if not found or self._now_ms() - read_ms > _KEYS_MS:
            found = self._asked(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
            if found.get("issuer") != issuer:
                raise OidcError("what answers at the issuer's address is another issuer", "see oidc.issuer")
            self._found = (self._now_ms(), found)
        place = str(found.get(name, ""))
        if _where(place) != _where(issuer):
            raise OidcError(f"the issuer's {name} is on another host", "the portal asks the issuer's own host alone")
        return place

    def _asked(self, address: str, form: dict[str, str] | None = None, login: tuple[str, str] | None = None) -> Any:
        """A JSON object of the issuer's. It is sent nowhere else, and answers at once or not at all."""
        import httpx

        method, headers = "POST" if form else "GET", {"Accept": "application/json"}
        try:
            with (
                httpx.Client(
                    timeout=_WAIT_SECONDS, verify=trusted_here(), follow_redirects=False, trust_env=False, auth=login
                ) as client,
                client.stream(method, address, data=form, headers=headers) as response,
            ):
                body = bytearray()
                for piece in response.iter_bytes():
                    body += piece
                    if len(body) > _ANSWER_BYTES_MAX:
                        raise OidcError("the issuer answers without end", "ask who runs it")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            what = "the organisation's own sign-in does not answer"
            raise OidcUnreachableError(what, "sign in with your key or a passkey") from error
        if response.status_code != httpx.codes.OK:
            raise OidcError(f"the issuer answers {response.status_code}", "begin again, or ask who runs it")
        try:
            return decoding.from_json(bytes(body), dict)
        except msgspec.DecodeError as error:
            raise OidcError("the issuer's answer is no JSON", "ask who runs it") from error


def local(page: str) -> str:
    """A page of this portal; the first one for what is none, so that no sign-in ends at somebody else's."""
    return page if _LOCAL.fullmatch(page) else "/"


def _where(address: str) -> tuple[str, str | None, int | None]:
    url = urlsplit(address)
    try:
        return url.scheme, url.hostname, url.port or {"https": 443, "http": 80}.get(url.scheme)
    except ValueError:
        return "", None, None


def _derived(flow: Flow, what: str) -> str:
    found = hmac.digest(bytes.fromhex(flow.seed), f"{what} {flow.challenge}".encode(), "sha256")
    return base64.urlsafe_b64encode(found).rstrip(b"=").decode()


def _s256(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
