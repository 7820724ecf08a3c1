"""Flows: what is asked of a portal, step by step, whoever carries the steps out."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import msgspec

from hmchain.application.jobs.jobs import OVER, Job, JobState
from hmchain.interfaces.client import failures
from hmchain.interfaces.client.failures import PortalError
from hmchain.interfaces.client.views import UnlikeViewError, viewed

T = TypeVar("T")
PART = 200
_POLL_SECONDS = 0.5
_SIGNED_MAX = 8
"""So often the same is asked again because something had to be signed first."""


@dataclass(frozen=True)
class Question:
    """A request to the portal; `Reply` answers it."""

    method: str
    path: str
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None
    content: bytes | None = None


@dataclass(frozen=True)
class Reply:
    """A portal's answer that tells of no problem."""

    status: int
    content: bytes

    def view(self, kind: type[T]) -> T:
        """What it holds. Raises `PortalError`."""
        try:
            return viewed(msgspec.json.decode(self.content), kind)
        except (msgspec.DecodeError, UnlikeViewError) as error:
            what = "the portal's answer is not of this version of FL-HMChain"
            raise PortalError(what, "use the same version on both sides") from error


@dataclass(frozen=True)
class Sign:
    """Bytes that the person's key is to sign; the signature answers it."""

    message: bytes
    is_transaction: bool = True
    """False: to sign in."""


@dataclass(frozen=True)
class Wait:
    """Nothing, for a while."""

    seconds: float


Flow = Generator[Question | Sign | Wait, Any, T]


@dataclass(frozen=True)
class Done(Generic[T]):
    """What came of something that was asked for."""

    sent: tuple[bytes, ...]
    """Digests of the transactions that were signed and are in blocks now."""
    view: T | None
    """What the portal answered; None where all of it was to be signed: then read what it is about."""


@dataclass(frozen=True)
class _ToSign:
    message: bytes
    more: tuple[_ToSign, ...]


@dataclass(frozen=True)
class _Sent:
    digest: bytes


@dataclass(frozen=True)
class _Part(Generic[T]):
    items: list[T]
    next: int | None


def read(path: str, kind: type[T], **query: Any) -> Flow[T]:
    """One view."""
    reply: Reply = yield Question("GET", path, _given(query))
    return reply.view(kind)


def listed(path: str, kind: type[T], **query: Any) -> Flow[list[T]]:
    """All of a list that comes in pages."""
    found: list[T] = []
    at: int | None = 0
    while at is not None:
        reply: Reply = yield Question("GET", path, {**_given(query), "limit": PART, "offset": at})
        part = reply.view(_Part[Any])
        found += [viewed(each, kind) for each in part.items]
        at = part.next
    return found


def taken(path: str, **query: Any) -> Flow[bytes]:
    """A file."""
    reply: Reply = yield Question("GET", path, _given(query))
    return reply.content


def act(
    path: str, body: Any = None, kind: type[T] | Any = Any, *, method: str = "POST", content: bytes | None = None,
    **query: Any,
) -> Flow[Done[T]]:  # fmt: skip
    """Something that changes the ledger, or the hospital: what has to be signed is signed and sent."""
    reply: Reply = yield Question(
        method, path, _given(query), {} if body is None and content is None else body, content
    )
    if reply.status != 202:
        return Done((), reply.view(kind))
    sent = yield from _signed(reply.view(_ToSign))
    return Done(sent, None)


def work(path: str, body: Any = None, **query: Any) -> Flow[dict[str, Any]]:
    """Long work: begun, waited for, gone on with where something had to be signed; gives what came of it."""
    for _ in range(_SIGNED_MAX):
        reply: Reply = yield Question("POST", path, _given(query), {} if body is None else body)
        job = reply.view(Job)
        while job.state not in OVER:
            yield Wait(_POLL_SECONDS)
            told: Reply = yield Question("GET", f"/jobs/{job.id}")
            job = told.view(Job)
        if job.state is not JobState.DONE:
            raise failures.of_code(
                409, job.code or f"job_{job.state}", job.detail or f"the job is {job.state}", job.hint
            )
        result = job.result or {}
        if set(result) != {"to_sign"}:
            return result
        yield from _signed(viewed(result["to_sign"], _ToSign))
    raise PortalError("the portal wants one signature after another", "ask what it is about at the portal")


def sign_in(organisation: str, person: str) -> Flow[str]:
    """The secret of a new session. `Sign` is asked for the challenge's message, which names portal and person."""
    who = {"organisation": organisation, "person": person}
    reply: Reply = yield Question("POST", "/sign-in/challenge", body=who)
    asked = reply.view(dict[str, Any])
    signature: bytes = yield Sign(_challenged(asked, organisation, person), is_transaction=False)
    answer = {**who, "challenge": asked["challenge"], "signature": signature.hex(), "bearer": True}
    opened: Reply = yield Question("POST", "/sign-in/key", body=answer)
    return str(opened.view(dict[str, Any])["bearer"])


def _challenged(asked: dict[str, Any], organisation: str, person: str) -> bytes:
    """The message of a challenge, made here of what it says: nothing else is signed in its place."""
    from hmchain.application.access.challenges import SignIn

    try:
        origin, chain_id = str(asked["origin"]), str(asked["chain_id"])
        challenge, expires_ms = bytes.fromhex(asked["challenge"]), int(asked["expires_ms"])
    except (KeyError, ValueError, TypeError) as error:
        raise PortalError("the portal's challenge cannot be read", "use the same version on both sides") from error
    return SignIn(origin, chain_id, organisation, person, challenge, expires_ms).message


def _signed(asked: _ToSign) -> Flow[tuple[bytes, ...]]:
    digests = []
    for each in (asked, *asked.more):
        signature: bytes = yield Sign(each.message)
        body = {"message": each.message.hex(), "signature": signature.hex()}
        reply: Reply = yield Question("POST", "/transactions", body=body)
        digests.append(reply.view(_Sent).digest)
    return tuple(digests)


def _given(query: Mapping[str, Any]) -> dict[str, Any]:
    return {name.rstrip("_"): value for name, value in query.items() if value not in (None, "")}
