"""The outbox against an obvious twin: whatever happens in whatever order, each thing is told each receiver once."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hmchain.application.watching.outbox import GIVEN_UP_MS, PAUSE_MS_MAX, Channel, Outbox, OutboxError

IDS = st.lists(st.sampled_from("abcdef"), unique=True, max_size=6)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("queue"), st.sampled_from(Channel), st.sampled_from(("erin", "ada")), IDS, st.booleans()),
        st.tuples(st.just("deliver"), st.integers(0, 3), st.booleans()),
        st.tuples(st.just("reopen")),
        st.tuples(st.just("wait"), st.integers(1, PAUSE_MS_MAX)),
    ),
    max_size=25,
)  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(steps=STEPS)
def test_each_thing_is_told_each_receiver_once(steps: list[tuple], tmp_path_factory: pytest.TempPathFactory) -> None:  # type: ignore[type-arg]
    path = tmp_path_factory.mktemp("outbox") / "portal.db"
    outbox, now_ms = Outbox(path), 0
    wanted: set[tuple[Channel, str, str]] = set()
    told: list[tuple[Channel, str, str]] = []
    for step in steps:
        match step:
            case "queue", channel, receiver, ids, apart:
                before = len(wanted)
                wanted |= {(channel, receiver, id) for id in ids}
                assert outbox.queue(channel, receiver, ids, now_ms, 1000, apart=apart) == len(wanted) - before
            case "deliver", number, arrives:
                for message in outbox.due(now_ms)[: number + 1]:
                    assert message.next_ms <= now_ms
                    if arrives:
                        told += [(message.channel, message.receiver, id) for id in message.ids]
                        outbox.done(message)
                    elif not outbox.failed(message, now_ms):
                        told += [(message.channel, message.receiver, id) for id in message.ids]  # given up
            case ("reopen",):
                outbox.close()
                outbox = Outbox(path)
            case "wait", milliseconds:
                now_ms += milliseconds
    left = [(each.channel, each.receiver, id) for each in outbox.due(now_ms + GIVEN_UP_MS) for id in each.ids]
    assert sorted(told + left, key=str) == sorted(wanted, key=str), "nothing is lost, and nothing comes twice"
    outbox.close()


def test_a_file_of_another_kind_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "portal.db").write_bytes(b"no database of any kind" * 100)
    with pytest.raises(OutboxError, match="damaged"):
        Outbox(tmp_path / "portal.db")
