"""A portal that is watched: its metrics, its log, and whether it can answer; one of each a process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

from fastapi import FastAPI

from hmchain.application.node import status
from hmchain.application.node.status import NetworkStatus
from hmchain.application.site.hospital import HospitalFolder, locate
from hmchain.application.site.run import RunFolder, ledger_in
from hmchain.application.watching import machine_figures
from hmchain.application.watching.kept import Kept
from hmchain.application.watching.lines import LineLog
from hmchain.application.watching.machine_figures import HeldCounts
from hmchain.application.watching.metrics import Metrics, Watched
from hmchain.application.watching.notifications import NOTHING, Facts
from hmchain.application.watching.outbox import Outbox
from hmchain.application.watching.personal import Personal
from hmchain.application.watching.readiness import FRESH_SECONDS, Readiness
from hmchain.application.watching.standing import Standings
from hmchain.interfaces.api.logs import Logged
from hmchain.interfaces.api.site import Site
from hmchain.keys import SecretKey
from hmchain.ledger.readers.members import powers


@dataclass(frozen=True)
class Watch:
    """What is seen of a site while it is served."""

    site: Site
    log: LineLog
    local: SecretKey | None = None
    """The hospital's key for what it keeps to itself: with it metrics tell of the quarantine."""
    outbox: Outbox | None = None
    """Remembers what people have seen."""
    facts: Callable[[], Facts] = lambda: NOTHING
    """What the machine tells, for notifications."""

    @cached_property
    def metrics(self) -> Metrics:
        """Its metrics."""
        return Metrics(Watched(self.site.live, self.site.hospitals[0], self._place, self.local, self._jobs))

    def _jobs(self) -> Counter[tuple[str, str]]:
        return Counter((each.kind, each.state.value) for each in self.site.jobs.all())

    @cached_property
    def held(self) -> HeldCounts:
        """What waits in quarantine, for the hospital's own people."""
        return HeldCounts()

    @cached_property
    def network(self) -> Kept[NetworkStatus]:
        """The network, as of a moment ago: whoever asks costs the node nothing."""
        return Kept(self._network, FRESH_SECONDS)

    def _network(self) -> NetworkStatus:
        with self.site.live.reader() as ledger:
            found, voting = status.network_of(ledger), powers(ledger.verified.state)
        if self.site.is_read_only:
            return found
        node = machine_figures.of_node(self.site.node, voting)
        return replace(found, health=node.health if node is not None else None)

    @cached_property
    def readiness(self) -> Readiness:
        """Whether it can answer."""
        return Readiness(self.site.live, self._place)

    @cached_property
    def personal(self) -> Personal:
        """Everybody's notifications."""
        return Personal(self.site.live, self.site.hospitals[0], self.outbox, self.facts)

    @cached_property
    def standings(self) -> Standings:
        """How the members stood over time."""
        return Standings(self.site.live, ledger_in(self.site.place), follows=not self.site.is_read_only)

    @cached_property
    def _place(self) -> HospitalFolder:
        if self.site.is_read_only:
            return locate(RunFolder(self.site.place).hospital(self.site.hospitals[0]))
        return locate(self.site.place)


def of_app(app: FastAPI) -> Watch:
    """The watch that an application was made with."""
    return app.state.watch  # type: ignore[no-any-return]


def install(app: FastAPI, watch: Watch) -> None:
    """Watch an application: outside of all other middleware that was added before."""
    app.state.watch = watch
    app.add_middleware(Logged, log=watch.log, metrics=watch.metrics)
