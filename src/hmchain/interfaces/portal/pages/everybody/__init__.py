"""The pages of everybody: the first one, what waits, search, people and roles."""

from __future__ import annotations

from hmchain.interfaces.portal.pages.everybody import home, notifications, officers, people, search

FIRST = (home.everybody, home.stewards, home.scientists, home.auditors)
"""Home, above all others of each role."""
ROOM = (notifications.pages, search.pages, people.pages, officers.pages)
"""In the order of the navigation."""
