"""Sending what people decide, so that nothing is sent twice and what is not decided in time is not called refused.

A transaction is written into the node's folder, signed, before it is handed to the node. Whatever is cut short between
the two, the same command sends the very same transaction again: it has one name, and counts once.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial

from hmchain.application.governance.effects import is_so
from hmchain.application.node import sent
from hmchain.application.node.health import obstacle
from hmchain.application.node.sent import Kept, may_come
from hmchain.application.security.transactions import told
from hmchain.application.site.node import NodeFolder
from hmchain.application.site.recording import log_of
from hmchain.canonical import Record
from hmchain.errors import InputError, LedgerError
from hmchain.keys import PublicKey
from hmchain.ledger.blocks import OK
from hmchain.ledger.contracts.members import membership
from hmchain.ledger.engines.cometbft.rpc import RpcError
from hmchain.ledger.engines.ledger import Ledger, NotIncludedError, RefusedTransactionError, refused, submit
from hmchain.plain import Say


class ContraryError(InputError):
    """What was sent before is undecided, and contradicts this."""

    code = "contrary_undecided"


def _refuse(contrary: ContraryError) -> None:
    raise contrary


@dataclass(frozen=True)
class Talk:
    """The way to whoever gave a command: told what happens, and asked before one thing contradicts another."""

    say: Say
    ask: Callable[[ContraryError], None]
    """Returns if it is to be sent all the same, and raises if not."""
    doing: Callable[[str], AbstractContextManager[None]] = lambda what: nullcontext()
    """Says what is done, for as long as it lasts."""


SILENT = Talk(lambda text: None, _refuse)


@dataclass(frozen=True)
class Included:
    """A transaction that came into a block after its command had ended, so that nobody was told."""

    body: Record
    height: int


class Outbox:
    """What the people of a node send."""

    def __init__(self, folder: NodeFolder, talk: Talk = SILENT) -> None:
        self._folder, self._talk = folder, talk

    def send(self, ledger: Ledger, body: Record, sender: PublicKey, sign: Callable[[], bytes]) -> None:
        """Send a transaction, or wait for one of the same sender that asks for the same and may still come.

        Raises as `LedgerUser.send`.
        """
        kept = self._kept(ledger, sender)
        known = membership.credential(ledger.state, sender.raw)
        telling = partial(told, log_of(self._folder), body, known.role if known else "")
        if (again := self._again(ledger, kept, body)) is not None:
            with telling(again.wire):
                self._deliver_again(ledger, again)
            return
        about, wanted = sent.about(body), sent.words(body)
        pending = [each for each, fresh in kept if fresh and self._outcome(each) is None]
        if contrary := [each for each in pending if about and each.about == about]:
            self._ask(contrary[-1], wanted)
        wire = sign()
        with telling(wire):
            self._deliver(ledger, sent.keep(self._folder, wire, body, ledger.now_ms()))

    def included(self, ledger: Ledger, body: Record, sender: PublicKey) -> Included | None:
        """The transaction that asks for the same, and came into a block when its command had ended; None if none did.

        What was undone since, is none.
        """
        again = self._again(ledger, self._kept(ledger, sender), body)
        found = self._outcome(again) if again is not None else None
        return Included(again.body, found[0]) if again is not None and found is not None and found[1] == OK else None

    def _again(self, ledger: Ledger, kept: list[tuple[Kept, bool]], body: Record) -> Kept | None:
        """What asks for the same, and is meant by whoever asks again: it may still come, or what it did is so still."""
        for each, fresh in kept:
            if sent.same(each.body, body) and (fresh if (so := self._is_so(ledger, each)) is None else so):
                return each
        return None

    def _is_so(self, ledger: Ledger, kept: Kept) -> bool | None:
        found, sender = self._outcome(kept), membership.credential(ledger.state, kept.sender)
        if found is None or found[1] != OK or sender is None:
            return None
        return is_so(ledger.state, sender.organisation, kept.body, found[0])

    def _kept(self, ledger: Ledger, sender: PublicKey) -> list[tuple[Kept, bool]]:
        """All of this sender, each with whether a block to come may have it; what is long over is forgotten."""
        if not (kept := sent.kept(self._folder, ledger.chain_id, ledger.now_ms())):
            return []
        time_ms = sent.block_time_ms(self._folder)
        for each in kept:
            if time_ms >= each.expires_ms + sent.SHOWN_MS:
                sent.forget(self._folder, each.wire)
        shown = (each for each in kept if time_ms < each.expires_ms + sent.SHOWN_MS)
        return [(each, time_ms < each.expires_ms) for each in shown if each.sender == sender.raw]

    def _outcome(self, kept: Kept) -> tuple[int, str] | None:
        return sent.outcome(self._folder, kept.digest)

    def _ask(self, undecided: Kept, wanted: str) -> None:
        self._talk.ask(
            ContraryError(
                f"{undecided.words}: sent and not decided; {may_come(undecided.expires_ms)}, before or after what is "
                f"asked for now: {wanted}",
                f"wait until it is decided, or can come no more: {self._look(undecided)} shows it; --yes sends it too",
            )
        )

    @staticmethod
    def _look(kept: Kept) -> str:
        if kept.is_of_a_request:
            return "`hmchain request list`"
        command = "network ballots" if kept.is_voted_on else "study list" if kept.is_of_a_study else "node status"
        return f"`hmchain {command}`"

    def _deliver(self, ledger: Ledger, kept: Kept) -> None:
        try:
            code = self._submit(ledger, kept)
        except (RefusedTransactionError, RpcError):  # the node did not take it
            sent.forget(self._folder, kept.wire)
            raise
        except (NotIncludedError, LedgerError) as error:
            raise self._undecided(ledger, kept, error) from error
        self._settle(kept, code)

    def _deliver_again(self, ledger: Ledger, kept: Kept) -> None:
        """The same bytes: a node that has them takes them for one, and one that lost them has them again."""
        if (found := self._outcome(kept)) is not None:
            height, code = found
            if code == OK:
                self._talk.say(f"{kept.words} was sent before, and is there since block {height}: nothing is sent")
        else:
            code = self._wait_for(ledger, kept)
        self._settle(kept, code)

    def _wait_for(self, ledger: Ledger, kept: Kept) -> str:
        self._talk.say(
            f"{kept.words} was sent before, and {may_come(kept.expires_ms)}: waiting for it, sending no second"
        )
        try:
            code = self._submit(ledger, kept)
        except (NotIncludedError, LedgerError) as error:
            raise self._undecided(ledger, kept, error) from error
        except RefusedTransactionError as error:  # it came into a block just now, or the mempool is full
            if (found := self._outcome(kept)) is None:
                raise self._undecided(ledger, kept, error) from error
            code = found[1]
        return code

    def _submit(self, ledger: Ledger, kept: Kept) -> str:
        with self._talk.doing("waiting for the members' block"):
            (code,) = submit(ledger, [kept.wire])
        return code

    def _settle(self, kept: Kept, code: str) -> None:
        sent.forget(self._folder, kept.wire)
        if code != OK:
            raise refused(code)

    def _undecided(self, ledger: Ledger, kept: Kept, cause: Exception) -> NotIncludedError:
        why = obstacle(self._folder, ledger.state) or ("" if isinstance(cause, NotIncludedError) else str(cause))
        return NotIncludedError(
            f"{kept.words}: sent, and not in a block yet; {may_come(kept.expires_ms)}",
            f"{why}{'; ' if why else ''}look with {self._look(kept)} before you give another command; the same command "
            "again waits for this transaction and sends no second one",
        )
