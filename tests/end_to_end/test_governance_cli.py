"""What a hospital's people do at the command line of a running network: decide on studies, rotate keys, come back.

Four nodes on loopback as in `test_network_cli`, shared by all tests here.
"""

from __future__ import annotations

import io
import json
import os
import runpy
import shlex
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hmchain.application.consent.usable import Use, UseKind
from hmchain.application.governance import key_rotation, trainers
from hmchain.application.governance.delegate import LedgerUser, open_steward
from hmchain.application.learning.pinned import read_training
from hmchain.application.node.opening import open_hospital
from hmchain.application.site.keyring import ROTATED_ROLES, Keyring, key_file, next_key_file
from hmchain.application.site.node import exchanged_objects
from hmchain.keys import SigningKey, load_key
from hmchain.ledger import proposer
from hmchain.ledger.contracts.data import datasets
from hmchain.ledger.contracts.data.datasets import RegisterDataset
from hmchain.ledger.contracts.members import membership, standings
from hmchain.ledger.engines.cometbft.rpc import RpcClient
from hmchain.ledger.engines.ledger import RefusedTransactionError
from hmchain.ledger.reputation import Standing
from hmchain.ledger.state import State
from support.own_trainers import block
from support.sites import NAMES, SCHEMA, Consortium, Site, answer, hmchain, images, register, until
from support.sites import consortium as consortium

__all__ = ["consortium"]

pytestmark = [pytest.mark.network, pytest.mark.timeout(180)]


def folder(consortium: Consortium, name: str) -> str:
    return str(consortium.sites[name].folder.path)


# -- proofs ------------------------------------------------------------------------------------------------------------


def test_a_proof_from_a_running_node_holds_offline(consortium: Consortium, tmp_path: Path) -> None:
    digest = register(consortium.sites["north"], "proven").hex()
    east, file = folder(consortium, "east"), tmp_path / "proof.json"
    until(consortium.agree, "one state on four nodes")
    made = answer("ledger", "proof", digest[:16], "--dir", east, "--out", str(file))
    assert made["transaction"] == digest and made["genesis"] == consortium.genesis.hex()
    checked = answer("audit", "proof", str(file), "--genesis", consortium.genesis.hex())
    assert (checked["transaction"], checked["outcome"], checked["kind"]) == (digest, "ok", "register_dataset")
    assert "The proof holds" in hmchain("audit", "proof", str(file), "--genesis", consortium.genesis.hex())
    hmchain("audit", "proof", str(file), "--genesis", "00" * 32, status=7)
    content = json.loads(file.read_text())
    content["proof"]["following"]["commit"]["signatures"] = []
    file.write_text(json.dumps(content))
    assert "only 0 of 4 founders" in hmchain(
        "audit", "proof", str(file), "--genesis", consortium.genesis.hex(), status=7
    )


# -- datasets ----------------------------------------------------------------------------------------------------------


def test_an_erasure_is_recorded_on_every_node(consortium: Consortium, tmp_path: Path) -> None:
    for number in range(3):
        path = tmp_path / "pictures" / "well" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8), 40 * number, np.uint8)).save(path)
    north = ("--dir", folder(consortium, "north"))
    answer("data", "extract", str(tmp_path / "pictures"), "--into", "erased", *north)
    assert answer("data", "register", "erased", "--yes", *north)["published"]
    record = answer("data", "show", "erased", *north)["entries"][0]["record"]
    assert answer("data", "erase", "erased", "--record", record, "--yes", *north)["withdrawn"] == [["erased", 1]]
    until(consortium.agree, "one state on four nodes")
    assert "erased on" in hmchain("data", "verify", "erased", *north, status=2)
    with open_steward(consortium.sites["east"].folder) as east:
        found = datasets.version(east.state, "north", "erased", 1)
        assert found is not None and found.withdrawn > found.height


# -- studies -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def published(consortium: Consortium) -> Consortium:
    """Every hospital has published a dataset of one schema."""
    for order, site in enumerate(consortium.sites.values()):
        with open_hospital(site.folder) as member:
            hospital = member.hospital
            hospital.store_images("scans", {"train": images(24, order), "validation": images(8, order)})
            member.require(hospital.register("scans", SCHEMA))
            member.require(hospital.publish("scans", 1))
    return consortium


WORDS = (
    '[description]\ntitle = "Dark or bright?"\ntext = "A rehearsal."\ncontact = "Dr North"\nethics_number = "17/26"\n'
)


def propose(consortium: Consortium, tmp_path: Path, name: str) -> None:
    file = tmp_path / f"{name}.toml"
    uses = "\n".join(f'{hospital} = "scans"' for hospital in NAMES)
    file.write_text(f'name = "{name}"\nrounds = 1\nsteps = 2\n[datasets]\n{uses}\n{WORDS}')
    made = answer("study", "propose", str(file), "--node", folder(consortium, "north"))
    assert (made["status"], made["proposer"], made["participants"]) == ("requested", "north", list(NAMES))
    for hospital in NAMES:
        node = folder(consortium, hospital)
        until(lambda at=node: name in hmchain("study", "list", "--node", at), "the proposal at every node")


def lose_description(consortium: Consortium, study: str, node: str) -> None:
    """The shared store loses what a study says of itself."""
    pinned = read_training(bytes.fromhex(answer("study", "show", study, "--node", node)["specification"]["training"]))
    assert pinned.words is not None
    exchanged_objects(consortium.sites["north"].folder).delete(pinned.words.object)


def test_stewards_decide_on_studies_at_their_nodes(
    published: Consortium, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    propose(published, tmp_path, "brightness")
    south, west = folder(published, "south"), folder(published, "west")
    asked = [each for each in answer("study", "list", "--node", south) if each["study"] == "brightness"]
    assert (asked[0]["dataset"], asked[0]["version"], asked[0]["decision"]) == ("scans", 1, "undecided")
    assert "not_confirmed" in hmchain("study", "approve", "brightness", "--node", south, status=2)
    monkeypatch.setattr("hmchain.interfaces.cli.asking.at_terminal", lambda: True)
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    shown = hmchain("study", "approve", "brightness", "--days", "30", "--node", south)
    assert "Allow this until" in shown
    for words in ("Dark or bright?", "17/26", "DUO:0000006, health or medical", "scans version 1", "study revoke"):
        assert words in shown
    lose_description(published, "brightness", south)
    assert "Dark or bright?" in hmchain("study", "list", "--node", south)  # from its own copy
    assert "description_unread" in hmchain("study", "approve", "brightness", "--yes", "--node", west, status=2)
    assert "THE DESCRIPTION CANNOT BE SHOWN" in hmchain("study", "show", "brightness", "--node", west)
    assert answer("study", "approve", "brightness", "--yes", "--unread", "--node", west)["decision"] == "approved"
    assert answer("study", "revoke", "brightness", "--yes", "--node", south)["decision"] == "revoked"
    assert "not_approved" in hmchain("study", "revoke", "brightness", "--yes", "--node", south, status=8)
    north = folder(published, "north")
    assert "no_such_study" in hmchain("study", "resume", "brightness", "--node", north, status=8)
    hmchain("study", "refuse", "brightness", "--reason", "I do not like it", "--node", north, status=2)
    refused = answer("study", "refuse", "brightness", "--reason", "ethics", "--yes", "--node", north)
    assert (refused["decision"], refused["reason"], refused["status"]) == ("refused", "ethics", "requested")
    assert "already_decided" in hmchain("study", "approve", "brightness", "--yes", "--node", south, status=8)
    assert "study_not_allowed" in hmchain("study", "propose", "brightness", "--node", north, status=8)
    hmchain("study", "approve", "unknown", "--node", south, status=2)


def test_studies_are_shown_and_ended_at_the_nodes(published: Consortium, tmp_path: Path) -> None:
    north, south, west = (folder(published, name) for name in ("north", "south", "west"))
    propose(published, tmp_path, "colour")
    shown = hmchain("study", "show", "colour", "--node", south)
    for words in ("the server's learning rate is", "of at least 3 of the 4 hospitals", "scans version 1"):
        assert words in shown
    for name in NAMES:
        hmchain("study", "approve", "colour", "--yes", "--node", folder(published, name))
    until(lambda: "proposed to" in hmchain("study", "propose", str(tmp_path / "colour.toml"), "--node", north), "it")
    until(
        lambda: all(
            each["status"] == "proposed"
            for node in (south, west)
            for each in answer("study", "list", "--node", node)
            if each["study"] == "colour"
        ),
        "the study at every node",
    )
    assert "not_the_proposer" in hmchain("study", "close", "colour", "--yes", "--node", south, status=8)
    assert not answer("study", "close", "colour", "--vote", "--yes", "--node", south)["is_over"]
    assert "already_voted" in hmchain("study", "close", "colour", "--vote", "--yes", "--node", south, status=8)
    ended = answer("study", "close", "colour", "--vote", "--yes", "--node", west)
    assert (ended["status"], ended["is_over"]) == ("closed", True)
    assert "study_closed" in hmchain("study", "close", "colour", "--yes", "--node", north, status=8)
    assert "closed_by_stewards" in hmchain("study", "status", north, "--study", "colour")
    propose(published, tmp_path, "shade")
    assert "shade is closed" in hmchain("study", "close", "shade", "--yes", "--node", north)
    hmchain("study", "close", "unknown", "--yes", "--node", north, status=2)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('name = "x"', "datasets"),
        ('name = "x"\nfree_text = "y"\n[datasets]\nnorth = "scans"', "free_text"),
        ('name = "x"\n[datasets]\nnorth = "none"', "no dataset none"),
    ],
)
def test_a_proposal_that_cannot_be_is_explained(published: Consortium, tmp_path: Path, text: str, what: str) -> None:
    file = tmp_path / "study.toml"
    file.write_text(text)
    assert what in hmchain("study", "propose", str(file), "--node", folder(published, "north"), status=2)


# -- a trainer of somebody's own: docs/how-to/own-trainer.md, followed as it stands ------------------------------------

GUIDE_FILES = ("logistic.py", "patients.py", "schema.toml", "rows.toml", "study.toml", "use.py")


def follow(title: str) -> str:
    """Type the commands of a block; returns what they printed."""
    said = []
    for line in block(title).splitlines():
        program, *words = shlex.split(line, comments=True)
        if program == "python":
            runpy.run_path(words[0])
        else:
            assert program == "hmchain"
            said.append(hmchain(*words))
    return "".join(said)


def at(monkeypatch: pytest.MonkeyPatch, site: Site, place: Path) -> None:
    """Sit down at a hospital's machine."""
    monkeypatch.setenv("HMCHAIN_NODE", str(site.folder.path))
    monkeypatch.chdir(place)


def test_a_data_scientist_trains_a_model_of_her_own_with_four_hospitals(
    consortium: Consortium, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = {name: tmp_path / name for name in consortium.sites}
    for name, site in consortium.sites.items():
        places[name].mkdir()
        for file in GUIDE_FILES:
            (places[name] / file).write_text(block(file), "utf-8")
        at(monkeypatch, site, places[name])
        said = follow("each hospital")
        assert "of 5 numbers" in said and "nothing confines it" in said
    north = consortium.sites["north"]
    at(monkeypatch, north, places["north"])
    assert "relapse is before the stewards" in follow("one hospital")
    for name, site in consortium.sites.items():
        at(monkeypatch, site, places[name])
        until(lambda: "relapse" in hmchain("study", "list"), "the proposal at every node")
        said = follow("each steward")
        assert "NOT OURS" in said.replace("\n", " ") and "may be used for relapse" in said
    at(monkeypatch, north, places["north"])
    until(lambda: "is proposed to" in follow("that hospital again").replace("\n", " "), "all decisions at north's node")
    with ThreadPoolExecutor(3) as pool, running_agent(consortium.sites["west"]) as process:
        try:
            left = consortium.sites["west"].folder.path / "studies" / "relapse"
            list(pool.map(train_relapse, (consortium.sites[name] for name in ("east", "north", "south"))))
            until(lambda: (left / "scores.json").exists(), "what the agent leaves in west's folder")
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=120) == 0
    at(monkeypatch, north, places["north"])
    scores = [each["auc"] for each in json.loads((left / "scores.json").read_bytes())["rounds"]]
    assert len(scores) == 6 and scores[-1] > 0.7, f"{scores}; {hmchain('study', 'status', '--study', 'relapse')}"
    said = follow("any hospital")
    assert "finished" in said and "of the trainer Logistic: slopes 5 x 2, offsets 2" in said
    shown = answer("model", "show", "--study", "relapse")
    assert (shown["ledger"], shown["weights"]) == ("matches", 12)
    assert "no CNN of images" in hmchain("model", "predict", "logistic.py", "--study", "relapse", status=2)
    assert ".html" in hmchain("report", "--dir", str(consortium.sites["west"].folder.path), "--study", "relapse")
    found = runpy.run_path("use.py")
    shares = found["logistic"](found["schema"], {}).predict(found["model"].arrays(), found["rows"])
    assert np.argmax(shares, 1).tolist() == [1, 0], "it tells high risk from low"


def train_relapse(site: Site) -> None:
    with open_hospital(site.folder, learn=trainers.learning(site.folder)) as member:
        member.run("relapse")


def running_agent(site: Site) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "hmchain", "node", "agent", "--dir", str(site.folder.path)]
    return subprocess.Popen(command, stderr=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "1"})


# -- keys --------------------------------------------------------------------------------------------------------------


def send(site: Site, key: SigningKey, dataset: str) -> None:
    """A steward's transaction, signed by whatever key. Raises `RefusedTransactionError`."""
    with open_steward(site.folder) as steward:
        LedgerUser(steward.organisation, key, steward.ledger).send(RegisterDataset(dataset, SCHEMA))


def test_every_key_is_rotated_and_the_old_one_refused(published: Consortium) -> None:
    site, south = published.sites["south"], folder(published, "south")
    old = Keyring.load(site.folder.keys)
    status = next(v for v in answer("network", "status", "--dir", south)["validators"] if v["organisation"] == "south")
    hmchain("node", "rotate-key", "owner", "--dir", south, status=2)
    for role in sorted(ROTATED_ROLES, key=lambda role: role == "validator"):  # last: CometBFT starts again for it
        done = answer("node", "rotate-key", role, "--yes", "--dir", south)
        assert (done["role"], done["resumed"]) == (role, False)
        assert not next_key_file(site.folder.keys, role).exists()
    new = Keyring.load(site.folder.keys)
    with RpcClient([site.folder.settings().rpc_url]) as client:  # CometBFT has started again when the command ends
        signer = proposer.address(new.validator.public.raw).hex().upper()
        assert client.status().validator_info.address == signer
    for role in ROTATED_ROLES:
        assert getattr(old, role).public != getattr(new, role).public
    with pytest.raises(RefusedTransactionError, match="retired_key"):
        send(site, old.steward, "by-the-old-key")
    send(site, new.steward, "by-the-new-key")
    with open_hospital(site.folder) as member:  # the vault is in the new wrapping key's hands
        hospital = member.hospital
        scans = hospital.usable("scans", 1, Use(UseKind.TRAIN))
        assert len(hospital.images(scans, "train").labels) == 24
    addresses = [proposer.address(key.validator.public.raw).hex().upper() for key in (old, new)]
    with RpcClient([published.sites["north"].folder.settings().rpc_url]) as client:  # south's CometBFT starts again

        def new_key_votes() -> bool:
            register(published.sites["north"], f"after-{client.status().sync_info.latest_block_height}")
            votes = client.signed_header().commit.signatures
            return any(vote.validator_address == addresses[1] and vote.block_id_flag == 2 for vote in votes)

        until(new_key_votes, "votes by the new key")
        powers = {entry.address: entry.voting_power for entry in client.validators()}
    assert addresses[0] not in powers and powers[addresses[1]] == status["power"]
    until(lambda: len(site.status().peers) == 3, "the others connect to it again")
    after = next(v for v in answer("network", "status", "--dir", south)["validators"] if v["organisation"] == "south")
    assert after["consensus"] == status["consensus"] and not after["tombstoned"]
    until(lambda: site.status().running and published.agree(), "one state on four nodes")
    assert answer("node", "audit", "--dir", south, "--genesis", published.genesis.hex())["anchored"]


def test_a_rotation_that_was_cut_short_goes_on(published: Consortium, monkeypatch: pytest.MonkeyPatch) -> None:
    """The power fails after the ledger has the new key, before the disk does: nothing is lost or made twice."""
    site, west = published.sites["west"], folder(published, "west")
    old = load_key(SigningKey, key_file(site.folder.keys, "agent"))
    with monkeypatch.context() as cut, suppress(KeyboardInterrupt):
        cut.setattr(key_rotation, "adopt", lambda *arguments: interrupted())
        key_rotation.rotate(site.folder, "agent", None, lambda text: None)
    assert load_key(SigningKey, key_file(site.folder.keys, "agent")) == old
    waiting = load_key(SigningKey, next_key_file(site.folder.keys, "agent"))
    done = answer("node", "rotate-key", "agent", "--yes", "--dir", west)
    assert done["resumed"] and bytes.fromhex(done["key"]) == waiting.public.raw
    state = State.open_read_only(site.folder.state)
    entry = membership.membership(state, "west")
    state.close()
    assert entry is not None and entry.member.agent == waiting.public.raw
    assert load_key(SigningKey, key_file(site.folder.keys, "agent")) == waiting


def interrupted() -> None:
    raise KeyboardInterrupt


# -- back after a silence ----------------------------------------------------------------------------------------------


def test_a_node_that_was_silent_is_jailed_and_comes_back(consortium: Consortium) -> None:
    """Two thirds vote for shorter rules, one node falls silent, is jailed to power 1, and `node unjail` frees it."""
    until(lambda: all(site.status().running for site in consortium.sites.values()), "four running nodes")
    east = folder(consortium, "east")
    assert "no network parameter" in hmchain("network", "set", "jail=2", "--dir", east, status=2)
    ballot = answer("network", "set", "jail_blocks_per_member=2", "jail_ms=2000", "--yes", "--dir", east)
    assert ballot["action"] == "set jail_blocks_per_member=2, jail_ms=2000"
    shown = answer("network", "parameters", "--dir", east)
    assert (shown["parameters"]["jail_ms"], [each["id"] for each in shown["ballots"]]) == (600_000, [ballot["id"]])
    for name in ("north", "south"):
        site = consortium.sites[name]
        until(lambda at=site: ballot["id"] in hmchain("network", "ballots", "--json", "--dir", str(at.folder.path)),
              "the ballot")  # fmt: skip
        hmchain("network", "vote", ballot["id"], "--yes", "--dir", str(site.folder.path))
    assert "2000" in hmchain("network", "parameters", "--dir", folder(consortium, "south"))
    silent, west = consortium.sites["west"], folder(consortium, "west")
    assert "not_jailed" in hmchain("node", "unjail", "--dir", west, status=8)
    assert silent.stop() == 0
    count = 0

    def is_jailed() -> bool:
        nonlocal count
        count += 1
        register(consortium.sites["north"], f"while-silent-{count}")
        state = State.open_read_only(consortium.sites["north"].folder.state)
        try:
            return standings.standing(state, "west").jailed
        finally:
            state.close()

    until(is_jailed, "the jail")
    silent.start()
    until(lambda: silent.status().running and not silent.status().catching_up, "the node")
    until(consortium.agree, "one state on four nodes")
    assert silent.status().power == 1
    assert answer("node", "unjail", "--dir", west) == {"unjailed": True}
    until(lambda: silent.status().power > 1, "its power")
    register(silent, "back")


# -- maintenance -------------------------------------------------------------------------------------------------------


def test_maintenance_that_was_announced_costs_nothing(consortium: Consortium) -> None:
    """The hospital's power is 1 while its node is down, its score stays, and `node unjail` ends it."""
    until(lambda: all(site.status().running for site in consortium.sites.values()), "four running nodes")
    site, south = consortium.sites["south"], folder(consortium, "south")

    def standing() -> Standing:
        state = State.open_read_only(consortium.sites["north"].folder.state)
        try:
            return standings.standing(state, "south")
        finally:
            state.close()

    before = standing()
    announced = answer("node", "maintenance", "--minutes", "30", "--dir", south)
    assert announced["until_ms"] - announced["from_ms"] == 30 * 60_000
    until(lambda: site.status().power == 1, "power 1")
    assert "maintenance" in hmchain("network", "status", "--dir", south)
    assert site.stop() == 0
    register(consortium.sites["north"], "during-maintenance")
    site.start()
    until(lambda: site.status().running and not site.status().catching_up, "the node")
    assert "maintenance_lately" in hmchain("node", "maintenance", "--minutes", "30", "--dir", south, status=8)
    assert answer("node", "unjail", "--dir", south) == {"unjailed": True}
    until(lambda: site.status().power > 1, "its power")
    assert (standing().offences, standing().consensus) == (before.offences, before.consensus)
