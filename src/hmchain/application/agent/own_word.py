"""Whether what an organisation decides on the ledger is its own word: asked on the hospital's machine, before data."""

from __future__ import annotations

from collections.abc import Collection

from hmchain.ledger.contracts.members import recovery
from hmchain.ledger.state import State


def is_own_word(state: State, organisation: str, confirmed: Collection[bytes]) -> bool:
    """Whether the organisation's steward's key is one that nobody else gave it, or that was confirmed on this machine.

    Two thirds of the members can give an organisation another key. They cannot write the list of `confirmed` ones,
    which lies with the hospital: until its operator adds that key, nobody's decision opens its data, whether it is made
    by that key or by people that the key let in.
    """
    given = recovery.recovered(state, organisation)
    return given is None or given.key in confirmed
