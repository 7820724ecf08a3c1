"""Metrics: what a ledger, a machine and requests are told of as, and that documents, dashboard and alerts know them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from hmchain.application.security.events import Event, Kind
from hmchain.application.site import hospital
from hmchain.application.site.hospital import HospitalFolder
from hmchain.application.site.recording import record
from hmchain.application.watching import series
from hmchain.application.watching.metrics import Metrics, Watched
from support import incident_life, sharing_life
from support.ledger_network import Network
from support.paths import REPOSITORY
from support.still_ledger import StillDirectory

DEPLOY = REPOSITORY / "deploy"
ALERTS, DASHBOARD = DEPLOY / "prometheus" / "alerts.yml", DEPLOY / "grafana" / "hospital.json"
KNOWN = {each.name: each for each in series.ALL}
OF_A_HISTOGRAM = ("_bucket", "_sum", "_count")
PEOPLE = ("erin", "clinician")


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Network:
    made = Network.found(tmp_path_factory.mktemp("net") / "ledger")
    for chapter in sharing_life.CHAPTERS[:2]:
        chapter(made)
    opened = incident_life.OpenIncident("breach", "malware", "high", ("a", "b"), (), made.send.clock.ms, bytes(32))
    made.block(made.send("c", opened))
    made.ledger.close()
    return made


@pytest.fixture
def place(tmp_path: Path) -> HospitalFolder:
    return hospital.create(tmp_path / "a")


def metrics_of(network: Network, place: HospitalFolder) -> tuple[Metrics, StillDirectory]:
    live = StillDirectory(network.directory)
    return Metrics(Watched(live, "a", place, jobs=lambda: {("extraction", "running"): 2})), live


def samples(metrics: Metrics) -> dict[str, float]:
    """By name and labels, as they are in a query."""
    found = {}
    for family in text_string_to_metric_families(metrics.text().decode()):
        for each in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(each.labels.items()))
            found[f"{each.name}{{{labels}}}" if labels else each.name] = each.value
    return found


def series_of(name: str) -> str:
    """The metric that a name in a query is of."""
    return next((name.removesuffix(end) for end in OF_A_HISTOGRAM if name.removesuffix(end) in KNOWN), name)


def test_a_ledger_and_a_folder_are_told_in_figures(network: Network, place: HospitalFolder) -> None:
    metrics, _ = metrics_of(network, place)
    found = samples(metrics)
    assert found["hmchain_ledger_followed"] == 1 and found["hmchain_ledger_height"] > 5
    assert found['hmchain_member_reputation{member="b",of="consensus"}'] >= 0
    assert found['hmchain_incidents_open{severity="high"}'] == 1
    assert found["hmchain_incidents_owed"] == 2, "to know of it, and to contain it"
    assert found["hmchain_security_log_anchored_lines"] > 0
    assert found['hmchain_jobs{kind="extraction",status="running"}'] == 2
    assert found['hmchain_store_up{store="records"}'] == 1
    assert found["hmchain_disk_free_bytes"] > 0 and found["hmchain_agent_up"] == 0
    assert {series_of(name.partition("{")[0]) for name in found if name.startswith("hmchain_")} <= set(KNOWN) | {
        "hmchain_http_requests_created"
    }


def test_events_are_counted_from_the_start_of_the_process(network: Network, place: HospitalFolder) -> None:
    record(place, Event(Kind.SIGN_IN_REFUSED))
    metrics, _ = metrics_of(network, place)
    assert 'hmchain_security_events_total{kind="sign-in.refused"}' not in samples(metrics)
    for _ in range(3):
        record(place, Event(Kind.SIGN_IN_REFUSED, person="erin"))
    other, _ = metrics_of(network, place)
    assert samples(other)["hmchain_security_log_lines"] == 5, "with the line that begins the log"
    fresh, _ = metrics_of(network, place)
    record(place, Event(Kind.SIGN_IN_REFUSED))
    assert samples(fresh)['hmchain_security_events_total{kind="sign-in.refused"}'] == 1


def test_a_scrape_costs_one_look_a_second(network: Network, place: HospitalFolder) -> None:
    metrics, live = metrics_of(network, place)
    for _ in range(5):
        metrics.text()
    assert live.asked == 1


def test_a_ledger_that_cannot_be_read_fails_no_scrape(place: HospitalFolder, tmp_path: Path) -> None:
    metrics = Metrics(Watched(StillDirectory(tmp_path / "none"), "a", place))
    found = samples(metrics)
    assert found["hmchain_ledger_followed"] == 0 and found["hmchain_node_up"] == 0
    assert "hmchain_ledger_height" not in found and found["hmchain_disk_bytes"] > 0


def test_requests_are_told_by_template(network: Network, place: HospitalFolder) -> None:
    metrics, _ = metrics_of(network, place)
    metrics.began()
    metrics.ended("GET", "/v1/transactions/{digest}", 200, 0.02)
    metrics.notified("mail", "sent", 2)
    found = samples(metrics)
    told = 'method="GET",route="/v1/transactions/{digest}"'
    assert found[f'hmchain_http_requests_total{{{told},status="200"}}'] == 1
    assert found["hmchain_http_requests_in_flight"] == 0
    assert found['hmchain_notifications_total{channel="mail",outcome="sent"}'] == 2
    assert found[f'hmchain_http_request_seconds_bucket{{le="0.025",{told}}}'] == 1


def test_no_person_and_no_dataset_is_in_a_label(network: Network, place: HospitalFolder) -> None:
    text = metrics_of(network, place)[0].text().decode()
    assert not any(name in text for name in (*PEOPLE, "brain"))
    assert all(label in _LABELS for each in series.ALL for label in each.labels)


_LABELS = {
    "version", "organisation", "member", "of", "status", "study", "phase", "role", "severity", "store", "kind",
    "method", "route", "channel", "outcome",
}  # fmt: skip
"""All that metrics are told apart by: each has few values."""


def test_the_reference_lists_every_metric() -> None:
    text = (REPOSITORY / "docs" / "reference" / "metrics.md").read_text("utf-8")
    rows = re.findall(r"^\| `(hmchain_\w+)` \| (\w+) \| ([^|]*)\| (.+?) \|$", text, re.MULTILINE)
    listed = {name: (kind, labels.replace("`", "").replace(",", "").split()) for name, kind, labels, _ in rows}
    assert listed == {each.name: (each.kind.value, list(each.labels)) for each in series.ALL}


@pytest.mark.parametrize("file", [ALERTS, DASHBOARD])
def test_queries_ask_for_what_there_is(file: Path) -> None:
    text = "\n".join(queries(file))
    used = {series_of(name) for name in re.findall(r"\bhmchain_\w+", text)}
    assert used <= set(KNOWN)
    if file is DASHBOARD:
        assert used == set(KNOWN), "the dashboard shows all there is"
    for name, label in re.findall(r"(hmchain_\w+)\{(\w+)=", text):
        assert label in KNOWN[series_of(name)].labels


def queries(file: Path) -> list[str]:
    if file is ALERTS:
        return re.findall(r"^ +(?:expr: )?(.*hmchain_.*)$", file.read_text("utf-8"), re.MULTILINE)
    panels = json.loads(file.read_text("utf-8"))["panels"]
    return [target["expr"] for panel in panels for target in panel.get("targets", [])]


def promtool(*arguments: str, given: bytes = b"") -> None:
    program = shutil.which("promtool")
    if program is None:
        if os.environ.get("CI"):
            pytest.fail("promtool is missing: install Debian's package prometheus")
        pytest.skip("promtool is missing: install Debian's package prometheus")
    command = [program, *arguments]
    done = subprocess.run(command, cwd=ALERTS.parent, input=given, capture_output=True, timeout=60)
    assert done.returncode == 0, (done.stdout + done.stderr).decode()


@pytest.mark.network
def test_promtool_takes_rules_and_settings_and_the_rules_do_what_they_say() -> None:
    promtool("check", "rules", ALERTS.name)
    promtool("check", "config", "--syntax-only", "prometheus.yml")
    promtool("test", "rules", "alerts_test.yml")
    tried = (ALERTS.parent / "alerts_test.yml").read_text("utf-8")
    for name in re.findall(r"alert: (\w+)", ALERTS.read_text("utf-8")):
        assert f"name: {name}\n" in tried, f"{name} is not tried"


@pytest.mark.process
def test_promtool_takes_the_queries_of_the_dashboard(tmp_path: Path) -> None:
    """As recording rules, which it parses."""
    rules = [{"record": f"panel:{number}", "expr": query} for number, query in enumerate(queries(DASHBOARD))]
    (tmp_path / "panels.yml").write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))
    promtool("check", "rules", str(tmp_path / "panels.yml"))


@pytest.mark.process
def test_promtool_takes_what_is_told(network: Network, place: HospitalFolder) -> None:
    metrics, _ = metrics_of(network, place)
    metrics.began()
    metrics.ended("GET", "/v1/blocks", 200, 0.02)
    promtool("check", "metrics", given=metrics.text())
