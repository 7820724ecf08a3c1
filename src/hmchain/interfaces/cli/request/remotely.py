"""Requests at a hospital's portal elsewhere: the same questions and views as at the node itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hmchain.application.governance.requests.reading import RequestInWords, require_read
from hmchain.interfaces.cli import output, remote
from hmchain.interfaces.cli.asking import confirm
from hmchain.interfaces.cli.request.show import show_request
from hmchain.interfaces.client import requests as ask_requests
from hmchain.interfaces.client.flows import Done, Flow
from hmchain.ledger.readers.requests import RequestView


def decide(
    url: str,
    name: str,
    question: str,
    act: Callable[[RequestInWords], Flow[Done[RequestView]]],
    *,
    yes: bool,
) -> None:
    """Show a request as it is there, ask, decide on that version alone, and say what became of it."""
    with remote.portal(url) as portal:
        shown = portal.ask(ask_requests.request(name))
        confirm(question, yes=yes, about=lambda: show_request(shown))
        portal.ask(act(shown))
        found = portal.ask(ask_requests.request(name))
    output.tell(found.view, _standing(found.view))


def approve(url: str, name: str, *, days: int | None, of: str, unread: bool, yes: bool) -> None:
    """Allow what is asked of the hospital."""

    def act(shown: RequestInWords) -> Flow[Done[RequestView]]:
        if shown.is_lost and yes and not unread:
            require_read(shown)
        version = shown.view.version
        return ask_requests.approve(name, version=version, days=days, dataset=of, unread=unread or not yes)

    how_long = f"for {days} days" if days else "as long as it is asked for"
    decide(url, name, f"Allow what is asked of this hospital {how_long}?", act, yes=yes)


def _standing(view: RequestView) -> str:
    words = ", ".join(f"{each.organisation}/{each.dataset}: {each.status}" for each in view.decisions)
    return f"{view.request} now: {words or view.status}."


def said(url: str, name: str, question: str, flow: Callable[..., Any], *given: str, yes: bool, **more: Any) -> None:
    """Decide something that takes a reason, with a letter."""
    decide(url, name, question, lambda shown: flow(name, *given, **more), yes=yes)
