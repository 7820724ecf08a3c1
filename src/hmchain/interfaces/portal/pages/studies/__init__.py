"""Pages on studies: all of them, one as it goes on, several beside each other."""

from __future__ import annotations

from hmchain.interfaces.portal.pages.studies import compared, deciding, study

ROOM = (study.pages, deciding.pages, compared.pages)
