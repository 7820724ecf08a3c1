"""The one noise of a statement: a discrete Laplace variable, drawn exactly, by integers alone.

P(x) is proportional to exp(-epsilon |x|) over all integers, which makes a count of people differentially private
(Ghosh, Roughgarden and Sundararajan, STOC 2009). Drawn as Canonne, Kamath and Steinke do (The Discrete Gaussian for
Differential Privacy, NeurIPS 2020, algorithms 1 and 2), without a float, whose gaps would tell counts (Mironov, CCS
2012). The chance is a key stream under the hospital's secret, the statement and the records that were counted: the same
statement, the same noise, in whatever study and beside whichever hospitals it is summed; so no mean over many answers
tells more than one. Fewer records are another draw: under the same one their difference would be those that are gone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from math import exp, gcd

import numpy as np

from hmchain.keys import SecretKey
from hmchain.ledger.arithmetic import MILLION

_WORD_BITS = 64


def noise(secret: SecretKey, statement: bytes, records: bytes, epsilon_millionths: int) -> int:
    """The noise of a statement over records of this digest: of mean 0 and scale 1/epsilon."""
    chance = Chance(secret.derive("hmchain count noise", statement, records))
    return discrete_laplace(chance, epsilon_millionths, MILLION)


class Chance:
    """Uniform integers from a key stream: SHA-256 of key and counter."""

    def __init__(self, key: SecretKey) -> None:
        self._words = _stream(key)

    def below(self, limit: int) -> int:
        """An integer from 0 to `limit` - 1, all equally likely; words that would favour some are drawn anew."""
        fair = (1 << _WORD_BITS) - (1 << _WORD_BITS) % limit
        while True:
            word = next(self._words)
            if word < fair:
                return word % limit

    def happens(self, times: int, of: int) -> bool:
        """True with probability `times` / `of`."""
        return self.below(of) < times


def _stream(key: SecretKey) -> Iterator[int]:
    block = 0
    while True:
        data = hashlib.sha256(key.raw + block.to_bytes(8, "big")).digest()
        block += 1
        yield from (int.from_bytes(data[at : at + 8], "big") for at in range(0, len(data), 8))


def discrete_laplace(chance: Chance, numerator: int, denominator: int) -> int:
    """An integer x with probability proportional to exp(-|x| numerator / denominator)."""
    shared = gcd(numerator, denominator)
    s, t = numerator // shared, denominator // shared
    while True:
        part = chance.below(t)
        if not _happens_exp(chance, part, t):
            continue
        whole = 0
        while _happens_exp(chance, 1, 1):
            whole += 1
        size, is_negative = (part + t * whole) // s, chance.happens(1, 2)
        if size or not is_negative:  # zero has one sign, or it would come twice as often
            return -size if is_negative else size


def _happens_exp(chance: Chance, numerator: int, denominator: int) -> bool:
    """True with probability exp(-numerator / denominator), of a quotient from 0 to 1 (von Neumann's series)."""
    step = 1
    while chance.happens(numerator, denominator * step):
        step += 1
    return step % 2 == 1


def margin_95(epsilon_millionths: int, hospitals: int) -> int:
    """By how much the sum of so many noises is off at most, 95 times of 100: from its exact distribution."""
    q = exp(-epsilon_millionths / MILLION)
    reach = int(8 * hospitals * MILLION / epsilon_millionths) + 8
    one = [(1 - q) / (1 + q) * q ** abs(x) for x in range(-reach, reach + 1)]
    size = 1 << ((2 * reach * hospitals + 1).bit_length())
    summed = np.fft.irfft(np.fft.rfft(one, size) ** hospitals, size)
    centre, mass, margin = reach * hospitals, 0.0, -1
    while mass < 0.95:
        margin += 1
        mass = float(summed[centre - margin : centre + margin + 1].sum())
    return margin
