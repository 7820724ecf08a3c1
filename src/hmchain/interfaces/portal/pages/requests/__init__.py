"""Pages on requests: what waits for whom, one request with all that is said of it, and what people do with it."""

from __future__ import annotations

from hmchain.interfaces.portal.pages.requests import deeds, duties, further, giving, inbox, request, terms

ROOM = (inbox.pages, request.pages, deeds.pages, duties.pages, further.pages, giving.pages, terms.pages)
