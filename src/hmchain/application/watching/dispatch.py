"""Those who are told of what waits for them: by mail and webhook, once each, again and again until it is delivered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from hmchain.application.node.live import LiveLedger
from hmchain.application.watching import mail, notifications, webhook
from hmchain.application.watching.delivery import DeliveryError
from hmchain.application.watching.lines import Happened, LineLog
from hmchain.application.watching.mail import MailServer
from hmchain.application.watching.notifications import NOTHING, Facts, Notification
from hmchain.application.watching.outbox import Channel, Message, Outbox
from hmchain.application.watching.webhook import Webhook
from hmchain.clock import MINUTE_MS, now_ms

LOOK_SECONDS = 5.0
GATHERED_MS = 5 * MINUTE_MS
"""What is not urgent waits so long for more, and goes in one mail."""
HOSPITAL = "hospital"
"""The receiver of a webhook."""
Counted = Callable[[str, str, int], None]
"""Takes channel, outcome (`sent`, `failed`, `given_up`, `moot`) and how many."""


def _uncounted(_channel: str, _outcome: str, _count: int) -> None:
    """Count nothing."""


@dataclass(frozen=True)
class Dispatch:
    """What is told of, by which ways."""

    live: LiveLedger
    organisation: str
    origin: str
    """The portal's address, as browsers write it."""
    outbox: Outbox
    log: LineLog
    mail: MailServer | None = None
    webhook: Webhook | None = None
    facts: Callable[[], Facts] = field(default=lambda: NOTHING)
    counted: Counted = _uncounted
    clock_ms: Callable[[], int] = now_ms

    def step(self) -> None:
        """Write down what is new, and try what is due. Raises `OutboxError`, and what reading the ledger raises."""
        if self.mail is None and self.webhook is None:
            return
        facts = self.facts()
        with self.live.reader() as ledger:
            found = notifications.of_hospital(ledger.verified.state, self.organisation, facts)
        present = {each.id: each for each in found}
        self._queue(found)
        for message in self.outbox.due(self.clock_ms()):
            self._try(message, present)
        self.outbox.forget(present, self.clock_ms())

    def _queue(self, found: tuple[Notification, ...]) -> None:
        if self.mail is not None:
            for person in self.mail.settings.people:
                for urgent in (True, False):
                    ids = [each.id for each in found if person in each.who and each.urgent is urgent]
                    self.outbox.queue(Channel.MAIL, person, ids, self.clock_ms(), 0 if urgent else GATHERED_MS)
        if self.webhook is not None:
            ids = [each.id for each in found]
            self.outbox.queue(Channel.WEBHOOK, HOSPITAL, ids, self.clock_ms(), apart=True)

    def _try(self, message: Message, present: Mapping[str, Notification]) -> None:
        waiting = [present[id] for id in message.ids if id in present]
        if not waiting or not self._has_way(message):
            self._ended(message, "moot")
            return
        try:
            self._send(message, waiting)
        except DeliveryError as error:
            self.log.failed(error, Happened.NOTIFIED, channel=message.channel.value)
            again = self.outbox.failed(message, self.clock_ms())
            self.counted(message.channel.value, "failed" if again else "given_up", 1)
        else:
            self._ended(message, "sent")

    def _has_way(self, message: Message) -> bool:
        if message.channel is Channel.WEBHOOK:
            return self.webhook is not None
        return self.mail is not None and message.receiver in self.mail.settings.people

    def _send(self, message: Message, waiting: list[Notification]) -> None:
        if message.channel is Channel.MAIL and self.mail is not None:
            settings = self.mail.settings
            address, urgent = settings.people[message.receiver], any(each.urgent for each in waiting)
            letter = mail.written(
                settings, address, message.key, self.origin, urgent=urgent, made_ms=message.made_ms
            )  # fmt: skip
            self.mail.send(letter)
        elif self.webhook is not None:
            body = webhook.told(waiting[0], self.organisation, self.origin, message.made_ms)
            self.webhook.send(body, message.key, self.clock_ms())

    def _ended(self, message: Message, outcome: str) -> None:
        self.outbox.done(message)
        self.counted(message.channel.value, outcome, 1)
        self.log.write(Happened.NOTIFIED, code=outcome, channel=message.channel.value, count=len(message.ids))
