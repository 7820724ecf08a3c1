"""Purposes and diseases: tables that are part of the protocol, and what is a kind of what."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hmchain.application.governance.purposes import disease_words
from hmchain.ledger import purposes
from hmchain.ledger.purposes import NONE, TableError, ancestors, cases

GRU, HMB, DS, POA, NRES = (f"DUO:{number:07}" for number in (42, 6, 7, 11, 4))
CARE, NCU, ROOT, MODIFIER = (f"DUO:{number:07}" for number in (43, 46, 1, 17))
GLIOMA, GLIOBLASTOMA, NEOPLASM, DISEASE = (f"MONDO:{number:07}" for number in (21042, 18177, 5070, 1))


def test_the_tables_are_those_of_the_protocol(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ledgers judge by them: other tables under these rules would halt a chain."""
    assert purposes.DUO_DIGEST.hex() == "1a28d56ca59b6fa45d2cd81bac1944d27aad63b67fa1d260bdd5dea5ae0302bc"
    assert purposes.MONDO_DIGEST.hex() == "cb88e245fca7ea301b19e5f4286ff71f910472454a6a3fe67a844ebb2571e9a1"
    assert (len(purposes.terms()), len(purposes.diseases())) == (25, 27990)
    monkeypatch.setattr(purposes, "DUO_DIGEST", bytes(32))
    purposes.terms.cache_clear()
    with pytest.raises(TableError, match=r"duo\.toml"):
        purposes.terms()


def test_general_research_covers_health_covers_a_disease_and_ancestry() -> None:
    assert ancestors(DS) == (ROOT, NRES, HMB, GRU)
    assert ancestors(HMB) == (ROOT, NRES, GRU)
    assert ancestors(POA) == (ROOT, NRES, GRU) and HMB not in ancestors(POA)
    assert ancestors(NCU) == (MODIFIER, "DUO:0000018")
    assert ancestors("DUO:9999999") == ancestors("MONDO:9999999") == ancestors("none") == ()


def test_a_disease_is_a_kind_of_all_above_it() -> None:
    assert {GLIOMA, NEOPLASM, DISEASE} <= set(ancestors(GLIOBLASTOMA))
    assert GLIOBLASTOMA not in ancestors(GLIOMA)
    assert disease_words(GLIOMA) == f"{GLIOMA}, glioma"
    assert purposes.is_disease(GLIOMA) and not purposes.is_disease("MONDO:9999999") and not purposes.is_disease(DS)
    assert purposes.is_purpose(DS) and not purposes.is_purpose(ROOT) and not purposes.is_purpose(GLIOMA)


@given(st.sampled_from(sorted(purposes.diseases())))
def test_nothing_is_a_kind_of_itself(code: str) -> None:
    above = ancestors(code)
    assert code not in above
    parents = purposes.diseases()[code]
    assert set(above) == set(parents).union(*(ancestors(parent) for parent in parents))


def test_each_use_is_judged_for_itself_and_conditions_are_not_uses() -> None:
    assert cases((HMB, DS, NCU), (GLIOMA, NEOPLASM)) == ((HMB, NONE), (DS, NEOPLASM), (DS, GLIOMA))
    assert cases((DS,), ()) == ((DS, NONE),)
    assert cases((CARE,), (GLIOMA,)) == ((CARE, NONE),)
    assert cases((NCU,), ()) == cases((), ()) == ((NONE, NONE),)
