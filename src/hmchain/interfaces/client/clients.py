"""The clients: who carries the steps of a flow out, waiting for each or beside other work."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import msgspec

from hmchain.interfaces.client import failures, flows
from hmchain.interfaces.client.failures import NoSignerError, NotSafeError, OtherMessageError, PortalError
from hmchain.interfaces.client.flows import Flow, Question, Reply, Sign, Wait
from hmchain.keys import SigningKey, load_key
from hmchain.ledger.engines.ledger import Signer

if TYPE_CHECKING:
    import httpx

    from hmchain.application.node.meaning import Meaning

T = TypeVar("T")
SECONDS = 120.0
"""The longest that a portal is waited for: a transaction waits for its block."""
AGAIN_SECONDS = 1.0
"""So long after events broke off they are asked for again."""
Agree = Callable[["Meaning"], None]
"""Told of what is to be signed, read from its very bytes; raises where nobody means it."""


def _whatever(found: Meaning) -> None: ...


@dataclass(frozen=True, repr=False)
class Asker:
    """Who asks: a person with a signer, or a program with a token; with both, a program that may sign."""

    person: str = ""
    """ORGANISATION/PERSON."""
    signer: Signer | None = None
    token: str = ""
    agree: Agree = _whatever


def person(name: str, key_file: Path, passphrase: str | None = None, agree: Agree = _whatever) -> Asker:
    """ORGANISATION/PERSON, with the key in a file. Raises `KeyFileError` or `WrongPassphraseError`."""
    return Asker(name, load_key(SigningKey, key_file, passphrase), agree=agree)


class _Base:
    """What both clients do of a step without waiting."""

    def __init__(self, url: str, asker: Asker) -> None:
        self.url, self.asker = _safe(url), asker
        self._bearer = asker.token

    def _sign(self, step: Sign) -> bytes:
        """Sign what is read here to be what it is said to be, and this person's. Raises `OtherMessageError`."""
        if (signer := self.asker.signer) is None:
            raise NoSignerError("this is to be signed, and no key was given", "give one, or a token that looks alone")
        if step.is_transaction:
            from hmchain.application.node.meaning import meaning  # it knows all transactions: who only looks needs none

            found = meaning(step.message)
            if found.sender != signer.public.raw:
                raise OtherMessageError("the portal wants another person's signature", "sign in as the right person")
            self.asker.agree(found)
        return signer.sign(step.message)

    def _can_sign_in(self) -> bool:
        return not self.asker.token and self.asker.signer is not None and "/" in self.asker.person

    def _flow_in(self) -> Flow[str]:
        organisation, _, person = self.asker.person.partition("/")
        return flows.sign_in(organisation, person)

    def _made(self, step: Question) -> dict[str, Any]:
        headers = {"Accept": "application/json"}
        if self._bearer:
            headers["Authorization"] = f"Bearer {self._bearer}"
        found: dict[str, Any] = {"method": step.method, "url": f"/v1{step.path}", "params": dict(step.query)}
        if step.content is not None:
            headers["Content-Type"] = "application/octet-stream"
            found["content"] = step.content
        elif step.body is not None:
            headers["Content-Type"] = "application/json"
            found["content"] = msgspec.json.encode(step.body, enc_hook=str)
        return found | {"headers": headers}

    @staticmethod
    def _seen(found: httpx.Response) -> Reply:
        if found.status_code >= 400:
            raise failures.of_reply(found.status_code, found.content)
        return Reply(found.status_code, found.content)

    def _unreachable(self, error: Exception) -> PortalError:
        return PortalError(
            f"{self.url} cannot be reached: {type(error).__name__}", "does its portal run, and is that its address?"
        )


class Client(_Base):
    """A portal, asked and waited for. Use it in a `with` block, from one thread at a time."""

    def __init__(self, url: str, asker: Asker = Asker(), transport: httpx.BaseTransport | None = None) -> None:
        super().__init__(url, asker)
        self._http = _httpx().Client(base_url=self.url, timeout=SECONDS, transport=transport, follow_redirects=False)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *reason: object) -> None:
        self.close()

    def close(self) -> None:
        """End its connections."""
        self._http.close()

    def ask(self, flow: Flow[T]) -> T:
        """Carry a flow out. Raises the portal's problem as an error of ours, or `PortalError`."""
        self._begin()
        return self._run(flow)

    def _begin(self) -> None:
        if not self._bearer and self._can_sign_in():
            self._bearer = self._run(self._flow_in())

    def events(self, after: str = "") -> Iterator[dict[str, Any]]:
        """What happens on the ledger from now on, or after a place; it goes on where the line breaks."""
        self._begin()
        told = _Told(after)
        while True:
            made = self._made(told.question())
            with suppress(_httpx().TransportError), self._http.stream(**made, timeout=None) as lines:
                if lines.status_code >= 400:
                    raise failures.of_reply(lines.status_code, lines.read())
                for line in lines.iter_lines():
                    if (event := told.read(line)) is not None:
                        yield event
            time.sleep(AGAIN_SECONDS)

    def _run(self, flow: Flow[T]) -> T:
        given: Any = None
        try:
            while True:
                given = self._step(flow.send(given))
        except StopIteration as over:
            return over.value  # type: ignore[no-any-return]

    def _step(self, step: Question | Sign | Wait) -> Any:
        match step:
            case Sign():
                return self._sign(step)
            case Wait():
                time.sleep(step.seconds)
                return None
        try:
            return self._seen(self._http.request(**self._made(step)))
        except _httpx().TransportError as error:
            raise self._unreachable(error) from error


class AsyncClient(_Base):
    """A portal, asked beside other work. Use it in an `async with` block."""

    def __init__(self, url: str, asker: Asker = Asker(), transport: httpx.AsyncBaseTransport | None = None) -> None:
        super().__init__(url, asker)
        made = _httpx().AsyncClient
        self._http = made(base_url=self.url, timeout=SECONDS, transport=transport, follow_redirects=False)

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *reason: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End its connections."""
        await self._http.aclose()

    async def ask(self, flow: Flow[T]) -> T:
        """Carry a flow out. Raises the portal's problem as an error of ours, or `PortalError`."""
        await self._begin()
        return await self._run(flow)

    async def _begin(self) -> None:
        if not self._bearer and self._can_sign_in():
            self._bearer = await self._run(self._flow_in())

    async def events(self, after: str = "") -> AsyncIterator[dict[str, Any]]:
        """What happens on the ledger from now on, or after a place; it goes on where the line breaks."""
        await self._begin()
        told = _Told(after)
        while True:
            made = self._made(told.question())
            with suppress(_httpx().TransportError):
                async with self._http.stream(**made, timeout=None) as lines:
                    if lines.status_code >= 400:
                        raise failures.of_reply(lines.status_code, await lines.aread())
                    async for line in lines.aiter_lines():
                        if (event := told.read(line)) is not None:
                            yield event
            await asyncio.sleep(AGAIN_SECONDS)

    async def _run(self, flow: Flow[T]) -> T:
        given: Any = None
        try:
            while True:
                given = await self._step(flow.send(given))
        except StopIteration as over:
            return over.value  # type: ignore[no-any-return]

    async def _step(self, step: Question | Sign | Wait) -> Any:
        match step:
            case Sign():
                return await asyncio.to_thread(self._sign, step)
            case Wait():
                await asyncio.sleep(step.seconds)
                return None
        try:
            return self._seen(await self._http.request(**self._made(step)))
        except _httpx().TransportError as error:
            raise self._unreachable(error) from error


def _httpx() -> Any:
    import httpx  # whoever asks no portal does without it

    return httpx


def _safe(url: str) -> str:
    """A portal's address, of this machine or behind TLS. Raises `NotSafeError`."""
    found = urlsplit(url)
    host = found.hostname or ""
    if found.scheme == "http" and not _is_here(host):
        raise NotSafeError(f"{found.scheme}://{host} would send tokens and answers in clear", "use https://")
    if found.scheme not in ("http", "https") or not host or found.username or found.query or found.fragment:
        raise NotSafeError(
            "that is no portal's address", "as in https://portal.north.example, or http://localhost:8600"
        )
    return f"{found.scheme}://{found.netloc}"


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


class _Told:
    """Server-sent events (WHATWG HTML, 9.2.6), read line by line, and how far a reader came."""

    def __init__(self, after: str) -> None:
        self._after = after
        self._place, self._kind, self._data = "", "", list[str]()

    def question(self) -> Question:
        """Ask for what comes after the last place; half an event that was cut off is told again."""
        self._place, self._kind, self._data = "", "", []
        return Question("GET", "/events", {"after": self._after} if self._after else {})

    def read(self, line: str) -> dict[str, Any] | None:
        """The event that a line ends, if it is one with a place: its `id`, `kind`, and `data`."""
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "id":
                self._place = value
            case "event":
                self._kind = value
            case "data":
                self._data.append(value)
        return None if line else self._ended()

    def _ended(self) -> dict[str, Any] | None:
        place, kind, data = self._place, self._kind, self._data
        self._place, self._kind, self._data = "", "", []
        self._after = place or self._after
        return {"id": place, "kind": kind, "data": msgspec.json.decode("\n".join(data))} if place and data else None
