"""Requests, and why policies said what they said: each a flow, with the view that the command line shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from hmchain import files
from hmchain.application.governance.requests.file import RequestFile
from hmchain.application.governance.requests.listing import ListedRequest, Waiting
from hmchain.application.governance.requests.reading import RequestInWords
from hmchain.interfaces.client.flows import Done, Flow, act, listed, read, taken
from hmchain.ledger.readers.explanations import Explanation
from hmchain.ledger.readers.requests import RequestView


def requests(*, living: bool = False) -> Flow[list[ListedRequest]]:
    """The requests that the hospital's people ask or are asked."""
    return listed("/requests", ListedRequest, living=living or None)


def request(name: str) -> Flow[RequestInWords]:
    """All of one, with what is sealed to the hospital."""
    return read(f"/requests/{name}", RequestInWords)


def inbox(person: str = "") -> Flow[list[Waiting]]:
    """What waits for the hospital's people, or for one."""
    return listed("/inbox", Waiting, for_=person)


def submit(asked: RequestFile, *, draft: bool = False) -> Flow[Done[RequestView]]:
    """Put a request before the hospitals that it names; its documents are added to a draft by `attach`."""
    return act("/requests", as_json(asked), RequestView, draft=draft or None)


def attach(name: str, kind: str, file: Path) -> Flow[Done[RequestView]]:
    """Add a document to what is submitted next."""
    return act(f"/requests/{name}/documents/{kind}", kind=RequestView, content=files.read(file), file=file.name)


def hand_in(name: str, *, again: bool = False) -> Flow[Done[RequestView]]:
    """Submit a draft as it was kept."""
    return act(f"/requests/{name}/submission", {"again": again}, RequestView)


def approve(
    name: str, *, version: int | None = None, days: int | None = None, dataset: str = "", unread: bool = False
) -> Flow[Done[RequestView]]:
    """Allow what a request asks of the hospital; with a `version` that one alone."""
    body = {"version": version, "days": days, "dataset": dataset, "unread": unread}
    return act(f"/requests/{name}/approval", body, RequestView)


def reject(
    name: str, reason: str, *, letter: str = "", version: int | None = None, dataset: str = ""
) -> Flow[Done[RequestView]]:
    """Say no to a version of a request."""
    body = {"reason": reason, "letter": letter, "version": version, "dataset": dataset}
    return act(f"/requests/{name}/rejection", body, RequestView)


def return_(name: str, reason: str, *, letter: str = "", version: int | None = None) -> Flow[Done[RequestView]]:
    """Give a request back to be changed."""
    return act(f"/requests/{name}/return", {"reason": reason, "letter": letter, "version": version}, RequestView)


def revoke(name: str, reason: str, *, letter: str = "", dataset: str = "") -> Flow[Done[RequestView]]:
    """Take a yes back for good."""
    body = {"reason": reason, "letter": letter, "dataset": dataset}
    return act(f"/requests/{name}/revocation", body, RequestView)


def comment(name: str, text: str, *, private: bool = False) -> Flow[Done[RequestView]]:
    """Write something beside a request."""
    return act(f"/requests/{name}/comments", {"text": text, "private": private}, RequestView)


def review(name: str, said: str, *, letter: str = "", hospital: str = "") -> Flow[Done[RequestView]]:
    """Give the review that one was asked for."""
    return act(f"/requests/{name}/reviews", {"said": said, "letter": letter, "hospital": hospital}, RequestView)


def document(name: str, digest: str) -> Flow[bytes]:
    """A document that was attached."""
    return taken(f"/requests/{name}/documents/{digest}")


def reasons(name: str) -> Flow[list[Explanation]]:
    """Why each hospital's policy said what it said of a request."""
    return listed(f"/requests/{name}/reasons", Explanation)


def as_json(asked: RequestFile) -> dict[str, Any]:
    """A request's file as the API takes it: without the files that it names."""
    found: dict[str, Any] = msgspec.to_builtins(asked)
    return {name: value for name, value in found.items() if name not in ("folder", "attachments") or value}
