"""The passphrase as a person or a service gives it: by file, environment, systemd or at a terminal, and never aloud."""

from __future__ import annotations

import os
import pty
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hmchain.interfaces.cli import passphrases
from hmchain.interfaces.cli.main import main
from hmchain.interfaces.cli.passphrases import (
    CREDENTIAL,
    CREDENTIALS_VARIABLE,
    FILE_VARIABLE,
    PassphraseFileError,
    UnlikePassphrasesError,
    asked_for,
    new_passphrase,
    passphrase,
    passphrase_taken,
    take_file,
)
from hmchain.keys import WrongPassphraseError, is_sealed
from hmchain.processes import PASSPHRASE

Captured = pytest.CaptureFixture[str]
INIT = ("node", "init", "north", "--title", "North", "--address", "127.0.0.1:1")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for variable in (PASSPHRASE, FILE_VARIABLE, CREDENTIALS_VARIABLE):
        monkeypatch.delenv(variable, raising=False)
    with passphrase_taken():
        yield


def secret(path: Path, text: str = "correct horse\n", mode: int = 0o600) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def test_the_order_is_the_documented_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert passphrase() is None
    monkeypatch.setenv(CREDENTIALS_VARIABLE, str(tmp_path / "run"))
    assert passphrase() is None
    secret(tmp_path / "run" / CREDENTIAL, "of systemd", 0o440)
    assert passphrase() == "of systemd"
    monkeypatch.setenv(PASSPHRASE, "of the environment")
    assert passphrase() == "of the environment"
    monkeypatch.setenv(FILE_VARIABLE, str(secret(tmp_path / "named", "of its file")))
    assert passphrase() == "of its file"
    take_file(secret(tmp_path / "given", "of the option\n"))
    assert passphrase() == new_passphrase() == "of the option"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_file_that_others_can_read_is_refused_with_the_way_out(tmp_path: Path, mode: int) -> None:
    take_file(secret(tmp_path / "file", mode=mode))
    with pytest.raises(PassphraseFileError, match="can be read by others") as caught:
        passphrase()
    assert caught.value.hint == f"run: chmod 600 {tmp_path / 'file'}"


def test_the_mark_that_an_editor_puts_before_a_text_is_no_part_of_it(tmp_path: Path) -> None:
    path = secret(tmp_path / "file")
    path.write_bytes(b"\xef\xbb\xbfcorrect horse\r\n")
    take_file(path)
    assert passphrase() == "correct horse"


@pytest.mark.parametrize("content", [b"", b"\n", b"horse\nbattery\n", b"horse \xff", b"horse" * 900, b"\xef\xbb\xbf\n"])
def test_no_error_shows_what_is_in_the_file(tmp_path: Path, content: bytes) -> None:
    path = secret(tmp_path / "file")
    path.write_bytes(content)
    take_file(path)
    with pytest.raises(PassphraseFileError, match="does not hold a passphrase") as caught:
        passphrase()
    assert "horse" not in str(caught.value) and caught.value.__cause__ is None and caught.value.__context__ is None


def test_a_steward_gives_the_file_and_a_wrong_one_is_told(tmp_path: Path, capsys: Captured) -> None:
    place, right, wrong = str(tmp_path / "node"), secret(tmp_path / "right"), secret(tmp_path / "wrong", "staple")
    assert main([*INIT, "--dir", place, "--passphrase-file", str(right)]) == 0
    assert main(["data", "list", "--dir", place, "--passphrase-file", str(right)]) == 0
    assert main(["data", "list", "--dir", place, "--passphrase-file", str(wrong)]) == 5
    assert main(["data", "list", "--dir", place]) == 5
    said = capsys.readouterr().err
    assert "the passphrase does not open" in said and "is sealed with a passphrase [wrong_passphrase]" in said
    assert "--passphrase-file FILE" in said and "horse" not in said and "staple" not in said


def test_a_service_without_a_terminal_is_asked_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(_: str) -> str:
        raise AssertionError("it asked")

    monkeypatch.setattr(passphrases, "read_unseen", never)
    assert new_passphrase() is None
    assert main([*INIT, "--dir", str(tmp_path / "node")]) == 0


def test_a_new_passphrase_is_typed_twice(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    typed = iter(["horse", "house", "horse", "horse"])
    monkeypatch.setattr(passphrases, "can_ask", lambda: True)
    monkeypatch.setattr(passphrases, "read_unseen", lambda _: next(typed))
    assert new_passphrase() == "horse" and "not the same" in capsys.readouterr().err
    typed = iter([""])
    assert new_passphrase() is None
    typed = iter("abcdef")
    with pytest.raises(UnlikePassphrasesError):
        new_passphrase()


def test_a_wrong_one_is_asked_for_again_three_times_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    typed, tried = iter(["a", "b", "c", "d"]), list[str | None]()
    monkeypatch.setattr(passphrases, "can_ask", lambda: True)
    monkeypatch.setattr(passphrases, "read_unseen", lambda _: next(typed))

    def command() -> None:
        tried.append(passphrase())
        raise WrongPassphraseError("it does not open")

    with pytest.raises(WrongPassphraseError):
        asked_for(command)
    assert tried == [None, "a", "b", "c"]


def typed_at_a_terminal(answers: list[str], *arguments: str) -> tuple[int, str]:
    """Run a command at a terminal of its own and answer each of its questions; its status, and all that it showed."""
    process, terminal = pty.fork()
    if not process:
        os.execv(sys.executable, [sys.executable, "-m", "hmchain", *arguments])
    shown, left = "", list(answers)
    while True:
        try:
            piece = os.read(terminal, 1024).decode(errors="replace")
        except OSError:  # it is closed
            break
        shown += piece
        if shown.endswith(": ") and left:
            os.write(terminal, f"{left.pop(0)}\n".encode())
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), shown


@pytest.mark.network
@pytest.mark.process
def test_a_person_at_a_terminal_types_it_unseen_and_again_if_it_was_wrong(tmp_path: Path) -> None:
    place = ("--dir", str(tmp_path / "node"))
    status, shown = typed_at_a_terminal(["horse", "horse"], *INIT, *place)
    assert status == 0 and "The same again: " in shown and "horse" not in shown
    status, shown = typed_at_a_terminal(["staple", "horse"], "data", "list", *place)
    assert status == 0 and shown.count("Passphrase: ") == 2 and "does not open" in shown
    assert "horse" not in shown and "staple" not in shown


@pytest.mark.network
def test_a_steward_is_told_that_keys_are_not_sealed_and_seals_them(tmp_path: Path, capsys: Captured) -> None:
    north, file = tmp_path / "north", tmp_path / "passphrase"
    assert main(["data", "init", "--dir", str(north)]) == 0
    said = capsys.readouterr().out
    assert "NOT sealed" in said and f"`hmchain data vault seal-keys --dir {north}`" in said
    (north / "keys" / "backup.key").write_bytes((north / "keys" / "local.key").read_bytes())
    seal = ["data", "vault", "seal-keys", "--dir", str(north)]
    assert main(seal) == 2 and "no_passphrase" in capsys.readouterr().err
    file.write_text("correct horse\n")
    file.chmod(0o600)
    given = ["--passphrase-file", str(file)]
    half = north / "keys" / "local.key.part"
    half.write_bytes((north / "keys" / "local.key").read_bytes()[:40])  # who wrote it was killed
    assert main([*seal, *given]) == 0 and "Sealed 7 of 7" in capsys.readouterr().out
    assert not half.exists()
    assert main([*seal, *given]) == 0 and "nothing is to be done" in capsys.readouterr().out
    listed = ["data", "list", "--dir", str(north)]
    assert main(listed) == 5 and "is sealed" in capsys.readouterr().err
    assert main([*listed, *given]) == 0
    file.write_text("another\n")
    assert main([*seal, *given]) == 5 and "does not open" in capsys.readouterr().err
    assert main(["data", "init", "--dir", str(tmp_path / "south"), *given]) == 0
    assert "NOT sealed" not in capsys.readouterr().out


def test_an_operator_is_told_the_same_and_the_key_that_cometbft_reads_stays_open(
    tmp_path: Path, capsys: Captured
) -> None:
    node, file = tmp_path / "node", tmp_path / "passphrase"
    assert main([*INIT, "--dir", str(node)]) == 0
    seal = f"hmchain data vault seal-keys --dir {node}"
    said = capsys.readouterr().out
    assert "NOT sealed" in said and f"`{seal}`" in said
    file.write_text("correct horse\n")
    file.chmod(0o600)
    assert main([*seal.split()[1:], "--passphrase-file", str(file)]) == 0
    assert not is_sealed(node / "keys" / "node.key") and is_sealed(node / "keys" / "agent.key")
