"""Every metric that there is: its name, its kind, what it says and by what it is told apart.

`docs/reference/metrics.md` lists the same, which a test holds. Labels are names of members, open studies, routes, kinds
and codes: few, and none of a person, a patient or a dataset.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """How Prometheus reads a metric."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


@dataclass(frozen=True)
class Series:
    """One metric."""

    name: str
    """As it is in queries, a counter's with `_total`."""
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()


def _gauge(name: str, help: str, *labels: str) -> Series:
    return Series(f"hmchain_{name}", Kind.GAUGE, help, labels)


BUILD = _gauge("build_info", "1, with the version of the program", "version", "organisation")
FOLLOWED = _gauge("ledger_followed", "1 while the portal's copy of the ledger is verified and followed")
LEDGER_HEIGHT = _gauge("ledger_height", "Last block that the portal has verified")
LEDGER_TIME = _gauge("ledger_time_seconds", "Time of the last block that is not empty, in seconds since 1970")
PROTOCOL = _gauge("protocol", "Rules that are in force")
NEXT_PROTOCOL = _gauge("protocol_next", "Rules that the members agreed on and that have not come yet; 0 for none")
KNOWS_NEXT = _gauge("protocol_next_known", "0 if this program does not know the rules that come: its node will stop")
NODE_UP = _gauge("node_up", "1 while the node's CometBFT answers")
NODE_HEIGHT = _gauge("node_height", "Last block that the node has, empty ones counted")
CATCHING_UP = _gauge("node_catching_up", "1 while the node fetches blocks that the others have")
BLOCK_AGE = _gauge("block_age_seconds", "Since the node last saw a block decided")
BLOCK_INTERVAL = _gauge("block_interval_seconds", "Mean time between the last 20 blocks")
PEERS = _gauge("peers", "Members whose nodes are connected to this one")
WAITING = _gauge("transactions_waiting", "Transactions that are in no block")
HEALTH = _gauge("network_health", "0 healthy, 1 degraded (somebody is missing), 2 stands still")
CONNECTED_POWER = _gauge("connected_power", "Voting power that is connected to this node, its own counted")
NEEDED_POWER = _gauge("needed_power", "Voting power with which blocks are decided")
CLOCK_WRONG = _gauge("clock_wrong", "1 while this machine's clock differs from the other members' votes")
CONNECTED = _gauge("member_connected", "1 while a member's node is connected to this one", "member")
POWER = _gauge("member_power", "Voting power", "member")
REPUTATION = _gauge("member_reputation", "0 to 10000, of `consensus` or `learning`", "member", "of")
JAILED = _gauge("member_jailed", "1 while a member's validator is jailed", "member")
TOMBSTONED = _gauge("member_tombstoned", "1 of a member whose validator voted twice", "member")
STUDIES = _gauge("studies", "Open studies of any member", "status")
STUDY_ROUND = _gauge("study_round", "Round that an open study is in", "study", "status", "phase")
STUDY_ROUNDS = _gauge("study_rounds", "Rounds that an open study has", "study")
STUDY_SETBACKS = _gauge("study_setbacks", "Setbacks in a row; two pause a study", "study")
STUDY_DEADLINE = _gauge("study_deadline_seconds", "Until an open study's step is due; less than 0: late", "study")
INBOX = _gauge("inbox", "What waits for people of this hospital, by the role in which they answer", "role")
OVERDUE = _gauge("inbox_overdue", "Of that, what is late")
DUTIES = _gauge("duties_overdue", "Duties owed to this hospital, or by its people, that are late")
PERMITS = _gauge("permits_ending", "Permits of this hospital or its people that end within 30 days")
INCIDENTS = _gauge("incidents_open", "Open incidents of any member", "severity")
INCIDENTS_OWED = _gauge("incidents_owed", "Words on incidents that this hospital owes the others")
EMERGENCIES = _gauge("break_glass_unjudged", "Emergencies that this hospital was asked for, and nobody judged")
BALLOTS = _gauge("ballots_waiting", "Open ballots without a vote of this hospital")
STORE_UP = _gauge("store_up", "1 while a store answers: `objects` of the members, `records` of the hospital", "store")
STORE_SECONDS = _gauge("store_answer_seconds", "Time that the store took for a small question", "store")
DISK_FREE = _gauge("disk_free_bytes", "Room on the disk of the hospital's folder")
DISK = _gauge("disk_bytes", "Size of that disk")
LEDGER_BYTES = _gauge("ledger_bytes", "Blocks and state on the disk")
HELD = _gauge("quarantine_items", "Items that wait for a person, rounded down to a power of two of at least 64")
AGENT_UP = _gauge("agent_up", "1 while a process acts as the hospital's agent")
JOBS = _gauge("jobs", "Long work of this portal", "kind", "status")
LOG_LINES = _gauge("security_log_lines", "Lines of the log of security events")
LOG_ANCHORED = _gauge("security_log_anchored_lines", "Of these, those that the ledger has bound")
LOG_ANCHOR_AGE = _gauge("security_log_anchor_age_seconds", "Since that was done")
EVENTS = Series("hmchain_security_events_total", Kind.COUNTER,
                "Security events since the portal started; `sign-in.refused` is one", ("kind",))  # fmt: skip
REQUESTS = Series("hmchain_http_requests_total", Kind.COUNTER, "Requests to API and pages",
                  ("method", "route", "status"))  # fmt: skip
SECONDS = Series("hmchain_http_request_seconds", Kind.HISTOGRAM, "Time until a response was ready", ("method", "route"))
IN_FLIGHT = _gauge("http_requests_in_flight", "Requests that are being answered")
NOTIFICATIONS = Series("hmchain_notifications_total", Kind.COUNTER, "Notifications by what became of them",
                       ("channel", "outcome"))  # fmt: skip

ALL: tuple[Series, ...] = tuple(each for each in list(globals().values()) if isinstance(each, Series))
"""In the order in which they stand here."""
