"""Places for those who wait: so many a person, so many in all, and free again whatever became of the wait."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.testclient import TestClient

from hmchain.application.access.permissions import Operation, Rule, Scope
from hmchain.application.access.principal import Principal
from hmchain.application.access.settings import OidcSettings
from hmchain.application.site.keyring import person_key_file
from hmchain.application.site.node import NodeFolder
from hmchain.interfaces.api import app
from hmchain.interfaces.api.call import Call
from hmchain.interfaces.api.signed_in import by_session_or_token
from hmchain.interfaces.api.site import Site
from hmchain.interfaces.api.waiting import LONG, Places, TooManyWaitingError
from hmchain.keys import save_key
from hmchain.ledger.contracts.members.people import PersonRef
from support.door import opened_door


def test_nobody_takes_them_all() -> None:
    places = Places(each=2, all=3)
    with ExitStack() as held:
        for person in ("anna", "anna", "bert"):
            held.enter_context(places.taken(person))
        for person in ("anna", "carl"):
            with pytest.raises(TooManyWaitingError):
                held.enter_context(places.taken(person))
    with places.taken("carl"), places.taken("anna"), places.taken("anna"):
        pass


def test_a_place_is_free_again_after_an_error() -> None:
    places = Places(each=1, all=1)
    with pytest.raises(ValueError, match="no block"), places.taken("anna"):
        raise ValueError("no block")
    with places.taken("bert"):
        pass


def test_an_issuer_that_is_silent_holds_up_nobody_else(tmp_path: Path) -> None:
    oidc = OidcSettings(issuer="https://issuer.example", client_id="portal")
    with opened_door(tmp_path / "node", oidc=oidc) as door, ExitStack() as held:
        site = Site(door.place, door.live, ("a",), by_session_or_token(door.access), access=door.access)
        client = held.enter_context(TestClient(app.create(site), door.settings.address, client=("192.0.2.7", 1)))
        for _ in range(4):
            held.enter_context(LONG.taken("192.0.2.7"))
        for path in ("start", "callback"):
            assert client.get(f"/v1/oidc/{path}").json()["code"] == "too_many_waiting"
        assert client.get("/v1/sign-in").status_code == 200


def test_who_signs_here_waits_for_blocks_in_a_place(tmp_path: Path) -> None:
    ref = PersonRef("a", "s1")
    with opened_door(tmp_path / "node") as door, ExitStack() as held:
        save_key(door.key(ref), person_key_file(NodeFolder(door.place).keys, "s1"))
        who = Principal("a", "s1", frozenset(), door.key(ref).public.raw)
        site = Site(door.place, door.live, ("a",), lambda request: who, signs_here=True)
        call = Call(site, Request({"type": "http", "headers": []}), who, Rule(Operation.ASK, Scope.NETWORK))
        for _ in range(4):
            held.enter_context(call.user())
        with pytest.raises(TooManyWaitingError):
            held.enter_context(call.user())
