"""Pages on releases: what was asked to leave, by what evidence each hospital decides, and asking."""

from __future__ import annotations

from hmchain.interfaces.portal.pages.releases import asking, checking, release

ROOM = (release.pages, asking.pages, checking.pages)
