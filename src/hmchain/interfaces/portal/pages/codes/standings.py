"""How something stands: its words, and how they are meant."""

from __future__ import annotations

from hmchain.interfaces.portal.components import BAD, GOOD, PLAIN, WARN
from hmchain.interfaces.portal.texts import Later, later

STANDINGS: dict[str, tuple[Later, str]] = {
    "draft": (later("draft"), PLAIN),
    "submitted": (later("submitted"), PLAIN),
    "returned": (later("returned, to be changed"), WARN),
    "closed": (later("closed"), PLAIN),
    "requested": (later("asked for"), PLAIN),
    "waiting": (later("waits"), WARN),
    "undecided": (later("waits"), WARN),
    "approved": (later("approved"), GOOD),
    "rejected": (later("rejected"), BAD),
    "denied": (later("no, by its policy"), BAD),
    "revoked": (later("taken back"), BAD),
    "refused": (later("refused"), BAD),
    "yes": (later("yes"), GOOD),
    "no": (later("no"), BAD),
    "look": (later("a person decides"), WARN),
    "proposed": (later("proposed"), PLAIN),
    "agreeing": (later("keys are agreed"), PLAIN),
    "confirming": (later("keys are confirmed"), PLAIN),
    "running": (later("runs"), GOOD),
    "paused": (later("paused"), WARN),
    "finished": (later("finished"), GOOD),
    "asked": (later("inside; asked for"), WARN),
    "released": (later("released"), GOOD),
    "withdrawn": (later("withdrawn"), PLAIN),
    "granted": (later("yes"), GOOD),
    "justified": (later("justified"), GOOD),
    "unjustified": (later("not justified"), BAD),
    "accepted": (later("accepted"), GOOD),
    "allowed": (later("allowed"), GOOD),
    "ended": (later("ended"), PLAIN),
    "active": (later("active"), GOOD),
    "invited": (later("invited"), WARN),
    "suspended": (later("suspended"), BAD),
    "removed": (later("removed"), BAD),
    "open": (later("open"), BAD),
    "acknowledged": (later("known to all"), WARN),
    "contained": (later("contained"), PLAIN),
    "due": (later("due"), WARN),
    "overdue": (later("overdue"), BAD),
    "shown": (later("shown, to be confirmed"), WARN),
    "holds": (later("holds"), WARN),
    "met": (later("met"), GOOD),
    "waived": (later("waived"), PLAIN),
    "over": (later("over"), PLAIN),
}
"""Of requests, hospitals' words, studies, releases, emergencies, people, incidents and duties."""
