"""A portal that is watched while it is served: its log, who is told of what waits, and the thread that sees to both."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from hmchain.application.jobs.jobs import Job
from hmchain.application.node.live import LiveLedger
from hmchain.application.site.hospital import locate
from hmchain.application.site.keyring import local_key
from hmchain.application.site.outgoing import MailSettings, WebhookSettings
from hmchain.application.watching.dispatch import LOOK_SECONDS, Dispatch
from hmchain.application.watching.lines import Happened, Level, LineLog
from hmchain.application.watching.machine_facts import MachineFacts
from hmchain.application.watching.mail import MailServer
from hmchain.application.watching.outbox import Outbox
from hmchain.application.watching.webhook import Webhook
from hmchain.errors import HMChainError, KeyMaterialError
from hmchain.interfaces.api.site import Site
from hmchain.interfaces.api.watch import Watch
from hmchain.keys import SecretKey


@dataclass(frozen=True)
class Outgoing:
    """The ways by which people are told who are not looking."""

    origin: str
    """The portal's address, as browsers write it."""
    mail: MailSettings | None = None
    webhook: WebhookSettings | None = None


@contextmanager
def watched(site: Site, outgoing: Outgoing, store: Path, *, to_stderr: bool = False) -> Iterator[Watch]:
    """The watch of a site, for as long as the block lasts; of a finished run it remembers nothing and tells nobody.

    `store` is the SQLite file of what the portal keeps of people.

    Raises `OutboxError`, `DeliverySecretError` or `OSError`.
    """
    if site.is_read_only:
        yield Watch(site, LineLog(None))
        return
    node, hospital = site.node, locate(site.place)
    log = LineLog(node.portal_log, sys.stderr if to_stderr else None)
    local = _local(site)
    facts = MachineFacts(site.place, hospital, local)
    with ExitStack() as held:
        outbox = held.enter_context(closing(Outbox(store)))
        watch = Watch(site, log, local, outbox, facts.get)
        dispatch = Dispatch(
            site.live, hospital.organisation, outgoing.origin, outbox, log,
            MailServer.of(outgoing.mail, node.keys) if outgoing.mail else None,
            Webhook.of(outgoing.webhook, node.keys) if outgoing.webhook else None,
            facts.get, watch.metrics.notified,
        )  # fmt: skip
        site.jobs.tell = partial(_tell_of_job, log)
        log.write(Happened.STARTED)
        held.callback(log.write, Happened.STOPPED)
        held.enter_context(_at_work(_Watchman(site.live, facts, dispatch, log)))
        yield watch


def _tell_of_job(log: LineLog, job: Job, error: Exception | None) -> None:
    if error is not None:
        log.failed(error, Happened.JOB, route=job.kind)
    else:
        log.write(Happened.JOB, route=job.kind, code=job.code or job.state.value, ms=job.ended_ms - job.begun_ms)


def _local(site: Site) -> SecretKey | None:
    """The key that opens the catalogue; None where it is sealed, and nobody gave the passphrase."""
    with suppress(KeyMaterialError):
        return local_key(site.node.keys, site.passphrase())
    return None


class _Watchman:
    """Looks now and then, tells those who want to be told, and writes down when the ledger stops or goes on."""

    def __init__(self, live: LiveLedger, facts: MachineFacts, dispatch: Dispatch, log: LineLog) -> None:
        self._live, self._facts, self._dispatch, self._log = live, facts, dispatch, log
        self._was_followed = True

    def run(self, stop: threading.Event) -> None:
        while not stop.wait(LOOK_SECONDS):
            is_followed = not self._live.words
            if is_followed != self._was_followed:
                level = Level.INFO if is_followed else Level.WARNING
                self._log.write(Happened.LEDGER, level, code="followed" if is_followed else "not_followed")
                self._was_followed = is_followed
            try:
                self._facts.look()
                self._dispatch.step()
            except (HMChainError, OSError) as error:
                self._log.failed(error, Happened.NOTIFIED)


@contextmanager
def _at_work(watchman: _Watchman) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=watchman.run, args=(stop,), name="watch the portal", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
