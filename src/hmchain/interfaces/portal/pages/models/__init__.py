"""Pages on models: all of them, one with its card and its lineage, and what it says of an image."""

from __future__ import annotations

from hmchain.interfaces.portal.pages.models import model, predict

ROOM = (model.pages, predict.pages)
