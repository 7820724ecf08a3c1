"""Committing: bind one's masked update, and publish its bytes once the ledger has the digest."""

from __future__ import annotations

from collections.abc import Iterator

from hmchain.application.agent import answers, updates
from hmchain.application.agent.desk import RoundDesk
from hmchain.application.agent.kept import MaskedUpdate
from hmchain.application.agent.memory import SumRefusedError
from hmchain.application.agent.updates import Masking
from hmchain.application.learning.quantise import UpdateError
from hmchain.ledger.contracts.learning.counting import SitOut
from hmchain.ledger.contracts.learning.participation import CommitUpdate


def commit(desk: RoundDesk, masked: Masking = updates.masked) -> Iterator[CommitUpdate | SitOut]:
    """Make the update of the attempt, once, and bind it. `masked` gives the vector.

    A hospital with too few people for a count says so, and nothing else. Raises `UpdateError` and `SumRefusedError`
    where an update cannot be sent: then the attempt is sat out.
    """
    if desk.own is None and _is_asked(desk):
        if desk.study.spec.is_count and desk.made is None and _has_too_few(desk):
            yield SitOut(desk.name)
            return
        entry, made = desk.entry, desk.made or _make(desk, masked)
        yield CommitUpdate(
            desk.name, *desk.place, entry.base_root, made.digest, made.object, made.self_hash, made.pair_hashes
        )


def publish(desk: RoundDesk) -> None:
    """Upload one's own update once its digest is on the ledger; not where its permit went meanwhile."""
    own, made = desk.own, desk.made
    if own is None or made is None or own.object != made.object or made.object in desk.published:
        return
    if desk.is_authorised:
        desk.store.settle()  # on whatever ledger a power cut lets it wake, it makes no other under these seeds
        desk.exchange.publish(made.object)
        desk.published.add(made.object)


def _is_asked(desk: RoundDesk) -> bool:
    return desk.is_authorised and desk.organisation in desk.entry.expected and desk.sits_out != desk.place


def _has_too_few(desk: RoundDesk) -> bool:
    desk.learner.renew(desk.place)
    return answers.people(desk) is None


def _make(desk: RoundDesk, masked: Masking) -> MaskedUpdate:
    try:
        return updates.make(desk, masked)
    except (UpdateError, SumRefusedError):
        desk.sits_out = desk.place
        raise
