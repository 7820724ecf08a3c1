"""After a round: keep what the next ones need, erase and withdraw the rest.

A final round's seeds must be beyond anyone's reach, and neither the store nor an agent's file may grow with the number
of rounds, but for what the hospital itself measured (`kept.Score`, a hundred bytes a round). What there is to remove is
found in the agent's own file and cache, never remembered in between: so it works as well for an agent that was started
a moment ago, and doing it twice does no harm. Secrets go first: a store that is away, or lets nobody delete, keeps none
of them.
"""

from __future__ import annotations

from collections.abc import Mapping

from hmchain.application.agent import repair
from hmchain.application.agent.exchange import Exchange
from hmchain.application.agent.kept import Best, GateChoice, MaskedUpdate, OwnObject, best_name
from hmchain.application.agent.store import AgentStore
from hmchain.application.agent.study_keys import StudyKeyStore
from hmchain.ledger.contracts.learning import models, rounds
from hmchain.ledger.contracts.learning.rounds import Verdict
from hmchain.ledger.contracts.learning.studies import Study
from hmchain.ledger.state import State


def close_rounds(
    state: State, study: str, before: int, store: AgentStore, keys: StudyKeyStore, exchange: Exchange
) -> None:
    """Close every round below `before`: all of them are final."""
    with store.batch():
        _judge_best(state, study, before, store)
        keys.finish_round(study, before)
    needed, over = _needed(state, study, before), dict[str, bytes]()
    for name, made in store.all(f"{study}/masked/", MaskedUpdate):
        if made.round < before:
            over[name] = made.object
        else:
            needed.add(made.object)  # bound by the ledger or about to be
    for name, own in store.all(f"{study}/object/", OwnObject):
        if own.round < before and own.object not in needed:
            over[name] = own.object
    _withdraw(over, store, exchange)
    exchange.keep_only(needed)


def finish(state: State, study: Study, store: AgentStore, keys: StudyKeyStore, exchange: Exchange) -> None:
    """A study is finished: erase its secrets but the key of its objects, and withdraw what nobody needs."""
    close_rounds(state, study.spec.name, study.progress.round + 1, store, keys, exchange)
    for address, size in repair.of_outcome(state, study):
        exchange.repair(address, size)


def discard(state: State, study: Study, store: AgentStore, keys: StudyKeyStore, exchange: Exchange) -> None:
    """Nothing came of a study: erase all its secrets, and withdraw every object of one's own."""
    name = study.spec.name
    with store.batch():
        for prefix in (f"{name}/gate/", best_name(name)):
            store.erase(prefix)
        keys.forget(name)
    objects = {entry: made.object for entry, made in store.all(f"{name}/masked/", MaskedUpdate)}
    objects |= {entry: own.object for entry, own in store.all(f"{name}/object/", OwnObject)}
    _withdraw(objects, store, exchange)
    exchange.keep_only(())


def _withdraw(objects: Mapping[str, bytes], store: AgentStore, exchange: Exchange) -> None:
    """Take objects of one's own, by the names of their entries, out of the store, and then forget them."""
    for address in objects.values():
        exchange.withdraw(address)
    if objects:
        with store.batch():
            for name in objects:
                store.erase(name)


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
