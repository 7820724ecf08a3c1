"""The store against a dictionary: random sign-ins, uses and ends, and what it keeps of secrets."""

from __future__ import annotations

import sqlite3
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hmchain.application.access.store import SESSION, TOKEN, Credential, PortalStore, PortalStoreError, digest_of
from hmchain.ledger.contracts.members.people import PersonRef

REFS = (PersonRef("a", "s1"), PersonRef("a", "x1"), PersonRef("b", "s1"))
STEPS = st.lists(
    st.tuples(st.sampled_from(["keep", "use", "end"]), st.integers(0, 5), st.sampled_from(REFS),
              st.sampled_from([SESSION, TOKEN])),
    max_size=30,
)  # fmt: skip


def credential(secret: str, ref: PersonRef, kind: str, now: int) -> Credential:
    return Credential(
        digest_of(secret), f"{kind}{now}", kind, ref, b"mark", frozenset({"key"}), frozenset(), frozenset({"view"}),
        "name", now, now, now, now + 10,
    )  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(STEPS)
def test_it_keeps_what_a_dictionary_keeps(steps: list[tuple[str, int, PersonRef, str]]) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        store, twin = PortalStore(Path(folder) / "portal.db"), dict[str, Credential]()
        for now, (step, number, ref, kind) in enumerate(steps):
            secret = f"{kind}{ref}{number}"
            if step == "keep":
                new = credential(secret, ref, kind, now)
                store.keep(new, instead=digest_of(secret), most=3, now_ms=now)
                twin = {name: each for name, each in twin.items() if each.until_ms >= now and name != secret}
                twin[secret] = new
                own = sorted((each for each in twin.values() if (each.ref, each.kind) == (ref, kind)), key=_age)
                for gone in own[3:]:
                    twin = {name: each for name, each in twin.items() if each is not gone}
            elif step == "end":
                store.end([digest_of(secret)])
                twin.pop(secret, None)
            elif secret in twin:
                store.used(twin[secret], now)
                twin[secret] = Credential(*(now if name == "used_ms" else getattr(twin[secret], name)
                                            for name in Credential.__struct_fields__))  # fmt: skip
            for other in (SESSION, TOKEN):
                assert store.credential(other, secret) == (twin.get(secret) if kind == other else None)
        for each in REFS:
            found = [known for kind in (SESSION, TOKEN) for known in store.credentials(kind, each)]
            assert sorted(found, key=lambda of: of.digest) == sorted(
                (known for known in twin.values() if known.ref == each), key=lambda of: of.digest
            )
        store.close()


def _age(of: Credential) -> tuple[int, int]:
    return -of.used_ms, -of.made_ms


def test_a_handle_is_the_same_each_time_and_names_nobody(tmp_path: Path) -> None:
    store = PortalStore(tmp_path / "portal" / "portal.db")
    handles = [store.handle(ref) for ref in (*REFS, *REFS)]
    assert handles[:3] == handles[3:] and len(set(handles)) == 3 and {len(each) for each in handles} == {32}
    store.close()


def test_a_file_that_is_damaged_is_named(tmp_path: Path) -> None:
    path = tmp_path / "portal.db"
    path.write_bytes(b"no database" * 100)
    with pytest.raises(PortalStoreError, match="damaged"):
        PortalStore(path)
    with sqlite3.connect(tmp_path / "other.db") as file:
        file.execute("CREATE TABLE credentials (a)")
    with pytest.raises(PortalStoreError):
        PortalStore(tmp_path / "other.db")
