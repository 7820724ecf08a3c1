"""A scientist's pages: what hospitals have, how many people fit, and requests that are being written."""

from __future__ import annotations

from hmchain.interfaces.portal.pages.scientist import catalogue, counts, editing, editor

ROOM = (catalogue.pages, counts.pages, editor.pages, editing.pages)
