"""After a round: keep what the next ones need, erase and withdraw the rest.

A final round's seeds must be beyond anyone's reach, and neither an agent's file nor the store may grow with the number
of rounds. What there is to remove is found in the agent's own file and cache, never remembered in between: so it works
as well for an agent that was started a moment ago, and doing it twice does no harm.
"""

from __future__ import annotations

from hmchain.application.agent.exchange import Exchange
from hmchain.application.agent.store import AgentStore
from hmchain.application.agent.study_keys import StudyKeyStore
from hmchain.canonical import Record
from hmchain.keys import Redacted
from hmchain.ledger.contracts.learning import models, rounds
from hmchain.ledger.contracts.learning.rounds import Verdict
from hmchain.ledger.state import State


class MaskedUpdate(Record, frozen=True):
    """A masked update that was made, and whose bytes are in one's cache."""

    round: int
    attempt: int
    key: bytes
    """Of the sum that it is for, from the weights that were trained on and not from what the ledger says of them."""
    data: bytes
    """Digest of the records that were trained on; empty in round 0, whose counts are drawn once and kept."""
    digest: bytes
    object: bytes
    self_hash: bytes
    pair_hashes: tuple[bytes, ...]


class OwnObject(Record, frozen=True):
    """A model, or a master's evidence, that one put into the store."""

    round: int
    object: bytes


class GateChoice(Redacted, Record, frozen=True):
    """How one voted on a round's model, kept until the round is final."""

    round: int
    accept: bool
    salt: bytes
    auc_permyriad: int


class Best(Record, frozen=True):
    """The best AUC on one's own validation data that an accepted model reached; never leaves the hospital."""

    auc_permyriad: int


def masked_name(study: str, round_: int, attempt: int) -> str:
    """Where a `MaskedUpdate` is kept."""
    return f"{study}/masked/{round_:08d}/{attempt:04d}"


def object_name(study: str, address: bytes) -> str:
    """Where an `OwnObject` is kept."""
    return f"{study}/object/{address.hex()}"


def gate_name(study: str, round_: int) -> str:
    """Where a `GateChoice` is kept."""
    return f"{study}/gate/{round_:08d}"


def best_name(study: str) -> str:
    """Where the `Best` is kept."""
    return f"{study}/best"


def close_rounds(
    state: State, study: str, before: int, store: AgentStore, keys: StudyKeyStore, exchange: Exchange
) -> None:
    """Close every round below `before`: all of them are final."""
    needed = _needed(state, study, before)
    with store.batch():
        _judge_best(state, study, before, store)
        for name, made in store.all(f"{study}/masked/", MaskedUpdate):
            if made.round < before:
                exchange.withdraw(made.object)
                store.erase(name)
            else:
                needed.add(made.object)  # bound by the ledger or about to be
        for name, own in store.all(f"{study}/object/", OwnObject):
            if own.round < before and own.object not in needed:
                exchange.withdraw(own.object)
                store.erase(name)
        keys.finish_round(study, before)
    exchange.keep_only(needed)


def discard(study: str, store: AgentStore, keys: StudyKeyStore, exchange: Exchange) -> None:
    """Nothing came of a study: erase all its secrets, and withdraw every object of one's own."""
    with store.batch():
        for _, made in store.all(f"{study}/masked/", MaskedUpdate):
            exchange.withdraw(made.object)
        for _, own in store.all(f"{study}/object/", OwnObject):
            exchange.withdraw(own.object)
        for prefix in (f"{study}/masked/", f"{study}/object/", f"{study}/gate/", best_name(study)):
            store.erase(prefix)
        keys.forget(study)
    exchange.keep_only(())


def _judge_best(state: State, study: str, before: int, store: AgentStore) -> None:
    """Let the scores of accepted models into the reference of later votes."""
    for name, choice in store.all(f"{study}/gate/", GateChoice):
        if choice.round >= before:
            continue
        closed, best = rounds.round_(state, study, choice.round), store.get(best_name(study), Best)
        accepted = closed is not None and closed.outcome == Verdict.ACCEPTED
        if accepted and (best is None or choice.auc_permyriad > best.auc_permyriad):
            store.note(best_name(study), Best(choice.auc_permyriad))
        store.erase(name)


def _needed(state: State, study: str, before: int) -> set[bytes]:
    """Objects that outlive the closed rounds: the sum of class counts, the newest model, and what is on its way."""
    made = [0]
    needed: set[bytes] = set()
    if (model := models.model(state, study)) is not None:
        made.append(model.round)
    if (entry := rounds.round_(state, study, before)) is not None:
        made.append(entry.base_round)
        needed.update(update.object for update in rounds.contributions(state, entry))
        needed.update(entry.objects)
    for number in made:
        if (maker := rounds.round_(state, study, number)) is not None:
            needed.update(maker.objects)
    return needed
