"""Records that an agent keeps of a study, and the names under which its file has them."""

from __future__ import annotations

from hmchain.application.agent.protocols import Random
from hmchain.application.agent.store import AgentStore
from hmchain.canonical import Record
from hmchain.keys import Redacted, SecretKey


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
    """One's vote on a round's model, kept until the round is final."""

    round: int
    accept: bool
    salt: bytes
    auc_permyriad: int


class Score(Redacted, Record, frozen=True):
    """One's own measure of a round's model, on one's own validation data; kept for good, never leaves the hospital."""

    round: int
    images: int
    """So many it was measured on."""
    auc_permyriad: int
    """`UNDEFINED` where a class is missing."""
    acc_permyriad: int
    best_permyriad: int
    """The best AUC of an accepted model until then, which the vote compared with; `UNDEFINED` if there was none."""
    accept: bool
    """One's vote."""


UNDEFINED = -1


class Best(Record, frozen=True):
    """The best AUC on one's own validation data that an accepted model reached; never leaves the hospital."""

    auc_permyriad: int


class Patience(Record, frozen=True):
    """One has waited for a hospital beyond a deadline: once in a study, at this place of it."""

    round: int
    attempt: int
    phase: str
    until_ms: int


class RoundingSecret(Redacted, Record, frozen=True):
    """From which batches, augmentation and stochastic rounding are drawn."""

    raw: bytes


def masked_name(study: str, round_: int, attempt: int) -> str:
    """Where a `MaskedUpdate` is kept."""
    return f"{study}/masked/{round_:08d}/{attempt:04d}"


def object_name(study: str, address: bytes) -> str:
    """Where an `OwnObject` is kept."""
    return f"{study}/object/{address.hex()}"


def gate_name(study: str, round_: int) -> str:
    """Where a `GateChoice` is kept."""
    return f"{study}/gate/{round_:08d}"


def scores_prefix(study: str) -> str:
    """What the names of a study's `Score`s begin with."""
    return f"{study}/score/"


def score_name(study: str, round_: int) -> str:
    """Where a `Score` is kept."""
    return f"{scores_prefix(study)}{round_:08d}"


def best_name(study: str) -> str:
    """Where the `Best` is kept."""
    return f"{study}/best"


def patience_name(study: str, organisation: str) -> str:
    """Where the `Patience` with a hospital is kept."""
    return f"{study}/patience/{organisation}"


def rounding_secret(store: AgentStore, random: Random) -> SecretKey:
    """The hospital's secret for all that training leaves to chance; drawn once, kept for good."""
    found = store.get("rounding", RoundingSecret)
    if found is None:
        found = RoundingSecret(random(32))
        store.put("rounding", found)
    return SecretKey(found.raw)
