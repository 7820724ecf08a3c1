"""The guide `docs/how-to/consortium.md`, followed literally: each department on a host, the commands as written.

Each department has a network namespace, a `/srv` and a shell of its own. A block's title says who gives it; the tables
of the guide say which files are sent, and only those are copied from one department to another.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from support.cometbft_network import needs_cometbft
from support.guides import Block, Section, Sent, sections
from support.namespaces import Host, lan
from support.paths import REPOSITORY
from support.s3_server import S3Server, running_s3
from support.sites import answer, hmchain

pytestmark = [pytest.mark.network, pytest.mark.timeout(1200)]

GUIDE = REPOSITORY / "docs" / "how-to" / "consortium.md"
AUDITOR = REPOSITORY / "docs" / "how-to" / "auditor.md"
DEPARTMENTS = ("north", "south", "west")
NEWCOMER = "east"
STORE_PORT = 8333
PATIENCE_SECONDS = 120.0
AWAITED = {
    "6. Look": r"height +[1-9].*not connected to +-.*Network brain-net",
    "7. A study": r"Study brightness: finished.*hmchain model show",
    "8. Others join, or leave": r"passed|voting power +[1-9]",
}
NOT_FOLLOWED = {
    "1. Each department: install": "its first block installs what runs this test",
    "10. Repair, back up, update, move": "a disk must fail first, each time in another way: test_disk_damage.py "
    "repairs nodes, test_network_cli.py and test_node_folder.py back them up and restore them",
    "11. Join a long chain from a snapshot": "the chain must be long first: test_state_sync.py joins one so",
}


def given_by(block: Block) -> tuple[str, ...]:
    """The departments that give it."""
    return DEPARTMENTS if block.who == "each department" else (block.who.lower(),)


# -- the departments ---------------------------------------------------------------------------------------------------


class Department:
    """One house: its host, and a shell that stays open from block to block."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self._shell = subprocess.Popen(
            host.command("bash"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.type("export OMP_NUM_THREADS=1 COLUMNS=200; trap 'failed=1' ERR")

    def type(self, text: str, *, needed: bool = True) -> str:
        """Give commands and return what they print; each must succeed unless it is not `needed`."""
        (self.host.srv / "typed").write_text(f"failed=0\n{text}\n")
        assert self._shell.stdin is not None and self._shell.stdout is not None
        self._shell.stdin.write('. ./typed </dev/null; echo; echo "= $failed"\n')
        self._shell.stdin.flush()
        printed = ""
        while (line := self._shell.stdout.readline()) not in ("= 0\n", "= 1\n"):
            assert line, f"{self.host.name}: the shell ended\n{text}\n{printed}"
            printed += line
        assert not needed or line == "= 0\n", f"{self.host.name}\n{text}\n{printed}"
        return printed

    def leave_running(self, text: str) -> None:
        self.type(f"{{ {text.strip()}\n}} >> running.log 2>&1 &")

    def file(self, name: str) -> Path:
        """A file of this department as its commands name it."""
        return self.host.srv / Path("/srv", name).relative_to("/srv")

    def complaints(self) -> str:
        logs = [self.file(name) for name in ("running.log", "hmchain/node.log")]
        return "\n".join(f"{self.host.name}: {log.read_text()[-3000:]}" for log in logs if log.exists())


@dataclass
class Followed:
    """How far the guide was followed."""

    departments: dict[str, Department]
    store: S3Server
    genesis: str = ""
    ballot: str = ""
    sent: list[tuple[str, bytes]] = field(default_factory=list)
    printed: dict[str, dict[str, str]] = field(default_factory=dict)
    """Section and department to what its blocks printed."""

    def follow(self, section: Section) -> None:
        for step in section.steps:
            if isinstance(step, Sent):
                self._send(step)
                continue
            for name in given_by(step):
                self._do(section, step, self.departments[name])

    def _send(self, step: Sent) -> None:
        content = self.departments[step.sender.lower()].file(step.file).read_bytes()
        self.departments[step.receiver.lower()].file(step.name).write_bytes(content)
        self.sent.append((step.file, content))

    def _do(self, section: Section, block: Block, department: Department) -> None:
        text = self._filled(block.text, department)
        if block.language == "sh" and block.note:
            assert block.note == "until it is stopped"
            department.leave_running(text)
        elif block.language == "sh":
            printed = self._typed(section, text, department)
            shown = self.printed.setdefault(section.title, {})
            shown[department.host.name] = shown.get(department.host.name, "") + printed
            if found := re.search(r"^genesis ([0-9a-f]{64})$", printed, re.M):
                self.genesis = found[1]  # read out by telephone
            if found := re.search(r"hmchain network vote ([0-9a-f]+)", printed, re.M):
                self.ballot = found[1]
        elif block.note == "node.toml":
            self._set(department.file(f"hmchain/{block.note}"), text)
        else:
            department.file(block.note).write_text(text, "utf-8")

    def _typed(self, section: Section, text: str, department: Department) -> str:
        """What shows progress is asked for again until it shows what the guide says will come."""
        awaited = AWAITED.get(section.title)
        if not awaited or not (" status" in text or " vote " in text):
            return department.type(text)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            printed = department.type(text, needed=False)
            if re.search(awaited, printed, re.DOTALL):
                return printed
            assert time.monotonic() < deadline, f"{text}\n{printed}\n{department.complaints()}"
            time.sleep(0.5)

    def _filled(self, text: str, department: Department) -> str:
        """What the guide leaves open."""
        fill = {
            "$PWD/.venv": f"{REPOSITORY}/.venv",
            "HMCHAIN_PASSPHRASE=...": f"HMCHAIN_PASSPHRASE='secret of {department.host.name}'",
            "DIGEST": self.genesis,
            "BALLOT": self.ballot,
            'access_key_id = "..."': f'access_key_id = "{self.store.access_key}"',
            'secret_access_key = "..."': f'secret_access_key = "{self.store.secret_key}"',
        }
        for gap, content in fill.items():
            text = text.replace(gap, content)
        return text

    @staticmethod
    def _set(toml: Path, text: str) -> None:
        """Write settings into a file that has them already."""
        lines = toml.read_text("utf-8").splitlines()
        for setting in text.strip().splitlines():
            (place,) = [n for n, line in enumerate(lines) if line.split("=")[0] == setting.split("=")[0]]
            lines[place] = setting
        toml.write_text("\n".join(lines) + "\n", "utf-8")


@contextmanager
def three_departments(directory: Path) -> Iterator[Followed]:
    aliases = ("node.{}.example.org", "objects.{}.example.org")
    with ExitStack() as stack:
        hosts = stack.enter_context(lan(directory, (*DEPARTMENTS, NEWCOMER), aliases)).hosts
        north = hosts["north"]
        store = stack.enter_context(
            running_s3(directory / "s3", "brain-net", host=north.address, port=STORE_PORT, prefix=north.command())
        )
        yield Followed({name: Department(host) for name, host in hosts.items()}, store)


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Followed]:
    needs_cometbft()
    with three_departments(tmp_path_factory.mktemp("guide")) as followed:
        for section in sections(GUIDE):
            if section.title not in NOT_FOLLOWED:
                followed.follow(section)
            elif section.title.startswith("1."):
                (shell,) = section.steps[1:]
                assert isinstance(shell, Block)
                followed.follow(replace(section, steps=(shell, replace(shell, who=NEWCOMER))))
        yield followed


# -- what must have come of it -----------------------------------------------------------------------------------------


def test_every_section_is_followed_or_excused() -> None:
    found = sections(GUIDE)
    titles = [section.title for section in found]
    assert NOT_FOLLOWED.keys() <= set(titles)
    install = found[0].steps[0]
    assert isinstance(install, Block)
    assert "scripts/setup.sh network" in install.text and "make cometbft" in install.text
    assert (REPOSITORY / "scripts" / "setup.sh").exists()
    for section in found:
        assert not section.untitled, f"a block of {section.title} does not say who gives it"


def test_the_guide_says_that_three_can_lose_none(followed: Followed) -> None:
    assert "Three members can lose none." in GUIDE.read_text("utf-8")
    assert "at most 0 of them" in " ".join(followed.printed["3. North: found the network"]["north"].split())


def test_three_departments_run_one_consortium(followed: Followed) -> None:
    for name, printed in followed.printed["6. Look"].items():
        assert followed.genesis in printed, name
        assert all(f"{other.title()} Hospital" in printed for other in DEPARTMENTS)


def test_a_fourth_hospital_is_admitted(followed: Followed) -> None:
    printed = followed.printed["8. Others join, or leave"]
    assert "passed" in printed["south"]
    status = json.loads(followed.departments["west"].type("hmchain network status --json"))
    powers = {each["organisation"]: each["power"] for each in status["validators"]}
    assert list(powers) == sorted((*DEPARTMENTS, NEWCOMER)) and all(powers.values())


def test_one_study_over_the_three(followed: Followed) -> None:
    finals = []
    for name in DEPARTMENTS:
        department = followed.departments[name]
        status = json.loads(department.type("hmchain study status --json"))
        assert (status["status"], status["accepted"] + status["rejected"]) == ("finished", 2)
        finals.append(status["model_root"])
        left = department.file("hmchain/studies/brightness")
        written = {path.name for path in left.iterdir()}
        assert written == {"model.safetensors", "scores.json", "report.html", "used.json"}
        assert [each["round"] for each in json.loads((left / "scores.json").read_bytes())["rounds"]] == [1, 2]
    assert len(set(finals)) == 1 and finals[0]


def test_the_audit_holds_in_every_house(followed: Followed) -> None:
    for printed in followed.printed["9. Audit"].values():
        assert "The ledger holds." in printed and re.search(r"by [34] of 4", printed)


def test_an_outsider_follows_the_auditor_s_guide(
    followed: Followed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An authority gets North's files by mail and the digest by telephone, and gives the guide's commands."""
    north = followed.departments["north"]
    shown = json.loads(north.type("hmchain data show scans --json"))
    gaps = {"DIGEST": followed.genesis, "NODE": "$HMCHAIN_NODE", "RECORD": shown["entries"][0]["record"],
            "ROOT": shown["root"], "alder/images": "north/scans", "brain-tumour": "brightness"}  # fmt: skip
    north.type("rm -f ledger.zip; cp $HMCHAIN_NODE/studies/brightness/model.safetensors .")
    given = [line for block in re.findall(r"^```sh.*\n((?:.*\n)+?)```$", AUDITOR.read_text("utf-8"), re.M)
             for line in block.splitlines()]  # fmt: skip
    at_home = [line for line in given if line.startswith(("hmchain node", "hmchain data", "hmchain audit bundle"))]
    for line in at_home:
        north.type(" ".join(gaps.get(word, word) for word in shlex.split(line, comments=True)))
    sent = ("ledger.zip", "model.safetensors", "record.json", "north.zip")
    for name in sent:
        shutil.copyfile(north.file(name), tmp_path / name)
        (tmp_path / name).chmod(0o444)
    monkeypatch.chdir(tmp_path)
    gaps["3f9a"] = answer("ledger", "blocks", "ledger.zip")[0]["transactions"][0]["digest"][:12]
    outside = [line for line in given if line not in at_home]
    for line in outside:
        hmchain(*(gaps.get(word, word) for word in shlex.split(line, comments=True)[1:]))
    assert len(at_home) == 3 and len(outside) == 20
    assert answer("study", "status", "ledger.zip")["status"] == "finished"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted((*sent, "proof.json", "brightness.html"))
    for name in ("ledger.zip", "north.zip"):
        assert not any(secret in (tmp_path / name).read_bytes() for secret in private_keys(north))


def test_only_public_files_changed_hands(followed: Followed) -> None:
    assert sorted(file for file, _ in followed.sent) == [
        *["/srv/hmchain/member.json"] * 3,
        "answer.json",
        "challenge.json",
        *["network.json"] * 3,
    ]
    secrets = [secret for each in followed.departments.values() for secret in private_keys(each)]
    assert len(secrets) == 4 * (7 + 2)
    for file, content in followed.sent:
        assert not any(secret in content for secret in secrets), f"{file} holds a private key"
        assert b"secret of" not in content and followed.store.secret_key.encode() not in content


def private_keys(department: Department) -> list[bytes]:
    """Every private key of a node, as it is written into its files."""
    folder = department.file("hmchain")
    sealed = [json.loads(path.read_bytes())["body"] for path in sorted((folder / "keys").glob("*.key"))]
    plain = [
        json.loads((folder / "engine" / "config" / name).read_bytes())["priv_key"]["value"]
        for name in ("priv_validator_key.json", "node_key.json")
    ]
    return [text.encode() for text in (*sealed, *plain)]


def test_no_log_shows_the_credentials(followed: Followed) -> None:
    for department in followed.departments.values():
        assert followed.store.secret_key not in department.complaints()
