"""Places for those who wait: so many a person, so many in all, and free again whatever became of the wait."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from hmchain.interfaces.api.waiting import Places, TooManyWaitingError


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
