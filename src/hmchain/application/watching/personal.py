"""One person's notifications, with what of them was seen."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from hmchain.application.access.principal import Principal
from hmchain.application.node.live import LiveLedger
from hmchain.application.watching import notifications
from hmchain.application.watching.notifications import NOTHING, Facts, Notification
from hmchain.application.watching.outbox import Outbox
from hmchain.clock import now_ms


@dataclass(frozen=True)
class Shown:
    """A notification, as its person is shown it."""

    notification: Notification
    seen: bool


@dataclass(frozen=True)
class Personal:
    """The notifications of everybody who comes to a portal."""

    live: LiveLedger
    organisation: str
    """Whose portal it is: what its machine tells is for its own people."""
    outbox: Outbox | None = None
    """Remembers what was seen; a finished run remembers nothing."""
    facts: Callable[[], Facts] = lambda: NOTHING

    def of(self, who: Principal) -> list[Shown]:
        """What waits for one person. Raises `OutboxError`, and what reading the ledger raises."""
        facts = self.facts() if who.organisation == self.organisation else NOTHING
        with self.live.reader() as ledger:
            found = notifications.of_person(ledger.verified.state, who.ref, facts)
        seen = self.outbox.seen(who.ref) if self.outbox is not None else frozenset()
        return [Shown(each, each.id in seen) for each in found]

    def of_everybody(self, organisation: str) -> list[Shown]:
        """What waits for anybody of a hospital, for those who look at a finished run."""
        with self.live.reader() as ledger:
            found = notifications.of_hospital(ledger.verified.state, organisation)
        return [Shown(each, False) for each in found]

    def mark(self, who: Principal, ids: Collection[str]) -> int:
        """Remember that a person has seen these, of what waits for that person; returns how many that were."""
        if self.outbox is None:
            return 0
        own = {each.notification.id for each in self.of(who)} & set(ids)
        self.outbox.mark_seen(who.ref, own, now_ms())
        return len(own)
