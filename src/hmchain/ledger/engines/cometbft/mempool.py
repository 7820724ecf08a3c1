"""The mempool's view: what is authentic is found out once, and remembered until it is in a block.

CometBFT's mempool is one queue for all; here every member gets an equal share of it, so that nobody's flood keeps the
others out.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator, Sequence

from hmchain.ledger.engines.signatures import Answer, SignatureThreads, checked
from hmchain.ledger.transactions import Authentic, Refusal, Transaction, authenticate, read

KNOWN_BYTES_MAX = 128 << 20
MEMPOOL_TRANSACTIONS_MAX = 20_000
MEMPOOL_BYTES_MAX = 64 << 20


class Shares:
    """The share of each member in the mempool.

    After each block CometBFT checks everything again that still waits, and it waits for those answers before the next
    commit. So what was not asked about from one commit to the next is in no mempool any more: CometBFT started again,
    or had no room.
    """

    def __init__(self) -> None:
        self._owners: dict[bytes, str] = {}
        self._seen: set[bytes] = set()
        """Asked about since the last commit."""
        self._counts: Counter[str] = Counter()
        self._bytes: Counter[str] = Counter()

    def take(self, wire: bytes, owner: str, members: int) -> None:
        """Let a transaction wait; one that does already costs nothing more.

        Raises `Refusal` (`mempool_share`) if its owner's share of the mempool, one of `members`, is used up.
        """
        if wire in self._owners:
            self._seen.add(wire)
            return
        count, size = self._counts[owner] + 1, self._bytes[owner] + len(wire)
        if count * members > MEMPOOL_TRANSACTIONS_MAX or size * members > MEMPOOL_BYTES_MAX:
            raise Refusal("mempool_share")
        self._owners[wire] = owner
        self._seen.add(wire)
        self._counts[owner], self._bytes[owner] = count, size

    def count(self, owner: str) -> int:
        """How many of a member's wait."""
        return self._counts[owner]

    def release(self, wires: Iterable[bytes]) -> None:
        """These wait no more."""
        for wire in wires:
            self._seen.discard(wire)
            owner = self._owners.pop(wire, None)
            if owner is not None:
                self._counts[owner] -= 1
                self._bytes[owner] -= len(wire)

    def settle(self, included: Iterable[bytes]) -> None:
        """A block was committed: what it includes waits no more, nor what was not asked about since the last one."""
        self.release([*included, *(self._owners.keys() - self._seen)])
        self._seen.clear()


class KnownTransactions:
    """Transactions whose signature holds, by their wire form; the oldest are forgotten first."""

    def __init__(self, chain_id: str, threads: int | None = None) -> None:
        self._chain_id = chain_id
        self._threads = SignatureThreads(chain_id, threads)
        self._known: OrderedDict[bytes, Authentic] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._known)

    def __iter__(self) -> Iterator[bytes]:
        """Their wire forms, the oldest first."""
        return iter(self._known)

    def read(self, wire: bytes) -> Transaction | Refusal:
        """Read a transaction, or say why it is none of this chain; its signature may not hold."""
        known = self._known.get(wire)
        try:
            return known.transaction if known else read(wire, self._chain_id).transaction
        except Refusal as refusal:
            return refusal

    def check(self, wires: Sequence[bytes]) -> list[Answer]:
        """Read each, or say why it is refused, in order. Remembers nothing.

        One after the other: going to a thread and back costs as much as a few signatures, and there come only a few.
        """
        known, unknown = self._split(wires)
        answers = known | dict(zip(unknown, checked(unknown, self._chain_id), strict=True))
        return [answers[wire] for wire in wires]

    def check_block(self, wires: Sequence[bytes]) -> list[Answer]:
        """As `check`, for a proposed or decided block: in threads, and what is authentic is remembered."""
        known, unknown = self._split(wires)
        answers = known | dict(zip(unknown, self._threads.check(unknown), strict=True))
        self.remember(answer for answer in answers.values() if not isinstance(answer, Refusal))
        return [answers[wire] for wire in wires]

    def authenticate(self, wire: bytes, chain_id: str) -> Authentic:
        """An `Authenticator` for the state machine. Raises `Refusal`."""
        return self._known.get(wire) or authenticate(wire, chain_id)

    def remember(self, transactions: Iterable[Authentic]) -> None:
        """Keep these, as far as there is room."""
        for transaction in transactions:
            if transaction.wire not in self._known:
                self._known[transaction.wire] = transaction
                self._bytes += len(transaction.wire)
        while self._bytes > KNOWN_BYTES_MAX:
            self._bytes -= len(self._known.popitem(last=False)[0])

    def forget(self, wires: Iterable[bytes]) -> None:
        """These are in a block, or refused."""
        for wire in wires:
            if self._known.pop(wire, None) is not None:
                self._bytes -= len(wire)

    def close(self) -> None:
        """Stop the threads."""
        self._threads.close()

    def _split(self, wires: Sequence[bytes]) -> tuple[dict[bytes, Answer], list[bytes]]:
        """Part what is known from what has to be found out, each once."""
        known: dict[bytes, Answer] = {wire: self._known[wire] for wire in wires if wire in self._known}
        return known, [wire for wire in dict.fromkeys(wires) if wire not in known]
