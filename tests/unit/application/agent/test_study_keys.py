"""The secrets of a study: agreed by pairs, ratcheted, erased (design section 6.1)."""

from __future__ import annotations

import itertools
import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace

from hmchain.application.agent.store import AgentStore
from hmchain.application.agent.study_keys import (
    JoinSecrets,
    PairAgreementError,
    StudyKeys,
    StudyKeyStore,
    agree,
    draw,
    opening_seed_hash,
    wrap_halves,
)
from hmchain.application.learning.ratchet import RatchetError
from hmchain.keys import SecretKey
from hmchain.ledger.contracts.learning.opening import Agreement, Join

NAMES = ("east", "north", "south")
ROOT = bytes(32)


def opened(chain: str = "chain", study: str = "study") -> tuple[list[JoinSecrets], list[Agreement]]:
    generator = random.Random(5)
    drawn = [draw(len(NAMES), generator.randbytes) for _ in NAMES]
    joins = [
        Join(name, secrets.wrapping.public, opening_seed_hash(secrets))
        for name, secrets in zip(NAMES, drawn, strict=True)
    ]
    agreements = [
        Agreement(name, wrap_halves(chain, study, order, drawn[order], joins), drawn[order].opening_seed)
        for order, name in enumerate(NAMES)
    ]
    return drawn, agreements


@pytest.fixture(scope="module")
def keys() -> list[StudyKeys]:
    drawn, agreements = opened()
    return [agree("chain", "study", order, drawn[order], agreements) for order in range(len(NAMES))]


def test_pairs_meet_at_the_same_seeds_and_nobody_else_does(keys: list[StudyKeys]) -> None:
    for round_, attempt in ((0, 0), (1, 0), (1, 2), (7, 1)):
        seeds = [own.seeds(round_, attempt, ROOT) for own in keys]
        for one, other in itertools.combinations(range(len(NAMES)), 2):
            assert seeds[one].pairs[other] == seeds[other].pairs[one]
        distinct = {seeds[0].pairs[1], seeds[0].pairs[2], seeds[1].pairs[2], *(own.self_seed for own in seeds)}
        assert len(distinct) == 6


def test_seeds_differ_by_round_attempt_and_base_model(keys: list[StudyKeys]) -> None:
    places = [(0, 0, ROOT), (0, 1, ROOT), (1, 0, ROOT), (0, 0, bytes([1]) * 32)]
    assert len({keys[0].seeds(*place).self_seed for place in places}) == len(places)


def test_all_hold_one_study_key(keys: list[StudyKeys]) -> None:
    assert len({own.study_key for own in keys}) == 1


def test_a_key_stolen_after_a_round_makes_no_seed_of_it(keys: list[StudyKeys]) -> None:
    later = keys[0].advanced(4)
    for place in ((0, 0), (3, 0), (3, 9)):
        with pytest.raises(RatchetError):
            later.seeds(*place, ROOT)
    assert later.seeds(4, 1, ROOT).pairs == keys[0].seeds(4, 1, ROOT).pairs


def test_a_half_for_another_study_chain_or_reader_does_not_open() -> None:
    drawn, agreements = opened()
    for chain, study in (("chain", "other"), ("other", "study")):
        with pytest.raises(PairAgreementError, match="north"):
            agree(chain, study, 0, drawn[0], agreements)
    swapped = [agreements[0], replace(agreements[1], wrapped=agreements[1].wrapped[::-1]), agreements[2]]
    with pytest.raises(PairAgreementError, match="north"):
        agree("chain", "study", 0, drawn[0], swapped)


def test_secrets_print_redacted(keys: list[StudyKeys]) -> None:
    drawn = opened()[0][0]
    assert repr(drawn) == "JoinSecrets(<redacted>)" and repr(keys[1]) == "StudyKeys(<redacted>)"


def test_long_term_key_stolen_later_finds_neither_kem_key_nor_halves(tmp_path: Path) -> None:
    store = AgentStore(tmp_path / "agent.db", SecretKey(bytes(32)))
    kept = StudyKeyStore(store)
    drawn = kept.drawn("study", len(NAMES), random.Random(5).randbytes)
    assert kept.drawn("study", len(NAMES), random.Random(6).randbytes) == drawn, "drawn once"
    with closing(sqlite3.connect(tmp_path / "agent.db")) as database:
        ((sealed,),) = database.execute("SELECT sealed FROM entries WHERE name = 'study/drawn'").fetchall()
    others = [draw(len(NAMES), random.Random(i).randbytes) for i in (7, 8)]
    everyone = [drawn, *others]
    joins = [Join(name, s.wrapping.public, b"") for name, s in zip(NAMES, everyone, strict=True)]
    agreements = [
        Agreement(name, wrap_halves("chain", "study", order, everyone[order], joins), b"")
        for order, name in enumerate(NAMES)
    ]
    agreed = kept.keys("chain", "study", 0, agreements)
    assert store.get("study/drawn", JoinSecrets) is None
    files = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert sealed[20:120] not in files, "not in the write-ahead log either"
    assert StudyKeyStore(store).keys("chain", "study", 0, []) == agreed, "the same after a restart"
    kept.finish_round("study", 3)
    with pytest.raises(RatchetError):
        StudyKeyStore(store).require("study").seeds(2, 0, ROOT)


def test_lost_secrets_are_named() -> None:
    kept = StudyKeyStore(AgentStore(None, SecretKey(bytes(32))))
    with pytest.raises(PairAgreementError, match="study"):
        kept.keys("chain", "study", 0, [])
    with pytest.raises(PairAgreementError, match="study"):
        kept.require("study")
    assert kept.object_key("study") is None
