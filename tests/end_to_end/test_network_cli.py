"""Four hospitals, four nodes, four folders: the guide `docs/how-to/consortium.md` with real CometBFT processes.

The tests stand in the order in which an operator meets things; each leaves all four nodes running.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hmchain.application.learning.schedule import default_plan
from hmchain.application.learning.study import study_spec
from hmchain.application.learning.trainers.architecture import Architecture
from hmchain.application.node import opening, sent
from hmchain.application.node.opening import open_hospital
from hmchain.application.node.sent import Outcome
from hmchain.application.site.node import NodeFolder
from hmchain.ledger.contracts.data.datasets import PublishVersion
from hmchain.ledger.contracts.learning.studies import DatasetUse
from hmchain.ledger.engines.cometbft import light
from hmchain.ledger.engines.cometbft.events import BlockEvents
from hmchain.ledger.engines.cometbft.ledger import CometLedger
from hmchain.ledger.engines.cometbft.rpc import RpcClient
from support.ledger_state_damage import retitle
from support.printed_commands import printed
from support.sites import (
    NAMES,
    SCHEMA,
    WAIT_SECONDS,
    Consortium,
    Site,
    answer,
    free_ports,
    hmchain,
    images,
    processes_of,
    register,
    until,
)
from support.sites import consortium as consortium
from support.whole_words import broken

pytestmark = pytest.mark.network


def test_a_transaction_reaches_every_node(consortium: Consortium) -> None:
    register(consortium.sites["north"], "first")
    until(consortium.agree, "one state on four nodes")
    status = answer("node", "status", "--dir", str(consortium.sites["west"].folder.path))
    assert bytes.fromhex(status["genesis"]) == consortium.genesis
    assert status["power"] > 0 and status["missing"] == []


def test_network_status_shows_power_reputation_and_proposers(consortium: Consortium) -> None:
    found = answer("network", "status", "--dir", str(consortium.sites["east"].folder.path))
    validators = found["validators"]
    assert [each["organisation"] for each in validators] == list(NAMES)
    assert {each["share_permyriad"] for each in validators} == {2500}
    assert {each["consensus"] for each in validators} == {5000}
    assert sum(each["proposed"] for each in validators) == found["blocks"] > 0
    assert found["tolerated"] == 1
    assert "Network four" in hmchain("network", "status", "--dir", str(consortium.sites["east"].folder.path))


def test_a_transaction_is_proven_to_someone_who_holds_the_genesis(consortium: Consortium) -> None:
    digest = register(consortium.sites["south"], "proven")
    with RpcClient([consortium.sites["east"].folder.settings().rpc_url]) as client:
        until(lambda: client.find(digest), "the transaction at another node")
        until(lambda: client.status().sync_info.latest_block_height > client.find(digest).height, "its commit")
        proof = client.prove(digest)
    light.verify(proof, consortium.sites["west"].folder.joined().genesis)


def test_the_audit_holds_a_ledger_against_what_the_members_signed(consortium: Consortium) -> None:
    directory = str(consortium.sites["west"].folder.path)
    found = answer("node", "audit", "--dir", directory, "--genesis", consortium.genesis.hex())
    assert found["anchored"] and found["blocks"] > 0 and len(found["signers"]) >= 3
    assert "agreed on" in hmchain("node", "audit", "--dir", directory, "--genesis", "00" * 32, status=7)


def test_anyone_audits_the_network_from_a_file_of_one_member(consortium: Consortium, tmp_path: Path) -> None:
    """South's node runs, then it is stopped: CometBFT's own store has the headers too."""
    site, found = consortium.sites["south"], []
    for name in ("running.zip", "stopped.zip"):
        export = ("node", "export-ledger", str(tmp_path / name), "--dir", str(site.folder.path))
        found.append(answer(*export))
        assert found[-1]["left_out"] == 0
        audited = answer("audit", "verify", str(tmp_path / name), "--genesis", consortium.genesis.hex())
        assert (audited["height"], audited["head"]) == (found[-1]["height"] + 1, found[-1]["head"])
        if name == "running.zip":
            register(consortium.sites["north"], "exported-later")
            until(consortium.agree, "one state again")
            later = answer("audit", "verify", str(site.folder.path), status=6)  # with the headers that the export kept
            assert later["holds"] is None and later["head"] == found[-1]["head"] and "no header" in later["missing"][0]
            site.stop()
    assert [each["headers"] for each in found] == ["the running node", "the stopped node's own store"]
    site.start()
    until(consortium.agree, "one state again")


def test_a_follower_sees_every_block_although_its_first_node_is_dead(consortium: Consortium) -> None:
    url = consortium.sites["west"].folder.settings().rpc_url
    with RpcClient(["http://127.0.0.1:9", url], timeout_seconds=2) as client:
        last = client.status().sync_info.latest_block_height
        heights = [results.height for results in islice(BlockEvents(client, 1), last)]
    assert heights == list(range(1, last + 1))


def test_three_go_on_without_the_fourth_and_it_catches_up_after_a_kill(consortium: Consortium) -> None:
    dead = consortium.sites["south"]
    dead.kill()
    hmchain("node", "status", "--dir", str(dead.folder.path), status=6)
    for number in range(3):
        register(consortium.sites["north"], f"without-{number}")
    dead.start()
    until(consortium.agree, "one state again")


def test_a_network_that_stands_still_says_so_and_what_was_sent_meanwhile_is_undecided_not_refused(
    consortium: Consortium, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two of four machines lose power: whose is missing, since when, and what became of what was sent meanwhile."""
    west, dead = str(consortium.sites["west"].folder.path), [consortium.sites[name] for name in ("east", "south")]
    asked = proposed(consortium, tmp_path / "asked.toml")
    monkeypatch.setattr(opening, "CometLedger", partial(CometLedger, patience_seconds=1.0))
    assert answer("node", "status", "--dir", west)["health"]["verdict"] == "healthy"
    dead[0].kill()
    until(lambda: str(consortium.sites["west"].status().health).startswith("DEGRADED"), "the missing node")
    assert "DEGRADED: east not connected" in hmchain("network", "status", "--dir", west)
    dead[1].kill()
    until(lambda: consortium.sites["west"].status().peers == ("north",), "the second one")
    until(lambda: str(consortium.sites["west"].status().health).startswith("STANDS STILL"), "its last block is old")
    found = answer("node", "status", "--dir", west, status=6)["health"]
    assert (found["verdict"], found["missing"]) == ("stands_still", ["east", "south"])
    assert found["connected_power"] < found["needed_power"] and found["since_ms"] > 0
    shown = hmchain("network", "status", "--dir", west, status=6)
    assert "STANDS STILL since" in shown and "50 % of the power is connected" in shown
    told = hmchain("node", "maintenance", "--minutes", "5", "--dir", west, status=9)
    assert "sent, and not in a block yet" in told and "STANDS STILL since" in told
    assert f"node status --dir {west}` before you give another command" in told
    assert "contrary_undecided" in hmchain("node", "unjail", "--dir", west, status=2)
    commands = (("study", "propose", str(asked)), ("network", "set", "round_trip_ms=60", "--yes"))
    for command in commands:
        assert "sent, and not in a block yet" in hmchain(*command, "--dir", west, status=9)
    assert [each["outcome"] for each in answer("node", "status", "--dir", west, status=6)["sent"]] == ["undecided"] * 3
    for site in dead:
        site.start()
    until(lambda: {each.outcome for each in sent.look(consortium.sites["west"].folder)} == {Outcome.DONE}, "all three")
    for command in (*commands, ("node", "maintenance", "--minutes", "5", "--yes")):
        told = hmchain(*command, "--dir", west)  # says what became of it, and sends nothing
        assert re.search(r"was sent before, and is there since block \d+: nothing is sent", told), told
    assert not sent.look(consortium.sites["west"].folder)
    hmchain("node", "unjail", "--dir", west)
    hmchain("network", "withdraw", answer("network", "ballots", "--dir", west)[0]["id"], "--yes", "--dir", west)
    assert "asked is closed" in hmchain("study", "close", "asked", "--yes", "--dir", west)
    until(consortium.agree, "one state again")
    until(lambda: str(consortium.sites["west"].status().health).startswith("HEALTHY"), "all four")


def proposed(consortium: Consortium, file: Path) -> Path:
    """A study of datasets that all four have published, in a file."""
    for site in consortium.sites.values():
        register(site, "asked")
        with open_hospital(site.folder) as member:
            member.require(member.hospital.as_steward(PublishVersion("asked", 1, bytes(32), 512)))
    uses = "".join(f'{name} = "asked"\n' for name in NAMES)
    file.write_text(f'name = "asked"\nrounds = 2\nsteps = 2\n[datasets]\n{uses}')
    return file


def test_a_crashed_cometbft_is_started_again(consortium: Consortium) -> None:
    site = consortium.sites["north"]
    (engine,) = processes_of(site.folder.path / "engine", "cometbft")
    os.kill(engine, signal.SIGKILL)
    until(lambda: not site.status().running, "a node without CometBFT")
    until(lambda: site.status().running, "CometBFT")
    register(site, "after-the-crash")
    assert site.process is not None and site.process.poll() is None


def test_a_node_stops_cleanly_and_comes_back_from_a_backup_under_its_agent(
    consortium: Consortium, tmp_path: Path
) -> None:
    site, directory = consortium.sites["east"], str(consortium.sites["east"].folder.path)
    backup, log = str(tmp_path / "ledger.tar"), site.folder.agent_log
    command = [sys.executable, "-m", "hmchain", "node", "agent", "--dir", directory]
    agent = subprocess.Popen(command, stderr=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "1"})
    until(lambda: log.exists() and "the agent of east acts in" in log.read_text(), "the agent")
    hmchain("node", "snapshot", backup, "--dir", directory, status=2)  # it runs
    assert site.stop() == 0
    kept = answer("node", "snapshot", backup, "--dir", directory)
    register(consortium.sites["north"], "after-the-backup")
    for path in site.folder.ledger.glob("*.db*"):
        path.unlink()
    assert answer("node", "restore", backup, "--dir", directory)["commitment"] == kept["commitment"]
    until(lambda: "the node does not run" in log.read_text(), "the agent's word that its node is away")
    site.start()
    until(consortium.agree, "one state again")
    until(lambda: "the node is back after" in log.read_text(), "the agent's word that its node is back")
    held = [link.readlink() for link in Path(f"/proc/{agent.pid}/fd").glob("*") if link.is_symlink()]
    assert not [path for path in held if "ledger" in path.parts and path.name.endswith("(deleted)")]
    agent.send_signal(signal.SIGTERM)
    assert agent.wait(timeout=120) == 0


def test_a_fifth_hospital_is_admitted_by_vote_and_votes(consortium: Consortium, tmp_path: Path) -> None:
    p2p, rpc = free_ports(2)
    directory, founders = tmp_path / "centre", [str(site.folder.path) for site in consortium.sites.values()]
    listen = ["--address", f"127.0.0.1:{p2p}", "--listen", f"127.0.0.1:{p2p}", "--rpc", f"127.0.0.1:{rpc}"]
    hmchain("node", "init", "centre", "--title", "Centre", *listen, "--dir", str(directory))
    network = str(consortium.sites["east"].folder.network)
    assert not answer("network", "join", network, "--dir", str(directory))["founder"]
    newcomer = Site(NodeFolder(directory))
    newcomer.start()
    try:
        asked, proof = str(tmp_path / "challenge.json"), str(tmp_path / "answer.json")
        hmchain(
            "network", "challenge", str(directory / "member.json"), "--output", asked, "--dir", founders[0]
        )  # fmt: skip
        hmchain("network", "answer", asked, "--output", proof, "--dir", str(directory))
        ballot = answer("network", "admit", proof, "--yes", "--dir", founders[0])
        assert (ballot["action"], ballot["needed"], ballot["passed"]) == ("admit centre", 3, False)
        again = hmchain("network", "admit", proof, "--dir", founders[0], status=2)
        assert "asked just this already" in again and f"hmchain network vote {ballot['id'][:12]}" in again
        assert "no member 'nobody'" in hmchain("network", "remove", "nobody", "--dir", founders[0], status=2)
        for founder in founders[1:3]:
            until(lambda at=founder: answer("network", "ballots", "--dir", at), "the ballot at another node")
            ballot = answer("network", "vote", ballot["id"][:8], "--yes", "--dir", founder)
        assert ballot["passed"]
        until(lambda: newcomer.status().running and newcomer.status().power > 0, "the newcomer's power")
        register(newcomer, "newcomers")
        # The others go on without it; its power is less than a third.
        hmchain("network", "remove", "centre", "--yes", "--dir", founders[0])
    finally:
        newcomer.kill()
    for founder in founders[1:4]:
        until(lambda at=founder: not answer("network", "ballots", "--dir", at)[0]["passed"], "the removal's ballot")
        removal = answer(
            "network", "vote", answer("network", "ballots", "--dir", founder)[0]["id"], "--yes", "--dir", founder
        )
    assert removal["passed"]

    def votes() -> list[str]:
        """Who has a vote; one that was removed is shown for another block or two, without."""
        found = answer("network", "status", "--dir", founders[0])["validators"]
        return [each["organisation"] for each in found if each["power"] and not each["tombstoned"]]

    until(lambda: votes() == list(NAMES), "the removal at another node")


def test_one_study_from_four_agents(consortium: Consortium, tmp_path: Path) -> None:
    """Section 7 of the guide: records stay in each folder, stewards approve, agents do the rest."""
    uses = tuple(DatasetUse(name, "scans", 1) for name in NAMES)
    architecture = Architecture.for_images(16, 16, 1, classes=2)
    plan, salt = default_plan(rounds=1, steps=2), consortium.sites["west"].folder.joined().genesis.salt
    spec = study_spec("brightness", SCHEMA, uses, architecture, plan, salt)
    for order, site in enumerate(consortium.sites.values()):
        with open_hospital(site.folder) as member:
            hospital = member.hospital
            hospital.store_images("scans", {"train": images(24, order), "validation": images(8, order)})
            member.require(hospital.register("scans", SCHEMA))
            member.require(hospital.publish("scans", 1))
    first = consortium.sites[NAMES[0]]
    with open_hospital(first.folder) as member:
        tomorrow_ms = member.ledger.now_ms() + 86_400_000
        member.require(*member.hospital.ask(spec, tomorrow_ms))
    for site in consortium.sites.values():
        with open_hospital(site.folder) as member:
            member.require(*member.hospital.allow("brightness", tomorrow_ms))
    with open_hospital(first.folder) as member:
        member.require(member.hospital.propose(spec))
    # One agent as a service, the others in this process: four times PyTorch is much for a small machine.
    west, *others = (consortium.sites[name] for name in reversed(NAMES))
    with agent(west, tmp_path / "agent.json") as process, ThreadPoolExecutor(len(others)) as pool:
        try:
            list(pool.map(take_part, others))
            left = west.folder.path / "studies" / "brightness"
            until(lambda: (left / "model.safetensors").exists(), "the model in west's folder")
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=120) == 0
    assert json.loads((tmp_path / "agent.json").read_text())["organisation"] == "west"
    status = answer("study", "status", str(west.folder.path), "--study", "brightness")
    assert (status["status"], status["accepted"], status["health"]["verdict"]) == ("finished", 1, "healthy")
    page = answer("report", "--study", "brightness", "--dir", str(west.folder.path))
    assert (page["report"], page["study"]) == (str(left / "report.html"), "brightness")
    told = page["summary"]
    assert [each["hospital"] for each in told["departures"]] == ["west"]
    logged = answer("data", "log", "--left", "--dir", str(west.folder.path))["totals"]["updates"]
    assert told["departures"][0]["update_bytes"] == logged["brightness"] > 0
    assert told["own"]["hospital"] == "west" and told["own"]["rounds"][0]["auc"] is not None
    assert "west" in (left / "report.html").read_text("utf-8")
    stood = answer("study", "status", "--study", "brightness", "--dir", str(west.folder.path))
    for step in stood["steps"]:
        hmchain(*shlex.split(step["command"])[1:])  # as it is printed
    _, _, lines = hmchain("model", "show", "--dir", str(west.folder.path)).partition("From Python\n")
    picture = tmp_path / "picture.png"
    Image.fromarray(np.full((16, 16), 200, np.uint8)).save(picture)
    code, names = lines.partition("\n\n")[0].replace("IMAGE", str(picture)), dict[str, Any]()
    exec(code.replace("predict(model", "said = predict(model"), names)  # as it is printed
    assert set(names["said"]) == {"dark", "bright"}
    shown = answer("model", "show", "--dir", str(west.folder.path))
    assert (shown["path"], shown["ledger"]) == (str(left / "model.safetensors"), "matches")
    measured = json.loads((left / "scores.json").read_bytes())
    assert [(each["round"], each["outcome"]) for each in measured["rounds"]] == [(1, "accepted")]
    assert measured["images"] == 8 and 0 <= measured["rounds"][0]["auc"] <= 1
    exported = []
    for name in NAMES[:2]:
        place = consortium.sites[name].folder.path
        outside = str(tmp_path / f"{name}.safetensors")
        refused = answer("model", "export", "brightness", "--dir", str(place), "--output", outside, status=8)
        assert refused["error"]["code"] == "inside" and not Path(outside).exists()
        shown = answer(
            "model", "export", "brightness", "--dir", str(place), "--output", str(place / "again.safetensors")
        )
        assert (shown["ledger"], shown["origin"]["study"], shown["releases"]) == ("matches", "brightness", [])
        exported.append((place / "again.safetensors").read_bytes())
    assert exported[0] == exported[1]
    the_model_leaves(consortium, tmp_path / "released.safetensors")
    a_table_leaves(consortium, tmp_path)
    # What left my hospital? Each node answers for itself.
    logged = answer("data", "log", "--left", "--dir", str(west.folder.path))
    sent = [(each["study"], each["round"]) for each in logged["entries"] if each["what"] == "update"]
    assert sent == [("brightness", 0), ("brightness", 1)] and list(logged["totals"]["updates"]) == ["brightness"]
    said = hmchain("data", "log", "--what", "model-export", "--dir", str(consortium.sites[NAMES[0]].folder.path))
    assert "model-export" in said and "of masked updates in 1 study (brightness" in said


def the_model_leaves(consortium: Consortium, out: Path) -> None:
    """All hospitals measure what the model tells, and let it leave; the file proves it, and no other file does."""
    at = {name: ("--dir", str(consortium.sites[name].folder.path)) for name in NAMES}
    asked = answer("release", "ask", "brightness", "--region", "DE", "--yes", *at["north"])
    for word in asked["words"]:
        name = word["organisation"]
        found = answer("release", "evidence", "brightness", *at[name])
        assert found["differences"] == [] and found["evidence"]["organisation"] == name
        assert (
            answer("release", "grant", "brightness", "--yes", *at[name], status=8)["error"]["code"] == "weigh_evidence"
        )
        answer("release", "grant", "brightness", "--yes", "--weighed", *at[name])
    until(lambda: answer("release", "show", "brightness", *at["west"])["status"] == "released", "it at west's node")
    written = answer("release", "file", "brightness", "--to", str(out), *at["west"])
    genesis = written["proven"]["genesis"]
    assert answer("release", "check", str(out), "--genesis", genesis)["model"]["ledger"] == "matches"
    inside = str(consortium.sites["west"].folder.path / "studies" / "brightness" / "model.safetensors")
    assert answer("release", "check", inside, "--genesis", genesis, status=2)["error"]["code"] == "released_file"
    assert answer("model", "show", "--model", str(out), *at["west"])["releases"] == ["brightness"]


def a_table_leaves(consortium: Consortium, place: Path) -> None:
    """A table of one hospital's people: a finding passes by name, and the file proves itself."""
    at, given, out = ("--dir", str(consortium.sites["west"].folder.path)), place / "given.csv", place / "table.csv"
    given.write_text("sex,persons\nfemale,40\nmale,9\n")
    asked = answer("release", "table", "scans", str(given), "--name", "t", "--yes", *at)
    assert [each["organisation"] for each in asked["words"]] == ["west"]
    assert answer("release", "grant", "t", "--yes", *at, status=8)["error"]["code"] == "weigh_evidence"
    passing = ("--let-pass", "sex=male:threshold", "--because", "public", "--by", "Dr West")
    found = answer("release", "evidence", "t", *passing, *at)
    assert found["evidence"]["disclosure"]["found"] == "nothing seen"
    assert "let pass" in hmchain("release", "evidence", "t", *at)
    assert answer("release", "grant", "t", "--yes", *at)["status"] == "released"
    genesis = answer("release", "file", "t", "--to", str(out), *at)["proven"]["genesis"]
    assert answer("release", "check", str(out), "--genesis", genesis)["table"]["rows"][1]["persons"] == 9
    out.write_text(out.read_text().replace("male,9", "male,8"))
    assert answer("release", "check", str(out), "--genesis", genesis, status=7)["error"]["code"] == "release_proof"


def test_an_agent_whose_nodes_state_is_changed_stops_and_names_the_way_out(
    consortium: Consortium, tmp_path: Path
) -> None:
    west = consortium.sites["west"]
    said = tmp_path / "agent.log"
    with agent(west, tmp_path / "agent.json", said) as process:
        try:
            until(lambda: "the agent of west acts" in said.read_text(), "the agent")
            retitle(west.folder.ledger / "state.db", consistent=True)
            register(consortium.sites["north"], "of-the-next-block")
            assert process.wait(timeout=WAIT_SECONDS) == 6
        finally:
            process.kill()
    ended = (tmp_path / "agent.json").read_text() + said.read_text()
    assert "state.db cannot be believed: it is not what the blocks up to" in ended
    assert f"node start --dir {west.folder.path}`" in ended
    assert west.stop() == 0
    west.start()
    until(lambda: west.status().running, "the node")
    until(consortium.agree, "one state on four nodes")
    until(lambda: str(west.status().health).startswith("HEALTHY"), "the network that goes on")
    assert "and was made anew" in answer("node", "status", "--dir", str(west.folder.path))["repairs"][0]


def take_part(site: Site) -> None:
    with open_hospital(site.folder) as member:
        member.run("brightness")


def agent(site: Site, out: Path, said: Path | None = None) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "hmchain", "node", "agent", "--json", "--dir", str(site.folder.path)]
    with out.open("wb") as file, (said or Path(os.devnull)).open("wb") as log:
        return subprocess.Popen(
            command, stdout=file, stderr=log if said else None, env={**os.environ, "OMP_NUM_THREADS": "1"}
        )


READING = (
    ("node", "status"), ("network", "status"), ("network", "ballots"), ("network", "parameters"),
    ("network", "upgrade", "show"), ("study", "list"), ("study", "status"), ("study", "show", "brightness"),
    ("data", "list"), ("model", "list"), ("ledger", "blocks", "--limit", "5"),
    ("audit", "trace", "--study", "brightness"), ("node", "audit"),
)  # fmt: skip


def test_whoever_reads_at_a_node_copies_whole_ids_and_types_what_is_printed(
    consortium: Consortium, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At 80 and 60 columns; what is printed is given again as it stands there."""
    at = ("--dir", str(consortium.sites["north"].folder.path))
    said = []
    for command in READING:
        warned, start, rest = hmchain(*command, *at, "--json").partition("{")
        found = json.loads(start + rest if "[" not in warned else f"{warned}{start}{rest}")
        for columns in ("80", "60"):
            monkeypatch.setenv("COLUMNS", columns)
            said.append(hmchain(*command, *at))
            assert not broken(found, said[-1]), command
    offered = {tuple(shlex.split(each)) for each in printed("\n".join(said)) if not re.search(r"\b[A-Z]{3,}\b", each)}
    reading = {words for words in offered if words[:2] in {each[:2] for each in READING} or words[0] == "report"}
    assert reading
    for words in sorted(reading):
        hmchain(*words)
