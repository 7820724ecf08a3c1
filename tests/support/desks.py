"""Desks of people who follow a guide: each in a folder of its own, at its hospital's node, the commands as written.

Commands of ours run in this process, since a guide has many and a Python each would take longer than all they do; so
does what they ask at a terminal. What else a block has runs in a shell.
"""

from __future__ import annotations

import io
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

import pytest

from hmchain.interfaces.cli.main import main
from support.guides import Block, Section, Sent
from support.sites import Consortium

PATIENCE_SECONDS = 90.0
SHOWN_COLUMNS = 80


def in_words(text: str) -> str:
    """What is read, however the lines are broken."""
    return " ".join(re.sub(r"[│┃╷╵╎─━]", " ", text).split())


def shows(printed: str, sample: str) -> bool:
    """Whether a print has all lines of a sample, in order; `…` stands for whatever is there."""
    parts = [part for line in sample.splitlines() for part in in_words(line).split("…")]
    pattern = ".*?".join(re.escape(part.strip()) for part in parts if part.strip())
    return re.search(pattern, in_words(printed)) is not None


@dataclass
class Desk:
    """Where one person works: a folder, and what the shell there knows."""

    name: str
    folder: Path
    variables: dict[str, str] = field(default_factory=dict)
    printed: str = ""
    """By the last block."""

    def file(self, name: str) -> Path:
        return self.folder / name


@dataclass
class Office:
    """All desks, and what goes on between them."""

    folder: Path
    nodes: dict[str, Path]
    """Hospital to its node's folder."""
    patch: pytest.MonkeyPatch
    gaps: dict[str, str] = field(default_factory=dict)
    """What a guide leaves open, filled in as it is learned."""
    learned: dict[str, str] = field(default_factory=dict)
    """A gap to the pattern that finds it in what is printed."""
    desks: dict[str, Desk] = field(default_factory=dict)
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)
    printed: dict[str, str] = field(default_factory=dict)
    """Section's title to all that its blocks printed."""

    def follow(self, section: Section) -> None:
        steps = list(section.steps)
        for place, step in enumerate(steps):
            after = steps[place + 1] if place + 1 < len(steps) else None
            if isinstance(step, Sent):
                content = self._desk(step.sender).file(step.file).read_bytes()
                self._desk(step.receiver).file(step.name).write_bytes(content)
            elif step.who == "each hospital":
                for hospital in self.nodes:
                    self._do(section, replace(step, who=f"{hospital.title()}'s operator"), None)
            else:
                self._do(section, step, after if isinstance(after, Block) else None)

    @classmethod
    @contextmanager
    def of(
        cls, consortium: Consortium, guide: Iterable[Section], folder: Path, learned: Mapping[str, str] | None = None
    ) -> Iterator[Self]:
        """All that a guide says was done at the nodes of a consortium, and what it says is seen was seen."""
        nodes = {name: site.folder.path for name, site in consortium.sites.items()}
        with pytest.MonkeyPatch.context() as patch:
            office = cls(folder, nodes, patch, {"DIGEST": consortium.genesis.hex()}, dict(learned or {}))
            try:
                for section in guide:
                    office.follow(section)
                yield office
            finally:
                office.stop()

    def stop(self) -> None:
        for process in self.running:
            process.kill()
            process.wait(timeout=30)

    def _do(self, section: Section, block: Block, after: Block | None) -> None:
        desk = self._desk(block.who.removesuffix(" sees").removesuffix(" is asked"))
        if block.who.endswith(" sees"):
            assert shows(desk.printed, block.text), f"{block.who}\n{block.text}\nbut printed was\n{desk.printed}"
        elif block.who.endswith(" is asked"):
            pass  # the commands before it were answered by it
        elif block.language != "sh":
            desk.file(block.note).write_text(self._filled(block.text), "utf-8")
        else:
            desk.printed = self._given(desk, block, after)
            self.printed[section.title] = self.printed.get(section.title, "") + desk.printed

    def _given(self, desk: Desk, block: Block, after: Block | None) -> str:
        if block.note == "until it is stopped":
            (line,) = _commands(self._filled(block.text))
            self._leave_running(desk, line)
            return ""
        asked = after.text if after is not None and after.who == f"{block.who} is asked" else ""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            waited = block.note == "until it shows this"
            lines = _commands(self._filled(block.text))
            printed = "".join(self._typed(desk, line, asked, block.note) for line in lines)
            if not waited or (after is not None and shows(printed, after.text)):
                return printed
            assert time.monotonic() < deadline, f"{block.who}\n{block.text}\nnever shows\n{after}\n{printed}"
            time.sleep(0.5)

    def _typed(self, desk: Desk, line: str, asked: str, note: str = "") -> str:
        if found := re.fullmatch(r"export (\w+)=(.*)", line.partition("  #")[0].strip()):
            desk.variables[found[1]] = shlex.split(found[2])[0]
            return ""
        words = shlex.split(line, comments=True)
        if words[0] != "hmchain" or {">", "|", "<"} & set(words):
            script = f"export PATH={Path(sys.executable).parent}:$PATH\n{line}"
            done = subprocess.run(["bash", "-ec", script], cwd=desk.folder, env=self._environment(desk), text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)  # fmt: skip
            assert done.returncode == 0, f"{desk.name}: {line}\n{done.stdout}"
            printed = done.stdout
        else:
            printed = self._ours(desk, words[1:], line, asked, note)
        for gap, pattern in self.learned.items():
            if match := re.search(pattern, printed):
                self.gaps[gap] = match[1]
        return printed

    def _ours(self, desk: Desk, words: list[str], line: str, asked: str, note: str) -> str:
        printed, answers = io.StringIO(), "".join(f"{answer}\n" for _, answer in questions(asked))
        with self.patch.context() as patch:
            patch.chdir(desk.folder)
            for name, value in {**desk.variables, "COLUMNS": str(SHOWN_COLUMNS)}.items():
                patch.setenv(name, value)
            patch.setattr(sys, "stdout", printed)
            patch.setattr(sys, "stderr", printed)
            if answers:
                patch.setattr("hmchain.interfaces.cli.asking.at_terminal", lambda: True)
                patch.setattr(sys, "stdin", io.StringIO(answers))
            status = main(words)
        as_meant = (status != 0) is (note == "in vain") or note == "until it shows this"
        assert as_meant, f"{desk.name}: {line}\n{printed.getvalue()}"
        for question, _ in questions(asked):
            found = in_words(question) in in_words(printed.getvalue())
            assert found, f"{question!r} is not asked:\n{printed.getvalue()}"
        return printed.getvalue()

    def _environment(self, desk: Desk) -> dict[str, str]:
        return {**os.environ, **desk.variables, "COLUMNS": str(SHOWN_COLUMNS), "OMP_NUM_THREADS": "1"}

    def _leave_running(self, desk: Desk, line: str) -> None:
        command = [sys.executable, "-m", *shlex.split(line, comments=True)]
        log = desk.file("running.log").open("ab")
        self.running.append(
            subprocess.Popen(command, cwd=desk.folder, env=self._environment(desk), stdout=log, stderr=log)
        )

    def _filled(self, text: str) -> str:
        for gap, content in self.gaps.items():
            text = text.replace(gap, content)
        return text

    def _desk(self, who: str) -> Desk:
        if who not in self.desks:
            folder = self.folder / re.sub(r"\W+", "-", who.lower())
            folder.mkdir()
            hospital = who.partition("'")[0].lower()
            node = self.nodes.get(hospital)
            self.desks[who] = Desk(who, folder, {} if node is None else {"HMCHAIN_NODE": str(node)})
        return self.desks[who]


def _commands(text: str) -> Iterator[str]:
    """The commands of a block, a line each; one that ends in a backslash goes on."""
    for line in text.replace("\\\n", " ").splitlines():
        if line.strip() and not line.startswith("#"):
            yield line


def questions(sample: str) -> Iterable[tuple[str, str]]:
    """What is asked and what is answered, of the lines `question [usual]: answer`."""
    for line in sample.splitlines():
        question, mark, answer = line.rpartition("]:")
        if mark:
            yield question.rpartition("[")[0].strip(), answer.strip()
