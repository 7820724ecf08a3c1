"""What an agent notices of its own keys: that the ledger knows others by now."""

from __future__ import annotations

from hmchain.application.site.keyring import Keyring, key_file, next_key_file
from hmchain.application.site.node import NodeFolder
from hmchain.errors import KeyMaterialError
from hmchain.keys import SigningKey, WrappingKey, load_key
from hmchain.ledger.contracts.members import membership
from hmchain.ledger.contracts.members.membership import Member
from hmchain.ledger.state import State

_ROLES = ("agent", "wrapping")
"""The keys that an agent works with; with an old one all that it does is in vain."""


class KeyWatch:
    """Compares the keys that an agent holds with its hospital's on the ledger, at each new state."""

    def __init__(self, folder: NodeFolder, keys: Keyring, passphrase: str | None) -> None:
        self._folder, self._keys, self._passphrase = folder, keys, passphrase
        self._organisation = folder.settings().organisation
        self._seen, self._stale = -1, ""

    def trouble(self, state: State) -> str:
        """The reason why this agent cannot act for its hospital now, with the way out; empty if it can."""
        if state.height != self._seen or self._stale:
            entry = membership.membership(state, self._organisation)
            if entry is not None and not entry.active:
                return f"{self._organisation} is no member of the network any more: there is nothing to take part in"
            self._seen = state.height
            self._stale = next((role for role in _ROLES if entry and not self._holds(entry.member, role)), "")
        if not self._stale:
            return ""
        what = f"the {self._stale} key here is not {self._organisation}'s on the ledger any more"
        if next_key_file(self._folder.keys, self._stale).exists():
            return f"{what}: it is being replaced (if that was cut short: `hmchain node rotate-key {self._stale}`)"
        return f"{what}: put the new one into {key_file(self._folder.keys, self._stale)}, or restore it from its backup"

    def has_new_keys(self, state: State) -> bool:
        """True once the key that the ledger knows lies in the folder: then the hospital is to be opened anew."""
        entry = membership.membership(state, self._organisation)
        return bool(self._stale) and entry is not None and self._is_on_disk(entry.member, self._stale)

    def _holds(self, member: Member, role: str) -> bool:
        if role == "agent":
            return self._keys.agent.public.raw == member.agent
        return self._keys.wrapping.public == member.wrapping

    def _is_on_disk(self, member: Member, role: str) -> bool:
        path = key_file(self._folder.keys, role)
        try:
            if role == "agent":
                return load_key(SigningKey, path, self._passphrase).public.raw == member.agent
            return load_key(WrappingKey, path, self._passphrase).public == member.wrapping
        except KeyMaterialError:
            return False
