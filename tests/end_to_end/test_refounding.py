"""Four real nodes, two of which are lost for good: the other two found the network again, and it goes on."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from hmchain import files
from hmchain.application.site.node import NodeFolder
from hmchain.ledger.contracts.members import membership
from hmchain.ledger.readers import states
from support import health_records
from support.ports import free_ports
from support.sites import Consortium, Site, answer, hmchain, register, until
from support.sites import consortium as consortium

__all__ = ["consortium"]

pytestmark = [pytest.mark.network, pytest.mark.timeout(600)]

LEFT, LOST = ("east", "north"), ("south", "west")
POLICY = """dataset = "patients"
uses = ["health-research"]
kinds = ["count"]
person_looks = false
automatic = true
colluders = 0
epsilon = 2.0
"""
ASK = ("cohort", "count", "condition SNOMED:38341003")


def folder(site: Site) -> str:
    return str(site.folder.path)


def height(site: Site) -> int:
    return site.status().state_height


def prepare(site: Site, patients: int, place: Path) -> None:
    """Extract made-up patients into a dataset, register it, and let its policy say yes by itself."""
    place.mkdir()
    (place / "all.ndjson").write_bytes(health_records.ndjson(health_records.resources(patients)))
    (place / "patients.toml").write_text(POLICY)
    hmchain("data", "extract", str(place / "all.ndjson"), "--into", "patients", "--dir", folder(site))
    hmchain("data", "register", "patients", "--yes", "--dir", folder(site))
    hmchain("policy", "set", str(place / "patients.toml"), "--yes", "--dir", folder(site))


@contextmanager
def acting(*sites: Site) -> Iterator[None]:
    """The hospitals' agents."""
    with ExitStack() as stack:
        for site in sites:
            command = [sys.executable, "-m", "hmchain", "node", "agent", "--dir", folder(site)]
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            stack.callback(process.wait, 60)
            stack.callback(process.terminate)
        yield


def count(*names: str, at: Site) -> Any:
    datasets = [word for name in names for word in ("--dataset", f"{name}/patients")]
    return answer(*ASK, *datasets, "--yes", "--wait", "120", "--dir", folder(at))


def admitted(consortium: Consortium, name: str, network: Path, ledger: Path, place: Path) -> Site:
    """Another hospital joins the chain that was founded again, by the vote of those that are left."""
    p2p, rpc = free_ports(2)
    listen = ["--address", f"127.0.0.1:{p2p}", "--listen", f"127.0.0.1:{p2p}", "--rpc", f"127.0.0.1:{rpc}"]
    directory = place / name
    hmchain("node", "init", name, "--title", name.title(), *listen, "--dir", str(directory))
    join = ("network", "join", str(network), "--dir", str(directory))
    assert "was founded again" in hmchain(*join, status=2)
    assert not answer(*join, "--founding", str(ledger))["founder"]
    toml, objects = directory / "node.toml", consortium.sites["east"].folder.settings().objects
    toml.write_text(toml.read_text().replace('objects = ""', f"objects = {json.dumps(objects)}"))
    newcomer, (first, *others) = Site(NodeFolder(directory)), [folder(site) for site in consortium.sites.values()]
    newcomer.start()
    consortium.sites[name] = newcomer
    asked, proof = str(place / "challenge.json"), str(place / "answer.json")
    hmchain("network", "challenge", str(directory / "member.json"), "--output", asked, "--dir", first)
    hmchain("network", "answer", asked, "--output", proof, "--dir", str(directory))
    ballot = answer("network", "admit", proof, "--yes", "--dir", first)
    for other in others:
        until(lambda at=other: answer("network", "ballots", "--dir", at), "the ballot at another node")
        ballot = answer("network", "vote", ballot["id"][:8], "--yes", "--dir", other)
    assert ballot["passed"]
    until(lambda: newcomer.status().running and newcomer.status().power > 0, "the newcomer's power")
    return newcomer


def interrupted_everywhere(command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> int:
    """Run a command again and again, cut short at each change of a name, one later every time; how often it was."""
    real = files.rename
    for allowed in range(20):
        done = 0

        def rename(source: Path, target: Path, allowed: int = allowed) -> None:
            nonlocal done
            if done == allowed:
                raise OSError("the power went")
            done += 1
            real(source, target)

        with monkeypatch.context() as patched, suppress(AssertionError):
            patched.setattr(files, "rename", rename)
            hmchain(*command)
            return allowed
        assert done == allowed, "it failed for another reason"
    raise AssertionError("it did not end")


def test_two_of_four_found_it_again(consortium: Consortium, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sites = consortium.sites
    for number, (name, site) in enumerate(sites.items()):
        prepare(site, 20 + number, tmp_path / name)
    with acting(*sites.values()):
        before = count(*sites, at=sites["east"])
    until(consortium.agree, "one state on four nodes")
    east, north, former = sites["east"], sites["north"], sites["east"].folder.joined().genesis
    for name in LOST:
        sites[name].kill()
        shutil.rmtree(folder(sites.pop(name)))
    until(lambda: height(east) == height(north), "one height on both that are left")
    ended = height(east)

    file = tmp_path / "refound.json"
    propose = ("network", "refound", "propose", "--dir", folder(east), "--output", str(file))
    assert "chain goes on as it is" in hmchain(*propose, "--without", "west", status=6)
    made = answer(*propose, "--without", "west", "--without", "south", "--yes")
    assert (made["height"], made["left_out"], made["unsigned"]) == (ended, ["south", "west"], ["north"])
    assert "has not signed" in hmchain("network", "refound", "join", str(file), "--dir", folder(east), status=6)
    apart = tmp_path / "apart.json"
    shutil.copy(file, apart)
    join = ("network", "refound", "join", str(file), str(apart), "--dir")
    signed = answer("network", "refound", "sign", str(apart), "--dir", folder(north), "--yes")
    assert signed["unsigned"] == [] and signed["genesis"] == made["genesis"]
    assert "in use by" in hmchain(*join, folder(east), status=2)
    for site in (east, north):
        site.stop()
    assert interrupted_everywhere((*join, folder(east)), monkeypatch) >= 3
    for site in (east, north):
        done = answer(*join, folder(site))
        assert done["genesis"] == made["genesis"] and answer(*join, folder(site)) == done, "and once more"
    lone = ("--output", str(tmp_path / "lone.json"), "--without", "north", "--yes", "--dir", folder(east))
    assert answer("network", "refound", "propose", *lone)["height"] == ended + 1, "a chain that decided nothing yet"
    for site in (east, north):
        site.start()
    until(lambda: all(site.status().running for site in sites.values()), "two running nodes")
    until(lambda: all(site.status().peers for site in sites.values()), "connections")
    register(north, "of-the-new-chain")
    until(consortium.agree, "one state on both")
    with states.open_state(east.folder.ledger) as found:
        assert [member.organisation for member in membership.active_members(found.state)] == list(LEFT)
        assert found.state.height >= ended + 2

    exported = tmp_path / "ledger.zip"
    hmchain("node", "export-ledger", str(exported), "--dir", folder(east))
    for anchor in (former.digest.hex(), made["genesis"]):
        audited = answer("audit", "verify", str(exported), "--genesis", anchor)
        assert audited["holds"] and former.chain_id in audited["checked"][0]
    assert answer("node", "audit", "--dir", folder(east), "--genesis", made["genesis"])["anchored"]
    assert before["count"] in hmchain("audit", "trace", str(exported), "--dataset", "south/patients")
    assert answer("cohort", "result", before["count"], "--dir", folder(east))["people"] == before["people"]

    east.stop()
    backup = str(tmp_path / "backup.tar")
    kept = answer("node", "snapshot", backup, "--dir", folder(east))
    assert answer("node", "restore", backup, "--dir", folder(east))["height"] == kept["height"]
    audited = answer("audit", "verify", folder(east), "--genesis", former.digest.hex())
    assert not [each for each in audited["files"]["not_checked"] if "no file of hmchain" in each["what"]]
    east.start()
    until(lambda: east.status().running and consortium.agree(), "one state on both again")

    centre = admitted(consortium, "centre", east.folder.network, exported, tmp_path / "newcomer")
    prepare(centre, 30, tmp_path / "centre")
    with acting(*sites.values()):
        after = count(*sites, at=east)
    assert after["hospitals"] == ["centre", "east", "north"]
    offers = answer("cohort", "datasets", "--dir", folder(east))
    left = {each["organisation"]: each["epsilon_left"] for each in offers if each["organisation"] in sites}
    assert left == dict.fromkeys(sites, 1.5), "what two of them paid for on the chain before is not paid again"
