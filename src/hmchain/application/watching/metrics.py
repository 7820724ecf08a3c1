"""Metrics for Prometheus, in a registry of their own: asked for, they are gathered, and kept for a second.

What takes longer (stores, sizes of folders) is gathered at most twice a minute. Where something cannot be read its
series are left out, and `hmchain_node_up` or `hmchain_ledger_followed` say so: no scrape fails over it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from hmchain.application.node.health import Health
from hmchain.application.node.live import LiveLedger
from hmchain.application.site.hospital import HospitalFolder
from hmchain.application.site.node import NodeFolder
from hmchain.application.watching import ledger_figures, machine_figures, series
from hmchain.application.watching.kept import Kept
from hmchain.application.watching.ledger_figures import LedgerFigures
from hmchain.application.watching.machine_figures import FolderFigures, LogFigures, NodeFigures
from hmchain.application.watching.series import Series
from hmchain.clock import now_ms
from hmchain.errors import HMChainError
from hmchain.keys import SecretKey

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
FRESH_SECONDS, SLOW_SECONDS = 1.0, 30.0
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.5, 10.0)
"""Seconds; with the limits that the API (0.1) and the pages (0.3) have."""
_VERDICTS = {Health.HEALTHY: 0, Health.DEGRADED: 1, Health.STANDS_STILL: 2}

T = TypeVar("T")
Sample = tuple[Series, tuple[str, ...], float]
Jobs = Callable[[], Mapping[tuple[str, str], int]]
"""Counts of long work by kind and status."""


@dataclass(frozen=True)
class Watched:
    """What metrics are about."""

    live: LiveLedger
    organisation: str
    place: HospitalFolder
    local: SecretKey | None = None
    """Opens the catalogue; without it nothing is said of the quarantine."""
    jobs: Jobs = dict


class Metrics:
    """All metrics of one process."""

    def __init__(self, watched: Watched) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Gathered(watched))
        ProcessCollector(registry=self._registry)
        self._requests = self._own(Counter, series.REQUESTS)
        self._seconds = Histogram(
            series.SECONDS.name, series.SECONDS.help, series.SECONDS.labels, registry=self._registry, buckets=BUCKETS
        )
        self._in_flight = self._own(Gauge, series.IN_FLIGHT)
        self._notifications = self._own(Counter, series.NOTIFICATIONS)

    def _own(self, kind: type[T], of: Series) -> T:
        return kind(of.name, of.help, of.labels, registry=self._registry)  # type: ignore[call-arg]

    def began(self) -> None:
        """A request came."""
        self._in_flight.inc()

    def ended(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request was answered; `route` is its template, never what was asked for."""
        self._in_flight.dec()
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)

    def notified(self, channel: str, outcome: str, count: int = 1) -> None:
        """Notifications went out, or did not."""
        self._notifications.labels(channel, outcome).inc(count)

    def text(self) -> bytes:
        """All of them, as Prometheus reads them."""
        return generate_latest(self._registry)


class _Gathered(Collector):
    """What is read when somebody asks."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._log = LogFigures(watched.place.activity)
        self._quick = Kept(self._look, FRESH_SECONDS)
        self._slow = Kept(lambda: machine_figures.of_folder(watched.place, watched.local), SLOW_SECONDS)

    def describe(self) -> list[Metric]:
        return []  # or registering would gather

    def collect(self) -> Iterator[Metric]:
        samples = [*self._quick.get(), *_of_folder(self._slow.get())]
        for each in series.ALL:
            found = [(labels, value) for of, labels, value in samples if of is each]
            if found:
                family = CounterMetricFamily if each.kind is series.Kind.COUNTER else GaugeMetricFamily
                metric = family(each.name, each.help, labels=each.labels)
                for labels, value in found:
                    metric.add_metric(labels, value)
                yield metric

    def _look(self) -> list[Sample]:
        watched = self._watched
        self._log.look()
        found = list(_of_process(watched, self._log))
        try:
            with watched.live.reader() as ledger:
                figures = ledger_figures.of_state(ledger.verified.state, watched.organisation)
        except (HMChainError, OSError):
            return [*found, (series.FOLLOWED, (), 0), (series.NODE_UP, (), 0)]
        node = _asked(watched.place.node, figures)
        return [*found, (series.FOLLOWED, (), not watched.live.words), *_of_ledger(figures), *_of_node(node, figures)]


def _asked(node: NodeFolder | None, figures: LedgerFigures) -> NodeFigures | None:
    powers = {each.organisation: each.power for each in figures.members}
    return machine_figures.of_node(node, powers) if node is not None else None


def _of_process(watched: Watched, log: LogFigures) -> Iterator[Sample]:
    yield series.BUILD, (version("hmchain"), watched.organisation), 1
    yield series.AGENT_UP, (), machine_figures.agent_runs(watched.place)
    yield series.LOG_LINES, (), log.lines
    yield from ((series.EVENTS, (kind.value,), count) for kind, count in log.added.items())
    yield from ((series.JOBS, each, count) for each, count in watched.jobs().items())


def _of_ledger(found: LedgerFigures) -> Iterator[Sample]:
    for each, value in (
        (series.LEDGER_HEIGHT, found.height), (series.LEDGER_TIME, found.time_ms / 1000),
        (series.PROTOCOL, found.protocol), (series.NEXT_PROTOCOL, found.next_protocol),
        (series.KNOWS_NEXT, found.knows_next), (series.OVERDUE, found.overdue), (series.DUTIES, found.duties_overdue),
        (series.PERMITS, found.permits_ending), (series.INCIDENTS_OWED, found.incidents_owed),
        (series.EMERGENCIES, found.emergencies_waiting), (series.BALLOTS, found.ballots_waiting),
        (series.LOG_ANCHORED, found.anchored_lines),
    ):  # fmt: skip
        yield each, (), value
    if found.anchored_ms:
        yield series.LOG_ANCHOR_AGE, (), (now_ms() - found.anchored_ms) / 1000
    for member in found.members:
        name = (member.organisation,)
        yield series.POWER, name, member.power
        yield series.REPUTATION, (*name, "consensus"), member.consensus
        yield series.REPUTATION, (*name, "learning"), member.learning
        yield series.JAILED, name, member.jailed
        yield series.TOMBSTONED, name, member.tombstoned
    yield from ((series.STUDIES, (status,), count) for status, count in found.studies.items())
    yield from ((series.INBOX, (role,), count) for role, count in found.inbox.items())
    yield from ((series.INCIDENTS, (severity,), count) for severity, count in found.incidents.items())
    for study in found.open_studies:
        yield series.STUDY_ROUND, (study.study, study.status, study.phase), study.round
        yield series.STUDY_ROUNDS, (study.study,), study.rounds
        yield series.STUDY_SETBACKS, (study.study,), study.setbacks
        if study.deadline_ms:
            yield series.STUDY_DEADLINE, (study.study,), (study.deadline_ms - now_ms()) / 1000


def _of_node(found: NodeFigures | None, ledger: LedgerFigures) -> Iterator[Sample]:
    yield series.NODE_UP, (), found is not None
    if found is None:
        return
    for each, value in (
        (series.NODE_HEIGHT, found.height), (series.CATCHING_UP, found.catching_up), (series.PEERS, found.peers),
        (series.WAITING, found.waiting), (series.HEALTH, _VERDICTS[found.health.verdict]),
        (series.CONNECTED_POWER, found.health.connected_power), (series.NEEDED_POWER, found.health.needed_power),
        (series.BLOCK_AGE, found.block_age_s), (series.CLOCK_WRONG, found.clock_wrong),
    ):  # fmt: skip
        yield each, (), value
    if found.block_interval_s is not None:
        yield series.BLOCK_INTERVAL, (), found.block_interval_s
    for member in ledger.members:
        yield series.CONNECTED, (member.organisation,), member.organisation in found.connected


def _of_folder(found: FolderFigures) -> Iterator[Sample]:
    yield series.DISK_FREE, (), found.free_bytes
    yield series.DISK, (), found.disk_bytes
    yield series.LEDGER_BYTES, (), found.ledger_bytes
    if found.held is not None:
        yield series.HELD, (), found.held
    for store in found.stores:
        yield series.STORE_UP, (store.name,), store.answers
        yield series.STORE_SECONDS, (store.name,), store.took_s
