"""A scientist's pages: what hospitals have, how many people fit, and requests that are being written."""

from __future__ import annotations

from hmchain.interfaces.portal.pages.scientist import catalogue, counts, editing, editor, own_answers

ROOM = (catalogue.pages, counts.pages, own_answers.pages, editor.pages, editing.pages)
