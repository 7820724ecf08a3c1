"""The operator's pages: whether all goes on, who is missing, what to do, and with which command."""

from __future__ import annotations

from hmchain.interfaces.portal.pages.operator import announcing, ballots, machine, network, overview, proposing

ROOM = (overview.pages, machine.pages, network.pages, ballots.pages, proposing.pages, announcing.pages)
"""In the order of the navigation."""
