"""How fast does the ledger judge requests, over the bare policy engine?

A policy of a dozen rules judges requests that all differ, so no answer is remembered: what is asked is made into
entities, and both questions are put (would it be allowed, would it be had a person looked). The yardstick is cedarpy
alone, one call a question: the same policy set as a handle, the same two requests ready made, and the same entities
read before, though no two requests have them in common. Target: at least half of its decisions/s. Beside it stands
cedarpy that reads the entities with each question, and the longest time of one judgement under policies made to be
slow, as large as a ledger takes them, of a request as large as it takes: at most 20 ms; and under the slowest of them
all that one member may have judged in a block, in few large requests or in many small ones: at most 0.5 s. All by
processor time.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from collections.abc import Callable
from typing import Any

import cedarpy
from msgspec.structs import replace
from rich.console import Console
from rich.table import Table

from hmchain.application.governance.policies.file import PolicyFile, terms_of
from hmchain.ledger import purposes
from hmchain.ledger.contracts.data import cedar, judging, policies
from hmchain.ledger.contracts.data.policies import Asked, Terms
from hmchain.ledger.contracts.members.people import PersonRef

TARGET, WORST_MS, BLOCK_SECONDS = 0.5, 20, 0.5
FILE = PolicyFile(
    dataset="brain", uses=("disease-research", "clinical-care"), diseases=["MONDO:0005070", "MONDO:0005027"],
    conditions=["NPUNCU", "IRB", "PUB", "GS", "NPOA", "COL"], regions=["DE", "FI", "FR"], not_for_profit=["north"],
    institutions=["north", "west"], labels=["glioma", "none"], duties={"publish": 730}, rounds=1000,
)  # fmt: skip
ASKED = Asked(
    organisation="north", person="s1", roles=("scientist",), members=(PersonRef("west", "s2"),), owner="east",
    dataset="brain", kind="train", purposes=("DUO:0000007",), diseases=("MONDO:0018177",), code=bytes(32), fields=(),
    labels=("glioma", "none"), commercial=False, publishes=True, regions=("DE",), documents=("ethics", "form"),
    days=100, rounds=60, colluders=1, organisations=("east", "north", "south", "west"), count=512,
)  # fmt: skip


def per_second(work: Callable[[int], object], count: int, repeats: int) -> float:
    """Best of `repeats`, by processor time: on a busy machine the clock says little."""
    best = float("inf")
    for repeat in range(repeats):
        start = time.process_time()
        for number in range(count):
            work(repeat * count + number)
        best = min(best, time.process_time() - start)
    return count / best


def ready_made(asked: Asked) -> tuple[list[dict[str, Any]], list[dict[str, Any]], cedarpy.Entities]:
    """The two requests of a judgement and its entities, as the ledger makes them: taken from its own call."""
    taken: list[Any] = []

    def record(requests: list[dict[str, Any]], _: cedarpy.PolicySet, entities: cedarpy.Entities) -> list[Any]:
        taken.extend((requests, entities))
        return original(requests, _, entities)

    original = cedarpy.is_authorized_batch
    cedarpy.is_authorized_batch = record
    try:
        policies.judge(terms_of(FILE), asked)
    finally:
        cedarpy.is_authorized_batch = original
    requests, entities = taken
    return requests, json.loads(str(entities)), entities


def measure(count: int, repeats: int) -> dict[str, float]:
    """Decisions a second on the ledger's path and of the engine alone, two of each a judgement."""
    terms = terms_of(FILE)
    requests, entities, known = ready_made(ASKED)
    everybody = [dataclasses.replace(ASKED, person=f"p{number}") for number in range(count * repeats)]
    handle = cedar.handle(terms.cedar)
    reading = per_second(lambda _: [cedarpy.is_authorized(each, handle, entities) for each in requests], count, repeats)
    bare = per_second(lambda _: [cedarpy.is_authorized(each, handle, known) for each in requests], count, repeats)
    ledger = per_second(lambda number: policies.judge(terms, everybody[number]), count, repeats)
    return {
        "ledger_per_second": 2 * ledger,
        "bare_per_second": 2 * bare,
        "bare_reading_entities_per_second": 2 * reading,
        "ratio": ledger / bare,
        "ratio_reading_entities": ledger / reading,
    }


# -- policies made to be slow ------------------------------------------------------------------------------------------


def of_asked(name: str) -> dict[str, Any]:
    return {".": {"attr": name, "left": {".": {"attr": "asked", "left": {"Var": "context"}}}}}


def two(operator: str, left: Any, right: Any) -> dict[str, Any]:
    return {operator: {"left": left, "right": right}}


def sets(depth: int) -> Any:
    return of_asked("fields") if depth == 0 else {"Set": [sets(depth - 1)]}


SLOW: dict[str, Any] = {
    "equal sets": two("==", of_asked("fields"), of_asked("fields")),
    "sets within sets": two("containsAll", of_asked("fields"), of_asked("fields")),
    "no common person": {"!": {"arg": two("containsAny", of_asked("people"), of_asked("labels"))}},
    "ancestors": two("in", {".": {"attr": "disease", "left": {"Var": "context"}}}, of_asked("diseases")),
    "nested sets": two("==", sets(6), sets(6)),
    "many values": {"Value": True},
}


def filled(condition: Any) -> bytes:
    """The largest policy that says the same again and again."""
    any_, conditions, last = {"op": "All"}, [], b""
    while True:
        conditions.append({"body": condition, "kind": "when"})
        policy = {"action": any_, "conditions": conditions, "effect": "permit", "principal": any_, "resource": any_}
        encoded = cedar.canonical({"slow": policy})
        if len(encoded) > cedar.BYTES_MAX:
            return last
        last = encoded


def largest(diseases: int) -> Asked:
    """As much of a request as a ledger takes, about so many diseases."""
    return dataclasses.replace(
        ASKED,
        purposes=("DUO:0000007",),
        diseases=tuple(sorted(purposes.diseases(), key=lambda code: -len(purposes.ancestors(code)))[:diseases]),
        fields=tuple(f"field-{number:03}" for number in range(256)),
        labels=tuple(f"label-{number:03}" for number in range(64)),
        members=tuple(PersonRef("north", f"p{number:02}") for number in range(64)),
    )


def block_seconds(slowest: str) -> dict[int, float]:
    """What all judgements of one member in a block take under a slow policy, by the number of diseases in each."""
    terms: Terms = replace(terms_of(FILE), cedar=filled(SLOW[slowest]))
    found = {}
    for diseases in (1, 4, policies.JUDGED_MAX):
        count = judging.JUDGED_A_BLOCK_MAX // (1 + diseases)
        asked = largest(diseases)
        work = lambda n, a=asked: policies.judge(terms, dataclasses.replace(a, rounds=n))  # noqa: E731
        found[diseases] = count / per_second(work, count, 3)
    return found


def worst_ms(repeats: int) -> dict[str, float]:
    """The best of `repeats` for each slow policy, about a request as large as a ledger takes."""
    large, found = largest(policies.JUDGED_MAX), {}
    for name, condition in SLOW.items():
        terms: Terms = replace(terms_of(FILE), cedar=filled(condition))
        cedar.require_sound(terms.cedar)
        took = 1 / per_second(lambda n, t=terms: policies.judge(t, dataclasses.replace(large, days=n)), 1, repeats)
        found[name] = 1000 * took
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="2000 judgements at a time instead of 20 000")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    found, slow = measure(2_000 if options.quick else 20_000, 5), worst_ms(5 if options.quick else 20)
    block = max(block_seconds(max(slow, key=lambda name: slow[name])).values())
    report = {"name": "policy_decisions", "unit": "of bare cedarpy's decisions/s", "target": TARGET, **found}
    if options.json:
        report |= {"slowest_ms": max(slow.values()), "slowest_ms_target": WORST_MS, "slow_ms": slow}
        print(json.dumps(report | {"block_seconds": block, "block_seconds_target": BLOCK_SECONDS}))
        return
    table = Table(title=f"Decisions on requests (target: at least {TARGET} of the bare engine)")
    for name in ("ledger/s", "bare/s", "ratio", "bare/s, reading entities", "ratio"):
        table.add_column(name, justify="right")
    rates = ("ledger_per_second", "bare_per_second", "ratio", "bare_reading_entities_per_second")
    cells = [f"{found[name]:.2f}" if name == "ratio" else f"{found[name]:,.0f}" for name in rates]
    table.add_row(*cells, f"{found['ratio_reading_entities']:.2f}")
    Console().print(table)
    Console().print(f"Slowest judgement: {max(slow.values()):.1f} ms (target: at most {WORST_MS})")
    Console().print(f"All that a member may have judged in a block: {block:.2f} s (target: at most {BLOCK_SECONDS})")


if __name__ == "__main__":
    main()
