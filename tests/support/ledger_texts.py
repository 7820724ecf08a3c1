"""What a member's own program might write on the ledger, tried in every field of a transaction's body."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import msgspec

from hmchain.canonical import Record, encode
from hmchain.ledger import protocols
from hmchain.ledger.context import Acting, Context, Credential
from hmchain.ledger.state import State
from hmchain.ledger.transactions import Refusal
from support.ledger_network import CHAIN

TEXT = "Jane Roe of Mill Lane, born in 1950, was told of her tumour on Monday, and died of it in the week after."
Apply = Callable[[protocols.Rules, Context, Any], None]


def written(value: Any, chance: random.Random, path: tuple[int, ...] = ()) -> Iterator[tuple[tuple[int, ...], Any]]:
    """A body as lists, again and again, each time with a text or bytes of chance in place of one of its own."""
    match value:
        case list():
            for at, each in enumerate(value):
                for place, changed in written(each, chance, (*path, at)):
                    yield place, [*value[:at], changed, *value[at + 1 :]]
        case str():
            yield path, TEXT
            yield path, "".join(chr(chance.randrange(32, 0x250)) for _ in range(chance.randrange(49, 500)))
        case bytes():
            yield path, TEXT.encode()
            yield path, chance.randbytes(chance.randrange(65, 500))
            with suppress(msgspec.DecodeError, UnicodeDecodeError):
                if isinstance(inner := msgspec.msgpack.decode(value), list):
                    yield from ((place, encode(changed)) for place, changed in written(inner, chance, path))


def taken(apply: Apply, rules: protocols.Rules, context: Context, body: Record) -> set[tuple[str, tuple[int, ...]]]:
    """The places of a body that would be taken where text is taken as well."""
    found = set()
    for place, changed in written(msgspec.msgpack.decode(encode(body)), random.Random(str(body))):
        mark = context.state.savepoint()
        with suppress(Refusal):
            apply(rules, replace(context, events=[]), rules.decode_body(encode(changed)))
            found.add((type(body).__name__, place))
        context.state.rollback(mark)
    return found


def places_taken(
    state: State, sender: Acting | Credential, body: Record, height: int, time_ms: int
) -> set[tuple[str, tuple[int, ...]]]:
    """The same of the newest rules, of a body that is taken as it is."""
    rules, context = protocols.KNOWN[protocols.FOUNDING], Context(state, CHAIN, height, time_ms, sender)
    mark = state.savepoint()
    protocols.apply(rules, replace(context, events=[]), body)
    state.rollback(mark)
    return taken(protocols.apply, rules, context, body)
