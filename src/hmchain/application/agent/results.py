"""A round's result in the store: the model, which everybody starts from, and a master's evidence.

Both are sealed under the study key. The model's envelope follows from the model, so a verifier that computed the same
one knows the master's object by its address: it keeps its own, and has only to see that the store has the same bytes.
"""

from __future__ import annotations

from hmchain.application.agent import contents, kept
from hmchain.application.agent.exchange import Exchange
from hmchain.application.agent.kept import OwnObject
from hmchain.application.agent.protocols import Outgoing
from hmchain.application.agent.store import AgentStore
from hmchain.application.learning.aggregation import Aggregate, Part
from hmchain.errors import HMChainError
from hmchain.keys import SecretKey
from hmchain.ledger.contracts.learning.rounds import Round
from hmchain.ledger.contracts.learning.studies import Study
from hmchain.records.envelope import Buffer
from hmchain.records.objects import address_of


class Results:
    """The results of one study's rounds, as one participant stores, keeps and finds them."""

    def __init__(self, exchange: Exchange, store: AgentStore) -> None:
        self._exchange = exchange
        self._store = store
        self._kept: tuple[tuple[int, bytes], bytes] | None = None

    def post(self, entry: Round, result: Aggregate, key: SecretKey) -> tuple[bytes, bytes]:
        """Store what a master has to: the model for good, and evidence. Returns their addresses."""
        model = self._keep(entry, result, key)
        self._publish(entry, model)
        evidence = self._exchange.lend(_evidence(entry, result, key))
        self._remember(entry, evidence)
        return model, evidence

    def located(self, study: Study, entry: Round, result: Aggregate, key: SecretKey, *, late: bool) -> bytes | None:
        """An object that holds this model: what the master posted, or if it is `late` one's own; None if there is none.

        It is the same object where the master sealed as everybody does.
        """
        own, posted = self._keep(entry, result, key), entry.posted.object if entry.posted else b""
        if posted != own and self.posted_part(study, entry, Part.MODEL, key) == result.data(Part.MODEL):
            return posted
        if not late:
            return own if posted == own and self._exchange.is_stored(own) else None
        self._publish(entry, own)  # other bytes give way to it; and who hid it will not withdraw it
        if posted == own and not self._exchange.is_stored(own):  # the store hides this name, and knows no other yet
            own = self._keep(entry, result, key, anew=True)
            self._publish(entry, own)
        return own

    def posted_part(self, study: Study, entry: Round, part: Part, key: SecretKey) -> Buffer | None:
        """What the master stored for a part, or None if it is missing or has the wrong shape."""
        if entry.posted is None:
            return None
        posted, rule, place = entry.posted, study.rule(entry.number), (entry.study, entry.number)
        try:
            if part is Part.MODEL:
                return self._exchange.open_bytes(posted.object, key, contents.model_context(*place), rule)
            return self._exchange.open_evidence(posted.evidence, key, contents.evidence_context(*place), rule)[part]
        except HMChainError:
            return None

    def _keep(self, entry: Round, result: Aggregate, key: SecretKey, *, anew: bool = False) -> bytes:
        """The model in one's own cache: under the address that it has with everybody, or under a new one."""
        name = entry.number, result.root(Part.MODEL)
        if anew or self._kept is None or self._kept[0] != name:
            self._kept = name, self._exchange.keep(_model(entry, result, key, anew=anew))
        return self._kept[1]

    def _publish(self, entry: Round, model: bytes) -> None:
        self._exchange.publish(model, Outgoing.MODEL, durably=True)
        self._remember(entry, model)

    def _remember(self, entry: Round, address: bytes) -> None:
        """Note that an object of one's own is in the store: it is withdrawn when nobody needs it."""
        self._store.note(kept.object_name(entry.study, address), OwnObject(entry.number, address))


def addresses(entry: Round, result: Aggregate, key: SecretKey) -> tuple[bytes, bytes]:
    """The addresses that `Results.post` would give; nothing is stored."""
    return address_of(_model(entry, result, key)), address_of(_evidence(entry, result, key))


def _model(entry: Round, result: Aggregate, key: SecretKey, *, anew: bool = False) -> bytes:
    return contents.seal_model(result, key, contents.model_context(entry.study, entry.number), anew=anew)


def _evidence(entry: Round, result: Aggregate, key: SecretKey) -> bytes:
    return contents.seal_evidence(result, key, contents.evidence_context(entry.study, entry.number))
