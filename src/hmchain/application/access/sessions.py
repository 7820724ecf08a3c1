"""Sessions and tokens: opened for whoever showed to be a person, and held against the ledger each time they are used.

A session is renewed by use, ends when it is left alone, and ends after some hours whatever is done. Each sign-in opens
one under a new secret, in the place of the one before. A token is made by a person in a session, for a program; it has
no factor, so it does nothing for which the hospital asks for two.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from msgspec.structs import replace

from hmchain.application.access.permissions import Operation
from hmchain.application.access.principal import Principal
from hmchain.application.access.standing import NO_MARK, Standing, Standings
from hmchain.application.access.store import SESSION, TOKEN, Credential, PortalStore, digest_of, new_id, new_secret
from hmchain.clock import DAY_MS, MINUTE_MS
from hmchain.errors import InputError
from hmchain.keys import Redacted
from hmchain.ledger.contracts.members.people import PersonRef

EVERYTHING = frozenset(Operation)
TOKEN_PREFIX = "hmc_"  # noqa: S105 - by which people, and programs that look for lost secrets, know a token
TOKEN_DAYS_MAX, NAME_CHARACTERS_MAX = 365, 60
SESSIONS_MAX, TOKENS_MAX = 20, 50
"""Of one person."""
RECENT_MS = 10 * MINUTE_MS
"""For so long after a sign-in a person may give away new ways in."""
_NOTED_MS = MINUTE_MS
"""How exactly the last use is kept: a file is not written at every request."""


class TokenError(InputError):
    """A token cannot be made like this."""

    code = "portal_token"


class NoCredentialError(InputError):
    """The person has no session, token or passkey of this name."""

    code = "no_such_credential"


class SignInAgainError(InputError):
    """The last sign-in is too long ago to give away a new way in."""

    code = "sign_in_again"


@dataclass(frozen=True)
class Visitor:
    """Whoever is there, and by which session or token."""

    principal: Principal
    credential: Credential


@dataclass(frozen=True, repr=False)
class Opened(Redacted):
    """A new session or token; its secret is nowhere else, and goes to whoever it is for."""

    secret: str
    credential: Credential


def is_readable(name: str) -> bool:
    """Whether a person may call a token or a passkey so."""
    return bool(name.strip()) and len(name) <= NAME_CHARACTERS_MAX and name.isprintable()


class Sessions:
    """Sessions and tokens of a portal."""

    def __init__(
        self, store: PortalStore, standings: Standings, now_ms: Callable[[], int], *, idle_ms: int, life_ms: int
    ) -> None:
        self._store, self._standings, self._now_ms = store, standings, now_ms
        self._idle_ms, self._life_ms = idle_ms, life_ms

    # -- who is there --------------------------------------------------------------------------------------------------

    def of_cookie(self, secret: str, *, renews: bool = True) -> Visitor | None:
        """Whose session it is; what a page asks for by itself does not renew it."""
        found = self._store.credential(SESSION, secret)
        return self._visitor(found, renews=renews) if found is not None else None

    def of_bearer(self, secret: str) -> Visitor | None:
        """Whose token, or session, it is."""
        if not secret.startswith(TOKEN_PREFIX):
            return self.of_cookie(secret)
        found = self._store.credential(TOKEN, secret)
        return self._visitor(found) if found is not None else None

    def still(self, of: Visitor) -> Principal | None:
        """Whoever came in, if still there: for what takes minutes. It renews nothing."""
        found = self._store.by_digest(of.credential.digest)
        return None if found is None or self._is_over(found, self._now_ms()) else self._principal(found)

    def now(self, of: Visitor) -> Principal | None:
        """Whoever came in, as the ledger has that person now; the session may be over."""
        return self._principal(of.credential)

    def _visitor(self, found: Credential, *, renews: bool = True) -> Visitor | None:
        now = self._now_ms()
        principal = None if self._is_over(found, now) else self._principal(found)
        if principal is None:
            self._store.end([found.digest])  # also what a suspended person had: who comes back signs in again
            return None
        if renews and now - found.used_ms >= min(_NOTED_MS, self._idle_ms // 2):
            self._store.used(found, now)
        return Visitor(principal, found)

    def _is_over(self, found: Credential, now: int) -> bool:
        was_left = found.kind == SESSION and now - found.used_ms > self._idle_ms
        return now > found.until_ms or was_left

    def _principal(self, found: Credential) -> Principal | None:
        """Somebody as the ledger has that person now; nobody where the key is another, or was cut off meanwhile."""
        known = self._standings.of(found.ref)
        if found.mark == NO_MARK:  # of the hospital's own directory, and of nobody whom the ledger knows
            roles = frozenset[str]() if known.is_known else found.roles
            return None if known.is_known else self._made(found, roles, b"", found.scopes & {Operation.VIEW})
        if not hmac.compare_digest(known.mark, found.mark):
            return None
        roles = known.roles & found.roles if found.roles else known.roles
        return self._made(found, roles, known.public, found.scopes)

    def _made(self, found: Credential, roles: frozenset[str], public: bytes, scopes: frozenset[str]) -> Principal:
        return Principal(found.ref.organisation, found.ref.person, roles, public, scopes, found.factors)

    # -- sessions ------------------------------------------------------------------------------------------------------

    def open(
        self, who: Standing, factor: str, before: Credential | None = None, roles: frozenset[str] = frozenset()
    ) -> Opened:
        """Open a session for somebody who showed to be it by a factor, in the place of the one `before`.

        Where that was the same person's the factors add up. `roles` narrow the person's, or are those of somebody who
        only looks. Raises `PortalStoreError`.
        """
        now, secret = self._now_ms(), new_secret()
        same = before if before and before.ref == who.ref and before.mark == who.mark else None
        session = Credential(
            digest_of(secret), new_id(), SESSION, who.ref, who.mark,
            factors=frozenset({factor}) | (same.factors if same else frozenset()),
            roles=roles or (same.roles if same else frozenset()),
            scopes=EVERYTHING if who.mark != NO_MARK else frozenset({Operation.VIEW}),
            made_ms=now, proved_ms=now, used_ms=now, until_ms=same.until_ms if same else now + self._life_ms,
        )  # fmt: skip
        self._store.keep(session, instead=before.digest if before else b"", most=SESSIONS_MAX, now_ms=now)
        return Opened(secret, session)

    def require_recent(self, of: Visitor) -> None:
        """Raise `SignInAgainError` unless it is a session in which the person showed to be it just now.

        Who came by a session of somebody else's shall not make a way in that outlasts it.
        """
        if of.credential.kind != SESSION or self._now_ms() - of.credential.proved_ms > RECENT_MS:
            raise SignInAgainError("this takes a sign-in of the last ten minutes", "sign in again, then do it again")

    # -- tokens --------------------------------------------------------------------------------------------------------

    def make_token(self, of: Visitor, name: str, scopes: Iterable[str], days: int) -> Opened:
        """Make a token of a person's, for operations that the session is for.

        Raises `TokenError`, `SignInAgainError`.
        """
        self.require_recent(of)
        wanted, now = frozenset(scopes), self._now_ms()
        if of.credential.mark == NO_MARK:  # nobody would hear of it if the organisation let that person go
            raise TokenError("whoever only looks makes no token", "sign in as a person whom the ledger knows")
        if not is_readable(name):
            raise TokenError("a token has a name of 1 to 60 characters", "say what it is for")
        if not wanted or not wanted <= of.credential.scopes:
            hint = f"some of {', '.join(sorted(of.credential.scopes))}"
            raise TokenError("a token may do something, and nothing that this session may not", hint)
        if not 1 <= days <= TOKEN_DAYS_MAX:
            raise TokenError("a token ends some day", f"give 1 to {TOKEN_DAYS_MAX} days")
        secret = TOKEN_PREFIX + new_secret()
        token = replace(
            of.credential, digest=digest_of(secret), id=new_id(), kind=TOKEN, factors=frozenset(), scopes=wanted,
            name=name.strip(), made_ms=now, used_ms=0, until_ms=now + days * DAY_MS,
        )  # fmt: skip
        known, counting = self._store.credentials(TOKEN, token.ref), self.all_of(TOKEN, token.ref)
        self._store.end({each.digest for each in known} - {each.digest for each in counting})
        if len(counting) >= TOKENS_MAX:
            raise TokenError(f"you have {TOKENS_MAX} tokens", "revoke one that nobody uses")
        self._store.keep(token, most=TOKENS_MAX, now_ms=now)
        return Opened(secret, token)

    # -- what a person has ---------------------------------------------------------------------------------------------

    def all_of(self, kind: str, ref: PersonRef) -> list[Credential]:
        """A person's sessions, or tokens, that count, the newest first."""
        now = self._now_ms()
        return [
            each
            for each in self._store.credentials(kind, ref)
            if not self._is_over(each, now) and self._principal(each)
        ]

    def end(self, kind: str, ref: PersonRef, name: str) -> Credential:
        """End one of a person's. Raises `NoCredentialError`."""
        found = next((each for each in self._store.credentials(kind, ref) if each.id == name), None)
        if found is None:
            raise NoCredentialError(f"you have no such {kind}", "the list shows those that there are")
        self._store.end([found.digest])
        return found
