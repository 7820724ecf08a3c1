"""The portal's process: it listens where it may, answers under its own names, and ends when it is told to."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from hmchain.interfaces.portal import serving
from hmchain.interfaces.portal.serving import PortalListenError, PortalPlaceError

__all__ = ["run_directory"]
from support.finished_run import run_directory


def started(place: Path, *more: str) -> tuple[subprocess.Popen[str], str]:
    """A portal as `hmchain portal` starts it, and its address once it answers."""
    command = [sys.executable, "-m", "hmchain", "portal", "--dir", str(place), "--no-browser", *more]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


@pytest.mark.network
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_answers_under_its_own_names_until_it_is_told_to_end(run_directory: Path, number: signal.Signals) -> None:
    process, address = started(run_directory, "--listen", "127.0.0.1:0")
    try:
        assert httpx.get(f"{address}/auditor/blocks").status_code == 200
        assert httpx.get(f"{address}/v1/blocks").status_code == 200
        assert httpx.get(address, headers={"Host": "evil.example"}).status_code == 421
        with httpx.stream("GET", f"{address}/v1/events") as following:  # as every open page does
            assert next(following.iter_lines()).startswith("retry:")
            process.send_signal(number)
            said, complaints = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, said) == (0, ""), complaints
    assert "The portal has ended." in complaints
    assert "Traceback" not in complaints


def test_a_run_is_shown_on_this_machine_alone(run_directory: Path) -> None:
    for listen in ("0.0.0.0:0", "192.0.2.1:8470", "8470", "localhost:port", "localhost:70000"):
        with pytest.raises(PortalListenError), serving.opened(run_directory, listen):
            raise AssertionError(listen)


def test_a_port_that_is_taken_is_told_where_somebody_asked_for_it(run_directory: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with (
            pytest.raises(PortalListenError, match=str(port)),
            serving.opened(run_directory, f"127.0.0.1:{port}"),
        ):
            raise AssertionError(port)


def test_a_ledger_alone_has_no_pages(run_directory: Path) -> None:
    with pytest.raises(PortalPlaceError), serving.opened(run_directory / "ledger"):
        raise AssertionError
