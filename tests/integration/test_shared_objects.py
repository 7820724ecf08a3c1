"""The store that a network's members share: where it is, who may open it, and an exchange through a real S3 server."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from hmchain.application.site.node import NodeFolder
from hmchain.application.site.settings import NodeSettings
from hmchain.records.objects import MissingObjectError, ObjectStore, StoreUnavailableError
from support.s3_server import S3Server, running_s3

pytestmark = pytest.mark.process

SECRET = "not-to-be-shown"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with running_s3(tmp_path_factory.mktemp("s3")) as running:
        yield running


def credentials(path: Path, server: S3Server, secret: str = "", mode: int = 0o600) -> Path:
    path.write_text(f'access_key_id = "{server.access_key}"\nsecret_access_key = "{secret or server.secret_key}"\n')
    path.chmod(mode)
    return path


def test_members_exchange_objects_through_s3(server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One finds its credentials in a file, the other in the environment."""
    location = f"s3://{server.bucket}/updates"
    north = ObjectStore.open(
        location, endpoint=server.endpoint, credentials=credentials(tmp_path / "objects.toml", server)
    )
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    south = ObjectStore.open(location)
    update = bytes(range(256)) * 5000
    digest = north.put(update)
    assert south.get(digest) == update
    assert south.put(update) == digest  # the same again is no error
    assert list(south.list()) == [digest]
    with pytest.raises(MissingObjectError):
        ObjectStore.open(f"s3://{server.bucket}/other").get(digest)  # the prefix is part of the place
    south.delete(digest)
    assert not north.exists(digest)


def test_a_wrong_secret_is_refused_and_shown_nowhere(
    server: S3Server, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    file = credentials(tmp_path / "objects.toml", server, SECRET)
    store = ObjectStore.open(f"s3://{server.bucket}", endpoint=server.endpoint, credentials=file)
    with pytest.raises(StoreUnavailableError) as refused:
        store.put(b"update")
    assert (
        SECRET
        not in f"{refused.value} {refused.value!r} {refused.value.__cause__!r} {caplog.text} {capfd.readouterr()}"
    )


def test_a_node_names_its_store_in_its_settings(tmp_path: Path) -> None:
    folder = NodeFolder(tmp_path / "node")
    folder.write_settings(NodeSettings(organisation="north", title="North", address="north:1"))
    text = folder.toml.read_text()
    assert 'objects = ""' in text
    folder.toml.write_text(
        text.replace('objects = ""', 'objects = "s3://b/p"').replace(
            'objects_endpoint = ""', 'objects_endpoint = "http://h:1"'
        )
    )
    settings = folder.settings()
    assert (settings.objects, settings.objects_endpoint) == ("s3://b/p", "http://h:1")
    assert folder.object_credentials.parent == folder.keys
