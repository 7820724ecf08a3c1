"""What an agent tells its operator of the store: that it is the node's own, does not serve, or is not the others'."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from hmchain.application.agent.exchange import Exchange
from hmchain.application.node import joining
from hmchain.application.node.agent_log import AgentLog
from hmchain.application.node.store_watch import AGAIN_SECONDS, OWN, StoreWatch
from hmchain.application.site.node import NodeFolder
from hmchain.application.site.settings import NodeSettings
from hmchain.records.objects import MissingObjectError, ObjectStore
from support.study_bed import Bed


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[Bed]:
    bed = Bed.found(tmp_path / "bed")
    bed.prepare()
    bed.approve()
    yield bed
    bed.close()


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Site:
    """One hospital's agent, as far as it looks at its store."""

    def __init__(self, name: str, base: Path, objects: str) -> None:
        self.folder, self.said, self.clock = NodeFolder(base / name), list[str](), Clock()
        settings = NodeSettings(organisation=name, title=name, address="127.0.0.1:1", objects=objects)
        joining.init(self.folder, settings, None)
        log = AgentLog(self.folder.agent_log, self.said.append, seconds=self.clock)
        store = ObjectStore.open(objects or str(self.folder.objects))
        self.watch = StoreWatch(self.folder, store, "chain", log, self.clock)

    def look(self, bed: Bed, *, is_missed: bool = False) -> str:
        """The last line that is said then."""
        self.clock.now += AGAIN_SECONDS
        self.watch.look(bed.state, is_missed=is_missed)
        return self.said[-1] if self.said else ""


def test_b5_the_default_store_is_refused_where_there_are_other_members(bed: Bed, tmp_path: Path) -> None:
    """With it every study waited ten minutes a phase for objects that lay in another hospital's folder."""
    site = Site("north", tmp_path, "")
    assert not site.watch.is_shared(bed.state) and not site.watch.was_named()
    assert OWN in site.said[0] and "until then the agent takes part in no study" in OWN
    toml = site.folder.toml
    toml.write_text(toml.read_text().replace('objects = ""', 'objects = "/srv/updates"'))
    assert site.watch.was_named(), "which opens the hospital anew, without a restart"


def test_a_directory_that_is_named_will_do_for_nodes_of_one_machine(bed: Bed, tmp_path: Path) -> None:
    site = Site("north", tmp_path, str(tmp_path / "shared"))
    assert site.watch.is_shared(bed.state) and not site.look(bed)


def test_a_store_that_shows_nothing_of_a_participant_is_told_when_a_study_runs(bed: Bed, tmp_path: Path) -> None:
    sites = {name: Site(name, tmp_path, str(tmp_path / "shared")) for name in bed.names[:-1]}
    stranger = Site(bed.names[-1], tmp_path, str(tmp_path / "another"))
    for site in (*sites.values(), stranger):
        assert not site.look(bed), "none has to have begun yet"
    bed.until(1, "commit")
    north = sites["north"]
    assert f"the object store shows nothing of the agents of {bed.names[-1]} (every member's node.toml" in north.look(
        bed
    )
    ObjectStore.directory(tmp_path / "shared").put(b"hmchain: the agent of west in chain writes here\n")
    assert "all of its agents use this store, after" in north.look(bed)
    shown = len(north.said)
    north.look(bed)
    assert len(north.said) == shown
    assert "east, north, south" in stranger.look(bed)


def test_a_store_that_went_away_is_told_and_that_it_is_back(bed: Bed, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    site = Site("north", tmp_path, str(shared))
    assert not site.look(bed)
    shutil.rmtree(shared)
    shared.write_text("a file in its place")
    assert "the object store cannot be used" in site.look(bed, is_missed=True)
    shared.unlink()
    (shared / "incoming").mkdir(parents=True)
    assert "the object store answers again after 5.0 s" in site.look(bed)


def test_an_object_that_never_comes_names_the_likely_cause(tmp_path: Path) -> None:
    exchange = Exchange(ObjectStore.directory(tmp_path / "objects"), tmp_path / "cache")
    with pytest.raises(MissingObjectError, match=r"node\.toml names the same store"):
        exchange.fetch(bytes(32), 100)
