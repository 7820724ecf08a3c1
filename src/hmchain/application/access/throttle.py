"""How often somebody may ask: buckets of tokens that fill again with time, one a person or address."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network
from threading import Lock

from hmchain.errors import InputError

_BUCKETS_MAX = 20_000


class TooManyError(InputError):
    """Somebody asks more often than this portal answers."""

    code = "too_many"

    def __init__(self, retry_after: int) -> None:
        super().__init__("that was too often", f"try again in {retry_after} s")
        self.retry_after = retry_after
        """Seconds."""


@dataclass(frozen=True)
class Rate:
    """How much at once, and how much in the long run."""

    burst: int
    per_minute: float


READS, WRITES = Rate(240, 600), Rate(60, 60)
"""Of a person's requests."""
TRIES_OF_ADDRESS, TRIES_OF_PERSON = Rate(10, 4), Rate(30, 30)
"""Of sign-ins that fail. A person's bucket fills faster than one address can empty it: no address locks one out."""
QUESTIONS = Rate(60, 120)
"""Of what an address asks before it signs in."""


class Throttle:
    """Buckets by name. One that nobody uses is full again and forgotten. Threads may share it."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        """`seconds` is a clock that never goes back."""
        self._seconds = seconds
        self._buckets: OrderedDict[tuple[str, ...], tuple[float, float]] = OrderedDict()
        self._turn = Lock()

    def take(self, rate: Rate, *name: str) -> None:
        """Take a token out of a bucket. Raises `TooManyError` if it is empty."""
        with self._turn:
            left = self._left(rate, name)
            if left < 1:
                raise TooManyError(math.ceil((1 - left) * 60 / rate.per_minute))
            self._keep(name, left - 1)

    def require(self, rate: Rate, *name: str) -> None:
        """Raise `TooManyError` if a bucket is empty; it stays as it is."""
        with self._turn:
            if (left := self._left(rate, name)) < 1:
                raise TooManyError(math.ceil((1 - left) * 60 / rate.per_minute))

    def drain(self, rate: Rate, *name: str) -> None:
        """Take a token if there is one."""
        with self._turn:
            self._keep(name, max(0.0, self._left(rate, name) - 1))

    def _left(self, rate: Rate, name: tuple[str, ...]) -> float:
        left, since = self._buckets.get(name, (float(rate.burst), 0.0))
        return min(float(rate.burst), left + (self._seconds() - since) * rate.per_minute / 60)

    def _keep(self, name: tuple[str, ...], left: float) -> None:
        self._buckets[name] = (left, self._seconds())
        self._buckets.move_to_end(name)
        while len(self._buckets) > _BUCKETS_MAX:
            self._buckets.popitem(last=False)


def of_address(address: str) -> str:
    """Whose an address is: itself, or its network where one machine has many (IPv6, /64)."""
    try:
        found = ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ip_network((int(found), 64), strict=False)) if isinstance(found, IPv6Address) else str(found)
