"""Held items made ready to be looked at; those that were looked at last stay ready."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from hmchain.application.data.extraction import rules_of
from hmchain.application.site.hospital import Records
from hmchain.records.catalogue import HeldItem
from hmchain.records.catalogue.entries import Place
from hmchain.records.deidentification.outcome import Finding
from hmchain.records.pipeline import review, viewing
from hmchain.records.pipeline.rivals import Rival, rival
from hmchain.records.pipeline.viewing import View
from hmchain.records.pipeline.workers import Deidentifiers

_KEPT_VIEWS, _KEPT_THUMBS = 6, 600
_T = TypeVar("_T")


class Looking:
    """Shows items of a hospital's quarantine. One thread at a time."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._views: OrderedDict[Place, View] = OrderedDict()
        self._rivals: OrderedDict[Place, Rival | None] = OrderedDict()
        self._thumbs: OrderedDict[Place, bytes | None] = OrderedDict()
        self._rules: dict[tuple[str, str], Deidentifiers] = {}

    def view(self, held: HeldItem) -> View:
        """An item as it came."""
        return _kept(self._views, held, self._view, _KEPT_VIEWS)

    def thumb(self, held: HeldItem, side: int) -> bytes | None:
        """An item as a small picture: its middle frame, or how its text begins."""
        return _kept(self._thumbs, held, lambda each: self._thumb(each, side), _KEPT_THUMBS)

    def rival(self, held: HeldItem) -> Rival | None:
        """What is kept in place of an item, if it is held since other content has its identifier."""
        if not review.is_conflict(held) or not review.is_kept(self._records.vault, held):
            return None
        return _kept(self._rivals, held, self._rival, _KEPT_VIEWS)

    def findings(self, held: HeldItem) -> tuple[Finding, ...]:
        """What would stay of an item and tells who its patient is, or may, the certain first."""
        if not review.is_kept(self._records.vault, held):
            return ()
        with suppress(Exception):  # bytes that are not what they say raise almost anything
            found = review.findings(self._rules_of(held), self._records.vault, held)
            return tuple(sorted(dict.fromkeys(found), key=lambda each: not each.certain))
        return ()

    def _view(self, held: HeldItem) -> View:
        if not review.is_kept(self._records.vault, held):
            return View(problem="nothing of it was kept: it is about somebody who opted out")
        with review.held_content(self._records.vault, held) as file:
            return viewing.view(held.kind, file)

    def _thumb(self, held: HeldItem, side: int) -> bytes | None:
        view = self._views.get(held.place) or self._view(held)
        return view.thumb(side)

    def _rival(self, held: HeldItem) -> Rival | None:
        with suppress(Exception):  # bytes that are not what they say raise almost anything
            return rival(self._rules_of(held), self._records.catalogue, self._records.vault, held)
        return None

    def _rules_of(self, held: HeldItem) -> Deidentifiers:
        if (held.dataset, held.kind) not in self._rules:
            dataset = self._records.catalogue.dataset(held.dataset)
            assert dataset is not None, "items are held for datasets of the catalogue"
            self._rules[held.dataset, held.kind] = rules_of(self._records, dataset, held.kind)
        return self._rules[held.dataset, held.kind]


def _kept(known: OrderedDict[Place, _T], held: HeldItem, make: Callable[[HeldItem], _T], most: int) -> _T:
    """What is made of an item, made anew unless it was among the last."""
    if held.place not in known:
        known[held.place] = make(held)
        while len(known) > most:
            known.popitem(last=False)
    known.move_to_end(held.place)
    return known[held.place]
