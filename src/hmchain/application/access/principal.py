"""Who is signed in: a person of a member, as the ledger knows that person at this moment."""

from __future__ import annotations

from dataclasses import dataclass

from hmchain.keys import ED25519, PublicKey
from hmchain.ledger.contracts.members.people import PersonRef


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody who is signed in, or whose token is used."""

    organisation: str
    person: str
    """The person's name at the organisation, or an office: `steward`, `scientist`."""
    roles: frozenset[str]
    """As the ledger has them now, and no more than sign-in gave."""
    public: bytes = b""
    """The person's Ed25519 key on the ledger; empty for somebody who only looks."""
    scopes: frozenset[str] = frozenset()
    """Operations that the session or token is for."""
    factors: frozenset[str] = frozenset()
    """Of `key`, `passkey`, `oidc`: how this session was shown to be the person's."""

    @property
    def name(self) -> str:
        """ORGANISATION/PERSON."""
        return f"{self.organisation}/{self.person}"

    @property
    def ref(self) -> PersonRef:
        """The person, as the ledger names one."""
        return PersonRef(self.organisation, self.person)

    @property
    def key(self) -> PublicKey:
        """The key that signs what this person decides."""
        return PublicKey(ED25519, self.public)
