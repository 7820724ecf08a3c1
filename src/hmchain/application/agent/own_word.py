"""Whether what an organisation decides on the ledger is its own word: asked on the hospital's machine, before data."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from hmchain.clock import utc
from hmchain.ledger.contracts.members import membership, recovery
from hmchain.ledger.state import State


def is_own_word(state: State, organisation: str, confirmed: Collection[bytes]) -> bool:
    """Whether the organisation's steward's key is one that nobody else gave it, or that was confirmed on this machine.

    Two thirds of the members can give an organisation another key. They cannot write the list of `confirmed` ones,
    which lies with the hospital: until its operator adds that key, nobody's decision opens its data, whether it is made
    by that key or by people that the key let in.
    """
    given = recovery.recovered(state, organisation)
    return given is None or given.key in confirmed


def warnings(state: State, organisation: str, confirmed: Collection[bytes]) -> Iterator[tuple[bytes, str]]:
    """What a hospital's people have to know of keys that others give it: the key, and a sentence."""
    waiting = membership.recovering(state, organisation)
    if waiting is not None:
        yield (
            b"waits" + waiting.key,
            f"the other members voted another steward's key for {organisation}, from {utc(waiting.due_ms)[:16]} UTC "
            "on; if its own is not lost, an officer objects: `hmchain people recover object`",
        )
    given = recovery.recovered(state, organisation)
    if given is not None and given.key not in confirmed:
        yield (
            b"given" + given.key,
            f"the steward's key of {organisation} was given by the other members in block {given.height}, and nothing "
            "decided since is obeyed here: `hmchain people recover trust`, if this hospital asked for it",
        )
