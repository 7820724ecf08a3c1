"""People at work in a portal, in a process of their own: each thinks, opens a page, and thinks again.

Prints what they were answered, a JSON array a line.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import time
from dataclasses import dataclass, field

import httpx

from portal.places import ROLES, Known, Places, filled, places

THINK_SECONDS = (5.0, 15.0)
_READS_A_PAGE = 0.5
"""Programs, and pages that ask for more, read the API so often."""
_TIMEOUT_SECONDS = 30.0


@dataclass
class Person:
    """Somebody at a browser, which remembers what it was given."""

    client: httpx.AsyncClient
    role: str
    chance: random.Random
    tags: dict[str, str] = field(default_factory=dict)

    async def work(self, found: Places, known: Known, until: float) -> None:
        """Open pages until then."""
        await asyncio.sleep(self.chance.uniform(0, min(THINK_SECONDS[1], (until - time.monotonic()) / 2)))
        while time.monotonic() < until:
            await self.ask("page", found.page(self.chance, self.role), known)
            if self.chance.random() < _READS_A_PAGE and found.reads:
                await self.ask("read", self.chance.choice(found.reads), known)
            await asyncio.sleep(min(self.chance.uniform(*THINK_SECONDS), max(0.0, until - time.monotonic())))

    async def ask(self, kind: str, pattern: str, known: Known) -> None:
        """One question, and what it took."""
        path = filled(pattern, self.chance, known)
        headers = {"If-None-Match": self.tags[path]} if path in self.tags else {}
        began = time.perf_counter()
        try:
            answer = await self.client.get(path, headers=headers)
        except httpx.HTTPError as error:
            print(json.dumps([kind, pattern, path, 0.0, 0, type(error).__name__]))
            return
        took = 1000 * (time.perf_counter() - began)
        if tag := answer.headers.get("etag"):
            self.tags[path] = tag
        print(json.dumps([kind, pattern, path, took, answer.num_bytes_downloaded, answer.status_code]))


async def _all(options: argparse.Namespace, known: Known) -> None:
    found, until = places(known), time.monotonic() + options.seconds
    limits = httpx.Limits(max_connections=2 * options.people, max_keepalive_connections=2 * options.people)
    headers = {"Accept": "text/html,application/json", "Accept-Encoding": "gzip"}
    async with httpx.AsyncClient(
        base_url=options.url, limits=limits, headers=headers, timeout=_TIMEOUT_SECONDS, trust_env=False
    ) as client:
        people = [Person(client, ROLES[number % len(ROLES)], random.Random(number)) for number in range(options.people)]
        await asyncio.gather(*(person.work(found, known, until) for person in people))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--people", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=30)
    asyncio.run(_all(parser.parse_args(), json.load(sys.stdin)))


if __name__ == "__main__":
    main()
