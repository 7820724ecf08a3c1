"""The door of a hospital's portal: everything by which somebody comes in, goes out, or is known again.

Whoever is refused learns nothing: an unknown person and a wrong signature have the same answer, after the same work.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from hmchain.application.access import challenges
from hmchain.application.access.challenges import Challenges, SignIn
from hmchain.application.access.oidc import Begun, Oidc, OidcError, Said
from hmchain.application.access.passkeys import Passkeys
from hmchain.application.access.permissions import SecondFactorError
from hmchain.application.access.principal import Principal
from hmchain.application.access.sessions import Opened, Sessions, Visitor
from hmchain.application.access.settings import PortalSettings
from hmchain.application.access.standing import Standing, Standings
from hmchain.application.access.store import SESSION, TOKEN, Credential, Passkey, PortalStore
from hmchain.application.access.throttle import (
    QUESTIONS,
    READS,
    TRIES_OF_ADDRESS,
    TRIES_OF_PERSON,
    WRITES,
    Throttle,
    of_address,
)
from hmchain.application.node.live import LiveLedger
from hmchain.application.security.events import DONE, Event, Kind
from hmchain.application.site.node import NodeFolder
from hmchain.application.site.recording import note
from hmchain.clock import HOUR_MS, MINUTE_MS, now_ms
from hmchain.errors import InputError
from hmchain.keys import ED25519, PublicKey, SigningKey
from hmchain.ledger.context import is_name
from hmchain.ledger.contracts.members.people import OFFICES, PersonRef

KEY, PASSKEY, OIDC = "key", "passkey", "oidc"
"""Factors."""
_NOBODY = SigningKey.generate().public.raw
"""Verified against where there is no such person: it takes as long, and nobody has its private half any more."""
REFUSED = "sign_in_refused"
_SIGN_IN = "sign in with a key"
T = TypeVar("T")


class SignInRefusedError(InputError):
    """Somebody is not let in; the words are the same whoever it is."""

    code = REFUSED


def named(organisation: str, person: str) -> PersonRef:
    """Somebody by name, whether there is such a person or not."""
    return PersonRef(organisation, person)


class Access:
    """The door, while a portal runs. Threads may share it."""

    def __init__(
        self,
        folder: NodeFolder,
        settings: PortalSettings,
        live: LiveLedger,
        *,
        clock_ms: Callable[[], int] = now_ms,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        """Opens the portal's store. Raises `PortalStoreError`, and what reading the node's settings raises."""
        self.settings, self._folder = settings, folder
        self.organisation = folder.settings().organisation
        with live.reader() as ledger:
            self.chain_id = ledger.genesis.chain_id
        self.store = PortalStore(folder.portal_store)
        self._standings, self._challenges = Standings(live), Challenges(clock_ms)
        self._throttle = Throttle(seconds)
        self.sessions = Sessions(
            self.store, self._standings, clock_ms,
            idle_ms=settings.idle_minutes * MINUTE_MS, life_ms=settings.session_hours * HOUR_MS,
        )  # fmt: skip
        self.passkeys = Passkeys(self.store, self._standings, self._challenges, clock_ms, settings.address)
        self._oidc = (
            Oidc(settings.oidc, folder.keys, settings.address, self._challenges, clock_ms) if settings.oidc else None
        )

    def close(self) -> None:
        """Close the store."""
        self.store.close()

    # -- who is there --------------------------------------------------------------------------------------------------

    def of_cookie(self, secret: str, *, renews: bool = True) -> Visitor | None:
        """Whose session it is; nobody's if it is over, or the ledger has the person otherwise by now."""
        return self.sessions.of_cookie(secret, renews=renews)

    def of_bearer(self, secret: str) -> Visitor | None:
        """Whose token, or session, it is; as `of_cookie`."""
        return self.sessions.of_bearer(secret)

    def still(self, of: Visitor) -> Principal | None:
        """Whoever came in, if still there; it counts as no use."""
        return self.sessions.still(of)

    def now(self, of: Visitor) -> Principal | None:
        """Whoever came in, as the ledger has that person now, though signed out since."""
        return self.sessions.now(of)

    def require_rate(self, of: Visitor, *, writes: bool) -> None:
        """See that a person does not ask too often. Raises `TooManyError`."""
        self._throttle.take(WRITES if writes else READS, "writes" if writes else "reads", of.principal.name)

    # -- by a key ------------------------------------------------------------------------------------------------------

    def challenge(self, ref: PersonRef, address: str) -> SignIn:
        """What a person's key signs to sign in; made for anybody whom somebody names. Raises `TooManyError`."""
        self._question(address)
        return self._sign_in(ref, self._challenges.make(_SIGN_IN))

    def _sign_in(self, ref: PersonRef, challenge: bytes) -> SignIn:
        return SignIn(
            self.settings.address, self.chain_id, ref.organisation, ref.person, challenge, challenges.ends_ms(challenge)
        )  # fmt: skip

    def by_key(
        self, ref: PersonRef, challenge: bytes, signature: bytes, address: str, before: Visitor | None = None
    ) -> Opened:
        """Open a session for whoever signed a challenge.

        Raises `SignInRefusedError`, `ChallengeError`, `TooManyError`.
        """
        self._require_tries(address, ref)
        self._spend_or_fail(KEY, address, lambda: self._challenges.spend(_SIGN_IN, challenge), ref)
        who = self._standings.read(ref)
        public = PublicKey(ED25519, who.public or _NOBODY)
        if not public.verify(signature, self._sign_in(ref, challenge).message) or not who.public:
            raise self._failed(KEY, address, who)
        return self._opened(who, KEY, before)

    # -- by a passkey --------------------------------------------------------------------------------------------------

    def passkey_questions(self, address: str) -> dict[str, Any]:
        """What a browser asks its authenticators for a sign-in. Raises `TooManyError`."""
        self._question(address)
        return self.passkeys.questions()

    def by_passkey(self, answer: dict[str, Any], address: str, before: Visitor | None = None) -> Opened:
        """Open a session for whoever's passkey answered. Raises as `by_key`."""
        self._require_tries(address)
        known = self._spend_or_fail(PASSKEY, address, lambda: self.passkeys.answered(answer))
        if known is None:
            raise self._failed(PASSKEY, address)
        return self._opened(known.who, PASSKEY, before)

    def passkey_registration(self, of: Visitor) -> dict[str, Any]:
        """What a browser asks an authenticator to make a passkey. Raises `PasskeyError`, and as `_require_sure`."""
        self._require_sure(of)
        return self.passkeys.registration(of)

    def add_passkey(self, of: Visitor, name: str, answer: dict[str, Any]) -> Passkey:
        """Keep a passkey of a person's. Raises `PasskeyError`, `ChallengeError`, and as `_require_sure`."""
        self._require_sure(of)
        added = self.passkeys.add(of, name, answer)
        self._note(Kind.CREDENTIAL_CHANGED, "passkey-added", of.credential.ref)
        return added

    def remove_passkey(self, of: Visitor, name: str) -> Passkey:
        """Forget a passkey of a person's. Raises `NoCredentialError`, and as `_require_sure`."""
        self._require_sure(of)
        removed = self.passkeys.remove(of.credential.ref, name)
        self._note(Kind.CREDENTIAL_CHANGED, "passkey-removed", of.credential.ref)
        return removed

    def _require_sure(self, of: Visitor) -> None:
        """See that ways in are changed by the person alone, and not by whoever came by a session.

        Raises `SignInAgainError`, or `SecondFactorError` where the hospital asks for two factors and the person has
        two: one alone must not make itself a second.
        """
        self.sessions.require_recent(of)
        has_two = bool(self.passkeys.all_of(of.credential.ref))
        if self.settings.second_factor and has_two and len(of.credential.factors) < 2:
            raise SecondFactorError

    # -- by the organisation's own sign-in -----------------------------------------------------------------------------

    @property
    def has_oidc(self) -> bool:
        """Whether the organisation has a sign-in of its own."""
        return self._oidc is not None

    def begin_oidc(self, next_page: str, address: str, before: Visitor | None = None) -> Begun:
        """Begin a sign-in at the organisation. Raises `TooManyError`, and as `Oidc.begin`."""
        self._question(address)
        return self._require_oidc().begin(next_page, before.credential.digest if before else b"")

    def by_oidc(self, sealed: str, answer: dict[str, str], address: str) -> tuple[Opened, str]:
        """Open a session for whom the organisation names, and say where that person wanted to go.

        Raises as `by_key`, and as `Oidc.end`.
        """
        self._require_tries(address)
        said = self._spend_or_fail(OIDC, address, lambda: self._require_oidc().end(sealed, answer))
        ref = PersonRef(self.organisation, said.person)
        # An office is a key that people share; nobody is one by the name that a directory has.
        who = self._standings.read(ref) if is_name(said.person) and said.person not in OFFICES else None
        if who is None or (roles := self._oidc_roles(who, said)) is None:
            raise self._failed(OIDC, address, who)
        before = self.store.by_digest(said.before)
        return self._opened(who, OIDC, before if before and before.kind == SESSION else None, roles), said.next

    def _oidc_roles(self, who: Standing, said: Said) -> frozenset[str] | None:
        """What narrows a person's roles, none if nothing does; those of somebody who only looks; None of nobody."""
        assert self.settings.oidc is not None
        table = self.settings.oidc.roles if who.public else self.settings.oidc.views
        given = frozenset(role for group in said.groups for role in table.get(group, ()))
        if who.public:
            return (who.roles & given or None) if table else frozenset()
        return None if who.is_known else (given or None)

    def _require_oidc(self) -> Oidc:
        if self._oidc is None:
            raise OidcError("this portal knows no sign-in of the organisation", "sign in with your key or a passkey")
        return self._oidc

    # -- going, and tokens ---------------------------------------------------------------------------------------------

    def sign_out(self, of: Visitor) -> None:
        """End a session, or revoke the token that is used."""
        self.store.end([of.credential.digest])
        self._note(Kind.SIGN_OUT, of.credential.kind, of.credential.ref)

    def end_session(self, of: Visitor, name: str) -> Credential:
        """End one of a person's sessions, perhaps on another machine. Raises `NoCredentialError`."""
        ended = self.sessions.end(SESSION, of.credential.ref, name)
        self._note(Kind.SIGN_OUT, SESSION, ended.ref)
        return ended

    def make_token(self, of: Visitor, name: str, scopes: Iterable[str], days: int) -> Opened:
        """Make a token for a program. Raises as `Sessions.make_token`."""
        made = self.sessions.make_token(of, name, scopes, days)
        self._note(Kind.CREDENTIAL_CHANGED, "token-made", of.credential.ref)
        return made

    def revoke_token(self, of: Visitor, name: str) -> Credential:
        """Revoke a token of a person's. Raises `NoCredentialError`."""
        revoked = self.sessions.end(TOKEN, of.credential.ref, name)
        self._note(Kind.CREDENTIAL_CHANGED, "token-revoked", of.credential.ref)
        return revoked

    # ------------------------------------------------------------------------------------------------------------------

    def _question(self, address: str) -> None:
        self._throttle.take(QUESTIONS, "questions", of_address(address))

    def _require_tries(self, address: str, ref: PersonRef | None = None) -> None:
        """See that neither an address nor a person was tried too often, before anything is looked up."""
        self._throttle.require(TRIES_OF_ADDRESS, "tries", of_address(address))
        if ref is not None:
            self._throttle.require(TRIES_OF_PERSON, "tries of", str(ref))

    def _spend_or_fail(self, factor: str, address: str, step: Callable[[], T], ref: PersonRef | None = None) -> T:
        """A step of a sign-in; what it raises counts as a try."""
        try:
            return step()
        except InputError as error:
            self._failed(factor, address, ref=ref, code=error.code)
            raise

    def _failed(
        self, factor: str, address: str, who: Standing | None = None, ref: PersonRef | None = None, code: str = REFUSED
    ) -> SignInRefusedError:
        """Count and note a sign-in that failed. A name that the ledger does not have is what somebody typed."""
        self._throttle.drain(TRIES_OF_ADDRESS, "tries", of_address(address))
        if (of := who.ref if who else ref) is not None:
            self._throttle.drain(TRIES_OF_PERSON, "tries of", str(of))
        self._note(Kind.SIGN_IN_REFUSED, factor, who.ref if who and who.is_known else None, code)
        hint = "an active person of a member signs with the key that the ledger has now: `hmchain people list`"
        return SignInRefusedError("that does not let you in", hint)

    def _opened(
        self, who: Standing, factor: str, before: Visitor | Credential | None, roles: frozenset[str] = frozenset()
    ) -> Opened:
        opened = self.sessions.open(
            who, factor, before.credential if isinstance(before, Visitor) else before, roles
        )  # fmt: skip
        self._note(Kind.SIGN_IN, factor, who.ref)
        return opened

    def _note(self, kind: Kind, what: str, ref: PersonRef | None, outcome: str = DONE) -> None:
        person, organisation = (ref.person, ref.organisation) if ref else ("", self.organisation)
        other = organisation if organisation != self.organisation else ""
        note(self._folder, Event(kind, what, person=person, other=other, outcome=outcome))
