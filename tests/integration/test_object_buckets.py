"""Objects in a bucket of a real S3 server, and where objects may lie."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hmchain.records.objects import (
    LocationError,
    MissingObjectError,
    ObjectStore,
    StoreCredentialsError,
    StoreUnavailableError,
    TamperedObjectError,
)
from support.s3_server import S3Server, running_s3

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with running_s3(tmp_path_factory.mktemp("s3")) as server:
        yield server


def bucket(server: S3Server, monkeypatch: pytest.MonkeyPatch, prefix: str, **changed: str) -> ObjectStore:
    """The server's bucket as a user opens it; `changed` overrides the environment."""
    for name, value in {**server.environment, **changed}.items():
        monkeypatch.setenv(name, value)
    return ObjectStore.open(f"s3://{server.bucket}/{prefix}")


# --- S3


def test_an_altered_object_of_a_bucket_is_named_and_healed(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    store = bucket(s3, monkeypatch, "altered")
    digest = store.put(b"ciphertext")
    s3.store("altered").put(f"{digest.hex()[:2]}/{digest.hex()}", b"Ciphertext")
    with pytest.raises(TamperedObjectError, match=digest.hex()):
        store.get(digest)
    with pytest.raises(TamperedObjectError, match=digest.hex()):
        list(store.get_stream(digest))
    assert store.put(b"ciphertext") == digest
    assert store.get(digest) == b"ciphertext"


@pytest.mark.parametrize(
    ("location", "changed", "said"),
    [
        ("s3://hmchain/x", {"AWS_SECRET_ACCESS_KEY": "wrong"}, "refuses our credentials"),
        ("s3://hmchain/x", {"AWS_ACCESS_KEY_ID": "nobody"}, "refuses our credentials"),
        ("s3://no-such-bucket/x", {}, "no such bucket"),
        ("s3://hmchain/x", {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, "does not answer"),
    ],
    ids=["wrong secret", "unknown key", "missing bucket", "server down"],
)
def test_what_is_wrong_with_a_server_is_said(
    s3: S3Server, monkeypatch: pytest.MonkeyPatch, location: str, changed: dict[str, str], said: str
) -> None:
    bucket(s3, monkeypatch, "x", **changed)
    store = ObjectStore.open(location)
    for ask in (store.check, lambda: store.get(bytes(32)), lambda: list(store.get_stream(bytes(32)))):
        with pytest.raises((StoreUnavailableError, MissingObjectError)) as caught:
            ask()
        if said != "no such bucket" or ask == store.check:  # of a missing bucket S3 says less where it has no body
            assert said in str(caught.value)
        assert s3.secret_key not in f"{caught.value!r}{caught.value.__cause__}"


def test_credentials_come_from_a_file_that_only_its_owner_reads(
    s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in s3.environment:
        monkeypatch.delenv(name, raising=False)
    location, path = f"s3://{s3.bucket}/file", tmp_path / "s3.toml"
    with pytest.raises(StoreCredentialsError, match="AWS_ACCESS_KEY_ID"):
        ObjectStore.open(location)
    with pytest.raises(StoreCredentialsError, match="cannot be read"):
        ObjectStore.open(location, credentials=path)
    path.write_text(
        f'access_key_id = "{s3.access_key}"\nsecret_access_key = "{s3.secret_key}"\nendpoint = "{s3.endpoint}"\n'
    )
    path.chmod(0o640)
    with pytest.raises(StoreCredentialsError, match="chmod 600"):
        ObjectStore.open(location, credentials=path)
    path.chmod(0o600)
    store = ObjectStore.open(location, credentials=path)
    assert store.get(store.put(b"x")) == b"x"
    path.write_text(f'secret_access_key = "{s3.secret_key}"\nacces_key = [')
    with pytest.raises(StoreCredentialsError) as caught:
        ObjectStore.open(location, credentials=path)
    assert s3.secret_key not in str(caught.value)


@pytest.mark.parametrize(
    "location",
    ["", "ftp://host/x", "s3://", "file://other/x", "file:///", "s3://key:secret@bucket/x", "s3://bucket/x?key=1"],
)
def test_a_location_that_is_none_is_refused(location: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with pytest.raises(LocationError) as caught:
        ObjectStore.open(location)
    assert "secret" not in str(caught.value)


def test_paths_and_file_urls_are_directories(tmp_path: Path) -> None:
    digest = ObjectStore.open(str(tmp_path / "a b")).put(b"x")
    assert ObjectStore.open(f"file://{tmp_path}/a%20b").get(digest) == b"x"


def test_a_server_elsewhere_is_asked_over_https_only(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "ACCESS_KEY_ID": "k",
        "SECRET_ACCESS_KEY": "s",
        "ENDPOINT_URL": "http://store.hospital",
    }.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    with pytest.raises(LocationError, match="https"):
        ObjectStore.open("s3://bucket")
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    ObjectStore.open("s3://bucket")
