"""How long does it take to ask a ledger of a million transactions who used a dataset, and what a person may do?

The ledger is made up, and the same each time: 32 hospitals with 8 datasets and 50 scientists each, over ten years; a
request for every 50 transactions (the fewest that asking, deciding and one sum take), of four hospitals, with their
words and, for one in four, the study and the model that came of it. Each question is put to a state that was just
opened, so that nothing is remembered from the one before. Target: 95 of 100 answers within 50 ms of processor time,
which another's work on the machine does not lengthen; the clock's is shown too. The yardstick is the same rows, looked
up one after the other in the same file by bare SQLite.

Shown beside it is what is done once when a ledger is opened, and what a key signed since the middle of the log: that is
read for it, since there is no index of senders (decision 0055).
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from hmchain.ledger.contracts.data import requests
from hmchain.ledger.contracts.members.people import PersonRef
from hmchain.ledger.engines.block_store import BlockStore
from hmchain.ledger.readers.deeds import deeds
from hmchain.ledger.readers.powers import powers
from hmchain.ledger.readers.uses import studies_before, uses
from hmchain.ledger.state import State
from permits.ledger import NOW_MS, MadeUp, key, make

TARGET_MS = 50.0


@dataclass(frozen=True)
class Asked:
    """One question, asked many times."""

    p50_ms: float
    """Of processor time, as all here but the clock's."""
    p95_ms: float
    clock_p95_ms: float
    bare_p50_ms: float
    """The same rows by bare SQLite."""
    rows: float
    """Records that an answer is made of, in the middle."""

    @property
    def over_bare(self) -> float:
        """How many times bare SQLite an answer takes, in the middle."""
        return self.p50_ms / self.bare_p50_ms


def ask(found: MadeUp, answers: Sequence[tuple[Callable[[State], object], Callable[[State], list[bytes]]]]) -> Asked:
    """Time answers, each from a state that was just opened, and the rows that each needs."""
    took, bare, rows = [], [], []
    for answer, needs in answers:
        with closing(State.open_read_only(found.state)) as state:
            took.append(_ms(lambda state=state, answer=answer: answer(state)))
            keys = needs(state)
        with closing(sqlite3.connect(f"file:{found.state}?mode=ro", uri=True)) as file:
            bare.append(_ms(lambda file=file, keys=keys: _look_up(file, keys)))
        rows.append(len(keys))
    worked, clock = (sorted(each) for each in zip(*took, strict=True))
    late, middle = len(worked) * 95 // 100, len(worked) // 2
    bare_ms = sorted(work for work, _ in bare)[middle]
    return Asked(worked[middle], worked[late], clock[late], bare_ms, sorted(rows)[middle])


def _look_up(file: sqlite3.Connection, keys: Sequence[bytes]) -> None:
    for each in keys:
        file.execute("SELECT value FROM state WHERE key = ?", (each,)).fetchone()


def _ms(work: Callable[[], object]) -> tuple[float, float]:
    """Milliseconds of processor time, and by the clock."""
    clock, worked = time.perf_counter(), time.process_time()
    work()
    return 1000 * (time.process_time() - worked), 1000 * (time.perf_counter() - clock)


def rows_of_dataset(state: State, organisation: str, dataset: str) -> list[bytes]:
    """The keys of the records that say who used a dataset."""
    names = requests.asked_of(state, organisation, dataset)
    return [each for name in names for each in (
        requests.ASKED_OF.key(organisation, dataset, name), requests.REQUESTS.key(name),
        requests.CONTENTS.key(name, 1), requests.SUBMISSIONS.key(name, 1),
        requests.HANDLINGS.key(name, 1, organisation, dataset),
    )]  # fmt: skip


def rows_of_person(state: State, ref: PersonRef) -> list[bytes]:
    """The keys of the records that say in which requests a person takes part, and how they stand."""
    names = requests.involving(state, ref)
    return [each for name in names for each in (
        requests.INVOLVED.key(ref.organisation, ref.person, name), requests.REQUESTS.key(name),
    )]  # fmt: skip


def measure(found: MadeUp, times: int) -> dict[str, object]:
    """All figures of one ledger."""
    chance = random.Random(13)
    places, persons = chance.choices(found.datasets, k=times), chance.choices(found.persons, k=times)
    used = ask(found, [
        (lambda state, at=at: list(uses(state, NOW_MS, *at, before=())),
         lambda state, at=at: rows_of_dataset(state, *at))
        for at in places
    ])  # fmt: skip
    may = ask(found, [
        (lambda state, ref=ref: powers(state, NOW_MS, ref.organisation, ref.person),
         lambda state, ref=ref: rows_of_person(state, ref))
        for ref in persons
    ])  # fmt: skip
    with closing(State.open_read_only(found.state)) as state:
        (opening_ms, _), (before_ms, _) = _ms(state.is_sound), _ms(lambda: studies_before(state))
    with closing(BlockStore(found.blocks, read_only=True)) as store:
        mine, since = key(found.persons[0]), found.height // 2
        deeds_ms, _ = _ms(lambda: list(deeds(store, [mine], since)))
    worst = max(used.p95_ms, may.p95_ms)
    return {
        "name": "permit_ledger",
        "ratio": worst / TARGET_MS,
        "unit": "p95 of the slower question, in processor time, over 50 ms",
        "target": 1.0,
        **{f"used_{name}": value for name, value in _plain(used).items()},
        **{f"may_{name}": value for name, value in _plain(may).items()},
        "opening_s": opening_ms / 1000,
        "studies_before_s": before_ms / 1000,
        "deeds_of_half_the_log_s": deeds_ms / 1000,
        "requests": found.requests,
        "questions": 2 * times,
        "cores": os.cpu_count(),
    }


def _plain(asked: Asked) -> dict[str, float]:
    return {**asked.__dict__, "over_bare_sqlite": asked.over_bare}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="100 000 transactions")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    options = parser.parse_args()
    transactions, times = (100_000, 200) if options.quick else (1_000_000, 1000)
    directory = Path(tempfile.mkdtemp())
    try:
        result = measure(make(directory, transactions), times) | {"transactions": transactions}
    finally:
        shutil.rmtree(directory)
    if options.json:
        print(json.dumps(result))
        return
    table = Table("figure", "value", title=f"A ledger of {transactions} transactions, {result['requests']} requests")
    for name, what in (("used", "who used this dataset"), ("may", "what may this person do")):
        table.add_row(f"{what}: p95 (at most {TARGET_MS:.0f} ms)", f"{result[f'{name}_p95_ms']:.1f} ms")
        table.add_row("  by the clock", f"{result[f'{name}_clock_p95_ms']:.1f} ms")
        over = f"{result[f'{name}_over_bare_sqlite']:.1f} times bare SQLite for {result[f'{name}_rows']:.0f} rows"
        table.add_row("  in the middle", f"{result[f'{name}_p50_ms']:.1f} ms, {over}")
    table.add_row("once: comparing the whole state", f"{result['opening_s']:.2f} s")
    table.add_row("once: studies of protocol 2 among all", f"{result['studies_before_s']:.2f} s")
    table.add_row("what a key signed since the middle of the log", f"{result['deeds_of_half_the_log_s']:.2f} s")
    Console().print(table)


if __name__ == "__main__":
    main()
