"""Blocks: one after the other as their members signed them, and one in full."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated

import htpy as h
from fastapi import Path, Query

from hmchain.application.access.permissions import Operation, Rule, Scope
from hmchain.application.pages.markup import definitions, digest, table
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.portal.components import BAD, GOOD, WARN, badge, empty, section
from hmchain.interfaces.portal.page import Page
from hmchain.interfaces.portal.pages.codes import word, worded
from hmchain.interfaces.portal.pages.codes.events import EVENTS
from hmchain.interfaces.portal.pages.codes.transactions import TRANSACTIONS
from hmchain.interfaces.portal.registry import Pages
from hmchain.interfaces.portal.texts import amount, later, moment, say, say_n, theirs
from hmchain.ledger.readers.blocks import BlockView

VIEW = Rule(Operation.VIEW, Scope.NETWORK)
PATH = "/auditor/blocks"
SHOWN = 25
_ROUTINE = ("round.phase", "round.committed")
"""Events that every round has."""
_OK = "ok"

pages = Pages("auditor")

Height = Annotated[int, Path(ge=1, le=2**53)]
Last = Annotated[int | None, Query(alias="to", ge=1, le=2**53)]


@dataclass(frozen=True)
class Stretch:
    """Blocks, the last one first."""

    blocks: Sequence[BlockView]
    height: int
    """Of the ledger's last block."""
    begins_after: int
    """The height after which this log begins; 0 for a whole one."""


@pages.show(PATH, VIEW, later("Blocks"))
def blocks_page(call: Call, last: Last = None) -> Page:
    """The last blocks, or those up to a height."""
    with call.ledger() as ledger:
        height = ledger.height
        found = ledger.blocks_up_to(min(last or height, height), SHOWN)
        return stretch(Stretch(found, height, ledger.begins_after))


@pages.show(PATH + "/{height}", VIEW)
def block_page(call: Call, height: Height) -> Page:
    """One block."""
    with call.ledger() as ledger:
        found = ledger.blocks_up_to(height, 1)
        if found and found[0].height == height:
            return block(found[0], ledger.height)
        return no_block(height, ledger.height)


def stretch(found: Stretch) -> Page:
    """Blocks in a list, with the way to those before and after."""
    lead = say(
        "Each block holds what people and machines asked for, in order, and is signed by more than two thirds of the "
        "votes. Nobody can change one without breaking every signature after it."
    )
    content = [_search(), _partial(found.begins_after), _list(found.blocks), _ways(found)]
    return Page(say("Blocks"), content, lead, active=PATH)


def block(found: BlockView, height: int) -> Page:
    """One block in full."""
    title = say("Block {height}", height=amount(found.height))
    content = [_head(found), _transactions(found), _events(found), _neighbours(found.height, height)]
    return Page(title, content, crumbs=((say("Blocks"), PATH),), active=PATH)


def no_block(height: int, last: int) -> Page:
    """A height without a block in the log."""
    words = say(
        "Block {height} is not in this log: it was empty, or is not there yet. The last block is {last}.",
        height=amount(height), last=amount(last),
    )  # fmt: skip
    title = say("Block {height}", height=amount(height))
    way = h.p[h.a(href=f"{PATH}?to={height}")[say("Blocks before it")]]
    return Page(title, empty(words, way), crumbs=((say("Blocks"), PATH),), active=PATH, status=404)


def outcome(code: str) -> h.Element:
    """What became of a transaction, as a badge."""
    return badge(say("done"), GOOD) if code == _OK else badge(say("refused: {code}", code=code), BAD)


def vouched(words: str) -> h.Node:
    """On whose word something is shown, or that no signature of it is at hand."""
    return theirs(words) if words else badge(say("no signature of it at hand yet"), WARN)


def about(keys: Sequence[str]) -> h.Node:
    """What an event is about: names as they are, digests shortened."""
    return [[" " if place else None, digest(key)] for place, key in enumerate(keys)]


def _search() -> h.Element:
    return h.form(".look", action="/search", method="get")[
        h.label(for_="find")[say("Find a block, a transaction, a name")], " ",
        h.input("#find", type="search", name="q", maxlength="200", autocomplete="off"), " ",
        h.button(type="submit")[say("Find")],
    ]  # fmt: skip


def _partial(begins_after: int) -> h.Element | None:
    if not begins_after:
        return None
    words = say(
        "This log begins after block {height}, with a snapshot: what happened before is missing here. A member whose "
        "node has the whole log can show it.",
        height=amount(begins_after),
    )
    return h.p(".caution")[words]


def _list(blocks: Sequence[BlockView]) -> h.Element:
    if not blocks:
        return empty(say("No block with transactions is in this log yet. The first one comes as soon as anybody acts."))
    head = [say("Block"), say("Time"), say("Proposed by"), say("Signed by"), say("What was in it"), say("Refused")]
    rows = [
        (
            h.a(href=f"{PATH}/{each.height}")[amount(each.height)],
            moment(each.time_ms),
            [each.proposer or "–", _failed(each.round)],
            _signed(each),
            _kinds(line.kind for line in each.transactions),
            amount(each.refused) if each.refused else "",
        )
        for each in blocks
    ]
    return table(head, rows, caption=say("Blocks"), folds=True)


def _failed(failed: int) -> h.Element | None:
    if not failed:
        return None
    words = say_n("{count} earlier proposer failed", "{count} earlier proposers failed", failed)
    return h.small[words]


def _signed(found: BlockView) -> str:
    of = len(found.signed) + len(found.not_signed)
    return say("{count} of {of}", count=amount(len(found.signed)), of=amount(of)) if of else "–"


def _kinds(kinds: Iterable[str]) -> str:
    named = ((word(TRANSACTIONS, kind), count) for kind, count in sorted(Counter(kinds).items()))
    return ", ".join(f"{count} × {words}" if count > 1 else words for words, count in named)


def _ways(found: Stretch) -> h.Element | None:
    if not found.blocks:
        return None
    first, last = found.blocks[-1].height, found.blocks[0].height
    newer, older = min(last + SHOWN, found.height), first - 1
    return h.nav(".paging", aria_label=say("Pages of this list"))[
        h.a(href=f"{PATH}?to={newer}", rel="prev")[say("Newer blocks")] if last < found.height else None,
        h.a(href=f"{PATH}?to={older}", rel="next")[say("Older blocks")] if older > found.begins_after else None,
    ]


def _head(found: BlockView) -> h.Element:
    facts = (
        (say("time"), say("{time}, by the validators' clocks", time=moment(found.time_ms))),
        (say("proposed by"), found.proposer or "–"),
        (say("failed rounds before"), amount(found.round) if found.round else ""),
        (say("signed by"), ", ".join(found.signed) or "–"),
        (say("not signed by"), ", ".join(found.not_signed)),
        (say("evidence in it"), ", ".join(found.evidence)),
        (say("vouched for"), vouched(found.vouched)),
        (say("hash"), digest(found.hash.hex(), 0)),
        (say("hash of the block before"), digest(found.previous.hex(), 0)),
        (say("commitment of the state"), digest(found.state_commitment.hex(), 0)),
    )
    return h.div(".panel")[definitions(facts)]


def _transactions(found: BlockView) -> h.Element:
    title = say("Transactions")
    if not found.transactions:
        return section(title, empty(say("Nobody asked for anything in this block.")), anchor="transactions")
    head = [say("Transaction"), say("What it asks for"), say("By"), say("What became of it")]
    rows = [
        (
            h.a(href=f"/auditor/transactions/{line.digest.hex()}")[digest(line.digest.hex())],
            worded(TRANSACTIONS, line.kind), line.organisation or say("a key that nobody here has"), outcome(line.code),
        )
        for line in found.transactions
    ]  # fmt: skip
    return section(title, table(head, rows, caption=title, folds=True), anchor="transactions")


def _events(found: BlockView) -> h.Element | None:
    told = [(each, True) for each in found.events if each.kind not in _ROUTINE]
    told += [(each, False) for each in found.unsigned_events if each.kind not in _ROUTINE]
    if not told:
        return None
    title = say("What happened")
    rows = [
        (worded(EVENTS, each.kind), about(each.keys), say("signed") if signed else say("this log's word"))
        for each, signed in told
    ]
    note = say("No header holds the block's own events: they are this log's word, until an audit executes the block.")
    return section(
        title, table([say("Event"), say("About"), say("Rests on")], rows, caption=title, folds=True),
        h.p(".quiet")[note] if any(not signed for _, signed in told) else None, anchor="events",
    )  # fmt: skip


def _neighbours(height: int, last: int) -> h.Element:
    return h.nav(".paging", aria_label=say("Blocks beside this one"))[
        h.a(href=f"{PATH}/{height - 1}", rel="prev")[say("Block before")] if height > 1 else None,
        h.a(href=f"{PATH}/{height + 1}", rel="next")[say("Block after")] if height < last else None,
    ]
