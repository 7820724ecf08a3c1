"""Passkeys (WebAuthn, level 2): a person's second way in, bound to the portal's own origin by the browser itself.

They are discoverable, and the authenticator verifies the person (a finger, a face, a PIN). A passkey signs a person in,
and nothing else: what goes on the ledger is signed by the key that the ledger knows.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from hmchain.application.access.challenges import ChallengeError, Challenges
from hmchain.application.access.sessions import NoCredentialError, Visitor, is_readable
from hmchain.application.access.standing import NO_MARK, Standing, Standings
from hmchain.application.access.store import Passkey, PortalStore, new_id
from hmchain.errors import InputError
from hmchain.ledger.contracts.members.people import PersonRef

PASSKEYS_MAX = 20
"""Of one person."""
_SIGN_IN = "sign in with a passkey"
_CREDENTIAL_BYTES_MAX = 1024
_ODD = (ValueError, TypeError, KeyError, RecursionError)
"""What reading an answer of an odd form raises beside the library's own."""
_ALGORITHMS = (-8, -7, -257)
"""EdDSA, ES256, RS256, by their numbers in COSE."""


class PasskeyError(InputError):
    """A passkey cannot be added, or what an authenticator answered does not hold."""

    code = "passkey"


@dataclass(frozen=True)
class Known:
    """Whose passkey answered, and how it stands with that person."""

    passkey: Passkey
    who: Standing


class Passkeys:
    """The passkeys of a portal's people."""

    def __init__(
        self, store: PortalStore, standings: Standings, challenges: Challenges, now_ms: Callable[[], int], origin: str
    ) -> None:
        self._store, self._standings, self._challenges, self._now_ms = store, standings, challenges, now_ms
        self._origin, self._site = origin, urlsplit(origin).hostname or ""

    def all_of(self, ref: PersonRef) -> list[Passkey]:
        """A person's passkeys that count, the oldest first."""
        mark = self._standings.of(ref).mark
        return [each for each in self._store.passkeys(ref) if each.mark == mark]

    def questions(self) -> dict[str, Any]:
        """What a browser asks its authenticators for a sign-in: the same for everybody, so that it names nobody."""
        import webauthn
        from webauthn.helpers.structs import UserVerificationRequirement

        options = webauthn.generate_authentication_options(
            rp_id=self._site, challenge=self._challenges.make(_SIGN_IN),
            user_verification=UserVerificationRequirement.REQUIRED,
        )  # fmt: skip
        return webauthn.helpers.options_to_json_dict(options)

    def answered(self, answer: dict[str, Any]) -> Known | None:
        """Whose passkey answered, if it did, and counts. Raises `ChallengeError`."""
        import webauthn
        from webauthn.helpers.exceptions import WebAuthnException

        try:
            read = webauthn.helpers.parse_authentication_credential_json(answer)
            challenge = webauthn.helpers.parse_client_data_json(read.response.client_data_json).challenge
        except (WebAuthnException, *_ODD) as error:
            raise ChallengeError("this is no answer of a passkey", "begin again") from error
        self._challenges.spend(_SIGN_IN, challenge)
        known = self._store.passkey(read.raw_id[:_CREDENTIAL_BYTES_MAX])
        if known is None:
            return None
        who = self._standings.of(known.ref)
        handle = read.response.user_handle or b""
        if not (_same(who.mark, known.mark) and _same(handle, self._store.handle(known.ref))):
            return None
        try:
            found = webauthn.verify_authentication_response(
                credential=read, expected_challenge=challenge, expected_rp_id=self._site,
                expected_origin=self._origin, credential_public_key=known.public,
                credential_current_sign_count=known.count, require_user_verification=True,
            )  # fmt: skip
        except (WebAuthnException, ValueError, RecursionError):
            return None
        is_first = self._store.passkey_used(known, found.new_sign_count, self._now_ms())
        return Known(known, who) if is_first else None

    def registration(self, of: Visitor) -> dict[str, Any]:
        """What a browser asks an authenticator to make a passkey of a person's. Raises `PasskeyError`."""
        import webauthn
        from webauthn.helpers import cose, structs

        ref = self._require_room(of)
        known = [structs.PublicKeyCredentialDescriptor(id=each.credential) for each in self._store.passkeys(ref)]
        options = webauthn.generate_registration_options(
            rp_id=self._site, rp_name="FL-HMChain", user_id=self._store.handle(ref), user_name=str(ref),
            challenge=self._challenges.make(_adding(of)), attestation=structs.AttestationConveyancePreference.NONE,
            authenticator_selection=structs.AuthenticatorSelectionCriteria(
                resident_key=structs.ResidentKeyRequirement.REQUIRED,
                user_verification=structs.UserVerificationRequirement.REQUIRED,
            ),
            exclude_credentials=known,
            supported_pub_key_algs=[cose.COSEAlgorithmIdentifier(each) for each in _ALGORITHMS],
        )  # fmt: skip
        return webauthn.helpers.options_to_json_dict(options)

    def add(self, of: Visitor, name: str, answer: dict[str, Any]) -> Passkey:
        """Keep the passkey that an authenticator made. Raises `PasskeyError` or `ChallengeError`."""
        import webauthn
        from webauthn.helpers import cose
        from webauthn.helpers.exceptions import WebAuthnException

        ref = self._require_room(of)
        if not is_readable(name):
            raise PasskeyError("a passkey has a name of 1 to 60 characters", "say where it is: my telephone")
        try:
            read = webauthn.helpers.parse_registration_credential_json(answer)
            challenge = webauthn.helpers.parse_client_data_json(read.response.client_data_json).challenge
            self._challenges.spend(_adding(of), challenge)
            found = webauthn.verify_registration_response(
                credential=read, expected_challenge=challenge, expected_rp_id=self._site,
                expected_origin=self._origin, require_user_verification=True,
                supported_pub_key_algs=[cose.COSEAlgorithmIdentifier(each) for each in _ALGORITHMS],
            )  # fmt: skip
        except (WebAuthnException, *_ODD) as error:
            raise PasskeyError("what the authenticator answered does not hold", "begin again") from error
        new = Passkey(
            found.credential_id, new_id(), ref, of.credential.mark, found.credential_public_key, found.sign_count,
            name.strip(), self._now_ms(), 0,
        )  # fmt: skip
        if len(found.credential_id) > _CREDENTIAL_BYTES_MAX or not self._store.add_passkey(new):
            raise PasskeyError("this passkey is known already", "use it to sign in")
        return new

    def remove(self, ref: PersonRef, name: str) -> Passkey:
        """Forget one of a person's. Raises `NoCredentialError`."""
        found = next((each for each in self._store.passkeys(ref) if each.id == name), None)
        if found is None:
            raise NoCredentialError("you have no such passkey", "the list shows those that there are")
        self._store.remove_passkey(found)
        return found

    def _require_room(self, of: Visitor) -> PersonRef:
        ref = of.credential.ref
        if of.credential.mark == NO_MARK:
            raise PasskeyError("whoever only looks has no passkey here", "sign in by your organisation's sign-in")
        # Those of an earlier key count no more, and an authenticator makes none anew while it is told of one.
        self._store.drop_passkeys(ref, but=of.credential.mark)
        if len(self._store.passkeys(ref)) >= PASSKEYS_MAX:
            raise PasskeyError(f"you have {PASSKEYS_MAX} passkeys", "remove one that is not used")
        return ref


def _adding(of: Visitor) -> str:
    """A challenge to add a passkey is of one session alone."""
    return f"add a passkey in {of.credential.id}"


def _same(given: bytes, known: bytes) -> bool:
    return hmac.compare_digest(given, known)
