"""CometBFT's home: what is in it, who may read it, and that what was signed is never forgotten."""

from __future__ import annotations

import base64
import json
import stat
import time
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hmchain.ledger.engines.cometbft import process
from hmchain.ledger.engines.cometbft.home import (
    HomeSettings,
    StateSync,
    Timing,
    begin_record,
    config_toml,
    genesis_json,
    node_id,
    write_home,
)
from hmchain.ledger.engines.cometbft.process import CometBFTMissingError, SupervisedProcess, find_binary
from support.ledger_network import CHAIN, START_MS, genesis, signing_key

SETTINGS = HomeSettings("north", "unix:///run/app.sock", "127.0.0.1:26657", "0.0.0.0:26656", ("aa@h:1", "bb@h:2"))
NODE_KEY = signing_key("a", "node")


def written(home: Path) -> dict[str, Any]:
    write_home(home, genesis(), signing_key("a", "validator"), NODE_KEY, SETTINGS)
    return {path.name: path for path in home.rglob("*") if path.is_file()}


def test_the_configuration_says_what_differs_from_the_defaults() -> None:
    settings = replace(
        SETTINGS,
        timing=Timing(commit=150),
        state_sync=StateSync(("http://a:1", "http://b:1"), 5, "AB"),
        log_level="info",
    )
    config = tomllib.loads(config_toml(settings))
    assert (config["moniker"], config["proxy_app"], config["log_level"]) == ("north", "unix:///run/app.sock", "info")
    assert config["rpc"]["laddr"] == "tcp://127.0.0.1:26657"
    assert config["p2p"]["persistent_peers"] == "aa@h:1,bb@h:2" and config["p2p"]["pex"] is False
    assert config["p2p"]["unconditional_peer_ids"] == "aa,bb" and config["p2p"]["max_num_inbound_peers"] == 20
    assert config["p2p"]["flush_throttle_timeout"] == config["consensus"]["peer_gossip_sleep_duration"] == "10ms"
    assert config["consensus"]["timeout_commit"] == "150ms" and config["consensus"]["create_empty_blocks"] is False
    assert config["statesync"]["enable"] is True and config["statesync"]["rpc_servers"] == "http://a:1,http://b:1"
    assert tomllib.loads(config_toml(SETTINGS))["statesync"] == {"enable": False}


def test_a_name_with_quotes_stays_a_name() -> None:
    name = 'north "x"\n[rpc]\nunsafe = true'
    config = tomllib.loads(config_toml(replace(SETTINGS, moniker=name)))
    assert config["moniker"] == name and "unsafe" not in config["rpc"]


def test_the_genesis_holds_validators_and_our_genesis() -> None:
    content = json.loads(genesis_json(genesis()))
    assert content["genesis_time"] == "2023-11-14T22:13:20.000Z" and START_MS == 1_700_000_000_000
    assert [entry["name"] for entry in content["validators"]] == list("abcd")
    assert {entry["power"] for entry in content["validators"]} == {"833"}  # a newcomer's
    key = base64.b64decode(content["validators"][0]["pub_key"]["value"])
    assert key == signing_key("a", "validator").public.raw
    assert content["app_state"][:2] == [genesis().protocol, "test"] and content["chain_id"] == CHAIN


def test_keys_are_the_owner_s_alone(tmp_path: Path) -> None:
    begin_record(tmp_path)
    files = written(tmp_path)
    for name in ("priv_validator_key.json", "node_key.json", "priv_validator_state.json"):
        assert stat.S_IMODE(files[name].stat().st_mode) == 0o600, name
    secret = base64.b64decode(json.loads(files["priv_validator_key.json"].read_text())["priv_key"]["value"])
    assert secret == signing_key("a", "validator").seed + signing_key("a", "validator").public.raw
    assert len(node_id(NODE_KEY.public)) == 40


def test_writing_a_home_makes_no_record_of_what_was_signed_and_keeps_the_one_that_is_there(tmp_path: Path) -> None:
    assert "priv_validator_state.json" not in written(tmp_path)
    begin_record(tmp_path)
    signed = written(tmp_path)["priv_validator_state.json"]
    signed.write_text('{"height": "77", "round": 0, "step": 3}')
    written(tmp_path)
    assert json.loads(signed.read_text())["height"] == "77"


# -- processes ---------------------------------------------------------------------------------------------------------


def script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_a_missing_program_is_named_with_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(process.BINARY_VARIABLE, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(process, "CHECKOUT", tmp_path)
    with pytest.raises(CometBFTMissingError, match="make cometbft"):
        find_binary()
    with pytest.raises(CometBFTMissingError, match="cannot be run"):
        find_binary(str(tmp_path / "nothing"))
    with pytest.raises(CometBFTMissingError, match=r"is CometBFT 1\.0\.1"):
        find_binary(str(script(tmp_path / "newer", "echo v1.0.1")))
    assert find_binary(str(script(tmp_path / "fits", "echo 0.38.99"))) == tmp_path / "fits"


def test_a_process_that_ends_is_started_again_until_it_is_stopped(tmp_path: Path) -> None:
    log = tmp_path / "log"
    supervised = SupervisedProcess("it", [str(script(tmp_path / "brief", "echo here"))], log)
    supervised.start()
    try:
        for _ in range(200):
            if supervised.starts >= 3:
                break
            time.sleep(0.02)
        assert supervised.starts >= 3
    finally:
        supervised.stop()
    started = supervised.starts
    assert log.read_text().count("here") >= 2
    time.sleep(0.5)
    assert supervised.starts == started and supervised.pid is None
